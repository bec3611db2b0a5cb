//! Where a log begins: bundles of entries before that were pruned. Hashes of them are there all the same.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::tree::FULL;

/// The number of the first entry that is in a bundle still, at the beginning of one; 0 where nothing was pruned.
pub(crate) fn minimum(log: &Path) -> io::Result<u64> {
    let Some(bytes) = disk::read(&path(log))? else { return Ok(0) };
    let text = std::str::from_utf8(&bytes).ok().and_then(|it| it.strip_suffix('\n'));
    let number = text.and_then(|it| it.parse().ok().filter(|number: &u64| number.to_string() == it));
    let aligned = number.filter(|it| it.is_multiple_of(FULL as u64));
    aligned.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "`minimum` does not say where a log begins"))
}

/// From now on the log begins there, for certain.
pub(crate) fn advance(log: &Path, to: u64) -> io::Result<()> {
    disk::put_durably(&path(log), format!("{to}\n").as_bytes())
}

fn path(log: &Path) -> PathBuf {
    log.join("minimum")
}
