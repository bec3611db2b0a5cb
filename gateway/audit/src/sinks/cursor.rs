//! How far one receiver has accepted the log, as it is kept on the disk.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::read::{Entries, ReadError};
use crate::tree::{self, Hash};

/// A place in a log, and what is before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    next: u64,
    /// The leaf hash of the entry before it, which tells this log from another one.
    last: Option<Hash>,
}

/// A file that is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor")]
pub struct NoCursor;

impl Cursor {
    /// After an entry.
    pub(super) fn after(seq: u64, entry: &[u8]) -> Self {
        Self { next: seq + 1, last: Some(tree::leaf(entry)) }
    }

    /// Before the entry of this number, whatever is before that.
    pub(super) fn at(log: &Path, next: u64) -> io::Result<Self> {
        Ok(Self { next, last: leaf_before(log, next)? })
    }

    /// The number of the first entry after it.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// As it was kept under this name; nothing where it never was.
    pub fn read(log: &Path, name: &str) -> io::Result<Option<Result<Self, NoCursor>>> {
        Ok(disk::read(&path(log, name))?.map(|bytes| Self::parse(&bytes).ok_or(NoCursor)))
    }

    /// Keeps it, for good.
    pub(super) fn keep(&self, log: &Path, name: &str) -> io::Result<()> {
        disk::put_within(log, &path(log, name), self.to_text().as_bytes())
    }

    /// Whether it is a place in this log, which is certain up to `end`. What was taken out of the log before it is not
    /// held against it.
    pub(super) fn fits(&self, log: &Path, end: u64) -> io::Result<bool> {
        if end < self.next {
            return Ok(false);
        }
        Ok(match (self.last, leaf_before(log, self.next)?) {
            (Some(kept), Some(found)) => kept == found,
            (None, _) | (_, None) => true,
        })
    }

    fn to_text(&self) -> String {
        let last = self.last.map(hex::encode).unwrap_or_default();
        format!("{}\n{last}\n", self.next)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (next, last) = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?.split_once('\n')?;
        let last = match last {
            "" => None,
            some => Some(hex::decode(some).ok()?.try_into().ok()?),
        };
        Some(Self { next: next.parse().ok()?, last })
    }
}

fn path(log: &Path, name: &str) -> PathBuf {
    log.join("cursor").join(name)
}

/// The leaf hash of the entry before this number, where it can be read.
fn leaf_before(log: &Path, next: u64) -> io::Result<Option<Hash>> {
    let Some(before) = next.checked_sub(1) else { return Ok(None) };
    match Entries::from(log, before).next() {
        Some(Ok((_, entry))) => Ok(Some(tree::leaf(&entry))),
        Some(Err(ReadError::Io(cause))) => Err(cause),
        Some(Err(ReadError::Damaged { .. } | ReadError::Pruned { .. })) | None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_back_as_it_was_kept(next in any::<u64>(), last in any::<Option<[u8; 32]>>()) {
            let cursor = Cursor { next, last };
            prop_assert_eq!(Cursor::parse(cursor.to_text().as_bytes()), Some(cursor));
        }

        #[test]
        fn a_cursor_that_was_cut_is_none(next in any::<u64>(), last in any::<[u8; 32]>(), cut in 1_usize..86) {
            let text = Cursor { next, last: Some(last) }.to_text();
            let kept = text.len().saturating_sub(cut);
            prop_assert_eq!(Cursor::parse(&text.as_bytes()[..kept]), None);
        }
    }
}
