//! What the gate refuses although it is signed by the right key, row by row, and what the library behind it makes of it.

use domain::Upstream;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::*;
use crate::SystemRandom;
use crate::upstream::{About, IdentityKey, IdentityTokens};

/// Whether the library takes a token that is good for our issuer, its clock aside: that we hold to ours.
fn library_accepts(token: &str, key: &PublicKey) -> bool {
    let Numbers::Ed25519 { x } = &key.numbers else { panic!() };
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[ISSUER]);
    (validation.validate_exp, validation.validate_nbf) = (false, false);
    jsonwebtoken::decode::<Value>(token, &DecodingKey::from_ed_der(x), &validation).is_ok()
}

struct Gate {
    key: KeyRecord,
    issuer: Issuer,
    ring: Keyring,
}

impl Gate {
    fn new() -> Self {
        let (key, issuer) = (key(), Issuer::any());
        let ring = issuer.ring(std::slice::from_ref(&key));
        Self { key, issuer, ring }
    }

    #[track_caller]
    fn refuses(&self, token: &str, library: bool, why: BadToken) {
        let refused = prove(token, TokenRules { issuer: ISSUER }, NOW, &self.ring).map(drop).unwrap_err();
        assert_eq!(refused.cause, Cause::BadToken(why), "{token}");
        assert_eq!(library_accepts(token, &self.issuer.public()), library, "the library accepts {token}");
    }

    fn claims(&self) -> Value {
        claims(&self.key)
    }

    fn with(&self, name: &str, value: Value) -> String {
        self.issuer.token(&with(self.claims(), name, value))
    }

    fn headed(&self, name: &str, value: Value) -> String {
        self.issuer.sign(&with(self.issuer.header(), name, value).to_string(), &self.claims().to_string())
    }
}

const MORE: BadToken = BadToken::Malformed("has a header with more than `alg`, `kid` and `typ`");
const HEADER: BadToken = BadToken::Malformed("has a header that is no JSON object of texts, each name once");
const PAYLOAD: BadToken = BadToken::Malformed("has a payload that is no JSON object, each name once at any depth");
const THREE: BadToken = BadToken::Malformed("is not three parts of base64url without padding");

#[test]
fn a_good_token_is_taken_by_both() {
    let gate = Gate::new();
    let token = gate.issuer.token(&gate.claims());
    assert!(ask(&token, &gate.ring).is_ok() && library_accepts(&token, &gate.issuer.public()));
}

#[test]
fn a_header_says_which_key_has_signed_what_and_nothing_else() {
    let gate = Gate::new();
    for (name, value, library) in [
        ("crit", json!(["exp"]), true),
        ("crit", json!([]), true),
        ("b64", json!(false), true),
        ("zip", json!("DEF"), true),
        ("jku", json!("https://evil.example/keys"), true),
        ("x5u", json!("https://evil.example/chain"), true),
        ("x5c", json!(["MIIB"]), true),
        ("x5t", json!("AAAA"), true),
        ("cty", json!("JWT"), true),
        ("jwk", json!({ "kty": "OKP", "crv": "Ed25519", "x": "AAAA" }), true),
        ("nonce", json!("x"), true),
        ("", json!("x"), true),
    ] {
        gate.refuses(&gate.headed(name, value), library, MORE);
    }
    gate.refuses(&gate.headed("kid", json!(1)), false, HEADER);
    gate.refuses(&gate.headed("alg", json!(["EdDSA"])), false, HEADER);
    gate.refuses(&gate.headed("kid", json!(null)), true, BadToken::Malformed("names no key of its issuer"));
    gate.refuses(&gate.headed("alg", json!(null)), false, BadToken::Malformed("names no algorithm"));
}

#[test]
fn only_an_access_token_is_one() {
    let gate = Gate::new();
    for typ in [json!("JWT"), json!("at+JWT"), json!("application/at+jwt"), json!("id+jwt"), json!(""), json!(null)] {
        gate.refuses(&gate.headed("typ", typ), true, BadToken::WrongType);
    }
}

#[test]
fn a_key_is_named_by_what_is_in_the_set_and_nothing_longer_than_64_bytes() {
    let gate = Gate::new();
    for kid in ["two", "", "ONE", "../one", "one\u{0}", &"x".repeat(64)] {
        gate.refuses(&gate.headed("kid", json!(kid)), true, BadToken::UnknownKid);
    }
    let long = BadToken::Malformed("names a key of its issuer in more than 64 bytes");
    gate.refuses(&gate.headed("kid", json!("x".repeat(65))), true, long);
}

#[test]
fn the_algorithm_is_that_of_the_key_and_never_a_shared_secret_or_none() {
    let gate = Gate::new();
    for alg in ["none", "None", "HS256", "HS512", "RS256", "ES256", "RS384", "PS256", "ES384", "eddsa", "Ed25519", ""] {
        gate.refuses(&gate.headed("alg", json!(alg)), false, BadToken::WrongAlg);
    }
    let unsigned = gate.headed("alg", json!("none"));
    let (message, _) = unsigned.rsplit_once('.').unwrap();
    gate.refuses(&format!("{message}."), false, BadToken::WrongAlg);
    let (message, _) =
        gate.with("sub", json!("x")).rsplit_once('.').map(|(it, end)| (it.to_owned(), end.len())).unwrap();
    gate.refuses(&format!("{message}."), false, BadToken::BadSignature);
}

