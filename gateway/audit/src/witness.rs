//! Standing for somebody else's log (C2SP tlog-witness): of each log one line of checkpoints, each the beginning of the next.
//!
//! Promises never to cosign two roots of one size, and never to go back. What was cosigned last is on the disk before
//! anybody is told. Knows nothing of entries, of the network, and of whoever asks.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;

use crate::cosignature::{Cosigner, WitnessKey};
use crate::disk;
use crate::note::{BadNote, Checkpoint, Verifier, parts};
use crate::tree::{self, Hash};

/// The longest question a witness reads: 63 hashes and a note take a few thousand bytes.
pub const MAX_QUESTION: usize = 16 * 1024;

/// More hashes than any proof needs.
const MAX_PATH: usize = 63;

/// Why a checkpoint is not cosigned.
#[derive(Debug, thiserror::Error)]
pub enum Uncosigned {
    /// Not of the form of a question, or about a log that shrank.
    #[error("this is not what a witness is asked")]
    Malformed,
    /// A log that this witness does not look after.
    #[error("this log is not witnessed here")]
    UnknownLog,
    /// Not signed by the key of the log.
    #[error("the checkpoint {0}")]
    Unsigned(BadNote),
    /// Not what goes on from what was cosigned last.
    #[error("{0} entries were cosigned last")]
    Conflict(u64),
    /// As many entries as were cosigned last, and others: this is another log.
    #[error("{0} entries were cosigned last, with another root")]
    Forked(u64),
    /// The proof does not hold: this is another log than the one that was cosigned.
    #[error("{0}")]
    Inconsistent(tree::BadProof),
    /// It could not be kept, so it is not said either.
    #[error("what was cosigned cannot be kept: {0}")]
    Io(io::Error),
}

/// What a witness was asked: to stand for a checkpoint that goes on from `old` entries.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Question<'b> {
    old: u64,
    path: Vec<Hash>,
    note: &'b str,
    stated: Checkpoint,
}

impl<'b> Question<'b> {
    /// Reads it; of its note nothing is believed yet.
    fn parse(body: &'b [u8]) -> Option<Self> {
        let body = std::str::from_utf8(body).ok().filter(|it| it.len() <= MAX_QUESTION)?;
        let (head, note) = body.strip_prefix("old ")?.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let written = lines.next()?;
        let old: u64 = written.parse().ok()?;
        let path: Vec<Hash> = lines.map(|it| STANDARD.decode(it).ok()?.try_into().ok()).collect::<Option<_>>()?;
        let stated = Checkpoint::parse(parts(note).ok()?.0).ok()?;
        let good = old.to_string() == written && path.len() <= MAX_PATH && old <= stated.size;
        good.then_some(Self { old, path, note, stated })
    }
}

/// The whole rule: whether a checkpoint goes on from the one that was cosigned last.
fn goes_on(last: &Checkpoint, asked: &Question<'_>) -> Result<(), Uncosigned> {
    if last.size == asked.stated.size && last.root != asked.stated.root {
        return Err(Uncosigned::Forked(last.size));
    }
    if last.size != asked.old {
        return Err(Uncosigned::Conflict(last.size));
    }
    let (old, new) = ((last.size, &last.root), (asked.stated.size, &asked.stated.root));
    tree::verify_consistency(old, new, &asked.path).map_err(Uncosigned::Inconsistent)
}

/// Why a witness cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BadWitness {
    /// A file cannot be used.
    #[error("`{path}`: {cause}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Another witness keeps its state there.
    #[error("`{path}` is kept by another process", path = .0.display())]
    Taken(PathBuf),
    /// What was cosigned last cannot be read. Without it the witness would begin anew, and might stand for another log.
    #[error("`{path}` {cause}", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: BadNote,
    },
    /// One key twice.
    #[error("a key of log `{0}` is named twice")]
    Twice(String),
}

/// Stands for some logs. Several threads may ask at once.
#[derive(Debug)]
pub struct Witness {
    cosigner: Cosigner,
    logs: Vec<Witnessed>,
    _lock: File,
}

