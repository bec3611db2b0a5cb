//! The log read over HTTP: by the people of a tenant, of what is their tenant's and of nothing else.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use acceptance::{Key, World, python};
use serde_json::{Value, json};

const NX: &str = "cloudnx.in";
const LOGS: &str = "/auth/audit-logs";

/// Asks each of these with the key that goes with it, and gives the answers in order.
#[track_caller]
fn signed(world: &World, requests: &[(&Key, &str)]) -> Vec<Value> {
    let row = |(key, target): &(&Key, &str)| {
        let key: Value = serde_json::from_str(&key.shown()).expect("a key");
        // What only the gateway itself may say.
        let headers = json!({ "X-Portcullis-Introduction": "forged", "X-Portcullis-Tenant": "forged" });
        json!({ "key": key, "host": NX, "target": target, "headers": headers })
    };
    let requests: Vec<Value> = requests.iter().map(row).collect();
    let told = python(world, "signed_requests.py", &[("REQUESTS", &json!(requests).to_string())]).out;
    let told: Value = serde_json::from_str(told.lines().last().unwrap_or_default()).expect("what was answered");
    told["answers"].as_array().expect("answers").clone()
}

/// Two tenants of cloudnx that asked for something, and are entered.
struct Asked {
    world: World,
    one: Key,
    bare: Key,
    other: Key,
}

fn asked() -> Asked {
    let world = World::start();
    let scopes = ["compute:read", "audit:read"];
    let one = world.key("cloudnx", &scopes);
    let bare = world.key("cloudnx", &["compute:read"]);
    let other = world.key_with("cloudnx", &world.new_tenant("other"), &scopes, &[]);
    let list = "/compute/instances";
    let answers = signed(&world, &[(&one, list), (&other, list), (&one, "/compute/vpcs"), (&bare, list), (&one, LOGS)]);
    for it in &answers {
        assert_eq!(it["status"], 200, "{it:#}");
        let _ = world.gateway.entries().of(it["id"].as_str().expect("an id"));
    }
    Asked { world, one, bare, other }
}

#[track_caller]
fn logs(answer: &Value) -> &Vec<Value> {
    assert_eq!(answer["status"], 200, "{answer:#}");
    answer["body"]["audit_logs"].as_array().expect("a list")
}

/// Of each entry that is shown: who, what and how it ended.
fn deeds(shown: &[Value]) -> Vec<(&str, &str, &str)> {
    shown.iter().map(|it| (said(it, "actor"), said(it, "action"), said(it, "outcome"))).collect()
}

fn said<'v>(shown: &'v Value, name: &str) -> &'v str {
    shown[name].as_str().unwrap_or_default()
}