#[test]
fn no_name_stands_twice_in_header_or_payload_at_any_depth() {
    let gate = Gate::new();
    let (header, claims) = (gate.issuer.header().to_string(), gate.claims().to_string());
    let twice = |text: &str, member: &str| format!("{},{member}}}", text.trim_end_matches('}'));
    for (member, library) in
        [("\"alg\":\"EdDSA\"", false), ("\"kid\":\"one\"", false), ("\"\\u0074yp\":\"at+jwt\"", false)]
    {
        gate.refuses(&gate.issuer.sign(&twice(&header, member), &claims), library, HEADER);
    }
    for (member, library) in [
        ("\"client_id\":\"key_other\"", true),
        ("\"exp\":1", false),
        ("\"x\":{\"a\":1,\"b\":[{\"c\":1,\"c\":2}]}", true),
    ] {
        gate.refuses(&gate.issuer.sign(&header, &twice(&claims, member)), library, PAYLOAD);
    }
    assert!(ask(&gate.issuer.sign(&header, &twice(&claims, "\"x\":{\"exp\":1}")), &gate.ring).is_ok());
}

#[test]
fn all_three_parts_are_base64url_without_padding_space_or_stray_bits() {
    let gate = Gate::new();
    let good = gate.issuer.token(&gate.claims());
    let parts: Vec<&str> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    for fault in ["=", "==", " ", "\n", "\r\n", "\t", "+", "/", "~", "\u{e9}", "A"] {
        for (before, after) in [("", fault), (fault, "")] {
            let spoilt = |it: &str| format!("{before}{it}{after}");
            // One letter more is no fault where it only makes another text, which then is not what was signed.
            if fault != "A" {
                gate.refuses(&gate.issuer.sign_parts(&spoilt(header), payload), false, THREE);
                gate.refuses(&gate.issuer.sign_parts(header, &spoilt(payload)), false, THREE);
                gate.refuses(&format!("{header}.{payload}.{}", spoilt(signature)), false, THREE);
            }
            let spoilt = format!("{header}.{payload}.{}", spoilt(signature));
            assert!(prove(&spoilt, TokenRules { issuer: ISSUER }, NOW, &gate.ring).is_err());
        }
    }
    // The last letter of 64 bytes has four bits that say nothing: another letter there would be the same signature.
    let mut stray = good.clone();
    let last = stray.pop().and_then(|it| u8::try_from(it).ok()).unwrap();
    stray.push(char::from(last + 1));
    gate.refuses(&stray, false, THREE);
}

#[test]
fn a_token_has_three_parts_and_no_other_form() {
    let gate = Gate::new();
    let good = gate.issuer.token(&gate.claims());
    let encrypted = format!("{good}.AAAA.AAAA");
    let json = json!({ "protected": "e30", "payload": "e30", "signature": "AAAA" }).to_string();
    for text in ["", ".", "..", "...", "a.b", &encrypted, &json, &format!("{good}."), &format!(".{good}")] {
        let refused = prove(text, TokenRules { issuer: ISSUER }, NOW, &gate.ring).map(drop).unwrap_err();
        let why = if text == ".." { HEADER } else { THREE };
        assert_eq!(refused.cause, Cause::BadToken(why), "{text}");
    }
}

#[test]
fn a_token_over_8_kib_is_refused_before_it_is_read() {
    let gate = Gate::new();
    let of_length = |length: usize| {
        (0..8192).map(|it| gate.with("pad", json!("x".repeat(it)))).find(|it| it.len() >= length).unwrap()
    };
    let verified = |token: &str| prove(token, TokenRules { issuer: ISSUER }, NOW, &gate.ring).map(drop);
    let longest = of_length(8190);
    assert!(longest.len() <= 8192 && verified(&longest).is_ok(), "{}", longest.len());
    let refused = verified(&of_length(8193)).unwrap_err();
    assert_eq!(refused.cause, Cause::BadToken(BadToken::Malformed("is longer than it may be")));
}

#[test]
fn every_claim_must_be_there_and_be_what_it_is() {
    let gate = Gate::new();
    for (name, library) in [
        ("iss", false),
        ("aud", false),
        ("sub", true),
        ("client_id", true),
        ("tenant", true),
        ("scope", true),
        ("jti", true),
        ("iat", true),
        ("exp", false),
    ] {
        // Of all claims the library asks for the end alone, though it was told which issuer and audience are right.
        let without = gate.with(name, json!(null));
        assert_eq!(library_accepts(&without, &gate.issuer.public()), library || name != "exp", "{name}");
        assert_eq!(ask(&without, &gate.ring).unwrap_err().cause, Cause::BadToken(BadToken::Claim(name)));
        for other in [json!(false), json!([]), json!({}), json!(1.5), json!("\u{1}"), json!(-1)] {
            if name != "sub" && name != "iss" && name != "aud" || !other.is_string() {
                let refused = ask(&gate.with(name, other.clone()), &gate.ring).unwrap_err();
                assert_eq!(refused.cause, Cause::BadToken(BadToken::Claim(name)), "{other}");
            }
        }
    }
    for (name, list) in [("iss", json!([ISSUER])), ("aud", json!([ISSUER])), ("aud", json!([ISSUER, "https://b"]))] {
        gate.refuses(&gate.with(name, list), true, BadToken::Claim(name));
    }
    for (name, text) in
        [("scope", " data"), ("scope", "data "), ("scope", "data  iam"), ("scope", "data\tiam"), ("jti", "x")]
    {
        gate.refuses(&gate.with(name, json!(text)), true, BadToken::Claim(name));
    }
}

