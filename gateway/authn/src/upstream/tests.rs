use std::collections::HashSet;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use domain::{AuthMethod, Standing};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::SystemRandom;
use crate::testing::NOW;

const SECOND: Duration = Duration::from_secs(1);

fn tokens() -> IdentityTokens {
    IdentityTokens::new(IdentityKey::from_seed(&[7; 32]).unwrap(), &[], "portcullis/test".to_owned()).unwrap()
}

fn standing(key: &str, tenant: &str) -> Standing {
    Standing {
        key: key.parse().unwrap(),
        lineage: key.parse().unwrap(),
        owner: None,
        tenant: tenant.parse().unwrap(),
        scopes: vec!["compute".parse().unwrap(), "data".parse().unwrap()],
        tier: "standard".parse().unwrap(),
        tenant_tier: None,
        expires: None,
        suspended: false,
        bound: None,
        grant: None,
    }
}

fn caller(standing: Standing) -> Caller {
    Caller { standing: Arc::new(standing), method: AuthMethod::ApiKey, in_allowlist: true, retires: None, token: None }
}

fn upstream(host: &str, port: u16, tls: bool) -> Upstream {
    Upstream { host: host.to_owned(), port, tls }
}

/// Asks of one caller after another.
struct Asking {
    tokens: IdentityTokens,
    api: ApiName,
    upstream: Upstream,
}

impl Asking {
    fn new() -> Self {
        let (api, upstream) = ("novastraxis".parse().unwrap(), upstream("10.0.0.7", 9101, false));
        Self { tokens: tokens(), api, upstream }
    }

    fn token(&self, caller: &Caller, upstream: &Upstream, now: Timestamp) -> HeaderValue {
        self.tokens.word(&About { caller, api: &self.api, upstream }, now, &SystemRandom).unwrap().token
    }

    fn at(&self, caller: &Caller, now: Timestamp) -> HeaderValue {
        self.token(caller, &self.upstream, now)
    }
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Header and claims, if the published key has signed them.
fn verified(tokens: &IdentityTokens, token: &HeaderValue) -> (Value, Value) {
    let (content, signature) = token.to_str().unwrap().rsplit_once('.').unwrap();
    let published = serde_json::to_value(tokens.keys()).unwrap();
    let x = URL_SAFE_NO_PAD.decode(published["keys"][0]["x"].as_str().unwrap()).unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&ED25519, x).verify(content.as_bytes(), &signature).unwrap();
    let (head, claims) = content.split_once('.').unwrap();
    (decoded(head), decoded(claims))
}

#[test]
fn a_token_says_who_calls_what_to_one_upstream_and_the_published_key_has_signed_it() {
    let asking = Asking::new();
    let mut caller = caller(Standing { owner: Some("svc ci \"x\"".to_owned()), ..standing("key_1", "acme") });
    caller.method = AuthMethod::SigV4;
    let token = asking.at(&caller, NOW);
    let (head, mut claims) = verified(&asking.tokens, &token);
    let kid = serde_json::to_value(asking.tokens.keys()).unwrap()["keys"][0]["kid"].clone();
    assert_eq!(head, json!({ "alg": "EdDSA", "kid": kid, "typ": "gateway-identity+jwt" }));
    let jti = claims["jti"].take();
    assert!(jti.as_str().unwrap().len() == JTI);
    assert_eq!(
        claims,
        json!({
            "iss": "portcullis/test",
            "aud": "http://10.0.0.7:9101",
            "sub": "svc ci \"x\"",
            "key": "key_1",
            "tenant": "acme",
            "api": "novastraxis",
            "scopes": ["compute", "data"],
            "tier": "standard",
            "auth_method": "sigv4",
            "jti": null,
            "iat": NOW.seconds(),
            "exp": NOW.seconds() + 60,
        })
    );
    assert!(token.is_sensitive() && !format!("{token:?}").contains('.'), "it is in no log of headers");
}

#[test]
fn a_key_that_nobody_owns_speaks_for_itself() {
    let asking = Asking::new();
    let (_, claims) = verified(&asking.tokens, &asking.at(&caller(standing("key_1", "acme")), NOW));
    assert_eq!(claims["sub"], "key_1");
}

#[test]
fn one_token_serves_a_caller_for_half_of_its_life() {
    let (asking, caller) = (Asking::new(), caller(standing("key_1", "acme")));
    let first = asking.at(&caller, NOW + SECOND / 2);
    assert_eq!(first, asking.at(&caller, NOW));
    assert_eq!(first, asking.at(&caller, NOW + SECOND * 30 - SECOND / 1000));
    let second = asking.at(&caller, NOW + SECOND * 30);
    assert_ne!(first, second);
    assert_eq!(second, asking.at(&caller, NOW + SECOND * 59));
    assert_ne!(second, asking.at(&caller, NOW + SECOND * 29), "the clock was set back");
}

