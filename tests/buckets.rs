//! Access keys of one bucket: they open it where objects are, and nothing else anywhere.

use acceptance::{Key, World, python};
use serde_json::Value;

const OBJECTS: [&str; 12] = [
    "storage:read",
    "storage:write",
    "s3:CreateBucket",
    "s3:ListAllMyBuckets",
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:ListBucket",
    "s3:GetBucketLocation",
    "s3:AbortMultipartUpload",
    "s3:ListBucketMultipartUploads",
    "s3:ListMultipartUploadParts",
];

fn shown(key: &Key) -> String {
    key.shown()
}

#[test]
fn a_key_of_a_bucket_opens_it_and_no_other_and_nothing_of_the_api() {
    let world = World::start();
    let owner = world.key("cloudnx", &OBJECTS);
    let other = world.key_with("cloudnx", &world.new_tenant("other"), &OBJECTS, &[]);
    let low = world.key("cloudnx", &["storage:read", "storage:write"]);
    let given = [("OWNER", shown(&owner)), ("OTHER", shown(&other)), ("LOW", shown(&low))];
    let given: Vec<(&str, &str)> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let out = python(&world, "s3_bound.py", &given).out;
    let told: Value = serde_json::from_str(out.lines().last().unwrap_or_default()).expect("what was told");
    let rows = told["told"].as_array().expect("rows");
    let ids: Vec<&str> = rows.iter().filter_map(|it| it["id"].as_str()).collect();
    let entries = world.gateway.entries().of_each(&ids);
    for it in rows {
        let entry = &entries[it["id"].as_str().expect("an id")];
        assert_eq!(entry["status"], it["status"], "{it}\n{entry:#}");
        assert_eq!(entry["decision"]["outcome"], "refuse", "{it}\n{entry:#}");
        assert_eq!(entry["decision"]["reason"], it["reason"], "{it}\n{entry:#}");
        // What the gateway judges itself it has heard; nobody else has.
        let heard = entry["upstream"].get("peer").and_then(Value::as_str);
        assert!(matches!(heard, None | Some("gateway")), "{it}\n{entry:#}");
    }
    let bound =
        |it: &Value| it["class"] == "key.change" && it["action"] == "create" && it["facts"]["bound"].is_string();
    let made = world.gateway.entries().of_kind(2, bound);
    assert_eq!(made.len(), 2, "{made:#?}");
    assert!(made.iter().all(|it| it["facts"]["bound"] == "bucket=photos" && it["actor"] == owner.id.as_str()));
    let everything = serde_json::to_string(&world.gateway.entries().whole()).expect("JSON");
    for secret in told["secrets"].as_array().expect("secrets").iter().filter_map(Value::as_str) {
        assert!(!everything.contains(secret) && !world.gateway.process().log().contains(secret));
    }
    // What takes its place is bound as it was.
    let listed = world.gateway.json(&["api-keys", "list", "--tenant", &owner.tenant]);
    let bound = listed.as_array().expect("keys").iter().find(|it| it["bound"] == "bucket=photos");
    assert!(bound.is_some(), "{listed:#}");
    world.gateway.entries().assert_sound();
}
