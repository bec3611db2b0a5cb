//! The tree against another implementation of it: the one of a public certificate log.

use std::collections::HashMap;
use std::convert::Infallible;

use audit::tree::{self, FULL, Hash, Levels, Tile};
use proptest::prelude::*;
use tlog_tiles::tlog;

/// Every hash of a tree, as the other implementation numbers them.
#[derive(Default)]
struct Theirs(Vec<tlog::Hash>);

impl tlog::HashReader for Theirs {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|it| self.0[usize::try_from(*it).unwrap()]).collect())
    }
}

fn entry(number: u64) -> Vec<u8> {
    format!("entry {number}").into_bytes()
}

/// Both trees over the same entries, and the whole tiles of ours.
struct Both {
    theirs: Theirs,
    ours: Levels,
    tiles: HashMap<Tile, Vec<Hash>>,
}

impl Both {
    fn of(size: u64) -> Self {
        let mut both = Self { theirs: Theirs::default(), ours: Levels::default(), tiles: HashMap::new() };
        (0..size).for_each(|it| both.push(it));
        both
    }

    fn push(&mut self, number: u64) {
        let more = tlog::stored_hashes(number, &entry(number), &self.theirs).unwrap();
        self.theirs.0.extend(more);
        let tiles = &mut self.tiles;
        self.ours.push(tree::leaf(&entry(number)), |tile, hashes| drop(tiles.insert(tile, hashes.to_vec())));
    }

    fn their_root(&self, size: u64) -> Hash {
        if size == 0 { tree::empty() } else { tlog::tree_hash(size, &self.theirs).unwrap().0 }
    }

    fn subtree(&self) -> impl FnMut(u32, u64) -> Result<Hash, Infallible> + '_ {
        |level, index| {
            let at = tlog::stored_hash_index(u8::try_from(level).unwrap(), index);
            Ok(self.theirs.0[usize::try_from(at).unwrap()].0)
        }
    }
}

#[test]
fn roots_agree_for_every_size_and_the_edge_is_resumed_from_whole_tiles() {
    let mut both = Both::of(0);
    assert_eq!(both.ours.root(), both.their_root(0));
    for size in 1..=4096 {
        both.push(size - 1);
        assert_eq!(both.ours.root(), both.their_root(size), "{size}");
        assert_eq!(both.ours.size(), size);
        if size % FULL as u64 == 0 {
            let read = |tile: Tile| Ok::<_, Infallible>(both.tiles[&tile].clone());
            let resumed = Levels::resume(size, read).unwrap();
            assert_eq!(resumed.root(), both.ours.root(), "{size}");
        }
    }
}

#[test]
fn a_tree_of_three_levels_of_tiles_is_resumed_and_goes_on() {
    let size = 66_048;
    let mut both = Both::of(size);
    assert_eq!(both.ours.root(), both.their_root(size));
    let mut resumed = Levels::resume(size, |tile| Ok::<_, Infallible>(both.tiles[&tile].clone())).unwrap();
    let begun: Vec<_> = both.ours.begun().map(|(tile, hashes)| (tile, hashes.to_vec())).collect();
    assert_eq!(resumed.begun().map(|(tile, hashes)| (tile, hashes.to_vec())).collect::<Vec<_>>(), begun);
    assert_eq!(
        begun.iter().map(|(tile, hashes)| (tile.level, tile.index, hashes.len())).collect::<Vec<_>>(),
        [(1, 1, 2), (2, 0, 1)]
    );
    for number in size..size + 300 {
        both.push(number);
        resumed.push(tree::leaf(&entry(number)), |_, _| {});
    }
    assert_eq!(resumed.root(), both.their_root(size + 300));
}

#[test]
fn every_proof_of_a_small_tree_is_the_one_the_other_makes() {
    let both = Both::of(80);
    for size in 1..=80 {
        let root = both.their_root(size);
        for index in 0..size {
            let ours = tree::inclusion(index, size, &mut both.subtree()).unwrap();
            let theirs: Vec<Hash> =
                tlog::prove_record(size, index, &both.theirs).unwrap().iter().map(|it| it.0).collect();
            assert_eq!(ours, theirs, "{index} of {size}");
            tree::verify_inclusion(&tree::leaf(&entry(index)), index, size, &ours, &root).unwrap();
        }
        for old in 1..=size {
            let ours = tree::consistency(old, size, &mut both.subtree()).unwrap();
            let theirs: Vec<Hash> = tlog::prove_tree(size, old, &both.theirs).unwrap().iter().map(|it| it.0).collect();
            assert_eq!(ours, theirs, "{old} of {size}");
            tree::verify_consistency((old, &both.their_root(old)), (size, &root), &ours).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_proof_holds_for_what_it_was_made_for_and_nothing_else(
        size in 1_u64..3000, one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(),
    ) {
        let both = Both::of(size);
        let (root, whole) = (both.their_root(size), usize::try_from(size).unwrap());
        let (index, old) = (one.index(whole) as u64, other.index(whole) as u64 + 1);
        let mut path = tree::inclusion(index, size, &mut both.subtree()).unwrap();
        let leaf = tree::leaf(&entry(index));
        prop_assert_eq!(tree::verify_inclusion(&leaf, index, size, &path, &root), Ok(()));
        prop_assert!(tree::verify_inclusion(&tree::leaf(b"another"), index, size, &path, &root).is_err());
        prop_assert!(tree::verify_inclusion(&leaf, index, size, &path, &tree::empty()).is_err());
        let mut longer = path.clone();
        longer.push(root);
        prop_assert!(tree::verify_inclusion(&leaf, index, size, &longer, &root).is_err());
        if !path.is_empty() {
            let at = flip.index(path.len());
            path[at][0] ^= 1;
            prop_assert!(tree::verify_inclusion(&leaf, index, size, &path, &root).is_err());
        }
        let old_root = both.their_root(old);
        let mut path = tree::consistency(old, size, &mut both.subtree()).unwrap();
        prop_assert_eq!(tree::verify_consistency((old, &old_root), (size, &root), &path), Ok(()));
        if old != size {
            prop_assert!(tree::verify_consistency((old, &root), (size, &root), &path).is_err());
        }
        if !path.is_empty() {
            let at = flip.index(path.len());
            path[at][0] ^= 1;
            prop_assert!(tree::verify_consistency((old, &old_root), (size, &root), &path).is_err());
        }
    }
}
