//! What this gateway has written, told from what others have, before anything signs for it.
//!
//! A hash shows that bytes are whole, and anybody can make one. Between two checkpoints nothing else would stand between
//! whoever can write to the folder and a signature of ours over their words.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};

use crate::tree::Hash;

/// How many bytes a tag has.
pub(crate) const TAG: usize = 16;

/// What the key of tags is drawn from the seed of the signing key with.
const LABEL: &[u8] = b"portcullis audit tag v1";

/// What stands before what is tagged, so that one thing cannot take the place of another.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A frame of the write-ahead file, by the number and the leaf hash of its entry: what was written once is not written
    /// again elsewhere.
    Frame = 0,
    /// A place of the table of requests in flight, by its text.
    Place = 1,
}

/// HMAC-SHA-256 (RFC 2104), cut to its first 16 bytes, under a key that follows from the seed of the signing key; and while
/// that key takes over from another, from that one's seed too.
#[derive(Clone)]
pub(crate) struct Tags {
    newer: hmac::Key,
    older: Option<hmac::Key>,
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tags").finish_non_exhaustive()
    }
}

/// Whose a tag is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The key that signs.
    Newer,
    /// The one that it takes over from.
    Older,
}

impl Tags {
    pub(crate) fn of(seed: &[u8; 32]) -> Self {
        Self { newer: key(seed), older: None }
    }

    pub(crate) fn after(&mut self, seed: &[u8; 32]) {
        self.older = Some(key(seed));
    }

    /// The tag of a frame whose entry has this number and this leaf hash.
    pub(crate) fn of_frame(&self, seq: u64, leaf: &Hash) -> [u8; TAG] {
        tag(&self.newer, Kind::Frame, &numbered(seq, leaf))
    }

    /// The tag of a place with this text.
    pub(crate) fn of_place(&self, text: &[u8]) -> [u8; TAG] {
        tag(&self.newer, Kind::Place, text)
    }

    /// Who wrote a frame; nothing where it was nobody of ours.
    pub(crate) fn frame_by(&self, seq: u64, leaf: &Hash, told: &[u8]) -> Option<By> {
        self.by(Kind::Frame, &numbered(seq, leaf), told)
    }

    /// Who wrote a place; nothing where it was nobody of ours.
    pub(crate) fn place_by(&self, text: &[u8], told: &[u8]) -> Option<By> {
        self.by(Kind::Place, text, told)
    }

    fn by(&self, kind: Kind, what: &[u8], told: &[u8]) -> Option<By> {
        let is = |key: &hmac::Key| constant_time::verify_slices_are_equal(&tag(key, kind, what), told).is_ok();
        if is(&self.newer) {
            return Some(By::Newer);
        }
        self.older.as_ref().is_some_and(is).then_some(By::Older)
    }
}

/// The number in eight bytes, the least first, and the hash.
fn numbered(seq: u64, leaf: &Hash) -> [u8; 40] {
    let mut both = [0; 40];
    let (number, hash) = both.split_at_mut(8);
    number.copy_from_slice(&seq.to_le_bytes());
    hash.copy_from_slice(leaf);
    both
}

fn key(seed: &[u8; 32]) -> hmac::Key {
    let drawn = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, seed), LABEL);
    hmac::Key::new(hmac::HMAC_SHA256, drawn.as_ref())
}

fn tag(key: &hmac::Key, kind: Kind, what: &[u8]) -> [u8; TAG] {
    let mut context = hmac::Context::with_key(key);
    context.update(&[kind as u8]);
    context.update(what);
    context.sign().as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_of_one_key_one_thing_and_one_kind() {
        let (mine, theirs) = (Tags::of(&[1; 32]), Tags::of(&[2; 32]));
        let leaf = [7; 32];
        let told = mine.of_frame(9, &leaf);
        assert_eq!(mine.frame_by(9, &leaf, &told), Some(By::Newer));
        assert_eq!(theirs.frame_by(9, &leaf, &told), None, "another key");
        assert_eq!(mine.frame_by(9, &[8; 32], &told), None, "another entry");
        assert_eq!(mine.frame_by(10, &leaf, &told), None, "another place");
        assert_eq!(mine.place_by(&numbered(9, &leaf), &told), None, "another kind");
        assert_eq!(mine.frame_by(9, &leaf, &told[..15]), None, "a shorter one");
        assert_eq!(mine.frame_by(9, &leaf, &[]), None);
        let mut heir = theirs;
        heir.after(&[1; 32]);
        assert_eq!(heir.frame_by(9, &leaf, &told), Some(By::Older));
        assert_ne!(heir.of_frame(9, &leaf), told, "a newer key tags what comes");
    }
}
