//! The log read over HTTP: by the people of a tenant, of what is their tenant's and of nothing else.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use acceptance::{Answer, Key, Request, World, python, until};
use serde_json::{Value, json};

const NX: &str = "cloudnx.in";
const LOGS: &str = "/auth/audit-logs";
const MANAGE: &str = "manage.portcullis.localhost";
const NSX: &str = "api.novastraxis.com";
const LIST: &str = "/v2/compute/instances";

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

#[test]
fn the_socket_inside_answers_nobody_who_comes_without_the_edge() {
    let world = World::start();
    let socket = world.gateway.data().join("run/own");
    let mode = |it: &Path| std::fs::metadata(it).expect("a file of the gateway").permissions().mode() & 0o777;
    assert_eq!((mode(&socket), socket.parent().map(mode)), (0o600, Some(0o700)));
    let ask = |header: &str| {
        let mut stream = UnixStream::connect(&socket).expect("the socket");
        let head = format!("GET {LOGS} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n{header}\r\n");
        stream.write_all(head.as_bytes()).expect("a gateway that listens");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.ends_with("\r\n\r\n"), "{header}: {answer}");
    };
    ask("");
    ask("X-Portcullis-Introduction: e30.e30\r\n");
    ask("X-Portcullis-Tenant: tn_acme\r\nX-Portcullis-Caller: key_1\r\n");
    // Another process does not get as far as the socket while this one lives.
    let second = world.gateway.command(&["serve"]);
    assert!(second.code != 0 && second.errors.contains("another process"), "{second:?}");
    ask("");
    assert_eq!(world.gateway.command(&["audit", "query", "--class", "audit.read", "--api", "cloudnx"]).code, 1);
}

/// Two tenants, each with a key of another API that asked for something, and one that reads.
struct Managed {
    world: World,
    one: Key,
    other: Key,
    reader: Key,
    stranger: Key,
    asked: String,
    foreign: String,
}

fn managed() -> Managed {
    let world = World::start();
    let tenants = [world.new_tenant("one"), world.new_tenant("other")];
    let keys = tenants.each_ref().map(|it| world.key_with("novastraxis", it, &["compute"], &[]));
    let readers = tenants.each_ref().map(|it| world.key_with("portcullis", it, &["audit:read"], &[]));
    let ask = |key: &Key| {
        let answer = world.ask(&Request::get(NSX, LIST).bearer(&key.text)).expect(200);
        let id = answer.says("x-request-id").to_owned();
        let _ = world.gateway.entries().of(&id);
        id
    };
    let (asked, foreign) = (ask(&keys[0]), ask(&keys[1]));
    let ([one, other], [reader, stranger]) = (keys, readers);
    Managed { world, one, other, reader, stranger, asked, foreign }
}

impl Managed {
    #[track_caller]
    fn get(&self, key: &Key, target: &str, status: u16) -> Answer {
        self.world.ask(&Request::get(MANAGE, target).bearer(&key.text)).expect(status)
    }

    /// The entries on one page.
    #[track_caller]
    fn entries(&self, key: &Key, query: &str) -> Vec<Value> {
        let page = self.get(key, &format!("/v1/entries?{query}"), 200).json();
        page["entries"].as_array().expect("a list").clone()
    }

    /// Holds a refusal to problem details, and gives the parameter that it names.
    #[track_caller]
    fn problem(&self, key: &Key, target: &str, status: u16) -> Value {
        let answer = self.get(key, target, status);
        assert_eq!(answer.says("content-type"), "application/problem+json", "{answer}");
        let problem = answer.json();
        assert!(said(&problem, "type").starts_with("urn:portcullis:problem:"), "{problem:#}");
        assert_eq!(said(&problem, "request_id"), answer.says("x-request-id"), "{problem:#}");
        problem["param"].clone()
    }
}

#[test]
fn entries_of_a_tenant_are_found_listed_and_proved_and_those_of_another_by_no_road() {
    let managed = managed();
    let Managed { world, one, other, reader, stranger, asked, foreign } = &managed;
    let own = managed.entries(reader, "class=request.completed&api=novastraxis");
    assert_eq!(own.len(), 1, "{own:#?}");
    assert_eq!((said(&own[0]["request"], "id"), said(&own[0]["request"], "path")), (asked.as_str(), LIST));
    assert_eq!(said(&own[0]["request"], "source"), "127.0.0.1", "{:#}", own[0]);
    for query in [
        format!("request=req_{asked}&outcome=permit"),
        format!("key={}&operation=listInstances", one.id),
        "operation=listInstances&since=2020-01-01T00:00:00Z".to_owned(),
    ] {
        let found = managed.entries(reader, &query);
        assert!(found.iter().any(|it| it["seq"] == own[0]["seq"]), "{query}: {found:#?}");
    }
    // By no filter, no number and no proof is anything of the other one seen.
    for query in [format!("request={foreign}"), format!("key={}", other.id), "until=2020-01-01T00:00:00Z".to_owned()] {
        assert!(managed.entries(reader, &query).is_empty(), "{query}");
    }
    let all = json!(managed.entries(reader, "limit=100")).to_string();
    for name in [&other.id, &other.tenant, &stranger.id, foreign] {
        assert!(!all.contains(name.as_str()), "{name} in {all}");
    }
    let theirs = managed.entries(stranger, &format!("request={foreign}")).remove(0)["seq"].clone();
    let last = world.gateway.entries().whole().len() + 1000;
    for seq in [theirs.to_string(), "0".to_owned(), last.to_string()] {
        let _ = managed.problem(reader, &format!("/v1/entries/{seq}"), 404);
        let _ = managed.problem(reader, &format!("/v1/entries/{seq}/proof"), 404);
    }
    let seq = &own[0]["seq"];
    assert_eq!(managed.get(reader, &format!("/v1/entries/{seq}"), 200).json(), own[0]);
    let proof = managed.get(reader, &format!("/v1/entries/{seq}/proof"), 200);
    let checked = check_proof(world, &proof.text(), None);
    assert_eq!((&checked["ok"], &checked["seq"]), (&json!(true), seq), "{checked:#}");
    assert_eq!(checked["entry"]["tenant"], one.tenant.as_str(), "{checked:#}");
    assert_eq!(checked["entry"]["request"].get("path"), None, "what is sealed stays sealed: {checked:#}");
    world.gateway.entries().assert_sound();
}

