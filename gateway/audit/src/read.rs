//! Entries in the order of their numbers, from bundles and from what is only in write-ahead files yet.
//!
//! Reads while a gateway writes: what is being written is left out, and what moves meanwhile is found where it went.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::minimum::minimum;
use crate::recover::read_bundle;
use crate::tree::{FULL, bundle_path};
use crate::wal::{self, Frames};

/// How much is read of a write-ahead file at once by whoever knows their place in it: some of the largest entries.
const PIECE: u64 = 1024 * 1024;

/// Where an entry begins in a write-ahead file, so that nobody who reads on has to read what comes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of the entry.
    next: u64,
    /// The number of the first entry of the file.
    file: u64,
    /// How many bytes of the file come before it.
    at: u64,
}

/// The entries of a log from a number on. Each is its number and its bytes.
#[derive(Debug)]
pub struct Entries {
    log: PathBuf,
    next: u64,
    /// Each with where the one after it begins.
    read: VecDeque<(Vec<u8>, Option<Place>)>,
    /// Where the next one begins.
    place: Option<Place>,
    /// What was read comes from a write-ahead file.
    ahead: bool,
    /// There were no more.
    ended: bool,
}

/// A log that cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file cannot be read.
    #[error("audit log cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A bundle that is none.
    #[error("`{path}` is damaged: entry {seq} and those after it cannot be read", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first entry that cannot be read.
        seq: u64,
    },
    /// An entry that is not kept any more.
    #[error("entry {seq} was pruned: entries from {minimum} on are there, and those before it that are kept longer")]
    Pruned {
        /// The entry.
        seq: u64,
        /// The first that was not pruned.
        minimum: u64,
    },
}

impl Entries {
    /// Begins at the entry with this number.
    pub fn from(log: &Path, first: u64) -> Self {
        Self::at(log, first, None)
    }

    /// The same, where it may be known where that entry begins.
    pub(crate) fn at(log: &Path, first: u64, place: Option<Place>) -> Self {
        let place = place.filter(|it| it.next == first);
        Self { log: log.to_owned(), next: first, read: VecDeque::new(), place, ahead: false, ended: false }
    }

    /// Where the next entry begins, if that is known.
    pub(crate) fn place(&self) -> Option<Place> {
        self.place
    }

    /// The bundle that the entry at hand belongs to, where it was read from a write-ahead file.
    pub(crate) fn ahead_of(&self) -> Option<u64> {
        self.ahead.then(|| self.next.saturating_sub(1) / FULL as u64)
    }

    fn fill(&mut self) -> Result<(), ReadError> {
        let (index, within) = (self.next / FULL as u64, self.next % FULL as u64);
        let path = self.log.join(bundle_path(index, FULL));
        let within = usize::try_from(within).unwrap_or_default();
        if let Some(bytes) = disk::read_whatever(&path)? {
            // Empty after a power cut: then the entries are in the write-ahead file still.
            if let Some(entries) = read_bundle(&bytes) {
                self.read.extend(entries.into_iter().skip(within).map(|it| (it.to_vec(), None)));
                self.ahead = false;
                return Ok(());
            }
            if !self.read_ahead()? {
                return Err(ReadError::Damaged { path, seq: self.next });
            }
            return Ok(());
        }
        self.ended = !self.read_ahead()?;
        // One that cannot be read is a fault of its own, which the verifier names.
        let minimum = if self.ended { minimum(&self.log).unwrap_or_default() } else { 0 };
        if self.next < minimum {
            return Err(ReadError::Pruned { seq: self.next, minimum });
        }
        Ok(())
    }

    /// Reads what write-ahead files have of this number and those after it.
    fn read_ahead(&mut self) -> io::Result<bool> {
        if let Some(Place { file, at, .. }) = self.place
            && let Some(bytes) = disk::read_from(&wal::path(&self.log, file), at, PIECE)?
            && self.take_frames(&bytes, (file, at), 0)
        {
            return Ok(true);
        }
        let next = self.next;
        for (first, path) in wal::files(&self.log)?.into_iter().rev().filter(|(first, _)| *first <= next) {
            let Some(bytes) = disk::read_whatever(&path)? else { continue };
            let skipped = usize::try_from(next - first).unwrap_or(usize::MAX);
            if self.take_frames(&bytes, (first, 0), skipped) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes what stands in a part of a write-ahead file, but for its first entries; whether there was anything.
    fn take_frames(&mut self, bytes: &[u8], (file, at): (u64, u64), skipped: usize) -> bool {
        let mut frames = Frames::of(bytes);
        frames.by_ref().take(skipped).for_each(drop);
        while let Some((_, entry)) = frames.next() {
            let next = self.next + self.read.len() as u64 + 1;
            let at = at + (bytes.len() - frames.torn()) as u64;
            self.read.push_back((entry.to_vec(), Some(Place { next, file, at })));
        }
        self.ahead |= !self.read.is_empty();
        !self.read.is_empty()
    }
}

impl Iterator for Entries {
    type Item = Result<(u64, Vec<u8>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.read.is_empty()
            && !self.ended
            && let Err(cause) = self.fill()
        {
            self.ended = true;
            return Some(Err(cause));
        }
        let (entry, place) = self.read.pop_front()?;
        self.place = place;
        self.next += 1;
        Some(Ok((self.next - 1, entry)))
    }
}
