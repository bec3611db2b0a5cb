//! Numbers entries, and keeps the tree over them on the disk.
//!
//! Everything is first in the write-ahead file; bundles and tiles are derived from it, and a write-ahead file goes only
//! when all that was derived from it is on the disk for certain. What fails is kept in memory and done again.

mod restoring;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::note::{Signer, Verifier};
use crate::recover::{Last, read_tile};
use crate::sealing::Sealing;
use crate::tag::Tags;
use crate::tree::{self, FULL, Levels, Tile, bundle_path};
use crate::wal::{self, Wal};
use crate::watch::Left;

/// The longest entry: a bundle has two bytes for its length.
pub const MAX_ENTRY: usize = 60 * 1024;

/// The one who writes.
#[derive(Debug)]
pub(crate) struct Sequencer {
    log: PathBuf,
    signer: Signer,
    /// Where the newest kept checkpoint lies once more.
    anchor: Option<PathBuf>,
    levels: Levels,
    /// The entries of the bundle that is not whole yet, as the bundle will have them.
    bundle: Vec<u8>,
    wal: Wal,
    /// From how many bytes on a write-ahead file is followed by another: what must be read again at the next start.
    wal_bytes: u64,
    /// Tiles and bundles that are whole and have yet to be put in place.
    derived: VecDeque<(PathBuf, Vec<u8>)>,
    /// Those that are in place, but perhaps not for certain.
    sealing: Sealing,
    /// What was put in place for the last checkpoint alone.
    begun: Vec<PathBuf>,
    /// How many entries the last checkpoint covers.
    stated: u64,
    /// The newest checkpoint, as it was left, and what it says.
    left: Option<(Left, String)>,
}

impl Sequencer {
    /// Goes on where a log ends.
    pub(crate) fn resume(
        log: &Path,
        (signer, anchor): (Signer, Option<PathBuf>),
        levels: Levels,
        wal: Wal,
        stated: u64,
    ) -> Self {
        Self {
            log: log.to_owned(),
            signer,
            anchor,
            levels,
            bundle: Vec::new(),
            wal,
            wal_bytes: u64::MAX,
            derived: VecDeque::new(),
            sealing: Sealing::default(),
            begun: Vec::new(),
            stated,
            left: None,
        }
    }

    /// Where the newest kept checkpoint lies once more.
    pub(crate) fn anchor(&self) -> Option<&Path> {
        self.anchor.as_deref()
    }

    /// What tells entries of ours from others.
    pub(crate) fn tags(&self) -> &Tags {
        self.signer.tags()
    }

    /// Where it is kept.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// How many entries there are.
    pub(crate) fn size(&self) -> u64 {
        self.levels.size()
    }

    /// The root over them.
    pub(crate) fn root(&self) -> tree::Hash {
        self.levels.root()
    }

    /// The root of a whole tile, as what stands above it says.
    pub(crate) fn told(&self, tile: Tile) -> Option<tree::Hash> {
        if let Some(told) = self.levels.told(tile) {
            return Some(told);
        }
        let above = Tile { level: tile.level.checked_add(1)?, index: tile.index / FULL as u64 };
        let place = usize::try_from(tile.index % FULL as u64).ok()?;
        // The one above may be whole and not in place yet.
        let path = self.log.join(above.path(FULL));
        match self.derived.iter().find(|(it, _)| *it == path) {
            Some((_, bytes)) => bytes.as_chunks().0.get(place).copied(),
            None => read_tile(&self.log, above).ok()?.get(place).copied(),
        }
    }

    /// The key that signs.
    pub(crate) fn key(&self) -> Verifier {
        self.signer.verifier()
    }

    /// What the file says that others verify by.
    pub(crate) fn key_line(&self) -> String {
        format!("{}\n", self.signer.verifier())
    }

    /// Lets write-ahead files of so many bytes be followed by another from now on.
    pub(crate) fn follow_after(&mut self, wal_bytes: u64) {
        self.wal_bytes = wal_bytes;
    }

    /// Writes into this file from now on.
    pub(crate) fn go_on(&mut self, wal: Wal) {
        self.wal = wal;
    }

