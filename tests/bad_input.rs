//! Bytes that no honest client sends: each is refused in the words of its API, once, and once in the log.

use std::time::Duration;

use acceptance::{Answer, Key, Refusal, Request, World, told, until};
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const NOVA: &str = "api.novapai.ai";
const LIST: &str = "/v2/compute/instances";

/// A body that creates an instance.
const GOOD: &str =
    r#"{"machine_type":"n2-standard-4","region":"us-east-1","network_id":"vpc-4a1c","image_id":"img-debian-13"}"#;

/// A head with host and key, and whatever else is said.
fn head(line: &str, key: &Key, more: &str) -> String {
    format!("{line}\r\nHost: {NSX}\r\nAuthorization: Bearer {}\r\n{more}\r\n", key.text)
}

/// Sends bytes on a connection of their own; gives the first answer, and what came after it until the gateway hung up.
#[track_caller]
fn send(world: &World, bytes: &[u8]) -> (Answer, Vec<u8>) {
    let mut connection = world.gateway.door().secure(NSX);
    connection.send(bytes);
    let answer = connection.answer("GET");
    connection.finish();
    (answer, connection.rest())
}

/// Holds the only answer that some bytes get.
#[track_caller]
fn refused(world: &World, bytes: &[u8], status: u16, (code, step, reason): (&str, &str, &str)) {
    let (answer, rest) = send(world, bytes);
    let shown = String::from_utf8_lossy(bytes.get(..bytes.len().min(300)).unwrap_or_default()).into_owned();
    assert_eq!(answer.status, status, "{shown:?}: {answer}");
    assert!(rest.is_empty(), "more than one answer to {shown:?}: {}", String::from_utf8_lossy(&rest));
    assert_eq!(answer.says("strict-transport-security"), "max-age=31536000", "{shown:?}: {answer}");
    world.check_refusal("novastraxis", &answer, Refusal { status, code, step, reason });
}

/// Every request has its entry, and there is no other. An answer may be a moment ahead of its entry.
#[track_caller]
fn entries(world: &World, count: usize) {
    let log = world.gateway.entries();
    until(&format!("{count} entries"), Duration::from_secs(20), || (log.all().len() >= count).then_some(()));
    let all = log.all();
    assert_eq!(all.len(), count, "requests and entries differ: {all:#?}");
    log.assert_sound();
}

