use std::time::Duration;

use proptest::prelude::*;

use super::schedule::{KNOWN_BEFORE_USE, alg, due, given_up, hastened, taken, withdrawn};
use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
const PERIOD: Duration = Duration::from_hours(30 * 24);
const HOUR: Duration = Duration::from_hours(1);

/// A key that was not drawn.
fn key(number: usize, published: Timestamp, stage: TokenKeyStage) -> TokenKey {
    let kid = format!("key {number}");
    TokenKey { kid, alg: TokenKeyAlg::Rs256, public: Vec::new(), sealed: Some(vec![1]), published, stage }
}

/// Keys and the time, without a store.
struct Keys {
    all: Vec<TokenKey>,
    now: Timestamp,
    /// When each key began to sign.
    used: Vec<(String, Timestamp)>,
}

impl Keys {
    fn new() -> Self {
        Self { all: Vec::new(), now: NOW, used: Vec::new() }
    }

    fn put(&mut self, changed: Vec<TokenKey>) {
        for key in changed {
            if let TokenKeyStage::InUse { since } = key.stage {
                self.used.push((key.kid.clone(), since));
            }
            match self.all.iter_mut().find(|it| it.kid == key.kid) {
                Some(it) => *it = key,
                None => self.all.push(key),
            }
        }
    }

    fn tend(&mut self) {
        while let Some(step) = due(&self.all, self.now, PERIOD) {
            let fresh = if let Step::Publish { due } = step { Some(self.fresh(due)) } else { None };
            self.put(taken(&step, &self.all, fresh.as_ref(), self.now));
        }
    }

    fn fresh(&self, due: Timestamp) -> TokenKey {
        key(self.all.len(), self.now, TokenKeyStage::Published { due })
    }

    fn stages(&self) -> Vec<&'static str> {
        self.all.iter().map(|it| it.stage.told().0).collect()
    }

    /// What holds at every moment.
    fn check(&self) {
        let signs = |it: &&TokenKey| matches!(it.stage, TokenKeyStage::InUse { .. });
        assert!(self.all.iter().filter(signs).count() <= 1, "{:?}", self.all);
        for key in &self.all {
            let may_sign = matches!(key.stage, TokenKeyStage::Published { .. } | TokenKeyStage::InUse { .. });
            assert_eq!(key.sealed.is_some(), may_sign, "a private half is kept only where it is to sign: {key:?}");
        }
    }
}

#[test]
fn the_first_key_signs_at_once_and_every_other_after_a_day_in_which_it_is_known() {
    let mut keys = Keys::new();
    keys.tend();
    assert_eq!(keys.stages(), ["in_use"]);
    keys.now = NOW + PERIOD - KNOWN_BEFORE_USE - HOUR;
    keys.tend();
    assert_eq!(keys.stages(), ["in_use"]);
    keys.now = NOW + PERIOD - KNOWN_BEFORE_USE;
    keys.tend();
    assert_eq!(keys.stages(), ["in_use", "published"]);
    keys.now = NOW + PERIOD - Duration::from_nanos(1);
    keys.tend();
    assert_eq!(keys.stages(), ["in_use", "published"]);
    keys.now = NOW + PERIOD;
    keys.tend();
    assert_eq!(keys.stages(), ["superseded", "in_use"]);
    // A token that was made in the last moment is looked at until it ends.
    keys.now = NOW + PERIOD + TOKEN_LIFETIME + Duration::from_secs(59);
    keys.tend();
    assert_eq!(keys.stages(), ["superseded", "in_use"]);
    keys.now = NOW + PERIOD + TOKEN_LIFETIME + Duration::from_mins(1);
    keys.tend();
    assert_eq!(keys.stages(), ["retired", "in_use"]);
    keys.check();
}

#[test]
fn a_gateway_that_was_away_for_long_still_makes_a_key_known_first() {
    let mut keys = Keys::new();
    keys.tend();
    keys.now = NOW + PERIOD * 5;
    keys.tend();
    assert_eq!(keys.stages(), ["in_use", "published"]);
    keys.now = keys.now + KNOWN_BEFORE_USE;
    keys.tend();
    assert_eq!(keys.stages(), ["superseded", "in_use"]);
}

#[test]
fn a_clock_that_was_ahead_keeps_no_key_in_use_for_ever() {
    let mut keys = Keys::new();
    keys.now = NOW + PERIOD * 1000;
    keys.tend();
    let fresh = keys.fresh(keys.now + KNOWN_BEFORE_USE);
    keys.put(vec![fresh]);
    keys.now = NOW;
    keys.tend();
    assert_eq!(keys.stages(), ["in_use", "published", "published"]);
    keys.now = NOW + KNOWN_BEFORE_USE;
    keys.tend();
    assert_eq!(keys.stages(), ["superseded", "published", "in_use"]);
    keys.check();
}

