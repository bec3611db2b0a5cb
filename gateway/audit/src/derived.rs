//! Bundles and tiles: whether one is in place, and what it can be made anew from where it is not.

use std::path::Path;

use crate::disk;
use crate::recover::{read_bundle, read_tile};
use crate::tree::{self, FULL, Hash, Tile, bundle_path, index_of, push_entry, root_of};
use crate::wal::{self, Frames};

/// A file that is derived from entries, and whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Derived {
    /// The bundle of this number.
    Bundle(u64),
    /// A tile.
    Tile(Tile),
}

/// What there is of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It is in place, with these bytes.
    InPlace(Vec<u8>),
    /// It is not, and these bytes should be.
    Elsewhere(Vec<u8>),
}

impl Derived {
    /// Which one lies at this name in the folder of a log.
    pub(crate) fn at(name: &Path) -> Option<Self> {
        match name.to_str()?.strip_prefix("tile/")?.split_once('/')? {
            ("entries", path) => index_of(path).map(Self::Bundle),
            (level, path) => Some(Self::Tile(Tile { level: level.parse().ok()?, index: index_of(path)? })),
        }
    }

    /// Its name in the folder of a log.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Bundle(index) => bundle_path(index, FULL),
            Self::Tile(tile) => tile.path(FULL),
        }
    }

    /// The tile that has its hashes.
    pub(crate) fn tile(self) -> Tile {
        match self {
            Self::Bundle(index) => Tile { level: 0, index },
            Self::Tile(tile) => tile,
        }
    }

    /// What there is of it, if that leads to the root that was told; nothing where nobody has it.
    pub(crate) fn held(self, log: &Path, told: Option<Hash>) -> Option<Held> {
        let is_it = |bytes: &Vec<u8>| self.root(bytes).is_some_and(|it| told == Some(it));
        let found = disk::read(&log.join(self.name())).ok().flatten();
        if let Some(bytes) = found.filter(is_it) {
            return Some(Held::InPlace(bytes));
        }
        let anew = match self {
            Self::Bundle(index) => ahead(log, index),
            Self::Tile(tile) => beneath(log, tile).map(|it| it.concat()),
        };
        anew.filter(is_it).map(Held::Elsewhere)
    }

    /// The root that its bytes lead to, if they are whole.
    fn root(self, bytes: &[u8]) -> Option<Hash> {
        match self {
            Self::Bundle(_) => leaves(bytes).map(|it| root_of(&it)),
            Self::Tile(_) => {
                let (hashes, rest) = bytes.as_chunks::<32>();
                (hashes.len() == FULL && rest.is_empty()).then(|| root_of(hashes))
            }
        }
    }
}

/// The leaf hashes of a whole bundle.
fn leaves(bytes: &[u8]) -> Option<Vec<Hash>> {
    Some(read_bundle(bytes)?.into_iter().map(tree::leaf).collect())
}

/// A bundle, as far as a write-ahead file still has its entries.
fn ahead(log: &Path, index: u64) -> Option<Vec<u8>> {
    let start = index * FULL as u64;
    let (first, path) = wal::files(log).ok()?.into_iter().rev().find(|(first, _)| *first <= start)?;
    let bytes = disk::read(&path).ok()??;
    let skipped = usize::try_from(start - first).ok()?;
    let mut bundle = Vec::new();
    for (_, entry) in Frames::of(&bytes).skip(skipped).take(FULL) {
        push_entry(&mut bundle, entry);
    }
    Some(bundle)
}

/// The hashes of a tile, from what is beneath it.
pub(crate) fn beneath(log: &Path, Tile { level, index }: Tile) -> Option<Vec<Hash>> {
    match level.checked_sub(1) {
        None => leaves(&disk::read(&log.join(bundle_path(index, FULL))).ok()??),
        Some(level) => {
            let first = index * FULL as u64;
            let tiles = (first..first + FULL as u64).map(|index| read_tile(log, Tile { level, index }).ok());
            tiles.map(|it| it.map(|it| root_of(&it))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_one_derived_file_or_of_none() {
        let at = |name: &str| Derived::at(Path::new(name));
        for derived in [Derived::Bundle(1_234_067), Derived::Tile(Tile { level: 2, index: 5 })] {
            assert_eq!(at(&derived.name()), Some(derived));
        }
        for name in ["tile/entries/5", "tile/entries/x001", "tile/0/x01/000", "tile/0", "wal/000", "tile/0/000.p/5"] {
            assert_eq!(at(name), None, "{name}");
        }
    }
}
