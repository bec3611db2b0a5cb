//! What is known of providers: what they say of themselves, and their keys, each asked for seldom and kept while nobody
//! answers.
//!
//! Whoever shows tokens with made-up names of keys has a provider asked once in half a minute and no more, and takes the place
//! of nothing that is known.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use authn::token::KeySet;
use domain::Tick;
use identity::Elsewhere;

use super::Metadata;

/// How long after one question the next may be asked, answered or not.
const COOLDOWN: Duration = Duration::from_secs(30);

/// How long an answer is taken for that of now.
const FRESH: Duration = Duration::from_hours(1);

/// How long it is gone by while there is no other.
const KEPT: Duration = Duration::from_hours(24);

/// How many names of keys are remembered that a provider does not have, and for how long.
const STRANGERS: usize = 128;
const STRANGE_FOR: Duration = Duration::from_mins(5);

/// What is known of whoever was ever asked. There are as many as connections and issuers of workloads.
#[derive(Default)]
pub(crate) struct Outside(Mutex<HashMap<String, Arc<tokio::sync::Mutex<Known>>>>);

/// What is known of one.
#[derive(Default)]
pub(super) struct Known {
    pub(super) metadata: Seldom<Metadata>,
    /// Where its keys are, of one who lets nobody sign in and says less of itself.
    pub(super) place: Seldom<String>,
    pub(super) keys: Keys,
}

/// Something that is asked for seldom.
pub(super) struct Seldom<T> {
    answer: Option<(Arc<T>, Tick)>,
    asked: Option<Tick>,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Next<T> {
    /// Go by this.
    Use(Arc<T>),
    /// Ask now. That it was asked is written down already.
    Ask,
    /// There is nothing to go by, and it was asked just now.
    Nothing,
}

/// The keys of a provider.
#[derive(Default)]
pub(super) struct Keys {
    set: Seldom<KeySet>,
    strangers: VecDeque<(String, Tick)>,
}

impl Outside {
    /// What is known of somebody. Whoever vouches for it is part of its name, so that nothing goes by what was believed for
    /// something else.
    pub(super) fn of(&self, elsewhere: Elsewhere<'_>) -> Arc<tokio::sync::Mutex<Known>> {
        let name = format!("{} {} {}", elsewhere.issuer, elsewhere.private, elsewhere.ca.unwrap_or_default());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(name).or_default())
    }
}

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self { answer: None, asked: None }
    }
}

impl<T> Seldom<T> {
    /// What to do where the answer of before would do.
    pub(super) fn next(&mut self, now: Tick) -> Next<T> {
        let fresh = self.answer.as_ref().is_some_and(|(_, at)| now.since(*at) < FRESH);
        if !fresh && self.may_ask(now) {
            return Next::Ask;
        }
        self.usable(now).map_or(Next::Nothing, Next::Use)
    }

    /// What there is to go by.
    pub(super) fn usable(&self, now: Tick) -> Option<Arc<T>> {
        self.answer.as_ref().filter(|(_, at)| now.since(*at) < KEPT).map(|(it, _)| Arc::clone(it))
    }

    pub(super) fn took(&mut self, answer: T, now: Tick) -> Arc<T> {
        let answer = Arc::new(answer);
        self.answer = Some((Arc::clone(&answer), now));
        answer
    }

    /// Whether it may be asked; then it is taken for asked, so that no fault on the way has it asked again.
    fn may_ask(&mut self, now: Tick) -> bool {
        let may = self.asked.is_none_or(|it| COOLDOWN <= now.since(it));
        if may {
            self.asked = Some(now);
        }
        may
    }
}

impl Keys {
    /// What to do for a token that names this key.
    pub(super) fn next(&mut self, kid: &str, now: Tick) -> Next<KeySet> {
        let Some(set) = self.set.usable(now) else {
            return if self.set.may_ask(now) { Next::Ask } else { Next::Nothing };
        };
        if set.has(kid) {
            return self.set.next(now);
        }
        self.strangers.retain(|(_, since)| now.since(*since) < STRANGE_FOR);
        let strange = self.strangers.iter().any(|(it, _)| it == kid);
        if !strange && self.set.may_ask(now) { Next::Ask } else { Next::Use(set) }
    }

    /// What there is to go by though nobody answers.
    pub(super) fn usable(&self, now: Tick) -> Option<Arc<KeySet>> {
        self.set.usable(now)
    }

