//! Service accounts, and what cloudnx calls IAM users: made, used, held and ended, by their own tenant and by no other.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::time::Duration;

use acceptance::{Key, Request, World, python, until};
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const ACCOUNTS: &str = "/v2/iam/service-accounts";
const LIST: &str = "/v2/compute/instances";
const NX: &str = "cloudnx.in";
const USERS: &str = "/auth/iam/users";
const INSTANCES: &str = "/compute/instances";

/// What no entry may say: the name of an account may be that of a person.
const NAME: &str = "zanzibar";

/// The service accounts that a key is shown.
#[track_caller]
fn accounts(world: &World, reader: &Key, query: &str) -> Vec<Value> {
    let answer = world.ask(&Request::get(NSX, &format!("{ACCOUNTS}{query}")).bearer(&reader.text)).expect(200).json();
    let shown = answer["service_accounts"].as_array().expect("a list").clone();
    assert_eq!(answer["total"], shown.len(), "{answer:#}");
    shown
}

#[track_caller]
fn status(world: &World, key: &Key) -> u16 {
    world.ask(&Request::get(NSX, LIST).bearer(&key.text)).status
}

/// The entries of a class, once one of them is of this action.
#[track_caller]
fn entered(world: &World, class: &str, action: &str) -> Vec<Value> {
    until(&format!("an entry `{class}` of `{action}`"), Duration::from_secs(30), || {
        let mut all = world.gateway.entries().whole();
        all.retain(|it| it["class"] == class);
        all.iter().any(|it| it["action"] == action).then_some(all)
    })
}

/// A service account of novastraxis with one key, and whoever reads of it.
struct Staffed {
    world: World,
    id: String,
    key: Key,
    reader: Key,
}

fn staffed() -> Staffed {
    let world = World::start();
    let tenant = world.tenant("novastraxis");
    let reader = world.key("novastraxis", &["iam"]);
    let words = ["service-accounts", "create", "--api", "novastraxis", "--tenant", &tenant, "--name", NAME];
    let more = ["--roles", "member", "--workload-identity", "https://issuer.example#build"];
    let made = world.gateway.json(&[&words[..], &more].concat());
    let id = made["id"].as_str().expect("an id").to_owned();
    assert_eq!((&made["status"], &made["key_rotation_status"]), (&json!("active"), &json!("none")), "{made:#}");
    // More than its roles is asked for, and not given.
    let key = world.key_with("novastraxis", &tenant, &["compute", "iam"], &["--owner", &id]);
    Staffed { world, id, key, reader }
}

#[test]
fn service_accounts_are_listed_with_their_keys_to_their_own_tenant_and_to_no_other() {
    let Staffed { world, id, key, reader } = staffed();
    let other = world.key_with("novastraxis", &world.new_tenant("other"), &["iam"], &[]);
    let before = accounts(&world, &reader, "").remove(0);
    assert_eq!(before["last_authenticated_at"], Value::Null, "{before:#}");
    assert_eq!(status(&world, &key), 200);
    let shown = accounts(&world, &reader, "?include_keys=true").remove(0);
    assert_eq!((&shown["id"], &shown["name"], &shown["status"]), (&json!(id), &json!(NAME), &json!("active")));
    assert_eq!((&shown["roles"], &shown["key_rotation_status"]), (&json!(["member"]), &json!("current")), "{shown:#}");
    assert_eq!(shown["workload_identities"], json!(["https://issuer.example#build"]));
    let keys = shown["keys"].as_array().expect("its keys");
    assert_eq!((keys.len(), &keys[0]["id"], &keys[0]["rotation_status"]), (1, &json!(key.id), &json!("current")));
    assert_eq!(keys[0]["last_used_at"], shown["last_authenticated_at"], "{shown:#}");
    assert!(keys[0]["last_used_at"].is_string() && !shown.to_string().contains(&key.text), "{shown:#}");
    assert_eq!(before.get("keys"), None, "they are shown to who asks for them: {before:#}");
    for (query, found) in [
        ("?role=member", 1),
        ("?role=owner", 0),
        ("?status=active&role=member", 1),
        ("?status=suspended", 0),
        ("?include_keys=false", 1),
    ] {
        assert_eq!(accounts(&world, &reader, query).len(), found, "{query}");
    }
    assert!(accounts(&world, &other, "?include_keys=true").is_empty(), "another tenant's");
    // What makes no sense, and who may not.
    let refused = world.ask(&Request::get(NSX, &format!("{ACCOUNTS}?status=odd")).bearer(&reader.text)).expect(400);
    assert_eq!(refused.json()["error_code"], "invalid_request", "{refused}");
    let _ = world.ask(&Request::get(NSX, ACCOUNTS).bearer(&key.text)).expect(403);
    // The key that takes the place of another stays the account's.
    let _ = world.gateway.json(&["api-keys", "rotate", &key.id]);
    world.gateway.catch_up();
    let rotated = accounts(&world, &reader, "?include_keys=true").remove(0);
    assert_eq!(rotated["key_rotation_status"], "rotating", "{rotated:#}");
    assert!(rotated["keys"][0]["rotating_until"].is_string(), "{rotated:#}");
    assert_eq!(rotated["keys"][1]["rotation_status"], "current", "{rotated:#}");
    world.gateway.entries().assert_sound();
}

