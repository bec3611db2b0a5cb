//! Tokens that were verified a moment ago, so that a busy caller costs one signature a minute.
//!
//! What is kept is what the token says, never that its key still opens anything.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use domain::{Random, Standing, Timestamp, TokenShown};
use zeroize::Zeroizing;

use super::claims::Claims;
use crate::keyring::FirstBytes;
use crate::{Entry, SystemRandom};

/// How many verified tokens are kept at most. Each takes about half a kilobyte.
pub(super) const MOST: usize = 65_536;

/// In how many pieces, so that keeping one keeps few others from being found.
const SHARDS: usize = 64;

/// How long a verified token is kept.
const KEPT: Duration = Duration::from_mins(1);

/// Verified tokens by their marks. They belong to one set of keys and are gone with it.
pub(super) struct KnownTokens {
    /// What marks are made with; without it nothing is known, and everything is verified.
    key: Option<LessSafeKey>,
    shards: Vec<RwLock<Shard>>,
}

/// A mark is spread as evenly as any hash of it would be.
type Shard = HashMap<Mark, Arc<Known>, BuildHasherDefault<FirstBytes>>;

/// What stands for the text of a token, so that the text itself is not kept.
///
/// It is the tag of AES-GCM over the text under a key that nobody knows, drawn for this set of keys. It never leaves this
/// file, so that one nonce for all gives nothing away, and of two texts that were chosen without knowing the key, both
/// have the same mark with a probability below 2^-118. SHA-256 would take longer than everything else together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(pub(super) [u8; 16]);

impl Hash for Mark {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The first half chooses the place in a piece, the last byte the piece: one must not say the other.
        if let Some(first) = self.0.first_chunk() {
            state.write_u64(u64::from_le_bytes(*first));
        }
    }
}

/// A token that was verified.
pub(super) struct Known {
    claims: Claims,
    shown: Arc<TokenShown>,
    since: Timestamp,
    until: Timestamp,
    cut: ArcSwapOption<Cut>,
}

/// The standing of a key, and what a token leaves of it.
struct Cut {
    of: Arc<Standing>,
    left: Arc<Standing>,
}

impl KnownTokens {
    /// The mark of this text.
    pub(super) fn mark(&self, text: &str) -> Option<Mark> {
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let tag = self.key.as_ref()?.seal_in_place_separate_tag(nonce, Aad::from(text), &mut []).ok()?;
        tag.as_ref().try_into().ok().map(Mark)
    }

    /// The token of this mark, where it was verified for this issuer and no more than a minute ago.
    pub(super) fn find(&self, mark: &Mark, issuer: &str, now: Timestamp) -> Option<Arc<Known>> {
        let known = self.shard(mark)?.read().unwrap_or_else(PoisonError::into_inner);
        known.get(mark).filter(|it| it.fresh(now) && it.claims.issuer == issuer).cloned()
    }

    /// Keeps a token that was verified. Only such get this far, so nobody outside can fill it with what they make up.
    pub(super) fn keep(&self, mark: Mark, token: Arc<Known>, now: Timestamp) {
        let Some(shard) = self.shard(&mark) else { return };
        let mut known = shard.write().unwrap_or_else(PoisonError::into_inner);
        if MOST / SHARDS <= known.len() {
            known.retain(|_, it| it.fresh(now));
            // Forgetting all at once costs each token one signature, and keeps no list of what is oldest.
            if MOST / SHARDS / 2 < known.len() {
                known.clear();
            }
        }
        known.insert(mark, token);
    }

    fn shard(&self, mark: &Mark) -> Option<&RwLock<Shard>> {
        self.shards.get(usize::from(mark.0[15]) % SHARDS)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|it| it.read().unwrap().len()).sum()
    }
}

impl Default for KnownTokens {
    fn default() -> Self {
        let mut bytes = Zeroizing::new([0; 16]);
        SystemRandom.fill(bytes.as_mut_slice());
        let key = UnboundKey::new(&AES_128_GCM, bytes.as_slice()).ok().map(LessSafeKey::new);
        Self { key, shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }
}

impl fmt::Debug for KnownTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownTokens")
    }
}

impl Known {
    /// A token whose claims hold at this moment.
    pub(super) fn new(claims: Claims, signer: String, now: Timestamp) -> Self {
        let until = claims.expires.min(now + KEPT);
        let shown = Arc::new(TokenShown { signer, issued: claims.issued });
        Self { claims, shown, since: now, until, cut: ArcSwapOption::empty() }
    }

    /// What it says.
    pub(super) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// What matters of it from now on.
    pub(super) fn shown(&self) -> Arc<TokenShown> {
        Arc::clone(&self.shown)
    }

    /// What it leaves of the standing of its key: the scopes that both have. Made once for each standing that the key has
    /// in the life of the token.
    pub(super) fn standing(&self, entry: &Entry) -> Arc<Standing> {
        let whole = entry.standing();
        if let Some(cut) = self.cut.load().as_deref().filter(|it| Arc::ptr_eq(&it.of, whole)) {
            return Arc::clone(&cut.left);
        }
        let left = self.cut(whole);
        self.cut.store(Some(Arc::new(Cut { of: Arc::clone(whole), left: Arc::clone(&left) })));
        left
    }

    fn cut(&self, whole: &Arc<Standing>) -> Arc<Standing> {
        let given = |it: &&domain::Scope| self.claims.scopes.binary_search(it).is_ok();
        if whole.scopes.iter().all(|it| given(&it)) {
            return Arc::clone(whole);
        }
        let scopes = whole.scopes.iter().filter(given).cloned().collect();
        Arc::new(Standing { scopes, ..Standing::clone(whole) })
    }

    /// A clock that was set back makes everything be verified anew.
    fn fresh(&self, now: Timestamp) -> bool {
        self.since <= now && now < self.until
    }
}
