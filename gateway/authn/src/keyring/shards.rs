//! Digest to entry, in 256 pieces, so that taking in one change copies one piece.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use domain::{Digest, KeyId};

use super::entry::{DigestKey, Entry, Proof};

const SHARDS: usize = 256;

type Shard = HashSet<ByDigest, BuildHasherDefault<FirstBytes>>;

/// All entries that are found by a digest.
#[derive(Clone)]
pub(super) struct Shards {
    shards: Vec<Arc<Shard>>,
    /// How many entries are kept under each pepper.
    peppers: BTreeMap<u16, usize>,
}

impl Shards {
    pub(super) fn new() -> Self {
        Self { shards: vec![Arc::default(); SHARDS], peppers: BTreeMap::new() }
    }

    pub(super) fn find(&self, digest: &Digest) -> Option<&Arc<Entry>> {
        // The last byte chooses the shard, the first eight the place in it: one must not say the other.
        let shard = self.shards.get(usize::from(digest[31]))?;
        shard.get(&DigestKey(*digest)).map(|it| &it.0)
    }

    /// Puts an entry in its place; what was found there before is gone.
    pub(super) fn put(&mut self, digest: &Digest, entry: Arc<Entry>) {
        let Some(shard) = self.shards.get_mut(usize::from(digest[31])) else { return };
        count(&mut self.peppers, &entry, |it| it.saturating_add(1));
        if let Some(ByDigest(former)) = Arc::make_mut(shard).replace(ByDigest(entry)) {
            count(&mut self.peppers, &former, |it| it.saturating_sub(1));
        }
    }

    /// Whether every entry is kept under this pepper. Then no key can have been here under another digest.
    pub(super) fn all_under(&self, pepper: u16) -> bool {
        self.peppers.iter().all(|(version, entries)| *version == pepper || *entries == 0)
    }

    /// Takes out what `unwanted` names, wherever it is.
    pub(super) fn take(&mut self, unwanted: impl Fn(&KeyId) -> bool) -> Vec<Arc<Entry>> {
        let mut taken = Vec::new();
        for shard in &mut self.shards {
            if shard.iter().any(|it| unwanted(it.0.id())) {
                taken.extend(Arc::make_mut(shard).extract_if(|it| unwanted(it.0.id())).map(|it| it.0));
            }
        }
        for entry in &taken {
            count(&mut self.peppers, entry, |it| it.saturating_sub(1));
        }
        taken
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.shards.iter().flat_map(|it| it.iter()).map(|it| &it.0)
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|it| it.len()).sum()
    }
}

fn count(peppers: &mut BTreeMap<u16, usize>, entry: &Entry, change: impl Fn(usize) -> usize) {
    if let Proof::Digest { pepper, .. } = entry.proof() {
        let entries = peppers.entry(*pepper).or_default();
        *entries = change(*entries);
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
            Proof::AccessKey(_) | Proof::Granted(_) => &NONE,
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
pub(crate) struct FirstBytes(u64);

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
