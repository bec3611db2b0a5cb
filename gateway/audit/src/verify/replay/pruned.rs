//! Over what was pruned, of which only hashes are there: those of its tiles, and of each what the tile above it says.

use std::collections::BTreeSet;
use std::iter::Peekable;

use super::{Replay, broken};
use crate::roots::{Next, Roots};
use crate::tree::{FULL, Tile};
use crate::verify::fault::Broken;
use crate::verify::stated::Stated;

impl Replay<'_> {
    /// Goes over everything before `minimum`. Says whether it came there.
    pub(super) fn pass_pruned<'s>(
        &mut self,
        minimum: u64,
        stated: &mut Peekable<impl Iterator<Item = (&'s u64, &'s Vec<Stated>)>>,
    ) -> bool {
        let mut roots = Roots::of(self.log, self.newest);
        for index in 0..minimum / FULL as u64 {
            match roots.next() {
                Next::Agreed(leaves) => self.step_over(leaves, stated),
                Next::Doubted(mut leaves) => {
                    self.doubted.insert(index);
                    // Of a tile that is another one nobody knows the hashes, but only their root.
                    self.told = None;
                    let last = leaves.pop().unwrap_or_default();
                    self.step_over(leaves, stated);
                    self.grow(last, last);
                    self.told = Some(roots.told());
                    self.settle_here(stated);
                }
                Next::Unread => {
                    self.found.push(broken(Tile { level: 0, index }, FULL));
                    let end = (index + 1) * FULL as u64;
                    while stated.next_if(|(size, _)| **size < end).is_some() {}
                    self.read = roots.own();
                    self.told = self.told.as_ref().map(|_| roots.told());
                    self.settle_here(stated);
                }
                Next::Lost => {
                    self.found.push(broken(Tile { level: 0, index }, FULL));
                    return false;
                }
            }
        }
        true
    }

    /// The root that was signed for is that over the tiles themselves: what is told above of them is wrong.
    pub(super) fn blame_above(&mut self) {
        let whole = self.read.size() / FULL as u64;
        let rest = self.doubted.split_off(&whole);
        let those = std::mem::replace(&mut self.doubted, rest);
        let above: BTreeSet<u64> = those.iter().map(|it| it / FULL as u64).collect();
        // One that is not whole is held to the newest checkpoint.
        for index in above.into_iter().filter(|it| (it + 1) * (FULL * FULL) as u64 <= self.newest) {
            self.found.push_once(broken(Tile { level: 1, index }, FULL));
        }
    }

    /// It is that over what is told above: the tiles that say otherwise were changed.
    pub(super) fn blame_doubted(&mut self) {
        let those = std::mem::take(&mut self.doubted);
        // Of what ends within one of them nothing can be said.
        self.wrong.retain(|it| it.size.is_multiple_of(FULL as u64) || !those.contains(&(it.size / FULL as u64)));
        let tiles = those.into_iter().map(|index| broken(Tile { level: 0, index }, FULL));
        tiles.for_each(|it: Broken| self.found.push(it));
    }
}
