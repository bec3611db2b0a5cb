//! What people see of the issuer: in a browser without scripts, beside an application that somebody else's library speaks for.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use acceptance::{Answer, Authenticator, Request, World, node};
use serde_json::{Value, json};

const NX: &str = "cloudnx.in";

fn text(it: &Value, name: &str) -> String {
    it[name].as_str().expect("a text").to_owned()
}

/// Has a second factor asked of a user from now on: its secret, and a code for whoever has lost it.
#[track_caller]
fn second_factor(world: &World, name: &str, password: &str, tenant: &str) -> (String, String) {
    let own = |request: Request| request.header("Origin", "https://cloudnx.in").header("Sec-Fetch-Site", "same-origin");
    let body = json!({ "email": name, "password": password, "tenant_id": tenant });
    let signed_in = world.ask(&own(Request::post(NX, "/auth/login")).json(&body)).expect(200);
    let access = |it: &Answer| {
        let line = it.headers.iter().find(|(name, value)| name == "set-cookie" && value.starts_with("cnx_access="));
        line.and_then(|(_, value)| value.split(';').next()).expect("a cookie").to_owned()
    };
    let cookie = access(&signed_in);
    let change = |target: &str| own(Request::post(NX, target)).header("Cookie", &cookie);
    let secret = text(&world.ask(&change("/auth/mfa")).expect(200).json(), "secret");
    let confirm = change("/auth/mfa/confirm").json(&json!({ "code": Authenticator::of(&secret).code(0) }));
    let confirmed = world.ask(&confirm).expect(200).json();
    (secret, confirmed["recovery_codes"][0].as_str().expect("a code").to_owned())
}

#[test]
fn a_user_signs_in_with_two_factors_and_lets_an_application_act_for_them() {
    let world = World::start();
    let (here, there) = (world.tenant("novastraxis"), world.tenant("cloudnx"));
    let (member, owner) = (format!("{here}=member"), format!("{there}=owner"));
    let words =
        ["users", "create", "--name", "ann@example.com", "--display", "Ann", "--role", &member, "--role", &owner];
    let user = world.gateway.json(&words);
    let password = text(&user, "password");
    let (secret, recovery) = second_factor(&world, "ann@example.com", &password, &there);
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
            ("RECOVERY", &recovery),
        ],
    );
    let seen: Value = serde_json::from_str(&seen.out).expect("what was seen");
    assert_eq!(seen["described"], "fault", "{seen:#}");
    assert!(text(&seen, "refused").contains("not a name and a password"), "{seen:#}");
    assert!(text(&seen, "consent").contains("Dashboard"), "{seen:#}");
    assert_eq!((&seen["claims"]["sub"], &seen["userinfo"]["sub"]), (&user["id"], &user["id"]), "{seen:#}");
    assert_eq!(seen["claims"]["amr"], json!(["pwd", "otp", "mfa"]), "{seen:#}");
    assert_eq!(
        (&seen["listed"], &seen["turned"], &seen["again"]),
        (&json!(200), &json!(true), &json!(true)),
        "{seen:#}"
    );
    assert_eq!(seen["later"], true, "{seen:#}");
    assert_eq!(seen["after"], 401, "{seen:#}");
}
