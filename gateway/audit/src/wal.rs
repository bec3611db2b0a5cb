//! The write-ahead file: entries in the order of their numbers, each with a part of its hash, so that a torn end shows.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::tree::{self, Hash};

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
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        let (check, rest) = rest.split_first_chunk::<8>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (entry, rest) = rest.split_at_checked(length)?;
        let leaf = tree::leaf(entry);
        if leaf.first_chunk::<8>() != Some(check) {
            return None;
        }
        self.rest = rest;
        Some((leaf, entry))
    }
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
        let number = path.file_name().and_then(|it| it.to_str()?.strip_suffix(".wal")?.parse().ok());
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
    let file = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(path(log, first))?;
    File::open(folder(log))?.sync_all()?;
    Ok(file)
}
