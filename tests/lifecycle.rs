//! The life of credentials as those who hold and look after them see it: rotated, warned of, found, revoked, over.
#![expect(clippy::expect_used, reason = "what fails here must fail the test")]

use std::time::Duration;

use acceptance::{Answer, Key, Request, World, until};
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const NVS: &str = "api.novapai.ai";
const NX: &str = "cloudnx.in";
const LIST: &str = "/v2/compute/instances";
const SOON: Duration = Duration::from_secs(20);

fn list(key: &str) -> Request {
    Request::get(NSX, LIST).bearer(key)
}

fn own(request: Request) -> Request {
    request.header("Origin", "https://cloudnx.in")
}

/// The value of a cookie that an answer sets.
#[track_caller]
fn cookie(answer: &Answer, name: &str) -> String {
    let mut lines = answer.headers.iter().filter(|(header, _)| header == "set-cookie");
    let found = lines.find_map(|(_, line)| line.strip_prefix(name)?.strip_prefix('='));
    found.and_then(|it| it.split(';').next()).expect("a cookie").to_owned()
}

#[test]
fn nobody_is_told_that_a_credential_has_ended_while_it_opens_anything() {
    let world = World::start();
    let act = |words: &[&str]| assert_eq!(world.gateway.command(words).code, 0, "{words:?}");
    for _ in 0..5 {
        let key = world.key("novastraxis", &["compute"]);
        let _ = world.ask(&list(&key.text)).expect(200);
        act(&["api-keys", "revoke", &key.id]);
        let _ = world.ask(&list(&key.text)).expect(401);
    }
    let tenant = world.new_tenant("other");
    let key = world.key_with("novastraxis", &tenant, &["compute"], &[]);
    let rotated = world.gateway.json(&["api-keys", "rotate", &key.id, "--overlap", "0s"]);
    let next = rotated["secret"].as_str().expect("a key");
    let _ = world.ask(&list(&key.text)).expect(401);
    let _ = world.ask(&list(next)).expect(200);
    act(&["tenants", "suspend", &tenant]);
    let _ = world.ask(&list(next)).expect(403);
    let ann = world.user("ann", &world.tenant("cloudnx"), "viewer");
    let sign_in =
        || own(Request::post(NX, "/auth/login")).json(&json!({ "email": ann.name, "password": ann.password }));
    let access = |answer: &Answer| {
        Request::get(NX, "/compute/instances").header("Cookie", &format!("cnx_access={}", cookie(answer, "cnx_access")))
    };
    let session = world.ask(&sign_in()).expect(200);
    let _ = world.ask(&access(&session)).expect(200);
    act(&["users", "suspend", &ann.name]);
    let _ = world.ask(&access(&session)).expect(401);
}

#[test]
fn signing_out_with_the_access_token_alone_ends_the_session() {
    let world = World::start();
    let ann = world.user("ann", &world.tenant("cloudnx"), "viewer");
    let body = json!({ "email": ann.name, "password": ann.password });
    let session = world.ask(&own(Request::post(NX, "/auth/login")).json(&body)).expect(200);
    let (access, refresh) = (cookie(&session, "cnx_access"), cookie(&session, "cnx_refresh"));
    let shown = |request: Request, line: String| world.ask(&own(request).header("Cookie", &line));
    let _ = shown(Request::post(NX, "/auth/logout"), format!("cnx_access={access}")).expect(200);
    let _ = shown(Request::get(NX, "/compute/instances"), format!("cnx_access={access}")).expect(401);
    let _ = shown(Request::post(NX, "/auth/refresh"), format!("cnx_refresh={refresh}")).expect(401);
}

