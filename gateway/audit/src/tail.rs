//! Following a log that another process writes.

use std::path::Path;

use crate::disk;
use crate::query::{Filter, Found};
use crate::read::{Entries, ReadError};
use crate::wal::{self, Frames};

/// Where somebody who follows a log has come to.
#[derive(Debug)]
pub struct Tail {
    log: std::path::PathBuf,
    next: u64,
    /// The write-ahead file that was read last, by the number of its first entry, and how far.
    place: Option<(u64, u64)>,
}

impl Tail {
    /// Begins with the entry of this number, whether or not it is written yet.
    pub fn from(log: &Path, first: u64) -> Self {
        Self { log: log.to_owned(), next: first, place: None }
    }

    /// What was written since the last time and is admitted, each entry once. Costs next to nothing where nothing was.
    pub fn poll(&mut self, filter: &Filter) -> Result<Vec<Found>, ReadError> {
        let mut found = Vec::new();
        let Some((first, path)) = wal::files(&self.log)?.pop() else { return Ok(found) };
        let mut keep = |seq, entry: &[u8]| {
            if filter.admits(entry).unwrap_or(true) {
                found.push(Found { seq, bytes: entry.to_vec() });
            }
        };
        if self.next < first {
            // The file it stood in was followed by another: what is before that is in bundles.
            for entry in Entries::from(&self.log, self.next) {
                let (seq, entry) = entry?;
                keep(seq, &entry);
                self.next = seq + 1;
            }
            if self.next < first {
                return Err(ReadError::Damaged { path: self.log.clone(), seq: self.next });
            }
        }
        let from = match self.place {
            Some((file, from)) if file == first => from,
            _ => 0,
        };
        let Some(bytes) = disk::read_from(&path, from, u64::MAX)? else { return Ok(found) };
        let mut frames = Frames::of(&bytes);
        // A file that is read from its beginning begins with what the one before it ended with.
        let mut seq = if from == 0 { first } else { self.next };
        let mut whole = 0;
        while let Some((_, entry)) = frames.next() {
            if seq == self.next {
                keep(seq, entry);
                self.next += 1;
            }
            seq += 1;
            whole = bytes.len() - frames.torn();
        }
        // Where entries are missing before those that are wanted, the file is read again from its beginning.
        self.place = (seq == self.next).then_some((first, from + whole as u64));
        Ok(found)
    }
}
