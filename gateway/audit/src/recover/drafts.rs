//! What processes have left that died while they put files in place, or took them away.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::tree::{FULL, Tile, bundle_path};

/// The folders of a log, but for those of tiles and bundles.
const FOLDERS: [&str; 7] = ["", "wal", "checkpoints", "kept", "holds", "index", "cursor"];

/// How many tiles or bundles lie in one folder.
const PER_FOLDER: u64 = 1000;

/// Removes the drafts of a log whose oldest write-ahead file begins with this entry, and that has so many. Whoever makes an
/// index meanwhile, for which nobody needs the lock, makes it once more.
pub(super) fn sweep(log: &Path, first: u64, size: u64) {
    let folders = FOLDERS.iter().map(|it| log.join(it)).chain(at_end(log, first, size));
    let names = folders.filter_map(|it| fs::read_dir(it).ok()).flatten().flatten().map(|it| it.path());
    let removed = names.filter(|it| disk::is_draft(it) && fs::remove_file(it).is_ok()).count();
    if removed > 0 {
        tracing::info!(removed, "drafts of a run that died were removed");
    }
}

/// The folders in which tiles and bundles are put in place of entries that write-ahead files have: nowhere else did anybody
/// die over one.
fn at_end(log: &Path, first: u64, size: u64) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    let mut add = |path: String| folders.extend(log.join(path).parent().map(Path::to_owned));
    let (mut from, mut to) = (first / FULL as u64, size / FULL as u64);
    for level in 0..=u8::MAX {
        for index in from..=to {
            let tile = Tile { level, index };
            // Those that were begun have a folder each.
            add(tile.path(1));
            if index == from || index % PER_FOLDER == 0 {
                add(tile.path(FULL));
            }
            if level == 0 {
                add(bundle_path(index, 1));
                add(bundle_path(index, FULL));
            }
        }
        if to == 0 {
            break;
        }
        (from, to) = (from / FULL as u64, to / FULL as u64);
    }
    folders
}
