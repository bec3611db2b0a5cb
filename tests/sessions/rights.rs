//! Who may make whom what: nobody gives, takes or changes more than they have.

use acceptance::{Request, World};
use serde_json::{Value, json};

use crate::{NX, signed_in};

#[test]
fn a_key_of_one_api_gives_no_role_that_opens_another() {
    let world = World::start();
    let tenant = world.tenant("cloudnx");
    let (ann, ben) = (world.user("ann", &tenant, "owner"), world.user("ben", &tenant, "viewer"));
    let browser = signed_in(&world, &ann);
    // All that an owner may do at this API, and nothing at the others.
    let roles = world.ask(&browser.get("/auth/iam/roles")).expect(200).json();
    let of_owner = roles["roles"].as_array().expect("roles").iter().find(|it| it["name"] == "owner");
    let scopes: Vec<&str> =
        of_owner.and_then(|it| it["permissions"].as_array()).into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(scopes.contains(&"users:write") && scopes.contains(&"teams:write"), "{roles:#}");
    let key = world.key("cloudnx", &scopes);
    let shown = json!({ "access_key_id": key.text, "secret_access_key": key.secret });
    let token = world.ask(&Request::post(NX, "/auth/iam/exchange-credentials").json(&shown)).expect(200).json();
    let token = token["access_token"].as_str().expect("a token");
    let by_key = |method: &str, target: &str| Request::new(method, NX, target).bearer(token);
    let team = world.ask(&by_key("POST", "/auth/teams").json(&json!({ "name": "Plain" }))).expect(201).json();
    let invites = format!("/auth/teams/{}/invites", team["id"].as_str().expect("an id"));
    let user = format!("/auth/users/{}", ben.id);
    let mut number = 0;
    for role in ["viewer", "member", "owner"] {
        number += 1;
        let mail = format!("new{number}@example.com");
        for (method, target, body) in [
            ("POST", "/auth/users", json!({ "email": mail, "roles": [role] })),
            ("PATCH", &user, json!({ "roles": [role] })),
            ("POST", "/auth/teams", json!({ "name": role, "roles": [role] })),
            ("POST", &invites, json!({ "email": mail, "role": role })),
        ] {
            let beyond = world.ask(&by_key(method, target).json(&body)).expect(403);
            assert_eq!(beyond.says("refusal-reason"), "insufficient_scope", "{method} {target} {body}");
            let given = world.ask(&browser.change(method, target).json(&body));
            assert!(given.status < 300, "an owner has it all: {method} {target} {body}: {given}");
        }
    }
    // What nobody named, and what is taken.
    let _ = world.ask(&by_key("POST", "/auth/users").json(&json!({ "email": "least@example.com" }))).expect(403);
    let _ = world.ask(&by_key("DELETE", &user)).expect(403);
    // A session is of this API alone, and the key may end it.
    let other = signed_in(&world, &ann);
    let id = other.refresh.split('.').next().expect("a grant");
    let _ = world.ask(&by_key("DELETE", &format!("/auth/sessions/{id}"))).expect(200);
}

