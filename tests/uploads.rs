//! Bodies that come slowly: how slowly they may, and whose fault it is when they do not come.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::process::Command;
use std::time::Duration;

use acceptance::{Answer, Connection, Request, Settings, World, frames, until};
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const NX: &str = "api.cloudnexus.io";
const NVS: &str = "api.novapai.ai";
const CHAT: &str = "/router/v1/chat/completions";

/// Lets two seconds pass, by the clock of a cloud that takes so long to answer.
#[track_caller]
fn two_seconds(world: &World) {
    let key = world.key("novastraxis", &["compute"]);
    world.clouds.arm("novastraxis", &json!({ "kind": "slow", "ms": 2_000, "times": 1 }));
    let _ = world.ask(&Request::get(NSX, "/v2/compute/instances").bearer(&key.text)).expect(200);
}

/// The body did not come: the caller is told so in the words of its API, and it is the caller's fault.
#[track_caller]
fn is_cut(world: &World, answer: &Answer) {
    let answer = answer.clone().expect(400);
    assert_eq!(answer.says("refusal-reason"), "body_cut", "{answer}");
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    assert_eq!(entry["decision"]["outcome"], "refuse", "{entry:#}");
    assert_eq!(entry["decision"]["reason"], "body_cut", "{entry:#}");
}

/// The head of a request whose body is to follow.
fn head(request: &Request, length: usize) -> Vec<u8> {
    request.clone().header("Content-Length", &length.to_string()).bytes()
}

fn chat(key: &str) -> Request {
    Request::post(NVS, CHAT).bearer(key).header("Content-Type", "application/json")
}

fn object(key: &str, name: &str) -> Request {
    let target = format!("/v2/objects/bk_prod-assets/{name}");
    Request::new("PUT", NX, &target).bearer(key).body("application/octet-stream", [])
}

/// A world whose settings go on like this, and where an API behind may take no longer than a second for anything.
fn hasty(api: &str, more: &str) -> World {
    World::with(|settings: &mut Settings, folder| {
        settings.more.push_str(more);
        let apis = folder.join("apis");
        let copied = Command::new("cp").arg("-r").arg(&settings.apis).arg(&apis).status();
        assert!(copied.is_ok_and(|it| it.success()), "the profiles cannot be copied");
        let file = apis.join(api).join("api.toml");
        let text = std::fs::read_to_string(&file).expect("a profile");
        let hasty = text.lines().map(|line| match line.split_once(" = ") {
            Some((name @ ("first_byte" | "between_bytes"), _)) => format!("{name} = \"1s\"\n"),
            Some(_) | None => format!("{line}\n"),
        });
        let hasty: String = hasty.collect();
        std::fs::write(&file, hasty).expect("a profile");
        settings.apis = apis;
    })
}

/// The head of a request over HTTP/2 whose body is to follow.
fn open(world: &World, method: &str, (host, path): (&str, &str), key: &str, kind: &str) -> Connection {
    let bearer = format!("Bearer {key}");
    let named = [(":method", method), (":scheme", "https"), (":path", path), (":authority", host)];
    let shown = [("authorization", &*bearer), ("content-type", kind)];
    let mut connection = world.gateway.door().secure_two(host);
    connection.send(&[frames::begin(), frames::open(&[named.as_slice(), &shown].concat())].concat());
    connection
}

/// A body has a second, and then must come with a megabyte a second.
const SLOW: &str = "[connections]\nbody_rate = 1000000\nbody_grace_s = 1\n";

#[test]
fn a_body_that_stalls_is_cut_when_it_is_due_whether_it_is_read_early_checked_or_passed_on() {
    let world = World::with(|settings, _| settings.more.push_str(SLOW));
    let (chats, objects) = (world.key("novastack", &["write"]), world.key("cloudnexus", &["storage:write"]));
    let mut early = world.gateway.door().secure(NVS);
    early.send(&head(&chat(&chats.text), 100));
    let mut checked = world.gateway.door().secure(NVS);
    checked.send(&head(&chat(&chats.text), 100_000));
    let mut streamed = world.gateway.door().secure(NX);
    streamed.send(&head(&object(&objects.text, "slow"), 100_000));
    for it in [&mut early, &mut checked, &mut streamed] {
        it.send(b" ");
    }
    for (it, method) in [(&mut early, "POST"), (&mut checked, "POST"), (&mut streamed, "PUT")] {
        is_cut(&world, &it.answer(method));
    }
}

