//! The OAuth operations of the issuers: clients by themselves, and what they may be told.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

#[path = "oauth/ages.rs"]
mod ages;
#[path = "oauth/algorithms.rs"]
mod algorithms;
#[path = "oauth/client.rs"]
mod client;
#[path = "oauth/command_line.rs"]
mod command_line;
#[path = "oauth/consents.rs"]
mod consents;
#[path = "oauth/devices.rs"]
mod devices;
#[path = "oauth/possession.rs"]
mod possession;
#[path = "oauth/pushed.rs"]
mod pushed;
#[path = "oauth/signing.rs"]
mod signing;
#[path = "oauth/users.rs"]
mod users;

use acceptance::{Answer, Request, World};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use client::{Client, NOVA, SERVERS, claims, form, text};

const LIST: &str = "/v2/compute/instances";
const SCOPE: &[&str] = &["--scopes", "compute,data"];

fn ask_for_token(world: &World, client: &Client) -> Answer {
    world.ask(&client.basic(&form(NOVA, "/oauth/token", &[("grant_type", "client_credentials")])))
}

fn list(world: &World, token: &str) -> Answer {
    world.ask(&Request::get(NOVA, LIST).bearer(token))
}

#[test]
fn a_client_comes_to_tokens_that_open_its_own_tenant_at_once_and_die_with_it() {
    let world = World::start();
    let other = world.new_tenant("other");
    let mine = Client::make(&world, "novastraxis", &world.tenant("novastraxis"), SCOPE);
    let theirs = Client::make(&world, "novastraxis", &other, SCOPE);
    let mut secrets = Vec::new();
    for client in [&mine, &theirs] {
        let told = ask_for_token(&world, client).expect(200);
        assert_eq!((told.says("cache-control"), told.says("pragma")), ("no-store", "no-cache"));
        let body = told.json();
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
        assert_eq!((&body["scope"], &body["refresh_token"]), (&json!("compute data"), &Value::Null), "{body}");
        let token = text(&body, "access_token");
        let said = claims(&token);
        assert_eq!((&said["client_id"], &said["sub"]), (&json!(client.id), &json!(client.id)), "{said}");
        assert_eq!((&said["tenant"], &said["grant"]), (&json!(client.tenant), &json!(client.grant)), "{said}");
        let used = list(&world, &token).expect(200);
        for it in [told.says("x-request-id"), used.says("x-request-id")] {
            let entry = world.gateway.entries().of(it);
            assert_eq!((&entry["auth"]["key"], &entry["tenant"]), (&json!(client.grant), &json!(client.tenant)));
        }
        secrets.extend([token, client.secret.clone().expect("a secret")]);
    }
    assert_eq!(world.gateway.command(&["clients", "suspend", &mine.id]).code, 0);
    assert_eq!(world.gateway.command(&["clients", "delete", &theirs.id]).code, 0);
    world.gateway.catch_up();
    for (client, token) in [(&mine, &secrets[0]), (&theirs, &secrets[2])] {
        let _ = list(&world, token).expect(401);
        let refused = ask_for_token(&world, client).expect(401);
        assert_eq!(refused.json()["error"], "invalid_client");
    }
    let everything = json!(world.gateway.entries().whole()).to_string() + &world.gateway.process().log();
    assert!(!secrets.iter().any(|it| everything.contains(it.as_str())), "a secret is in an entry");
}

