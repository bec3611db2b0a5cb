//! The write-ahead file: entries in the order of their numbers, each with a part of a hash, so that a torn end shows, and
//! with a tag, so that what others have added shows.

mod survey;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

use crate::cbor::{self, Identity};
use crate::disk;
use crate::sequencer::MAX_ENTRY;
use crate::tag::{By, TAG, Tags};
use crate::tree::{self, FULL, Hash};

pub(crate) use survey::survey;

/// How many bytes come before an entry.
const HEAD: usize = 12 + TAG;

/// How many entries in a row may be lost of a file before those after them are not known any more.
const LOST: u64 = FULL as u64;

/// The upper three bits of the first byte of an entry.
const MAP: u8 = 5;

/// The file that is written, and what of it is not on the disk for certain.
#[derive(Debug)]
pub(crate) struct Wal {
    pub(crate) file: File,
    pub(crate) first: u64,
    /// How many of its bytes are on the disk for certain.
    pub(crate) synced: u64,
    /// What comes after those.
    pub(crate) frames: Vec<u8>,
    /// How many of the frames have been written.
    written: usize,
    /// Nobody knows what became of the last write or sync.
    pub(crate) doubtful: bool,
    /// Something was written since somebody last asked.
    touched: bool,
}

impl Wal {
    pub(crate) fn new(file: File, first: u64, synced: u64) -> Self {
        Self { file, first, synced, frames: Vec::new(), written: 0, doubtful: false, touched: true }
    }

    /// How many bytes it has; at least those that are certain while nobody knows.
    pub(crate) fn length(&self) -> u64 {
        if self.doubtful { self.synced } else { self.synced + self.written as u64 }
    }

    /// Whether all that it was given is on the disk for certain.
    pub(crate) fn is_certain(&self) -> bool {
        self.frames.is_empty() && !self.doubtful
    }

    /// Whether nothing was written since the last time.
    pub(crate) fn take_quiet(&mut self) -> bool {
        !std::mem::take(&mut self.touched)
    }

    /// Writes the frames that are not written yet.
    pub(crate) fn write(&mut self, log: &Path) -> io::Result<()> {
        if self.doubtful {
            self.reopen(log)?;
        }
        let Some(rest) = self.frames.get(self.written..).filter(|it| !it.is_empty()) else { return Ok(()) };
        self.doubtful = true;
        self.touched = true;
        self.file.write_all(rest)?;
        self.written = self.frames.len();
        self.doubtful = false;
        Ok(())
    }

    /// Makes certain that all frames are on the disk.
    pub(crate) fn sync(&mut self, log: &Path) -> io::Result<()> {
        self.write(log)?;
        // What a failed call gave up is clean in the eyes of the system: only writing it again makes it dirty.
        self.doubtful = true;
        self.file.sync_data()?;
        self.doubtful = false;
        self.synced += self.frames.len() as u64;
        self.frames.clear();
        self.written = 0;
        Ok(())
    }

    /// Goes back to what is certain, by another descriptor.
    fn reopen(&mut self, log: &Path) -> io::Result<()> {
        let file = open(log, self.first)?;
        file.set_len(self.synced)?;
        self.touched = true;
        self.file = file;
        self.written = 0;
        self.doubtful = false;
        Ok(())
    }
}

/// Where write-ahead files lie in the folder of a log.
pub(crate) fn folder(log: &Path) -> PathBuf {
    log.join("wal")
}

/// Adds one entry to a buffer that is about to be written: its length in four bytes, the least first, the first eight
/// bytes of a hash, the tag, and itself.
pub(crate) fn frame(out: &mut Vec<u8>, tags: &Tags, (seq, leaf): (u64, &Hash), entry: &[u8]) {
    // INVARIANT: no entry is longer than `MAX_ENTRY`.
    out.extend_from_slice(&u32::try_from(entry.len()).unwrap_or(u32::MAX).to_le_bytes());
    let tag = tags.of_frame(seq, leaf);
    out.extend_from_slice(&check(leaf, &tag));
    out.extend_from_slice(&tag);
    out.extend_from_slice(entry);
}

/// The entries of a file, up to its end or to what is no whole entry. What somebody has put between two entries of a run is
/// passed over; so is, for whoever has the key of the tags, what nobody of ours has written.
#[derive(Debug)]
pub(crate) struct Frames<'b> {
    rest: &'b [u8],
    tags: Option<&'b Tags>,
    /// The number that the next entry was written with.
    seq: u64,
    /// Something was written by the key that another has taken over from.
    older: bool,
    /// How many entries came before.
    count: u64,
    /// The last of them.
    last: Option<&'b [u8]>,
    inserted: Vec<Inserted>,
}