#[test]
fn an_owner_learns_of_no_address_elsewhere_and_takes_none_from_whose_it_is() {
    let world = World::start();
    let eve = world.user("eve", &world.new_tenant("other"), "owner");
    let tenant = world.tenant("cloudnx");
    let ann = world.user("ann", &tenant, "owner");
    let body = json!({ "email": ann.name, "password": ann.password });
    let session = world.ask(&own(Request::post(NX, "/auth/login")).json(&body)).expect(200);
    let line = format!("cnx_access={}", cookie(&session, "cnx_access"));
    let make = |email: &str| {
        let request = own(Request::post(NX, "/auth/users")).header("Cookie", &line);
        world.ask(&request.json(&json!({ "email": email, "password": "a horse of somebody" })))
    };
    let sign_in = |name: &str, password: &str| {
        let body = json!({ "email": name, "password": password });
        world.ask(&own(Request::post(NX, "/auth/login")).json(&body))
    };
    // Somebody whom nobody knows and somebody who is known elsewhere are the same to her.
    for email in ["bob@example.com", &eve.name] {
        let name = format!("{tenant}/{email}");
        assert_eq!(make(email).expect(201).json()["sign_in_name"], name);
        let _ = make(email).expect(409);
        assert_eq!(sign_in(&name, "a horse of somebody").expect(200).json()["user"]["email"], email);
        assert_eq!(sign_in(email, "a horse of somebody").expect(401).says("refusal-reason"), "invalid_credentials");
    }
    // Who is known in her own account already is told of, and whose the address is signs in with it as before.
    let _ = make(&ann.name).expect(409);
    assert_eq!(sign_in(&eve.name, &eve.password).expect(200).json()["user"]["id"], eve.id);
    // Whose address it is has it all the same once whoever operates the gateway makes them known.
    let role = format!("{}=viewer", world.new_tenant("third"));
    let bob = world.gateway.json(&["users", "create", "--name", "bob@example.com", "--role", &role]);
    let password = bob["password"].as_str().expect("a password");
    assert_eq!(sign_in("bob@example.com", password).expect(200).json()["user"]["id"], bob["id"]);
}

#[test]
fn who_still_shows_a_key_that_was_rotated_is_in_the_list_and_its_allowance_goes_on() {
    let mut world = World::start();
    let old = world.key("novastack", &["read"]);
    let models = |key: &str| world.ask(&Request::get(NVS, "/router/v1/models").bearer(key)).expect(200);
    let left = |answer: &Answer| answer.says("x-ratelimit-remaining").parse::<u32>().expect("a number");
    let before = left(&models(&old.text));
    let rotated = world.gateway.json(&["api-keys", "rotate", &old.id, "--overlap", "1h"]);
    let next = rotated["secret"].as_str().expect("a key");
    assert_eq!(left(&models(next)), before - 1, "neither doubled nor begun anew");
    let of = |world: &World, id: &str| -> Value {
        let all = world.gateway.json(&["api-keys", "list", "--api", "novastack"]);
        all.as_array().expect("a list").iter().find(|it| it["id"] == id).expect("the key").clone()
    };
    // What is in memory alone is written down when it ends, and every half minute.
    world.gateway.restart();
    let told = of(&world, &old.id);
    assert_eq!((&told["state"], &told["used_since_rotation"]), (&json!("retiring"), &json!(false)), "{told}");
    let answer = world.ask(&Request::get(NVS, "/router/v1/models").bearer(&old.text)).expect(200);
    assert!(answer.says("deprecation").starts_with('@') && answer.says("sunset").ends_with("GMT"), "{answer}");
    // Also where it has asked for all that it may.
    let asked = Request::get(NVS, "/router/v1/models").bearer(&old.text);
    let over = (0..=60).map(|_| world.ask(&asked)).find(|it| it.status == 429).expect("a limit");
    assert!(over.says("deprecation").starts_with('@') && over.says("sunset").ends_with("GMT"), "{over}");
    world.gateway.restart();
    let told = of(&world, &old.id);
    assert_eq!((&told["used_since_rotation"], told["retires"].is_string()), (&json!(true), true), "{told}");
    let table = world.gateway.command(&["api-keys", "list"]).out;
    assert!(table.contains("(since it was rotated)"), "{table}");
    // Who ends the old one is told that the one in its place goes on.
    let ended = world.gateway.json(&["api-keys", "revoke", &old.id]);
    assert_eq!((&ended["state"], &ended["still_working"]), (&json!("revoked"), &json!([rotated["id"]])), "{ended}");
    let ended = world.gateway.command(&["api-keys", "revoke", &old.id]).out;
    assert!(ended.contains(rotated["id"].as_str().expect("an id")), "{ended}");
    let ended = world.gateway.json(&["api-keys", "revoke", rotated["id"].as_str().expect("an id")]);
    assert_eq!(ended.get("still_working"), None, "{ended}");
}

#[test]
fn a_key_that_ends_soon_says_so_in_its_answers_the_metrics_and_an_entry_a_day() {
    let mut world = World::start();
    let tenant = world.tenant("novastraxis");
    let ends = |when: &str| world.key_with("novastraxis", &tenant, &["compute"], &["--expires", when]);
    let (soon, later) = (ends("13d"), ends("15d"));
    let told = |key: &Key| world.ask(&list(&key.text)).expect(200).header("credential-expires").map(str::to_owned);
    assert!(told(&soon).is_some_and(|it| it.ends_with("GMT")));
    assert_eq!(told(&later), None);
    for _ in 0..2 {
        world.gateway.restart();
        let counted = || (world.gateway.metric("portcullis_keys_ending", &[]) - 1.0).abs() < f64::EPSILON;
        until("the count", SOON, || counted().then_some(()));
        let named = |it: &Value| it["action"] == "ends_soon" && it["key"] == soon.id.as_str();
        let _ = until("the entry", SOON, || world.gateway.entries().whole().into_iter().find(named));
    }
    let entries = world.gateway.entries().whole();
    assert!(!entries.iter().any(|it| it["action"] == "ends_soon" && it["key"] == later.id.as_str()));
}