#[test]
fn a_head_that_is_no_http_is_refused_in_the_words_of_its_host() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let get = format!("GET {LIST} HTTP/1.1");
    let post = format!("POST {LIST} HTTP/1.1");
    let chunked = format!("{:x}\r\n{GOOD}\r\n0\r\n\r\n", GOOD.len());
    let cases = [
        "GARBAGE\r\n\r\n".to_owned(),
        "\0\u{1}\u{7f}\r\n\r\n".to_owned(),
        format!("GET {LIST}\r\n\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        head(&format!("GET {LIST} HTTP/2.0"), &key, ""),
        head(&format!("GET {LIST} HTTP/1.2"), &key, ""),
        head(&format!(" GET {LIST} HTTP/1.1"), &key, ""),
        head(&format!("GET {LIST}/\u{ff} HTTP/1.1"), &key, ""),
        head(&get, &key, "X-A : b\r\n"),
        head(&get, &key, "X-A: b\r\n c\r\n"),
        head(&get, &key, "X-A: b\rX-B: c\r\n"),
        head(&get, &key, "X-A: b\0c\r\n"),
        head(&get, &key, "X(A): b\r\n"),
        head(&get, &key, ": b\r\n"),
        head(&get, &key, &format!("Host: {NSX}\r\n")),
        head(&get, &key, "Host: cloudnx.in\r\n"),
        head(&format!("GET http://cloudnx.in{LIST} HTTP/1.1"), &key, ""),
        head(&format!("GET http://someone@{NSX}{LIST} HTTP/1.1"), &key, ""),
        head(&post, &key, "Content-Length: +3\r\n") + "abc",
        head(&post, &key, "Content-Length: -1\r\n") + "abc",
        head(&post, &key, "Content-Length: 0x3\r\n") + "abc",
        head(&post, &key, "Content-Length: \r\n") + "abc",
        head(&post, &key, "Content-Length: 99999999999999999999999\r\n") + "abc",
        head(&post, &key, "Content-Length: 3\r\nContent-Length: 5\r\n") + "abc",
        head(&post, &key, "Content-Length: 3, 3\r\n") + "abc",
        head(&post, &key, "Content-Length: 3\r\nContent-Length: 3\r\n") + "abc",
        head(&post, &key, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + &chunked,
        head(&post, &key, "Transfer-Encoding: gzip\r\n") + &chunked,
        head(&post, &key, "Transfer-Encoding: gzip, chunked\r\n") + &chunked,
        head(&post, &key, "Transfer-Encoding: chunked, identity\r\n") + &chunked,
        head(&post, &key, "Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n") + "abc",
        head(&post, &key, "Transfer-Encoding: \u{b}chunked\r\nContent-Length: 3\r\n") + "abc",
        head(&format!("POST {LIST} HTTP/1.0"), &key, "Transfer-Encoding: chunked\r\n") + &chunked,
    ];
    for case in &cases {
        // One byte a character, so that bytes can be sent that are no text.
        let bytes: Vec<u8> = case.chars().map(|it| u8::try_from(u32::from(it)).expect("a byte")).collect();
        refused(&world, &bytes, 400, ("invalid_request", "accept", "bad_request"));
    }
    entries(&world, cases.len());
    assert!(world.clouds.seen("novastraxis").is_empty(), "a broken head reached the cloud");
}

#[test]
fn a_connection_header_cannot_take_out_the_host_the_length_or_the_sender() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let many: Vec<String> = (0..12).map(|it| format!("x-{it}")).collect();
    let names = [
        "close, Host",
        "content-length",
        "transfer-encoding",
        "X-Forwarded-For",
        ":authority",
        "\"x\"",
        &many.join(","),
    ];
    for name in names {
        let bytes = head(&format!("GET {LIST} HTTP/1.1"), &key, &format!("Connection: {name}\r\n"));
        refused(&world, bytes.as_bytes(), 400, ("invalid_request", "accept", "bad_request"));
    }
    entries(&world, names.len());
}

#[test]
fn a_request_names_one_host() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    for (line, status, reason) in [
        ("X-A: b\r\n", 400, "bad_request"),
        ("Host: \r\n", 400, "bad_request"),
        ("Host: a b\r\n", 400, "bad_request"),
        ("Host: api.novastraxis.com/v2\r\n", 400, "bad_request"),
        ("Host: api.novastraxis.com:x\r\n", 404, "unknown_host"),
        ("Host: api.example.com\r\n", 404, "unknown_host"),
        ("Host: novastraxis.com\r\n", 404, "unknown_host"),
        ("Host: 127.0.0.1\r\n", 404, "unknown_host"),
        ("Host: api.novastraxis.com.evil.example\r\n", 404, "unknown_host"),
    ] {
        let bytes = format!("GET {LIST} HTTP/1.1\r\n{line}Authorization: Bearer {}\r\n\r\n", key.text);
        let (answer, rest) = send(&world, bytes.as_bytes());
        assert_eq!((answer.status, rest.len()), (status, 0), "{line:?}: {answer}");
        let body = answer.json();
        let id = answer.says("x-request-id");
        // Where none is named, in the words of the host that TLS was asked for.
        let told = if status == 400 { &body } else { &body["error"] };
        assert_eq!(told["request_id"], format!("req_{id}"), "{answer}");
        assert!(told["message"].is_string(), "{answer}");
        let entry = world.gateway.entries().of(id);
        assert_eq!((&entry["status"], &entry["decision"]["reason"]), (&json!(status), &json!(reason)), "{entry:#}");
    }
    entries(&world, 9);
    assert!(world.clouds.seen("novastraxis").is_empty(), "a request without its host reached the cloud");
}