#[test]
fn no_token_serves_another_caller_another_upstream_or_another_kind_of_credential() {
    let asking = Asking::new();
    let one = caller(standing("key_1", "acme"));
    let mut seen = HashSet::from([asking.at(&one, NOW)]);
    // The same words, and yet another standing: one that was made since.
    for other in [standing("key_1", "acme"), standing("key_2", "acme"), standing("key_1", "globex")] {
        assert!(seen.insert(asking.at(&caller(other), NOW)));
    }
    for method in [AuthMethod::SigV4, AuthMethod::AccessToken] {
        assert!(seen.insert(asking.at(&Caller { method, ..one.clone() }, NOW)));
    }
    for other in
        [upstream("10.0.0.8", 9101, false), upstream("10.0.0.7", 9102, false), upstream("10.0.0.7", 9101, true)]
    {
        let token = asking.token(&one, &other, NOW);
        assert_eq!(verified(&asking.tokens, &token).1["aud"], other.origin());
        assert!(seen.insert(token));
    }
    let api = "cloudnexus".parse().unwrap();
    let about = About { caller: &one, api: &api, upstream: &asking.upstream };
    assert!(seen.insert(asking.tokens.word(&about, NOW, &SystemRandom).unwrap().token));
}

#[test]
fn a_token_ends_when_the_key_of_its_caller_does() {
    let asking = Asking::new();
    let life = |expires: Timestamp| {
        let caller = caller(Standing { expires: Some(expires), ..standing("key_1", "acme") });
        let (_, claims) = verified(&asking.tokens, &asking.at(&caller, NOW));
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
    };
    assert_eq!(life(NOW + SECOND * 10), 10);
    assert_eq!(life(NOW + SECOND * 1000), 60);
    // It ends, or has ended, since the request was decided, which is on its way still.
    assert_eq!((life(NOW + SECOND / 2), life(NOW - SECOND)), (5, 5));
}

#[test]
fn however_many_callers_there_are_no_more_is_kept_than_there_is_room_for() {
    let kept = KeptTokens::default();
    let said = HeaderValue::from_static;
    let (api, tenant, scopes) = (said("novastraxis"), said("acme"), said("data"));
    let word = Word { api, tenant, caller: said("key_1"), scopes, token: said("token") };
    let (api, upstream) = ("novastraxis".parse().unwrap(), upstream("10.0.0.7", 9101, false));
    let caller = caller(standing("key_1", "acme"));
    for _ in 0..kept::MOST * 2 {
        let caller = Caller { standing: Arc::new(Standing::clone(&caller.standing)), ..caller.clone() };
        let about = About { caller: &caller, api: &api, upstream: &upstream };
        assert!(kept.find(&about, NOW).is_none(), "whatever lies at the address of one that is gone is another");
        kept.keep(&about, word.clone(), (NOW, NOW + SECOND));
        assert!(kept.find(&about, NOW).is_some(), "the newest is always kept");
    }
    assert!((kept::MOST / 8..=kept::MOST).contains(&kept.len()), "{}", kept.len());
}

proptest! {
    #[test]
    fn whenever_it_is_asked_for_half_of_the_life_of_a_token_is_left(millis in prop::collection::vec(0_u64..200_000, 1..40)) {
        let (asking, caller) = (Asking::new(), caller(standing("key_1", "acme")));
        for moment in millis {
            let now = NOW + Duration::from_millis(moment);
            let (_, claims) = verified(&asking.tokens, &asking.at(&caller, now));
            let moment = |name: &str| Timestamp::from_seconds(claims[name].as_i64().unwrap());
            prop_assert!(moment("iat") <= now && now + SECOND * 30 <= moment("exp"), "{now} {claims}");
        }
    }
}

#[test]
fn the_next_key_and_the_one_before_are_known_and_only_one_signs() {
    let asking = Asking::new();
    let key = |seed: u8| IdentityKey::from_seed(&[seed; 32]).unwrap();
    let kids = || -> Vec<String> {
        let keys = serde_json::to_value(asking.tokens.keys()).unwrap();
        keys["keys"].as_array().unwrap().iter().map(|it| it["kid"].as_str().unwrap().to_owned()).collect()
    };
    let caller = caller(standing("key_1", "acme"));
    let signer = || {
        let token = asking.at(&caller, NOW);
        let head = token.to_str().unwrap().split('.').next().unwrap().to_owned();
        let head: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).unwrap()).unwrap();
        head["kid"].as_str().unwrap().to_owned()
    };
    let [first, second] = [7, 8].map(|it| key(it).kid().to_owned());
    asking.tokens.take_in(key(7), &[key(8)]).unwrap();
    assert_eq!((kids(), signer()), (vec![first.clone(), second.clone()], first.clone()));
    // In the middle of a rotation one file is there twice.
    asking.tokens.take_in(key(8), &[key(7), key(7), key(8)]).unwrap();
    assert_eq!((kids(), signer()), (vec![second.clone(), first], second.clone()), "what was kept is not good any more");
    asking.tokens.take_in(key(8), &[]).unwrap();
    assert_eq!(kids(), [second]);
}
