//! What everybody may do to their own sessions, and nobody to those of others.

use acceptance::{Request, World};
use serde_json::{Value, json};

use crate::{Browser, NX, cookies, sign_in, signed_in};

/// The session of a browser.
fn id(browser: &Browser) -> &str {
    browser.refresh.split('.').next().expect("a grant")
}

fn works(world: &World, browser: &Browser) -> bool {
    world.ask(&browser.get("/compute/instances")).status == 200
}

#[test]
fn whoever_is_signed_in_ends_their_own_sessions_and_all_of_them_in_one_step() {
    let world = World::start();
    let tenant = world.tenant("cloudnx");
    let bob = signed_in(&world, &world.user("bob", &tenant, "owner"));
    for role in ["viewer", "member", "owner"] {
        let user = world.user(role, &tenant, role);
        let (one, two, three) = (signed_in(&world, &user), signed_in(&world, &user), signed_in(&world, &user));
        let listed = world.ask(&one.get("/auth/sessions")).expect(200).json();
        let own = listed["sessions"].as_array().expect("a list").iter().filter(|it| it["user_id"] == json!(user.id));
        assert_eq!(own.count(), 3, "{role}: {listed}");
        let _ = world.ask(&one.change("DELETE", &format!("/auth/sessions/{}", id(&two)))).expect(200);
        assert!(works(&world, &one) && !works(&world, &two) && works(&world, &three), "{role}");
        let foreign = one.foreign_change("DELETE", "/auth/sessions").header("Sec-Fetch-Site", "cross-site");
        let _ = world.ask(&foreign).expect(403);
        let told = world.ask(&one.change("DELETE", "/auth/sessions")).expect(200);
        assert_eq!(told.json(), json!({ "status": "ended", "ended": 2 }), "{role}");
        assert!(cookies(&told).iter().all(|it| it.contains("=; ") && it.contains("Max-Age=0")), "{told}");
        for ended in [&one, &two, &three] {
            assert!(!works(&world, ended), "{role}");
            let _ = world.ask(&ended.renew()).expect(401);
        }
        let _ = world.ask(&sign_in(&user.name, &user.password)).expect(200);
    }
    assert!(works(&world, &bob), "nobody else is signed out");
}

#[test]
fn the_sessions_of_others_are_ended_by_who_looks_after_them_and_has_no_less_than_they_do() {
    let world = World::start();
    let tenant = world.tenant("cloudnx");
    let of = |name: &str, tenant: &str, role: &str| signed_in(&world, &world.user(name, tenant, role));
    let (owner, member, viewer) =
        (of("ann", &tenant, "owner"), of("bob", &tenant, "member"), of("eve", &tenant, "viewer"));
    let stranger = of("zoe", &world.new_tenant("other"), "owner");
    let end = |who: &Browser, whose: &str| world.ask(&who.change("DELETE", &format!("/auth/sessions/{whose}")));
    // Whoever may not is told the same, whosever session it is, and whether there is one.
    for whose in [id(&owner), id(&viewer), id(&stranger), "grt_0000000000000000"] {
        let told = end(&member, whose).expect(403);
        assert_eq!(told.says("refusal-reason"), "insufficient_scope");
    }
    let _ = end(&stranger, id(&owner)).expect(404);
    let _ = end(&owner, id(&stranger)).expect(404);
    // A key that may end sessions, and no more, ends none of an owner.
    let key = world.key("cloudnx", &["sessions:read", "sessions:write"]);
    let shown = json!({ "access_key_id": key.text, "secret_access_key": key.secret });
    let token = world.ask(&Request::post(NX, "/auth/iam/exchange-credentials").json(&shown)).expect(200).json();
    let token = token["access_token"].as_str().expect("a token");
    let by_key = |whose: &str| world.ask(&Request::new("DELETE", NX, &format!("/auth/sessions/{whose}")).bearer(token));
    for whose in [id(&owner), id(&viewer)] {
        assert_eq!(by_key(whose).expect(403).says("refusal-reason"), "insufficient_scope");
    }
    let _ = by_key(id(&stranger)).expect(404);
    let _ = world.ask(&Request::new("DELETE", NX, "/auth/sessions").bearer(token)).expect(401);
    assert!([&owner, &member, &viewer, &stranger].into_iter().all(|it| works(&world, it)));
    let _ = end(&owner, id(&viewer)).expect(200);
    assert!(!works(&world, &viewer) && works(&world, &member));
}

