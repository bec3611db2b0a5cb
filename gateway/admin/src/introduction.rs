//! How the edge tells this room who is asking: a short text that it alone can have written, for one request.
//!
//! Bound to method, path and query, and good for a few seconds. Without one nothing is answered, whoever can reach the
//! socket.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{NativeVerb, Random, Tick};
use serde::{Deserialize, Serialize};

/// The header that carries it. Nobody outside can send one of this name.
pub const INTRODUCTION: &str = "x-portcullis-introduction";

/// How long one is good for: it is read as soon as it is sent, but on a machine that is busy.
const GOOD_FOR: Duration = Duration::from_secs(10);

/// What was proved of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Introduction {
    /// The id of the request, in hexadecimal.
    pub request: String,
    /// What is to be done.
    pub verb: NativeVerb,
    /// The API that offers it.
    pub api: String,
    /// The operation by which it does.
    pub operation: String,
    /// The values of the path's parameters, decoded.
    pub parameters: BTreeMap<String, String>,
    /// Where it came from.
    pub source: IpAddr,
    /// Whether nobody on the way could read it.
    pub tls: bool,
    /// Who asks; nobody where the operation is open to everybody.
    pub caller: Option<Introduced>,
}

/// Whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Introduced {
    /// Whose things they may see.
    pub tenant: String,
    /// Their key, by its id.
    pub key: String,
    /// What the key may do.
    pub scopes: Vec<String>,
}

/// A text that introduces nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotIntroduced {
    /// It is not of the form, or there is none.
    #[error("there is no introduction")]
    Malformed,
    /// The edge did not write it, or for another request.
    #[error("the introduction was not written for this request")]
    Forged,
    /// Its time is over.
    #[error("the introduction is not good any more")]
    Late,
}

/// The key that the edge and this room share. It is drawn when the process starts and never leaves it.
pub struct IntroductionKey(hmac::Key);

impl fmt::Debug for IntroductionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntroductionKey")
    }
}

impl IntroductionKey {
    /// A new one.
    pub fn draw(random: &dyn Random) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
    }

    /// Introduces a request of this method for this path and query.
    pub fn introduce(&self, introduction: &Introduction, method: &str, target: &str, now: Tick) -> Option<String> {
        let told = serde_json::to_vec(&((now + GOOD_FOR).nanos(), introduction)).ok()?;
        let tag = hmac::sign(&self.0, &bound(&told, method, target));
        Some(format!("{}.{}", URL_SAFE_NO_PAD.encode(&told), URL_SAFE_NO_PAD.encode(tag)))
    }

    /// What a request of this method for this path and query was introduced as.
    pub fn recognise(&self, text: &str, method: &str, target: &str, now: Tick) -> Result<Introduction, NotIntroduced> {
        let (told, tag) = text.split_once('.').ok_or(NotIntroduced::Malformed)?;
        let decoded = |it: &str| URL_SAFE_NO_PAD.decode(it).map_err(|_| NotIntroduced::Malformed);
        let (told, tag) = (decoded(told)?, decoded(tag)?);
        // In constant time.
        hmac::verify(&self.0, &bound(&told, method, target), &tag).map_err(|_| NotIntroduced::Forged)?;
        let (until, introduction): (u64, Introduction) =
            serde_json::from_slice(&told).map_err(|_| NotIntroduced::Malformed)?;
        if now.nanos() <= until { Ok(introduction) } else { Err(NotIntroduced::Late) }
    }
}

/// What is signed: no two requests have the same, because a line of JSON and a method hold no line feed.
fn bound(told: &[u8], method: &str, target: &str) -> Vec<u8> {
    [told, method.as_bytes(), target.as_bytes()].join(&b'\n')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Fixed(u8);

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    fn introduction(tenant: &str, value: &str) -> Introduction {
        Introduction {
            request: "0af1".to_owned(),
            verb: NativeVerb::ListAudit,
            api: "library".to_owned(),
            operation: "listAudit".to_owned(),
            parameters: [("seq".to_owned(), value.to_owned())].into(),
            source: "192.0.2.7".parse().unwrap(),
            tls: true,
            caller: Some(Introduced {
                tenant: tenant.to_owned(),
                key: "key_1".to_owned(),
                scopes: vec!["audit:read".to_owned()],
            }),
        }
    }

    const NOW: Tick = Tick::from_nanos(7_000_000_000);

    proptest! {
        #[test]
        fn what_the_edge_introduces_is_recognised_for_that_request_alone(
            tenant in any::<String>(), value in any::<String>(), target in "/[a-z]{0,8}", other in "/[a-z\\n]{0,8}",
        ) {
            let (key, told) = (IntroductionKey::draw(&Fixed(1)), introduction(&tenant, &value));
            let text = key.introduce(&told, "GET", &target, NOW).unwrap();
            prop_assert!(text.bytes().all(|it| it.is_ascii_graphic()));
            prop_assert_eq!(key.recognise(&text, "GET", &target, NOW), Ok(told));
            prop_assert_eq!(key.recognise(&text, "POST", &target, NOW), Err(NotIntroduced::Forged));
            if other != target {
                prop_assert_eq!(key.recognise(&text, "GET", &other, NOW), Err(NotIntroduced::Forged));
            }
            let stranger = IntroductionKey::draw(&Fixed(2));
            prop_assert_eq!(stranger.recognise(&text, "GET", &target, NOW), Err(NotIntroduced::Forged));
        }

        #[test]
        fn one_that_was_changed_anywhere_introduces_nobody(
            at in any::<prop::sample::Index>(), put in "[A-Za-z0-9_.-]", tenant in "[a-z]{1,8}",
        ) {
            let key = IntroductionKey::draw(&Fixed(1));
            let text = key.introduce(&introduction(&tenant, "7"), "GET", "/a?b", NOW).unwrap();
            let at = at.index(text.len());
            let changed: String = text.chars().take(at).chain(put.chars()).chain(text.chars().skip(at + 1)).collect();
            prop_assume!(changed != text);
            prop_assert!(key.recognise(&changed, "GET", "/a?b", NOW).is_err());
        }
    }

    #[test]
    fn one_is_good_for_seconds_and_what_is_none_introduces_nobody() {
        let key = IntroductionKey::draw(&Fixed(1));
        let text = key.introduce(&introduction("acme", "7"), "GET", "/a", NOW).unwrap();
        assert!(key.recognise(&text, "GET", "/a", NOW + GOOD_FOR).is_ok());
        let later = NOW + GOOD_FOR + Duration::from_nanos(1);
        assert_eq!(key.recognise(&text, "GET", "/a", later), Err(NotIntroduced::Late));
        for none in ["", ".", "a", "a.b.c", "e30.", &text.replace('.', "")] {
            assert!(key.recognise(none, "GET", "/a", NOW).is_err(), "{none:?}");
        }
    }
}
