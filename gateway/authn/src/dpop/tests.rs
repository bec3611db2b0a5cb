use domain::{KeyRecord, Tick};
use http::HeaderValue;
use proptest::prelude::*;
use serde_json::json;

use super::testing::{Holder, claims};
use super::*;
use crate::testing::{NOW, arrival, kept, minted_key, secrets};
use crate::token::Alg;
use crate::token::testing::{ISSUER, Issuer, claims as token_claims, with};
use crate::{AuthRules, Cause, Keyring, Replays, Sight, TokenRules, authenticate};

const HTU: &str = "https://api.novastraxis.com/v2/compute/instances";
const PATH: &str = "/v2/compute/instances";
const TOKEN: &str = "a.b.c";

fn asked(token: Option<&str>) -> Asked<'_> {
    Asked { method: &Method::GET, host: "api.novastraxis.com", path: PATH, token }
}

fn headers(proofs: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for it in proofs {
        headers.append(PROOF, HeaderValue::try_from(*it).unwrap());
    }
    headers
}

fn judge(proof: &str) -> Result<Proof, BadProof> {
    prove(&headers(&[proof]), &asked(Some(TOKEN)), NOW)
}

fn good() -> Value {
    claims("GET", HTU, Some(TOKEN))
}

#[test]
fn a_proof_names_the_key_that_has_signed_it_whatever_its_kind() {
    for alg in [Alg::Es256, Alg::EdDsa, Alg::Rs256] {
        let holder = Holder::new(alg);
        let proof = judge(&holder.sign(&holder.header(), &good())).unwrap();
        assert_eq!(proof.thumbprint, holder.thumbprint(), "{alg:?}");
        assert!(is_thumbprint(&proof.thumbprint));
    }
    // RFC 7638 section 3.1, and with what else a key may say of itself.
    let holder = Holder::new(Alg::EdDsa);
    let more = with(with(holder.jwk.clone(), "kid", json!("mine")), "use", json!("sig"));
    let told = judge(&holder.sign(&with(holder.header(), "jwk", more), &good())).unwrap();
    assert_eq!(told.thumbprint, holder.thumbprint());
    let renamed = judge(&holder.sign(&with(holder.header(), "alg", json!("Ed25519")), &good())).unwrap();
    assert_eq!(renamed.thumbprint, holder.thumbprint());
}

#[test]
fn what_is_not_for_this_request_and_this_moment_proves_nothing() {
    let holder = Holder::new(Alg::EdDsa);
    let other = URL_SAFE_NO_PAD.encode(digest(&SHA256, b"d.e.f"));
    for (name, value, why) in [
        ("jti", Value::Null, BadProof::Claim("jti")),
        ("jti", json!(""), BadProof::Claim("jti")),
        ("jti", json!("x".repeat(257)), BadProof::Claim("jti")),
        ("jti", json!(7), BadProof::Claim("jti")),
        ("htm", Value::Null, BadProof::Claim("htm")),
        ("htm", json!("POST"), BadProof::WrongMethod),
        ("htm", json!("get"), BadProof::WrongMethod),
        ("htu", Value::Null, BadProof::Claim("htu")),
        ("iat", Value::Null, BadProof::Claim("iat")),
        ("iat", json!(NOW.seconds().to_string()), BadProof::Claim("iat")),
        ("iat", json!(NOW.seconds() - 61), BadProof::Stale),
        ("iat", json!(NOW.seconds() + 61), BadProof::Stale),
        ("ath", Value::Null, BadProof::Claim("ath")),
        ("ath", json!(other), BadProof::WrongToken),
    ] {
        let refused = judge(&holder.sign(&holder.header(), &with(good(), name, value.clone())));
        assert_eq!(refused, Err(why), "{name} {value}");
    }
    for seconds in [-60, 60] {
        let told = judge(&holder.sign(&holder.header(), &with(good(), "iat", json!(NOW.seconds() + seconds))));
        assert!(told.is_ok(), "{seconds}");
    }
}

#[test]
fn an_address_is_compared_in_its_one_spelling_and_to_the_letter_otherwise() {
    let holder = Holder::new(Alg::EdDsa);
    let judge = |htu: &str| judge(&holder.sign(&holder.header(), &with(good(), "htu", json!(htu)))).map(drop);
    for good in [
        HTU,
        "HTTPS://API.novastraxis.com/v2/compute/instances",
        "https://api.novastraxis.com:443/v2/compute/instances",
        "https://api.novastraxis.com:37959/v2/compute/instances?page=2#x",
        "https://api.novastraxis.com/v2/compute/%69nstances",
    ] {
        assert_eq!(judge(good), Ok(()), "{good}");
    }
    for bad in [
        "",
        "/v2/compute/instances",
        "http://api.novastraxis.com/v2/compute/instances",
        "https://api.novastraxis.com",
        "https://api.novastraxis.com/v2/compute",
        "https://api.novastraxis.com/v2/compute/instances/1",
        "https://api.novastraxis.com/v2/compute/instances/",
        "https://api.novastraxis.com/V2/compute/instances",
        "https://api.novastraxis.com.evil.example/v2/compute/instances",
        "https://evil.example/v2/compute/instances",
        "https://api.novastraxis.com@evil.example/v2/compute/instances",
        "https://evil.example/?https://api.novastraxis.com/v2/compute/instances",
        "https://u@api.novastraxis.com/v2/compute/instances",
        "https:/api.novastraxis.com/v2/compute/instances",
        "h\u{f6}ttps://x",
    ] {
        assert_eq!(judge(bad), Err(BadProof::WrongUri), "{bad}");
    }
}

