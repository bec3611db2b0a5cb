//! Eight levels of the tree at a time: 256 hashes side by side, named by level and index.

use super::{Hash, empty, node, root_of};

/// How many hashes a whole tile has.
pub const FULL: usize = 256;

/// Where a tile lies: the level in units of eight, and its number from the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// 0 for hashes of entries, 1 for roots over 256 of those, and so on.
    pub level: u8,
    /// From 0, left to right.
    pub index: u64,
}

impl Tile {
    /// The path of the tile while it has `width` hashes, relative to the folder of the log.
    pub fn path(self, width: usize) -> String {
        partial(format!("tile/{}/{}", self.level, path_of(self.index)), width)
    }
}

/// Adds an entry to a bundle, after its length in two bytes, the higher one first (C2SP tlog-tiles).
pub(crate) fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    // INVARIANT: no entry is longer than `MAX_ENTRY`.
    bundle.extend_from_slice(&u16::try_from(entry.len()).unwrap_or(u16::MAX).to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// The path of the bundle of entries with this number while it has `width` entries.
pub(crate) fn bundle_path(index: u64, width: usize) -> String {
    partial(format!("tile/entries/{}", path_of(index)), width)
}

fn partial(whole: String, width: usize) -> String {
    if width < FULL { format!("{whole}.p/{width}") } else { whole }
}

/// A number as a path: groups of three digits, all but the last with an `x`. 1,234,067 is `x001/x234/067`.
pub fn path_of(mut index: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    while 1000 <= index {
        index /= 1000;
        path = format!("x{:03}/{path}", index % 1000);
    }
    path
}

/// The number that a path of [`path_of`] is of.
pub(crate) fn index_of(path: &str) -> Option<u64> {
    let digits: String = path.split('/').map(|it| it.strip_prefix('x').unwrap_or(it)).collect();
    let index = digits.parse().ok()?;
    (path_of(index) == path).then_some(index)
}

/// The right edge of a growing tree: of every level the hashes that no whole tile holds yet.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    size: u64,
    open: Vec<Vec<Hash>>,
}

impl Levels {
    /// The edge of a tree of `size` leaves, all of them in whole tiles, from its whole tiles.
    pub fn resume<E>(size: u64, mut read: impl FnMut(Tile) -> Result<Vec<Hash>, E>) -> Result<Self, E> {
        let (mut open, mut whole) = (Vec::new(), size / FULL as u64);
        let mut below = 0;
        if size > 0 {
            open.push(Vec::new());
        }
        while whole > 0 {
            let first = whole - whole % FULL as u64;
            let roots = (first..whole).map(|index| read(Tile { level: below, index }).map(|it| root_of(&it)));
            open.push(roots.collect::<Result<_, E>>()?);
            whole /= FULL as u64;
            below += 1;
        }
        Ok(Self { size, open })
    }

    /// The root of a whole tile, as the tile above it says that is not whole yet.
    pub(crate) fn told(&self, Tile { level, index }: Tile) -> Option<Hash> {
        let span = (0..=level).fold(1_u64, |span, _| span.saturating_mul(FULL as u64));
        let whole = self.size / span;
        let place = index.checked_sub(whole - whole % FULL as u64)?;
        self.open.get(usize::from(level) + 1)?.get(usize::try_from(place).ok()?).copied()
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// One more leaf; every tile that it completes is handed over, lowest level first.
    pub fn push(&mut self, leaf: Hash, mut completed: impl FnMut(Tile, &[Hash])) {
        self.size += 1;
        let (mut hash, mut span) = (leaf, FULL as u64);
        for level in 0..=u8::MAX {
            let at = usize::from(level);
            if self.open.len() <= at {
                self.open.push(Vec::with_capacity(FULL));
            }
            let Some(open) = self.open.get_mut(at) else { return };
            open.push(hash);
            if open.len() < FULL {
                return;
            }
            completed(Tile { level, index: self.size / span - 1 }, open);
            hash = root_of(open);
            open.clear();
            span = span.saturating_mul(FULL as u64);
        }
    }

    /// The tiles that are begun and not whole, lowest level first.
    pub fn begun(&self) -> impl Iterator<Item = (Tile, &[Hash])> {
        let mut span = 1_u64;
        self.open.iter().zip(0_u8..).filter_map(move |(open, level)| {
            span = span.saturating_mul(FULL as u64);
            let tile = Tile { level, index: self.size / span };
            (!open.is_empty()).then_some((tile, open.as_slice()))
        })
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        // From the right: each level's hashes stand left of all that is below it.
        let mut right: Option<Hash> = None;
        for open in &self.open {
            for (start, length) in subtrees(open.len()).into_iter().rev() {
                let left = root_of(open.get(start..start + length).unwrap_or_default());
                right = Some(right.map_or(left, |it| node(&left, &it)));
            }
        }
        right.unwrap_or_else(empty)
    }
}

/// How a run of hashes falls into whole subtrees, the largest first: start and length of each.
fn subtrees(count: usize) -> Vec<(usize, usize)> {
    let (mut runs, mut start) = (Vec::new(), 0);
    for length in (0..usize::BITS).rev().map(|bit| 1 << bit).filter(|it| count & it != 0) {
        runs.push((start, length));
        start += length;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_path_of_three_digits_each() {
        for (index, path) in [(0, "000"), (67, "067"), (999, "999"), (1000, "x001/000"), (1_234_067, "x001/x234/067")] {
            assert_eq!((path_of(index).as_str(), index_of(path)), (path, Some(index)));
        }
        assert_eq!(Tile { level: 1, index: 5 }.path(3), "tile/1/005.p/3");
        assert_eq!(bundle_path(1000, 256), "tile/entries/x001/000");
    }
}
