//! Connections, hops and upstreams: what passes, what is cut off, and what is said of it.
#![expect(clippy::expect_used, reason = "a test may fail")]

use std::process::Command;
use std::time::Duration;

use acceptance::{Answer, Connection, Key, Refusal, Request, World, told, until};
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const NOVA: &str = "api.novapai.ai";
const NEXUS: &str = "api.cloudnexus.io";
const LIST: &str = "/v2/compute/instances";
const CHAT: &str = "/router/v1/chat/completions";

/// A world with more lines of settings.
fn with(more: &str) -> World {
    World::with(|settings, _| settings.more.push_str(more))
}

/// A world whose upstream timeouts of an API are as short as a test needs.
fn hasty(api: &'static str, from: &'static str, to: &'static str) -> World {
    World::with(|settings, folder| {
        let apis = folder.join("apis");
        let copied = Command::new("cp").arg("-r").arg(&settings.apis).arg(&apis).status();
        assert!(copied.is_ok_and(|it| it.success()), "the profiles cannot be copied");
        let file = apis.join(api).join("api.toml");
        let text = std::fs::read_to_string(&file).expect("a profile");
        assert!(text.contains(from), "no `{from}` in the profile");
        std::fs::write(&file, text.replace(from, to)).expect("a profile");
        settings.apis = apis;
    })
}

/// How many entries there are, once there are at least so many.
#[track_caller]
fn settled(world: &World, count: usize) -> usize {
    let log = world.gateway.entries();
    until(&format!("{count} entries"), Duration::from_secs(20), || (log.all().len() >= count).then_some(()));
    log.all().len()
}

/// The header lines of a sighting.
fn lines(seen: &Value, name: &str) -> Vec<String> {
    let lines = seen["headers"].as_array().expect("headers").iter();
    lines.filter(|it| it[0] == name).map(|it| it[1].as_str().unwrap_or_default().to_owned()).collect()
}

fn chat(key: &Key, stream: bool) -> Request {
    let messages = json!([{ "role": "user", "content": "Say something long about gates, and take your time." }]);
    Request::post(NOVA, CHAT)
        .bearer(&key.text)
        .json(&json!({ "model": "nova-large", "messages": messages, "stream": stream }))
}

#[test]
fn one_id_names_a_request_everywhere() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let forged = "x-request-id-of-my-own";
    let answer = world.ask(&Request::get(NSX, LIST).bearer(&key.text).header("X-Request-Id", forged)).expect(200);
    let id = answer.says("x-request-id");
    assert_ne!(id, forged);
    let seen = world.clouds.saw("novastraxis", id).expect("a sighting");
    assert_eq!(lines(&seen, "x-request-id"), [id]);
    assert_eq!(world.gateway.entries().of(id)["request"]["id"], id);
    let refused = world.ask(&Request::get(NSX, LIST).header("X-Request-Id", forged)).expect(401);
    let words = told("novastraxis", &refused);
    assert_eq!(words.request_id, Some(format!("req_{}", refused.says("x-request-id"))));
    assert_eq!(world.gateway.entries().of(refused.says("x-request-id"))["status"], 401);
}

#[test]
fn a_trace_goes_on_or_begins() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let given = format!("00-{trace}-b7ad6b7169203331-01");
    let ask = |parent: &str| {
        let request = Request::get(NSX, LIST).bearer(&key.text);
        let answer = world.ask(&request.header("traceparent", parent).header("tracestate", "a=b")).expect(200);
        let id = answer.says("x-request-id").to_owned();
        (world.clouds.saw("novastraxis", &id).expect("a sighting"), world.gateway.entries().of(&id))
    };
    for given in [given.clone(), given.replacen("00", "01", 1) + "-extra"] {
        let (seen, entry) = ask(&given);
        let parent = lines(&seen, "traceparent").concat();
        assert!(parent.starts_with(&format!("00-{trace}-")) && parent.ends_with("-01") && parent != given, "{parent}");
        assert_eq!((lines(&seen, "tracestate").concat().as_str(), &entry["request"]["trace"]), ("a=b", &json!(trace)));
    }
    for broken in [
        "junk",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ] {
        let (seen, _) = ask(broken);
        let parent = lines(&seen, "traceparent");
        assert!(parent.len() == 1 && parent[0].len() == 55 && !parent[0].contains(trace), "{broken}: {parent:?}");
        assert!(lines(&seen, "tracestate").is_empty(), "the state of a broken trace went on");
    }
}

