//! Where requests and answers of HTTP/1 end: bodies that break, clients that know no chunks, and callers that have said
//! their last word.

use std::time::Duration;

use acceptance::{Answer, Connection, Key, Pieces, Request, World, told, until};
use serde_json::json;

const NX: &str = "api.cloudnexus.io";
const NVS: &str = "api.novapai.ai";
const NSX: &str = "api.novastraxis.com";
const LIST: &str = "/v2/compute/instances";
const CHAT: &str = "/router/v1/chat/completions";
const OBJECT: &str = "/v2/objects/bk_prod-assets/framed";

/// Beginnings of chunked bodies that go on as none can.
const BROKEN: [&str; 5] =
    ["5\r\nhello\r\nzz\r\n", "5\r\nhelloXX0\r\n\r\n", "zz\r\n", "FFFFFFFFFFFFFFFFFFFF\r\n", "5\r\nhello\r\n0\r\nX\rY"];

/// A head, whoever reads it.
fn head(line: &str, host: &str, key: &Key, more: &str) -> String {
    format!("{line}\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n{more}\r\n", key.text)
}

/// Sends bytes on a connection of their own.
fn begin(world: &World, host: &str, bytes: &str) -> Connection {
    let mut connection = world.gateway.door().secure(host);
    connection.send(bytes.as_bytes());
    connection
}

#[test]
fn a_body_that_breaks_is_refused_in_the_words_of_its_api_whether_it_is_held_or_passed_on() {
    let world = World::start();
    let (objects, models) = (world.key("cloudnexus", &["storage:write"]), world.key("novastack", &["write"]));
    let form = "multipart/form-data; boundary=edge";
    for (api, host, line, key, media, code) in [
        ("cloudnexus", NX, format!("PUT {OBJECT} HTTP/1.1"), &objects, "application/octet-stream", "INVALID_REQUEST"),
        ("novastack", NVS, "POST /router/v1/files HTTP/1.1".to_owned(), &models, form, "invalid_request"),
        ("novastack", NVS, format!("POST {CHAT} HTTP/1.1"), &models, "application/json", "invalid_request"),
    ] {
        let more = format!("Content-Type: {media}\r\nTransfer-Encoding: chunked\r\n");
        for broken in BROKEN {
            let mut connection = begin(&world, host, &(head(&line, host, key, &more) + broken));
            let answer = connection.answer("POST");
            assert_eq!(answer.status, 400, "{line} {broken:?}: {answer}");
            assert_eq!((answer.says("refusal-reason"), &*told(api, &answer).code), ("body_cut", code), "{answer}");
            let entry = world.gateway.entries().of(answer.says("x-request-id"));
            let decision = ["outcome", "step", "reason"].map(|it| entry["decision"][it].as_str());
            assert_eq!(decision, [Some("refuse"), Some("validate"), Some("body_cut")], "{entry:#}");
            assert_eq!(entry["status"], 400, "{entry:#}");
            assert_eq!(answer.says("connection"), "close", "{answer}");
            connection.send(head("GET /v2/buckets HTTP/1.1", host, key, "").as_bytes());
            assert!(connection.rest().is_empty(), "a request was found behind a broken body: {broken:?}");
        }
    }
    let stored = world.clouds.seen("cloudnexus");
    assert!(stored.iter().all(|it| it["status"] != 200), "a body that broke was stored: {stored:#?}");
}

#[test]
fn an_empty_object_is_an_object_however_its_length_is_said() {
    let world = World::start();
    let key = world.key("cloudnexus", &["storage:write", "storage:read"]);
    let object = Request::new("PUT", NX, OBJECT).bearer(&key.text).header("Content-Type", "application/octet-stream");
    for (name, value, body) in [("Content-Length", "0", ""), ("Transfer-Encoding", "chunked", "0\r\n\r\n")] {
        let mut request = object.clone().header(name, value);
        request.body = body.as_bytes().to_vec();
        let answer = world.ask(&request).expect(200);
        let seen = world.clouds.saw("cloudnexus", answer.says("x-request-id"));
        assert_eq!(seen.map(|it| it["body_bytes"].clone()), Some(json!(0)), "{name}");
    }
}

/// All of an answer to HTTP/1.0: no chunks, no interim answer, and nothing after it.
#[track_caller]
fn old(world: &World, host: &str, bytes: &str) -> Answer {
    let mut connection = begin(world, host, bytes);
    let mut answer = connection.any_head().expect(200);
    assert_eq!(answer.header("transfer-encoding"), None, "{answer}");
    let mut pieces = connection.pieces("POST", &answer);
    assert!(matches!(pieces, Pieces::UntilClosed | Pieces::Counted(_)), "{answer}");
    while let Some(piece) = connection.piece(&mut pieces) {
        answer.body.extend(piece);
    }
    assert_eq!((answer.says("connection"), connection.rest().len()), ("close", 0), "{answer}");
    answer
}

