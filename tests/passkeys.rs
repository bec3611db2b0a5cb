//! Passkeys: registered and used in a browser, and of no use anywhere else, a second time, or by a copy.

use acceptance::{Request, World, node};
use serde_json::{Value, json};

const ISSUER: &str = "api.novastraxis.com";

#[test]
fn a_passkey_signs_its_user_in_once_a_time_where_it_was_made_and_nowhere_else() {
    // Whatever is wrong is a guess, and there is one address.
    let world =
        World::with(|settings, _| settings.more += "[limits.shield]\nfailures = 1000\nlongest_delay = \"0s\"\n");
    let tenant = world.tenant("novastraxis");
    let (ann, eve) = (world.user("ann", &tenant, "member"), world.user("eve", &tenant, "member"));
    let seen = node(
        &world,
        "passkeys.mjs",
        &[
            ("ISSUER", "https://api.novastraxis.com"),
            ("OTHER_ISSUER", "https://api.cloudnexus.io"),
            ("USER", &ann.name),
            ("PASSWORD", &ann.password),
            ("OTHER_USER", &eve.name),
            ("OTHER_PASSWORD", &eve.password),
        ],
    );
    let seen: Value = serde_json::from_str(&seen.out).expect("what was seen");
    assert_eq!(seen["unasked"], "Sign in", "who has not signed in registers nothing: {seen:#}");
    assert_eq!(seen["listed"], json!(["Laptop", "Phone"]), "{seen:#}");
    assert_eq!(seen["signed_in"], true, "{seen:#}");
    assert_eq!(
        seen["locked"],
        json!([403, true]),
        "a password opens nothing for ten wrong ones, a passkey does: {seen:#}"
    );
    for refused in ["replayed", "another_browser", "another_origin", "another_challenge", "not_unlocked", "cloned"] {
        assert_eq!(seen[refused], 403, "{refused}: {seen:#}");
    }
    assert_eq!(seen["foreign_page"], "nothing", "a browser asks no authenticator for another host: {seen:#}");
    assert_eq!(seen["registered_by_replay"], 403, "{seen:#}");
    assert_eq!(seen["registered_twice"], json!(["Laptop", "Phone"]), "{seen:#}");
    assert_eq!(seen["removed_by_another"], 404, "{seen:#}");
    assert_eq!(seen["left"], json!(["Phone"]), "{seen:#}");
    assert_eq!(seen["removed"], 403, "{seen:#}");
    assert_eq!(seen["faults"], json!([]), "{seen:#}");
    let removed = |it: &Value| it["action"] == "remove_passkey" && it["outcome"] == "done";
    let _ = world.gateway.entries().of_kind(1, removed);
    let entries = world.gateway.entries().whole();
    let of = |action: &str, outcome: &str| {
        let found = entries.iter().filter(|it| it["class"] == "identity.change" && it["action"] == action);
        found.filter(|it| it["outcome"] == outcome && it["target"] == ann.id.as_str()).count()
    };
    assert_eq!((of("register_passkey", "done"), of("remove_passkey", "done")), (2, 1), "{entries:#?}");
    assert_eq!(of("use_passkey", "refused"), 1, "a copy is entered");
    let starts = entries.iter().filter(|it| it["class"] == "session.start" && it["facts"]["methods"] == "hwk mfa");
    assert_eq!(starts.count(), seen["sessions"].as_u64().and_then(|it| usize::try_from(it).ok()).expect("a number"));
    // Whoever has lost all of them is let in by an operator with a password again, and they are good for nothing.
    let reset = world.gateway.command(&["users", "reset-mfa", &ann.id]);
    assert_eq!(reset.code, 0, "{reset:?}");
    assert_eq!(world.gateway.command(&["users", "reset-mfa", &ann.id]).code, 2, "nothing is left");
    world.gateway.entries().assert_sound();
}

#[test]
fn the_login_page_runs_one_script_and_needs_none() {
    let world = World::start();
    let page = world.ask(&Request::get(ISSUER, "/oauth/login?continue=/oauth/passkeys")).expect(200);
    let policy = page.says("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let set = page.says("set-cookie");
    assert!(set.starts_with("__Host-portcullis-login=") && set.contains("; Secure; HttpOnly; SameSite=Lax"), "{set}");
    let text = page.text();
    assert!(text.contains("id=\"passkey\"") && text.contains(" hidden data-challenge="), "{text}");
    let away = world.ask(&Request::get(ISSUER, "/oauth/passkeys")).expect(303);
    assert_eq!(away.says("location"), "/oauth/login?continue=/oauth/passkeys");
    let own = |request: Request| request.header("Origin", "https://api.novastraxis.com");
    let change = Request::post(ISSUER, "/oauth/passkeys").body("application/x-www-form-urlencoded", "remove=psk_1");
    let _ = world.ask(&own(change.clone())).expect(303);
    let _ = world.ask(&change.header("Sec-Fetch-Site", "cross-site")).expect(403);
}
