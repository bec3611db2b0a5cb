//! HTTP/1.1 and HTTP/2 beside each other, as curl speaks them.
#![expect(clippy::expect_used, reason = "a test may fail")]

use std::process::Command;
use std::time::Duration;

use acceptance::{World, frames, until};
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const LIST: &str = "/v2/compute/instances";
const NVS: &str = "api.novapai.ai";
const CHAT: &str = "/router/v1/chat/completions";

/// How many entries there are, once there are at least so many.
#[track_caller]
fn settled(world: &World, count: usize) -> usize {
    let log = world.gateway.entries();
    until(&format!("{count} entries"), Duration::from_secs(20), || (log.all().len() >= count).then_some(()));
    log.all().len()
}

/// Runs curl against the secure door, and gives what it printed.
#[track_caller]
fn curl(world: &World, host: &str, words: &[&str]) -> String {
    let port = world.gateway.door().https.port();
    let done = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", "--cacert"])
        .arg(world.gateway.authority())
        .args(["--connect-to", &format!("{host}:443:127.0.0.1:{port}")])
        .args(words)
        .output()
        .expect("curl is installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[test]
fn both_versions_of_http_are_spoken_over_tls() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let bearer = format!("Authorization: Bearer {}", key.text);
    let url = format!("https://{NSX}{LIST}");
    for (asked, spoken) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let said =
            curl(&world, NSX, &[asked, "-H", &bearer, "-o", "/dev/null", "-w", "%{http_code} %{http_version}", &url]);
        assert_eq!(said, format!("200 {spoken}"));
        let refused = curl(&world, NSX, &[asked, "-w", " %{http_code} %{http_version}", &url]);
        assert!(
            refused.contains("\"error_code\":\"unauthorized\"") && refused.ends_with(&format!(" 401 {spoken}")),
            "{refused}"
        );
        let body = r#"{"machine_type":"n2-standard-4","region":"us-east-1","network_id":"vpc-4a1c","image_id":"img-debian-13"}"#;
        let json = "Content-Type: application/json";
        let made = curl(&world, NSX, &[asked, "-H", &bearer, "-H", json, "-d", body, "-w", " %{http_code}", &url]);
        assert!(made.ends_with(" 201"), "{made}");
        let large = format!("{{\"startup_script\":\"{}\"}}", "a".repeat(70_000));
        let file = world.folder().join("large.json");
        std::fs::write(&file, large).expect("a file of the test");
        let large = format!("@{}", file.display());
        let refused = curl(&world, NSX, &[asked, "-H", &bearer, "-H", json, "-d", &large, "-w", " %{http_code}", &url]);
        assert!(refused.contains("payload_too_large") && refused.ends_with(" 413"), "{refused}");
    }
    assert_eq!(settled(&world, 8), 8);
    assert!(
        world.gateway.entries().all().iter().all(|it| it["request"]["host"] == NSX && it["request"]["tls"] == true)
    );
}

#[test]
fn a_long_body_is_held_to_its_document_alike_in_both_versions_of_http() {
    let world = World::start();
    let key = world.key("novastack", &["write"]);
    let bearer = format!("Authorization: Bearer {}", key.text);
    let url = format!("https://{NVS}{CHAT}");
    let file = world.folder().join("long.json");
    let body = format!("@{}", file.display());
    let json = "Content-Type: application/json";
    for asked in ["--http1.1", "--http2"] {
        let ask = |model: &Value, unsized_too: &[&str]| {
            let said = json!({ "model": model, "messages": [{ "role": "user", "content": "a".repeat(300_000) }] });
            std::fs::write(&file, said.to_string()).expect("a file of the test");
            let shown = [asked, "-H", &bearer, "-H", json, "--data-binary", &body, "-w", " %{http_code}", &url];
            curl(&world, NVS, &[&shown, unsized_too].concat())
        };
        let before = world.clouds.seen("novastack").len();
        let refused = ask(&json!(1), &[]);
        assert!(refused.contains("\"param\":\"model\"") && refused.ends_with(" 400"), "{asked}: {refused}");
        let whole = |seen: &Value| seen["body_bytes"].as_u64() > Some(300_000);
        assert!(!world.clouds.seen("novastack")[before..].iter().any(whole), "{asked}");
        for more in [&[][..], &["-H", "Transfer-Encoding: chunked"]] {
            let said = ask(&json!("nova-large"), more);
            assert!(said.contains("chat.completion") && said.ends_with(" 200"), "{asked} {more:?}: {said}");
        }
    }
}

#[test]
fn heads_are_bounded_alike_in_both_versions_of_http() {
    let world = World::with(|settings, _| settings.more.push_str("[connections]\nmax_header_bytes = 32768\n"));
    let key = world.key("novastraxis", &["compute"]);
    let bearer = format!("Authorization: Bearer {}", key.text);
    let url = format!("https://{NSX}{LIST}");
    for asked in ["--http1.1", "--http2"] {
        for (length, status) in [(20_000, 200), (40_000, 431)] {
            let long = format!("X-Long: {}", "a".repeat(length));
            let said = curl(&world, NSX, &[asked, "-H", &bearer, "-H", &long, "-w", " %{http_code}", &url]);
            assert!(said.ends_with(&format!(" {status}")), "{asked}: {said}");
            assert_eq!(said.contains("\"error_code\""), status == 431, "{said}");
        }
    }
    assert_eq!(settled(&world, 4), 4);
}