#[test]
fn clients_of_http_1_0_are_sent_no_chunks_and_no_interim_answers() {
    let world = World::start();
    let key = world.key("novastack", &["write"]);
    let chat = |stream: bool| {
        let messages = json!([{ "role": "user", "content": "Say something about gates." }]);
        json!({ "model": "nova-large", "messages": messages, "stream": stream }).to_string()
    };
    for (stream, more) in [(true, ""), (true, "Connection: keep-alive\r\n"), (false, "Expect: 100-continue\r\n")] {
        let body = chat(stream);
        let json = format!("Content-Type: application/json\r\nContent-Length: {}\r\n{more}", body.len());
        let answer = old(&world, NVS, &(head(&format!("POST {CHAT} HTTP/1.0"), NVS, &key, &json) + &body));
        if stream {
            assert!(answer.text().trim_end().ends_with("data: [DONE]"), "{answer}");
        }
        let entry = world.gateway.entries().of(answer.says("x-request-id"));
        assert_eq!((&entry["decision"]["outcome"], &entry["bytes_out"]), (&json!("permit"), &json!(answer.body.len())));
    }
}

#[test]
fn only_who_waits_for_leave_is_given_it() {
    let world = World::start();
    let key = world.key("novastack", &["write"]);
    let body = json!({ "model": "nova-large", "messages": [{ "role": "user", "content": "Hello." }] }).to_string();
    for (expectation, first) in [("100-continue", 100), ("100-Continue", 100), ("a-miracle", 200), ("", 200)] {
        let more =
            format!("Content-Type: application/json\r\nContent-Length: {}\r\nExpect: {expectation}\r\n", body.len());
        let mut connection = begin(&world, NVS, &(head(&format!("POST {CHAT} HTTP/1.1"), NVS, &key, &more) + &body));
        assert_eq!(connection.any_head().status, first, "{expectation}");
    }
}

#[test]
fn whoever_was_given_leave_is_answered_though_the_body_is_bad_or_nobody_is_behind() {
    let mut world = World::start();
    let key = world.key("novastack", &["write"]);
    let good = json!({ "model": "nova-large", "messages": [{ "role": "user", "content": "a".repeat(100_000) }] });
    let bad = json!({ "model": 7, "messages": [{ "role": "user", "content": "a".repeat(100_000) }] });
    for (body, status, reason) in [(bad, 400, "invalid_body"), (good, 502, "upstream_unreachable")] {
        if status == 502 {
            world.clouds.kill();
        }
        let body = body.to_string();
        let more =
            format!("Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n", body.len());
        let mut connection = begin(&world, NVS, &head(&format!("POST {CHAT} HTTP/1.1"), NVS, &key, &more));
        assert_eq!(connection.any_head().status, 100, "{reason}");
        connection.send(body.as_bytes());
        let answer = connection.answer("POST").expect(status);
        assert_eq!(answer.says("refusal-reason"), reason, "{answer}");
        assert!(!told("novastack", &answer).message.is_empty(), "{answer}");
        let entry = world.gateway.entries().of(answer.says("x-request-id"));
        assert_eq!((&entry["status"], &entry["decision"]["reason"]), (&json!(status), &json!(reason)), "{entry:#}");
    }
}

#[test]
fn whoever_has_said_all_over_tls_is_answered_and_whoever_closes_the_socket_has_left() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let get = head(&format!("GET {LIST} HTTP/1.1"), NSX, &key, "");
    // Late enough that the gateway has heard of the end before it has the answer.
    world.clouds.arm("novastraxis", &json!({ "kind": "slow", "ms": 300 }));
    let mut listens = begin(&world, NSX, &get);
    listens.finish_tls();
    let answer = listens.answer("GET").expect(200);
    assert!(listens.rest().is_empty(), "{answer}");
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    assert_eq!((&entry["status"], &entry["decision"]["outcome"]), (&json!(200), &json!("permit")), "{entry:#}");
    let before = world.gateway.entries().all().len();
    let mut leaves = begin(&world, NSX, &get);
    leaves.finish_tls();
    leaves.finish();
    assert!(leaves.rest().is_empty(), "who had left was answered");
    let entries = world.gateway.entries();
    let left = until("the entry of who left", Duration::from_secs(20), || entries.all().get(before).cloned());
    assert_eq!(left["decision"]["outcome"], "fail", "{left:#}");
}
