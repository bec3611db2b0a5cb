//! How far a log reaches at one moment, and what of it is in no whole bundle yet.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::minimum::minimum;
use crate::read::{Entries, ReadError};
use crate::recover::read_bundle;
use crate::tree::{FULL, bundle_path};
use crate::wal::{self, Frames};
use crate::{disk, sequencer};

/// How often the newest write-ahead file is looked for, where it went while it was about to be read.
const LOOKS: usize = 16;

/// A log as it was when somebody looked. What is written later is not part of it.
#[derive(Debug)]
pub(crate) struct Extent {
    log: PathBuf,
    /// The first entry that was not pruned.
    pub(crate) minimum: u64,
    /// How many entries there are.
    pub(crate) end: u64,
    /// The first entry of the newest write-ahead file; all before it are in whole bundles.
    pub(crate) ahead: u64,
    /// That file, and where in it the entries lie.
    bytes: Vec<u8>,
    entries: Vec<Range<usize>>,
}

impl Extent {
    pub(crate) fn of(log: &Path) -> Result<Self, ReadError> {
        let minimum = minimum(log)?;
        for _ in 0..LOOKS {
            let Some((first, path)) = wal::files(log)?.pop() else { break };
            // Gone meanwhile: then there is a newer one.
            let Some(bytes) = disk::read(&path)? else { continue };
            let entries = ranges(&bytes);
            let end = first + entries.len() as u64;
            return Ok(Self { log: log.to_owned(), minimum, end, ahead: first, bytes, entries }.with_bundles());
        }
        Ok(Self { log: log.to_owned(), minimum, end: 0, ahead: 0, bytes: Vec::new(), entries: Vec::new() }
            .with_bundles())
    }

    /// Where there are more whole bundles than the write-ahead file knows of, they are what counts: the log is a copy
    /// without one, or one whose end went missing.
    fn with_bundles(mut self) -> Self {
        let is_there = |index: u64| self.log.join(bundle_path(index, FULL)).metadata().is_ok_and(|it| 0 < it.len());
        let known = self.end.max(self.minimum) / FULL as u64;
        if !is_there(known) {
            return self;
        }
        let mut step = 1;
        while is_there(known + step) {
            step *= 2;
        }
        let (mut low, mut high) = (known + step / 2, known + step);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if is_there(middle) { low = middle } else { high = middle }
        }
        self.end = high * FULL as u64;
        self.ahead = self.end;
        self.bytes.clear();
        self.entries.clear();
        self
    }

    /// The folder of the log.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// The entries of the newest write-ahead file, with their numbers.
    pub(crate) fn newest(&self) -> impl DoubleEndedIterator<Item = (u64, &[u8])> {
        let entries = self.entries.iter().map(|it| self.bytes.get(it.clone()).unwrap_or_default());
        // Numbers from a vector, because a zipped range cannot be walked from its end.
        (self.ahead..self.ahead + self.entries.len() as u64).collect::<Vec<_>>().into_iter().zip(entries)
    }

    /// Hands over the entries of one bundle, with their places in it.
    pub(crate) fn bundle(&self, index: u64, each: impl FnMut(usize, &[u8])) -> Result<(), ReadError> {
        bundle(&self.log, index, each)
    }
}

/// Hands over the entries of one bundle, with their places in it; from a write-ahead file where the bundle was lost.
pub(crate) fn bundle(log: &Path, index: u64, mut each: impl FnMut(usize, &[u8])) -> Result<(), ReadError> {
    let bytes = disk::read(&log.join(bundle_path(index, FULL)))?.unwrap_or_default();
    if is_whole(&bytes) {
        sequencer::entries(&bytes).enumerate().for_each(|(place, entry)| each(place, entry));
        return Ok(());
    }
    let first = index * FULL as u64;
    let mut found = 0;
    for entry in Entries::from(log, first).take(FULL) {
        each(found, &entry?.1);
        found += 1;
    }
    if found == FULL {
        return Ok(());
    }
    Err(ReadError::Damaged { path: log.join(bundle_path(index, FULL)), seq: first + found as u64 })
}

fn is_whole(bytes: &[u8]) -> bool {
    read_bundle(bytes).is_some()
}

/// Where the entries of a write-ahead file lie.
fn ranges(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut frames = Frames::of(bytes);
    let mut ranges = Vec::new();
    while let Some((_, entry)) = frames.next() {
        let end = bytes.len() - frames.torn();
        ranges.push(end - entry.len()..end);
    }
    ranges
}
