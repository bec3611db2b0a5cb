//! Tiles that are not whole: those of the newest checkpoint, with the bundle beneath them.

use std::path::Path;

use super::fault::{Broken, Found};
use crate::tree::{self, FULL, Hash, Levels, Tile, bundle_path};
use crate::{disk, sequencer};

/// Holds the files of the right edge to the tree that the newest checkpoint is of. Those that are not there are no fault: a
/// gateway that goes on takes them away, and after a power cut the next start makes them anew.
pub(super) fn hold(log: &Path, tree: &Levels, found: &mut Found) {
    for (tile, hashes) in tree.begun() {
        if is_other(log, &tile.path(hashes.len()), |bytes| bytes == hashes.concat()) {
            found.push_once(broken(tile, hashes.len()));
        }
        let bundle = bundle_path(tile.index, hashes.len());
        if tile.level == 0 && is_other(log, &bundle, |bytes| holds(bytes, hashes)) {
            let (first, last) = beneath(tile, hashes.len());
            found.push(Broken::Bundle { path: bundle, first, last });
        }
    }
}

/// Whether a file is there with anything in it that it should not hold.
fn is_other(log: &Path, path: &str, is_it: impl FnOnce(&[u8]) -> bool) -> bool {
    let read = disk::read(&log.join(path)).unwrap_or_else(|_| Some(vec![0]));
    read.is_some_and(|bytes| !bytes.is_empty() && !is_it(&bytes))
}

/// Whether a bundle has the entries with these hashes, and nothing else.
fn holds(bundle: &[u8], hashes: &[Hash]) -> bool {
    let (mut leaves, mut length) = (Vec::with_capacity(hashes.len()), 0);
    for entry in sequencer::entries(bundle) {
        leaves.push(tree::leaf(entry));
        length += entry.len() + 2;
    }
    leaves == hashes && length == bundle.len()
}

/// A tile of so many hashes that are not those of what is beneath it.
pub(super) fn broken(tile: Tile, width: usize) -> Broken {
    let (first, last) = beneath(tile, width);
    Broken::Tile { path: tile.path(width), first, last }
}

/// The first and the last entry beneath a tile of so many hashes.
fn beneath(tile: Tile, width: usize) -> (u64, u64) {
    let each = (FULL as u64).saturating_pow(u32::from(tile.level));
    let first = tile.index.saturating_mul(each).saturating_mul(FULL as u64);
    (first, first.saturating_add(each.saturating_mul(width as u64)).saturating_sub(1))
}
