//! The write-ahead file: entries in the order of their numbers, each with a part of its hash, so that a torn end shows.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::sequencer::MAX_ENTRY;
use crate::tree::{self, FULL, Hash};

/// How many bytes come before an entry.
const HEAD: usize = 12;

/// The upper three bits of the first byte of an entry.
const MAP: u8 = 5;

/// Where write-ahead files lie in the folder of a log.
pub(crate) fn folder(log: &Path) -> PathBuf {
    log.join("wal")
}

/// Adds one entry to a buffer that is about to be written: its length in four bytes, the least first, the first eight
/// bytes of its leaf hash, and itself.
pub(crate) fn frame(out: &mut Vec<u8>, leaf: &Hash, entry: &[u8]) {
    // INVARIANT: no entry is longer than `MAX_ENTRY`.
    out.extend_from_slice(&u32::try_from(entry.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(leaf.first_chunk::<8>().unwrap_or(&[0; 8]));
    out.extend_from_slice(entry);
}

/// The entries of a file, up to its end or to what is no whole entry.
pub(crate) struct Frames<'b> {
    rest: &'b [u8],
}

impl<'b> Frames<'b> {
    pub(crate) fn of(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left that are no whole entry.
    pub(crate) fn torn(&self) -> usize {
        self.rest.len()
    }
}

impl<'b> Iterator for Frames<'b> {
    type Item = (Hash, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (check, entry, rest) = split(self.rest)?;
        let leaf = tree::leaf(entry);
        if leaf.first_chunk::<8>() != Some(check) {
            return None;
        }
        self.rest = rest;
        Some((leaf, entry))
    }
}

/// A frame as it is written: the part of the hash, the entry, and what comes after it.
fn split(bytes: &[u8]) -> Option<(&[u8; 8], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (check, rest) = rest.split_first_chunk::<8>()?;
    let (entry, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    Some((check, entry, rest))
}

/// What a file has of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'b> {
    /// Its bytes; nothing where they are not what they were.
    pub(crate) entry: Option<&'b [u8]>,
    /// The frame is not as it was written.
    pub(crate) changed: bool,
}

/// What a file has of each of its entries, over those that were changed. `told` gives the leaf hash of an entry where it is
/// known. What comes after the last whole entry is torn, but for one frame that ends where the file does.
pub(crate) fn survey(bytes: &[u8], first: u64, told: impl Fn(u64) -> Option<Hash>) -> Vec<Piece<'_>> {
    let (mut all, mut rest) = (Vec::new(), bytes);
    loop {
        let frame = split(rest);
        if let Some((_, entry, after)) = frame.filter(is_whole) {
            all.push(Piece { entry: Some(entry), changed: false });
            rest = after;
            continue;
        }
        let seq = first + all.len() as u64;
        let goes_on = |after: &[u8]| after.is_empty() || split(after).is_some_and(|it| is_whole(&it));
        if let Some((_, entry, after)) = frame.filter(|(_, _, after)| goes_on(after)) {
            // Where the part of the hash was changed the entry is what it was.
            let entry = Some(entry).filter(|it| told(seq) == Some(tree::leaf(it)));
            all.push(Piece { entry, changed: true });
            rest = after;
            continue;
        }
        // The length was changed.
        let Some((after, next)) = following(rest) else { return all };
        let next = Some(tree::leaf(next));
        let lost = (1..FULL).find(|it| told(seq + *it as u64) == next).unwrap_or(1);
        all.extend(std::iter::repeat_n(Piece { entry: None, changed: true }, lost));
        rest = after;
    }
}

fn is_whole((check, entry, _): &(&[u8; 8], &[u8], &[u8])) -> bool {
    (1..=MAX_ENTRY).contains(&entry.len()) && tree::leaf(entry).first_chunk() == Some(check)
}

/// What comes from the first whole frame on after the one that begins here, and the entry in it. The one that begins here has
/// an entry that is no longer than it may be; what begins with anything but a map is none.
fn following(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    (1..=HEAD + MAX_ENTRY).map_while(|at| bytes.get(at..)).find_map(|rest| {
        let frame = split(rest).filter(|(_, entry, _)| entry.first().is_some_and(|it| it >> 5 == MAP))?;
        is_whole(&frame).then_some((rest, frame.1))
    })
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
        let name = path.file_name().and_then(|it| it.to_str()?.strip_suffix(".wal"));
        let number = name.filter(|it| it.len() == 20).and_then(|it| it.parse().ok());
        files.extend(number.map(|it: u64| (it, path)));
    }
    files.sort();
    Ok(files)
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
