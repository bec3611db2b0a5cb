//! Access tokens: given for access keys, by keys that everybody may know, until somebody withdraws them.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::time::Duration;

use acceptance::{Answer, Key, Request, World, node, until};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const NX: &str = "cloudnx.in";
const EXCHANGE: &str = "/auth/iam/exchange-credentials";
const JWKS: &str = "/oauth/jwks";
const METADATA: &str = "/.well-known/oauth-authorization-server";
const SOON: Duration = Duration::from_secs(20);

fn exchange(id: &str, secret: &str) -> Request {
    Request::post(NX, EXCHANGE).json(&json!({ "access_key_id": id, "secret_access_key": secret }))
}

/// A token for a key.
#[track_caller]
fn token(world: &World, key: &Key) -> String {
    let told = world.ask(&exchange(&key.text, key.secret.as_deref().expect("a secret"))).expect(200);
    told.json()["access_token"].as_str().expect("a token").to_owned()
}

#[track_caller]
fn decoded(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).expect("base64url")
}

/// What a token says, if one of these keys has signed it.
#[track_caller]
fn verified(token: &str, keys: &Value) -> Option<Value> {
    let parts: Vec<&str> = token.split('.').collect();
    let head: Value = serde_json::from_slice(&decoded(parts[0])).expect("a head");
    let key = keys["keys"].as_array().expect("keys").iter().find(|it| it["kid"] == head["kid"])?;
    let number = |name: &str| decoded(key[name].as_str().expect("a number"));
    let key = RsaPublicKeyComponents { n: number("n"), e: number("e") };
    let signed = format!("{}.{}", parts[0], parts[1]);
    key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &decoded(parts[2])).ok()?;
    Some(serde_json::from_slice(&decoded(parts[1])).expect("claims"))
}

#[track_caller]
fn keys(world: &World, host: &str) -> Value {
    let told = world.ask(&Request::get(host, JWKS)).expect(200);
    assert_eq!(told.says("cache-control"), "public, max-age=300");
    told.json()
}

#[test]
fn an_access_key_is_exchanged_for_a_token_that_everybody_can_verify_and_the_entry_says_whose_it_was() {
    let world = World::start();
    let one = world.key("cloudnx", &["compute:read", "audit:read"]);
    let other = world.key_with("cloudnx", &world.new_tenant("other"), &["compute:read"], &[]);
    let known = keys(&world, NX);
    for (key, scope) in [(&one, "audit:read compute:read"), (&other, "compute:read")] {
        let secret = key.secret.as_deref().expect("a secret");
        let told = world.ask(&exchange(&key.text, secret)).expect(200);
        assert_eq!(told.says("cache-control"), "no-store");
        let body = told.json();
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
        let text = body["access_token"].as_str().expect("a token");
        let claims = verified(text, &known).expect("a good signature");
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!("https://cloudnx.in"), &json!("https://cloudnx.in")));
        assert_eq!((&claims["client_id"], &claims["tenant"]), (&json!(key.id), &json!(key.tenant)), "{claims:#}");
        assert_eq!(claims["scope"], scope, "{claims:#}");
        let entry = world.gateway.entries().of(told.says("x-request-id"));
        assert_eq!((&entry["auth"]["key"], &entry["tenant"]), (&json!(key.id), &json!(key.tenant)), "{entry:#}");
        let everything = json!(world.gateway.entries().whole()).to_string() + &world.gateway.process().log();
        assert!(![secret, text].iter().any(|it| everything.contains(it)), "a secret is in an entry");
    }
}

#[test]
fn a_token_that_was_verified_a_moment_ago_goes_on_behind_an_address_that_guesses() {
    let world = World::with(|settings, _| settings.more += "[limits.shield]\nfailures_window = \"10m\"\n");
    let key = world.key("cloudnx", &["compute:read"]);
    let list = |shown: &str| Request::get(NX, "/compute/instances").bearer(shown);
    let (used, unused) = (token(&world, &key), token(&world, &key));
    let _ = world.permits("cloudnx", &list(&used), 200);
    for _ in 0..20 {
        let _ = world.ask(&list("a.b.c")).expect(401);
    }
    let spent = world.ask(&list("a.b.c")).expect(429);
    assert_eq!(spent.says("refusal-reason"), "address_failures", "{spent}");
    let _ = world.permits("cloudnx", &list(&used), 200);
    let _ = world.ask(&list(&unused)).expect(429);
}