#[test]
fn a_header_says_type_algorithm_and_one_public_key_and_nothing_else() {
    let (holder, stranger) = (Holder::new(Alg::Es256), Holder::new(Alg::Es256));
    let judge = |header: &Value| judge(&holder.sign(header, &good())).map(drop);
    for (name, value, why) in [
        ("typ", json!("JWT"), BadProof::WrongType),
        ("typ", json!("at+jwt"), BadProof::WrongType),
        ("typ", Value::Null, BadProof::WrongType),
        ("alg", json!("none"), BadProof::WrongAlg),
        ("alg", json!("HS256"), BadProof::WrongAlg),
        ("alg", json!("RS256"), BadProof::WrongAlg),
        ("alg", json!("Ed25519"), BadProof::WrongAlg),
        ("alg", Value::Null, BadProof::Header),
        ("kid", json!("x"), BadProof::Header),
        ("crit", json!(["x"]), BadProof::Header),
        ("jku", json!("https://evil.example"), BadProof::Header),
        ("jwk", Value::Null, BadProof::Header),
        ("jwk", json!("x"), BadProof::Key),
        ("jwk", json!({ "kty": "oct", "k": "c2VjcmV0" }), BadProof::Key),
        ("jwk", with(holder.jwk.clone(), "d", json!("AA")), BadProof::Key),
        ("jwk", with(holder.jwk.clone(), "crv", json!("P-384")), BadProof::Key),
        ("jwk", with(holder.jwk.clone(), "use", json!("enc")), BadProof::Key),
        ("jwk", with(holder.jwk.clone(), "alg", json!("ES384")), BadProof::Key),
        ("jwk", with(holder.jwk.clone(), "y", holder.jwk["x"].clone()), BadProof::Key),
        ("jwk", stranger.jwk, BadProof::BadSignature),
    ] {
        assert_eq!(judge(&with(holder.header(), name, value.clone())), Err(why), "{name} {value}");
    }
    let short = json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode([0xff; 128]), "e": "AQAB" });
    assert_eq!(judge(&with(with(holder.header(), "alg", json!("RS256")), "jwk", short)), Err(BadProof::Key));
}

#[test]
fn there_is_one_proof_and_it_is_of_the_form_that_proofs_have() {
    let holder = Holder::new(Alg::EdDsa);
    let proof = holder.sign(&holder.header(), &good());
    let judge = |lines: &[&str]| prove(&headers(lines), &asked(Some(TOKEN)), NOW).map(drop);
    assert_eq!(judge(&[&proof]), Ok(()));
    assert_eq!(judge(&[]), Err(BadProof::Missing));
    assert_eq!(judge(&[&proof, &proof]), Err(BadProof::Twice));
    let twice = r#"{"jti":"a","jti":"b","htm":"GET"}"#;
    let (head, _) = proof.split_once('.').unwrap();
    let doubled = format!("{head}.{}.AA", URL_SAFE_NO_PAD.encode(twice));
    for bad in ["", "x", "a.b", "a.b.c.d", &format!("{proof}="), &format!("{proof}, {proof}"), &doubled] {
        assert_eq!(judge(&[bad]), Err(BadProof::Malformed), "{bad}");
    }
    assert_eq!(judge(&[&format!("{proof}{}", "A".repeat(LONGEST))]), Err(BadProof::Malformed));
}

#[test]
fn a_proof_is_known_again_by_its_name_and_key_whatever_its_signature_is_spelled_like() {
    let (holder, other) = (Holder::new(Alg::Es256), Holder::new(Alg::Es256));
    let mark_of = |holder: &Holder, jti: &str, iat: i64| {
        let said = with(with(good(), "jti", json!(jti)), "iat", json!(NOW.seconds() + iat));
        judge(&holder.sign(&holder.header(), &said)).unwrap().once.mark
    };
    let replays = Replays::new(8);
    let sight = |mark| replays.see(mark, Tick::default());
    assert_eq!(sight(mark_of(&holder, "one", 0)), Sight::First);
    assert_ne!(sight(mark_of(&holder, "one", 0)), Sight::First, "signed again");
    assert_ne!(sight(mark_of(&holder, "one", 7)), Sight::First, "and made anew under the same name");
    assert_eq!(sight(mark_of(&holder, "two", 0)), Sight::First);
    assert_eq!(sight(mark_of(&other, "one", 0)), Sight::First);
    // It is good until a minute after it says that it was made, which may be a minute from now.
    let late = Tick::default() + WINDOW * 2;
    assert_ne!(replays.see(mark_of(&holder, "one", 0), late), Sight::First);
}

