//! What a client leaves before it sends a user (RFC 9126) is looked at when it is left.

use acceptance::World;
use serde_json::{Value, json};

use crate::client::{Client, NOVA, form};

const BACK: &str = "https://app.example/cb";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const GOOD: [(&str, &str); 5] = [
    ("response_type", "code"),
    ("redirect_uri", BACK),
    ("scope", "openid compute"),
    ("code_challenge", CHALLENGE),
    ("code_challenge_method", "S256"),
];

#[test]
fn what_would_be_refused_later_is_refused_when_it_is_pushed() {
    let world = World::start();
    let tenant = world.tenant("novastraxis");
    let more = ["--grants", "authorization_code", "--redirect-uri", BACK, "--scopes", "openid,compute"];
    let client = Client::make(&world, "novastraxis", &tenant, &more);
    let service = Client::make(&world, "novastraxis", &tenant, &["--scopes", "compute"]);
    let push = |client: &Client, fields: &[(&str, &str)]| world.ask(&client.basic(&form(NOVA, "/oauth/par", fields)));
    let _ = push(&client, &GOOD).expect(201);
    let own = world.ask(&client.basic(&form(NOVA, "/oauth/par", &[&GOOD[..], &[("client_id", &client.id)]].concat())));
    let _ = own.expect(201);
    let refused = |client: &Client, fields: &[(&str, &str)], error: &str| {
        let told = push(client, fields).expect(400);
        let body = told.json();
        assert_eq!((&body["error"], &body["request_uri"]), (&json!(error), &Value::Null), "{fields:?}: {body}");
        assert_eq!(told.says("cache-control"), "no-store");
        let entry = world.gateway.entries().of(told.says("x-request-id"));
        assert_eq!((&entry["decision"]["outcome"], &entry["status"]), (&json!("refuse"), &json!(400)), "{entry:#}");
    };
    for (name, value, error) in [
        ("redirect_uri", "https://e", "invalid_request"),
        ("redirect_uri", "https://app.example/cb/", "invalid_request"),
        ("redirect_uri", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("scope", "openid network", "invalid_scope"),
        ("prompt", "none login", "invalid_request"),
        ("max_age", "soon", "invalid_request"),
        ("dpop_jkt", "short", "invalid_request"),
        ("request", "a.b.c", "request_not_supported"),
        ("request_uri", "urn:ietf:params:oauth:request_uri:x", "invalid_request"),
    ] {
        let others: Vec<_> = GOOD.into_iter().filter(|it| it.0 != name).collect();
        refused(&client, &[&others[..], &[(name, value)]].concat(), error);
    }
    refused(&client, &[("redirect_uri", "https://e"), ("response_type", "token")], "invalid_request");
    refused(&service, &GOOD, "unauthorized_client");
}