#[test]
fn what_is_wrong_is_said_to_the_letter_of_the_standard() {
    let world = World::start();
    let tenant = world.tenant("novastraxis");
    let basic = Client::make(&world, "novastraxis", &tenant, SCOPE);
    let post = Client::make(&world, "novastraxis", &tenant, &[SCOPE, &["--auth", "client_secret_post"]].concat());
    let elsewhere = Client::make(&world, "cloudnexus-servers", &tenant, &["--scopes", "servers:read"]);
    let grant = ("grant_type", "client_credentials");
    let token = |fields: &[(&str, &str)]| form(NOVA, "/oauth/token", fields);
    let good = token(&[grant]);
    let (id, secret) = (post.id.as_str(), post.secret.as_deref().expect("a secret"));
    let own = [("client_id", id), ("client_secret", secret)];
    let _ = world.ask(&token(&[&own[..], &[grant, ("unknown", "x")]].concat())).expect(200);
    let narrow = world.ask(&token(&[&own[..], &[grant, ("scope", "data")]].concat())).expect(200);
    assert_eq!(claims(&text(&narrow.json(), "access_token"))["scope"], "data");
    for (request, status, error) in [
        (token(&own), 400, "invalid_request"),
        (token(&[&own[..], &[("grant_type", "password")]].concat()), 400, "unsupported_grant_type"),
        (
            token(&[&own[..], &[("grant_type", "refresh_token"), ("refresh_token", "x")]].concat()),
            400,
            "unauthorized_client",
        ),
        (
            token(&[&own[..], &[("grant_type", "authorization_code"), ("code", "x")]].concat()),
            400,
            "unauthorized_client",
        ),
        (token(&[&own[..], &[grant, ("scope", "compute network")]].concat()), 400, "invalid_scope"),
        (token(&[&own[..], &[grant, ("scope", "openid")]].concat()), 400, "invalid_scope"),
        (token(&[&own[..], &[grant, grant]].concat()), 400, "invalid_request"),
        (token(&[grant]).header("Content-Type", "application/json"), 400, "invalid_request"),
        (
            Request::post(NOVA, "/oauth/token").json(&json!({ "grant_type": "client_credentials" })),
            400,
            "invalid_request",
        ),
        (Request::post(NOVA, "/oauth/token"), 400, "invalid_request"),
        (token(&[grant]), 401, "invalid_client"),
        (token(&[grant, ("client_id", id)]), 401, "invalid_client"),
        (token(&[grant, ("client_id", id), ("client_secret", "guess")]), 401, "invalid_client"),
        (token(&[grant, ("client_id", "cli_nobody"), ("client_secret", secret)]), 401, "invalid_client"),
        (post.basic(&good), 401, "invalid_client"),
        (basic.basic(&token(&[&own[..], &[grant]].concat())), 400, "invalid_request"),
        (basic.basic(&token(&[grant, ("client_id", id)])), 400, "invalid_request"),
        (elsewhere.basic(&good), 401, "invalid_client"),
        (good.clone().header("Authorization", "Basic ###"), 401, "invalid_client"),
    ] {
        let told = world.ask(&request).expect(status);
        assert_eq!(told.json()["error"], error, "{told}");
        assert_eq!(told.says("cache-control"), "no-store");
        assert_eq!(told.header("www-authenticate").is_some(), status == 401, "{told}");
        let entry = world.gateway.entries().of(told.says("x-request-id"));
        assert_eq!((&entry["decision"]["outcome"], &entry["status"]), (&json!("refuse"), &json!(status)), "{entry:#}");
    }
    let _ = world.ask(&basic.basic(&good).plain()).expect(403);
}

#[test]
fn who_guesses_secrets_is_told_to_wait() {
    let world = World::start();
    let client = Client::make(&world, "novastraxis", &world.tenant("novastraxis"), SCOPE);
    let guess = Client { secret: Some("guess".to_owned()), ..client };
    for _ in 0..20 {
        let _ = ask_for_token(&world, &guess).expect(401);
    }
    let told = ask_for_token(&world, &guess).expect(429);
    assert_eq!((told.says("refusal-reason"), told.says("content-type")), ("address_failures", "application/json"));
    assert_eq!(told.json()["error"], "temporarily_unavailable", "{told}");
    assert!(told.json()["error_description"].is_string() && told.header("retry-after").is_some(), "{told}");
}

