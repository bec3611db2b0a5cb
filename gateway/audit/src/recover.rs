//! Where an existing log ends, and what to do about a torn last line.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use crate::chain::{FIRST, Link, link, read_line};

/// How much of the end is read to find the last whole line. An entry is far smaller.
const TAIL: u64 = 1024 * 1024;

/// What was found at the end of an existing log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The number of the next entry.
    pub next: u64,
    /// How many bytes of a line that was never finished were cut off.
    pub torn: u64,
}

/// Finds the last whole line, cuts off what follows it, and leaves the file positioned at its end.
pub(crate) fn recover(file: &mut File) -> io::Result<Option<(Recovered, Link)>> {
    let len = file.metadata()?.len();
    let start = len.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|it| *it == b'\n').map_or(0, |at| at + 1);
    let torn = u64::try_from(tail.len() - whole).unwrap_or(u64::MAX);
    if whole == 0 && start > 0 {
        return Ok(None);
    }
    let end = len - torn;
    if torn > 0 {
        file.set_len(end)?;
        file.sync_all()?;
    }
    file.seek(SeekFrom::Start(end))?;
    if whole == 0 {
        return Ok(Some((Recovered { next: 0, torn }, FIRST)));
    }
    let lines = tail.get(..whole - 1).unwrap_or_default();
    let last = lines.rsplit(|it| *it == b'\n').next().unwrap_or_default();
    Ok(read_line(last).map(|(seq, _)| (Recovered { next: seq + 1, torn }, link(last))))
}
