//! The client libraries that the five references name, unchanged, against the real binary.
//!
//! What each library must see is written in its own language under `python/`; here their requests are found again in
//! the entries.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "what fails here must fail the test")]

use acceptance::{Key, World, python};
use serde_json::{Value, json};

/// Every permission of the object host.
const OBJECTS: [&str; 10] = [
    "s3:ListAllMyBuckets",
    "s3:ListBucket",
    "s3:CreateBucket",
    "s3:DeleteBucket",
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:ListBucketMultipartUploads",
    "s3:ListMultipartUploadParts",
    "s3:AbortMultipartUpload",
];

#[test]
fn the_openai_library_chats_streams_uploads_and_is_refused_as_openai_would() {
    let world = World::start();
    let key = world.key("novastack", &["read", "write", "delete"]);
    let reader = world.key("novastack", &["read"]);
    let told = tell(&world, "openai_client.py", &[("KEY", &key.text), ("READER", &reader.text)]);
    for id in told["permitted"].as_array().unwrap() {
        let entry = world.gateway.entries().of(id.as_str().unwrap());
        assert_eq!(entry["request"]["operation"], "createChatCompletion", "{entry:#}");
        assert_eq!(entry["decision"]["outcome"], "permit", "{entry:#}");
        assert_eq!(entry["tenant"], world.tenant("novastack"), "{entry:#}");
    }
    let refused = &told["refused"];
    check(&world, &refused["invalid_api_key"], 401, "authenticate");
    check(&world, &refused["insufficient_permissions"], 403, "authorize");
    check(&world, &refused["invalid_request"], 400, "validate");
    check(&world, &refused["rate_limit_exceeded"], 429, "limit");
    world.gateway.entries().assert_sound();
}

#[test]
fn boto3_keeps_its_objects_and_is_refused_as_s3_would() {
    let world = World::start();
    let key = world.key("cloudnx", &OBJECTS);
    let without_deleting: Vec<&str> = OBJECTS.into_iter().filter(|it| *it != "s3:DeleteObject").collect();
    let reader = world.key("cloudnx", &without_deleting);
    let other = world.key_with("cloudnx", &world.new_tenant("other"), &OBJECTS, &[]);
    let shown = [signing("ACCESS_KEY", &key), signing("READER", &reader), signing("OTHER", &other)].concat();
    let shown: Vec<(&str, &str)> = shown.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let told = tell(&world, "s3_client.py", &shown);
    check(&world, &told["refused"]["bad_signature"], 403, "authenticate");
    check(&world, &told["refused"]["missing_scope"], 403, "authorize");
    check(&world, &told["forged"], 403, "authenticate");
    world.gateway.entries().assert_sound();
}

#[test]
fn requests_signed_by_botocore_are_proved_to_the_last_byte() {
    let world = World::start();
    let key = world.key("cloudnx", &["compute:read", "compute:write"]);
    let reader = world.key("cloudnx", &["compute:read"]);
    let instance = json!({ "name": "signed", "instance_type": "cx2.small", "image_id": "img-ubuntu-24.04" });
    let mut shown = [signing("ACCESS_KEY", &key), signing("READER", &reader)].concat();
    shown.push(("INSTANCE".to_owned(), instance.to_string()));
    let shown: Vec<(&str, &str)> = shown.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let refused = tell(&world, "signed_client.py", &shown)["refused"].take();
    for unproved in ["wrong_secret", "wrong_service", "wrong_region", "stale", "changed_body"] {
        check(&world, &refused[unproved], 401, "authenticate");
    }
    check(&world, &refused["missing_scope"], 403, "authorize");
    check(&world, &refused["bad_body"], 400, "validate");
    let absent = world.gateway.entries().of(refused["absent"].as_str().unwrap());
    assert_eq!((&absent["decision"]["outcome"], &absent["upstream"]["status"]), (&json!("permit"), &json!(404)));
}

/// Runs a script, and reads the line it ends with.
#[track_caller]
fn tell(world: &World, script: &str, shown: &[(&str, &str)]) -> Value {
    let out = python(world, script, shown).out;
    serde_json::from_str(out.lines().last().unwrap_or_default()).unwrap()
}

/// A refusal of the gateway itself, found again by the id that the library was given.
#[track_caller]
fn check(world: &World, request_id: &Value, status: u16, step: &str) {
    let entry = world.gateway.entries().of(request_id.as_str().unwrap_or_default());
    assert_eq!(entry["status"], status, "{entry:#}");
    assert_eq!(entry["decision"]["outcome"], "refuse", "{entry:#}");
    assert_eq!(entry["decision"]["step"], step, "{entry:#}");
}

/// A key that signs, as two variables of the environment.
#[track_caller]
fn signing(name: &str, key: &Key) -> Vec<(String, String)> {
    let secret = if name == "ACCESS_KEY" { "SECRET_ACCESS_KEY".to_owned() } else { format!("{name}_SECRET") };
    vec![(format!("{name}_ID"), key.text.clone()), (secret, key.secret.clone().unwrap())]
}