    /// Writes again what is in the last write-ahead file and is not certain: what whoever wrote it could not sync would be
    /// taken for certain for ever otherwise. What does not lie there as it is to be is put in place anew; where there is no
    /// room for that, it is cut as it lies.
    pub(crate) fn renew(&mut self, Last { frames, certain }: &Last, torn: u64) -> io::Result<()> {
        let (whole, length) = (frames.len() as u64, self.wal.file.metadata()?.len());
        let cut = |file: &File| file.set_len(whole).and_then(|()| file.sync_all());
        if length == 0 {
            return self.wal.file.sync_all();
        }
        let path = wal::path(&self.log, self.wal.first);
        if let Some(certain) = *certain {
            disk::write_from(&path, certain, frames)?;
            return cut(&self.wal.file);
        }
        match disk::put_within(&self.log, &path, frames) {
            Err(cause) if cause.kind() == io::ErrorKind::StorageFull && whole + torn == length => cut(&self.wal.file),
            other => {
                other?;
                self.wal = Wal::new(wal::open(&self.log, self.wal.first)?, self.wal.first, whole);
                Ok(())
            }
        }
    }

    /// Writes again, as they lie there, whole tiles and bundles that are in place and were perhaps never certain. Those that
    /// are not as they should be are left to [`Self::settle`].
    pub(crate) fn write_again(&mut self) {
        let (there, others): (VecDeque<_>, _) = std::mem::take(&mut self.derived)
            .into_iter()
            .partition(|(path, bytes)| disk::write_again(path, bytes).is_ok_and(|it| it));
        self.derived = others;
        for (path, _) in there {
            self.sealing.add(path);
        }
    }

    /// The number that the write-ahead file begins with.
    pub(crate) fn ahead_from(&self) -> u64 {
        self.wal.first
    }

    /// Whether nothing was written into it since the last time.
    pub(crate) fn take_quiet(&mut self) -> bool {
        self.wal.take_quiet()
    }

    /// Whether there is anything that no checkpoint covers.
    pub(crate) fn is_ahead(&self) -> bool {
        self.stated < self.levels.size()
    }

    /// Takes an entry, in memory: `whole` has the byte before it that its hash begins with.
    pub(crate) fn add(&mut self, whole: &[u8]) {
        let Some((_, entry)) = whole.split_first() else { return };
        let leaf = tree::leaf_of(whole);
        wal::frame(&mut self.wal.frames, self.signer.tags(), (self.levels.size(), &leaf), entry);
        self.derive(leaf, entry);
    }

    /// Adds an entry to tree and bundle.
    pub(crate) fn derive(&mut self, leaf: tree::Hash, entry: &[u8]) {
        tree::push_entry(&mut self.bundle, entry);
        let (derived, log) = (&mut self.derived, &self.log);
        self.levels.push(leaf, |tile, hashes| derived.push_back((log.join(tile.path(FULL)), hashes.concat())));
        if self.levels.size().is_multiple_of(FULL as u64) {
            let index = self.levels.size() / FULL as u64 - 1;
            self.derived.push_back((self.log.join(bundle_path(index, FULL)), std::mem::take(&mut self.bundle)));
        }
    }

