//! Whoever copies an object reads another: what that takes, and that no spelling of the request hides it.
#![expect(clippy::unwrap_used, reason = "what fails here must fail the test")]

use std::process::Command;

use acceptance::{Key, Settings, World, python};
use serde_json::Value;

const OBJECTS: [&str; 6] =
    ["s3:CreateBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:AbortMultipartUpload"];

/// A secret object, which nobody reads, whatever their scopes are.
const SEALED: &str = r#"
@id("guard.sealed")
@reason("forbidden")
forbid (principal, action == Cloudnx::Action::"s3GetObject", resource)
when { resource in Cloudnx::Bucket::"sealed" };
"#;

#[track_caller]
fn shown(named: &[(&str, &Key)]) -> Vec<(String, String)> {
    let both = |(name, key): &(&str, &Key)| {
        let secret = if *name == "ACCESS_KEY" { "SECRET_ACCESS_KEY".to_owned() } else { format!("{name}_SECRET") };
        [(format!("{name}_ID"), key.text.clone()), (secret, key.secret.clone().unwrap())]
    };
    named.iter().flat_map(both).collect()
}

#[test]
fn copying_takes_the_right_to_read_the_source_and_nothing_hides_that_it_is_copying() {
    let world = World::start();
    let (owner, writer) = (world.key("cloudnx", &OBJECTS), world.key("cloudnx", &["s3:PutObject"]));
    let copier = world.key("cloudnx", &["s3:PutObject", "s3:GetObject"]);
    let other = world.key_with("cloudnx", &world.new_tenant("other"), &OBJECTS, &[]);
    let shown = shown(&[("ACCESS_KEY", &owner), ("WRITER", &writer), ("COPIER", &copier), ("OTHER", &other)]);
    let shown: Vec<(&str, &str)> = shown.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let out = python(&world, "s3_copies.py", &shown).out;
    let told: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    let ids: Vec<&str> = told["told"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    let entries = world.gateway.entries().of_each(&ids);
    for it in told["told"].as_array().unwrap() {
        let entry = &entries[it["id"].as_str().unwrap()];
        assert_eq!(entry["status"], it["status"], "{it}\n{entry:#}");
        assert_eq!(entry["request"].get("operation").unwrap_or(&Value::Null), &it["operation"], "{it}\n{entry:#}");
        let outcome = if it["reason"].is_null() { "permit" } else { "refuse" };
        assert_eq!(entry["decision"]["outcome"], outcome, "{it}\n{entry:#}");
        // What was read besides is entered like every path, whether it was let through or not.
        if it["reads"].is_string() {
            assert_eq!(entry["request"]["reads"], it["reads"], "{it}\n{entry:#}");
        }
        if outcome == "refuse" {
            assert_eq!(entry["decision"]["reason"], it["reason"], "{it}\n{entry:#}");
            assert_eq!(entry.get("upstream"), None, "{it}\n{entry:#}");
        }
    }
    // Another version of HTTP has the same headers.
    let door = world.gateway.door().https.port();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "20", "--http2", "-X", "PUT", "--cacert"]);
    curl.arg(world.gateway.authority()).args(["--connect-to", &format!("s3.cloudnx.in:443:127.0.0.1:{door}")]);
    for line in told["head"].as_array().unwrap() {
        curl.args(["-H", &format!("{}: {}", line[0].as_str().unwrap(), line[1].as_str().unwrap())]);
    }
    let said =
        curl.args(["-w", " %{http_code} %{http_version}", "https://s3.cloudnx.in/copies/stolen"]).output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("<Code>AccessDenied</Code>") && said.ends_with(" 403 2"), "{said}");
    world.gateway.entries().assert_sound();
}

#[test]
fn a_policy_about_an_object_holds_for_copies_of_it() {
    let world = World::with(|settings: &mut Settings, folder| {
        let own = folder.join("guardrails");
        std::fs::create_dir(&own).unwrap();
        for file in std::fs::read_dir(&settings.guardrails).unwrap().map(|it| it.unwrap().path()) {
            std::fs::copy(&file, own.join(file.file_name().unwrap())).unwrap();
        }
        std::fs::write(own.join("sealed.cedar"), SEALED).unwrap();
        settings.guardrails = own;
    });
    let owner = world.key("cloudnx", &OBJECTS);
    let shown = shown(&[("ACCESS_KEY", &owner)]);
    let shown: Vec<(&str, &str)> = shown.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let out = python(&world, "s3_sealed.py", &shown).out;
    let told: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    let entry = world.gateway.entries().of(told["copied"].as_str().unwrap());
    assert_eq!((&entry["status"], &entry["request"]["operation"]), (&403.into(), &"s3CopyObject".into()), "{entry:#}");
    assert_eq!(entry["decision"]["policies"], serde_json::json!(["guard.sealed"]), "{entry:#}");
}
