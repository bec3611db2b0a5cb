//! What tiles say of entries that were pruned, twice: those of the lowest level by themselves, and the ones above of them.
//!
//! Where the two differ, the root that was signed for tells which of them was changed.

use std::convert::Infallible;
use std::path::Path;

use crate::prove;
use crate::recover::read_tile;
use crate::tree::{FULL, Hash, Levels, Tile, root_of};

/// The roots of whole tiles of the lowest level, from the first on.
#[derive(Debug)]
pub(crate) struct Roots<'l> {
    log: &'l Path,
    /// As many entries as the newest checkpoint covers.
    signed: u64,
    /// As they are; as is told above of one that cannot be read.
    own: Vec<Hash>,
    /// As is told above; as they are where nothing is.
    told: Vec<Hash>,
    /// The tile above that was read last.
    above: Option<(u64, Vec<Hash>)>,
}

/// What there is of a tile.
#[derive(Debug)]
pub(crate) enum Next {
    /// Its hashes, and nothing above tells otherwise.
    Agreed(Vec<Hash>),
    /// Its hashes, while another root is told above.
    Doubted(Vec<Hash>),
    /// It is missing or cut, and its root is told above.
    Unread,
    /// Nothing has any of it.
    Lost,
}

impl<'l> Roots<'l> {
    pub(crate) fn of(log: &'l Path, signed: u64) -> Self {
        Self { log, signed, own: Vec::new(), told: Vec::new(), above: None }
    }

    /// Reads one tile more.
    pub(crate) fn next(&mut self) -> Next {
        let index = self.own.len() as u64;
        let read = read_tile(self.log, Tile { level: 0, index }).ok();
        let (own, told) = (read.as_deref().map(root_of), self.told_of(index));
        let (Some(one), Some(other)) = (own.or(told), told.or(own)) else { return Next::Lost };
        self.own.push(one);
        self.told.push(other);
        match read {
            None => Next::Unread,
            Some(leaves) if one == other => Next::Agreed(leaves),
            Some(leaves) => Next::Doubted(leaves),
        }
    }

    fn told_of(&mut self, index: u64) -> Option<Hash> {
        let above = Tile { level: 1, index: index / FULL as u64 };
        if self.above.as_ref().is_none_or(|(it, _)| *it != above.index) {
            let read = prove::tile(self.log, self.signed, above).unwrap_or_default();
            self.above = Some((above.index, read));
        }
        self.above.as_ref()?.1.get(usize::try_from(index % FULL as u64).ok()?).copied()
    }

    /// The edge of the tree over those read so far, as they are.
    pub(crate) fn own(&self) -> Levels {
        edge(&rows(&self.own))
    }

    /// The same as is told above.
    pub(crate) fn told(&self) -> Levels {
        edge(&rows(&self.told))
    }

    /// Whole tiles above that do not have what is told of those beneath them.
    pub(crate) fn others_above(&self) -> Vec<Tile> {
        let rows = rows(&self.told);
        let whole = rows.iter().zip(1_u8..).flat_map(|(row, level)| {
            let tiles = row.as_chunks::<FULL>().0.iter().zip(0..);
            tiles.map(move |(hashes, index)| (hashes, Tile { level, index }))
        });
        let others = whole.filter(|(it, tile)| read_tile(self.log, *tile).ok().is_none_or(|read| read != **it));
        others.map(|(_, tile)| tile).collect()
    }
}

/// The roots of whole tiles of each level, the lowest first.
fn rows(lowest: &[Hash]) -> Vec<Vec<Hash>> {
    let mut rows = vec![lowest.to_vec()];
    while let Some(last) = rows.last().filter(|it| FULL <= it.len()) {
        let above = last.as_chunks::<FULL>().0.iter().map(|it| root_of(it)).collect();
        rows.push(above);
    }
    rows
}

fn edge(rows: &[Vec<Hash>]) -> Levels {
    let size = rows.first().map_or(0, Vec::len) as u64 * FULL as u64;
    // Of a tile only its root is asked for: that of one hash is the hash.
    let root = |it: Tile| rows.get(usize::from(it.level))?.get(usize::try_from(it.index).ok()?).copied();
    Levels::resume(size, |it| Ok::<_, Infallible>(root(it).into_iter().collect())).unwrap_or_default()
}
