//! What a layer wrote down: the calls that changed something, in their order.

use std::path::{Path, PathBuf};

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// On what, beneath the watched folder.
    pub path: PathBuf,
    /// What it did.
    pub done: Done,
}

/// What a call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// These bytes were written at this offset.
    Write(u64, Vec<u8>),
    /// What was done to the file, or to the names in the folder, is certain.
    Sync,
    /// The same was tried in vain: what was not certain before never will be.
    SyncFailed,
    /// It bears this name now, and what did so is gone.
    Rename(PathBuf),
    /// The name is gone.
    Unlink,
    /// It has this length now.
    Truncate(u64),
    /// An empty file was made.
    Create,
    /// A folder was made.
    Folder,
}

/// Reads a journal; none where there is no file.
#[track_caller]
pub fn journal(file: &Path) -> Vec<Call> {
    let bytes = std::fs::read(file).unwrap_or_default();
    let (mut rest, mut calls) = (bytes.as_slice(), Vec::new());
    while let Some((call, after)) = call(rest) {
        calls.push(call);
        rest = after;
    }
    // The layer writes whole records; the last may be cut where somebody else ended the process.
    calls
}

fn call(bytes: &[u8]) -> Option<(Call, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (path, rest) = text(rest)?;
    let (other, rest) = text(rest)?;
    let (offset, rest) = rest.split_first_chunk::<8>()?;
    let (content, rest) = measured(rest)?;
    let offset = u64::from_le_bytes(*offset);
    let done = match kind {
        0 => Done::Write(offset, content.to_vec()),
        1 => Done::Sync,
        2 => Done::Rename(other),
        3 => Done::Unlink,
        4 => Done::Truncate(offset),
        5 => Done::Create,
        6 => Done::SyncFailed,
        7 => Done::Folder,
        other => panic!("a call of kind {other}"),
    };
    Some((Call { path, done }, rest))
}

fn text(bytes: &[u8]) -> Option<(PathBuf, &[u8])> {
    let (text, rest) = measured(bytes)?;
    Some((PathBuf::from(String::from_utf8_lossy(text).into_owned()), rest))
}

fn measured(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}