#[test]
fn a_head_beyond_its_bounds_is_too_large() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let get = format!("GET {LIST} HTTP/1.1");
    let many = |count: usize| (0..count).map(|it| format!("X-{it}: 1\r\n")).collect::<Vec<_>>().concat();
    let cases = [
        head(&get, &key, &many(99)),
        head(&get, &key, &many(400)),
        head(&get, &key, &format!("X-Long: {}\r\n", "a".repeat(70_000))),
        head(&get, &key, &many(90).replace('1', &"1".repeat(800))),
        head(&format!("GET {LIST}?q={} HTTP/1.1", "a".repeat(66_000)), &key, ""),
        head(&format!("{} {LIST} HTTP/1.1", "A".repeat(66_000)), &key, ""),
    ];
    for case in &cases {
        refused(&world, case.as_bytes(), 431, ("headers_too_large", "accept", "head_too_large"));
    }
    entries(&world, cases.len());
    let kept = world.gateway.entries().all();
    let longest = kept.iter().map(|it| it.to_string().len()).max();
    assert!(longest < Some(2_000), "an entry is as long as its caller likes: {longest:?}");
}

#[test]
fn no_tunnel_is_dug_and_methods_that_nobody_documented_are_told_which_are() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    for target in ["api.novastraxis.com:443", "api.novastraxis.com:22", LIST] {
        let bytes = head(&format!("CONNECT {target} HTTP/1.1"), &key, "");
        refused(&world, bytes.as_bytes(), 405, ("method_not_allowed", "identify", "method_not_allowed"));
    }
    for method in ["PATCH", "PUT", "DELETE", "TRACE", "OPTIONS", "get", "BREW"] {
        let answer = world.ask(&Request::new(method, NSX, LIST).bearer(&key.text)).expect(405);
        assert_eq!(answer.says("allow"), "GET, POST", "{answer}");
        let refusal =
            Refusal { status: 405, code: "method_not_allowed", step: "identify", reason: "method_not_allowed" };
        world.check_refusal("novastraxis", &answer, refusal);
    }
    entries(&world, 10);
    let entered = world.gateway.entries().all();
    let details = entered.iter().map(|it| it["decision"]["detail"].as_str().unwrap_or_default());
    assert_eq!(details.clone().filter(|it| *it == "the method is taken nowhere").count(), 3);
    assert_eq!(details.filter(|it| *it == "the path takes GET, POST only").count(), 7);
}

#[test]
fn a_path_has_one_spelling_or_none() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let tricks = [
        "/v2/compute%2finstances",
        "/v2/compute%2Finstances",
        "/v2/compute/../compute/instances",
        "/v2/compute/%2e%2e/compute/instances",
        "/v2/compute/.%2E/compute/instances",
        "/v2/./compute/instances",
        "/v2/compute/..;/compute/instances",
        "/v2/compute/..;a=b/compute/instances",
        "/v2\\compute\\instances",
        "/v2/compute%5cinstances",
        "/v2/compute/instances%00",
        "/v2/compute/instances%0d%0aX-A:b",
        "/v2/compute/instances%",
        "/v2/compute/instances%zz",
        "/v2/compute/%ff",
        "/v2/compute/%c0%af",
        "*",
    ];
    for trick in tricks {
        let bytes = head(&format!("GET {trick} HTTP/1.1"), &key, "");
        let (answer, _) = send(&world, bytes.as_bytes());
        assert_eq!(answer.status, 400, "{trick}: {answer}");
        let refusal = Refusal { status: 400, code: "invalid_request", step: "accept", reason: "bad_path" };
        world.check_refusal("novastraxis", &answer, refusal);
    }
    let kept = [
        ("//v2///compute//instances", LIST),
        ("/v2/%63ompute/%69nstances", LIST),
        ("/v2/compute/instances?a=%2f..%2f", "/v2/compute/instances?a=%2f..%2f"),
        ("http://api.novastraxis.com/v2/compute/instances?a=b", "/v2/compute/instances?a=b"),
        ("http://api.novastraxis.com/v2//compute/instances", LIST),
    ];
    for (spelled, normal) in kept {
        let (answer, _) = send(&world, head(&format!("GET {spelled} HTTP/1.1"), &key, "").as_bytes());
        assert_eq!(answer.status, 200, "{spelled}: {answer}");
        let seen = world.clouds.saw("novastraxis", answer.says("x-request-id")).expect("a sighting");
        assert_eq!(seen["target"], normal, "{spelled}");
    }
    assert_eq!(world.clouds.seen("novastraxis").len(), kept.len(), "a trick reached the cloud");
    entries(&world, tricks.len() + kept.len());
}

