//! What a signature proves: the whole request, to the last byte of its body, and once.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "what fails here must fail the test")]

use std::time::Duration;

use acceptance::{Answer, Key, Refusal, Request, World, python, until};
use serde_json::{Value, json};

const API: &str = "cloudnx.in";
const OBJECTS: &str = "s3.cloudnx.in";
const SOON: Duration = Duration::from_secs(20);

const PERMISSIONS: [&str; 8] = [
    "s3:ListAllMyBuckets",
    "s3:ListBucket",
    "s3:CreateBucket",
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:ListMultipartUploadParts",
    "s3:AbortMultipartUpload",
];

/// Runs a script with a key that signs, and reads the line it ends with.
#[track_caller]
fn tell(world: &World, script: &str, key: &Key, more: &[(&str, &str)]) -> Value {
    let secret = key.secret.as_deref().unwrap();
    let shown = key.shown();
    let own = [("ACCESS_KEY_ID", key.text.as_str()), ("SECRET_ACCESS_KEY", secret), ("KEY", shown.as_str())];
    let out = python(world, script, &[&own, more].concat()).out;
    serde_json::from_str(out.lines().last().unwrap_or_default()).unwrap()
}

/// A request as botocore signs it.
#[track_caller]
fn signed(world: &World, key: &Key, method: &str, host: &str, target: &str) -> Request {
    signed_with(world, key, (method, host, target), &[])
}

/// The same, with more said to the script.
#[track_caller]
fn signed_with(world: &World, key: &Key, asked: (&str, &str, &str), more: &[(&str, &str)]) -> Request {
    let (method, host, target) = asked;
    let service = if host == OBJECTS { "s3" } else { "cloudnx" };
    let usual = [("METHOD", method), ("HOST", host), ("TARGET", target), ("SERVICE", service)];
    let told = tell(world, "signed_once.py", key, &[&usual, more].concat());
    let lines = told["headers"].as_array().unwrap().iter();
    lines.fold(Request::new(method, host, target), |it, line| {
        it.header(line[0].as_str().unwrap(), line[1].as_str().unwrap())
    })
}

#[test]
fn what_is_not_the_body_that_was_meant_is_refused_and_never_stored() {
    let world = World::start();
    let key = world.key("cloudnx", &PERMISSIONS);
    let told = tell(&world, "s3_bodies.py", &key, &[]);
    let refused = told["refused"].as_array().unwrap();
    let ids: Vec<&str> = refused.iter().map(|it| it[0].as_str().unwrap()).collect();
    let entries = world.gateway.entries().of_each(&ids);
    for it in refused {
        let entry = &entries[it[0].as_str().unwrap()];
        assert_eq!((&entry["status"], &entry["decision"]["reason"]), (&it[1], &it[2]), "{entry:#}");
        assert_eq!(entry["decision"]["outcome"], "refuse", "{entry:#}");
        assert_eq!(entry["decision"]["step"], "validate", "{entry:#}");
        assert_eq!(entry["upstream"].get("status"), None, "the store has answered: {entry:#}");
    }
    let unsent = world.gateway.entries().of(told["unsent"].as_str().unwrap());
    assert_eq!(unsent["decision"]["reason"], "payload_mismatch", "{unsent:#}");
    assert_eq!(unsent.get("upstream"), None, "{unsent:#}");
    world.gateway.entries().assert_sound();
}

