//! What a platform says of a workload that runs on it: an OIDC token of an outside issuer, shown once for a token of ours.
//!
//! It goes through the same gate as everything that is signed, but that its header may name a certificate by its digest
//! (`x5t`), which some platforms do and which means nothing here. Whose keys are believed is for the caller to say: this
//! judges a token by a set of keys, wherever they came from.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Timestamp;
use serde_json::Value;

use super::assertion::{moment, object, text_of};
use super::json;
use super::signed::Signed;
use super::{BadToken, KeySet};

/// How far the clock of an outside issuer may be off.
const LEEWAY: Duration = Duration::from_secs(30);

/// The longest such a token may be good for: what clusters give their pods by default, and not what they may be told to.
const MAX_LIFETIME: Duration = Duration::from_hours(1);

/// The longest subject, and the longest name of a token, in bytes.
const LONGEST: usize = 512;

/// A workload whose platform vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Who it is there.
    pub subject: String,
    /// What tells its token from every other of its issuer. It is good once.
    pub name: String,
    /// When the token ends.
    pub ends: Timestamp,
}

/// Who a token says that it is from. Nobody has verified that yet.
pub fn claimed_issuer(text: &str) -> Option<String> {
    let signed = Signed::parse_outside(text).ok()?;
    json::object(signed.payload())?.get("iss").and_then(Value::as_str).map(str::to_owned)
}

