//! What is due in the life of the keys that sign tokens. Pure: keys and a moment in, the next step out.

use std::time::Duration;

use domain::{Timestamp, TokenKey, TokenKeyAlg, TokenKeyStage};

use super::issuer::TOKEN_LIFETIME;

/// How long a key is known to everybody before it signs: longer than anybody keeps a set of keys.
pub(super) const KNOWN_BEFORE_USE: Duration = Duration::from_hours(24);

/// How long after its end a token may still be looked at: what clocks differ by, and how late a gateway may hear that
/// another key has taken over.
const GRACE: Duration = Duration::from_mins(1);

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Makes the next key known.
    Publish {
        /// When it is to sign.
        due: Timestamp,
    },
    /// Lets this key sign, in the place of another if there is one.
    Use(String),
    /// Lets go of this key.
    Retire(String),
}

/// The first step that is due, if any is. A key signs for `period`.
pub(super) fn due(keys: &[TokenKey], now: Timestamp, period: Duration) -> Option<Step> {
    let over = |it: &&TokenKey| matches!(it.stage, TokenKeyStage::Superseded { since } if since + TOKEN_LIFETIME + GRACE <= now);
    if let Some(key) = keys.iter().find(over) {
        return Some(Step::Retire(key.kid.clone()));
    }
    // What a clock that was ahead has written down would keep a key in use, or waiting, until then.
    let credible = |it: Timestamp| it <= now + GRACE;
    let waits = waiting(keys.iter().filter(|it| credible(it.published)));
    match (in_use(keys), waits) {
        (_, Some((key, due))) => (due <= now).then(|| Step::Use(key.kid.clone())),
        (None, None) => Some(Step::Publish { due: now }),
        (Some(since), None) => {
            let ends = if credible(since) { since + period } else { now };
            (ends <= now + KNOWN_BEFORE_USE).then(|| Step::Publish { due: ends.max(now + KNOWN_BEFORE_USE) })
        }
    }
}

/// The keys that a step changes, as they are afterwards. Whoever leaves comes before whoever takes its place.
pub(super) fn taken(step: &Step, keys: &[TokenKey], fresh: Option<&TokenKey>, now: Timestamp) -> Vec<TokenKey> {
    match step {
        Step::Publish { .. } => fresh.into_iter().cloned().collect(),
        Step::Retire(kid) => {
            let gone = keys.iter().filter(|it| it.kid == *kid);
            gone.map(|it| ended(it, TokenKeyStage::Retired { since: now })).collect()
        }
        Step::Use(kid) => {
            let before = keys.iter().filter(|it| matches!(it.stage, TokenKeyStage::InUse { .. }));
            let before = before.map(|it| ended(it, TokenKeyStage::Superseded { since: now }));
            let next = keys.iter().filter(|it| it.kid == *kid);
            let next = next.map(|it| TokenKey { stage: TokenKeyStage::InUse { since: now }, ..it.clone() });
            before.chain(next).collect()
        }
    }
}

/// What the next key signs with where nobody asks for anything: the same as the one that signs now, and the very first one
/// with `first`.
pub(super) fn alg(keys: &[TokenKey], first: TokenKeyAlg) -> TokenKeyAlg {
    keys.iter().find(|it| matches!(it.stage, TokenKeyStage::InUse { .. })).map_or(first, |it| it.alg)
}

/// The key that takes over next, as soon as it may: the one that waits already, if it signs with what is asked for, else
/// `fresh`.
pub(super) fn hastened(keys: &[TokenKey], fresh: &TokenKey, asked: Option<TokenKeyAlg>) -> TokenKey {
    let fits = |it: &&TokenKey| it.published <= fresh.published && asked.is_none_or(|alg| it.alg == alg);
    waiting(keys.iter().filter(fits)).map_or_else(
        || fresh.clone(),
        |(key, due)| {
            let due = due.min(key.published + KNOWN_BEFORE_USE);
            TokenKey { stage: TokenKeyStage::Published { due }, ..key.clone() }
        },
    )
}

/// The keys that would take over besides `next` and sign with something else than is asked for: let go of, for they have
/// signed nothing.
pub(super) fn given_up(
    keys: &[TokenKey],
    next: &TokenKey,
    asked: Option<TokenKeyAlg>,
    now: Timestamp,
) -> Vec<TokenKey> {
    let other = |it: &&TokenKey| it.kid != next.kid && asked.is_some_and(|alg| it.alg != alg);
    let waiting = keys.iter().filter(|it| matches!(it.stage, TokenKeyStage::Published { .. }));
    waiting.filter(other).map(|it| ended(it, TokenKeyStage::Retired { since: now })).collect()
}

/// Every key that is still good withdrawn, and `fresh` in their place. Also those that never signed: whoever could read one
/// could read them all.
pub(super) fn withdrawn(keys: &[TokenKey], fresh: &TokenKey, now: Timestamp) -> Vec<TokenKey> {
    let good = keys.iter().filter(|it| it.stage.verifies());
    let gone = good.map(|it| ended(it, TokenKeyStage::Withdrawn { since: now }));
    gone.chain([fresh.clone()]).collect()
}

/// A key that signs no more: its private half is gone with that.
fn ended(key: &TokenKey, stage: TokenKeyStage) -> TokenKey {
    TokenKey { sealed: None, stage, ..key.clone() }
}

fn in_use(keys: &[TokenKey]) -> Option<Timestamp> {
    keys.iter().find_map(|it| if let TokenKeyStage::InUse { since } = it.stage { Some(since) } else { None })
}

fn waiting<'k>(keys: impl Iterator<Item = &'k TokenKey>) -> Option<(&'k TokenKey, Timestamp)> {
    let waiting =
        keys.filter_map(|it| if let TokenKeyStage::Published { due } = it.stage { Some((it, due)) } else { None });
    waiting.min_by_key(|(_, due)| *due)
}
