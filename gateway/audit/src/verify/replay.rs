//! The tree once more: over the entries as they are, and over the hashes that tiles have of them.
//!
//! Where the two differ, a checkpoint says which of them was changed, and so which very entry.

mod pruned;

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::path::{Path, PathBuf};

use domain::Timestamp;

use super::ahead;
use super::deeds::Deeds;
use super::edge::{self, broken};
use super::fault::{Broken, Found};
use super::pruned::{PrunedPart, Prunings};
use super::runs::Runs;
use super::stated::Stated;
use crate::read::{Entries, ReadError};
use crate::recover::read_tile;
use crate::tree::{self, FULL, Hash, Levels, Tile, bundle_path};
use crate::{cbor, disk, prove, sequencer};

/// How many entries are remembered that differ from their tiles, until a checkpoint says what that means.
const MOST: usize = 64;

/// Goes through a log from its beginning.
pub(super) struct Replay<'l> {
    log: &'l Path,
    /// How many entries the newest checkpoint covers.
    newest: u64,
    found: Found,
    runs: Runs,
    deeds: Deeds,
    prunings: Prunings,
    /// The tree over entries, as far as they are those that were signed for.
    read: Levels,
    /// Tiles of pruned entries of which another root is told above them.
    doubted: BTreeSet<u64>,
    /// The tree over what tiles have, from the first entry on that is not what its tile says.
    told: Option<Levels>,
    /// The first of those entries.
    differ: Vec<u64>,
    /// How many more there are.
    unnamed: u64,
    /// The hashes of the bundle at hand, as its tile has them; none where there is no tile yet.
    leaves: Vec<Hash>,
    /// That tile, and how wide the file is that has them.
    opened: (u64, usize),
    /// As many as the last checkpoint covers that agrees.
    good: u64,
    /// The root of each checkpoint that agrees, by its size.
    agreed: BTreeMap<u64, Hash>,
    /// Checkpoints that agree with nothing.
    wrong: Vec<Stated>,
    /// The last bundle that was remarked upon.
    noted: Option<u64>,
    /// Something in a write-ahead file was changed.
    changed: bool,
}

impl<'l> Replay<'l> {
    pub(super) fn new(log: &'l Path, newest: u64, prunings: Prunings, found: Found) -> Self {
        Self {
            log,
            newest,
            found,
            runs: Runs::default(),
            deeds: Deeds::default(),
            prunings,
            read: Levels::default(),
            doubted: BTreeSet::new(),
            told: None,
            differ: Vec::new(),
            unnamed: 0,
            leaves: Vec::new(),
            opened: (0, FULL),
            good: 0,
            agreed: BTreeMap::new(),
            wrong: Vec::new(),
            noted: None,
            changed: false,
        }
    }

    /// How many entries there were.
    pub(super) fn size(&self) -> u64 {
        self.read.size()
    }

    /// Reads all of it. What was pruned, or cannot be read, is stepped over by the hashes that tiles have of it.
    pub(super) fn run(&mut self, minimum: u64, stated: &BTreeMap<u64, Vec<Stated>>) -> Result<(), ReadError> {
        let mut stated = stated.iter().peekable();
        if let Some((_, empty)) = stated.next_if(|(size, _)| **size == 0) {
            self.settle(empty);
        }
        if !self.pass_pruned(minimum, &mut stated) {
            return Ok(());
        }
        if minimum > 0 {
            self.runs.begin_late();
        }
        loop {
            let mut damaged = None;
            let mut entries = Entries::from(self.log, self.size());
            while let Some(entry) = entries.next() {
                match entry {
                    Ok((seq, entry)) => {
                        if let Some(bundle) = entries.ahead_of() {
                            self.note_bundle(bundle);
                        }
                        self.take(seq, &entry);
                    }
                    Err(ReadError::Damaged { path, seq }) => {
                        damaged = Some((path, seq));
                        break;
                    }
                    Err(cause) => return Err(cause),
                }
                self.settle_here(&mut stated);
            }
            if damaged.is_none() && self.go_on_ahead(&mut stated)? {
                continue;
            }
            let Some((path, seq)) = damaged.or_else(|| self.missing()) else { return Ok(()) };
            let first = self.first_unreadable(&path, seq)?;
            let file = path.strip_prefix(self.log).unwrap_or(&path).display().to_string();
            self.found.push(Broken::Unreadable { seq: first, file });
            self.runs.skip();
            self.deeds.skip();
            if self.leaves.len() < FULL {
                return Ok(());
            }
            let within = usize::try_from(self.size() % FULL as u64).unwrap_or_default();
            let leaves = std::mem::take(&mut self.leaves);
            self.step_over(leaves.into_iter().skip(within), &mut stated);
        }
    }