/// What a body may be sent as.
fn chunks(body: &str, size: usize) -> String {
    let pieces =
        body.as_bytes().chunks(size).map(|it| format!("{:x}\r\n{}\r\n", it.len(), String::from_utf8_lossy(it)));
    pieces.collect::<String>() + "0\r\n\r\n"
}

/// No early answer may leave a body where the next request is looked for.
#[test]
fn what_follows_an_early_answer_is_never_taken_for_another_request() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let bare = world.key_with("novastraxis", &world.new_tenant("other"), &["network"], &[]);
    let hidden = head("GET /v2/compute/instances?hidden=1 HTTP/1.1", &key, "");
    let next = head("GET /v2/compute/instances?next=1 HTTP/1.1", &key, "");
    let nobody = format!("Host: {NSX}\r\n");
    let (mine, theirs) = (
        format!("{nobody}Authorization: Bearer {}\r\n", key.text),
        format!("{nobody}Authorization: Bearer {}\r\n", bare.text),
    );
    let large = "a".repeat(70_000);
    let cases = [
        (400, format!("POST /v2/%2f HTTP/1.1\r\n{mine}"), &hidden),
        (401, format!("POST {LIST} HTTP/1.1\r\n{nobody}"), &hidden),
        (403, format!("POST {LIST} HTTP/1.1\r\n{theirs}"), &hidden),
        (404, format!("POST /v2/nothing HTTP/1.1\r\n{mine}"), &hidden),
        (405, format!("PATCH {LIST} HTTP/1.1\r\n{mine}"), &hidden),
        (410, format!("POST /v1/anything HTTP/1.1\r\n{mine}"), &hidden),
        (413, format!("POST {LIST} HTTP/1.1\r\n{mine}Content-Type: application/json\r\n"), &large),
        (431, format!("POST {LIST} HTTP/1.1\r\n{mine}X-Long: {large}\r\n"), &hidden),
    ];
    for (status, start, body) in &cases {
        for framing in [
            format!("Content-Length: {}\r\n\r\n{body}", body.len()),
            format!("Transfer-Encoding: chunked\r\n\r\n{}", chunks(body, 16_000)),
            format!("Expect: 100-continue\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
        ] {
            let mut connection = world.gateway.door().secure(NSX);
            connection.send(format!("{start}{framing}{next}").as_bytes());
            let answer = connection.answer("POST");
            assert_eq!(answer.status, *status, "{framing:.60}: {answer}");
            connection.finish();
            let rest = String::from_utf8_lossy(&connection.rest()).into_owned();
            // Either hung up, or the next request and nothing but the next request was answered.
            assert!(rest.matches("HTTP/1.1 ").count() <= 1, "{rest}");
        }
    }
    let targets: Vec<String> = world.clouds.seen("novastraxis").iter().map(|it| it["target"].to_string()).collect();
    assert!(!targets.iter().any(|it| it.contains("hidden")), "a body was taken for a request: {targets:?}");
    entries(&world, cases.len() * 3 + targets.len());
}