#[test]
fn a_checkpoint_is_kept_and_what_comes_after_is_proved_to_go_on_from_it() {
    let managed = managed();
    let Managed { world, reader, .. } = &managed;
    let older = managed.get(reader, "/v1/checkpoint", 200).text();
    let size: u64 = older.lines().nth(1).and_then(|it| it.parse().ok()).expect("a size");
    let grown = until("another checkpoint", Duration::from_secs(20), || {
        let newer = managed.get(reader, "/v1/checkpoint", 200).text();
        (newer != older).then_some(newer)
    });
    assert!(grown.lines().nth(1) > older.lines().nth(1) || grown.len() != older.len(), "{grown}");
    let proof = managed.get(reader, &format!("/v1/checkpoints/{size}/proof"), 200).text();
    assert_eq!(check_proof(world, &proof, Some(&older))["ok"], true, "{proof}");
    let _ = managed.problem(reader, &format!("/v1/checkpoints/{}/proof", size + 1_000_000), 404);
    let reads = managed.entries(reader, &format!("class=audit.read&key={}", reader.id));
    let actions: Vec<&str> = reads.iter().map(|it| said(it, "action")).collect();
    assert_eq!(actions.first(), Some(&"checkpoints.prove"), "{reads:#?}");
    assert_eq!(actions.last(), Some(&"checkpoints.newest"), "{reads:#?}");
}

#[test]
fn pages_go_on_where_they_ended_while_more_is_entered() {
    let managed = managed();
    let Managed { world, one, reader, stranger, .. } = &managed;
    for _ in 0..4 {
        let answer = world.ask(&Request::get(NSX, LIST).bearer(&one.text)).expect(200);
        let _ = world.gateway.entries().of(answer.says("x-request-id"));
    }
    let question = "operation=listInstances&limit=2";
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = managed.get(reader, &format!("/v1/entries?{question}{cursor}"), 200).json();
        seen.extend(page["entries"].as_array().expect("a list").iter().map(|it| it["seq"].as_u64()));
        let answer = world.ask(&Request::get(NSX, LIST).bearer(&one.text)).expect(200);
        let _ = world.gateway.entries().of(answer.says("x-request-id"));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        assert_eq!(managed.problem(stranger, &format!("/v1/entries?{question}{cursor}"), 400), "cursor");
        assert_eq!(managed.problem(reader, &format!("/v1/entries?limit=2{cursor}"), 400), "cursor");
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
    assert!(seen.is_sorted_by(|one, other| one > other), "{seen:?}");
}

#[test]
fn who_may_not_read_reads_nothing_and_what_makes_no_sense_is_said_in_problem_details() {
    let managed = managed();
    let Managed { world, one, reader, .. } = &managed;
    let bare = world.key_with("portcullis", &one.tenant, &[], &[]);
    for target in ["/v1/entries", "/v1/entries/1", "/v1/entries/1/proof", "/v1/checkpoint", "/v1/checkpoints/1/proof"] {
        let _ = managed.problem(&bare, target, 403);
        let _ = managed.problem(one, target, 401);
        // What the edge says of a caller, nobody can say from outside.
        let forged = Request::get(MANAGE, target).header("X-Portcullis-Introduction", "forged");
        let _ = world.ask(&forged).expect(401);
        let _ = world.ask(&forged.bearer(&bare.text)).expect(403);
    }
    for (query, name) in [
        ("cursor=garbage", "cursor"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("since=yesterday", "since"),
        ("outcome=good", "outcome"),
        ("limt=1", "limt"),
    ] {
        assert_eq!(managed.problem(reader, &format!("/v1/entries?{query}"), 400), name, "{query}");
    }
    let _ = managed.problem(reader, "/v1/entries/first", 400);
    let _ = managed.problem(reader, "/v1/nothing", 404);
    assert!(managed.entries(reader, "class=audit.read").is_empty(), "what was refused was not read");
}

/// Holds a proof to the key of the log, as whoever has neither gateway nor log does.
#[track_caller]
fn check_proof(world: &World, proof: &str, older: Option<&str>) -> Value {
    let put = |name: &str, text: &str| {
        let file = world.folder().join(name);
        std::fs::write(&file, text).expect("a file of the test");
        file.display().to_string()
    };
    let vkey = std::fs::read_to_string(world.gateway.entries().folder().join("vkey")).expect("a key");
    let proof = put("proof", proof);
    let older = older.map(|it| put("older", it));
    let mut words = vec!["audit", "check-proof", &proof, "--vkey", vkey.trim()];
    words.extend(older.iter().flat_map(|it| ["--since", it.as_str()]));
    world.gateway.json(&words)
}