    /// Goes on where a write-ahead file was changed, up to the end of the bundle at hand: names entries that were signed for
    /// and are not what was written, and steps over them by the hashes that their tile has. Says whether it went on.
    fn go_on_ahead<'s>(
        &mut self,
        stated: &mut Peekable<impl Iterator<Item = (&'s u64, &'s Vec<Stated>)>>,
    ) -> Result<bool, ReadError> {
        let first = self.size();
        // What was not signed for ends where something is not whole: it was being written.
        if self.newest <= first && !self.changed {
            return Ok(false);
        }
        let Some(held) = ahead::held(self.log, first, |it| self.told_of(it))? else { return Ok(false) };
        for seq in held.before {
            self.found.push_once(Broken::ChangedAhead { seq, file: held.file.clone() });
        }
        for (entry, changed) in held.pieces {
            let seq = self.size();
            if changed && self.newest <= seq {
                break;
            }
            if changed {
                self.changed = true;
                self.found.push(Broken::ChangedAhead { seq, file: held.file.clone() });
            }
            if let Some(entry) = entry {
                self.take(seq, &entry);
            } else {
                self.runs.skip();
                self.deeds.skip();
                if seq.is_multiple_of(FULL as u64) {
                    self.open_tile(seq);
                }
                // Without its hash the root is not the one that was signed for, which is said as well.
                let leaf = self.told_of(seq).unwrap_or_default();
                self.grow(leaf, leaf);
            }
            self.settle_here(stated);
        }
        Ok(first < self.size())
    }

    /// Names what stands between entries of write-ahead files and belongs to none, or after the last of them.
    pub(super) fn name_inserted(&mut self) -> Result<(), ReadError> {
        for (seq, file, bytes) in ahead::inserted(self.log, |it| self.told_of(it))? {
            self.found.push(Broken::Inserted { seq, file, bytes });
        }
        // What was signed for and is not whole is named already.
        if let Some((file, entries)) = ahead::beyond(self.log)?.filter(|_| self.newest <= self.size()) {
            self.found.remark_beyond(&file, entries);
        }
        Ok(())
    }

    /// The hash that a tile has of an entry.
    fn told_of(&self, seq: u64) -> Option<Hash> {
        let (index, within) = (seq / FULL as u64, usize::try_from(seq % FULL as u64).ok()?);
        if index == self.opened.0 && !self.leaves.is_empty() {
            return self.leaves.get(within).copied();
        }
        prove::tile(self.log, self.newest, Tile { level: 0, index }).ok()?.get(within).copied()
    }

    /// The bundle that would come next, where a tile and a checkpoint say that there is one.
    fn missing(&mut self) -> Option<(PathBuf, u64)> {
        let size = self.size();
        if self.newest < size + FULL as u64 || !size.is_multiple_of(FULL as u64) {
            return None;
        }
        self.leaves = read_tile(self.log, Tile { level: 0, index: size / FULL as u64 }).ok()?;
        Some((self.log.join(bundle_path(size / FULL as u64, FULL)), size))
    }

    /// Entries that are read from a write-ahead file should be in this bundle, if all of it is signed for.
    fn note_bundle(&mut self, bundle: u64) {
        if (bundle + 1) * FULL as u64 <= self.newest && self.noted != Some(bundle) {
            self.noted = Some(bundle);
            self.found.remark(&bundle_path(bundle, FULL));
        }
    }

    /// Goes on over entries of which only their hashes are there.
    fn step_over<'s>(
        &mut self,
        leaves: impl IntoIterator<Item = Hash>,
        stated: &mut Peekable<impl Iterator<Item = (&'s u64, &'s Vec<Stated>)>>,
    ) {
        for leaf in leaves {
            self.grow(leaf, leaf);
            self.settle_here(stated);
        }
    }

    /// The first entry of a damaged bundle that is not what its tile says, or not there.
    fn first_unreadable(&mut self, path: &Path, seq: u64) -> Result<u64, ReadError> {
        let first = seq - seq % FULL as u64;
        self.open_tile(first);
        let bytes = disk::read_whatever(path)?.unwrap_or_default();
        let good = sequencer::entries(&bytes).zip(&self.leaves).take_while(|(entry, told)| tree::leaf(entry) == **told);
        Ok(first + good.count() as u64)
    }

    fn take(&mut self, seq: u64, entry: &[u8]) {
        self.runs.count(entry, seq, &mut self.found);
        self.deeds.take(seq, entry, &mut self.found);
        self.prunings.take(seq, entry);
        if seq + 1 == self.newest {
            let time = cbor::view(entry).ok().and_then(|it| it.get("time")?.as_i64());
            self.found.signed_at = time.map(Timestamp::from_nanos);
        }
        let within = usize::try_from(seq % FULL as u64).unwrap_or_default();
        if within == 0 {
            self.open_tile(seq);
        }
        let leaf = tree::leaf(entry);
        let told = self.leaves.get(within).copied().unwrap_or(leaf);
        if leaf != told {
            self.told.get_or_insert_with(|| self.read.clone());
            if self.differ.len() < MOST {
                self.differ.push(seq);
            } else {
                self.unnamed += 1;
            }
        }
        self.grow(leaf, told);
    }

    /// Reads what a tile has of the entries that begin here.
    fn open_tile(&mut self, seq: u64) {
        let tile = Tile { level: 0, index: seq / FULL as u64 };
        let width = usize::try_from(self.newest.saturating_sub(seq)).unwrap_or(FULL).min(FULL);
        // One that was not put in place yet, or is empty after a power cut, is derived from the entries at the next start.
        let read = |width| Some((width, disk::read(&self.log.join(tile.path(width))).ok()??));
        let mut read = [FULL, width].into_iter().filter_map(read);
        let (wide, bytes) = read.find(|(_, it)| !it.is_empty()).unwrap_or((width, Vec::new()));
        self.opened = (tile.index, wide);
        let (hashes, rest) = bytes.as_chunks::<32>();
        if hashes.is_empty() && width == FULL {
            self.found.remark(&tile.path(FULL));
        }
        if rest.is_empty() && (hashes.is_empty() || hashes.len() == wide) {
            self.leaves = hashes.to_vec();
        } else {
            self.leaves.clear();
            self.found.push(broken(tile, wide));
        }
    }

    /// One more entry: its hash, and what its tile has for it.
    fn grow(&mut self, leaf: Hash, told: Hash) {
        let mut whole = Vec::new();
        self.read.push(leaf, |tile, hashes| whole.push((tile, hashes.concat())));
        if let Some(levels) = &mut self.told {
            levels.push(told, |tile, hashes| whole.push((tile, hashes.concat())));
        }
        // What is above a tile that is in doubt is in doubt as well.
        if self.doubted.contains(&((self.read.size() - 1) / FULL as u64)) {
            return;
        }
        // The lowest level has been looked at, hash by hash.
        let higher: BTreeSet<Tile> = whole.iter().map(|(tile, _)| *tile).filter(|it| it.level > 0).collect();
        for tile in higher {
            let read = disk::read(&self.log.join(tile.path(FULL))).ok().flatten();
            let right = |it: &Vec<u8>| it.is_empty() || whole.iter().any(|(own, bytes)| *own == tile && bytes == it);
            if read.is_some_and(|it| !right(&it)) {
                self.found.push_once(broken(tile, FULL));
            }
        }
    }

    /// Holds both trees to the next checkpoints, if they are of this size.
    fn settle_here<'s>(&mut self, stated: &mut Peekable<impl Iterator<Item = (&'s u64, &'s Vec<Stated>)>>) {
        if let Some((_, same)) = stated.next_if(|(size, _)| **size == self.read.size()) {
            self.settle(same);
        }
    }

    /// Holds both trees to the checkpoints of this size.
    fn settle(&mut self, same: &[Stated]) {
        let read = self.read.root();
        let told = self.told.as_ref().map(Levels::root);
        if same.iter().any(|it| it.root == read) {
            let mut tiles: Vec<u64> = self.differ.drain(..).map(|seq| seq / FULL as u64).collect();
            tiles.dedup();
            for index in tiles {
                let width = if self.opened.0 == index { self.opened.1 } else { FULL };
                self.found.push(broken(Tile { level: 0, index }, width));
            }
            self.blame_above();
            self.told = None;
            self.unnamed = 0;
        } else if let Some(it) = same.iter().find(|it| Some(it.root) == told) {
            for seq in self.differ.drain(..) {
                self.found.push(Broken::Altered { seq, file: it.file.clone() });
            }
            self.found.more += std::mem::take(&mut self.unnamed);
            self.blame_doubted();
            // What was signed for is gone on with, so that what comes after it can be held to its own checkpoints.
            if let Some(told) = self.told.take() {
                self.read = told;
            }
        } else {
            self.wrong.extend(same.first().cloned());
            return;
        }
        self.good = self.read.size();
        self.agreed.insert(self.good, self.read.root());
        if self.good == self.newest {
            edge::hold(self.log, &self.read, &mut self.found);
        }
    }

    /// Whether what a checkpoint says is so.
    pub(super) fn agrees(&self, stated: &Stated) -> bool {
        self.agreed.get(&stated.size) == Some(&stated.root)
    }

    /// What is left to be said at the end.
    pub(super) fn finish(mut self, minimum: u64) -> (Found, Option<PrunedPart>) {
        self.differ.drain(..).for_each(|seq| self.found.push(Broken::Unlike(seq)));
        self.found.more += self.unnamed;
        let (rewritten, changed): (Vec<_>, Vec<_>) = self.wrong.into_iter().partition(|it| it.size < self.good);
        for Stated { file, size, .. } in rewritten {
            self.found.push(Broken::Rewritten { file, size });
        }
        // Those after it are wrong for the same reason.
        if let Some(Stated { file, size, .. }) = changed.into_iter().next() {
            self.found.push(Broken::Changed { file, before: size, good: self.good });
        }
        let pruned = self.prunings.judge(minimum, &mut self.found);
        (self.found, pruned)
    }
}