#[test]
fn a_key_of_a_user_shows_the_sessions_that_they_see_themself() {
    let world = World::start();
    let tenant = world.tenant("cloudnx");
    let (ann, bob) = (world.user("ann", &tenant, "owner"), world.user("bob", &tenant, "member"));
    let (of_ann, of_bob) = (signed_in(&world, &ann), signed_in(&world, &bob));
    let stranger = signed_in(&world, &world.user("zoe", &world.new_tenant("other"), "member"));
    let shown = |scopes: &[&str], more: &[&str]| {
        let key = world.key_with("cloudnx", &tenant, scopes, more);
        let shown = json!({ "access_key_id": key.text, "secret_access_key": key.secret });
        let token = world.ask(&Request::post(NX, "/auth/iam/exchange-credentials").json(&shown)).expect(200).json();
        let token = token["access_token"].as_str().expect("a token").to_owned();
        let listed = world.ask(&Request::get(NX, "/auth/sessions").bearer(&token)).expect(200).json();
        let listed: Vec<Value> = listed["sessions"].as_array().expect("a list").clone();
        [&of_ann, &of_bob, &stranger].map(|it| listed.iter().any(|shown| shown["id"] == id(it)))
    };
    assert_eq!(shown(&["sessions:read"], &["--owner", &bob.id]), [false, true, false]);
    assert_eq!(shown(&["sessions:read"], &["--owner", &ann.id]), [true, false, false], "though they may see all");
    assert_eq!(shown(&["sessions:read", "sessions:write"], &["--owner", &ann.id]), [true, true, false]);
    assert_eq!(shown(&["sessions:read"], &[]), [true, true, false], "it is nobody's own");
}

#[test]
fn nobody_signs_in_to_a_suspended_tenant_nor_renews_a_session_there() {
    let world = World::start();
    let tenant = world.new_tenant("closing");
    let ann = world.user("ann", &tenant, "owner");
    let browser = signed_in(&world, &ann);
    assert_eq!(world.gateway.command(&["tenants", "suspend", &tenant]).code, 0);
    world.gateway.catch_up();
    let told = world.ask(&sign_in(&ann.name, &ann.password)).expect(401);
    assert_eq!((told.says("refusal-reason"), cookies(&told)), ("invalid_credentials", Vec::new()));
    let told = world.ask(&browser.renew()).expect(401);
    assert_eq!(cookies(&told), Vec::<&str>::new());
    assert_eq!(world.gateway.command(&["tenants", "resume", &tenant]).code, 0);
    world.gateway.catch_up();
    let _ = world.ask(&browser.renew()).expect(200);
    let _ = world.ask(&sign_in(&ann.name, &ann.password)).expect(200);
}

#[test]
fn two_steps_behind_a_refresh_token_is_given_the_end_of_the_chain() {
    let world = World::start();
    let first = signed_in(&world, &world.user("ann", &world.tenant("cloudnx"), "viewer"));
    let second = Browser::of(&world.ask(&first.renew()).expect(200));
    let third = Browser::of(&world.ask(&second.renew()).expect(200));
    let late = Browser::of(&world.ask(&first.renew()).expect(200));
    assert_eq!(late.refresh, third.refresh);
    let _ = world.ask(&third.renew()).expect(200);
}