#[test]
fn a_client_reads_the_words_of_oauth_whoever_refuses_and_shows_nothing_in_an_address() {
    let world = World::start();
    let form = "application/x-www-form-urlencoded";
    for path in ["/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/par", "/oauth/device_authorization"] {
        for query in ["client_secret=canary", "x=y&%63lient_secret=canary", "CODE=canary"] {
            let asked = Request::post(NOVA, &format!("{path}?{query}")).body(form, "a=b".to_owned());
            let told = world.ask(&asked).expect(400);
            assert_eq!(told.json()["error"], "invalid_request", "{path}: {told}");
            assert!(
                told.json()["error_description"].as_str().is_some_and(|it| it.contains("address")),
                "{path}: {told}"
            );
        }
        // Before it comes so far: a body that is too long for anything that is asked here.
        let long = Request::post(NOVA, path).body(form, "a".repeat(20_000));
        let told = world.ask(&long);
        assert!(told.status >= 400 && told.json()["error"].is_string(), "{path}: {told}");
        assert!(
            told.json()["error_description"].is_string() && told.header("refusal-reason").is_some(),
            "{path}: {told}"
        );
    }
    let everything = json!(world.gateway.entries().whole()).to_string() + &world.gateway.process().log();
    assert!(!everything.contains("canary"), "a secret in an address is in an entry");
    // What the issuer says itself is its reason.
    let told = world.ask(&Request::post(NOVA, "/oauth/token").body(form, "a=b&a=c".to_owned())).expect(400);
    assert_eq!(
        (&told.json()["error"], told.says("refusal-reason")),
        (&json!("invalid_request"), "invalid_request"),
        "{told}"
    );
    let entry = world.gateway.entries().of(told.says("x-request-id"));
    assert_eq!(entry["decision"]["detail"], "invalid_request", "{entry:#}");
    // Elsewhere the API has its own words.
    let told = world.ask(&Request::get(NOVA, "/v2/compute/instances?access_token=x")).expect(400);
    assert!(told.json()["error_code"].is_string(), "{told}");
}

#[test]
fn a_client_with_keys_of_its_own_asserts_once_that_it_is_the_one() {
    let world = World::start();
    let pair = Ed25519KeyPair::generate().expect("a key");
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let set = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "k", "use": "sig", "x": x }] });
    let file = world.folder().join("jwks.json");
    std::fs::write(&file, set.to_string()).expect("a file of the test's own");
    let file = file.to_str().expect("a name");
    let more = [SCOPE, &["--auth", "private_key_jwt", "--jwks", file]].concat();
    let client = Client::make(&world, "novastraxis", &world.tenant("novastraxis"), &more);
    assert_eq!(client.secret, None);
    let now = client::now();
    let assert = |jti: &str, aud: &str| {
        let head = URL_SAFE_NO_PAD.encode(json!({ "alg": "EdDSA", "kid": "k" }).to_string());
        let said = json!({ "iss": client.id, "sub": client.id, "aud": aud, "jti": jti, "exp": now + 60, "iat": now });
        let content = format!("{head}.{}", URL_SAFE_NO_PAD.encode(said.to_string()));
        let signature = URL_SAFE_NO_PAD.encode(pair.sign(content.as_bytes()).as_ref());
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let shown = format!("{content}.{signature}");
        let fields =
            [("grant_type", "client_credentials"), ("client_assertion_type", kind), ("client_assertion", &shown)];
        world.ask(&form(NOVA, "/oauth/token", &fields))
    };
    let issuer = format!("https://{NOVA}");
    let token = text(&assert("1", &issuer).expect(200).json(), "access_token");
    let _ = list(&world, &token).expect(200);
    let _ = assert("2", &format!("{issuer}/oauth/token")).expect(200);
    for (jti, aud) in [("1", issuer.as_str()), ("3", "https://evil.example")] {
        assert_eq!(assert(jti, aud).expect(401).json()["error"], "invalid_client");
    }
}

