//! What a proof must repeat, so that none was made long ahead (RFC 9449 sections 8 and 9).
//!
//! Nothing is remembered of whom it was told: a nonce is what a key of this process makes of the time, and the same for
//! everybody for half of its life. It is no secret, and cannot be known before that time has come.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Random, Timestamp};
use http::{HeaderName, HeaderValue};
use subtle::ConstantTimeEq as _;

/// The header that tells the nonce to repeat.
pub const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// How much of the code is told, in bytes.
const TOLD: usize = 18;

/// The nonces that proofs must repeat, where they must.
pub struct Nonces {
    key: hmac::Key,
    /// For how many seconds one is told; it is good for as long again.
    told_for: i64,
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").field("told_for", &self.told_for).finish_non_exhaustive()
    }
}

impl Nonces {
    /// Those of a process, each good for at least half of this time and for no longer than that; of no time, none is asked for.
    pub fn draw(lasts: Duration, random: &dyn Random) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        Self { key, told_for: i64::try_from(lasts.as_secs() / 2).unwrap_or(i64::MAX) }
    }

    /// The one to repeat from now on; nothing where none is asked for.
    pub fn now(&self, now: Timestamp) -> Option<HeaderValue> {
        HeaderValue::try_from(self.of(now.seconds().checked_div(self.told_for)?)).ok()
    }

    /// Whether a proof was made lately that repeats this.
    pub fn holds(&self, repeated: Option<&str>, now: Timestamp) -> bool {
        let Some(turn) = now.seconds().checked_div(self.told_for) else { return true };
        let Some(repeated) = repeated else { return false };
        let same = |turn: i64| self.of(turn).as_bytes().ct_eq(repeated.as_bytes());
        (same(turn) | same(turn.saturating_sub(1))).into()
    }

    fn of(&self, turn: i64) -> String {
        let code = hmac::sign(&self.key, &turn.to_be_bytes());
        URL_SAFE_NO_PAD.encode(code.as_ref().get(..TOLD).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandom;
    use crate::testing::NOW;

    fn nonces(lasts: u64) -> Nonces {
        Nonces::draw(Duration::from_secs(lasts), &SystemRandom)
    }

    #[test]
    fn a_nonce_is_good_for_half_of_its_life_and_at_most_all_of_it_and_not_before_its_time() {
        let nonces = nonces(300);
        let at = |seconds: u64| NOW + Duration::from_secs(seconds);
        for begun in [0, 1, 149, 150, 299] {
            let told = nonces.now(at(begun)).unwrap();
            let holds = |seconds: u64| nonces.holds(told.to_str().ok(), at(seconds));
            assert!((0..=150).all(|it| holds(begun + it)), "{begun}");
            assert!(!holds(begun + 300) && !holds(begun + 1000), "{begun}");
            assert!(begun < 150 || !holds(begun - 150), "{begun}: before it was told");
        }
        assert_eq!((0..300).map(|it| nonces.now(at(it))).collect::<std::collections::HashSet<_>>().len(), 3);
    }

    #[test]
    fn nothing_else_holds_and_where_none_is_asked_for_everything_does() {
        let (ours, others, none) = (nonces(300), nonces(300), nonces(0));
        let told = ours.now(NOW).unwrap().to_str().unwrap().to_owned();
        assert_eq!(told.len(), 24);
        for other in [None, Some(""), Some("x"), Some(told.to_uppercase().as_str()), told.get(1..)] {
            assert!(!ours.holds(other, NOW) && none.holds(other, NOW), "{other:?}");
        }
        assert!(!others.holds(Some(&told), NOW), "another process has another key");
        assert_eq!(none.now(NOW), None);
    }
}