#[test]
fn a_second_factor_that_is_confirmed_ends_every_session_and_begins_another() {
    let world = World::start();
    let ann = world.user("ann", &world.tenant("cloudnx"), "viewer");
    let (here, elsewhere) = (signed_in(&world, &ann), signed_in(&world, &ann));
    let with = |target: &str, body: Value| here.change("POST", target).json(&body);
    let wrong = world.ask(&with("/auth/mfa", json!({ "current_password": "wrong" }))).expect(401);
    assert_eq!(wrong.says("refusal-reason"), "invalid_credentials");
    let unknown = world.ask(&with("/auth/mfa", json!({ "current_password": ann.password, "curent": 1 }))).expect(400);
    assert!(unknown.text().contains("curent"), "{unknown}");
    let begun = world.ask(&with("/auth/mfa", json!({ "current_password": ann.password }))).expect(200).json();
    let authenticator = acceptance::Authenticator::of(begun["secret"].as_str().expect("a secret"));
    let code = authenticator.code(0);
    let _ = world.ask(&with("/auth/mfa/confirm", json!({ "code": code, "current_password": "wrong" }))).expect(401);
    let confirmed = world.ask(&with("/auth/mfa/confirm", json!({ "code": code }))).expect(200);
    assert_eq!(confirmed.json()["mfa_enrolled"], true, "{confirmed}");
    for old in [&here, &elsewhere] {
        assert!(!works(&world, old));
        let _ = world.ask(&old.renew()).expect(401);
    }
    let next = Browser::of(&confirmed);
    assert!(works(&world, &next));
    let listed = world.ask(&next.get("/auth/sessions")).expect(200).json();
    assert_eq!(listed["sessions"].as_array().map(Vec::len), Some(1), "{listed}");
}

#[test]
fn an_owner_gives_a_password_to_users_of_the_account_alone_and_their_sessions_end() {
    let world = World::start();
    let tenant = world.tenant("cloudnx");
    let ann = world.user("ann", &tenant, "owner");
    let owner = signed_in(&world, &ann);
    let give = |id: &str, text: &str| {
        world.ask(&owner.change("PATCH", &format!("/auth/users/{id}")).json(&json!({ "password": text })))
    };
    // Somebody who was made without one.
    let made = world.ask(&owner.change("POST", "/auth/users").json(&json!({ "email": "bob@example.com" })));
    let made = made.expect(201).json();
    let (id, name) = (made["id"].as_str().expect("an id"), made["sign_in_name"].as_str().expect("a name"));
    assert_eq!(give(id, "password1234").expect(400).says("refusal-reason"), "weak_password");
    let _ = give(id, "a horse of bob").expect(200);
    let bob = Browser::of(&world.ask(&sign_in(name, "a horse of bob")).expect(200));
    let _ = world.ask(&bob.get("/compute/instances")).expect(200);
    // Somebody who has forgotten theirs.
    let _ = give(id, "another of bob").expect(200);
    let _ = world.ask(&bob.get("/compute/instances")).expect(401);
    let _ = world.ask(&sign_in(name, "a horse of bob")).expect(401);
    let _ = world.ask(&sign_in(name, "another of bob")).expect(200);
    // Nothing is done of what cannot be done whole.
    let change = |body: Value| world.ask(&owner.change("PATCH", &format!("/auth/users/{id}")).json(&body)).expect(400);
    let _ = change(json!({ "password": "a third of bob", "roles": ["member"] }));
    let _ = change(json!({ "roles": ["owner"], "name": " " }));
    let _ = change(json!({ "roles": ["owner"], "name": "bob\u{7}" }));
    let shown = world.ask(&owner.get(&format!("/auth/users/{id}"))).expect(200).json();
    assert_eq!(shown["roles"], json!(["viewer"]));
    let _ = world.ask(&sign_in(name, "another of bob")).expect(200);
    let given = |it: &Value| it["action"] == "set_password" && it["target"] == id && it["outcome"] == "done";
    assert_eq!(world.gateway.entries().of_kind(2, given).len(), 2);
    // Neither their own, nor that of whoever an operator made known, nor anybody's elsewhere.
    assert_eq!(give(&ann.id, "another horse").expect(409).says("refusal-reason"), "conflict");
    let _ = give(&world.user("carl", &tenant, "member").id, "another horse").expect(409);
    let stranger = world.user("mallory", &world.new_tenant("other"), "member");
    let _ = give(&stranger.id, "another horse").expect(404);
    let _ = world.ask(&sign_in(&ann.name, &ann.password)).expect(200);
}
