//! What people see of the issuer: in a browser without scripts, beside an application that somebody else's library speaks for.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::time::{SystemTime, UNIX_EPOCH};

use acceptance::{Answer, Request, World, node};
use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use serde_json::{Value, json};

const NX: &str = "cloudnx.in";

/// The code of an authenticator (RFC 6238) of half a minute ago.
fn last_code(secret: &str) -> String {
    let digit = |it: u8| if it.is_ascii_digit() { it - b'2' + 26 } else { it - b'A' };
    let bits: Vec<u8> = secret.bytes().flat_map(|it| (0..5).rev().map(move |bit| digit(it) >> bit & 1)).collect();
    let bytes: Vec<u8> = bits.chunks_exact(8).map(|it| it.iter().fold(0, |byte, bit| byte << 1 | bit)).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    let step = now / 30 - 1;
    let tag = sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes), &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[19] & 15);
    let number = u32::from_be_bytes(tag[at..at + 4].try_into().expect("four bytes")) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

fn text(it: &Value, name: &str) -> String {
    it[name].as_str().expect("a text").to_owned()
}

/// Has a second factor asked of a user from now on: its secret.
#[track_caller]
fn second_factor(world: &World, name: &str, password: &str) -> String {
    let own = |request: Request| request.header("Origin", "https://cloudnx.in").header("Sec-Fetch-Site", "same-origin");
    let body = json!({ "email": name, "password": password });
    let signed_in = world.ask(&own(Request::post(NX, "/auth/login")).json(&body)).expect(200);
    let access = |it: &Answer| {
        let line = it.headers.iter().find(|(name, value)| name == "set-cookie" && value.starts_with("cnx_access="));
        line.and_then(|(_, value)| value.split(';').next()).expect("a cookie").to_owned()
    };
    let cookie = access(&signed_in);
    let change = |target: &str| own(Request::post(NX, target)).header("Cookie", &cookie);
    let secret = text(&world.ask(&change("/auth/mfa").json(&json!({}))).expect(200).json(), "secret");
    // Each code is good once, so that the one of now is left for the browser.
    let confirm = change("/auth/mfa/confirm").json(&json!({ "code": last_code(&secret) }));
    let _ = world.ask(&confirm).expect(200);
    secret
}

#[test]
fn a_user_signs_in_with_two_factors_and_lets_an_application_act_for_them() {
    let world = World::start();
    let (here, there) = (world.tenant("novastraxis"), world.tenant("cloudnx"));
    let (member, owner) = (format!("{here}=member"), format!("{there}=owner"));
    let words = ["users", "create", "--name", "ann@example.com", "--display", "Ann", "--role", &member, "--role", &owner];
    let user = world.gateway.json(&words);
    let password = text(&user, "password");
    let secret = second_factor(&world, "ann@example.com", &password);
    let words = [
        "clients",
        "create",
        "--api",
        "novastraxis",
        "--tenant",
        &here,
        "--name",
        "Dashboard",
        "--auth",
        "none",
        "--grants",
        "authorization_code,refresh_token",
        "--redirect-uri",
        "http://127.0.0.1/callback",
        "--scopes",
        "openid,profile,compute",
    ];
    let client = text(&world.gateway.json(&words), "id");
    let seen = node(
        &world,
        "sign_in.mjs",
        &[
            ("ISSUER", "https://api.novastraxis.com"),
            ("CLIENT_ID", &client),
            ("USER", "ann@example.com"),
            ("PASSWORD", &password),
            ("SECRET", &secret),
        ],
    );
    let seen: Value = serde_json::from_str(&seen.out).expect("what was seen");
    assert_eq!(seen["described"], "fault", "{seen:#}");
    assert!(text(&seen, "refused").contains("not a name and a password"), "{seen:#}");
    assert!(text(&seen, "consent").contains("Dashboard"), "{seen:#}");
    assert_eq!((&seen["claims"]["sub"], &seen["userinfo"]["sub"]), (&user["id"], &user["id"]), "{seen:#}");
    assert_eq!(seen["claims"]["amr"], json!(["pwd", "otp"]), "{seen:#}");
    assert_eq!((&seen["listed"], &seen["turned"], &seen["silent"]), (&json!(200), &json!(true), &json!(true)), "{seen:#}");
    assert_eq!(seen["after"], 401, "{seen:#}");
}
