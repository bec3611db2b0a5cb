//! What the APIs behind are told of a caller: the gateway's signed token, and nothing of what the caller showed.
//!
//! The clouds of every acceptance test check that token, so that each success anywhere says that it was there and good.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use acceptance::{Answer, Connection, Key, Request, World, python, python_alone};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const NX: &str = "cloudnx.in";
const LIST: &str = "/v2/compute/instances";
const IDENTITY: &str = "x-portcullis-identity";

#[track_caller]
fn decoded(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).expect("base64url")
}

/// The lines of a header that a cloud saw.
fn lines<'a>(seen: &'a Value, name: &str) -> Vec<&'a str> {
    let lines = seen["headers"].as_array().expect("headers").iter();
    lines.filter(|it| it[0] == name).filter_map(|it| it[1].as_str()).collect()
}

/// What was seen of the request that was answered so.
#[track_caller]
fn sighting(world: &World, cloud: &str, answer: &Answer) -> Value {
    world.clouds.saw(cloud, answer.says("x-request-id")).expect("a sighting")
}

/// The set of keys as the gateway publishes it.
#[track_caller]
fn published(world: &World) -> Value {
    let told = world.gateway.ask_admin("/identity/jwks").expect(200);
    assert_eq!(told.says("content-type"), "application/jwk-set+json");
    told.json()
}

/// What the one token of a request says, which a published key of the gateway has signed.
#[track_caller]
fn told(world: &World, seen: &Value) -> Value {
    let tokens = lines(seen, IDENTITY);
    assert_eq!(tokens.len(), 1, "not one token: {seen:#}");
    let parts: Vec<&str> = tokens[0].split('.').collect();
    let head: Value = serde_json::from_slice(&decoded(parts[0])).expect("a head");
    assert_eq!((&head["alg"], &head["typ"]), (&json!("EdDSA"), &json!("gateway-identity+jwt")));
    let published = published(world);
    let key = published["keys"].as_array().expect("keys").iter().find(|it| it["kid"] == head["kid"]).expect("its key");
    let key = UnparsedPublicKey::new(&ED25519, decoded(key["x"].as_str().expect("a point")));
    let signed = format!("{}.{}", parts[0], parts[1]);
    assert!(key.verify(signed.as_bytes(), &decoded(parts[2])).is_ok(), "another key has signed it");
    serde_json::from_slice(&decoded(parts[1])).expect("claims")
}

/// A request as botocore signs it.
#[track_caller]
fn signed(world: &World, key: &Key, (method, host, target, service): (&str, &str, &str, &str)) -> Request {
    let shown = key.shown();
    let more = [("KEY", shown.as_str()), ("METHOD", method), ("HOST", host), ("TARGET", target), ("SERVICE", service)];
    let out = python(world, "signed_once.py", &more).out;
    let told: Value = serde_json::from_str(out.lines().last().unwrap_or_default()).expect("headers");
    let lines = told["headers"].as_array().expect("headers").iter();
    lines.fold(Request::new(method, host, target), |it, line| {
        it.header(line[0].as_str().expect("a name"), line[1].as_str().expect("a value"))
    })
}

/// Asks, and holds what its cloud was told to who asked, how, and what they showed.
#[track_caller]
fn check(world: &World, (api, cloud): (&str, &str), request: &Request, key: &Key, (method, shown): (&str, &[&str])) {
    let answer = world.ask(request).expect(200);
    let seen = sighting(world, cloud, &answer);
    let claims = told(world, &seen);
    assert_eq!((&claims["iss"], &claims["api"]), (&json!("portcullis/portcullis"), &json!(api)), "{claims:#}");
    assert_eq!(claims["aud"], format!("http://{}", world.clouds.address(cloud)), "{claims:#}");
    assert_eq!((&claims["key"], &claims["tenant"]), (&json!(key.id), &json!(key.tenant)), "{claims:#}");
    assert_eq!(claims["auth_method"], method, "{claims:#}");
    let life = claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat);
    assert_eq!(life, Some(60), "{claims:#}");
    let everything = seen.to_string() + &claims.to_string();
    for it in shown {
        assert!(!everything.contains(it), "`{it}` went on: {seen:#}");
    }
}

