//! Words whose tokens are still good for a while, so that a busy caller costs few signatures.

use std::hash::BuildHasher as _;
use std::sync::{Arc, PoisonError, RwLock};

use domain::{ApiName, AuthMethod, Standing, Timestamp, Upstream};
use hashbrown::{DefaultHashBuilder, HashMap};

use super::{About, Word};

/// How many tokens are kept at most. Each takes about a kilobyte and a half.
pub(super) const MOST: usize = 32_768;

/// In how many pieces, so that keeping one keeps few others from being found.
const SHARDS: usize = 64;

/// Tokens by whom they are about and for whom they are.
pub(super) struct KeptTokens {
    marks: DefaultHashBuilder,
    shards: Vec<RwLock<Shard>>,
}

type Shard = HashMap<u64, Kept>;

/// One token, and all that it was made of: two that share a mark are told apart, and only displace each other.
struct Kept {
    /// Kept alive, so that no other standing can come to lie at its address.
    standing: Arc<Standing>,
    method: AuthMethod,
    api: ApiName,
    upstream: Upstream,
    word: Word,
    since: Timestamp,
    until: Timestamp,
}

impl KeptTokens {
    /// The word that was made for the very same, if it is to be used at this moment.
    pub(super) fn find(&self, about: &About<'_>, now: Timestamp) -> Option<Word> {
        let mark = self.mark(about);
        let kept = self.shard(mark)?.read().unwrap_or_else(PoisonError::into_inner);
        kept.get(&mark).filter(|it| it.fresh(now) && it.is_about(about)).map(|it| it.word.clone())
    }

    /// Keeps a word that is to be used from one moment until another.
    pub(super) fn keep(&self, about: &About<'_>, word: Word, (since, until): (Timestamp, Timestamp)) {
        let mark = self.mark(about);
        let Some(shard) = self.shard(mark) else { return };
        let mut kept = shard.write().unwrap_or_else(PoisonError::into_inner);
        if MOST / SHARDS <= kept.len() {
            kept.retain(|_, it| it.fresh(since));
            // Forgetting all at once costs each caller one signature, and keeps no list of what is oldest.
            if MOST / SHARDS / 2 < kept.len() {
                kept.clear();
            }
        }
        let About { caller, api, upstream } = *about;
        let standing = Arc::clone(&caller.standing);
        let (api, upstream) = (api.clone(), upstream.clone());
        kept.insert(mark, Kept { standing, method: caller.method, api, upstream, word, since, until });
    }

    fn mark(&self, about: &About<'_>) -> u64 {
        let About { caller, upstream, .. } = about;
        self.marks.hash_one((Arc::as_ptr(&caller.standing).addr(), caller.method, upstream))
    }

    fn shard(&self, mark: u64) -> Option<&RwLock<Shard>> {
        let at = mark % u64::try_from(self.shards.len()).ok()?;
        self.shards.get(usize::try_from(at).ok()?)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|it| it.read().unwrap().len()).sum()
    }
}

impl Default for KeptTokens {
    fn default() -> Self {
        Self { marks: DefaultHashBuilder::default(), shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }
}

impl Kept {
    /// A standing that changed is another one: a key that was revoked, or lost a scope, is never spoken for as it was.
    fn is_about(&self, about: &About<'_>) -> bool {
        let About { caller, api, upstream } = *about;
        Arc::ptr_eq(&self.standing, &caller.standing)
            && self.method == caller.method
            && self.api == *api
            && self.upstream == *upstream
    }

    /// A clock that was set back makes everything be signed anew.
    fn fresh(&self, now: Timestamp) -> bool {
        self.since <= now && now < self.until
    }
}
