//! What the gateway has signed for here and now is believed, and nothing else.

use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::body::Body;
use domain::clock::FixedClock;
use http::Request;
use serde_json::{Value, json};

use super::*;
use crate::testing::{Bench, read};

const HERE: &str = "http://127.0.0.1:9101";
const NOW: &str = "2026-04-26T12:00:00Z";

struct Gateway {
    pair: Ed25519KeyPair,
}

impl Gateway {
    fn of(seed: u8) -> Self {
        Self { pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap() }
    }

    fn published(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "one", "x": x }] })
    }

    fn sign(&self, head: &Value, claims: &Value) -> String {
        let part = |it: &Value| URL_SAFE_NO_PAD.encode(it.to_string());
        let content = format!("{}.{}", part(head), part(claims));
        format!("{content}.{}", URL_SAFE_NO_PAD.encode(self.pair.sign(content.as_bytes())))
    }
}

fn head() -> Value {
    json!({ "alg": "EdDSA", "kid": "one", "typ": "gateway-identity+jwt" })
}

fn claims() -> Value {
    let now = NOW.parse::<domain::Timestamp>().unwrap().seconds();
    json!({
        "iss": "portcullis/test", "aud": HERE, "sub": "key_1", "key": "key_1", "tenant": "acme", "api": "novastraxis",
        "scopes": ["compute", "network"], "tier": "standard", "auth_method": "api_key", "jti": "0123456789abcdefghijAB",
        "iat": now, "exp": now + 60,
    })
}

fn with(mut value: Value, name: &str, other: Value) -> Value {
    value[name] = other;
    value
}

/// The clouds, which believe the gateway with this seed.
fn believing(seed: u8) -> (Bench, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, Gateway::of(seed).published().to_string()).unwrap();
    let clock = FixedClock::at(NOW.parse().unwrap());
    (Bench::believing(Some(Believed::of(file, Arc::new(clock)))), folder)
}

/// Asks as the gateway does, with these tokens beside its other headers.
async fn ask(bench: &Bench, api: &str, target: &str, tokens: &[&str]) -> (u16, String) {
    let request = Request::get(target)
        .extension(Origin(HERE.to_owned()))
        .header("x-portcullis-api", "novastraxis")
        .header("x-portcullis-caller", "key_1")
        .header("x-portcullis-scopes", "compute,network");
    let request = tokens.iter().fold(request, |it, token| it.header(IDENTITY_HEADER, *token));
    let (status, body) = read(bench.api(api, "acme").send(request, Body::empty()).await).await;
    (status, body["message"].as_str().unwrap_or_default().to_owned())
}

const VPCS: &str = "/v2/network/vpcs";

#[tokio::test]
async fn only_what_the_gateway_has_signed_for_here_and_now_is_believed() {
    let (bench, _folder) = believing(1);
    let (gateway, other) = (Gateway::of(1), Gateway::of(2));
    let good = gateway.sign(&head(), &claims());
    assert_eq!(ask(&bench, "novastraxis", VPCS, &[&good]).await, (200, String::new()));
    let now = claims()["iat"].as_i64().unwrap();
    let said = |name: &str, value: Value| gateway.sign(&head(), &with(claims(), name, value));
    let headed = |name: &str, value: Value| gateway.sign(&with(head(), name, value), &claims());
    for (tokens, why) in [
        (vec![], "no identity token"),
        (vec![good.clone(), good.clone()], "more than one identity token"),
        (vec!["a.b".to_owned()], "an identity token that cannot be read"),
        (vec![format!("{good}=")], "an identity token that cannot be read"),
        (vec![said("exp", json!("soon"))], "an identity token that cannot be read"),
        (vec![headed("jwk", json!({}))], "an identity token that cannot be read"),
        (vec![headed("typ", json!("at+jwt"))], "a token that is no identity token"),
        (vec![headed("alg", json!("none"))], "a token that is no identity token"),
        (vec![headed("kid", json!("two"))], "an identity token of an unknown key"),
        (vec![other.sign(&head(), &claims())], "an identity token that its key has not signed"),
        (vec![said("aud", json!("http://127.0.0.1:9102"))], "an identity token for somebody else"),
        (vec![said("exp", json!(now))], "an identity token that has expired"),
        (vec![said("iat", json!(now + 6))], "an identity token of another time"),
        (vec![said("exp", json!(now + 61))], "an identity token of another time"),
        (vec![said("tenant", json!("globex"))], "an identity token that says otherwise than the headers beside it"),
        (vec![said("scopes", json!(["compute"]))], "an identity token that says otherwise than the headers beside it"),
    ] {
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let told = format!("the gateway does not vouch for this request: {why}");
        assert_eq!(ask(&bench, "novastraxis", VPCS, &tokens).await, (401, told), "{tokens:?}");
    }
}

#[tokio::test]
async fn every_api_turns_away_in_its_own_words_and_an_armed_fault_waits_for_who_is_believed() {
    let (bench, _folder) = believing(1);
    for (api, target, status) in [
        ("novastraxis", VPCS, 401),
        ("novastraxis", "/v2/nowhere", 401),
        ("cloudnexus", "/v2/buckets", 401),
        ("cloudnexus-servers", "/v2/servers", 401),
        ("cloudnx", "/compute/vpcs", 401),
        ("novastack", "/router/v1/models", 401),
        ("cloudnx-objects", "/", 403),
    ] {
        let fault = json!({ "api": api, "kind": "fail", "status": 503 });
        bench.shared.faults.arm(serde_json::from_value(fault).unwrap());
        assert_eq!(ask(&bench, api, target, &[]).await.0, status, "{api}");
    }
    let good = Gateway::of(1).sign(&head(), &claims());
    assert_eq!(ask(&bench, "novastraxis", VPCS, &[&good]).await.0, 503);
}

#[tokio::test]
async fn a_key_that_is_published_later_is_known_then_and_until_then_nobody_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let clock = Arc::new(FixedClock::at(NOW.parse().unwrap()));
    let bench = Bench::believing(Some(Believed::of(file.clone(), Arc::clone(&clock) as Arc<dyn Clock>)));
    let good = Gateway::of(1).sign(&head(), &claims());
    assert_eq!(ask(&bench, "novastraxis", VPCS, &[&good]).await.0, 401);
    std::fs::write(&file, Gateway::of(1).published().to_string()).unwrap();
    assert_eq!(ask(&bench, "novastraxis", VPCS, &[&good]).await.0, 200);
    bench.clock.advance(Duration::from_hours(1));
    assert_eq!(ask(&bench, "novastraxis", VPCS, &[&good]).await.0, 200, "the clouds' own clock is another");
    clock.advance(Duration::from_mins(1));
    assert_eq!(ask(&bench, "novastraxis", VPCS, &[&good]).await.0, 401);
}