#[test]
fn who_cannot_wait_for_the_month_waits_a_day_and_a_key_that_waits_is_not_made_twice() {
    let mut keys = Keys::new();
    keys.tend();
    keys.now = NOW + HOUR;
    let fresh = keys.fresh(keys.now + KNOWN_BEFORE_USE);
    keys.put(vec![hastened(&keys.all, &fresh, None)]);
    keys.now = keys.now + HOUR;
    let other = key(9, keys.now, TokenKeyStage::Published { due: keys.now + KNOWN_BEFORE_USE });
    assert_eq!(hastened(&keys.all, &other, None), fresh);
    keys.now = NOW + HOUR + KNOWN_BEFORE_USE;
    keys.tend();
    assert_eq!(keys.stages(), ["superseded", "in_use"]);
    // One that was to wait for longer waits no longer than it must.
    let late = key(2, keys.now, TokenKeyStage::Published { due: keys.now + PERIOD });
    let other = keys.fresh(keys.now + KNOWN_BEFORE_USE);
    let next = hastened(std::slice::from_ref(&late), &other, None);
    assert_eq!(next.kid, late.kid);
    assert_eq!(next.stage, TokenKeyStage::Published { due: keys.now + KNOWN_BEFORE_USE });
}

#[test]
fn a_key_signs_as_the_one_before_until_another_algorithm_is_asked_for() {
    let mut keys = Keys::new();
    assert_eq!(alg(&keys.all, TokenKeyAlg::Es256), TokenKeyAlg::Es256, "the first");
    keys.tend();
    assert_eq!(alg(&keys.all, TokenKeyAlg::Es256), TokenKeyAlg::Rs256);
    let due = keys.now + KNOWN_BEFORE_USE;
    let waits = keys.fresh(due);
    keys.put(vec![waits.clone()]);
    // One that waits is taken where it signs so, and let go of where it does not.
    let fresh = TokenKey { alg: TokenKeyAlg::EdDsa, ..keys.fresh(due) };
    for asked in [None, Some(TokenKeyAlg::Rs256)] {
        assert_eq!(hastened(&keys.all, &fresh, asked), waits);
        assert_eq!(given_up(&keys.all, &waits, asked, keys.now), []);
    }
    let asked = Some(TokenKeyAlg::EdDsa);
    assert_eq!(hastened(&keys.all, &fresh, asked), fresh);
    let gone = given_up(&keys.all, &fresh, asked, keys.now);
    keys.put(gone);
    keys.put(vec![fresh]);
    assert_eq!(keys.stages(), ["in_use", "retired", "published"]);
    keys.check();
    keys.now = due;
    keys.tend();
    assert_eq!(keys.stages(), ["superseded", "retired", "in_use"]);
    assert_eq!(alg(&keys.all, TokenKeyAlg::Es256), TokenKeyAlg::EdDsa);
}

#[test]
fn after_an_emergency_no_older_key_is_good_and_the_new_one_signs() {
    let mut keys = Keys::new();
    keys.tend();
    keys.now = NOW + PERIOD;
    keys.tend();
    keys.now = keys.now + KNOWN_BEFORE_USE;
    keys.tend();
    keys.now = keys.now + TOKEN_LIFETIME + HOUR;
    keys.tend();
    let fresh = keys.fresh(keys.now + PERIOD);
    keys.put(vec![fresh]);
    assert_eq!(keys.stages(), ["retired", "in_use", "published"]);
    let new = key(3, keys.now, TokenKeyStage::InUse { since: keys.now });
    keys.put(withdrawn(&keys.all, &new, keys.now));
    assert_eq!(keys.stages(), ["retired", "withdrawn", "withdrawn", "in_use"]);
    keys.tend();
    assert_eq!(keys.stages(), ["retired", "withdrawn", "withdrawn", "in_use"]);
    keys.check();
}

proptest! {
    #[test]
    fn whenever_it_is_looked_after_each_key_is_known_a_day_before_it_signs(
        waits in prop::collection::vec(0_u32..100_000, 1..120),
    ) {
        let mut keys = Keys::new();
        keys.tend();
        for minutes in waits {
            keys.now = keys.now + Duration::from_mins(minutes.into());
            keys.tend();
            keys.check();
            let signs = keys.stages().contains(&"in_use");
            prop_assert!(signs);
        }
        for (kid, since) in keys.used.iter().skip(1) {
            let key = keys.all.iter().find(|it| it.kid == *kid).unwrap();
            prop_assert!(key.published + KNOWN_BEFORE_USE <= *since, "{:?}", key);
        }
    }
}