/// A token that is bound to the key of somebody, and what is asked with it.
struct Bound {
    ring: Keyring,
    issuer: Issuer,
    record: KeyRecord,
    holder: Holder,
}

impl Bound {
    fn new() -> Self {
        let (issuer, record) = (Issuer::any(), kept(&minted_key("nsx_live_", 1)));
        Self { ring: issuer.ring(std::slice::from_ref(&record)), issuer, record, holder: Holder::new(Alg::EdDsa) }
    }

    fn token(&self, cnf: Value) -> String {
        self.issuer.token(&with(token_claims(&self.record), "cnf", cnf))
    }

    fn bound(&self) -> String {
        self.token(json!({ "jkt": self.holder.thumbprint() }))
    }

    fn ask(&self, scheme: &str, token: &str, proof: Option<&str>) -> Result<(), Cause> {
        let line = format!("{scheme} {token}");
        let mut lines = vec![("authorization", line.as_str())];
        lines.extend(proof.map(|it| (PROOF, it)));
        let api = "novastraxis".parse().unwrap();
        let rules = AuthRules {
            api: &api,
            keys: None,
            signatures: None,
            tokens: Some(TokenRules { issuer: ISSUER }),
            tenant_header: None,
            sessions: None,
            anonymous: false,
        };
        let shown = authenticate(&rules, &arrival(PATH, &lines), None, &self.ring, &secrets());
        shown.map(drop).map_err(|it| {
            let challenge = it.challenge(&rules).unwrap();
            let dpop = challenge.to_str().unwrap().starts_with("DPoP realm=\"novastraxis\", error=\"invalid_");
            assert_eq!(dpop, matches!(it.cause, Cause::BadProof(_)), "{challenge:?}");
            it.cause
        })
    }

    fn proof(&self, token: &str) -> String {
        self.holder.sign(&self.holder.header(), &claims("GET", HTU, Some(token)))
    }
}

#[test]
fn a_bound_token_is_good_with_the_proof_of_its_own_key_and_in_no_other_way() {
    let it = Bound::new();
    let (token, free) = (it.bound(), it.token(Value::Null));
    let proof = it.proof(&token);
    assert_eq!(it.ask("DPoP", &token, Some(&proof)), Ok(()));
    assert_eq!(it.ask("Bearer", &free, None), Ok(()));
    let refused = |why| Err(Cause::BadProof(why));
    assert_eq!(it.ask("Bearer", &token, Some(&proof)), refused(BadProof::Bearer), "stolen");
    assert_eq!(it.ask("Bearer", &token, None), refused(BadProof::Bearer));
    assert_eq!(it.ask("DPoP", &token, None), refused(BadProof::Missing));
    assert_eq!(it.ask("DPoP", &free, Some(&it.proof(&free))), refused(BadProof::Unbound));
    assert_eq!(it.ask("DPoP", &token, Some(&it.proof(&free))), refused(BadProof::WrongToken));
    let thief = Holder::new(Alg::EdDsa);
    let own = thief.sign(&thief.header(), &claims("GET", HTU, Some(&token)));
    assert_eq!(it.ask("DPoP", &token, Some(&own)), refused(BadProof::OtherKey));
    let posted = it.holder.sign(&it.holder.header(), &claims("POST", HTU, Some(&token)));
    assert_eq!(it.ask("DPoP", &token, Some(&posted)), refused(BadProof::WrongMethod));
}

#[test]
fn what_confirms_a_token_in_a_way_that_is_not_known_makes_it_no_token() {
    let it = Bound::new();
    for cnf in [
        json!({}),
        json!("x"),
        json!({ "jkt": 7 }),
        json!({ "jkt": "short" }),
        json!({ "x5t#S256": it.holder.thumbprint() }),
        json!({ "jkt": it.holder.thumbprint(), "x5t#S256": "x" }),
    ] {
        let token = it.token(cnf.clone());
        for (scheme, proof) in [("Bearer", None), ("DPoP", Some(it.proof(&token)))] {
            let refused = it.ask(scheme, &token, proof.as_deref());
            assert_eq!(refused, Err(Cause::BadToken(crate::token::BadToken::Claim("cnf"))), "{cnf}");
        }
    }
}

proptest! {
    #[test]
    fn a_proof_with_any_byte_changed_is_refused(at in any::<prop::sample::Index>(), put in "[A-Za-z0-9_.-]") {
        let holder = Holder::new(Alg::EdDsa);
        let proof = holder.sign(&holder.header(), &good());
        let at = at.index(proof.len());
        let changed: String = proof.chars().take(at).chain(put.chars()).chain(proof.chars().skip(at + 1)).collect();
        prop_assume!(changed != proof);
        prop_assert!(judge(&changed).is_err(), "{at}");
    }

    #[test]
    fn whatever_stands_in_the_header_nothing_breaks(text in "[ -~]{0,80}", said in "\\{[ -~]{0,40}\\}") {
        prop_assert!(judge(&text).is_err());
        let parts = format!("{}.{}.AA", URL_SAFE_NO_PAD.encode(&said), URL_SAFE_NO_PAD.encode(&said));
        prop_assert!(judge(&parts).is_err());
    }
}