#[test]
fn hop_by_hop_headers_end_at_the_gateway() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let request = Request::get(NSX, LIST)
        .bearer(&key.text)
        .header(
            "Connection",
            "x-mine, x-portcullis-tenant, x-portcullis-identity, authorization, x-request-id, traceparent",
        )
        .header("Connection", "upgrade, te, close")
        .header("X-Mine", "1")
        .header("Upgrade", "websocket")
        .header("TE", "trailers")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Connection", "keep-alive")
        .header("Proxy-Authorization", "Basic eDp5");
    let answer = world.permits("novastraxis", &request, 200);
    let seen = world.clouds.saw("novastraxis", answer.says("x-request-id")).expect("a sighting");
    for gone in ["x-mine", "upgrade", "te", "keep-alive", "proxy-connection", "proxy-authorization", "authorization"] {
        assert!(lines(&seen, gone).is_empty(), "`{gone}` went on: {seen:#}");
    }
    for ours in
        ["x-portcullis-tenant", "x-portcullis-identity", "x-request-id", "traceparent", "x-forwarded-for", "host"]
    {
        assert_eq!(lines(&seen, ours).len(), 1, "`{ours}` was taken out by its caller: {seen:#}");
    }
}

#[test]
fn an_upgrade_carries_no_second_request() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    for protocol in ["websocket", "h2c"] {
        let mut connection = world.gateway.door().secure(NSX);
        let bearer = format!("Host: {NSX}\r\nAuthorization: Bearer {}\r\n", key.text);
        connection.send(
            format!(
                "GET {LIST} HTTP/1.1\r\n{bearer}Connection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n\
                 GET {LIST}?hidden=1 HTTP/1.1\r\n{bearer}\r\n"
            )
            .as_bytes(),
        );
        let _ = connection.answer("GET").expect(200);
    }
    let seen = world.clouds.seen("novastraxis");
    let hidden = seen.iter().filter(|it| it["target"].as_str().is_some_and(|it| it.contains("hidden"))).count();
    let asked = settled(&world, seen.len());
    assert_eq!(seen.len(), asked, "the cloud saw what the log did not: {seen:#?}");
    assert_eq!(hidden, asked - 2, "{seen:#?}");
}

#[test]
fn an_upstream_that_fails_is_answered_for_once_and_entered_once() {
    let world = hasty("novastraxis", "first_byte = \"30s\"", "first_byte = \"1s\"");
    let key = world.key("novastraxis", &["compute"]);
    let request = Request::get(NSX, LIST).bearer(&key.text);
    for (fault, status, code, reason) in [
        (json!({ "kind": "hang", "ms": 60_000 }), 504, "gateway_timeout", "upstream_timeout"),
        (json!({ "kind": "slow", "ms": 60_000 }), 504, "gateway_timeout", "upstream_timeout"),
        (json!({ "kind": "reset" }), 502, "bad_gateway", "upstream_broken"),
        (json!({ "kind": "garbage" }), 502, "bad_gateway", "upstream_broken"),
    ] {
        world.clouds.arm("novastraxis", &fault);
        let answer = world.ask(&request).expect(status);
        world.clouds.heal();
        assert_eq!(told("novastraxis", &answer).code, code, "{fault}: {answer}");
        let entry = world.gateway.entries().of(answer.says("x-request-id"));
        assert_eq!(entry["status"], status, "{entry:#}");
        assert_eq!(entry["decision"]["outcome"], "fail", "{entry:#}");
        assert_eq!(entry["decision"]["step"], "forward", "{entry:#}");
        assert_eq!(entry["decision"]["reason"], reason, "{entry:#}");
        assert_eq!(entry["decision"]["blame"], "upstream", "{entry:#}");
    }
    let _ = world.ask(&request).expect(200);
    assert_eq!(settled(&world, 5), 5);
}