    /// The keys that were answered, to a question about this one. A set without any is not believed to be all.
    pub(super) fn took(&mut self, set: KeySet, kid: &str, now: Tick) -> Option<Arc<KeySet>> {
        if set.is_empty() {
            return self.usable(now);
        }
        if !set.has(kid) && self.strangers.len() < STRANGERS {
            self.strangers.push_back((kid.to_owned(), now));
        }
        Some(self.set.took(set, now))
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick::from_nanos(0) + Duration::from_secs(seconds)
    }

    fn set(kids: &[&str]) -> KeySet {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let key = |kid: &&str| json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x });
        let keys: Vec<_> = kids.iter().map(key).collect();
        KeySet::from_outside(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
    }

    fn asks(keys: &mut Keys, kid: &str, now: u64) -> bool {
        matches!(keys.next(kid, at(now)), Next::Ask)
    }

    fn knows(keys: &mut Keys, kid: &str, now: u64) -> bool {
        matches!(keys.next(kid, at(now)), Next::Use(set) if set.has(kid))
    }

    #[test]
    fn an_unknown_key_has_the_provider_asked_once_in_half_a_minute_and_not_again_for_the_same_name() {
        let mut keys = Keys::default();
        assert!(asks(&mut keys, "a", 0));
        // Nobody has answered yet, and nobody else asks.
        assert!(matches!(keys.next("a", at(1)), Next::Nothing));
        keys.took(set(&["a"]), "a", at(1));
        assert!(knows(&mut keys, "a", 2));
        assert!(matches!(keys.next("x", at(2)), Next::Use(_)), "the cooldown began with the question");
        assert!(asks(&mut keys, "x", 30));
        keys.took(set(&["a"]), "x", at(30));
        assert!(!asks(&mut keys, "x", 329), "it is known to be none of theirs");
        assert!(asks(&mut keys, "x", 330));
    }

    #[test]
    fn while_nobody_answers_the_keys_of_before_are_gone_by_for_a_day_and_junk_takes_the_place_of_none() {
        let mut keys = Keys::default();
        assert!(asks(&mut keys, "a", 0));
        keys.took(set(&["a"]), "a", at(0));
        let hour = 3600;
        assert!(knows(&mut keys, "a", hour - 1) && asks(&mut keys, "a", hour));
        // It failed, and what is known goes on.
        assert!(knows(&mut keys, "a", hour + 1));
        assert!(keys.took(set(&[]), "a", at(hour + 1)).is_some_and(|it| it.has("a")), "an empty set is no set");
        assert!(asks(&mut keys, "a", 24 * hour));
        assert!(matches!(keys.next("a", at(24 * hour + 1)), Next::Nothing));
        assert!(keys.usable(at(24 * hour + 1)).is_none());
    }

    #[test]
    fn however_many_names_are_made_up_no_more_are_remembered_than_there_is_room_for() {
        let mut keys = Keys::default();
        keys.took(set(&["a"]), "a", at(0));
        for number in 0..1000 {
            keys.took(set(&["a"]), &format!("x{number}"), at(1));
        }
        assert_eq!(keys.strangers.len(), STRANGERS);
        assert!(knows(&mut keys, "a", 2));
        let _ = keys.next("y", at(400));
        assert!(keys.strangers.is_empty(), "after five minutes they are forgotten");
    }

    #[test]
    fn what_a_provider_says_of_itself_is_asked_for_once_an_hour_and_kept_for_a_day() {
        let mut said = Seldom::default();
        assert!(matches!(said.next(at(0)), Next::Ask));
        assert!(matches!(said.next(at(29)), Next::Nothing) && matches!(said.next(at(30)), Next::Ask));
        said.took(7, at(30));
        assert!(matches!(said.next(at(31)), Next::Use(_)));
        let later = 30 + 3600;
        assert!(matches!(said.next(at(later)), Next::Ask) && matches!(said.next(at(later + 1)), Next::Use(_)));
        assert!(said.usable(at(30 + 24 * 3600)).is_none());
    }

    proptest! {
        #[test]
        fn whoever_shows_whatever_nobody_is_asked_twice_within_half_a_minute(
            shown in prop::collection::vec((0..100_u64, 0..5_usize, any::<bool>()), 1..200)
        ) {
            let (mut keys, mut now, mut last) = (Keys::default(), 0, None);
            for (later, kid, answers) in shown {
                now += later;
                let kid = ["a", "b", "c", "d", "e"][kid];
                if asks(&mut keys, kid, now) {
                    prop_assert!(last.is_none_or(|last| last + 30 <= now));
                    last = Some(now);
                    if answers {
                        keys.took(set(&["a", "b"]), kid, at(now));
                    }
                }
            }
        }
    }
}