#[test]
fn a_body_that_breaks_ends_its_connection() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    for broken in ["zz\r\n", "-5\r\nhello\r\n", "ffffffffffffffff1\r\nhello\r\n", "5\r\nhelloworld\r\n0\r\n\r\n"] {
        let start = format!("POST {LIST} HTTP/1.1");
        let bytes = head(&start, &key, "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n") + broken;
        let mut connection = world.gateway.door().secure(NSX);
        connection.send(bytes.as_bytes());
        let answer = connection.answer("POST");
        let refusal = Refusal { status: 400, code: "invalid_request", step: "validate", reason: "body_cut" };
        world.check_refusal("novastraxis", &answer, refusal);
        assert_eq!(answer.says("connection"), "close", "{answer}");
        connection.send(head(&format!("GET {LIST} HTTP/1.1"), &key, "").as_bytes());
        assert!(connection.rest().is_empty(), "a request was found behind a broken body: {broken:?}");
    }
    assert!(world.clouds.seen("novastraxis").is_empty(), "something of it reached the cloud");
    entries(&world, 4);
}

#[test]
fn two_framings_never_reach_the_cloud_together() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let json = "Content-Type: application/json\r\n";
    let post = format!("POST {LIST} HTTP/1.1");
    let chunked = chunks(GOOD, 10);
    let hidden = head("GET /v2/compute/instances?hidden=1 HTTP/1.1", &key, "");
    for (framing, body) in [
        ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n".to_owned(), chunked.clone()),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n".to_owned(), chunked.clone()),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".to_owned(), chunked.clone()),
        ("Transfer-Encoding: identity, chunked\r\n".to_owned(), chunked),
        (format!("Content-Length: {0}\r\nContent-Length: {0}\r\n", GOOD.len()), GOOD.to_owned()),
    ] {
        let bytes = head(&post, &key, &format!("{json}{framing}")) + &body + &hidden;
        let (answer, _) = send(&world, bytes.as_bytes());
        assert!([201, 400].contains(&answer.status), "{framing:?}: {answer}");
        if answer.status == 201 {
            let seen = world.clouds.saw("novastraxis", answer.says("x-request-id")).expect("a sighting");
            let frames = |it: &&Value| it[0] == "content-length" || it[0] == "transfer-encoding";
            let framings: Vec<&Value> = seen["headers"].as_array().expect("headers").iter().filter(frames).collect();
            assert_eq!(framings.len(), 1, "{framing:?} became {framings:?}");
            assert_eq!(seen["body_bytes"], GOOD.len(), "{seen:#}");
        }
    }
    let seen = world.clouds.seen("novastraxis");
    assert!(!seen.iter().any(|it| it["target"].as_str().is_some_and(|it| it.contains("hidden"))), "{seen:#?}");
}

#[test]
fn json_that_two_parsers_could_read_differently_or_not_at_all_is_refused() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let post = |media: &str, body: &[u8]| Request::post(NSX, LIST).bearer(&key.text).body(media, body);
    let json = "application/json";
    let deep = format!("{{\"machine_type\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    let double = GOOD.replacen('{', "{\"region\":\"eu-west-1\",", 1);
    let escaped = GOOD.replacen('{', "{\"\\u0072egion\":\"eu-west-1\",", 1);
    let cases: [(&str, Vec<u8>); 14] = [
        (json, b"{".to_vec()),
        (json, b"".to_vec()),
        (json, format!("{GOOD}{GOOD}").into_bytes()),
        (json, format!("\u{feff}{GOOD}").into_bytes()),
        (json, GOOD.replace("us-east-1", "\u{0}").into_bytes()),
        (json, [GOOD.as_bytes(), b"\xff"].concat()),
        (json, GOOD.replace('"', "'").into_bytes()),
        (json, b"NaN".to_vec()),
        (json, double.into_bytes()),
        (json, escaped.into_bytes()),
        (json, deep.into_bytes()),
        ("text/plain", GOOD.as_bytes().to_vec()),
        ("application/x-www-form-urlencoded", b"machine_type=n2-standard-4".to_vec()),
        ("application/json; charset=utf-16", GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect()),
    ];
    for (media, body) in &cases {
        let answer = world.ask(&post(media, body));
        let shown = String::from_utf8_lossy(body.get(..body.len().min(80)).unwrap_or_default()).into_owned();
        assert_eq!(answer.status, 400, "{media} {shown}: {answer}");
        let words = told("novastraxis", &answer);
        assert_eq!(words.code, "invalid_request", "{shown}: {answer}");
        let entry = world.gateway.entries().of(answer.says("x-request-id"));
        assert_eq!((&entry["decision"]["outcome"], &entry["decision"]["step"]), (&json!("refuse"), &json!("validate")));
    }
    let zipped = post(json, b"\x1f\x8b\x08\0\0\0\0\0\0\x03").header("Content-Encoding", "gzip");
    let answer = world.ask(&zipped).expect(400);
    assert_eq!(world.gateway.entries().of(answer.says("x-request-id"))["decision"]["step"], "validate");
    assert!(world.clouds.seen("novastraxis").is_empty(), "a bad body reached the cloud");
    entries(&world, cases.len() + 1);
}

