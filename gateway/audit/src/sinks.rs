//! Entries on their way out of the house: where each receiver stands, and what it is to be given next.
//!
//! At least once and in order. A cursor moves only when what is before it was accepted, and is on the disk before it counts;
//! after a crash entries come again, and their identity tells the receiver so. Nothing is sent that is not certain to be in
//! the log, and everything is read from the log itself, so that a receiver that is far behind costs no memory.

mod batch;
mod cursor;
mod told;
mod webhook;

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use batch::{Batch, Label, Wants};
pub use cursor::{Cursor, NoCursor};
pub use told::{Told, Turn};
pub use webhook::{BadSecret, Secret};

use crate::read::{Place, ReadError};

/// How entries are written for a receiver, one a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lines {
    /// As JSON, with the bytes that are hashed.
    #[default]
    Json,
    /// As OCSF events.
    Ocsf,
}

/// Where a receiver begins that has never been given anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// At the first entry of the log.
    #[default]
    Beginning,
    /// At the first entry that is written after it was named.
    Now,
}

/// What one receiver has yet to be given.
#[derive(Clone, Debug)]
pub struct Outbox {
    log: PathBuf,
    name: String,
    wants: Wants,
    cursor: Cursor,
    /// Where the first entry that was not accepted yet begins, if that is known.
    place: Option<Place>,
}

/// How an outbox was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It goes on where it was, or begins where it was told to.
    Good,
    /// What was accepted is not of this log, or what was kept of it cannot be understood: all is given anew.
    Anew,
}

impl Outbox {
    /// Opens that of a receiver, for a log that is certain up to `end`.
    pub fn open(log: &Path, name: &str, wants: Wants, from: From, end: u64) -> io::Result<(Self, Opened)> {
        let (cursor, opened) = match Cursor::read(log, name)? {
            Some(Ok(kept)) if kept.fits(log, end)? => (kept, Opened::Good),
            Some(_) => (Cursor::default(), Opened::Anew),
            None if from == From::Now => {
                let cursor = Cursor::at(log, end)?;
                // Else what is written before the first delivery would be left out by the next start.
                cursor.keep(log, name)?;
                (cursor, Opened::Good)
            }
            None => (Cursor::default(), Opened::Good),
        };
        Ok((Self { log: log.to_owned(), name: name.to_owned(), wants, cursor, place: None }, opened))
    }

    /// The number of the first entry that was not accepted yet.
    pub fn next(&self) -> u64 {
        self.cursor.next()
    }

    /// What is to be given next of a log that is certain up to `end`; nothing where all was accepted.
    pub fn batch(&self, end: u64) -> Result<Option<Batch>, ReadError> {
        if end <= self.next() {
            return Ok(None);
        }
        Batch::read(&self.log, self.next()..end, self.place, &self.wants).map(Some)
    }

    /// Takes note, for good, that a batch was accepted.
    pub fn accepted(&mut self, batch: &Batch) -> io::Result<()> {
        batch.after.keep(&self.log, &self.name)?;
        self.cursor = batch.after.clone();
        self.place = batch.place;
        Ok(())
    }
}