#[test]
fn an_upstream_that_stops_in_the_middle_is_not_passed_off_as_whole() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    world.clouds.arm("novastraxis", &json!({ "kind": "truncate", "times": 1 }));
    let mut connection = world.gateway.door().secure(NSX);
    connection
        .send(format!("GET {LIST} HTTP/1.1\r\nHost: {NSX}\r\nAuthorization: Bearer {}\r\n\r\n", key.text).as_bytes());
    // What has not been sent when the upstream stops need not be sent at all.
    let told = String::from_utf8_lossy(&connection.rest()).into_owned();
    if let Some((head, body)) = told.split_once("\r\n\r\n") {
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|it| it.strip_prefix("content-length: ")).expect("a length");
        assert!(body.len() < length.parse().expect("a number"), "half an answer arrived whole: {told}");
    }
    let entry = &world.gateway.entries().with_path(LIST, 1)[0];
    assert_eq!((&entry["status"], &entry["decision"]["outcome"]), (&json!(200), &json!("fail")), "{entry:#}");
    assert_eq!(entry["decision"]["blame"], "upstream", "{entry:#}");
}

#[test]
fn an_operation_that_is_past_its_deadline_is_answered_for() {
    let world = hasty("novastraxis", "total = \"60s\"", "total = \"1s\"");
    let key = world.key("novastraxis", &["compute"]);
    world.clouds.arm("novastraxis", &json!({ "kind": "hang", "ms": 60_000, "times": 1 }));
    let answer = world.ask(&Request::get(NSX, LIST).bearer(&key.text)).expect(504);
    assert_eq!(told("novastraxis", &answer).code, "gateway_timeout");
    assert_eq!(world.gateway.entries().of(answer.says("x-request-id"))["decision"]["reason"], "upstream_timeout");
}

#[test]
fn a_stream_passes_frame_by_frame() {
    let world = World::start();
    let key = world.key("novastack", &["write"]);
    world.clouds.arm("novastack", &json!({ "kind": "slow_drip", "ms": 2 }));
    let mut connection = world.gateway.door().secure(NOVA);
    let request = chat(&key, true);
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nHost: {NOVA}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        key.text,
        body.len()
    );
    connection.send(head.as_bytes());
    let answer = connection.head().expect(200);
    assert!(answer.says("content-type").starts_with("text/event-stream"), "{answer}");
    let id = answer.says("x-request-id").to_owned();
    let mut pieces = connection.pieces("POST", &answer);
    let mut text = Vec::new();
    while !text.windows(5).any(|it| it == b"data:") {
        text.extend(connection.piece(&mut pieces).expect("the first frame"));
    }
    // The upstream is still speaking when the first frame has arrived here.
    let still = world.clouds.saw("novastack", &id).expect("a sighting");
    assert!(world.gateway.entries().all().is_empty(), "settled before its last frame: {still:#}");
    world.clouds.heal();
    while let Some(piece) = connection.piece(&mut pieces) {
        text.extend(piece);
    }
    assert!(String::from_utf8_lossy(&text).trim_end().ends_with("data: [DONE]"));
    let entry = world.gateway.entries().of(&id);
    assert_eq!(
        (&entry["decision"]["outcome"], &entry["bytes_out"]),
        (&json!("permit"), &json!(text.len())),
        "{entry:#}"
    );
}

#[test]
fn a_caller_that_leaves_in_the_middle_of_a_stream_is_entered_as_cut_off() {
    let world = World::start();
    let key = world.key("novastack", &["write"]);
    world.clouds.arm("novastack", &json!({ "kind": "slow_drip", "ms": 5 }));
    let id = {
        let mut connection = world.gateway.door().secure(NOVA);
        let body = String::from_utf8_lossy(&chat(&key, true).body).into_owned();
        connection.send(
            format!(
                "POST {CHAT} HTTP/1.1\r\nHost: {NOVA}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                key.text,
                body.len()
            )
            .as_bytes(),
        );
        connection.head().expect(200).says("x-request-id").to_owned()
    };
    let entry = world.gateway.entries().of(&id);
    assert_eq!((&entry["status"], &entry["decision"]["outcome"]), (&json!(200), &json!("fail")), "{entry:#}");
    assert_eq!(entry["decision"]["reason"], "cut_off", "{entry:#}");
    until("the request to be let go", Duration::from_secs(20), || {
        (world.gateway.metric("portcullis_requests_in_flight", &[]) < 0.5).then_some(())
    });
}

