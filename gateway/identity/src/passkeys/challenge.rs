//! Challenges: what an authenticator signs, good for five minutes, for one browser, one purpose, and once.
//!
//! Anybody may ask for one, so that nothing is kept of it until it was used: it says itself until when it is good, and
//! that it was made here. The key for that is drawn when the process starts.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Random, Timestamp};
use serde::{Deserialize, Serialize};

use crate::kept::Kept;
use crate::signing::digest_of;

/// How long one is good for.
const GOOD_FOR: Duration = Duration::from_mins(5);

/// How many random bytes there are in one, and how many say until when it is good.
const DRAWN: usize = 16;
const UNTIL: usize = 8;

/// What somebody does with a passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceremony<'a> {
    /// Signs in, whoever they are.
    SignIn,
    /// Registers it, as this user.
    Register(&'a str),
}

/// What makes challenges and knows them again.
pub(crate) struct Challenges(hmac::Key);

/// One that was used.
#[derive(Serialize, Deserialize)]
pub(super) struct Spent {
    id: String,
    until: Timestamp,
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenges")
    }
}

impl Kept for Spent {
    const KIND: &'static str = "passkey_challenge";

    fn id(&self) -> &str {
        &self.id
    }

    fn until(&self) -> Option<Timestamp> {
        Some(self.until)
    }
}

impl Challenges {
    pub(crate) fn draw(random: &dyn Random) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
    }

    /// A new one for the browser that shows this cookie.
    pub(crate) fn make(&self, ceremony: Ceremony<'_>, cookie: &str, random: &dyn Random, now: Timestamp) -> String {
        let mut drawn = [0; DRAWN];
        random.fill(&mut drawn);
        let said = [&(now + GOOD_FOR).nanos().to_be_bytes()[..], &drawn].concat();
        let tag = hmac::sign(&self.0, &bound(&said, ceremony, cookie));
        URL_SAFE_NO_PAD.encode([&said, tag.as_ref()].concat())
    }

    /// What is to be kept of one that is used now; nothing where it was not made here for this, or is not good any more.
    pub(super) fn spend(&self, challenge: &str, ceremony: Ceremony<'_>, cookie: &str, now: Timestamp) -> Option<Spent> {
        let bytes = URL_SAFE_NO_PAD.decode(challenge).ok()?;
        let (said, tag) = bytes.split_at_checked(UNTIL + DRAWN)?;
        // In constant time.
        hmac::verify(&self.0, &bound(said, ceremony, cookie), tag).ok()?;
        let until = Timestamp::from_nanos(i64::from_be_bytes(*said.first_chunk()?));
        (now < until).then(|| Spent { id: digest_of(challenge), until })
    }
}

/// What is signed: of one length up to the purpose, and no purpose or cookie holds a line feed.
fn bound(said: &[u8], ceremony: Ceremony<'_>, cookie: &str) -> Vec<u8> {
    let (purpose, user) = match ceremony {
        Ceremony::SignIn => ("sign in", ""),
        Ceremony::Register(user) => ("register", user),
    };
    [said, format!("{purpose}\n{user}\n{cookie}").as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter;

    impl Random for Counter {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[test]
    fn a_challenge_is_good_for_its_purpose_its_browser_and_five_minutes() {
        let now = Timestamp::from_seconds(1_790_000_000);
        let challenges = Challenges::draw(&Counter);
        let made = challenges.make(Ceremony::Register("usr_1"), "cookie", &Counter, now);
        let good = |text: &str, ceremony, cookie: &str, after: u64| {
            challenges.spend(text, ceremony, cookie, now + Duration::from_secs(after)).is_some()
        };
        assert!(good(&made, Ceremony::Register("usr_1"), "cookie", 299));
        assert!(!good(&made, Ceremony::Register("usr_1"), "cookie", 300));
        assert!(!good(&made, Ceremony::Register("usr_2"), "cookie", 0));
        assert!(!good(&made, Ceremony::SignIn, "cookie", 0));
        assert!(!good(&made, Ceremony::Register("usr_1"), "another", 0));
        for bad in ["", "AAAA", made.get(1..).unwrap(), &format!("{made}AA"), &made.replacen('G', "H", 1)] {
            assert!(!good(bad, Ceremony::Register("usr_1"), "cookie", 0), "{bad}");
        }
    }
}