#[test]
fn what_becomes_of_a_service_account_becomes_of_its_keys_at_their_next_request() {
    let Staffed { world, id, key, reader } = staffed();
    let act = |words: &[&str]| {
        let told = world.gateway.json(&[&["service-accounts"], words].concat());
        world.gateway.catch_up();
        told
    };
    assert_eq!(status(&world, &key), 200);
    let _ = act(&["suspend", &id]);
    let held = world.ask(&Request::get(NSX, LIST).bearer(&key.text)).expect(403);
    let entry = world.gateway.entries().of(held.says("x-request-id"));
    assert_eq!((&entry["decision"]["step"], &entry["decision"]["reason"]), (&json!("authorize"), &json!("suspended")));
    assert_eq!(accounts(&world, &reader, "?status=suspended").len(), 1);
    let late = world.gateway.command(&["api-keys", "create", "--name", "late", "--owner", &id]);
    assert!(late.code == 2 && late.errors.contains("is suspended"), "{late:?}");
    let _ = act(&["resume", &id]);
    assert_eq!(status(&world, &key), 200);
    // `viewer` may not list instances, and what was lost does not come back by itself.
    let _ = act(&["set-roles", &id, "--roles", "viewer"]);
    assert_eq!(status(&world, &key), 403);
    let _ = act(&["set-roles", &id, "--roles", "owner"]);
    assert_eq!(status(&world, &key), 403);
    let shown = world.gateway.json(&["service-accounts", "show", &id]);
    assert_eq!((&shown["keys"][0]["id"], &shown["keys"][0]["scopes"]), (&json!(key.id), &json!([])), "{shown:#}");
    let _ = act(&["delete", &id]);
    assert_eq!(status(&world, &key), 401);
    assert!(accounts(&world, &reader, "").is_empty());
    assert_eq!(world.gateway.json(&["service-accounts", "list"]), json!([]));
    assert_eq!(world.gateway.command(&["service-accounts", "resume", &id]).code, 2);
    let changes = entered(&world, "identity.change", "resume");
    let done: Vec<&str> =
        changes.iter().filter(|it| it["outcome"] == "done").filter_map(|it| it["action"].as_str()).collect();
    assert_eq!(done, ["create", "suspend", "resume", "delete"], "{changes:#?}");
    assert!(changes.iter().all(|it| it["facts"]["kind"] == "service_account"), "{changes:#?}");
    let roles = entered(&world, "role.change", "set");
    assert_eq!(roles.len(), 3, "{roles:#?}");
    assert!(!json!([changes, roles]).to_string().contains(NAME), "what it is called is in an entry");
    world.gateway.entries().assert_sound();
}

/// One request that is to be signed: with which key, by what method, for what, and with which body.
type Asked<'a> = (&'a Key, &'a str, &'a str, Value);

/// Asks each of these in order, signed by botocore, and gives the answers.
#[track_caller]
fn signed(world: &World, requests: &[Asked<'_>]) -> Vec<Value> {
    let row = |(key, method, target, body): &Asked<'_>| {
        let key: Value = serde_json::from_str(&key.shown()).expect("a key");
        json!({ "key": key, "host": NX, "method": method, "target": target, "body": body })
    };
    let requests: Vec<Value> = requests.iter().map(row).collect();
    let told = python(world, "signed_requests.py", &[("REQUESTS", &json!(requests).to_string())]).out;
    let told: Value = serde_json::from_str(told.lines().last().unwrap_or_default()).expect("what was answered");
    told["answers"].as_array().expect("answers").clone()
}

#[track_caller]
#[expect(clippy::too_many_arguments, reason = "a request, and what it must come to")]
fn one(world: &World, key: &Key, method: &str, target: &str, body: Value, status: u16) -> Value {
    let answer = signed(world, &[(key, method, target, body)]).remove(0);
    assert_eq!(answer["status"], status, "{method} {target}: {answer:#}");
    answer["body"].clone()
}

#[track_caller]
fn statuses(answers: &[Value]) -> Vec<u64> {
    answers.iter().map(|it| it["status"].as_u64().expect("a status")).collect()
}