#[test]
fn a_token_that_is_revoked_is_dead_and_others_learn_nothing_of_it() {
    let world = World::start();
    let tenant = world.tenant("novastraxis");
    let [one, same] = [(); 2].map(|()| Client::make(&world, "novastraxis", &tenant, SCOPE));
    let foreign = Client::make(&world, "novastraxis", &world.new_tenant("other"), SCOPE);
    let token = text(&ask_for_token(&world, &one).expect(200).json(), "access_token");
    let ask =
        |client: &Client, path: &str, token: &str| world.ask(&client.basic(&form(NOVA, path, &[("token", token)])));
    let state = |client: &Client, token: &str| ask(client, "/oauth/introspect", token).expect(200).json();
    for client in [&one, &same] {
        let told = state(client, &token);
        assert_eq!((&told["active"], &told["client_id"]), (&json!(true), &json!(one.id)), "{told}");
        assert_eq!((&told["scope"], &told["tenant"]), (&json!("compute data"), &json!(tenant)), "{told}");
    }
    let nothing = json!({ "active": false });
    assert_eq!(state(&foreign, &token), nothing, "another tenant's");
    for it in ["", "x", "a.b.c", &format!("{token}x")] {
        let fields = if it.is_empty() { vec![] } else { vec![("token", it)] };
        let told = world.ask(&one.basic(&form(NOVA, "/oauth/introspect", &fields)));
        if it.is_empty() {
            assert_eq!(told.expect(400).json()["error"], "invalid_request");
        } else {
            assert_eq!(told.expect(200).json(), nothing);
        }
    }
    let _ = world.ask(&form(NOVA, "/oauth/introspect", &[("token", &token)])).expect(401);
    for client in [&same, &foreign] {
        let _ = ask(client, "/oauth/revoke", &token).expect(200);
        let _ = list(&world, &token).expect(200);
    }
    let _ = ask(&one, "/oauth/revoke", "nothing that was ever a token").expect(200);
    let sibling = text(&ask_for_token(&world, &one).expect(200).json(), "access_token");
    let _ = ask(&one, "/oauth/revoke", &token).expect(200);
    let _ = list(&world, &token).expect(401);
    let _ = list(&world, &sibling).expect(401);
    assert_eq!(state(&one, &token), nothing);
    let next = text(&ask_for_token(&world, &one).expect(200).json(), "access_token");
    let _ = list(&world, &next).expect(200);
}

#[test]
fn what_is_offered_is_said_alike_at_both_addresses_and_is_there() {
    let world = World::start();
    for host in [NOVA, SERVERS] {
        let [one, other] = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]
            .map(|it| world.ask(&Request::get(host, it)).expect(200));
        assert_eq!(one.body, other.body);
        let told = one.json();
        assert_eq!(told["issuer"], format!("https://{host}"));
        for name in [
            "token",
            "revocation",
            "introspection",
            "pushed_authorization_request",
            "authorization",
            "device_authorization",
            "userinfo",
        ] {
            let place = told[format!("{name}_endpoint")].as_str().unwrap_or_default();
            let path = place.strip_prefix(&format!("https://{host}")).expect("a place of the issuer's own");
            let there = world.ask(&Request::get(host, path));
            assert!(![404, 500, 503].contains(&there.status), "{name}: {there}");
        }
        assert_eq!(told["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(told["response_types_supported"], json!(["code"]));
        assert_eq!(told["authorization_response_iss_parameter_supported"], true);
    }
    let plain = world.ask(&Request::get("cloudnx.in", "/.well-known/oauth-authorization-server")).expect(200).json();
    assert_eq!((&plain["grant_types_supported"], &plain["token_endpoint"]), (&json!([]), &Value::Null));
}

#[test]
fn nobody_is_made_a_client_of_an_api_that_gives_clients_no_tokens() {
    let world = World::start();
    let create = |api: &str, more: &[&str]| {
        let (tenant, words) = (world.tenant(api), ["clients", "create", "--api", api, "--name", "reports"]);
        world.gateway.command(&[&words[..], &["--tenant", &tenant], more].concat())
    };
    for more in [&[][..], &["--device"], &["--grants", "authorization_code", "--redirect-uri", "https://a.example/cb"]]
    {
        for api in ["cloudnx", "novastack"] {
            let told = create(api, more);
            assert!(told.code == 2 && told.errors.contains("it has no clients"), "{api} {more:?}: {told:?}");
        }
    }
    assert_eq!(world.gateway.json(&["clients", "list"]), json!([]));
    assert_eq!(create("cloudnexus-servers", &["--device"]).code, 0);
}