/// Whether a token of this issuer, signed with one of these keys, vouches for a workload to this audience now.
pub fn workload(
    text: &str,
    (issuer, keys): (&str, &KeySet),
    audience: &str,
    now: Timestamp,
) -> Result<Workload, BadToken> {
    let signed = Signed::parse_outside(text)?;
    if signed.typ().is_some_and(|it| !it.eq_ignore_ascii_case("JWT")) {
        return Err(BadToken::WrongType);
    }
    keys.verify(&signed)?;
    let said = object(&signed)?;
    if text_of(&said, "iss")? != issuer {
        return Err(BadToken::WrongIssuer);
    }
    // What was meant for somebody else as well could be shown here by them.
    let meant = match said.get("aud") {
        Some(Value::Array(all)) if all.len() == 1 => all.first().and_then(Value::as_str),
        Some(other) => other.as_str(),
        None => None,
    };
    if meant != Some(audience) {
        return Err(BadToken::WrongAudience);
    }
    let subject = Some(text_of(&said, "sub")?).filter(|it| it.len() <= LONGEST).ok_or(BadToken::Claim("sub"))?;
    let (made, ends) = (moment(&said, "iat")?, moment(&said, "exp")?);
    if ends <= made || made + MAX_LIFETIME < ends {
        return Err(BadToken::TooLong);
    }
    let begins = if said.contains_key("nbf") { moment(&said, "nbf")?.max(made) } else { made };
    if now + LEEWAY < begins {
        return Err(BadToken::NotYetValid);
    }
    if ends + LEEWAY <= now {
        return Err(BadToken::Expired);
    }
    // Where it has no name of its own, what it says is its name: the signature could be written in more than one way.
    let name = if said.contains_key("jti") {
        Some(text_of(&said, "jti")?).filter(|it| it.len() <= LONGEST).ok_or(BadToken::Claim("jti"))?.to_owned()
    } else {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, signed.message().as_bytes()))
    };
    Ok(Workload { subject: subject.to_owned(), name, ends: ends + LEEWAY })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Alg;
    use super::super::testing::{Issuer, with};
    use super::*;
    use crate::testing::NOW;

    const PLATFORM: &str = "https://token.actions.example";
    const AUDIENCE: &str = "https://api.novastraxis.com";
    const SUBJECT: &str = "repo:acme/app:ref:refs/heads/main";

    fn said() -> Value {
        json!({
            "iss": PLATFORM, "sub": SUBJECT, "aud": AUDIENCE, "jti": "one",
            "iat": NOW.seconds(), "nbf": NOW.seconds(), "exp": NOW.seconds() + 300, "repository": "acme/app",
        })
    }

    fn judge(signer: &Issuer, header: &Value, said: &Value) -> Result<Workload, BadToken> {
        let text = signer.sign(&header.to_string(), &said.to_string());
        workload(&text, (PLATFORM, &signer.keys()), AUDIENCE, NOW)
    }

    fn head(signer: &Issuer) -> Value {
        with(signer.header(), "typ", json!("JWT"))
    }

    #[test]
    fn what_platforms_write_is_understood() {
        for alg in [Alg::Rs256, Alg::Es256, Alg::EdDsa] {
            let signer = Issuer::new(alg, "k");
            let good = judge(&signer, &with(head(&signer), "x5t", json!("c2hh")), &said()).unwrap();
            assert_eq!((good.subject.as_str(), good.name.as_str()), (SUBJECT, "one"));
        }
        let signer = Issuer::any();
        // A cluster: no type, a list of one, no name.
        let cluster = with(with(said(), "jti", Value::Null), "aud", json!([AUDIENCE]));
        let bare = with(head(&signer), "typ", Value::Null);
        let one = judge(&signer, &bare, &cluster).unwrap();
        let other = judge(&signer, &bare, &with(cluster, "iat", json!(NOW.seconds() - 1))).unwrap();
        assert_ne!(one.name, other.name);
        let text = signer.sign(&bare.to_string(), &said().to_string());
        assert_eq!(claimed_issuer(&text).as_deref(), Some(PLATFORM));
    }

    #[test]
    fn what_is_not_from_there_not_for_us_or_not_for_now_is_not_believed() {
        let signer = Issuer::any();
        for (name, value, why) in [
            ("iss", json!("https://token.actions.example/"), BadToken::WrongIssuer),
            ("iss", json!([PLATFORM]), BadToken::Claim("iss")),
            ("aud", json!("https://api.novastraxis.com/"), BadToken::WrongAudience),
            ("aud", json!([AUDIENCE, "https://evil.example"]), BadToken::WrongAudience),
            ("aud", Value::Null, BadToken::WrongAudience),
            ("sub", Value::Null, BadToken::Claim("sub")),
            ("sub", json!("x".repeat(513)), BadToken::Claim("sub")),
            ("jti", json!(7), BadToken::Claim("jti")),
            ("iat", Value::Null, BadToken::Claim("iat")),
            ("iat", json!(NOW.seconds() + 60), BadToken::NotYetValid),
            ("nbf", json!(NOW.seconds() + 60), BadToken::NotYetValid),
            ("exp", Value::Null, BadToken::Claim("exp")),
            ("exp", json!(NOW.seconds() + 3601), BadToken::TooLong),
        ] {
            assert_eq!(judge(&signer, &head(&signer), &with(said(), name, value)), Err(why), "{name}");
        }
        let past = with(with(said(), "iat", json!(NOW.seconds() - 300)), "nbf", Value::Null);
        let past = with(past, "exp", json!(NOW.seconds() - 31));
        assert_eq!(judge(&signer, &head(&signer), &past), Err(BadToken::Expired));
    }

    #[test]
    fn nothing_else_that_is_signed_and_no_other_key_vouches_for_a_workload() {
        let signer = Issuer::any();
        let access = with(head(&signer), "typ", json!("at+jwt"));
        assert_eq!(judge(&signer, &access, &said()), Err(BadToken::WrongType));
        for odd in ["jku", "jwk", "x5c", "x5u", "crit", "zip"] {
            let strange = judge(&signer, &with(head(&signer), odd, json!("x")), &said());
            assert!(matches!(strange, Err(BadToken::Malformed(_))), "{odd}: {strange:?}");
        }
        let text = Issuer::any().sign(&head(&signer).to_string(), &said().to_string());
        let forged = workload(&text, (PLATFORM, &signer.keys()), AUDIENCE, NOW);
        assert_eq!(forged, Err(BadToken::BadSignature));
        let none = workload(&text, (PLATFORM, &KeySet::default()), AUDIENCE, NOW);
        assert_eq!(none, Err(BadToken::UnknownKid));
    }
}