/// Bytes in a file that belong to no entry, with whole entries before and after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inserted {
    /// How many entries of the file come before them.
    pub(crate) before: u64,
    pub(crate) bytes: usize,
}

impl<'b> Frames<'b> {
    pub(crate) fn of(bytes: &'b [u8]) -> Self {
        Self { rest: bytes, tags: None, seq: 0, older: false, count: 0, last: None, inserted: Vec::new() }
    }

    /// The same of what has our tags alone, of a file that begins with this entry.
    pub(crate) fn ours(bytes: &'b [u8], tags: &'b Tags, first: u64) -> Self {
        Self { tags: Some(tags), seq: first, ..Self::of(bytes) }
    }

    /// Whether all that was read so far of a file that begins with this entry is ours, by the key that signs, and in its
    /// place.
    pub(crate) fn is_in_order(&self, first: u64) -> bool {
        !self.older && self.inserted.is_empty() && self.seq == first + self.count
    }

    /// Whether something was written by the key that another has taken over from.
    pub(crate) fn has_older(&self) -> bool {
        self.older
    }

    /// How many bytes are left that are no whole entry.
    pub(crate) fn torn(&self) -> usize {
        self.rest.len()
    }

    /// What was passed over so far.
    pub(crate) fn inserted(&self) -> &[Inserted] {
        &self.inserted
    }

    /// The next frame, past those that are whole and were written by somebody else, and its leaf hash, which costs more than
    /// all else here.
    fn own(&mut self) -> Option<(Frame<'b>, Hash)> {
        loop {
            let frame = split(self.rest)?;
            let leaf = tree::leaf(frame.entry);
            if check(&leaf, frame.tag) != *frame.check {
                return None;
            }
            if let Some((seq, by)) = self.place_of(&frame, &leaf) {
                self.take(seq, by);
                return Some((frame, leaf));
            }
            self.inserted.push(Inserted { before: self.count, bytes: self.rest.len() - frame.rest.len() });
            self.rest = frame.rest;
        }
    }

    /// Which number a frame was written with, and by whom: the next one, or one of those after it where some are lost.
    /// Nothing where it was nobody of ours; whoever has no key takes everybody for us.
    fn place_of(&self, frame: &Frame<'b>, leaf: &Hash) -> Option<(u64, By)> {
        let Some(tags) = self.tags else { return Some((self.seq, By::Newer)) };
        (self.seq..=self.seq.saturating_add(LOST)).find_map(|seq| Some((seq, tags.frame_by(seq, leaf, frame.tag)?)))
    }

    fn take(&mut self, seq: u64, by: By) {
        self.seq = seq.saturating_add(1);
        self.older |= by == By::Older;
    }

    /// How many whole entries stand in what is left. Something before them is lost, so that they go on with nothing: after a
    /// power cut they were never certain; where somebody or the disk has changed a byte before them they were.
    pub(crate) fn beyond(&self) -> u64 {
        // Whoever has no key of the tags must come to the same.
        let mut ahead = Frames::of(self.rest);
        let mut count = 0;
        while let Some((_, frame, _, (seq, by))) = ahead.following() {
            let mut next = Some(frame);
            Self::take(&mut ahead, seq, by);
            while let Some(Frame { rest, .. }) = next {
                count += 1;
                ahead.rest = rest;
                next = ahead.own().map(|(frame, _)| frame);
            }
        }
        count
    }

    /// The next frame of ours after at least one byte that is none: after how many, itself, its leaf hash, and where it
    /// belongs.
    fn following(&self) -> Option<(usize, Frame<'b>, Hash, (u64, By))> {
        (1..self.rest.len()).find_map(|at| {
            let frame = self.rest.get(at..).and_then(split).filter(may_be)?;
            // The cheaper look first.
            let whole = cbor::identity(frame.entry).is_ok() && is_whole(&frame);
            let leaf = whole.then(|| tree::leaf(frame.entry))?;
            Some((at, frame, leaf, self.place_of(&frame, &leaf)?))
        })
    }

    /// Passes over what stands before the next frame, if that goes on with the run, or begins another. Where it does neither,
    /// something was lost, and what comes after is [beyond](Self::beyond) that.
    fn pass_over(&mut self) -> Option<(Frame<'b>, Hash)> {
        let (bytes, frame, leaf, (seq, by)) = self.following()?;
        if !self.goes_on(bytes, &frame)? {
            return None;
        }
        self.take(seq, by);
        self.inserted.push(Inserted { before: self.count, bytes });
        Some((frame, leaf))
    }