#[test]
fn every_api_is_told_who_calls_and_nothing_of_what_was_shown() {
    let world = World::start();
    for (api, scope, host, target) in [
        ("novastraxis", "compute", NSX, LIST),
        ("cloudnexus", "storage:read", "api.cloudnexus.io", "/v2/buckets"),
        ("cloudnexus-servers", "servers:read", "api.cloudnexus.io", "/v2/servers"),
        ("novastack", "read", "api.novapai.ai", "/router/v1/models"),
    ] {
        let key = world.key(api, &[scope]);
        let request = Request::get(host, target).bearer(&key.text).header("X-CloudNexus-Id", &key.tenant);
        check(&world, (api, api), &request, &key, ("api_key", &[&key.text, "authorization"]));
    }
    let key = world.key("cloudnx", &["compute:read", "s3:ListAllMyBuckets"]);
    let secret = key.secret.as_deref().expect("a secret");
    let request = signed(&world, &key, ("GET", NX, "/compute/instances", "cloudnx"));
    check(
        &world,
        ("cloudnx", "cloudnx"),
        &request,
        &key,
        ("sigv4", &[secret, &key.text, "authorization", "x-amz-date"]),
    );
    // Its upstream wants requests signed, and gets both: the gateway's signature, and its token for the caller.
    let request = signed(&world, &key, ("GET", "s3.cloudnx.in", "/", "s3"));
    check(&world, ("cloudnx", "cloudnx-objects"), &request, &key, ("sigv4", &[secret, &key.text]));
    let exchange = json!({ "access_key_id": key.text, "secret_access_key": secret });
    let given = world.ask(&Request::post(NX, "/auth/iam/exchange-credentials").json(&exchange)).expect(200).json();
    let token = given["access_token"].as_str().expect("a token");
    let parts: Vec<&str> = token.split('.').chain(["authorization"]).collect();
    let request = Request::get(NX, "/compute/instances").bearer(token).header("Cookie", "theme=dark");
    check(&world, ("cloudnx", "cloudnx"), &request, &key, ("access_token", &parts));
}

#[test]
fn a_bucket_that_is_asked_for_by_a_host_of_its_own_is_sealed_with_the_path() {
    let world = World::start();
    let key = world.key("cloudnx", &["s3:ListBucket"]);
    let request = signed(&world, &key, ("GET", "zelda-private.s3.cloudnx.in", "/a-file", "s3"));
    let entry = world.gateway.entries().of(world.ask(&request).says("x-request-id"));
    assert_eq!(entry["request"]["host"], "s3.cloudnx.in", "{entry:#}");
    assert!(entry["sealed"].is_object(), "{entry:#}");
    assert_eq!(entry["request"]["path"], "/zelda-private/a-file", "{entry:#}");
}

#[test]
fn nobody_speaks_through_the_token_of_another() {
    let world = World::start();
    let one = world.key("novastraxis", &["compute"]);
    let other = world.key_with("novastraxis", &world.new_tenant("other"), &["compute"], &[]);
    let answer = world.ask(&Request::get(NSX, LIST).bearer(&one.text)).expect(200);
    let seen = sighting(&world, "novastraxis", &answer);
    let token = lines(&seen, IDENTITY)[0].to_owned();
    // Good, and for this very cloud.
    for name in ["X-Portcullis-Identity", "x-portcullis-IDENTITY", "x_portcullis_identity", "X-Portcullis_Identity"] {
        let request = Request::get(NSX, LIST).bearer(&other.text).header(name, &token).header(name, &token);
        for request in [request.clone(), request.header("Connection", "x-portcullis-identity, keep-alive")] {
            let answer = world.ask(&request).expect(200);
            let seen = sighting(&world, "novastraxis", &answer);
            assert!(!seen.to_string().contains(&token), "{name}: {seen:#}");
            assert_eq!(told(&world, &seen)["tenant"], json!(other.tenant), "{name}");
        }
    }
    // Nor is it a credential.
    let refused = world.ask(&Request::get(NSX, LIST).bearer(&token)).expect(401);
    let entry = world.gateway.entries().of(refused.says("x-request-id"));
    assert_eq!(entry["decision"]["reason"], "token_wrong_type", "{entry:#}");
    assert!(!json!(world.gateway.entries().whole()).to_string().contains(&token), "it is in an entry");
    assert!(!world.gateway.process().log().contains(&token), "it is in the log");
}