#[test]
fn whoever_was_given_leave_to_send_a_body_is_told_that_it_is_not_the_one_that_was_meant() {
    let world = World::start();
    let key = world.key("cloudnx", &PERMISSIONS);
    let _ = world.permits("cloudnx", &signed(&world, &key, "PUT", OBJECTS, "/waited"), 200);
    let chunks = r#"{"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": "5", "X-Amz-Trailer": "x-amz-checksum-crc32"}"#;
    let trailing = [("PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), ("MORE", chunks)];
    for (more, body, code, reason) in [
        (&[][..], "hello", "XAmzContentSHA256Mismatch", "payload_mismatch"),
        (&trailing, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "BadDigest", "checksum_mismatch"),
    ] {
        let request = signed_with(&world, &key, ("PUT", OBJECTS, "/waited/for"), more);
        let length = body.len().to_string();
        let mut connection = world.gateway.door().secure(OBJECTS);
        connection.send(&request.header("Expect", "100-continue").header("Content-Length", &length).bytes());
        assert_eq!(connection.any_head().status, 100, "{reason}");
        connection.send(body.as_bytes());
        let answer = connection.answer("PUT").expect(400);
        assert!(answer.text().contains(&format!("<Code>{code}</Code>")), "{answer}");
        let entry = world.gateway.entries().of(answer.says("x-amz-request-id"));
        assert_eq!((&entry["status"], &entry["decision"]["reason"]), (&json!(400), &json!(reason)), "{entry:#}");
    }
}

#[test]
fn no_body_is_read_for_an_access_key_that_nobody_has() {
    let world = World::start();
    let key = world.key("cloudnx", &["compute:write"]);
    let request = signed(&world, &key, "POST", API, "/compute/instances");
    let waits = request.header("Content-Length", "1000").header("Expect", "100-continue");
    let mut unknown = waits.clone();
    for (name, value) in &mut unknown.headers {
        assert!(!name.eq_ignore_ascii_case("x-amz-content-sha256"), "its hash is written");
        *value = value.replace(&key.text, &key.text.chars().rev().collect::<String>());
    }
    let mut connection = world.gateway.door().secure(API);
    connection.send(&unknown.bytes());
    let answer = connection.any_head().expect(401);
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    assert_eq!(
        (&entry["decision"]["reason"], &entry["bytes_in"]),
        (&json!("unknown_access_key"), &json!(0)),
        "{entry:#}"
    );
    let mut connection = world.gateway.door().secure(API);
    connection.send(&waits.bytes());
    assert_eq!(connection.any_head().status, 100, "whose key it is was not asked to send the body");
}

#[test]
fn boto3_and_the_aws_cli_send_bodies_as_they_like_and_a_link_dies_with_its_key() {
    let world = World::start();
    let key = world.key("cloudnx", &PERMISSIONS);
    let link = tell(&world, "s3_modes.py", &key, &[])["link"].take();
    let link = Request::get(OBJECTS, link.as_str().unwrap());
    assert_eq!(world.ask(&link).expect(200).body.len(), 2_500_000);
    assert_eq!(world.gateway.command(&["api-keys", "revoke", &key.id]).code, 0);
    let refused = until("the link to die", SOON, || Some(world.ask(&link)).filter(|it| it.status != 200));
    let revoked = Refusal { status: 403, code: "AccessDenied", step: "authenticate", reason: "revoked" };
    world.check_refusal("cloudnx", &refused, revoked);
    world.gateway.entries().assert_sound();
}

#[test]
fn a_refused_change_of_objects_has_one_entry_with_the_status_that_s3_knows() {
    let world = World::start();
    let key = world.key("cloudnx", &PERMISSIONS);
    let mut change = signed(&world, &key, "PUT", OBJECTS, "/somewhere");
    change.target = "/elsewhere".to_owned();
    let mismatch = "signature_mismatch";
    let forged = Refusal { status: 403, code: "SignatureDoesNotMatch", step: "authenticate", reason: mismatch };
    let answer = world.refuses("cloudnx", &change, forged);
    world.gateway.entries().assert_sound();
    let of = |it: &&Value| it["request"]["id"] == answer.says("x-request-id");
    assert_eq!(world.gateway.entries().all().iter().filter(of).count(), 1);
}

/// Sends the same again until it is answered otherwise; being asked to wait does not count.
#[track_caller]
fn repeat(world: &World, request: &Request) -> (Answer, Answer) {
    let first = world.ask(request);
    let (status, mut last) = (first.status, None);
    let other = until("another answer", SOON, || {
        let again = world.ask(request);
        if again.status == status {
            last = Some(again);
            return None;
        }
        (again.status != 429).then_some(again)
    });
    (last.unwrap_or(first), other)
}

/// Looks until the clock of the gateway shows another second than it did in an answer.
#[track_caller]
fn next_second(world: &World, answer: &Answer) {
    let look = Request::get(API, "/.well-known/oauth-authorization-server");
    until("the next second", SOON, || (world.ask(&look).says("date") != answer.says("date")).then_some(()));
}

#[test]
fn a_signed_change_runs_once_however_the_gateway_ended_meanwhile() {
    let mut world = World::start();
    let key = world.key("cloudnx", &["compute:read", "compute:write"]);
    let change = |world: &World, id: u8| signed(world, &key, "DELETE", API, &format!("/compute/instances/i-{id:016}"));
    let (sent, kept) = (change(&world, 0), change(&world, 1));
    assert_eq!(world.ask(&sent).status, 404);
    // Stopped in order it leaves what it knows: what was seen is refused, and what was not goes on.
    world.gateway.restart();
    assert_eq!(world.ask(&sent).expect(409).says("refusal-reason"), "signature_replayed");
    assert_eq!(world.ask(&kept).status, 404);
    let (lost, unsent) = (change(&world, 2), change(&world, 3));
    let look = signed(&world, &key, "GET", API, "/compute/instances");
    next_second(&world, &world.ask(&lost).expect(404));
    // Killed it leaves nothing: what was signed before it began is to be signed anew.
    world.gateway.crash();
    for before in [&sent, &lost, &unsent] {
        assert_eq!(world.ask(before).expect(409).says("refusal-reason"), "signature_replayed");
    }
    assert!(world.gateway.metric("portcullis_signature_repeats_total", &["api", "forgotten"]) > 2.0);
    assert_eq!((world.ask(&change(&world, 3)).status, world.ask(&look).status), (404, 200));
    // Nor does it know more for being stopped in order after that.
    world.gateway.restart();
    for before in [&sent, &lost, &unsent] {
        assert_eq!(world.ask(before).expect(409).says("refusal-reason"), "signature_replayed");
    }
    world.gateway.entries().assert_sound();
}

#[test]
fn a_signed_change_may_be_sent_again_for_two_seconds_and_then_no_more() {
    let world = World::start();
    let key = world.key("cloudnx", &["compute:read", "compute:write"]);
    let change = signed(&world, &key, "DELETE", API, "/compute/instances/i-0000000000000000");
    let (resent, refused) = repeat(&world, &change);
    assert_eq!(resent.status, 404, "the first went on, and so did those at once after it");
    let entry = world.gateway.entries().of(resent.says("x-request-id"));
    assert_eq!(entry["auth"]["repeated"], true, "{entry:#}");
    let replayed = Refusal { status: 409, code: "", step: "authenticate", reason: "signature_replayed" };
    world.check_refusal("cloudnx", &refused, replayed);
    assert!(refused.header("x-ratelimit-remaining").is_some(), "{refused}");
    assert!(world.gateway.metric("portcullis_signature_repeats_total", &["api", "refused"]) > 0.0);
    // What was signed anew is another request, and what changes nothing may be asked again.
    let anew = signed(&world, &key, "DELETE", API, "/compute/instances/i-0000000000000001");
    assert_eq!(world.ask(&anew).status, 404);
    let look = signed(&world, &key, "GET", API, "/compute/instances");
    for _ in 0..3 {
        let entry = world.gateway.entries().of(world.permits("cloudnx", &look, 200).says("x-request-id"));
        assert_eq!(entry["auth"].get("repeated"), None, "{entry:#}");
    }
    world.gateway.entries().assert_sound();
}

#[test]
fn a_repeated_change_of_objects_is_let_through_counted_and_entered() {
    let world = World::start();
    let key = world.key("cloudnx", &PERMISSIONS);
    let _ = world.permits("cloudnx", &signed(&world, &key, "PUT", OBJECTS, "/repeated"), 200);
    let change = signed(&world, &key, "DELETE", OBJECTS, "/repeated/key");
    let repeated = |answer: &Answer| {
        let entry = world.gateway.entries().of(answer.says("x-request-id"));
        entry["auth"].get("repeated").cloned()
    };
    assert_eq!(repeated(&world.ask(&change).expect(204)), None);
    let counted = || world.gateway.metric("portcullis_signature_repeats_total", &["objects", "passed"]);
    assert!(counted().abs() < f64::EPSILON);
    assert_eq!(repeated(&world.ask(&change).expect(204)), Some(Value::Bool(true)));
    assert!((counted() - 1.0).abs() < f64::EPSILON);
    world.gateway.entries().assert_sound();
}
