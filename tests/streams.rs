//! What goes on and on ends with the credential that asked for it.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::time::Duration;

use acceptance::{Answer, Connection, Key, Request, World, frames, until};
use serde_json::{Value, json};

const NVS: &str = "api.novapai.ai";
const NSX: &str = "api.novastraxis.com";
const NX: &str = "api.cloudnexus.io";
const INSTANCES: &str = "/v2/compute/instances";
const CHAT: &str = "/router/v1/chat/completions";
const SOON: Duration = Duration::from_secs(20);

/// A stream of more events than would come in a minute.
fn talk(key: &Key) -> Request {
    let said = "word ".repeat(200);
    let order = json!({
        "model": "nova-large", "stream": true, "n": 100, "messages": [{ "role": "user", "content": said }],
    });
    Request::post(NVS, CHAT).bearer(&key.text).json(&order)
}

/// Asks, and reads on until something of the body is there.
#[track_caller]
fn begun(connection: &mut Connection, request: &Request) -> Answer {
    connection.send(&request.bytes());
    let mut answer = connection.head().expect(200);
    let mut pieces = connection.pieces(&request.method, &answer);
    answer.body = connection.piece(&mut pieces).expect("the beginning of the body");
    answer
}

#[track_caller]
fn revoke(world: &World, key: &Key) {
    assert_eq!(world.gateway.command(&["api-keys", "revoke", &key.id]).code, 0);
}

/// What was entered of a request that was cut.
#[track_caller]
fn cut(world: &World, answer: &Answer, why: &str) -> Value {
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    let decision = &entry["decision"];
    assert_eq!((&decision["outcome"], &decision["reason"]), (&json!("fail"), &json!("credential_ended")), "{entry:#}");
    assert!(decision["detail"].as_str().is_some_and(|it| it.ends_with(why)), "{entry:#}");
    assert_eq!(entry["status"], json!(200), "{entry:#}");
    assert!(entry["bytes_out"].as_u64() > Some(0), "{entry:#}");
    entry
}

#[test]
fn a_stream_of_events_ends_with_its_key_and_says_so_in_an_event_of_its_api() {
    let world = World::start();
    let (key, other) = (world.key("novastack", &["write"]), world.key("novastack", &["write"]));
    let mut stays = world.gateway.door().secure(NVS);
    let _ = begun(&mut stays, &talk(&other));
    let mut connection = world.gateway.door().secure(NVS);
    let answer = begun(&mut connection, &talk(&key));
    revoke(&world, &key);
    let mut pieces = connection.pieces("POST", &answer);
    let mut body = answer.body.clone();
    while let Some(piece) = connection.piece(&mut pieces) {
        body.extend(piece);
    }
    let text = String::from_utf8(body).expect("text");
    let events: Vec<&str> = text.strip_suffix("\n\n").expect("whole events").split("\n\n").collect();
    let said = |it: &&str| serde_json::from_str::<Value>(it.strip_prefix("data: ").expect("data")).expect("JSON");
    let last = said(events.last().expect("events"));
    assert_eq!(last["error"]["code"], "invalid_api_key", "{last}");
    assert!(events[..events.len() - 1].iter().map(said).all(|it| it["object"] == "chat.completion.chunk"));
    let _ = cut(&world, &answer, "revoked");
    // Whoever has another key hears on.
    let rest = Answer { headers: vec![("transfer-encoding".to_owned(), "chunked".to_owned())], ..answer };
    let mut pieces = stays.pieces("POST", &rest);
    assert!(stays.piece(&mut pieces).is_some_and(|it| it.starts_with(b"data: {\"choices\"") || !it.is_empty()));
}