#[test]
fn whoever_was_given_leave_to_send_a_body_and_stalls_is_told_so() {
    let world = World::with(|settings, _| settings.more.push_str(SLOW));
    let (chats, objects) = (world.key("novastack", &["write"]), world.key("cloudnexus", &["storage:write"]));
    let requests = [(chat(&chats.text), 100), (chat(&chats.text), 100_000), (object(&objects.text, "waits"), 100_000)];
    let mut waiting = requests.map(|(request, length)| {
        let mut connection = world.gateway.door().secure(&request.host);
        connection.send(&head(&request.clone().header("Expect", "100-continue"), length));
        assert_eq!(connection.any_head().status, 100, "{}", request.target);
        connection.send(b" ");
        (connection, request.method)
    });
    for (connection, method) in &mut waiting {
        let answer = connection.answer(method);
        is_cut(&world, &answer);
        assert_eq!(world.gateway.entries().of(answer.says("x-request-id"))["status"], 400);
    }
}

#[test]
fn a_body_that_pauses_is_cut_though_it_was_fast_enough() {
    let world = World::with(|settings, _| settings.more.push_str("[connections]\nidle_s = 1\n"));
    let objects = world.key("cloudnexus", &["storage:write"]);
    let mut connection = world.gateway.door().secure(NX);
    connection.send(&head(&object(&objects.text, "stalled"), 100_000));
    connection.send(b"begun");
    is_cut(&world, &connection.answer("PUT"));
}

#[test]
fn bodies_that_are_held_have_a_bound_together_however_they_come() {
    let world = World::with(|settings, _| settings.more.push_str("[connections]\nheld_bytes = 80000\n"));
    let key = world.key_with("novastack", &world.tenant("novastack"), &["write"], &["--tier", "level-3"]).text;
    let body = |length: usize| {
        let text = "a".repeat(length);
        json!({ "model": "nova-large", "messages": [{ "role": "user", "content": text }] }).to_string()
    };
    let ask = |length: usize| world.ask(&Request::post(NVS, CHAT).bearer(&key).body("application/json", body(length)));
    // Over HTTP/1 what is shorter is read early; over HTTP/2 the answer, which repeats it, fits into one window.
    for (over_two, length) in [(false, 70_000), (true, 62_000)] {
        let whole = body(length);
        let (begun, rest) = whole.split_at(60_000);
        let mut held = if over_two {
            let mut held = open(&world, "POST", (NVS, CHAT), &key, "application/json");
            let pieces = begun.as_bytes().chunks(16_000).map(|it| frames::frame(0, 0, 1, it));
            held.send(&pieces.collect::<Vec<_>>().concat());
            held
        } else {
            let mut held = world.gateway.door().secure(NVS);
            held.send(&[head(&chat(&key), whole.len()), begun.as_bytes().to_vec()].concat());
            held
        };
        let taken = || world.gateway.metric("portcullis_bodies_held_bytes", &[]);
        until("all of it to be held", Duration::from_secs(20), || (taken() > 59_999.5).then_some(()));
        // Read early, and held over HTTP/1: neither finds room now, and neither is short of it for itself.
        for length in [40_000, 70_000] {
            let refused = ask(length).expect(503);
            assert_eq!((refused.says("refusal-reason"), refused.says("retry-after")), ("busy", "1"), "{refused}");
            let entry = world.gateway.entries().of(refused.says("x-request-id"));
            assert_eq!((&entry["decision"]["step"], &entry["status"]), (&json!("validate"), &json!(503)), "{entry:#}");
        }
        let _ = ask(1_000).expect(200);
        if over_two {
            held.send(&frames::frame(0, 1, 1, rest.as_bytes()));
            assert!(frames::answer(&mut held).is_some(), "the held one was not answered");
        } else {
            held.send(rest.as_bytes());
            let _ = held.answer("POST").expect(200);
        }
        until("what it had to be given back", Duration::from_secs(20), || (taken() < 0.5).then_some(()));
        let _ = ask(70_000).expect(200);
    }
}

