//! What write-ahead files have where something in them was changed: the entries after it are there still.

use std::io;
use std::path::Path;

use crate::tree::{FULL, Hash};
use crate::{disk, wal};

/// What a write-ahead file has of some entries.
pub(super) struct Held {
    /// The file.
    pub(super) file: String,
    /// Those before them that were changed in it, so that whoever reads it does not come here.
    pub(super) before: Vec<u64>,
    /// Of each its bytes, unless they are not what they were, and whether its frame was changed.
    pub(super) pieces: Vec<(Option<Vec<u8>>, bool)>,
}

/// What is there of this entry and of those of its bundle that follow; from a file that has it as it was written, if there is
/// one. `told` gives the leaf hash of an entry where a tile has it.
pub(super) fn held(log: &Path, seq: u64, told: impl Fn(u64) -> Option<Hash>) -> io::Result<Option<Held>> {
    let mut best: Option<Held> = None;
    for (first, path) in wal::files(log)?.into_iter().rev().filter(|(first, _)| *first <= seq) {
        let Some(bytes) = disk::read_whatever(&path)? else { continue };
        let skipped = usize::try_from(seq - first).unwrap_or(usize::MAX);
        let most = FULL - usize::try_from(seq % FULL as u64).unwrap_or_default();
        let (all, _) = wal::survey(&bytes, first, &told);
        let before = all.iter().zip(first..seq).filter(|(it, _)| it.changed).map(|(_, seq)| seq).collect();
        let pieces: Vec<_> =
            all.iter().skip(skipped).take(most).map(|it| (it.entry.map(<[u8]>::to_vec), it.changed)).collect();
        let Some((_, changed)) = pieces.first() else { continue };
        let whole = !changed;
        if whole || best.is_none() {
            best = Some(Held { file: path.strip_prefix(log).unwrap_or(&path).display().to_string(), before, pieces });
        }
        if whole {
            break;
        }
    }
    Ok(best)
}

/// How many whole entries stand in the last write-ahead file after something that is none, and in which file.
pub(super) fn beyond(log: &Path) -> io::Result<Option<(String, u64)>> {
    let Some((_, path)) = wal::files(log)?.pop() else { return Ok(None) };
    let Some(bytes) = disk::read_whatever(&path)? else { return Ok(None) };
    let mut frames = wal::Frames::of(&bytes);
    frames.by_ref().for_each(drop);
    let (entries, file) = (frames.beyond(), path.strip_prefix(log).unwrap_or(&path).display().to_string());
    Ok((entries > 0).then_some((file, entries)))
}

/// What somebody has put between entries of write-ahead files: before which entry, in which file, and how many bytes.
pub(super) fn inserted(log: &Path, told: impl Fn(u64) -> Option<Hash>) -> io::Result<Vec<(u64, String, usize)>> {
    let mut all = Vec::new();
    for (first, path) in wal::files(log)? {
        let Some(bytes) = disk::read_whatever(&path)? else { continue };
        let file = path.strip_prefix(log).unwrap_or(&path).display().to_string();
        let (_, inserted) = wal::survey(&bytes, first, &told);
        all.extend(inserted.into_iter().map(|it| (first + it.before, file.clone(), it.bytes)));
    }
    Ok(all)
}