/// One log that is stood for.
#[derive(Debug)]
struct Witnessed {
    key: Verifier,
    /// The last note that was cosigned, as the log signed it.
    file: PathBuf,
    /// What it says.
    last: Mutex<Checkpoint>,
}

impl Witness {
    /// Opens the state in this folder, or makes it, for the logs of these keys. Of several keys of one name the last signs,
    /// and those before it have: whoever was away while one took over from another goes on from what the older one signed.
    pub fn open(folder: &Path, cosigner: Cosigner, logs: &[Verifier]) -> Result<Self, BadWitness> {
        let failed = |cause| BadWitness::Io { path: folder.to_owned(), cause };
        disk::make_folder(folder).map_err(failed)?;
        let taken = || BadWitness::Taken(folder.to_owned());
        let lock = disk::lock(&folder.join("LOCK")).map_err(failed)?.ok_or_else(taken)?;
        let mut witnessed: Vec<Witnessed> = Vec::new();
        for key in logs {
            let of_name: Vec<&Verifier> = logs.iter().filter(|it| it.name() == key.name()).collect();
            if of_name.iter().filter(|it| **it == key).count() > 1 {
                return Err(BadWitness::Twice(key.name().to_owned()));
            }
            if let Some((last, before)) = of_name.split_last().filter(|(last, _)| **last == key) {
                witnessed.push(Witnessed::open(folder, (*last).clone(), before)?);
            }
        }
        Ok(Self { cosigner, logs: witnessed, _lock: lock })
    }

    /// What others verify with.
    pub fn key(&self) -> WitnessKey {
        self.cosigner.witness()
    }

    /// Answers `add-checkpoint`: the line that stands for the checkpoint, once it is certain that no other of this log will
    /// be stood for.
    pub fn cosign(&self, body: &[u8], now: Timestamp) -> Result<String, Uncosigned> {
        let asked = Question::parse(body).ok_or(Uncosigned::Malformed)?;
        let log = self.logs.iter().find(|it| it.key.name() == asked.stated.origin).ok_or(Uncosigned::UnknownLog)?;
        let text = log.key.open(asked.note).map_err(Uncosigned::Unsigned)?;
        // INVARIANT: held from the look at what was cosigned last until the next is on the disk, so that of two who ask at
        // once the second is held to what the first was told.
        let mut last = log.last.lock().unwrap_or_else(PoisonError::into_inner);
        goes_on(&last, &asked).inspect_err(|cause| {
            if matches!(cause, Uncosigned::Conflict(size) if *size <= asked.stated.size) {
                // Whoever begins does not know what was cosigned last, and asks again.
                tracing::info!(%cause, "not cosigned");
            } else {
                // What is refused here may be all the evidence there is.
                tracing::warn!(%cause, note = asked.note, "not cosigned");
            }
        })?;
        if *last != asked.stated {
            disk::put_durably(&log.file, asked.note.as_bytes()).map_err(Uncosigned::Io)?;
            *last = asked.stated;
        }
        Ok(self.cosigner.cosign(text, now))
    }
}

impl Witnessed {
    /// What was cosigned last may be signed by one of those before it.
    fn open(folder: &Path, key: Verifier, before: &[&Verifier]) -> Result<Self, BadWitness> {
        let file = folder.join(format!("{}.checkpoint", hex::encode(tree::leaf(key.name().as_bytes()))));
        let read = disk::read(&file).map_err(|cause| BadWitness::Io { path: file.clone(), cause })?;
        let last = match read {
            None => Checkpoint { origin: key.name().to_owned(), size: 0, root: tree::empty() },
            Some(bytes) => {
                let damaged = |cause| BadWitness::Damaged { path: file.clone(), cause };
                let note = String::from_utf8(bytes).map_err(|_| damaged(BadNote::Malformed))?;
                let older = || before.iter().find_map(|it| it.open(&note).ok());
                key.open(&note).or_else(|cause| older().ok_or(cause)).and_then(Checkpoint::parse).map_err(damaged)?
            }
        };
        Ok(Self { key, file, last: Mutex::new(last) })
    }
}