/// An access key, as it is told once.
#[track_caller]
fn told(made: &Value, tenant: &str) -> Key {
    let text = |name: &str| made[name].as_str().expect("a half of a key").to_owned();
    let (id, secret) = (text("access_key_id"), Some(text("secret_access_key")));
    Key { text: id.clone(), id, tenant: tenant.to_owned(), secret }
}

#[test]
fn an_iam_user_signs_with_a_key_from_the_moment_it_is_told_until_the_moment_it_is_revoked() {
    let world = World::start();
    let admin = world.key("cloudnx", &["iam:read", "iam:write", "compute:read"]);
    let new = json!({ "name": NAME, "permissions": ["compute:read"] });
    let user = one(&world, &admin, "POST", USERS, new.clone(), 201);
    assert_eq!((&user["name"], &user["permissions"]), (&json!(NAME), &json!(["compute:read"])), "{user:#}");
    let at = format!("{USERS}/{}", user["id"].as_str().expect("an id"));
    let keys = format!("{at}/access-keys");
    let _ = one(&world, &admin, "POST", USERS, new, 409);
    let _ = one(&world, &admin, "POST", USERS, json!({ "name": "odd", "permissions": ["fly"] }), 400);
    assert_eq!(one(&world, &admin, "GET", &at, Value::Null, 200), user);
    let listed = one(&world, &admin, "GET", USERS, Value::Null, 200);
    assert_eq!(listed, json!({ "iam_users": [user], "next_cursor": null }));
    let made = one(&world, &admin, "POST", &keys, Value::Null, 201);
    let (key, second) = (told(&made, &admin.tenant), one(&world, &admin, "POST", &keys, Value::Null, 201));
    let second = told(&second, &admin.tenant);
    // At once, and for no more than the user may.
    let asked = signed(&world, &[(&key, "GET", INSTANCES, Value::Null), (&key, "GET", USERS, Value::Null)]);
    assert_eq!(statuses(&asked), [200, 403], "{asked:#?}");
    let page = one(&world, &admin, "GET", &format!("{keys}?limit=1"), Value::Null, 200);
    assert_eq!(page["access_keys"][0]["access_key_id"], key.text.as_str(), "{page:#}");
    assert!(page["access_keys"][0]["last_used_at"].is_string(), "{page:#}");
    let next = format!("{keys}?cursor={}", page["next_cursor"].as_str().expect("another page"));
    let rest = one(&world, &admin, "GET", &next, Value::Null, 200);
    assert_eq!((&rest["access_keys"][0]["access_key_id"], &rest["next_cursor"]), (&json!(second.text), &Value::Null));
    for secret in [&key.secret, &second.secret].into_iter().flatten() {
        assert!(!json!([page, rest]).to_string().contains(secret.as_str()), "a secret is shown twice");
    }
    let _ = one(&world, &admin, "GET", &format!("{keys}?cursor=nobody"), Value::Null, 400);
    let doomed = format!("{keys}/{}", key.text);
    let ended = signed(
        &world,
        &[
            (&admin, "DELETE", &doomed, Value::Null),
            (&key, "GET", INSTANCES, Value::Null),
            (&second, "GET", INSTANCES, Value::Null),
            (&admin, "DELETE", &at, Value::Null),
            (&second, "GET", INSTANCES, Value::Null),
            (&admin, "GET", &at, Value::Null),
            (&admin, "GET", &keys, Value::Null),
        ],
    );
    assert_eq!(statuses(&ended), [200, 401, 200, 200, 401, 404, 404], "{ended:#?}");
    assert_eq!(ended[0]["body"], json!({ "id": key.text, "status": "revoked" }));
    assert_eq!(ended[3]["body"], json!({ "id": user["id"], "status": "deleted" }));
    let changes = entered(&world, "identity.change", "delete");
    assert!(changes.iter().all(|it| it["actor"] == admin.id.as_str() && it["tenant"] == admin.tenant.as_str()));
    let of_keys = entered(&world, "key.change", "revoke");
    let shown = json!([changes, of_keys]).to_string();
    assert!(!shown.contains(NAME) && key.secret.iter().all(|it| !shown.contains(it.as_str())), "{shown}");
    assert_eq!(of_keys.iter().filter(|it| it["facts"]["owner"] == user["id"]).count(), 4, "{of_keys:#?}");
    world.gateway.entries().assert_sound();
}