#[test]
fn what_no_client_sends_is_refused_in_the_words_of_the_host_that_tls_was_asked_for() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let bearer = format!("Authorization: Bearer {}", key.text);
    let long = format!("/v2/{}", "a".repeat(8_193));
    let host = format!("Host: {NSX}\r\n");
    for (target, host, status, reason) in [
        (&*format!("{LIST}#part"), &*host, 400, "bad_request"),
        (&*long, &*host, 414, "path_too_long"),
        (LIST, "", 400, "bad_request"),
    ] {
        let mut connection = world.gateway.door().secure(NSX);
        connection.send(format!("GET {target} HTTP/1.1\r\n{host}{bearer}\r\n\r\n").as_bytes());
        let answer = connection.answer("GET").expect(status);
        assert_eq!(answer.says("refusal-reason"), reason, "{answer}");
        assert!(answer.text().contains("\"error_code\":\"invalid_request\""), "not in the words of {NSX}: {answer}");
    }
    assert_eq!(settled(&world, 3), 3);
}

#[test]
fn what_stands_before_a_fragment_over_http_2_is_the_path_to_everybody_alike() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let bearer = format!("Bearer {}", key.text);
    let other = world.key_with("novastraxis", &world.new_tenant("other"), &["network"], &[]);
    let refused = format!("Bearer {}", other.text);
    // What follows is neither routed by, nor decided on, nor sent on, and makes no difference to any of it.
    let asked = format!("{LIST}#/../../network/vpcs?per_page=1");
    for (shown, outcome) in [(&bearer, "permit"), (&refused, "refuse")] {
        let named = [(":method", "GET"), (":scheme", "https"), (":path", &*asked), (":authority", NSX)];
        let mut connection = world.gateway.door().secure_two(NSX);
        let head = frames::head(&[named.as_slice(), &[("authorization", shown.as_str())]].concat());
        connection.send(&[frames::begin(), head].concat());
        let _ = frames::answer(&mut connection).expect("an answer");
        let log = world.gateway.entries();
        let entry = until("its entry", Duration::from_secs(20), || {
            log.all().into_iter().find(|it| it["decision"]["outcome"] == outcome)
        });
        let request = &entry["request"];
        assert_eq!((&request["path"], &request["operation"]), (&json!(LIST), &json!("listInstances")), "{entry:#}");
        assert_eq!(request.get("redacted"), None, "{entry:#}");
    }
    let seen = world.clouds.seen("novastraxis");
    assert!(matches!(&seen[..], [one] if one["target"] == LIST), "{seen:#?}");
}

#[test]
fn a_head_that_never_ends_is_told_so_and_entered_before_the_connection_ends() {
    let world = World::with(|settings, _| settings.more.push_str("[connections]\nhead_s = 1\n"));
    let mut connection = world.gateway.door().secure(NSX);
    connection.send(format!("GET {LIST} HTTP/1.1\r\nHost: {NSX}\r\nX-Slow: ").as_bytes());
    let answer = connection.answer("GET").expect(408);
    assert_eq!((answer.says("refusal-reason"), answer.says("connection")), ("head_late", "close"), "{answer}");
    assert!(answer.text().contains("\"error_code\""), "not in the words of {NSX}: {answer}");
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    assert_eq!((entry["status"].as_u64(), entry["decision"]["reason"].as_str()), (Some(408), Some("head_late")));
    assert!(connection.rest().is_empty());
}

/// One frame of HTTP/2.
#[test]
fn what_http_2_ends_by_itself_is_counted_and_is_in_the_next_sign_of_life() {
    let world = World::with(|settings, _| settings.more.push_str("[audit]\nheartbeat_ms = 100\n"));
    let whole = [(":method", "GET"), (":scheme", "https"), (":path", LIST), (":authority", NSX)];
    let begin = frames::begin();
    let send = |frames: &[u8]| {
        let mut connection = world.gateway.door().secure_two(NSX);
        connection.send(&[&begin, frames].concat());
        connection
    };
    let mut held = vec![
        send(&frames::head(&[whole.as_slice(), &[("X-Upper", "1")]].concat())),
        send(&frames::head(&[whole[0], whole[1], whole[3]])),
        send(&frames::head(&[whole.as_slice(), &[("connection", "close")]].concat())),
        // No proxy for others, and of one host at a time.
        send(&frames::head(&[(":method", "CONNECT"), (":authority", "x:1")])),
        send(&frames::head(&[whole.as_slice(), &[("host", "other.example")]].concat())),
        // A body of what was never asked for.
        send(&frames::frame(0, 0, 1, b"x")),
    ];
    let counted = |reason: &str| world.gateway.metric("portcullis_connections_closed_total", &[reason]);
    until("all of them to be counted", Duration::from_secs(20), || {
        (counted("h2_stream_reset") >= 2.0 && counted("h2_protocol_error") >= 2.0 && counted("h2_bad_head") >= 1.0)
            .then_some(())
    });
    until("a sign of life that says so", Duration::from_secs(20), || {
        let all = world.gateway.entries().whole();
        let said = |it: &Value| it["refused_before_context"]["h2_stream_reset"].as_u64() == Some(2);
        all.iter().any(|it| it["class"] == "heartbeat" && said(it)).then_some(())
    });
    held.clear();
}
