use proptest::prelude::*;
use serde_json::json;

use super::super::testing::{Issuer, with};
use super::super::{BadKeySet, KeySet};
use super::*;
use crate::testing::NOW;

const PROVIDER: &str = "https://id.example";
const CLIENT: &str = "portcullis";
const ALL: [Alg; 3] = [Alg::Rs256, Alg::Es256, Alg::EdDsa];
const RULES: OutsideRules<'_> = OutsideRules { issuer: PROVIDER, client: CLIENT, algs: &ALL };
const EXPECTED: Expected<'_> = Expected { nonce: "n", access_token: Some("at"), max_age: None };

fn said() -> Value {
    let now = NOW.seconds();
    json!({ "iss": PROVIDER, "aud": CLIENT, "sub": "ann", "nonce": "n", "iat": now, "exp": now + 300 })
}

fn left() -> Value {
    let now = NOW.seconds();
    let events = json!({ LEFT: {} });
    json!({ "iss": PROVIDER, "aud": [CLIENT], "sub": "ann", "sid": "s", "jti": "j", "iat": now, "exp": now + 120, "events": events })
}

fn head(signer: &Issuer) -> Value {
    with(signer.header(), "typ", Value::Null)
}

fn judge(signer: &Issuer, said: &Value, expected: Expected<'_>) -> Result<OutsideToken, BadToken> {
    id_token(&signer.sign(&head(signer).to_string(), &said.to_string()), RULES, &signer.keys(), expected, NOW)
}

fn heard(signer: &Issuer, head: &Value, said: &Value) -> Result<LogoutToken, BadToken> {
    logout_token(&signer.sign(&head.to_string(), &said.to_string()), RULES, &signer.keys(), NOW)
}

fn hash(alg: Alg, token: &str) -> String {
    let (algorithm, half) = if alg == Alg::EdDsa { (&SHA512, 32) } else { (&SHA256, 16) };
    URL_SAFE_NO_PAD.encode(&digest(algorithm, token.as_bytes()).as_ref()[..half])
}

#[test]
fn a_user_is_who_the_provider_says_they_are_and_how_they_showed_it_is_carried() {
    for alg in ALL {
        let signer = Issuer::new(alg, "k");
        let full = json!({ "at_hash": hash(alg, "at"), "auth_time": NOW.seconds() - 7, "sid": "s", "azp": CLIENT,
            "amr": ["pwd", "otp", 7, "two words", "x".repeat(65)], "acr": "2" });
        let mut claims = said();
        claims.as_object_mut().unwrap().extend(full.as_object().unwrap().clone());
        let token = judge(&signer, &claims, EXPECTED).unwrap();
        assert_eq!((token.subject.as_str(), token.session.as_deref()), ("ann", Some("s")));
        assert_eq!(token.authenticated, Some(Timestamp::from_seconds(NOW.seconds() - 7)));
        assert_eq!(token.methods, ["pwd", "otp", "acr:2"]);
        assert!(judge(&signer, &with(claims, "at_hash", json!(hash(alg, "other"))), EXPECTED).is_err());
    }
    let signer = Issuer::any();
    let bare = judge(&signer, &with(said(), "aud", json!([CLIENT])), Expected { access_token: None, ..EXPECTED });
    assert_eq!(bare.unwrap().methods, [""; 0]);
}