#[test]
fn nobody_gives_an_iam_user_or_takes_through_one_more_than_they_have() {
    let world = World::start();
    let admin = world.key("cloudnx", &["iam:read", "iam:write", "compute:read"]);
    let low = world.key("cloudnx", &["iam:read", "iam:write"]);
    let reader = world.key("cloudnx", &["iam:read", "compute:read"]);
    let named = |name: &str, permissions: &[&str]| json!({ "name": name, "permissions": permissions });
    let user = one(&world, &admin, "POST", USERS, named("high", &["compute:read"]), 201);
    let at = format!("{USERS}/{}", user["id"].as_str().expect("an id"));
    let keys = format!("{at}/access-keys");
    let key = told(&one(&world, &admin, "POST", &keys, Value::Null, 201), &admin.tenant);
    let revoked = format!("{keys}/{}", key.text);
    let refused = signed(
        &world,
        &[
            (&admin, "POST", USERS, named("more", &["compute:read", "compute:write"])),
            (&admin, "POST", USERS, named("objects", &["s3:GetObject"])),
            (&low, "POST", USERS, named("other", &["compute:read"])),
            // A key of somebody who has more is as good as having it.
            (&low, "POST", &keys, Value::Null),
            (&low, "DELETE", &revoked, Value::Null),
            (&low, "DELETE", &at, Value::Null),
            (&reader, "POST", USERS, named("unheard", &[])),
            (&reader, "POST", &keys, Value::Null),
            (&reader, "DELETE", &at, Value::Null),
        ],
    );
    assert_eq!(statuses(&refused), [403; 9], "{refused:#?}");
    let reasons: Vec<Value> = refused
        .iter()
        .map(|it| world.gateway.entries().of(it["id"].as_str().expect("an id"))["decision"]["reason"].clone())
        .collect();
    assert!(reasons[..6].iter().all(|it| it == "insufficient_scope"), "{reasons:?}");
    let left = signed(&world, &[(&low, "GET", USERS, Value::Null), (&key, "GET", INSTANCES, Value::Null)]);
    assert_eq!((left[0]["body"]["iam_users"].as_array().map(Vec::len), &left[1]["status"]), (Some(1), &json!(200)));
    // What they do have they may give.
    let _ = one(&world, &low, "POST", USERS, named("low", &["iam:read"]), 201);
}

#[test]
fn iam_users_of_another_tenant_are_not_there_at_any_door() {
    let world = World::start();
    let scopes = ["iam:read", "iam:write", "compute:read"];
    let own = world.key("cloudnx", &scopes);
    let other = world.key_with("cloudnx", &world.new_tenant("other"), &scopes, &[]);
    let user = one(&world, &own, "POST", USERS, json!({ "name": "ci", "permissions": ["compute:read"] }), 201);
    let id = user["id"].as_str().expect("an id");
    let (at, keys) = (format!("{USERS}/{id}"), format!("{USERS}/{id}/access-keys"));
    let key = told(&one(&world, &own, "POST", &keys, Value::Null, 201), &own.tenant);
    let doomed = format!("{keys}/{}", key.text);
    let theirs = one(&world, &other, "POST", USERS, json!({ "name": "ci" }), 201);
    let crossed = format!("{USERS}/{}/access-keys/{}", theirs["id"].as_str().expect("an id"), key.text);
    let nobody = format!("{USERS}/iam_nobody");
    let answers = signed(
        &world,
        &[
            (&other, "GET", &nobody, Value::Null),
            (&other, "GET", &at, Value::Null),
            (&other, "DELETE", &at, Value::Null),
            (&other, "GET", &keys, Value::Null),
            (&other, "POST", &keys, Value::Null),
            (&other, "DELETE", &doomed, Value::Null),
            // By way of a user of their own.
            (&other, "DELETE", &crossed, Value::Null),
        ],
    );
    for it in &answers {
        assert_eq!((&it["status"], &it["body"]), (&json!(404), &answers[0]["body"]), "{it:#}");
    }
    let foreign = format!("{USERS}?cursor={id}");
    let left = signed(
        &world,
        &[
            (&other, "GET", USERS, Value::Null),
            (&other, "GET", &foreign, Value::Null),
            (&key, "GET", INSTANCES, Value::Null),
            (&own, "GET", USERS, Value::Null),
        ],
    );
    assert_eq!(statuses(&left), [200, 400, 200, 200], "{left:#?}");
    assert_eq!(left[0]["body"]["iam_users"], json!([theirs]));
    assert_eq!(left[3]["body"]["iam_users"], json!([user]));
    // The same noun by its other name: what was made through the API is looked after by the command.
    let _ = world.gateway.json(&["service-accounts", "suspend", id]);
    world.gateway.catch_up();
    let held = signed(&world, &[(&key, "GET", INSTANCES, Value::Null), (&own, "POST", &keys, Value::Null)]);
    assert_eq!(statuses(&held), [403, 409], "{held:#?}");
}
