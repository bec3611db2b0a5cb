//! Other things that are signed as tokens are: what a client asserts of itself (RFC 7523), and what our issuer has told a
//! client of a user. Neither opens anything, and no access token stands in the place of either.

use std::time::Duration;

use domain::Timestamp;
use serde_json::{Map, Value};

use super::signed::Signed;
use super::{BadToken, KeySet, LEEWAY, json};

/// How long an assertion may be good for. It is made for one request.
const MAX_ASSERTED: Duration = Duration::from_mins(10);

/// The longest name of an assertion, in bytes.
const MAX_JTI: usize = 256;

/// What an assertion may be called in its header, where it is called anything.
const TYPES: [&str; 2] = ["JWT", "client-authentication+jwt"];

/// An assertion that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asserted {
    /// Its own name, which is good once.
    pub jti: String,
    /// When it ends.
    pub ends: Timestamp,
}

/// What an ID token of ours says that is shown again. It may have expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The user.
    pub subject: String,
    /// The client that it was made for.
    pub audience: String,
}

/// Who an assertion says that it is of. Nobody has verified that yet.
pub fn claimed_subject(text: &str) -> Option<String> {
    let signed = Signed::parse(text).ok()?;
    let said = json::object(signed.payload())?;
    said.get("sub").and_then(Value::as_str).map(str::to_owned)
}

/// Whether a client has asserted that it is the one, by a key of its own, to one of these and for now.
pub fn assertion(
    text: &str,
    client: &str,
    keys: &KeySet,
    audiences: &[String],
    now: Timestamp,
) -> Result<Asserted, BadToken> {
    let signed = Signed::parse(text)?;
    if signed.typ().is_some_and(|typ| !TYPES.iter().any(|it| it.eq_ignore_ascii_case(typ))) {
        return Err(BadToken::WrongType);
    }
    keys.verify(&signed)?;
    let said = object(&signed)?;
    if text_of(&said, "iss")? != client || text_of(&said, "sub")? != client {
        return Err(BadToken::WrongIssuer);
    }
    // One audience: what was meant for somebody else as well could be shown here by them.
    let audience = match said.get("aud") {
        Some(Value::Array(all)) if all.len() == 1 => all.first().and_then(Value::as_str),
        Some(other) => other.as_str(),
        None => None,
    };
    if !audience.is_some_and(|it| audiences.iter().any(|meant| meant == it)) {
        return Err(BadToken::WrongAudience);
    }
    let jti = text_of(&said, "jti")?;
    if MAX_JTI < jti.len() {
        return Err(BadToken::Claim("jti"));
    }
    let ends = moment(&said, "exp")?;
    if ends + LEEWAY <= now {
        return Err(BadToken::Expired);
    }
    if now + MAX_ASSERTED + LEEWAY < ends {
        return Err(BadToken::TooLong);
    }
    for name in ["iat", "nbf"] {
        if said.contains_key(name) && now + LEEWAY < moment(&said, name)? {
            return Err(BadToken::NotYetValid);
        }
    }
    Ok(Asserted { jti: jti.to_owned(), ends })
}

/// Reads an ID token of this issuer, whenever it was made.
pub fn hint(text: &str, issuer: &str, keys: &KeySet) -> Option<Hint> {
    let signed = Signed::parse(text).ok()?;
    if signed.typ() != Some("JWT") {
        return None;
    }
    keys.verify(&signed).ok()?;
    let said = object(&signed).ok()?;
    let of = |name| text_of(&said, name).ok().map(str::to_owned);
    (of("iss")? == issuer).then_some(Hint { subject: of("sub")?, audience: of("aud")? })
}

pub(super) fn object(signed: &Signed<'_>) -> Result<Map<String, Value>, BadToken> {
    json::object(signed.payload())
        .ok_or(BadToken::Malformed("has a payload that is no JSON object, each name once at any depth"))
}

pub(super) fn text_of<'a>(said: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, BadToken> {
    said.get(name).and_then(Value::as_str).filter(|it| !it.is_empty()).ok_or(BadToken::Claim(name))
}