#[test]
fn an_answer_ends_with_whatever_ends_its_key_also_while_nothing_comes() {
    let world = World::start();
    let quiet = world.key("novastraxis", &["compute"]);
    let tenant = world.new_tenant("other");
    let dripping = world.key_with("novastraxis", &tenant, &["compute"], &[]);
    let list = |key: &Key| Request::get(NSX, INSTANCES).bearer(&key.text);
    // The first byte at once, and then nothing for longer than any test waits.
    world.clouds.arm("novastraxis", &json!({ "kind": "slow_drip", "ms": 10, "times": 1 }));
    let mut drips = world.gateway.door().secure(NSX);
    let first = begun(&mut drips, &list(&dripping));
    world.clouds.arm("novastraxis", &json!({ "kind": "slow_drip", "ms": 1_500, "times": 1 }));
    let mut waits = world.gateway.door().secure(NSX);
    let second = begun(&mut waits, &list(&quiet));
    assert_eq!(world.gateway.command(&["tenants", "suspend", &tenant]).code, 0);
    revoke(&world, &quiet);
    for (connection, answer, why) in [(&mut drips, first, "suspended"), (&mut waits, second, "revoked")] {
        assert_eq!(answer.says("transfer-encoding"), "chunked");
        let rest = connection.rest();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "it came to its end: {}", String::from_utf8_lossy(&rest));
        let _ = cut(&world, &answer, why);
    }
    let counted = || world.gateway.metric("portcullis_connections_closed_total", &["credential_ended"]);
    until("the one that waited to be counted", SOON, || (counted() >= 1.0).then_some(()));
}

#[test]
fn an_upload_is_ended_in_the_words_of_its_api_when_its_key_ends() {
    let world = World::start();
    let key = world.key("cloudnexus", &["storage:write"]);
    let upload = Request::new("PUT", NX, "/v2/objects/bk_prod-assets/long").bearer(&key.text);
    let upload = upload.header("Content-Type", "application/octet-stream").header("Content-Length", "100000000");
    let mut connection = world.gateway.door().secure(NX);
    connection.send(&upload.bytes());
    connection.send(b"begun");
    until("the upload to begin", SOON, || {
        let seen = world.clouds.seen("cloudnexus");
        seen.iter().any(|it| it["target"].as_str().is_some_and(|it| it.ends_with("long"))).then_some(())
    });
    revoke(&world, &key);
    let counted = || world.gateway.metric("portcullis_refusals_total", &["credential_ended"]);
    // Sent on for as long as it is taken.
    until("the upload to be ended", SOON, || {
        connection.send(b"and on");
        (counted() >= 1.0).then_some(())
    });
    let answer = connection.answer("PUT").expect(401);
    assert_eq!(answer.says("refusal-reason"), "credential_ended", "{answer}");
    assert!(answer.json()["error"]["message"].is_string(), "{answer}");
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    assert_eq!(entry["decision"]["reason"], "credential_ended", "{entry:#}");
}

#[test]
fn a_stream_of_http_2_is_reset_and_its_connection_stays() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    world.clouds.arm("novastraxis", &json!({ "kind": "slow_drip", "ms": 10, "times": 1 }));
    let bearer = format!("Bearer {}", key.text);
    let fields = [(":method", "GET"), (":scheme", "https"), (":path", INSTANCES), (":authority", NSX)];
    let fields = [fields.as_slice(), &[("authorization", &bearer)]].concat();
    let mut connection = world.gateway.door().secure_two(NSX);
    connection.send(&[frames::begin(), frames::head(&fields)].concat());
    let mut kinds = Vec::new();
    let mut next = || {
        let head = connection.bytes(9);
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let content = connection.bytes(length);
        (head[3], head[4], head[8], content)
    };
    let mut revoked = false;
    let reset = loop {
        let (kind, flags, stream, content) = next();
        kinds.push(kind);
        assert!(!(stream == 1 && kind == 0 && flags & 1 == 1), "it came to its end");
        if kind == 0 && !revoked {
            revoke(&world, &key);
            revoked = true;
        }
        assert_ne!(kind, 7, "the connection was ended: {kinds:?}");
        if kind == 3 {
            break content;
        }
    };
    assert_eq!(reset.len(), 4, "{reset:?}");
    let entries = world.gateway.entries();
    let cut = |it: &Value| it["decision"]["reason"] == "credential_ended";
    let _ = until("its entry", SOON, || entries.all().into_iter().find(cut));
}
