//! The Merkle tree over entries (RFC 9162 section 2.1), kept as tiles (C2SP tlog-tiles).
//!
//! Knows hashes and nothing of entries: no file, no key, no clock.

mod proof;
mod tiles;

pub use proof::{BadProof, consistency, inclusion, verify_consistency, verify_inclusion};
pub use tiles::{FULL, Levels, Tile, path_of};
pub(crate) use tiles::{bundle_path, index_of, push_entry};

use aws_lc_rs::digest::{SHA256, digest};

/// A SHA-256.
pub type Hash = [u8; 32];

/// What stands before the bytes of an entry when they are hashed.
pub(crate) const LEAF: u8 = 0;

/// The hash of one entry's bytes.
pub fn leaf(bytes: &[u8]) -> Hash {
    // One call over a copy costs less than the context that several calls share.
    let mut whole = Vec::with_capacity(1 + bytes.len());
    whole.push(LEAF);
    whole.extend_from_slice(bytes);
    leaf_of(&whole)
}

/// The same of bytes that [`LEAF`] stands before already, without a copy.
pub(crate) fn leaf_of(whole: &[u8]) -> Hash {
    finished(digest(&SHA256, whole).as_ref())
}

/// The hash over two subtrees.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut both = [1; 65];
    both[1..33].copy_from_slice(left);
    both[33..].copy_from_slice(right);
    finished(digest(&SHA256, &both).as_ref())
}

/// The root of the tree without entries.
pub fn empty() -> Hash {
    finished(digest(&SHA256, &[]).as_ref())
}

fn finished(digest: &[u8]) -> Hash {
    // INVARIANT: a SHA-256 has 32 bytes.
    digest.try_into().unwrap_or_default()
}

/// The root over hashes of equal height, few enough to be held together. That of none is [`empty`].
pub(crate) fn root_of(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty(),
        [one] => *one,
        more => {
            // As many as fit into the largest whole subtree that leaves something over go left.
            let (left, right) = more.split_at(more.len().next_power_of_two() / 2);
            node(&root_of(left), &root_of(right))
        }
    }
}