    /// Writes what was added.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        self.wal.write(&self.log)
    }

    /// Makes certain that what was added is on the disk.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.wal.sync(&self.log)
    }

    /// Whether what write-ahead files covered could not be made certain, so that [`Self::settle`] is to be called.
    pub(crate) fn is_in_doubt(&mut self) -> bool {
        self.sealing.has_failed()
    }

    /// Whether that was made up for since the last time.
    pub(crate) fn take_mended(&mut self) -> bool {
        self.sealing.take_mended()
    }

    /// Puts whole tiles and bundles in place, and begins another write-ahead file when this one is long. To be called
    /// after [`Self::sync`].
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        self.place()?;
        // While the file before is sealed this one grows on, so that nobody waits for that; but not without end.
        let most = if self.sealing.is_under_way() { 4 } else { 1 };
        let long = self.wal_bytes.saturating_mul(most);
        // What follows it is signed for first, and nothing is signed for that is not certain.
        if long <= self.wal.synced && self.wal.is_certain() { self.rotate() } else { Ok(()) }
    }

    /// Puts whole tiles and bundles in place, once those before them are certain.
    fn place(&mut self) -> io::Result<()> {
        self.mend()?;
        while let Some((path, bytes)) = self.derived.front() {
            disk::put(&self.log, path, bytes)?;
            if let Some((path, _)) = self.derived.pop_front() {
                self.sealing.add(path);
            }
        }
        Ok(())
    }

    /// Begins another write-ahead file where that has only waited for the one before. To be called after
    /// [`Self::settle`], and when nothing comes after it.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.sealing.join();
        self.settle()
    }

    /// Makes up for a seal that has failed. Nothing goes on before: it is the disk that fails.
    fn mend(&mut self) -> io::Result<()> {
        if !self.sealing.has_failed() {
            return Ok(());
        }
        let mut sealing = std::mem::take(&mut self.sealing);
        let mended = sealing.mend(&self.log, |tile| self.told(tile));
        self.sealing = sealing;
        mended
    }

    /// The next file begins with the bundle that is not whole, so that all before it can be certain without this one.
    fn rotate(&mut self) -> io::Result<()> {
        if self.levels.size() - self.wal.first < FULL as u64 {
            return Ok(());
        }
        // So that a checkpoint is never older than the oldest write-ahead file.
        self.state(false)?;
        self.follow()
    }

    /// Signs what there is, keeps that, and begins another write-ahead file if there is a whole bundle in this one. To be
    /// called after [`Self::settle`].
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.state(true)?;
        if self.levels.size() - self.wal.first < FULL as u64 { Ok(()) } else { self.follow() }
    }

    /// Begins the next write-ahead file, once all before it is signed for.
    fn follow(&mut self) -> io::Result<()> {
        let first = self.begin_wal()?;
        self.sealing.begin(&self.log, first);
        Ok(())
    }

    /// Puts a write-ahead file with what is in no whole bundle in place, and goes on with it. Gives its first number.
    fn begin_wal(&mut self) -> io::Result<u64> {
        let first = self.levels.size() - self.levels.size() % FULL as u64;
        let mut frames = Vec::new();
        self.frame(first, &self.bundle, &mut frames);
        self.go_on_in(first, &frames).map(|()| first)
    }

    /// The entries of a bundle, of which the first has this number, as a write-ahead file has them.
    fn frame(&self, first: u64, bundle: &[u8], frames: &mut Vec<u8>) {
        for (seq, entry) in (first..).zip(entries(bundle)) {
            wal::frame(frames, self.signer.tags(), (seq, &tree::leaf(entry)), entry);
        }
    }

    /// Goes on in a write-ahead file of these. It is in place whole or not at all: what follows is numbered by what stands
    /// before it.
    fn go_on_in(&mut self, first: u64, frames: &[u8]) -> io::Result<()> {
        disk::put_within(&self.log, &wal::path(&self.log, first), frames)?;
        self.wal = Wal::new(wal::open(&self.log, first)?, first, frames.len() as u64);
        Ok(())
    }

    /// Signs what there is. To be called after [`Self::settle`].
    pub(crate) fn state(&mut self, keep: bool) -> io::Result<()> {
        let size = self.levels.size();
        let mut begun = Vec::new();
        for (tile, hashes) in self.levels.begun() {
            begun.push((self.log.join(tile.path(hashes.len())), hashes.concat()));
        }
        if !self.bundle.is_empty() {
            let width = usize::try_from(size % FULL as u64).unwrap_or_default();
            begun.push((self.log.join(bundle_path(size / FULL as u64, width)), self.bundle.clone()));
        }
        for (path, bytes) in &begun {
            disk::put(&self.log, path, bytes)?;
        }
        let note = self.signer.checkpoint(size, self.levels.root());
        // In this order, because a kept one without a newest one is a log that was meddled with.
        let checkpoint = self.log.join("checkpoint");
        disk::put_durably(&checkpoint, note.as_bytes())?;
        self.left = Some((Left::at(&checkpoint)?, note.clone()));
        if keep {
            disk::put_within(&self.log, &self.log.join(format!("checkpoints/{size}.note")), note.as_bytes())?;
            // Last, so that the log is never behind what is said of it elsewhere.
            self.anchor.as_ref().map_or(Ok(()), |it| disk::put_durably(it, note.as_bytes()))?;
        }
        self.stated = size;
        let begun: Vec<PathBuf> = begun.into_iter().map(|(path, _)| path).collect();
        for last in std::mem::take(&mut self.begun).iter().filter(|it| !begun.contains(it)) {
            let _ = std::fs::remove_file(last);
            // Goes once it is empty.
            let _ = last.parent().map(std::fs::remove_dir);
        }
        self.begun = begun;
        Ok(())
    }
}

impl Drop for Sequencer {
    fn drop(&mut self) {
        self.sealing.join();
    }
}

/// The entries of a bundle, as far as it is one.
pub(crate) fn entries(bundle: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bundle;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (entry, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = after;
        Some(entry)
    })
}

#[cfg(test)]
mod tests;