#[test]
fn an_address_is_signed_by_the_key_that_asks_and_works_until_the_key_is_gone() {
    let world = World::start();
    let scopes = ["storage:read", "storage:write", "s3:GetObject", "s3:PutObject"];
    let key = world.key("cloudnx", &scopes);
    let bearer = token(&world, &key);
    let made = Request::post(NX, "/storage/buckets").bearer(&bearer).json(&json!({ "name": "linked" }));
    let _ = world.permits("cloudnx", &made, 201);
    let link = |method: &str| {
        let order = json!({ "key": "a b/\u{fc}+.txt", "method": method, "expires_in": 600 });
        let asked = Request::post(NX, "/storage/buckets/linked/presign").bearer(&bearer).json(&order);
        let told = world.permits("cloudnx", &asked, 200).json();
        assert_eq!(told["method"], method, "{told}");
        let url = told["url"].as_str().expect("an address").to_owned();
        assert!(url.contains(&format!("X-Amz-Credential={}%2F", key.text)), "{url}");
        let target = url.strip_prefix("https://s3.cloudnx.in").expect("the object host").to_owned();
        Request::new(method, "s3.cloudnx.in", &target)
    };
    let put = link("PUT").body("text/plain", "hello");
    let entry = world.gateway.entries().of(world.permits("cloudnx", &put, 200).says("x-request-id"));
    assert_eq!(entry["auth"]["key"], json!(key.id), "{entry:#}");
    let get = link("GET");
    assert_eq!(world.ask(&get).expect(200).text(), "hello");
    let nowhere = json!({ "key": "../other", "method": "GET" });
    let asked = Request::post(NX, "/storage/buckets/linked/presign").bearer(&bearer).json(&nowhere);
    let _ = world.ask(&asked).expect(400);
    assert_eq!(world.gateway.command(&["api-keys", "revoke", &key.id]).code, 0);
    let _ = until("the address to die", SOON, || Some(world.ask(&get)).filter(|it| it.status == 403));
}

#[test]
fn whoever_is_not_believed_is_told_the_same_whatever_is_wrong() {
    let world = World::start();
    let key = world.key("cloudnx", &["compute:read"]);
    let gone = world.key("cloudnx", &["compute:read"]);
    assert_eq!(world.gateway.command(&["api-keys", "revoke", &gone.id]).code, 0);
    world.gateway.catch_up();
    let secret = |key: &Key| key.secret.clone().expect("a secret");
    let refused = [
        (exchange("AKIDNOBODYNOBODYNOBO", &secret(&key)), None),
        (exchange(&key.text, &secret(&gone)), Some(&key)),
        (exchange(&gone.text, &secret(&gone)), Some(&gone)),
    ];
    let told = |it: &Answer| {
        let own = ["x-request-id", "date"];
        let headers = it.headers.iter().filter(|(name, _)| !own.contains(&name.as_str())).cloned();
        (it.status, headers.collect::<Vec<_>>(), it.text())
    };
    let mut seen = Vec::new();
    for (request, about) in refused {
        let answer = world.ask(&request).expect(401);
        assert_eq!(answer.json(), json!({ "error": "Missing or invalid credentials." }));
        let entry = world.gateway.entries().of(answer.says("x-request-id"));
        assert_eq!(entry["decision"]["reason"], "invalid_credentials", "{entry:#}");
        assert_eq!(entry["decision"]["step"], "authenticate", "{entry:#}");
        assert_eq!(entry["auth"]["key"].as_str(), about.map(|it| it.id.as_str()), "{entry:#}");
        seen.push(told(&answer));
    }
    assert!(seen.windows(2).all(|it| it[0] == it[1]), "{seen:#?}");
    let _ = world.ask(&exchange(&key.text, &secret(&key)).plain()).expect(403);
    let _ = world.ask(&Request::post(NX, EXCHANGE).json(&json!({ "access_key_id": key.text }))).expect(400);
}

#[test]
fn who_guesses_is_told_to_wait_and_so_is_whoever_comes_from_there() {
    let world = World::start();
    let key = world.key("cloudnx", &["compute:read"]);
    for number in 0..20 {
        let _ = world.ask(&exchange(&key.text, &format!("guess {number}"))).expect(401);
    }
    let told = world.ask(&exchange(&key.text, key.secret.as_deref().expect("a secret"))).expect(429);
    assert!(told.says("retry-after").parse::<u64>().is_ok_and(|it| (1..=60).contains(&it)), "{told}");
}

#[test]
fn each_api_that_takes_tokens_says_by_which_keys_they_are_known_and_offers_no_more() {
    let world = World::start();
    let known = keys(&world, NX);
    assert_eq!(known["keys"].as_array().map(Vec::len), Some(1), "{known:#}");
    for host in [NX, "api.novastraxis.com", "api.cloudnexus.io"] {
        assert_eq!(keys(&world, host), known);
        let told = world.ask(&Request::get(host, METADATA)).expect(200);
        assert_eq!(told.says("cache-control"), "public, max-age=300");
        let offered = told.json();
        assert_eq!(offered["issuer"], format!("https://{host}"), "{offered:#}");
        assert_eq!(offered["jwks_uri"], format!("https://{host}{JWKS}"), "{offered:#}");
        // Where tokens are given for access keys alone there is no grant.
        let grants = offered["grant_types_supported"].as_array().map(Vec::len);
        assert_eq!((grants == Some(0), offered["token_endpoint"].is_null()), (host == NX, host == NX), "{offered:#}");
    }
    let _ = world.ask(&Request::get("api.novapai.ai", JWKS)).expect(404);
}