#[test]
fn a_key_that_is_pasted_somewhere_is_found_and_revoked_and_never_repeated() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let access = world.key("cloudnx", &["compute:read"]);
    let secret = access.secret.as_deref().expect("a secret");
    let paste = format!("# config\nTOKEN=\"{}\"\nid {}\nsecret {secret}\nnsx_live_nothing\n", key.text, access.text);
    let find = |words: &[&str]| {
        let words = [&["api-keys", "leaked", "--output", "json"], words].concat();
        let told = world.gateway.command_reading(&words, &paste);
        assert!(![&key.text, secret].iter().any(|it| told.out.contains(*it) || told.errors.contains(*it)), "{told:?}");
        told.json()
    };
    let states = |found: &Value| -> Vec<(u64, String, String)> {
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let rows = found.as_array().expect("a list").iter();
        rows.map(|it| (it["line"].as_u64().expect("a line"), text(&it["id"]), text(&it["state"]))).collect()
    };
    let expected = |state: &str| vec![(2, key.id.clone(), state.to_owned()), (4, access.id.clone(), state.to_owned())];
    assert_eq!(states(&find(&[])), expected("active"));
    let _ = world.ask(&list(&key.text)).expect(200);
    assert_eq!(states(&find(&["--revoke"])), expected("revoked"));
    let _ = world.ask(&list(&key.text)).expect(401);
    let revoked = |it: &Value| it["facts"]["why"] == "leaked" && it["key"] == key.id.as_str();
    let entry = until("the entry", SOON, || world.gateway.entries().whole().into_iter().find(revoked));
    assert_eq!(entry["facts"]["found_by"], "command", "{entry:#}");
    let everything = json!(world.gateway.entries().whole()).to_string();
    assert!(!everything.contains(&key.text) && !everything.contains(secret));
}

#[test]
fn a_key_is_imported_once_and_where_it_belongs() {
    let world = World::start();
    let (mine, other) = (world.tenant("novastraxis"), world.new_tenant("other"));
    let key = world.key("novastraxis", &["compute"]);
    let import = |api: &str, tenant: &str, more: &[&str], text: &str| {
        let words = ["api-keys", "import", "--api", api, "--tenant", tenant, "--name", "legacy"];
        world.gateway.command_reading(&[&words[..], more].concat(), text)
    };
    let refused = |told: &acceptance::Commanded, why: &str| {
        assert!(told.code == 2 && told.errors.contains(why), "{told:?}");
    };
    // A key of our own opens what it opens, and would never be found as another.
    for tenant in [&mine, &other] {
        let told = import("novastraxis", tenant, &[], &key.text);
        refused(&told, &format!("here already as `{}`", key.id));
        assert!(!told.errors.contains(&key.text) && !told.out.contains(&key.text));
    }
    let servers = "cn_live_sk_0123456789abcdef";
    assert_eq!(world.gateway.command(&["tenants", "set-tier", &other, "cloudnexus-servers=enterprise"]).code, 0);
    let taken = import("cloudnexus-servers", &other, &["--output", "json"], servers);
    assert_eq!(taken.json()[0]["tier"], json!("enterprise"), "{taken:?}");
    refused(&import("cloudnexus-servers", &mine, &[], servers), "here already");
    let instances = "nx_live_sk_0123456789abcdef";
    refused(&import("novastraxis", &mine, &[], instances), "begins as keys of `cloudnexus` do");
    refused(&import("cloudnexus-servers", &mine, &[], instances), "begins as keys of `cloudnexus` do");
    refused(&import("novastraxis", &mine, &["--allow", "10.0.0.5/8"], "0123456789abcdefgh"), "`10.0.0.0/8`");
    let plain = import("novastraxis", &mine, &["--allow", "127.0.0.0/8"], "0123456789abcdefgh");
    assert_eq!(plain.code, 0, "{plain:?}");
    world.gateway.catch_up();
    let _ = world.ask(&list("0123456789abcdefgh")).expect(403);
    let _ = world.ask(&list(&key.text)).expect(200);
}