#[test]
fn a_stream_of_http_2_that_is_left_open_is_answered_when_its_body_is_due() {
    let world = hasty("cloudnexus", &format!("{SLOW}idle_s = 1\n"));
    let (reads, objects) = (world.key("novastraxis", &["compute"]), world.key("cloudnexus", &["storage:write"]));
    let chats = world.key("novastack", &["write"]);
    let (list, object) = ("/v2/compute/instances", "/v2/objects/bk_prod-assets/open");
    let kinds = ("application/json", "application/octet-stream");
    let mut streamed = open(&world, "PUT", (NX, object), &objects.text, kinds.1);
    streamed.send(&frames::frame(0, 0, 1, b"abc"));
    let mut silent = open(&world, "PUT", (NX, "/v2/objects/bk_prod-assets/silent"), &objects.text, kinds.1);
    let mut early = open(&world, "GET", (NSX, list), &reads.text, kinds.0);
    let mut held = open(&world, "POST", (NVS, CHAT), &chats.text, kinds.0);
    held.send(&frames::frame(0, 0, 1, b"{"));
    for (connection, path) in [
        (&mut streamed, object),
        (&mut silent, "/v2/objects/bk_prod-assets/silent"),
        (&mut early, list),
        (&mut held, CHAT),
    ] {
        let body = frames::answer(connection).unwrap_or_else(|| panic!("reset without a word: {path}"));
        let told: Value = serde_json::from_slice(&body).expect("an answer in the words of the API");
        assert!(told["error_code"].is_string() || told["error"]["message"].is_string(), "{told}");
        let log = world.gateway.entries();
        // A stream that was answered is heard out for a while before its entry is written.
        let entry = until(&format!("the entry of `{path}`"), Duration::from_secs(20), || {
            log.all().into_iter().find(|it| it["request"]["path"] == path)
        });
        assert_eq!(entry["decision"]["reason"], "body_cut", "{entry:#}");
        assert_eq!((&entry["status"], &entry["decision"]["outcome"]), (&json!(400), &json!("refuse")), "{entry:#}");
    }
}

#[test]
fn who_has_sent_all_of_an_upload_is_told_that_the_api_behind_is_late() {
    let world = hasty("cloudnexus", &format!("{SLOW}idle_s = 1\n"));
    let key = world.key("cloudnexus", &["storage:write"]);
    world.clouds.arm("cloudnexus", &json!({ "kind": "hang", "ms": 60_000 }));
    let mut upload = object(&key.text, "one");
    upload.body = b"abc".to_vec();
    let answer = world.ask(&upload).expect(504);
    assert_eq!(answer.says("refusal-reason"), "upstream_timeout", "{answer}");
    let path = "/v2/objects/bk_prod-assets/two";
    let mut two = open(&world, "PUT", (NX, path), &key.text, "application/octet-stream");
    two.send(&frames::frame(0, 1, 1, b"abc"));
    let body = frames::answer(&mut two).expect("an answer");
    assert!(String::from_utf8_lossy(&body).contains("UPSTREAM_TIMEOUT"), "{}", String::from_utf8_lossy(&body));
    let log = world.gateway.entries();
    let entry =
        until("its entry", Duration::from_secs(20), || log.all().into_iter().find(|it| it["request"]["path"] == path));
    assert_eq!(entry["decision"]["reason"], "upstream_timeout", "{entry:#}");
    assert_eq!((&entry["status"], &entry["decision"]["blame"]), (&json!(504), &json!("upstream")), "{entry:#}");
}

#[test]
fn an_upload_may_take_longer_than_the_api_behind_may_take_to_answer() {
    let world = hasty("novastack", "");
    let key = world.key("novastack", &["write"]);
    let body = json!({ "model": "nova-large", "messages": [{ "role": "user", "content": "a".repeat(100_000) }] });
    let body = body.to_string();
    let (first, rest) = body.split_at(50_000);
    let mut connection = world.gateway.door().secure(NVS);
    connection.send(&head(&chat(&key.text), body.len()));
    connection.send(first.as_bytes());
    two_seconds(&world);
    connection.send(rest.as_bytes());
    let answer = connection.answer("POST");
    assert_ne!(answer.status, 504, "{answer}");
    assert!(world.clouds.saw("novastack", answer.says("x-request-id")).is_some(), "{answer}");
}
