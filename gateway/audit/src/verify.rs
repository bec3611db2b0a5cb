//! Whether a log is what was signed: read by somebody who believes nothing but a key.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::cbor::Identity;
use crate::note::{BadNote, Checkpoint, Verifier};
use crate::read::{Entries, ReadError};
use crate::tree::{self, FULL, Hash, Levels};
use crate::{cbor, disk};

/// A log in which nothing is wrong, as far as its key can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many entries there are.
    pub entries: u64,
    /// How many of them are signed for; those after them are not yet.
    pub signed: u64,
    /// The root over the signed ones.
    pub root: Hash,
}

/// The first thing that is wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no checkpoint: nothing is signed.
    #[error("there is no checkpoint, so that nothing is signed")]
    Unsigned,
    /// A checkpoint that the key does not stand for.
    #[error("checkpoint `{file}` {cause}")]
    Note {
        /// The file.
        file: String,
        /// What is wrong with it.
        cause: BadNote,
    },
    /// An entry that no gateway wrote.
    #[error("entry {0} is not an entry")]
    NotAnEntry(u64),
    /// The numbers that a run of a gateway gave its entries have a gap, or go back.
    #[error("entry {seq} is number {found} of its run, where {expected} was to come")]
    Gap {
        /// The entry.
        seq: u64,
        /// The number it has.
        found: u64,
        /// The number that was to come.
        expected: u64,
    },
    /// The entries are not those that were signed for.
    #[error("the entries up to {before} are not those of the checkpoint `{file}`; those up to {good} are")]
    Changed {
        /// The checkpoint.
        file: String,
        /// How many entries it covers.
        before: u64,
        /// How many are covered by the last checkpoint that agrees.
        good: u64,
    },
    /// A tile that does not hold the hashes of the entries beneath it.
    #[error("tile `{path}` is not that of entries {first} to {last}")]
    Tile {
        /// The tile.
        path: String,
        /// The first entry beneath it.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// Fewer entries than were signed for.
    #[error("{signed} entries are signed for, and there are {found}")]
    Short {
        /// As many as the checkpoint says.
        signed: u64,
        /// As many as there are.
        found: u64,
    },
}

/// Reads the whole log and holds it to its checkpoints.
pub fn verify(log: &Path, key: &Verifier) -> Result<Verified, Broken> {
    let notes = checkpoints(log, key)?;
    let Some((_, newest)) = notes.values().next_back().cloned() else { return Err(Broken::Unsigned) };
    let mut levels = Levels::default();
    let mut runs = Runs::default();
    let mut good = 0;
    let mut wrong_tile = None;
    for entry in Entries::from(log, 0) {
        let (seq, entry) = entry?;
        runs.count(&entry, seq)?;
        levels.push(tree::leaf(&entry), |tile, hashes| {
            let path = tile.path(FULL);
            let read = disk::read(&log.join(&path)).ok().flatten();
            // One that was not put in place yet is derived from the entries at the next start.
            if wrong_tile.is_none() && read.is_some_and(|it| !it.is_empty() && it != hashes.concat()) {
                let beneath = (FULL as u64).saturating_pow(u32::from(tile.level) + 1);
                wrong_tile =
                    Some(Broken::Tile { path, first: tile.index * beneath, last: (tile.index + 1) * beneath - 1 });
            }
        });
        if let Some((file, stated)) = notes.get(&levels.size()) {
            if levels.root() != stated.root {
                return Err(Broken::Changed { file: file.clone(), before: stated.size, good });
            }
            good = stated.size;
        }
    }
    if levels.size() < newest.size {
        return Err(Broken::Short { signed: newest.size, found: levels.size() });
    }
    match wrong_tile {
        Some(wrong) => Err(wrong),
        None => Ok(Verified { entries: levels.size(), signed: newest.size, root: newest.root }),
    }
}

/// Every checkpoint there is, by its size.
fn checkpoints(log: &Path, key: &Verifier) -> Result<BTreeMap<u64, (String, Checkpoint)>, Broken> {
    let mut files = vec!["checkpoint".to_owned()];
    if let Ok(kept) = std::fs::read_dir(log.join("checkpoints")) {
        let notes = kept.flatten().filter(|it| it.path().extension().is_some_and(|it| it == "note"));
        files.extend(notes.filter_map(|it| it.file_name().into_string().ok()).map(|it| format!("checkpoints/{it}")));
    }
    let mut read: BTreeMap<u64, (String, Checkpoint)> = BTreeMap::new();
    for file in files {
        let Some(bytes) = disk::read(&log.join(&file)).map_err(ReadError::Io)? else { continue };
        let bad = |cause| Broken::Note { file: file.clone(), cause };
        let note = String::from_utf8(bytes).map_err(|_| bad(BadNote::Malformed))?;
        let stated = key.open(&note).and_then(Checkpoint::parse).map_err(bad)?;
        if let Some((other, _)) = read.get(&stated.size).filter(|(_, it)| it.root != stated.root) {
            let good = 0;
            return Err(Broken::Changed { file: format!("{other}` and `{file}"), before: stated.size, good });
        }
        read.insert(stated.size, (file, stated));
    }
    Ok(read)
}

/// How far the runs of gateways have come. Entries of one run mostly follow each other, so the last one is at hand.
#[derive(Default)]
struct Runs {
    known: HashMap<(String, String), u64>,
    current: (String, String),
    expected: u64,
}

impl Runs {
    /// Whether an entry has the number that comes next in its run.
    fn count(&mut self, entry: &[u8], seq: u64) -> Result<(), Broken> {
        let Identity { node, boot, node_seq } = cbor::identity(entry).map_err(|_| Broken::NotAnEntry(seq))?;
        if self.current.0 != node || self.current.1 != boot {
            let next = (node.to_owned(), boot.to_owned());
            self.known.insert(std::mem::take(&mut self.current), self.expected);
            self.expected = self.known.get(&next).copied().unwrap_or_default();
            self.current = next;
        }
        if node_seq != self.expected {
            return Err(Broken::Gap { seq, found: node_seq, expected: self.expected });
        }
        self.expected += 1;
        Ok(())
    }
}