/// Resident memory of a process, in bytes.
fn memory(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process of ours");
    let line = text.lines().find_map(|it| it.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[test]
fn large_bodies_pass_both_ways_without_being_kept() {
    const MEGABYTES: usize = 32;
    let world = World::start();
    let key = world.key("cloudnexus", &["storage:write", "storage:read"]);
    let listed = world.ask(&Request::get(NEXUS, "/v2/buckets").bearer(&key.text)).expect(200).json();
    let bucket = listed["buckets"][0]["id"].as_str().unwrap_or_else(|| panic!("no bucket in {listed:#}")).to_owned();
    let before = memory(world.gateway.process().id());
    let mut connection = world.gateway.door().secure(NEXUS);
    connection.send(
        format!(
            "PUT /v2/objects/{bucket}/large.bin HTTP/1.1\r\nHost: {NEXUS}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
            key.text,
            MEGABYTES * 1024 * 1024
        )
        .as_bytes(),
    );
    let mut most = before;
    let piece = vec![7; 1024 * 1024];
    for _ in 0..MEGABYTES {
        connection.send(&piece);
        most = most.max(memory(world.gateway.process().id()));
    }
    let answer = connection.answer("PUT").expect(200);
    let seen = world.clouds.saw("cloudnexus", answer.says("x-request-id")).expect("a sighting");
    assert_eq!(seen["body_bytes"], MEGABYTES * 1024 * 1024, "{seen:#}");
    most = most.max(memory(world.gateway.process().id()));
    assert!(most - before < 16 * 1024 * 1024, "grew by {} KiB for a body of 32 MiB", (most - before) / 1024);
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    assert_eq!(entry["bytes_in"], MEGABYTES * 1024 * 1024, "{entry:#}");
}

#[test]
fn a_caller_that_leaves_is_let_go_whichever_line_says_so() {
    let world = World::start();
    for lines in ["Connection: close\r\n", "Connection: x-hop\r\nConnection: Close\r\n", "Connection: x-hop, close\r\n"]
    {
        let mut connection = world.gateway.door().secure(NSX);
        connection.send(format!("GET {LIST} HTTP/1.1\r\nHost: {NSX}\r\n{lines}\r\n").as_bytes());
        let _ = connection.answer("GET").expect(401);
        assert!(connection.rest().is_empty(), "{lines}");
    }
}

#[test]
fn requests_that_come_before_the_answer_to_the_one_before_are_answered_in_their_order() {
    let world = World::start();
    let key = world.key("novastraxis", &["network", "compute"]).text;
    let get = |path: &str| Request::get("api.novastraxis.com", path).bearer(&key).bytes();
    let post = Request::post("api.novastraxis.com", "/v2/compute/instances").bearer(&key).json(&json!({})).bytes();
    let mut connection = world.gateway.door().secure("api.novastraxis.com");
    // The last of them reaches the gateway in two pieces.
    let all = [get("/v2/network/vpcs"), post, get("/v2/nowhere"), get("/v2/compute/instances")].concat();
    let (first, rest) = all.split_at(all.len() - 20);
    connection.send(first);
    let mut answers: Vec<Answer> = (0..3).map(|_| connection.answer("GET")).collect();
    connection.send(rest);
    answers.push(connection.answer("GET"));
    let told: Vec<u16> = answers.iter().map(|it| it.status).collect();
    assert_eq!(told, [200, 400, 404, 200]);
    for answer in &answers {
        let entry = world.gateway.entries().of(answer.says("x-request-id"));
        assert_eq!(entry["status"], answer.status, "{entry:#}");
    }
}

#[test]
fn http_1_0_and_bare_line_feeds_are_understood_and_go_on_as_http_1_1() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let bearer = format!("Host: {NSX}\r\nAuthorization: Bearer {}\r\n\r\n", key.text);
    let mut old = world.gateway.door().secure(NSX);
    old.send(format!("GET {LIST} HTTP/1.0\r\n{bearer}").as_bytes());
    let answer = old.answer("GET").expect(200);
    assert!(old.rest().is_empty(), "HTTP/1.0 was kept alive unasked: {answer}");
    let mut bare = world.gateway.door().secure(NSX);
    bare.send(format!("GET {LIST} HTTP/1.1\r\n{bearer}").replace("\r\n", "\n").as_bytes());
    let _ = bare.answer("GET").expect(200);
    assert_eq!(world.clouds.seen("novastraxis").len(), 2);
}

#[test]
fn a_head_that_takes_too_long_is_told_so_and_hung_up_on() {
    let world = with("[connections]\nhead_s = 1\n");
    let door = world.gateway.door();
    let mut slow: Vec<Connection> = (0..20).map(|_| door.plain()).chain((0..20).map(|_| door.secure(NSX))).collect();
    for connection in &mut slow {
        connection.send(format!("GET {LIST} HTTP/1.1\r\nHost: {NSX}\r\nX-Slow: ").as_bytes());
    }
    // They hold nobody up meanwhile.
    let _ = world.ask(&Request::get(NSX, LIST)).expect(401);
    for connection in &mut slow {
        let answer = connection.answer("GET").expect(408);
        assert!(connection.rest().is_empty(), "more than an answer: {answer}");
    }
    until("every connection to be let go", Duration::from_secs(20), || {
        (world.gateway.metric("portcullis_connections", &[]) < 0.5).then_some(())
    });
    assert!(world.gateway.metric("portcullis_connections_closed_total", &["cut_in_head"]) >= 40.0);
    assert_eq!(settled(&world, 41), 41, "each has its entry");
}

#[test]
fn a_body_that_takes_too_long_is_refused() {
    let world = with("[connections]\ndecide_s = 1\n");
    let key = world.key("novastraxis", &["compute"]);
    let mut connection = world.gateway.door().secure(NSX);
    connection.send(
        format!(
            "POST {LIST} HTTP/1.1\r\nHost: {NSX}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: 100\r\n\r\n{{",
            key.text
        )
        .as_bytes(),
    );
    let answer = connection.answer("POST");
    let refusal = Refusal { status: 400, code: "invalid_request", step: "validate", reason: "body_cut" };
    world.check_refusal("novastraxis", &answer, refusal);
    assert!(connection.rest().is_empty());
}

#[test]
fn the_last_answer_of_a_connection_says_that_it_is_the_last() {
    let world = with("[connections]\nrequests = 3\n");
    let mut connection = world.gateway.door().secure(NSX);
    let asked = [(); 3].map(|()| connection.ask(&Request::get(NSX, LIST)).expect(401));
    let closes = asked.each_ref().map(|it| it.header("connection").is_some_and(|it| it.eq_ignore_ascii_case("close")));
    assert_eq!(closes, [false, false, true]);
    assert!(connection.rest().is_empty());
}

#[test]
fn connections_are_capped_and_a_place_comes_back() {
    let world = with("[connections]\nper_address = 3\n");
    let door = world.gateway.door();
    let mut held: Vec<Connection> = (0..3).map(|_| door.secure(NSX)).collect();
    for connection in &mut held {
        let _ = connection.ask(&Request::get(NSX, LIST)).expect(401);
    }
    let mut fourth = door.plain();
    fourth.send(format!("GET {LIST} HTTP/1.1\r\nHost: {NSX}\r\n\r\n").as_bytes());
    assert!(fourth.rest().is_empty(), "a connection too many was served");
    let closed = world.gateway.metric("portcullis_connections_closed_total", &["too_many_from_address"]);
    assert!((closed - 1.0).abs() < f64::EPSILON, "{closed}");
    held.pop();
    until("a place to come back", Duration::from_secs(20), || {
        (world.gateway.metric("portcullis_connections", &[]) < 2.5).then_some(())
    });
    let _ = door.secure(NSX).ask(&Request::get(NSX, LIST)).expect(401);
}
