//! What runs elsewhere acts for a service account, by the word of the platform that it runs on.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::time::{SystemTime, UNIX_EPOCH};

use acceptance::{Answer, Request, World};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const ISSUER: &str = "https://api.novastraxis.com";
const PLATFORM: &str = "https://token.actions.example";
const LIST: &str = "/v2/compute/instances";

/// A platform that vouches for what runs on it.
struct Platform(Ed25519KeyPair);

impl Platform {
    fn new() -> Self {
        Self(Ed25519KeyPair::generate().expect("a key"))
    }

    /// Its public keys.
    fn keys(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key());
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "k", "x": x }] })
    }

    /// Its word for somebody, with something of it changed.
    #[expect(clippy::disallowed_methods, reason = "a platform has no clock but the machine's")]
    fn word(&self, subject: &str, name: &str, change: &[(&str, Value)]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let mut said = json!({
            "iss": PLATFORM, "sub": subject, "aud": ISSUER, "jti": name, "iat": now, "nbf": now, "exp": now + 300,
        });
        for (name, value) in change {
            said[*name] = value.clone();
        }
        let head = json!({ "typ": "JWT", "alg": "EdDSA", "kid": "k", "x5t": "c2hh" });
        let part = |it: &Value| URL_SAFE_NO_PAD.encode(it.to_string());
        let content = format!("{}.{}", part(&head), part(&said));
        format!("{content}.{}", URL_SAFE_NO_PAD.encode(self.0.sign(content.as_bytes())))
    }
}

fn exchange(word: &str, more: &str) -> Request {
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3A";
    let body = format!(
        "grant_type={kind}grant-type%3Atoken-exchange&subject_token={word}&subject_token_type={kind}token-type%3Ajwt{more}"
    );
    Request::post(NSX, "/oauth/token").body("application/x-www-form-urlencoded", body)
}

#[track_caller]
fn refused(answer: Answer, error: &str) {
    let answer = answer.expect(400);
    assert_eq!(answer.json()["error"], error, "{answer}");
}

/// A service account that is this workload of the platform.
#[track_caller]
fn account(world: &World, name: &str, workload: &str) -> String {
    let (tenant, workload) = (world.tenant("novastraxis"), format!("{PLATFORM}#{workload}"));
    let words = ["service-accounts", "create", "--api", "novastraxis", "--tenant", &tenant, "--name", name];
    let more = ["--permissions", "compute,network", "--workload-identity", &workload];
    let made = world.gateway.json(&[words.as_slice(), &more].concat());
    made["id"].as_str().expect("an id").to_owned()
}

#[test]
fn whoever_is_trusted_no_more_leaves_nothing_that_came_of_its_word() {
    let world = World::start();
    let (platform, other) = (Platform::new(), "https://other.example");
    let main = "repo:acme/app:main";
    let (id, keys) = (account(&world, "deploy", main), world.folder().join("platform.jwks"));
    let again = account(&world, "elsewhere", "repo:acme/elsewhere:main");
    std::fs::write(&keys, platform.keys().to_string()).expect("a file of the test");
    for issuer in [PLATFORM, other] {
        let words = ["workload-issuers", "trust", issuer, "--jwks-file", &keys.display().to_string()];
        assert_eq!(world.gateway.command(&words).code, 0, "{issuer}");
    }
    let given = |subject: &str, name: &str| {
        let told = world.ask(&exchange(&platform.word(subject, name, &[]), "")).expect(200);
        told.json()["access_token"].as_str().expect("a token").to_owned()
    };
    let tokens = [given(main, "one"), given(main, "two"), given("repo:acme/elsewhere:main", "three")];
    let list = |token: &str| world.ask(&Request::get(NSX, LIST).bearer(token));
    assert_eq!(world.gateway.command(&["workload-issuers", "distrust", other]).code, 0);
    for token in &tokens {
        let _ = list(token).expect(200);
    }
    let key = world.key("novastraxis", &["compute"]);
    assert_eq!(world.gateway.command(&["workload-issuers", "distrust", PLATFORM]).code, 0);
    for token in &tokens {
        let _ = list(token).expect(401);
    }
    let _ = list(&key.text).expect(200);
    let distrusted = |it: &Value| it["class"] == "session.end" && it["action"] == "distrust";
    let ended = world.gateway.entries().of_kind(3, distrusted);
    let accounts: Vec<_> = ended.iter().map(|it| it["facts"]["account"].clone()).collect();
    assert_eq!(accounts, [json!(id), json!(id), json!(again)], "{ended:#?}");
}

