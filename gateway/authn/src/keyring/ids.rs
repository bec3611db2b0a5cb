//! Key id to entry, in 256 pieces like the digests, for what names a key instead of showing it.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use domain::KeyId;

use super::entry::Entry;

const SHARDS: usize = 256;

type Shard = HashSet<ById>;

/// All entries by the ids of their keys.
#[derive(Clone)]
pub(super) struct Ids(Vec<Arc<Shard>>);

impl Ids {
    pub(super) fn new() -> Self {
        Self(vec![Arc::default(); SHARDS])
    }

    pub(super) fn find(&self, id: &KeyId) -> Option<&Arc<Entry>> {
        self.0.get(place(id))?.get(id).map(|it| &it.0)
    }

    /// Puts an entry in its place; what was found there before is gone.
    pub(super) fn put(&mut self, entry: Arc<Entry>) {
        if let Some(shard) = self.0.get_mut(place(entry.id())) {
            Arc::make_mut(shard).replace(ById(entry));
        }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.0.iter().flat_map(|it| it.iter()).map(|it| &it.0)
    }

    pub(super) fn remove(&mut self, id: &KeyId) {
        if let Some(shard) = self.0.get_mut(place(id)) {
            Arc::make_mut(shard).remove(id);
        }
    }
}

fn place(id: &KeyId) -> usize {
    usize::from(crc32fast::hash(id.as_str().as_bytes()).to_le_bytes()[0])
}

/// An entry that is found by the id inside it, so that the id is kept once.
#[derive(Clone)]
struct ById(Arc<Entry>);

impl Borrow<KeyId> for ById {
    fn borrow(&self) -> &KeyId {
        self.0.id()
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }
}

impl Eq for ById {}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id().hash(state);
    }
}
