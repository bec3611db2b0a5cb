//! What tokens are signed with, as those see it who verify them.

use acceptance::{Request, World, node};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::client::{Client, NOVA, claims, text};
use crate::users::Browser;
use crate::{SCOPE, ask_for_token, list};

const BACK: &str = "https://app.example/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn keys(world: &World) -> Vec<Value> {
    let told = world.ask(&Request::get(NOVA, "/oauth/jwks")).expect(200).json();
    told["keys"].as_array().cloned().expect("keys")
}

fn head(token: &str) -> Value {
    let head = token.split('.').next().expect("a head");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).expect("base64url")).expect("a head")
}

#[test]
fn a_relying_party_verifies_what_is_signed_with_each_algorithm() {
    let world = World::with(|settings, _| settings.more.push_str("\n[keys]\ntoken_key_alg = \"EdDSA\"\n"));
    let tenant = world.tenant("novastraxis");
    let grants = "authorization_code,refresh_token";
    let more = ["--auth", "none", "--grants", grants, "--redirect-uri", BACK, "--scopes", "openid,compute"];
    let client = Client::make(&world, "novastraxis", &tenant, &more);
    let mut ann = Browser::of(&world, "ann", &tenant);
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
    let asked = [
        ("client_id", client.id.as_str()),
        ("response_type", "code"),
        ("redirect_uri", BACK),
        ("scope", "openid compute"),
        ("state", "s"),
        ("nonce", "n"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let service = Client::make(&world, "novastraxis", &tenant, SCOPE);
    let mut before: Option<String> = None;
    for (alg, kty) in [("EdDSA", "OKP"), ("ES256", "EC"), ("RS256", "RSA")] {
        if before.is_some() {
            let _ = world.gateway.json(&["keys", "rotate-signing", "--now", "--alg", alg]);
            world.gateway.catch_up();
        }
        let known = keys(&world);
        assert_eq!((known.len(), &known[0]["kty"], &known[0]["alg"]), (1, &json!(kty), &json!(alg)), "{known:?}");
        if let Some(token) = &before {
            let _ = list(&world, token).expect(401);
        }
        let callback = ann.lets(&asked).says("location").to_owned();
        let issuer = format!("https://{NOVA}");
        let environment =
            [("ISSUER", issuer.as_str()), ("CLIENT_ID", &client.id), ("CALLBACK", &callback), ("VERIFIER", VERIFIER)];
        let found = node(&world, "id_token.mjs", &environment).json();
        assert_eq!((&found["id"]["alg"], &found["access"]["alg"]), (&json!(alg), &json!(alg)), "{found:#}");
        assert_eq!((&found["id"]["kid"], &found["id"]["typ"]), (&known[0]["kid"], &json!("JWT")), "{found:#}");
        assert_eq!((&found["access"]["typ"], &found["supported"]), (&json!("at+jwt"), &json!([alg])), "{found:#}");
        assert_eq!(found["claims"]["at_hash"], found["hash"], "{found:#}");
        assert_eq!((&found["claims"]["sub"], &found["listed"]), (&json!(ann.user), &json!(200)), "{found:#}");
        before = Some(text(&ask_for_token(&world, &service).expect(200).json(), "access_token"));
    }
}

#[test]
fn keys_of_two_kinds_stand_side_by_side_and_neither_signs_for_the_other() {
    let world = World::start();
    let client = Client::make(&world, "novastraxis", &world.tenant("novastraxis"), SCOPE);
    let token = |world: &World| text(&ask_for_token(world, &client).expect(200).json(), "access_token");
    let first = token(&world);
    let next = world.gateway.json(&["keys", "rotate-signing", "--alg", "ES256"]);
    assert_eq!((&next["alg"], &next["stage"]), (&json!("ES256"), &json!("published")), "{next}");
    assert_eq!(world.gateway.json(&["keys", "rotate-signing"])["kid"], next["kid"], "it waits already");
    // It has signed nothing, and never will.
    let other = world.gateway.json(&["keys", "rotate-signing", "--alg", "EdDSA"]);
    world.gateway.catch_up();
    let kinds = |keys: &[Value]| keys.iter().map(|it| it["kty"].clone()).collect::<Vec<_>>();
    assert_eq!(kinds(&keys(&world)), ["RSA", "OKP"]);
    let listed = world.gateway.json(&["keys", "list"]);
    let told: Vec<_> = listed.as_array().expect("keys").iter().map(|it| (&it["alg"], &it["stage"])).collect();
    let expected =
        [("RS256", "in_use"), ("ES256", "retired"), ("EdDSA", "published")].map(|it| (json!(it.0), json!(it.1)));
    assert_eq!(told, expected.each_ref().map(|(alg, stage)| (alg, stage)), "{listed:#}");
    let offered = world.ask(&Request::get(NOVA, "/.well-known/openid-configuration")).expect(200).json();
    assert_eq!(offered["id_token_signing_alg_values_supported"], json!(["EdDSA", "RS256"]));
    let second = token(&world);
    assert_eq!(head(&second)["alg"], "RS256", "it waits for a day");
    for token in [&first, &second] {
        let _ = list(&world, token).expect(200);
        // The name of the one key, or the algorithm of the other, in the head of a token that neither has signed so.
        let rest = token.split_once('.').expect("a token").1;
        let written = |alg: &str, kid: &Value| {
            let head = json!({ "alg": alg, "kid": kid, "typ": "at+jwt" }).to_string();
            format!("{}.{rest}", URL_SAFE_NO_PAD.encode(head))
        };
        let own = &head(token)["kid"];
        for forged in [
            written("EdDSA", &other["kid"]),
            written("RS256", &other["kid"]),
            written("EdDSA", own),
            written("ES256", &next["kid"]),
            written("HS256", own),
            written("none", own),
        ] {
            let _ = list(&world, &forged).expect(401);
        }
    }
    assert_eq!(claims(&second)["client_id"], json!(client.id));
    let bad = world.gateway.command(&["keys", "rotate-signing", "--alg", "HS256"]);
    assert!(bad.code == 2 && bad.errors.contains("EdDSA"), "{}", bad.errors);
}