#[test]
fn a_workload_gets_a_token_of_its_service_account_for_the_word_of_its_platform() {
    let world = World::start();
    let platform = Platform::new();
    let id = account(&world, "deploy", "repo:acme/app:*");
    let main = "repo:acme/app:ref:refs/heads/main";
    refused(world.ask(&exchange(&platform.word(main, "early", &[]), "")), "invalid_request");
    let keys = world.folder().join("platform.jwks");
    std::fs::write(&keys, platform.keys().to_string()).expect("a file of the test");
    let trust = |issuer: &str| {
        world.gateway.command(&["workload-issuers", "trust", issuer, "--jwks-file", &keys.display().to_string()])
    };
    assert_eq!(trust(PLATFORM).code, 0);
    let first = platform.word(main, "one", &[]);
    let told = world.ask(&exchange(&first, "&scope=compute")).expect(200);
    assert_eq!(told.says("cache-control"), "no-store");
    let body = told.json();
    let given = "urn:ietf:params:oauth:token-type:access_token";
    assert_eq!((&body["issued_token_type"], &body["token_type"]), (&json!(given), &json!("Bearer")), "{body}");
    assert_eq!((&body["scope"], &body["expires_in"]), (&json!("compute"), &json!(900)), "{body}");
    let token = body["access_token"].as_str().expect("a token");
    let list = |token: &str| world.ask(&Request::get(NSX, LIST).bearer(token));
    let entry = world.gateway.entries().of(list(token).expect(200).says("x-request-id"));
    assert_eq!(entry["tenant"], json!(world.tenant("novastraxis")), "{entry:#}");
    refused(world.ask(&exchange(&first, "")), "invalid_request");
    for (change, name) in [
        (("aud", json!("https://api.cloudnexus.io")), "other-audience"),
        (("aud", json!([ISSUER, "https://evil.example"])), "two-audiences"),
        (("iss", json!("https://evil.example")), "other-issuer"),
        (("sub", json!("repo:acme/apple:ref:refs/heads/main")), "other-subject"),
        (("exp", json!(4_000_000_000_u64)), "for-ever"),
    ] {
        refused(world.ask(&exchange(&platform.word(main, name, &[change]), "")), "invalid_request");
    }
    refused(world.ask(&exchange(&Platform::new().word(main, "forged", &[]), "")), "invalid_request");
    refused(world.ask(&exchange(&platform.word(main, "wide", &[]), "&scope=data")), "invalid_scope");
    refused(world.ask(&exchange(&platform.word(main, "client", &[]), "&client_id=cli_x")), "invalid_request");
    refused(
        world.ask(&exchange(&platform.word(main, "far", &[]), "&audience=https%3A%2F%2Fevil.example")),
        "invalid_target",
    );
    // Whatever ends the account ends what its workloads have.
    let suspend = |verb: &str| assert_eq!(world.gateway.command(&["service-accounts", verb, &id]).code, 0);
    suspend("suspend");
    let _ = list(token).expect(403);
    refused(world.ask(&exchange(&platform.word(main, "held", &[]), "")), "invalid_request");
    suspend("resume");
    let _ = list(token).expect(200);
    // One that is two says which.
    let other = account(&world, "other", main);
    refused(world.ask(&exchange(&platform.word(main, "which", &[]), "")), "invalid_request");
    let named = world.ask(&exchange(&platform.word(main, "named", &[]), &format!("&service_account={other}")));
    let _ = named.expect(200);
    suspend("delete");
    let _ = list(token).expect(401);
    assert_eq!(world.gateway.command(&["workload-issuers", "distrust", PLATFORM]).code, 0);
    refused(world.ask(&exchange(&platform.word(main, "late", &[]), "")), "invalid_request");
    let everything = json!(world.gateway.entries().whole()).to_string() + &world.gateway.process().log();
    assert!(![first.as_str(), token].iter().any(|it| everything.contains(it)));
    std::fs::write(&keys, platform.keys().to_string().replace("EdDSA", "HS256")).expect("a file of the test");
    assert_eq!(trust(PLATFORM).code, 2, "a bad key is not believed");
}
