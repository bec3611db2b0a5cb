//! That an entry is in a tree, and that one tree is the beginning of another (RFC 9162 section 2.1).

use super::{Hash, node};

/// The hash of a whole subtree: over leaves `index << level` to `(index + 1) << level`.
type Subtree<'s, E> = dyn FnMut(u32, u64) -> Result<Hash, E> + 's;

/// A proof that does not prove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    /// There is no such entry, or no such tree.
    #[error("the proof is about an entry or a tree that there cannot be")]
    OutOfRange,
    /// Too few or too many hashes.
    #[error("the proof has another number of hashes than it must have")]
    Length,
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// The hashes that lead from entry `index` to the root of the tree of `size` (section 2.1.3.1).
pub fn inclusion<E>(index: u64, size: u64, subtree: &mut Subtree<'_, E>) -> Result<Vec<Hash>, E> {
    let mut path = Vec::new();
    let (mut low, mut high) = (0, size);
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            path.push(over(middle, high, subtree)?);
            high = middle;
        } else {
            path.push(over(low, middle, subtree)?);
            low = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The hashes that show the tree of `old` to be the beginning of the tree of `size` (section 2.1.4.1). None where either
/// is empty or they are the same.
pub fn consistency<E>(old: u64, size: u64, subtree: &mut Subtree<'_, E>) -> Result<Vec<Hash>, E> {
    let mut path = Vec::new();
    if old == 0 || size <= old {
        return Ok(path);
    }
    let (mut low, mut high, mut whole) = (0, size, true);
    while high != old {
        let middle = low + split(high - low);
        if old <= middle {
            path.push(over(middle, high, subtree)?);
            high = middle;
        } else {
            path.push(over(low, middle, subtree)?);
            (low, whole) = (middle, false);
        }
    }
    if !whole {
        path.push(over(low, high, subtree)?);
    }
    path.reverse();
    Ok(path)
}

/// Whether `leaf` is entry `index` of the tree of `size` with this root (section 2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> Result<(), BadProof> {
    if size <= index {
        return Err(BadProof::OutOfRange);
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for step in path {
        if last == 0 {
            return Err(BadProof::Length);
        }
        if at & 1 == 1 || at == last {
            hash = node(step, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node(&hash, step);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    ended(last == 0, hash == *root)
}

/// Whether the tree of `old` is the beginning of the tree of `size` (section 2.1.4.2).
pub fn verify_consistency(
    (old, old_root): (u64, &Hash),
    (size, root): (u64, &Hash),
    path: &[Hash],
) -> Result<(), BadProof> {
    if size < old {
        return Err(BadProof::OutOfRange);
    }
    if old == size || old == 0 {
        let same = old == 0 || old_root == root;
        return ended(path.is_empty(), same);
    }
    let (mut at, mut last) = (old - 1, size - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    // Where the old tree is whole, its root is the first hash, and goes without saying.
    let (first, rest) = if at == 0 {
        (*old_root, path)
    } else {
        let (first, rest) = path.split_first().ok_or(BadProof::Length)?;
        (*first, rest)
    };
    let (mut old_hash, mut hash) = (first, first);
    for step in rest {
        if last == 0 {
            return Err(BadProof::Length);
        }
        if at & 1 == 1 || at == last {
            (old_hash, hash) = (node(step, &old_hash), node(step, &hash));
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node(&hash, step);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    ended(last == 0, old_hash == *old_root && hash == *root)
}

fn ended(long_enough: bool, right: bool) -> Result<(), BadProof> {
    match (long_enough, right) {
        (false, _) => Err(BadProof::Length),
        (true, false) => Err(BadProof::Root),
        (true, true) => Ok(()),
    }
}

/// The largest power of two that is smaller than `count`, which is at least 2.
fn split(count: u64) -> u64 {
    count.next_power_of_two() / 2
}

/// The hash over leaves `low` to `high`, where `low` is where such a run can begin.
fn over<E>(low: u64, high: u64, subtree: &mut Subtree<'_, E>) -> Result<Hash, E> {
    let count = high - low;
    if count.is_power_of_two() {
        let level = count.trailing_zeros();
        return subtree(level, low >> level);
    }
    let middle = low + split(count);
    Ok(node(&over(low, middle, subtree)?, &over(middle, high, subtree)?))
}
