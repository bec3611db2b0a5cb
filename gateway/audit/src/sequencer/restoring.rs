//! Whether what is written lies where it was written, and putting it back where somebody has meddled with it.

use std::io;

use super::Sequencer;
use crate::derived::{Derived, Held};
use crate::disk;
use crate::tree::{self, FULL, Tile};
use crate::wal::{self, Frames};
use crate::watch::{Astray, Left};

impl Sequencer {
    /// Whether the write-ahead file holds what was written into it, and nothing else. Reads all of it.
    pub(crate) fn holds_what_was_written(&self) -> bool {
        let wal = &self.wal;
        if wal.doubtful {
            return true;
        }
        let Ok(Some(bytes)) = disk::read(&wal::path(&self.log, wal.first)) else { return false };
        let mut frames = Frames::ours(&bytes, self.signer.tags(), wal.first);
        let leaves: Vec<tree::Hash> = frames.by_ref().map(|(leaf, _)| leaf).collect();
        let exact = bytes.len() as u64 == wal.length() && frames.torn() == 0 && frames.inserted().is_empty();
        let all = exact && leaves.len() as u64 == self.levels.size() - wal.first;
        all && (wal.first / FULL as u64..).zip(leaves.chunks(FULL)).all(|(index, own)| {
            let tile = Tile { level: 0, index };
            let whole = || self.told(tile).is_some_and(|it| it == tree::root_of(own));
            let begun = || self.levels.begun().any(|(it, hashes)| it == tile && hashes == own);
            if own.len() == FULL { whole() } else { begun() }
        })
    }

    /// The first thing that is not as it was left, if anything is.
    pub(crate) fn astray(&self) -> Option<Astray> {
        let wal = Left::open(&self.wal.file, &wal::path(&self.log, self.wal.first), self.wal.length());
        if !wal.is_ok_and(|it| if self.wal.doubtful { it.holds() } else { it.holds_exactly() }) {
            return Some(Astray::WriteAhead);
        }
        let holds = |(left, note): &(Left, String)| {
            left.holds()
                && disk::read(&self.log.join("checkpoint")).is_ok_and(|it| it.as_deref() == Some(note.as_bytes()))
        };
        self.left.as_ref().is_some_and(|it| !holds(it)).then_some(Astray::Checkpoint)
    }

    /// Puts in place again what memory and sound files still hold: the write-ahead file, and the checkpoint. What cannot be
    /// made whole is a fault, and stays one.
    pub(crate) fn restore(&mut self) -> io::Result<()> {
        self.sealing.join();
        self.place()?;
        // Signed for last: the write-ahead file that made all of it certain may be what is gone.
        if self.astray() == Some(Astray::WriteAhead) || !self.holds_what_was_written() {
            self.write_ahead_anew()?;
        } else {
            self.sync()?;
        }
        self.state(true)
    }

    /// Puts the write-ahead file in place anew, from the same entry on and at once: whoever dies after that, or cannot sign,
    /// leaves no checkpoint that is older than it. To be called after [`Self::place`].
    fn write_ahead_anew(&mut self) -> io::Result<()> {
        let (first, size) = (self.wal.first, self.levels.size());
        let mut frames = Vec::new();
        for index in first / FULL as u64..size / FULL as u64 {
            let bundle = Derived::Bundle(index);
            let Some(Held::InPlace(bytes) | Held::Elsewhere(bytes)) = bundle.held(&self.log, self.told(bundle.tile()))
            else {
                return Err(io::Error::other(format!("the entries of `{}` are nowhere", bundle.name())));
            };
            self.frame(index * FULL as u64, &bytes, &mut frames);
        }
        self.frame(size - size % FULL as u64, &self.bundle, &mut frames);
        self.go_on_in(first, &frames)
    }
}
