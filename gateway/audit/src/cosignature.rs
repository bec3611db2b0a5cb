//! Cosignatures (C2SP tlog-cosignature): who besides the log stands for a checkpoint, and when they last did.

use std::path::Path;
use std::{fmt, io};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;

use crate::disk;
use crate::note::{BadNote, LINE, is_name, key_id, parts, read_vkey, signature, write_vkey};

/// The kind of key that a cosignature by Ed25519 names.
const COSIGNATURE_KIND: u8 = 4;

/// Where the newest cosigned checkpoint lies.
pub(crate) const NEWEST: &str = "checkpoint.cosigned";

/// The private half of a witness: a name and an Ed25519 key, which signs nothing but cosignatures.
pub struct Cosigner {
    name: String,
    key: Ed25519KeyPair,
}

impl Cosigner {
    /// From the 32 bytes of the key's seed.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Option<Self> {
        let key = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        is_name(name).then(|| Self { name: name.to_owned(), key })
    }

    /// What others verify with.
    pub fn witness(&self) -> WitnessKey {
        // INVARIANT: a public key of Ed25519 has 32 bytes.
        let key = self.key.public_key().as_ref().try_into().unwrap_or_default();
        WitnessKey { name: self.name.clone(), key }
    }

    /// The line that says: at this moment, the checkpoint of this text is the newest of its log that this witness knows.
    pub fn cosign(&self, text: &str, now: Timestamp) -> String {
        let seconds = u64::try_from(now.seconds()).unwrap_or_default();
        let mut line = self.witness().id().to_vec();
        line.extend_from_slice(&seconds.to_be_bytes());
        line.extend_from_slice(self.key.sign(message(text, seconds).as_bytes()).as_ref());
        format!("{LINE}{} {}\n", self.name, STANDARD.encode(line))
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cosigner").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A witness who is believed: a name and the public half of its key. Written `name+id+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    key: [u8; 32],
}

impl WitnessKey {
    /// The name of the witness.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether two are one and the same witness, whatever they are called.
    pub fn is_same(&self, other: &Self) -> bool {
        self.key == other.key
    }

    fn id(&self) -> [u8; 4] {
        key_id(COSIGNATURE_KIND, &self.name, &self.key)
    }

    /// When this witness last stood for the text of a note.
    pub fn cosigned(&self, note: &str) -> Result<Timestamp, BadNote> {
        let (text, lines) = parts(note)?;
        let mut last = None;
        for (name, signature) in lines {
            let Some((id, stamped)) = signature.split_first_chunk::<4>() else { return Err(BadNote::Malformed) };
            if name == self.name && *id == self.id() {
                let at = self.verify(text, stamped).ok_or_else(|| BadNote::Forged(self.name.clone()))?;
                last = last.max(Some(at));
            }
        }
        last.ok_or_else(|| BadNote::Unsigned(self.name.clone()))
    }

    /// The moment that a signature with its time in front speaks of, if it holds.
    fn verify(&self, text: &str, stamped: &[u8]) -> Option<Timestamp> {
        let (seconds, signature) = stamped.split_first_chunk::<8>()?;
        let seconds = u64::from_be_bytes(*seconds);
        let at = i64::try_from(seconds).ok().map(Timestamp::from_seconds)?;
        UnparsedPublicKey::new(&ED25519, &self.key).verify(message(text, seconds).as_bytes(), signature).ok()?;
        Some(at)
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write_vkey(COSIGNATURE_KIND, &self.name, &self.key))
    }
}

impl std::str::FromStr for WitnessKey {
    type Err = BadNote;
    fn from_str(text: &str) -> Result<Self, BadNote> {
        read_vkey(COSIGNATURE_KIND, text).map(|(name, key)| Self { name, key })
    }
}

/// What is signed: the text, and above it what the signature is and when it was made.
fn message(text: &str, seconds: u64) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}

/// The lines of an answer that this witness stands for, as they can be added to the note they are about.
pub fn lines_of(witness: &WitnessKey, note: &str, answer: &str) -> Result<(String, Timestamp), BadNote> {
    let own = |line: &&str| {
        signature(line).is_ok_and(|(name, bytes)| name == witness.name && bytes.starts_with(&witness.id()))
    };
    let lines: String = answer.lines().filter(own).flat_map(|line| [line, "\n"]).collect();
    let at = witness.cosigned(&format!("{note}{lines}"))?;
    Ok((lines, at))
}

/// The newest cosigned checkpoint of a log, if there is one.
pub fn newest_cosigned(log: &Path) -> io::Result<Option<String>> {
    Ok(disk::read(&log.join(NEWEST))?.and_then(|it| String::from_utf8(it).ok()))
}

/// Puts a cosigned note in place as the newest of a log.
pub fn place_cosigned(log: &Path, note: &str) -> io::Result<()> {
    disk::put_durably(&log.join(NEWEST), note.as_bytes())
}

/// Keeps a cosigned note of this size among the checkpoints of a log: beside the one that only the log signed, because that
/// is written by somebody else.
pub fn keep_cosigned(log: &Path, note: &str, size: u64) -> io::Result<()> {
    disk::put_within(log, &log.join(format!("checkpoints/{size}.cosigned")), note.as_bytes())
}

/// Witnesses that cannot be counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuorum {
    /// Nobody is named.
    #[error("no witness is named")]
    Nobody,
    /// A quorum of none, which everything has, or of more than there are, which nothing has.
    #[error("a quorum is at least 1 of the witnesses that are named, and at most all of them")]
    OutOfRange,
    /// One key under two names would count twice.
    #[error("two of the witnesses have the same key")]
    Twice,
}

/// Whose word it takes: so many of these witnesses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    witnesses: Vec<WitnessKey>,
    needed: usize,
}

impl Quorum {
    /// So many of these.
    pub fn new(witnesses: Vec<WitnessKey>, needed: usize) -> Result<Self, BadQuorum> {
        let twice = |(at, one): (usize, &WitnessKey)| witnesses.iter().skip(at + 1).any(|it| it.is_same(one));
        match () {
            () if witnesses.is_empty() => Err(BadQuorum::Nobody),
            () if needed == 0 || witnesses.len() < needed => Err(BadQuorum::OutOfRange),
            () if witnesses.iter().enumerate().any(twice) => Err(BadQuorum::Twice),
            () => Ok(Self { witnesses, needed }),
        }
    }

    /// The witnesses.
    pub fn witnesses(&self) -> &[WitnessKey] {
        &self.witnesses
    }

    /// How many of them it takes.
    pub fn needed(&self) -> usize {
        self.needed
    }

    /// Since when as many as it takes stand for a note; nothing where too few do. A line by one of them that does not hold
    /// spoils the whole note.
    pub fn witnessed(&self, note: &str) -> Result<Option<Timestamp>, BadNote> {
        let mut times = Vec::new();
        for witness in &self.witnesses {
            match witness.cosigned(note) {
                Ok(at) => times.push(at),
                Err(BadNote::Unsigned(_)) => {}
                Err(bad) => return Err(bad),
            }
        }
        times.sort_unstable_by(|one, other| other.cmp(one));
        Ok(self.needed.checked_sub(1).and_then(|last| times.get(last)).copied())
    }
}