#[test]
fn a_body_beyond_its_bound_is_too_large_however_it_is_sent() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let post = Request::post(NSX, LIST).bearer(&key.text);
    let large = format!("{{\"startup_script\":\"{}\"}}", "a".repeat(70_000));
    let declared = post.clone().body("application/json", large.clone());
    let mut chunked = post.body("application/json", chunks(&large, 8_000)).header("Transfer-Encoding", "chunked");
    let refusal = Refusal { status: 413, code: "payload_too_large", step: "validate", reason: "body_too_large" };
    for request in [&declared, &chunked] {
        let answer = world.ask(request).expect(413);
        world.check_refusal("novastraxis", &answer, refusal);
    }
    // A promise is enough: nothing of the body needs to be sent.
    chunked.body.clear();
    chunked.headers.retain(|(name, _)| name != "Transfer-Encoding");
    let answer = world.ask(&chunked.header("Content-Length", "1000000000000")).expect(413);
    world.check_refusal("novastraxis", &answer, refusal);
    entries(&world, 3);
}

#[test]
fn a_long_chat_is_held_until_it_is_found_good() {
    let world = World::start();
    let key = world.key("novastack", &["write"]);
    let chat =
        |text: &str| json!({ "model": "nova-large", "messages": [{ "role": "user", "content": text }] }).to_string();
    let ask = |body: String, chunked: bool| {
        let request = Request::post(NOVA, "/router/v1/chat/completions").bearer(&key.text);
        let request = if chunked {
            request.body("application/json", chunks(&body, 16_000)).header("Transfer-Encoding", "chunked")
        } else {
            request.body("application/json", body)
        };
        world.ask(&request)
    };
    let good = chat(&"a".repeat(300_000));
    for chunked in [false, true] {
        let answer = ask(good.clone(), chunked).expect(200);
        let seen = world.clouds.saw("novastack", answer.says("x-request-id")).expect("a sighting");
        assert_eq!(seen["body_bytes"], good.len(), "{chunked}");
    }
    let bad = [good.replace("\"messages\"", "\"massages\""), good.replace('}', "")];
    for (body, chunked) in bad.iter().flat_map(|it| [(it, false), (it, true)]) {
        let answer = ask(body.clone(), chunked).expect(400);
        let id = answer.says("x-request-id");
        let entry = world.gateway.entries().of(id);
        assert_eq!((&entry["decision"]["outcome"], &entry["decision"]["step"]), (&json!("refuse"), &json!("validate")));
        let bytes = world.clouds.saw("novastack", id).map_or(json!(0), |it| it["body_bytes"].clone());
        assert_eq!(bytes, 0, "the cloud saw a byte of a bad body");
    }
    for (length, chunked) in [(1_048_577, false), (1_048_577, true)] {
        let answer = ask(chat(&"a".repeat(length)), chunked).expect(413);
        let id = answer.says("x-request-id");
        assert_eq!(world.gateway.entries().of(id)["decision"]["reason"], "body_too_large");
        let bytes = world.clouds.saw("novastack", id).map_or(json!(0), |it| it["body_bytes"].clone());
        assert_eq!(bytes, 0, "the cloud saw a byte of a body that is too large");
    }
    entries(&world, 8);
}
