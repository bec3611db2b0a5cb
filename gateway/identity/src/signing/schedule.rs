//! What is due in the life of the keys that sign tokens. Pure: keys and a moment in, the next step out.

use std::time::Duration;

use domain::{Timestamp, TokenKey, TokenKeyStage};

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

/// The key that takes over next, as soon as it may: the one that waits already, else `fresh`.
pub(super) fn hastened(keys: &[TokenKey], fresh: &TokenKey) -> TokenKey {
    waiting(keys.iter().filter(|it| it.published <= fresh.published)).map_or_else(
        || fresh.clone(),
        |(key, due)| {
            let due = due.min(key.published + KNOWN_BEFORE_USE);
            TokenKey { stage: TokenKeyStage::Published { due }, ..key.clone() }
        },
    )
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