#[test]
fn whoever_has_less_than_a_user_changes_nothing_of_them_and_everybody_sees_what_they_are() {
    let world = World::start();
    let tenant = world.tenant("cloudnx");
    let (ann, ben) = (world.user("ann", &tenant, "owner"), world.user("ben", &tenant, "viewer"));
    let (browser, key) = (signed_in(&world, &ann), world.key("cloudnx", &["users:read", "users:write"]));
    let shown = json!({ "access_key_id": key.text, "secret_access_key": key.secret });
    let token = world.ask(&Request::post(NX, "/auth/iam/exchange-credentials").json(&shown)).expect(200).json();
    let token = token["access_token"].as_str().expect("a token");
    let target = format!("/auth/users/{}", ben.id);
    let named = json!({ "name": "Mallory" });
    let refused = world.ask(&Request::new("PATCH", NX, &target).bearer(token).json(&named)).expect(403);
    assert_eq!(refused.says("refusal-reason"), "insufficient_scope");
    let of = |it: &Value| (it["id"].clone(), it["name"].clone(), it["roles"].clone());
    let (her, him) =
        ((json!(ann.id), Value::Null, json!(["owner"])), |roles: Value| (json!(ben.id), json!("Ben"), roles));
    let changed = world.ask(&browser.change("PATCH", &target).json(&json!({ "name": "Ben" }))).expect(200).json();
    assert_eq!(of(&changed), him(json!(["viewer"])));
    // By a team as well, and in the list, for whoever may read it.
    let team = world.ask(&browser.change("POST", "/auth/teams").json(&json!({ "name": "T", "roles": ["member"] })));
    let invites = format!("/auth/teams/{}/invites", team.expect(201).json()["id"].as_str().expect("an id"));
    let invite = json!({ "email": ben.name, "role": "viewer" });
    let invite = world.ask(&browser.change("POST", &invites).json(&invite)).expect(201).json();
    let accept =
        signed_in(&world, &ben).change("POST", "/auth/invites/accept").json(&json!({ "token": invite["token"] }));
    let _ = world.ask(&accept).expect(200);
    let shown = world.ask(&Request::get(NX, &target).bearer(token)).expect(200).json();
    assert_eq!(of(&shown), him(json!(["member", "viewer"])));
    let listed = world.ask(&Request::get(NX, "/auth/users").bearer(token)).expect(200).json();
    let listed: Vec<_> = listed["users"].as_array().expect("users").iter().map(of).collect();
    assert_eq!(listed, [her, him(json!(["member", "viewer"]))]);
    let roles = json!({ "roles": ["viewer"] });
    let changed = world.ask(&browser.change("PATCH", &target).json(&roles)).expect(200).json();
    assert_eq!(of(&changed), him(json!(["member", "viewer"])), "the team still makes him one");
    let made = json!({ "email": "new@example.com", "roles": ["member"] });
    assert_eq!(
        world.ask(&browser.change("POST", "/auth/users").json(&made)).expect(201).json()["roles"],
        json!(["member"])
    );
}

#[test]
fn a_word_that_is_not_known_where_rights_are_given_is_named_and_nothing_is_done() {
    let world = World::start();
    let browser = signed_in(&world, &world.user("ann", &world.tenant("cloudnx"), "owner"));
    let team = world.ask(&browser.change("POST", "/auth/teams").json(&json!({ "name": "T" }))).expect(201).json();
    let team = format!("/auth/teams/{}", team["id"].as_str().expect("an id"));
    let (invites, exchange) = (format!("{team}/invites"), "/auth/iam/exchange-credentials");
    for (method, target, word, body) in [
        ("POST", "/auth/users", "role", json!({ "email": "x@example.com", "role": "viewer" })),
        ("PATCH", "/auth/users/usr_x", "role", json!({ "name": "x", "role": "viewer" })),
        ("POST", "/auth/iam/users", "frobnicate", json!({ "name": "x", "frobnicate": 1 })),
        ("POST", "/auth/iam/users", "roles", json!({ "name": "x", "roles": ["owner"] })),
        ("POST", "/auth/teams", "role", json!({ "name": "x", "role": "viewer" })),
        ("PATCH", &team, "role", json!({ "name": "x", "role": "viewer" })),
        ("POST", &invites, "roles", json!({ "email": "x@example.com", "roles": ["viewer"] })),
        ("POST", "/auth/invites/accept", "display", json!({ "token": "ivt_x", "display": "x" })),
        (
            "POST",
            exchange,
            "scopes",
            json!({ "access_key_id": "A".repeat(20), "secret_access_key": "x", "scopes": [] }),
        ),
    ] {
        let refused = world.ask(&browser.change(method, target).json(&body)).expect(400);
        assert_eq!(refused.says("refusal-reason"), "invalid_body", "{method} {target}: {refused}");
        assert!(refused.text().contains(&format!("`{word}`")), "{method} {target}: {refused}");
    }
    let kept = world.ask(&browser.get("/auth/users")).expect(200).json();
    assert_eq!(kept["users"].as_array().map(Vec::len), Some(1), "{kept:#}");
}
