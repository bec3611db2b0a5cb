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