#[test]
fn an_id_token_for_another_of_another_or_of_another_time_lets_nobody_in() {
    let (signer, now) = (Issuer::any(), NOW.seconds());
    for (name, value, why) in [
        ("iss", json!("https://evil.example"), BadToken::WrongIssuer),
        ("iss", json!([PROVIDER]), BadToken::Claim("iss")),
        ("aud", json!("other"), BadToken::WrongAudience),
        ("aud", json!([CLIENT, "other"]), BadToken::WrongAudience),
        ("aud", Value::Null, BadToken::WrongAudience),
        ("azp", json!("other"), BadToken::WrongAudience),
        ("azp", json!(7), BadToken::WrongAudience),
        ("nonce", json!("other"), BadToken::Claim("nonce")),
        ("nonce", Value::Null, BadToken::Claim("nonce")),
        ("at_hash", json!(hash(Alg::EdDsa, "other")), BadToken::Claim("at_hash")),
        ("at_hash", json!(7), BadToken::Claim("at_hash")),
        ("sub", Value::Null, BadToken::Claim("sub")),
        ("sub", json!("x".repeat(256)), BadToken::Claim("sub")),
        ("sub", json!("a\nb"), BadToken::Claim("sub")),
        ("exp", Value::Null, BadToken::Claim("exp")),
        ("exp", json!(now - 61), BadToken::Expired),
        ("exp", json!("1"), BadToken::Claim("exp")),
        ("iat", json!(now - 700), BadToken::Expired),
        ("iat", json!(now + 120), BadToken::NotYetValid),
        ("nbf", json!(now + 120), BadToken::NotYetValid),
    ] {
        assert_eq!(judge(&signer, &with(said(), name, value.clone()), EXPECTED), Err(why), "{name} {value}");
    }
    let hashed = with(said(), "at_hash", json!(hash(Alg::EdDsa, "at")));
    let none = judge(&signer, &hashed, Expected { access_token: None, ..EXPECTED });
    assert_eq!(none, Err(BadToken::Claim("at_hash")));
}

#[test]
fn who_was_to_show_anew_who_they_are_must_have_done_so() {
    let signer = Issuer::any();
    let fresh = Expected { max_age: Some(Duration::from_secs(30)), ..EXPECTED };
    assert_eq!(judge(&signer, &said(), fresh), Err(BadToken::Claim("auth_time")));
    let at = |ago: i64| judge(&signer, &with(said(), "auth_time", json!(NOW.seconds() - ago)), fresh);
    assert!(at(30).is_ok());
    assert_eq!(at(91), Err(BadToken::Claim("auth_time")));
    let ever = Expected { max_age: Some(Duration::MAX), ..EXPECTED };
    assert!(judge(&signer, &with(said(), "auth_time", json!(1)), ever).is_ok());
}

#[test]
fn only_what_was_allowed_signs_and_only_what_was_published() {
    let (signer, other) = (Issuer::any(), Issuer::any());
    let text = signer.sign(&head(&signer).to_string(), &said().to_string());
    let rsa = OutsideRules { algs: &[Alg::Rs256], ..RULES };
    assert_eq!(id_token(&text, rsa, &signer.keys(), EXPECTED, NOW), Err(BadToken::WrongAlg));
    assert_eq!(id_token(&text, RULES, &other.keys(), EXPECTED, NOW), Err(BadToken::BadSignature));
    assert_eq!(id_token(&text, RULES, &KeySet::default(), EXPECTED, NOW), Err(BadToken::UnknownKid));
    for (name, value) in [("jku", json!("https://evil.example")), ("crit", json!(["b64"])), ("jwk", json!({}))] {
        let text = signer.sign(&with(head(&signer), name, value).to_string(), &said().to_string());
        assert!(matches!(id_token(&text, RULES, &signer.keys(), EXPECTED, NOW), Err(BadToken::Malformed(_))), "{name}");
    }
    let named = with(head(&signer), "x5t", json!("thumb"));
    let text = signer.sign(&named.to_string(), &said().to_string());
    assert!(id_token(&text, RULES, &signer.keys(), EXPECTED, NOW).is_ok());
    assert_eq!(named_key(&text).as_deref(), Some("one"));
}

