//! Signed notes (C2SP signed-note): a text, and lines of who stands for it.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::succession;
use crate::tag::Tags;
use crate::tree::Hash;

/// The kind of key that an Ed25519 signature names.
const ED25519_KIND: u8 = 1;

/// How every line of a signature begins.
pub(crate) const LINE: &str = "\u{2014} ";

/// A note that cannot be read, or that nobody we know stands for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNote {
    /// Not of the form of a note.
    #[error("is not a signed note")]
    Malformed,
    /// Not a key as `vkey` texts write it.
    #[error("`{0}` is not a verifier key")]
    BadKey(String),
    /// No signature of this key.
    #[error("is not signed by `{0}`")]
    Unsigned(String),
    /// A signature of this key that does not hold.
    #[error("has a signature by `{0}` that does not hold")]
    Forged(String),
    /// Signed by a key alone from which another had taken over before.
    #[error("is signed only by `{0}`, from which another key had taken over")]
    Retired(String),
}

/// Who signs: a name and an Ed25519 key, and while it takes over from another, that one too.
#[derive(Clone)]
pub struct Signer {
    name: String,
    key: Arc<Ed25519KeyPair>,
    older: Option<Arc<Ed25519KeyPair>>,
    tags: Tags,
}

impl Signer {
    /// From the 32 bytes of the key's seed.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Option<Self> {
        let key = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        is_name(name).then(|| Self { name: name.to_owned(), key: Arc::new(key), older: None, tags: Tags::of(seed) })
    }

    /// The same while it takes over from the key of this seed: both sign, and say so. A key does not follow itself.
    pub fn after(mut self, seed: &[u8; 32]) -> Option<Self> {
        let older = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        self.older = Some(Arc::new(older)).filter(|it| it.public_key().as_ref() != self.key.public_key().as_ref());
        if self.older.is_some() {
            self.tags.after(seed);
        }
        Some(self)
    }

    /// The name that is signed with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What others verify with.
    pub fn verifier(&self) -> Verifier {
        self.verifier_of(&self.key)
    }

    /// What tells its own frames and places from those of others.
    pub(crate) fn tags(&self) -> &Tags {
        &self.tags
    }

    fn verifier_of(&self, key: &Ed25519KeyPair) -> Verifier {
        // INVARIANT: a public key of Ed25519 has 32 bytes.
        let key = key.public_key().as_ref().try_into().unwrap_or_default();
        Verifier { name: self.name.clone(), key }
    }

    /// The note of a text that ends with a line feed.
    pub fn sign(&self, text: &str) -> String {
        [Some(&self.key), self.older.as_ref()].into_iter().flatten().fold(format!("{text}\n"), |note, key| {
            let mut signature = self.verifier_of(key).id().to_vec();
            signature.extend_from_slice(key.sign(text.as_bytes()).as_ref());
            note + &format!("{LINE}{} {}\n", self.name, STANDARD.encode(signature))
        })
    }

    /// The signed checkpoint of a log of this name.
    pub fn checkpoint(&self, size: u64, root: Hash) -> String {
        let text = Checkpoint { origin: self.name.clone(), size, root }.text();
        let older = self.older.as_ref().map(|it| succession::line(&self.verifier_of(it), &self.verifier()));
        self.sign(&(text + older.as_deref().unwrap_or_default()))
    }

    /// The key of these that stands for a note: the newer one, unless only the older one does.
    pub fn known_by(&self, note: &str) -> Verifier {
        let newer = self.verifier();
        let older = self.older.as_ref().map(|it| self.verifier_of(it));
        older.filter(|it| newer.open(note).is_err() && it.open(note).is_ok()).unwrap_or(newer)
    }

    /// The text of a note that was signed by this key, or by the one that it takes over from.
    pub(crate) fn open<'n>(&self, note: &'n str) -> Result<&'n str, BadNote> {
        match (self.verifier().open(note), &self.older) {
            (Err(BadNote::Unsigned(_)), Some(older)) => self.verifier_of(older).open(note),
            (opened, _) => opened,
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Who is believed: a name and the public half of an Ed25519 key. Written `name+id+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: [u8; 32],
}

impl Verifier {
    /// The name of the key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of the key, in hexadecimal.
    pub fn id_text(&self) -> String {
        hex::encode(self.id())
    }

    fn id(&self) -> [u8; 4] {
        key_id(ED25519_KIND, &self.name, &self.key)
    }

    /// The text of a note that this key stands for.
    pub fn open<'n>(&self, note: &'n str) -> Result<&'n str, BadNote> {
        let (text, lines) = parts(note)?;
        let mut known = false;
        for (name, signature) in lines {
            let Some((id, signature)) = signature.split_first_chunk::<4>() else { return Err(BadNote::Malformed) };
            // A signature by a key of the same name and another id may be one of another kind.
            if name == self.name && *id == self.id() {
                let key = UnparsedPublicKey::new(&ED25519, &self.key);
                key.verify(text.as_bytes(), signature).map_err(|_| BadNote::Forged(self.name.clone()))?;
                known = true;
            }
        }
        if known { Ok(text) } else { Err(BadNote::Unsigned(self.name.clone())) }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write_vkey(ED25519_KIND, &self.name, &self.key))
    }
}

impl std::str::FromStr for Verifier {
    type Err = BadNote;
    fn from_str(text: &str) -> Result<Self, BadNote> {
        read_vkey(ED25519_KIND, text).map(|(name, key)| Self { name, key })
    }
}

/// The first four bytes of the SHA-256 over name, line feed, kind and key.
pub(crate) fn key_id(kind: u8, name: &str, key: &[u8; 32]) -> [u8; 4] {
    let named = [name.as_bytes(), b"\n", &[kind], key].concat();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &named);
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

/// A key as `name+id+key`.
pub(crate) fn write_vkey(kind: u8, name: &str, key: &[u8; 32]) -> String {
    let id = hex::encode(key_id(kind, name, key));
    format!("{name}+{id}+{}", STANDARD.encode([&[kind][..], key].concat()))
}

/// Name and key of a text that [`write_vkey`] could have written for a key of this kind.
pub(crate) fn read_vkey(kind: u8, text: &str) -> Result<(String, [u8; 32]), BadNote> {
    let bad = || BadNote::BadKey(text.to_owned());
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return Err(bad()) };
    let key = STANDARD.decode(key).map_err(|_| bad())?;
    let (written, key) = key.split_first().ok_or_else(bad)?;
    let key = key.try_into().map_err(|_| bad())?;
    let good = *written == kind && is_name(name) && hex::encode(key_id(kind, name, &key)) == id;
    if good { Ok((name.to_owned(), key)) } else { Err(bad()) }
}

/// Whether a name can stand in a note: not empty, no space, no `+`.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|it: char| it.is_whitespace() || it.is_control() || it == '+')
}

/// Who signed, and with what: the id of the key and the signature itself.
pub(crate) type Signature<'n> = (&'n str, Vec<u8>);

/// The text, and the lines below it.
pub(crate) fn parts(note: &str) -> Result<(&str, Vec<Signature<'_>>), BadNote> {
    let end = note.rfind("\n\n").ok_or(BadNote::Malformed)?;
    let (text, lines) = note.split_at_checked(end + 1).ok_or(BadNote::Malformed)?;
    let lines = lines.strip_prefix('\n').and_then(|it| it.strip_suffix('\n')).ok_or(BadNote::Malformed)?;
    let lines = lines.split('\n').map(signature).collect::<Result<_, _>>()?;
    if text.chars().any(|it| it.is_control() && it != '\n') { Err(BadNote::Malformed) } else { Ok((text, lines)) }
}

/// One line of a signature: who, and what they signed with.
pub(crate) fn signature(line: &str) -> Result<Signature<'_>, BadNote> {
    let (name, signature) = line.strip_prefix(LINE).and_then(|it| it.split_once(' ')).ok_or(BadNote::Malformed)?;
    let signature = STANDARD.decode(signature).map_err(|_| BadNote::Malformed)?;
    if is_name(name) { Ok((name, signature)) } else { Err(BadNote::Malformed) }
}

/// What a signed note says of a log (C2SP tlog-checkpoint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Reads a text whose signature has been verified. Further lines are extensions, and passed over.
    pub fn parse(text: &str) -> Result<Self, BadNote> {
        let mut lines = text.split_terminator('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(BadNote::Malformed);
        };
        let number: u64 = size.parse().map_err(|_| BadNote::Malformed)?;
        let root = STANDARD.decode(root).map_err(|_| BadNote::Malformed)?;
        if origin.is_empty() || number.to_string() != size {
            return Err(BadNote::Malformed);
        }
        Ok(Self { origin: origin.to_owned(), size: number, root: root.try_into().map_err(|_| BadNote::Malformed)? })
    }
}
