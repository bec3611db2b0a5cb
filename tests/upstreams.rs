//! Upstreams that say what they should not, and what is left of it.
#![expect(clippy::expect_used, reason = "what fails here must fail the test")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use acceptance::{Request, World};
use serde_json::json;

const NSX: &str = "api.novastraxis.com";
const LIST: &str = "/v2/compute/instances";

/// An upstream that gives every request the same bytes for an answer.
fn upstream_that_says(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]).and_then(|_| stream.write_all(bytes));
        }
    });
    address
}

#[test]
fn what_an_upstream_says_of_its_hop_ends_at_the_gateway() {
    let upstream = upstream_that_says(
        b"HTTP/1.1 200 OK\r\nConnection: X-Secret, content-length\r\nConnection: close\r\nX-Secret: 1\r\n\
          Keep-Alive: timeout=5\r\nTrailer: x\r\nUpgrade: h2c\r\nProxy-Authenticate: Basic\r\nRefusal-Reason: forged\r\n\
          Credential-Expires: forged\r\nDPoP-Nonce: forged\r\nProxy-Authentication-Info: forged\r\n\
          X-Portcullis-Tenant: forged\r\nX-Kept: 1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    );
    let world = World::with(|settings, _| settings.upstreams.extend([("novastraxis".to_owned(), upstream)]));
    let key = world.key("novastraxis", &["compute"]);
    let answer = world.ask(&Request::get(NSX, LIST).bearer(&key.text)).expect(200);
    assert_eq!((answer.says("x-kept"), answer.text().as_str()), ("1", "{}"), "{answer}");
    for gone in
        ["x-secret", "keep-alive", "trailer", "upgrade", "proxy-authenticate", "refusal-reason", "x-portcullis-tenant"]
    {
        assert_eq!(answer.header(gone), None, "{answer}");
    }
    for gone in ["credential-expires", "dpop-nonce", "proxy-authentication-info"] {
        assert_eq!(answer.header(gone), None, "{answer}");
    }
}

#[test]
fn an_upstream_speaks_of_no_limit_even_where_nobody_is_counted() {
    let upstream = upstream_that_says(
        b"HTTP/1.1 200 OK\r\nX-RateLimit-Limit: 5\r\nX-RateLimit-Remaining: 4\r\nX-RateLimit-Reset: 1\r\n\
          RateLimit: \"a\";r=1;t=1\r\nRateLimit-Policy: \"a\";q=1;w=1\r\nX-Kept: 1\r\n\
          Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    );
    let world = World::with(|settings, folder| {
        let apis = folder.join("apis");
        let copied = Command::new("cp").arg("-r").arg(&settings.apis).arg(&apis).status();
        assert!(copied.is_ok_and(|it| it.success()), "the profiles cannot be copied");
        // An operation that admits everybody, and that the API behind answers.
        let file = apis.join("novastraxis/openapi.yaml");
        let text = std::fs::read_to_string(&file).expect("a document");
        let native = "      x-portcullis-native: issuer.keys\n";
        assert!(text.contains(native), "no operation of the gateway's own");
        std::fs::write(&file, text.replace(native, "")).expect("a document");
        settings.apis = apis;
        settings.upstreams.insert("novastraxis".to_owned(), upstream);
    });
    let key = world.key("novastraxis", &["compute"]);
    let open = world.ask(&Request::get(NSX, "/oauth/jwks")).expect(200);
    assert_eq!(open.says("x-kept"), "1", "{open}");
    for gone in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit", "ratelimit-policy"] {
        assert_eq!(open.header(gone), None, "{open}");
    }
    let counted = world.ask(&Request::get(NSX, LIST).bearer(&key.text)).expect(200);
    assert_eq!(counted.says("x-ratelimit-limit"), "1000", "{counted}");
    assert!(counted.says("ratelimit").starts_with("\"burst\";"), "{counted}");
}

#[test]
fn an_upstream_does_not_say_since_when_an_operation_is_deprecated() {
    let upstream = upstream_that_says(
        b"HTTP/1.1 200 OK\r\nDeprecation: @1\r\nDeprecation: @2\r\nLink: </a>; rel=\"next\"\r\n\
          Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    );
    let world = World::with(|settings, folder| {
        let apis = folder.join("apis");
        let copied = Command::new("cp").arg("-r").arg(&settings.apis).arg(&apis).status();
        assert!(copied.is_ok_and(|it| it.success()), "the profiles cannot be copied");
        let file = apis.join("novastraxis/openapi.yaml");
        let text = std::fs::read_to_string(&file).expect("a document");
        let named = "      operationId: listInstances\n";
        assert!(text.contains(named), "no such operation");
        std::fs::write(&file, text.replace(named, &format!("{named}      deprecated: true\n"))).expect("a document");
        settings.apis = apis;
        settings.upstreams.insert("novastraxis".to_owned(), upstream);
    });
    let key = world.key("novastraxis", &["compute"]);
    let answer = world.ask(&Request::get(NSX, LIST).bearer(&key.text)).expect(200);
    let told = answer.headers.iter().filter(|(name, _)| name == "deprecation");
    let told: Vec<&str> = told.map(|(_, value)| value.as_str()).collect();
    assert!(matches!(told.as_slice(), [own] if !["@1", "@2"].contains(own)), "{answer}");
    assert_eq!(answer.says("link"), "</a>; rel=\"next\"", "{answer}");
}

#[test]
fn an_interim_answer_is_stripped_like_the_last_one() {
    let upstream = upstream_that_says(
        b"HTTP/1.1 103 Early Hints\r\nConnection: X-Secret\r\nX-Secret: 1\r\nRefusal-Reason: forged\r\nLink: </a>\r\n\r\n\
          HTTP/1.1 204 No Content\r\nContent-Length: 2\r\nAlt-Svc: h3=\":1\"\r\n\r\n",
    );
    let world = World::with(|settings, _| settings.upstreams.extend([("novastraxis".to_owned(), upstream)]));
    let key = world.key("novastraxis", &["compute"]);
    let mut connection = world.gateway.door().secure(NSX);
    let bearer = format!("Authorization: Bearer {}", key.text);
    connection.send(format!("GET {LIST} HTTP/1.1\r\nHost: {NSX}\r\n{bearer}\r\n\r\n").as_bytes());
    let interim = connection.any_head().expect(103);
    assert_eq!(interim.says("link"), "</a>");
    assert_eq!([interim.header("x-secret"), interim.header("refusal-reason")], [None, None], "{interim}");
    let last = connection.head().expect(204);
    assert_eq!([last.header("content-length"), last.header("alt-svc")], [None, None], "{last}");
}

#[test]
fn an_upstream_that_leaves_after_an_interim_answer_has_not_answered() {
    let upstream = upstream_that_says(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    let world = World::with(|settings, _| settings.upstreams.extend([("novastraxis".to_owned(), upstream)]));
    let key = world.key("novastraxis", &["compute"]);
    let mut connection = world.gateway.door().secure(NSX);
    connection.send(&Request::get(NSX, LIST).bearer(&key.text).bytes());
    assert_eq!(connection.any_head().status, 103);
    let answer = connection.answer("GET").expect(502);
    assert_eq!(answer.says("refusal-reason"), "upstream_broken", "{answer}");
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    assert_eq!((&entry["status"], &entry["decision"]["outcome"]), (&json!(502), &json!("fail")), "{entry:#}");
    assert_eq!(entry["upstream"].get("status"), None, "{entry:#}");
}

#[test]
fn apis_that_share_an_upstream_keep_their_own_timeouts() {
    let world = World::with(|settings, folder| {
        let apis = folder.join("apis");
        let copied = Command::new("cp").arg("-r").arg(&settings.apis).arg(&apis).status();
        assert!(copied.is_ok_and(|it| it.success()), "the profiles cannot be copied");
        let file = apis.join("cloudnexus/api.toml");
        let text = std::fs::read_to_string(&file).expect("a profile");
        std::fs::write(&file, text.replace("first_byte = \"30s\"", "first_byte = \"1s\"")).expect("a profile");
        settings.apis = apis;
        let shared = settings.upstreams["novastraxis"];
        settings.upstreams.insert("cloudnexus".to_owned(), shared);
    });
    let key = world.key("novastraxis", &["compute"]);
    world.clouds.arm("novastraxis", &json!({ "kind": "slow", "ms": 2_000, "times": 1 }));
    let _ = world.ask(&Request::get(NSX, LIST).bearer(&key.text)).expect(200);
}

#[test]
fn a_protocol_that_is_switched_unasked_is_a_broken_answer() {
    let upstream =
        upstream_that_says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\nConnection: upgrade\r\n\r\nraw");
    let world = World::with(|settings, _| settings.upstreams.extend([("novastraxis".to_owned(), upstream)]));
    let key = world.key("novastraxis", &["compute"]);
    let answer = world.ask(&Request::get(NSX, LIST).bearer(&key.text)).expect(502);
    assert_eq!(world.gateway.entries().of(answer.says("x-request-id"))["decision"]["outcome"], "fail");
}

#[test]
fn a_body_in_a_coding_that_nobody_can_read_is_a_broken_answer() {
    for (at, bytes) in [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: foo\r\nContent-Type: application/json\r\n\r\n{}".as_slice(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, foo\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let upstream = upstream_that_says(bytes);
        let world = World::with(|settings, _| settings.upstreams.extend([("novastraxis".to_owned(), upstream)]));
        let key = world.key("novastraxis", &["compute"]);
        let answer = world.ask(&Request::get(NSX, LIST).bearer(&key.text)).expect(502);
        assert_eq!(answer.says("refusal-reason"), "upstream_broken", "{at}: {answer}");
        assert!(answer.header("transfer-encoding").is_none_or(|it| it == "chunked"), "{at}: {answer}");
    }
}
