//! A platform vouches for what runs on it, by keys that it publishes.

use std::time::{SystemTime, UNIX_EPOCH};

use acceptance::{Answer, Request, World};
use serde_json::{Value, json};

use crate::client::{NOVA, text};
use crate::visitor::Idp;

const SUBJECT: &str = "repo:acme/app:main";

/// Its word for a workload, signed with the key that it publishes, or with another.
#[expect(clippy::disallowed_methods, reason = "a platform has no clock but the machine's")]
fn word(platform: &Idp, name: &str, foreign: bool) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let issuer = &platform.issuer;
    let audience = format!("https://{NOVA}");
    let said = json!({ "iss": issuer, "sub": SUBJECT, "aud": audience, "jti": name, "iat": now, "exp": now + 300 });
    let down =
        if name.starts_with("silent") { json!(["/jwks", "/.well-known/openid-configuration"]) } else { json!([]) };
    let faults = json!({ "foreign": foreign, "down": down });
    text(&platform.told(&json!({ "faults": faults, "logout": said, "head": { "typ": "JWT" } })), "token")
}

fn exchange(world: &World, shown: &str) -> Answer {
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3A";
    let body = format!(
        "grant_type={kind}grant-type%3Atoken-exchange&subject_token={shown}&subject_token_type={kind}token-type%3Ajwt"
    );
    world.ask(&Request::post(NOVA, "/oauth/token").body("application/x-www-form-urlencoded", body))
}

#[test]
fn a_platform_is_asked_for_its_keys_once_and_gone_by_while_it_is_silent() {
    let world = World::start();
    let platform = Idp::start(&world);
    let _ = platform.told(&json!({ "clients": [] }));
    let (tenant, workload) = (world.tenant("novastraxis"), format!("{}#{SUBJECT}", platform.issuer));
    let words = ["service-accounts", "create", "--api", "novastraxis", "--tenant", &tenant, "--name", "deploy"];
    let _ = world.gateway.json(&[&words[..], &["--permissions", "compute", "--workload-identity", &workload]].concat());

    let trust = |more: &[&str]| {
        world.gateway.command(&[&["workload-issuers", "trust", platform.issuer.as_str()], more].concat())
    };
    let inside = trust(&[]);
    assert!(inside.code != 0 && inside.errors.contains("--private"), "{inside:?}");
    assert_eq!(trust(&["--private"]).code, 0);
    let listed: Value = world.gateway.json(&["workload-issuers", "list"]);
    assert_eq!((&listed[0]["keys"], &listed[0]["private"]), (&Value::Null, &json!(true)), "{listed}");

    let given = exchange(&world, &word(&platform, "one", false)).expect(200).json();
    let list = Request::get(NOVA, "/v2/compute/instances").bearer(&text(&given, "access_token"));
    let _ = world.ask(&list).expect(200);
    // Its own key, by name, in the hand of somebody else.
    let _ = exchange(&world, &word(&platform, "two", true)).expect(400);
    let _ = exchange(&world, &word(&platform, "silent", false)).expect(200);
    for place in ["/jwks", "/.well-known/openid-configuration"] {
        assert_eq!(platform.asked(place), 1, "{place}");
    }
    assert_eq!(world.gateway.command(&["workload-issuers", "distrust", &platform.issuer]).code, 0);
    let _ = exchange(&world, &word(&platform, "three", false)).expect(400);
    let _ = world.ask(&list).expect(401);
}

#[test]
fn who_cannot_be_asked_for_keys_vouches_for_nobody_and_nobody_is_blamed() {
    let world = World::start();
    let platform = Idp::start(&world);
    let _ = platform.told(&json!({ "clients": [] }));
    assert_eq!(world.gateway.command(&["workload-issuers", "trust", &platform.issuer, "--private"]).code, 0);
    for number in 0..8 {
        let refused = exchange(&world, &word(&platform, &format!("silent{number}"), false)).expect(503);
        assert_eq!(refused.says("retry-after").parse::<u64>().map(|it| 0 < it), Ok(true), "{refused}");
    }
    assert_eq!(platform.asked("/.well-known/openid-configuration"), 1);
}
