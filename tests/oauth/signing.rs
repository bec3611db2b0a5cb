//! The command line with an access key: it signs, and exchanges the key for a token.

use std::os::unix::fs::PermissionsExt as _;

use acceptance::{Key, Request, World};
use serde_json::{Value, json};

use crate::command_line::{Said, Terminal};

const NX: &str = "cloudnx.in";

/// Says which key is meant, and what it signs for.
#[track_caller]
fn configure(terminal: &Terminal<'_>, world: &World, base: &str, (id, secret): (&str, &str), more: &[&str]) {
    let (ca, way) = (world.gateway.authority().display().to_string(), world.gateway.door().https.to_string());
    let words = ["configure", "--base-url", base, "--ca", &ca, "--connect", &way, "--credential", "access_key"];
    let said = terminal.tell(&[&words[..], more].concat(), &format!("{id}\n{secret}\n"));
    assert_eq!(said.code, Some(0), "{}", said.errors);
    assert!(!said.out.contains(secret) && !said.errors.contains(secret));
}

fn halves(key: &Key) -> (&str, &str) {
    (&key.text, key.secret.as_deref().expect("a secret"))
}

fn json_of(said: &Said) -> Value {
    serde_json::from_str(&said.out).expect("JSON")
}

#[test]
fn the_command_line_signs_with_an_access_key_and_exchanges_it_for_a_token() {
    let world = World::start();
    let key = world.key("cloudnx", &["compute:read", "compute:write", "storage:read"]);
    let foreign = world.key_with("cloudnx", &world.new_tenant("other"), &["compute:read"], &[]);
    let terminal = Terminal::of(&world, "home");
    configure(&terminal, &world, "https://cloudnx.in", halves(&key), &[]);
    let mode = std::fs::metadata(terminal.file()).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let listed = terminal.run(&["request", "GET", "/compute/instances?limit=2", "--output", "json"]);
    let told = json_of(&listed);
    assert_eq!((listed.code, &told["status"]), (Some(0), &json!(200)), "{}{}", listed.out, listed.errors);
    let headers = told["headers"].as_array().expect("headers");
    let id = headers.iter().find(|it| it[0] == "x-request-id").and_then(|it| it[1].as_str()).expect("an id");
    let entry = world.gateway.entries().of(id);
    assert_eq!((&entry["auth"]["key"], &entry["auth"]["method"]), (&json!(key.id), &json!("sigv4")), "{entry:#}");
    let posted = terminal.run(&["request", "POST", "/compute/instances", "--data", "{}"]);
    assert!(posted.code == Some(0) || posted.errors.contains("400"), "the body was what was signed: {}", posted.errors);
    let beyond = terminal.run(&["request", "GET", "https://cloudnx.in/auth/audit-logs"]);
    assert!(beyond.code == Some(1) && beyond.errors.contains("403"), "{}{}", beyond.out, beyond.errors);

    // The same key as a token, fetched once and good for another quarter of an hour.
    let token = terminal.run(&["token"]);
    assert_eq!((token.code, token.out.matches('.').count()), (Some(0), 2), "{}", token.errors);
    assert_eq!(terminal.run(&["token"]).out, token.out);
    let list = Request::get(NX, "/compute/instances").bearer(token.out.trim());
    let entry = world.gateway.entries().of(world.ask(&list).expect(200).says("x-request-id"));
    assert_eq!((&entry["auth"]["key"], &entry["tenant"]), (&json!(key.id), &json!(key.tenant)), "{entry:#}");

    // Another's key opens what is the other's, and a key that is revoked nothing.
    let other = Terminal::of(&world, "other");
    configure(&other, &world, "https://cloudnx.in/compute", halves(&foreign), &[]);
    let seen = json_of(&other.run(&["request", "GET", "/instances", "--output", "json"]));
    assert_eq!(seen["status"], 200, "{seen}");
    assert_eq!(other.run(&["token"]).out.matches('.').count(), 2, "the exchange is at the origin");
    assert_eq!(world.gateway.command(&["api-keys", "revoke", &foreign.id]).code, 0);
    let dead = other.run(&["request", "GET", "/instances"]);
    assert!(dead.code == Some(1) && dead.errors.contains("401"), "{}", dead.errors);
    let everything = json!(world.gateway.entries().whole()).to_string() + &world.gateway.process().log();
    assert!(![halves(&key).1, token.out.trim()].iter().any(|it| everything.contains(it)), "a secret is in a log");
}

#[test]
fn what_is_signed_with_another_secret_or_for_another_region_is_not_taken() {
    let world = World::start();
    let key = world.key("cloudnx", &["compute:read"]);
    let terminal = Terminal::of(&world, "home");
    let (id, secret) = halves(&key);
    let get = || terminal.run(&["request", "GET", "/compute/instances"]);
    let wrong = format!("{}A", secret.strip_suffix(|_: char| true).expect("a secret"));
    let wrong = if wrong == secret { format!("{secret}B") } else { wrong };
    for (secret, more) in [
        (wrong.as_str(), &[][..]),
        (secret, &["--region", "us-east-1"]),
        (secret, &["--region", "in-mum", "--service", "s3"]),
    ] {
        configure(&terminal, &world, "https://cloudnx.in", (id, secret), more);
        let told = get();
        assert!(told.code == Some(1) && told.errors.contains("401"), "{more:?}: {}{}", told.out, told.errors);
    }
    configure(&terminal, &world, "https://cloudnx.in", (id, &wrong), &["--service", "cloudnx"]);
    let token = terminal.run(&["token"]);
    assert!(
        token.code == Some(2) && token.out.is_empty() && token.errors.contains("does not take"),
        "{}",
        token.errors
    );
    configure(&terminal, &world, "https://cloudnx.in", (id, secret), &[]);
    assert_eq!(get().code, Some(0));
    let as_api_key = terminal.tell(&["configure", "--credential", "api_key"], &format!("{id}:{secret}\n"));
    assert!(as_api_key.code == Some(2) && as_api_key.errors.contains("access_key"), "{}", as_api_key.errors);
    assert_eq!(get().code, Some(0), "it is as it was");
}

#[test]
fn a_key_that_is_shown_as_it_is_goes_to_the_api_of_the_profile_and_to_nobody_else() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let terminal = Terminal::of(&world, "home");
    let (ca, way) = (world.gateway.authority().display().to_string(), world.gateway.door().https.to_string());
    let base = "https://api.novastraxis.com/v2";
    let words = ["configure", "--base-url", base, "--ca", &ca, "--connect", &way, "--credential", "api_key"];
    assert_eq!(terminal.tell(&words, &format!("{}\n", key.text)).code, Some(0));
    let listed = terminal.run(&["request", "GET", "/compute/instances"]);
    assert!(listed.code == Some(0) && json_of(&listed).is_object(), "{}{}", listed.out, listed.errors);
    for other in ["https://cloudnx.in/compute/instances", "http://api.novastraxis.com/v2/compute/instances"] {
        let told = terminal.run(&["request", "GET", other]);
        assert!(told.code == Some(2) && told.out.is_empty(), "{other}: {}", told.out);
    }
    let twice = terminal.run(&["request", "GET", "/compute/instances", "-H", "Authorization: Bearer x"]);
    assert_eq!(twice.code, Some(2), "{}", twice.errors);
}