#[test]
fn who_has_left_is_told_of_by_a_token_that_is_nothing_else() {
    let signer = Issuer::any();
    let logout = with(head(&signer), "typ", json!("logout+jwt"));
    let good = heard(&signer, &logout, &left()).unwrap();
    assert_eq!((good.subject.as_deref(), good.session.as_deref(), good.jti.as_str()), (Some("ann"), Some("s"), "j"));
    assert!(heard(&signer, &head(&signer), &with(left(), "sid", Value::Null)).is_ok());
    assert!(heard(&signer, &head(&signer), &with(left(), "sub", Value::Null)).is_ok());
    let now = NOW.seconds();
    for (name, value, why) in [
        ("events", Value::Null, BadToken::Claim("events")),
        ("events", json!({ "other": {} }), BadToken::Claim("events")),
        ("events", json!({ LEFT: "x" }), BadToken::Claim("events")),
        ("nonce", json!("n"), BadToken::WrongType),
        ("jti", Value::Null, BadToken::Claim("jti")),
        ("iss", json!("https://evil.example"), BadToken::WrongIssuer),
        ("aud", json!("other"), BadToken::WrongAudience),
        ("iat", Value::Null, BadToken::Claim("iat")),
        ("iat", json!(now - 700), BadToken::Expired),
        ("exp", json!(now - 61), BadToken::Expired),
    ] {
        assert_eq!(heard(&signer, &logout, &with(left(), name, value.clone())), Err(why), "{name} {value}");
    }
    let nobody = with(with(left(), "sub", Value::Null), "sid", Value::Null);
    assert_eq!(heard(&signer, &logout, &nobody), Err(BadToken::Claim("sub")));
    // Neither stands in the place of the other, nor does an access token.
    assert_eq!(heard(&signer, &head(&signer), &said()), Err(BadToken::Claim("events")));
    for typ in ["at+jwt", "logout+jwt"] {
        let text = signer.sign(&with(head(&signer), "typ", json!(typ)).to_string(), &said().to_string());
        assert_eq!(id_token(&text, RULES, &signer.keys(), EXPECTED, NOW), Err(BadToken::WrongType), "{typ}");
    }
    assert_eq!(heard(&signer, &with(head(&signer), "typ", json!("at+jwt")), &left()), Err(BadToken::WrongType));
}

#[test]
fn of_a_published_set_what_can_verify_is_used_and_a_secret_in_it_is_a_fault() {
    let point = |seed: u8| {
        let pair = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        URL_SAFE_NO_PAD.encode(aws_lc_rs::signature::KeyPair::public_key(&pair).as_ref())
    };
    let key = |kid: &str| json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "x": point(1) });
    let set = |keys: &[Value]| KeySet::from_outside(json!({ "keys": keys }).to_string().as_bytes());
    let good = set(&[
        key("a"),
        with(key("enc"), "use", json!("enc")),
        with(key("alg"), "alg", json!("RS256")),
        with(key("x"), "x", json!("AAAA")),
        json!({ "kty": "RSA", "kid": "oaep", "use": "enc", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB" }),
        json!({ "kty": "new", "kid": "b" }),
    ]);
    let good = good.unwrap();
    assert!(good.len() == 1 && good.has("a") && !good.has("enc"));
    assert_eq!(set(&[key("a"), key("a")]).unwrap_err(), BadKeySet::SameId("a".to_owned()));
    let shared = json!({ "kty": "oct", "kid": "s", "k": "c2VjcmV0" });
    assert_eq!(set(&[key("a"), shared]).unwrap_err(), BadKeySet::Secret("s".to_owned()));
    for bad in ["", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[1]}", "{\"keys\":[],\"keys\":[]}"] {
        assert_eq!(KeySet::from_outside(bad.as_bytes()).unwrap_err(), BadKeySet::Unreadable, "{bad}");
    }
}

proptest! {
    #[test]
    fn no_id_token_is_believed_once_a_byte_of_it_is_changed(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let signer = Issuer::any();
        let text = signer.sign(&head(&signer).to_string(), &said().to_string());
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(id_token(&changed, RULES, &signer.keys(), EXPECTED, NOW).is_err());
        }
    }
}