#[test]
fn one_token_serves_a_caller_for_a_while_and_no_other_cloud_believes_it() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let ask = || {
        let answer = world.ask(&Request::get(NSX, LIST).bearer(&key.text)).expect(200);
        sighting(&world, "novastraxis", &answer)
    };
    // A token is renewed once in thirty seconds: of three at once, two are the same.
    let seen = [ask(), ask(), ask()];
    let tokens: Vec<&str> = seen.iter().map(|it| lines(it, IDENTITY)[0]).collect();
    assert!(tokens[0] == tokens[1] || tokens[1] == tokens[2], "each request has a token of its own");
    let behind = |cloud: &str, target: &str, token: Option<&str>, tenant: &str| {
        let request = Request::get("behind", target)
            .header("X-Portcullis-Api", "novastraxis")
            .header("X-Portcullis-Tenant", tenant)
            .header("X-Portcullis-Caller", &key.id)
            .header("X-Portcullis-Scopes", "compute");
        let request = token.into_iter().fold(request, |it, token| it.header(IDENTITY, token));
        Connection::to(world.clouds.address(cloud)).ask(&request).status
    };
    let (token, tenant) = (tokens[2], key.tenant.as_str());
    assert_eq!(behind("novastraxis", LIST, Some(token), tenant), 200);
    assert_eq!(behind("novastraxis", LIST, None, tenant), 401, "without a token");
    assert_eq!(behind("novastraxis", LIST, Some(token), "tn_other"), 401, "for another tenant");
    assert_eq!(behind("cloudnexus", "/v2/buckets", Some(token), tenant), 401, "elsewhere");
    let (content, signature) = token.rsplit_once('.').expect("a signature");
    let (head, claims) = content.split_once('.').expect("claims");
    let mut claims: Value = serde_json::from_slice(&decoded(claims)).expect("claims");
    claims["tenant"] = json!("tn_other");
    let forged = format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    assert_eq!(behind("novastraxis", LIST, Some(&forged), "tn_other"), 401, "signed by nobody");
}

#[test]
fn a_verifier_made_from_the_description_agrees() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let answer = world.ask(&Request::get(NSX, LIST).bearer(&key.text)).expect(200);
    let seen = sighting(&world, "novastraxis", &answer);
    let (keys, here) = (published(&world).to_string(), format!("http://{}", world.clouds.address("novastraxis")));
    let token = lines(&seen, IDENTITY)[0];
    let verify = |keys: &str, audience: &str, token: &str| python_alone("verify_identity.py", &[keys, audience, token]);
    assert_eq!(verify(&keys, &here, token).json(), told(&world, &seen));
    let other = World::start();
    let unknown = published(&other).to_string();
    for refused in [verify(&unknown, &here, token), verify(&keys, "http://127.0.0.1:1", token)] {
        assert_eq!(refused.code, 1, "{refused:?}");
    }
    // The other key under the name of this one.
    let mut renamed = published(&other);
    renamed["keys"][0]["kid"] = published(&world)["keys"][0]["kid"].clone();
    let refused = verify(&renamed.to_string(), &here, token);
    assert!(refused.code == 1 && refused.errors.contains("has not signed it"), "{refused:?}");
}

#[test]
fn the_key_is_for_the_gateway_alone_and_the_same_after_a_restart() {
    let mut world = World::start();
    let before = published(&world);
    assert_eq!(world.gateway.json(&["keys", "identity"]), before);
    let file = world.gateway.data().join("secrets/identity.key");
    let mode = std::fs::metadata(&file).expect("the key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    world.gateway.restart();
    assert_eq!(published(&world), before);
    let key = world.key("novastraxis", &["compute"]);
    let _ = world.ask(&Request::get(NSX, LIST).bearer(&key.text)).expect(200);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("a file of the test");
    let refused = world.gateway.command(&["keys", "identity"]);
    assert!(refused.code == 2 && refused.errors.contains("identity.key"), "{refused:?}");
}

#[test]
fn an_api_that_is_not_to_be_told_is_not() {
    let world = World::with(|settings, folder| {
        let apis = folder.join("apis");
        let copied = Command::new("cp").arg("-r").arg(&settings.apis).arg(&apis).status();
        assert!(copied.is_ok_and(|it| it.success()), "the profiles cannot be copied");
        let file = apis.join("novastraxis/api.toml");
        let text = std::fs::read_to_string(&file).expect("a profile");
        std::fs::write(&file, text.replace("[upstream]\n", "[upstream]\nidentity = \"none\"\n")).expect("a profile");
        settings.apis = apis;
    });
    let key = world.key("novastraxis", &["compute"]);
    let request = Request::get(NSX, LIST).bearer(&key.text).header(IDENTITY, "forged");
    let refused = world.ask(&request).expect(401);
    assert!(refused.text().contains("no identity token"), "{refused}");
    let seen = sighting(&world, "novastraxis", &refused);
    assert!(lines(&seen, IDENTITY).is_empty() && lines(&seen, "x-portcullis-tenant") == [key.tenant.as_str()]);
}