#[test]
fn a_key_that_signs_is_listed_rotated_and_replaced_and_each_step_is_entered() {
    let world = World::start();
    let key = world.key("cloudnx", &["compute:read"]);
    let list = || world.gateway.json(&["keys", "list"]);
    let first = list()[0].clone();
    assert_eq!((&first["stage"], &first["alg"]), (&json!("in_use"), &json!("RS256")), "{first:#}");
    let before = token(&world, &key);
    let next = world.gateway.json(&["keys", "rotate-signing"]);
    assert_eq!(next["stage"], "published", "{next:#}");
    until("the next key to be known", SOON, || (keys(&world, NX)["keys"].as_array()?.len() == 2).then_some(()));
    assert!(verified(&token(&world, &key), &json!({ "keys": [keys(&world, NX)["keys"][0]] })).is_some(), "it waits");
    let new = world.gateway.json(&["keys", "rotate-signing", "--now"]);
    assert_eq!(new["stage"], "in_use", "{new:#}");
    let known = until("only the new key to be known", SOON, || {
        let known = keys(&world, NX);
        (known["keys"].as_array()?.len() == 1 && known["keys"][0]["kid"] == new["kid"]).then_some(known)
    });
    assert_eq!(verified(&before, &known), None);
    assert!(verified(&token(&world, &key), &known).is_some());
    let stages: Vec<Value> = list().as_array().expect("keys").iter().map(|it| it["stage"].clone()).collect();
    assert_eq!(stages, ["withdrawn", "withdrawn", "in_use"]);
    let steps = until("the steps to be entered", SOON, || {
        let mut all = world.gateway.entries().whole();
        all.retain(|it| it["facts"]["kind"] == "token_signing" && it["class"] == "key.change");
        (6 <= all.len()).then_some(all)
    });
    let told: Vec<_> = steps.iter().map(|it| (it["action"].clone(), it["key"].clone())).collect();
    let expected = [
        ("publish", &first),
        ("use", &first),
        ("publish", &next),
        ("withdraw", &first),
        ("withdraw", &next),
        ("use", &new),
    ];
    assert_eq!(told, expected.map(|(action, key)| (json!(action), key["kid"].clone())), "{steps:#?}");
    assert!(steps[2]["actor"].as_str().is_some_and(|it| it.starts_with("os:")), "{steps:#?}");
}

#[test]
fn a_token_opens_what_its_key_opens_in_its_own_tenant_until_the_key_or_the_signer_ends() {
    let world = World::start();
    let one = world.key("cloudnx", &["compute:read", "audit:read"]);
    let other = world.key_with("cloudnx", &world.new_tenant("other"), &["compute:read", "audit:read"], &[]);
    let [own, foreign] = [&one, &other].map(|it| token(&world, it));
    let get = |target: &str, token: &str| world.ask(&Request::get(NX, target).bearer(token));
    for (key, token) in [(&one, &own), (&other, &foreign)] {
        let told = get("/compute/instances", token).expect(200);
        let entry = world.gateway.entries().of(told.says("x-request-id"));
        assert_eq!((&entry["auth"]["key"], &entry["auth"]["method"]), (&json!(key.id), &json!("access_token")));
        assert_eq!(entry["tenant"], json!(key.tenant), "{entry:#}");
        let _ = get("/storage/buckets", token).expect(403);
    }
    let shown = get("/auth/audit-logs", &foreign).expect(200).text();
    assert!(shown.contains(&other.id), "{shown}");
    assert!(![&one.id, &one.tenant].iter().any(|it| shown.contains(it.as_str())), "{shown}");
    assert_eq!(world.gateway.command(&["api-keys", "revoke", &one.id]).code, 0);
    world.gateway.catch_up();
    let _ = get("/compute/instances", &own).expect(401);
    let _ = get("/compute/instances", &foreign).expect(200);
    assert_eq!(world.gateway.command(&["keys", "rotate-signing", "--now"]).code, 0);
    world.gateway.catch_up();
    let _ = get("/compute/instances", &foreign).expect(401);
    let _ = get("/compute/instances", &token(&world, &other)).expect(200);
}

#[test]
fn a_relying_party_learns_of_the_issuer_what_its_metadata_say() {
    let world = World::start();
    for host in ["api.novastraxis.com", "api.cloudnexus.io", NX] {
        let issuer = format!("https://{host}");
        let found = node(&world, "discovery.mjs", &[("ISSUER", &issuer)]);
        let found: Value = serde_json::from_str(&found.out).expect("metadata");
        assert_eq!(found["issuer"], issuer, "{found:#}");
        assert!(found["jwks_uri"].as_str().is_some_and(|it| it.starts_with(&issuer)), "{found:#}");
    }
}
