//! Digest to entry, in 256 pieces, so that taking in one change copies one piece.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use domain::{Digest, KeyId};

use super::entry::{DigestKey, Entry, Proof};

const SHARDS: usize = 256;

type Shard = HashSet<ByDigest, BuildHasherDefault<FirstBytes>>;

/// All entries that are found by a digest.
#[derive(Clone)]
pub(super) struct Shards(Vec<Arc<Shard>>);

impl Shards {
    pub(super) fn new() -> Self {
        Self(vec![Arc::default(); SHARDS])
    }

    pub(super) fn find(&self, digest: &Digest) -> Option<&Arc<Entry>> {
        // The last byte chooses the shard, the first eight the place in it: one must not say the other.
        let shard = self.0.get(usize::from(digest[31]))?;
        shard.get(&DigestKey(*digest)).map(|it| &it.0)
    }

    /// Puts an entry in its place; what was found there before is gone.
    pub(super) fn put(&mut self, digest: &Digest, entry: Arc<Entry>) {
        if let Some(shard) = self.0.get_mut(usize::from(digest[31])) {
            Arc::make_mut(shard).replace(ByDigest(entry));
        }
    }

    /// Takes out what `unwanted` names, wherever it is.
    pub(super) fn take(&mut self, unwanted: impl Fn(&KeyId) -> bool) -> Vec<Arc<Entry>> {
        let mut taken = Vec::new();
        for shard in &mut self.0 {
            let found: Vec<Arc<Entry>> =
                shard.iter().filter(|it| unwanted(it.0.id())).map(|it| Arc::clone(&it.0)).collect();
            if found.is_empty() {
                continue;
            }
            Arc::make_mut(shard).retain(|it| !unwanted(it.0.id()));
            taken.extend(found);
        }
        taken
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.0.iter().flat_map(|it| it.iter()).map(|it| &it.0)
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|it| it.len()).sum()
    }
}

/// An entry that is found by the digest inside it, so that the digest is kept once.
#[derive(Clone)]
struct ByDigest(Arc<Entry>);

impl ByDigest {
    fn key(&self) -> &DigestKey {
        static NONE: DigestKey = DigestKey([0; 32]);
        match self.0.proof() {
            Proof::Digest { digest, .. } => digest,
            // INVARIANT: only entries with a digest are put here.
            Proof::AccessKey(_) => &NONE,
        }
    }
}

impl Borrow<DigestKey> for ByDigest {
    fn borrow(&self) -> &DigestKey {
        self.key()
    }
}

impl PartialEq for ByDigest {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ByDigest {}

impl Hash for ByDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// A hasher for what is already evenly spread.
#[derive(Clone, Copy, Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