/// Seconds since 1970. Some write parts of a second, which do not count.
pub(super) fn moment(said: &Map<String, Value>, name: &'static str) -> Result<Timestamp, BadToken> {
    let seconds = said.get(name).and_then(Value::as_f64).filter(|it| (0.0..f64::from(u32::MAX)).contains(it));
    #[expect(clippy::cast_possible_truncation, reason = "it was held to the range just now")]
    seconds.map(|it| Timestamp::from_seconds(it as i64)).ok_or(BadToken::Claim(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Alg;
    use super::super::testing::{ISSUER, Issuer, with};
    use super::*;
    use crate::testing::NOW;

    const CLIENT: &str = "cli_0123456789abcdef";

    fn said() -> Value {
        json!({ "iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "jti": "one", "exp": NOW.seconds() + 60, "iat": NOW.seconds() })
    }

    fn judge(signer: &Issuer, header: &Value, said: &Value) -> Result<Asserted, BadToken> {
        let text = signer.sign(&header.to_string(), &said.to_string());
        let audiences = [ISSUER.to_owned(), format!("{ISSUER}/oauth/token")];
        assertion(&text, CLIENT, &signer.keys(), &audiences, NOW)
    }

    #[test]
    fn a_client_asserts_by_its_own_key_that_it_is_the_one() {
        for alg in [Alg::Rs256, Alg::Es256, Alg::EdDsa] {
            let signer = Issuer::new(alg, "k");
            let head = json!({ "alg": alg.as_str(), "kid": "k" });
            let good = Asserted { jti: "one".to_owned(), ends: Timestamp::from_seconds(NOW.seconds() + 60) };
            assert_eq!(judge(&signer, &head, &said()), Ok(good.clone()));
            assert_eq!(judge(&signer, &with(head.clone(), "typ", json!("JWT")), &said()), Ok(good.clone()));
            let endpoint = with(said(), "aud", json!([format!("{ISSUER}/oauth/token")]));
            assert_eq!(judge(&signer, &head, &endpoint), Ok(good));
            let other = Issuer::new(alg, "k");
            let text = other.sign(&head.to_string(), &said().to_string());
            let refused = assertion(&text, CLIENT, &signer.keys(), &[ISSUER.to_owned()], NOW);
            assert_eq!(refused, Err(BadToken::BadSignature));
        }
    }

    #[test]
    fn what_is_not_for_us_or_not_for_now_or_of_another_is_not_believed() {
        let signer = Issuer::any();
        let head = with(signer.header(), "typ", Value::Null);
        for (name, value, why) in [
            ("iss", json!("cli_other"), BadToken::WrongIssuer),
            ("sub", json!("cli_other"), BadToken::WrongIssuer),
            ("aud", json!("https://evil.example"), BadToken::WrongAudience),
            ("aud", json!([ISSUER, "https://evil.example"]), BadToken::WrongAudience),
            ("aud", Value::Null, BadToken::WrongAudience),
            ("jti", Value::Null, BadToken::Claim("jti")),
            ("jti", json!("x".repeat(257)), BadToken::Claim("jti")),
            ("exp", Value::Null, BadToken::Claim("exp")),
            ("exp", json!(NOW.seconds() - 6), BadToken::Expired),
            ("exp", json!(NOW.seconds() + 700), BadToken::TooLong),
            ("iat", json!(NOW.seconds() + 60), BadToken::NotYetValid),
            ("nbf", json!(NOW.seconds() + 60), BadToken::NotYetValid),
        ] {
            assert_eq!(judge(&signer, &head, &with(said(), name, value)), Err(why), "{name}");
        }
        let access = with(head, "typ", json!("at+jwt"));
        assert_eq!(judge(&signer, &access, &said()), Err(BadToken::WrongType));
    }

    #[test]
    fn a_hint_is_an_id_token_of_this_issuer_and_no_access_token() {
        let signer = Issuer::any();
        let read = |head: &Value, said: &Value| {
            hint(&signer.sign(&head.to_string(), &said.to_string()), ISSUER, &signer.keys())
        };
        let said = json!({ "iss": ISSUER, "sub": "usr_1", "aud": CLIENT, "exp": 1 });
        let head = with(signer.header(), "typ", json!("JWT"));
        assert_eq!(read(&head, &said), Some(Hint { subject: "usr_1".to_owned(), audience: CLIENT.to_owned() }));
        assert_eq!(read(&signer.header(), &said), None);
        assert_eq!(read(&head, &with(said, "iss", json!("https://evil.example"))), None);
    }
}