#[test]
fn an_audit_log_shows_what_a_tenant_did_and_nothing_of_another() {
    let Asked { world, one, bare, other } = asked();
    let filters = format!("{LOGS}?actor={}&action=listInstances", bare.id);
    let answers = signed(&world, &[(&one, LOGS), (&other, LOGS), (&one, &filters), (&bare, LOGS)]);
    let own = logs(&answers[0]);
    let requests: Vec<_> = deeds(own).into_iter().filter(|(_, action, _)| !action.contains('.')).collect();
    let expected = [
        (one.id.as_str(), "listAuditLogs", "success"),
        (&bare.id, "listInstances", "success"),
        (&one.id, "listVpcs", "success"),
        (&one.id, "listInstances", "success"),
    ];
    assert_eq!(requests, expected, "{own:#?}");
    let read = own.iter().find(|it| it["action"] == "audit.read").expect("that it was read before");
    assert_eq!(read["actor"], one.id.as_str(), "{read:#}");
    let made = own.iter().find(|it| it["action"] == "key.change").expect("that the keys were made");
    assert!(said(made, "actor").starts_with("os:"), "{made:#}");
    let asked = own.iter().find(|it| it["action"] == "listVpcs").expect("a request");
    assert_eq!((said(asked, "resource"), said(asked, "source_ip")), ("/compute/vpcs", "127.0.0.1"), "{asked:#}");
    // Nothing of the other one is in any of it, by whatever name.
    let theirs = logs(&answers[1]);
    for (shown, foreign) in [(own, [&other.id, &other.tenant]), (theirs, [&one.id, &one.tenant])] {
        let shown = json!(shown).to_string();
        assert!(foreign.iter().all(|it| !shown.contains(it.as_str())), "{foreign:?} in {shown}");
    }
    assert_eq!(deeds(logs(&answers[2])), [(bare.id.as_str(), "listInstances", "success")], "{:#}", answers[2]);
    assert_eq!((&answers[3]["status"], &answers[3]["type"]), (&json!(403), &json!("application/json")));
    let entry = world.gateway.entries().of(said(&answers[0], "id"));
    assert_eq!(entry["upstream"], json!({ "peer": "gateway", "status": 200 }), "{entry:#}");
    assert_eq!(entry["decision"]["outcome"], "permit", "{entry:#}");
    let words = ["audit", "query", "--class", "audit.read", "--key", &one.id, "--output", "json"];
    let reads = world.gateway.command(&words).out;
    let reads: Vec<Value> = reads.lines().map(|it| serde_json::from_str(it).expect("an entry")).collect();
    assert_eq!(reads.len(), 3, "each look is an entry: {reads:#?}");
    assert!(said(&answers[0], "id").ends_with(said(&reads[1], "cause")), "{reads:#?}");
    world.gateway.entries().assert_sound();
}

#[test]
fn an_audit_log_is_read_page_by_page_and_what_makes_no_sense_is_refused_in_its_words() {
    let Asked { world, one, other, .. } = asked();
    let first = signed(&world, &[(&one, &format!("{LOGS}?limit=2&action=listInstances"))]).remove(0);
    assert_eq!(logs(&first).len(), 2, "{first:#}");
    let none = signed(&world, &[(&one, &format!("{LOGS}?limit=1&action=listVpcs"))]).remove(0);
    assert_eq!((logs(&none).len(), &none["body"]["next_cursor"]), (1, &Value::Null), "{none:#}");
    let page = signed(&world, &[(&one, &format!("{LOGS}?limit=3"))]).remove(0);
    let cursor = said(&page["body"], "next_cursor").to_owned();
    // More is entered meanwhile, and what comes next is still what comes next.
    let next = |more: &str| format!("{LOGS}?limit=3&cursor={cursor}{more}");
    let (good, wider) = (next(""), next("&action=listInstances"));
    let garbage = format!("{LOGS}?cursor=bm90IG9uZQ");
    let twice = format!("{LOGS}?limit=1&limit=2");
    let when = format!("{LOGS}?since=yesterday");
    let asked = [(&one, &*good), (&other, &*good), (&one, &*wider), (&one, &*garbage), (&one, &*when), (&one, &*twice)];
    let answers = signed(&world, &asked);
    let numbers = |it: &Value| -> Vec<u64> {
        let ids = logs(it).iter().map(|it| said(it, "id").trim_start_matches("evt_").parse().expect("a number"));
        ids.collect()
    };
    let (before, after) = (numbers(&page), numbers(&answers[0]));
    assert!(after[0] < before[2] && before.is_sorted_by(|one, other| one > other), "{before:?} {after:?}");
    for it in &answers[1..] {
        assert_eq!((&it["status"], &it["type"]), (&json!(400), &json!("application/json")), "{it:#}");
        assert_eq!(it["body"].as_object().map(|it| it.keys().collect::<Vec<_>>()), Some(vec![&"error".to_owned()]));
        let entry = world.gateway.entries().of(said(it, "id"));
        assert_eq!(entry["decision"]["outcome"], "refuse", "{entry:#}");
        assert_eq!(entry["decision"]["step"], "validate", "{entry:#}");
        assert_eq!(entry["decision"]["reason"], "invalid_parameter", "{entry:#}");
    }
    assert!(said(&answers[1]["body"], "error").contains("cursor"), "{:#}", answers[1]);
}
