//! Proofs of many entries against one checkpoint, while the log grows.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::note::Checkpoint;
use crate::prove::{self, Unproven};
use crate::query::Found;
use crate::tree::{self, FULL, Hash, Tile};

/// How often a checkpoint is looked for whose begun tiles are still there: each newer one takes away those before it.
const LOOKS: usize = 100;

/// How many tiles are remembered: 16 KiB each, with the roots above them.
const KEPT: usize = 1024;

/// A checkpoint, and the tiles beneath it.
pub(crate) struct Proofs {
    log: PathBuf,
    note: String,
    checkpoint: Checkpoint,
    /// The tiles that are not whole. They go when the log grows.
    begun: HashMap<Tile, Rows>,
    kept: HashMap<Tile, Rows>,
}

/// Holds entries to the newest checkpoint: what it covers must be what was signed for. Those that are newer it cannot judge.
pub fn hold_to_newest(log: &Path, found: &[Found]) -> Result<(), Unproven> {
    let mut judge = Judge::of(log)?;
    found.iter().try_for_each(|it| judge.hold(it))
}

/// What holds entries to one checkpoint, the newest that there was.
pub struct Judge(Option<Proofs>);

impl Judge {
    /// The judge of a log. Where nothing is signed for yet, it takes everything.
    pub fn of(log: &Path) -> Result<Self, Unproven> {
        match Proofs::open(log) {
            Err(Unproven::Unsigned { .. }) => Ok(Self(None)),
            other => other.map(|it| Self(Some(it))),
        }
    }

    /// Holds an entry to what was signed for, where it is old enough for that.
    pub fn hold(&mut self, found: &Found) -> Result<(), Unproven> {
        let Some(proofs) = self.0.as_mut().filter(|it| found.seq < it.checkpoint().size) else { return Ok(()) };
        let held = proofs.held(found.seq, &found.bytes)?.map(drop);
        held.ok_or_else(|| prove::blame(&proofs.log, &proofs.checkpoint, (found.seq, &found.bytes)))
    }
}

/// The hashes of a tile, and the roots over two, four and so on up to all of them.
type Rows = Vec<Vec<Hash>>;

impl Proofs {
    pub(crate) fn open(log: &Path) -> Result<Self, Unproven> {
        let mut looks = 0;
        loop {
            looks += 1;
            match Self::now(log) {
                Err(Unproven::Tile(_)) if looks < LOOKS => {}
                other => return other,
            }
        }
    }

    fn now(log: &Path) -> Result<Self, Unproven> {
        let (note, checkpoint) = prove::newest(log)?;
        let mut begun = HashMap::new();
        for level in 0..8_u8 {
            let there = checkpoint.size >> (8 * u32::from(level));
            if !there.is_multiple_of(FULL as u64) {
                let tile = Tile { level, index: there / FULL as u64 };
                begun.insert(tile, rows(prove::tile(log, checkpoint.size, tile)?));
            }
        }
        Ok(Self { log: log.to_owned(), note, checkpoint, begun, kept: HashMap::new() })
    }

    pub(crate) fn note(&self) -> &str {
        &self.note
    }

    pub(crate) fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The hashes that lead from an entry to the root of the checkpoint.
    pub(crate) fn inclusion(&mut self, seq: u64) -> Result<Vec<Hash>, Unproven> {
        let size = self.checkpoint.size;
        tree::inclusion(seq, size, &mut |level, index| self.subtree(level, index))
    }

    /// The same for an entry of these bytes; nothing where they are not what was signed for.
    pub(crate) fn held(&mut self, seq: u64, entry: &[u8]) -> Result<Option<Vec<Hash>>, Unproven> {
        let path = self.inclusion(seq)?;
        let Checkpoint { size, root, .. } = &self.checkpoint;
        let held = tree::verify_inclusion(&tree::leaf(entry), seq, *size, &path, root).is_ok();
        Ok(held.then_some(path))
    }

    fn subtree(&mut self, level: u32, index: u64) -> Result<Hash, Unproven> {
        let (above, within) = (level / 8, level % 8);
        let first = index << within;
        let tile = Tile { level: u8::try_from(above).unwrap_or(u8::MAX), index: first / FULL as u64 };
        if !self.begun.contains_key(&tile) && !self.kept.contains_key(&tile) {
            if KEPT <= self.kept.len() {
                self.kept.clear();
            }
            self.kept.insert(tile, rows(prove::tile(&self.log, self.checkpoint.size, tile)?));
        }
        let rows = self.begun.get(&tile).or_else(|| self.kept.get(&tile));
        let row = rows.and_then(|it| it.get(usize::try_from(within).unwrap_or_default()));
        let place = usize::try_from((first % FULL as u64) >> within).unwrap_or_default();
        row.and_then(|it| it.get(place)).copied().ok_or_else(|| Unproven::Tile(tile.path(FULL)))
    }
}

fn rows(hashes: Vec<Hash>) -> Rows {
    let mut rows = vec![hashes];
    while let Some(below) = rows.last().filter(|it| it.len() > 1) {
        let (pairs, _) = below.as_chunks::<2>();
        rows.push(pairs.iter().map(|[left, right]| tree::node(left, right)).collect());
    }
    rows
}