#[test]
fn numbers_are_numbers_and_whole_seconds() {
    let gate = Gate::new();
    let at = NOW.seconds();
    for name in ["exp", "iat", "nbf"] {
        for value in [json!(at.to_string()), json!(1.79e9), json!(1e300), json!(-1), json!(u64::MAX), json!(true)] {
            let refused = ask(&gate.with(name, value.clone()), &gate.ring).unwrap_err();
            assert_eq!(refused.cause, Cause::BadToken(BadToken::Claim(name)), "{value}");
        }
    }
}

#[test]
fn the_issuer_and_the_audience_are_ours_to_the_letter() {
    let gate = Gate::new();
    for other in ["https://api.novastraxis.com/", "https://API.novastraxis.com", "http://api.novastraxis.com", "api"] {
        gate.refuses(&gate.with("iss", json!(other)), false, BadToken::WrongIssuer);
        gate.refuses(&gate.with("aud", json!(other)), false, BadToken::WrongAudience);
    }
}

#[test]
fn a_token_begins_and_ends_when_it_says_so_give_or_take_five_seconds() {
    let gate = Gate::new();
    let at = NOW.seconds();
    let check = |nbf: Value, iat: i64, exp: i64, expected: Result<(), BadToken>| {
        let said = with(with(with(gate.claims(), "nbf", nbf), "iat", json!(iat)), "exp", json!(exp));
        let asked = ask(&gate.issuer.token(&said), &gate.ring).map(drop).map_err(|it| it.cause);
        assert_eq!(asked, expected.map_err(Cause::BadToken), "{said}");
    };
    check(json!(null), at - 900, at, Ok(()));
    check(json!(null), at - 800, at - 4, Ok(()));
    check(json!(null), at - 800, at - 5, Err(BadToken::Expired));
    check(json!(null), at - 800, at - 59, Err(BadToken::Expired));
    check(json!(null), at + 5, at + 900, Ok(()));
    check(json!(null), at + 6, at + 900, Err(BadToken::NotYetValid));
    check(json!(at + 5), at, at + 900, Ok(()));
    check(json!(at + 6), at, at + 900, Err(BadToken::NotYetValid));
    check(json!(at - 100), at, at + 900, Ok(()));
    check(json!(null), at, at + 901, Err(BadToken::TooLong));
    check(json!(null), at, at, Err(BadToken::TooLong));
    check(json!(null), at, at - 1, Err(BadToken::TooLong));
}

#[test]
fn a_known_token_ends_as_well() {
    let gate = Gate::new();
    let token = gate.with("exp", json!(NOW.seconds() + 10));
    assert!(ask(&token, &gate.ring).is_ok());
    for (seconds, good) in [(9, true), (14, true), (15, false)] {
        assert_eq!(ask_at(&token, &gate.ring, NOW + SECOND * seconds).is_ok(), good, "{seconds}");
    }
}

#[test]
fn what_the_apis_behind_are_told_of_a_caller_opens_nothing_here() {
    let key = key();
    let seed = [7; 32];
    let tokens = || IdentityTokens::new(IdentityKey::from_seed(&seed).unwrap(), &[], ISSUER.to_owned()).unwrap();
    let ring = Keyring::build([tenant("acme")], [key.clone()]);
    let caller = Caller {
        standing: Arc::clone(ring.by_id(&key.id).unwrap().standing()),
        method: AuthMethod::ApiKey,
        in_allowlist: true,
        retires: None,
        token: None,
    };
    let upstream = Upstream { host: "api.novastraxis.com".to_owned(), port: 443, tls: true };
    let api = "novastraxis".parse().unwrap();
    let about = About { caller: &caller, api: &api, upstream: &upstream };
    let token = tokens().word(&about, NOW, &SystemRandom).unwrap().token;
    // Even where the key that signs it is taken for one of the issuer's.
    let published = serde_json::to_vec(&tokens().keys()).unwrap();
    let keys = KeySet::from_json(&published).unwrap();
    for ring in [ring.with_token_keys(KeySet::default()), ring.with_token_keys(keys)] {
        let refused = refuses(token.to_str().unwrap(), &ring, BadToken::WrongType);
        assert!(refused.standing.is_none() && refused.guessed());
    }
    // And whatever the issuer signs is none, if it is called so.
    let gate = Gate::new();
    gate.refuses(&gate.headed("typ", json!("gateway-identity+jwt")), true, BadToken::WrongType);
}