    /// Whether a frame goes on with the run, or begins another, after bytes that belong to none.
    fn goes_on(&self, bytes: usize, frame: &Frame<'b>) -> Option<bool> {
        let last = cbor::identity(self.last?).ok()?;
        // What has the length that leads there is an entry that was changed.
        let changed = split(self.rest).is_some_and(|it| self.rest.len() - it.rest.len() == bytes);
        Some(match Step::of(&last, &cbor::identity(frame.entry).ok()?) {
            Step::Next => true,
            Step::Begin => !changed,
            Step::Astray => false,
        })
    }
}

impl<'b> Iterator for Frames<'b> {
    type Item = (Hash, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (Frame { entry, rest, .. }, leaf) = self.own().or_else(|| self.pass_over())?;
        self.rest = rest;
        self.count += 1;
        self.last = Some(entry);
        Some((leaf, entry))
    }
}

/// A frame as it is written: the part of the hash, the tag, the entry, and what comes after it.
#[derive(Clone, Copy, Debug)]
struct Frame<'b> {
    check: &'b [u8; 8],
    tag: &'b [u8; TAG],
    entry: &'b [u8],
    rest: &'b [u8],
}

/// What an entry is to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It goes on with its run.
    Next,
    /// It begins another run.
    Begin,
    /// It belongs somewhere else.
    Astray,
}

impl Step {
    fn of(last: &Identity<'_>, it: &Identity<'_>) -> Self {
        if (last.node, last.boot) != (it.node, it.boot) {
            return if it.node_seq == 0 { Self::Begin } else { Self::Astray };
        }
        if it.node_seq.checked_sub(last.node_seq) == Some(1) { Self::Next } else { Self::Astray }
    }
}

fn split(bytes: &[u8]) -> Option<Frame<'_>> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (check, rest) = rest.split_first_chunk::<8>()?;
    let (tag, rest) = rest.split_first_chunk::<TAG>()?;
    let (entry, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    Some(Frame { check, tag, entry, rest })
}

/// The first eight bytes of the SHA-256 over a leaf hash and the tag.
fn check(leaf: &Hash, tag: &[u8; TAG]) -> [u8; 8] {
    let mut both = [0; 32 + TAG];
    let (first, last) = both.split_at_mut(leaf.len());
    first.copy_from_slice(leaf);
    last.copy_from_slice(tag);
    // All at once: what is hashed in pieces is allocated for.
    digest::digest(&digest::SHA256, &both).as_ref().first_chunk().copied().unwrap_or_default()
}

/// Whether a frame is as somebody wrote it.
fn holds(it: &Frame<'_>) -> bool {
    check(&tree::leaf(it.entry), it.tag) == *it.check
}

fn is_whole(it: &Frame<'_>) -> bool {
    (1..=MAX_ENTRY).contains(&it.entry.len()) && holds(it)
}

/// A look at a frame that costs nothing: what begins with anything but a map is none.
fn may_be(Frame { entry, .. }: &Frame<'_>) -> bool {
    entry.len() <= MAX_ENTRY && entry.first().is_some_and(|it| it >> 5 == MAP)
}

/// The write-ahead files of a log, with the number of the first entry of each, in order.
pub(crate) fn files(log: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    let found = match std::fs::read_dir(folder(log)) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(files),
        other => other?,
    };
    for it in found {
        let path = it?.path();
        let number = path.file_name().and_then(|it| first_of(it.to_str()?));
        files.extend(number.map(|it| (it, path)));
    }
    files.sort();
    Ok(files)
}

/// The number of the first entry in the file of this name; nothing for a name that is none.
pub(crate) fn first_of(name: &str) -> Option<u64> {
    name.strip_suffix(".wal").filter(|it| it.len() == 20)?.parse().ok()
}

/// Where the file lies that begins with this entry.
pub(crate) fn path(log: &Path, first: u64) -> PathBuf {
    folder(log).join(format!("{first:020}.wal"))
}

/// Makes or opens the file that begins with this entry.
pub(crate) fn open(log: &Path, first: u64) -> io::Result<File> {
    let file = disk::open_own(&path(log, first), OpenOptions::new().create(true).append(true).read(true))?;
    disk::sync_folder(&folder(log))?;
    Ok(file)
}
