//! Every operation of the five APIs and our own, through the front door: what works, and how each documented refusal is worded.
//!
//! `python/walk.py` asks, and holds each answer to the OpenAPI document with somebody else's validator. Here each
//! answer is found again in the entries, with the step that must have decided it.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "what fails here must fail the test")]

use std::collections::BTreeSet;
use std::process::Command;

use acceptance::{APIS, World, python};
use serde_json::{Value, json};

#[test]
fn every_operation_of_novastraxis_works_and_refuses_as_documented() {
    walk("novastraxis", "enterprise");
}

#[test]
fn every_operation_of_cloudnexus_works_and_refuses_as_documented() {
    walk("cloudnexus", "standard");
}

#[test]
fn every_operation_of_cloudnexus_servers_works_and_refuses_as_documented() {
    walk("cloudnexus-servers", "enterprise");
}

#[test]
fn every_operation_of_cloudnx_works_and_refuses_as_documented() {
    walk("cloudnx", "standard");
}

#[test]
fn every_operation_of_novastack_works_and_refuses_as_documented() {
    walk("novastack", "level-3");
}

#[test]
fn every_operation_of_the_management_api_works_and_refuses_as_documented() {
    walk("portcullis", "bulk");
}

#[test]
fn a_conflict_too_much_an_outage_and_no_answer_in_time_are_worded_as_each_api_documents_them() {
    let world = World::with(|settings, folder| {
        let apis = folder.join("apis");
        let copied = Command::new("cp").arg("-r").arg(&settings.apis).arg(&apis).status();
        assert!(copied.is_ok_and(|it| it.success()), "the profiles cannot be copied");
        for api in APIS {
            let file = apis.join(api).join("api.toml");
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, text.lines().map(hasty).collect::<String>()).unwrap();
        }
        settings.apis = apis;
    });
    for (api, cloud) in APIS.map(|it| (it, it)).into_iter().chain([("cloudnx", "cloudnx-objects")]) {
        let routes = world.gateway.json(&["routes", "--api", api]);
        let scopes: Vec<&str> = scopes(&routes).into_iter().collect();
        let (tenant, control) = (world.new_tenant(cloud), world.clouds.address("control").to_string());
        let key = world.key_with(api, &tenant, &scopes, &[]).shown();
        let given = [("API", api), ("CLOUD", cloud), ("TENANT", &tenant), ("KEY", &key), ("CONTROL", &control)];
        let told = tell(&world, "errors.py", &given);
        let ids: Vec<&str> = told.iter().map(|it| it["id"].as_str().unwrap()).collect();
        let entries = world.gateway.entries().of_each(&ids);
        for it in &told {
            check(it, &entries[it["id"].as_str().unwrap()]);
        }
    }
}

/// A line of a profile that gives upstreams a second to answer, and callers four requests an hour.
fn hasty(line: &str) -> String {
    if line.starts_with("first_byte = ") {
        return "first_byte = \"1s\"\n".to_owned();
    }
    let rule = line.split_once("\", limit = ").and_then(|(before, rest)| Some((before, rest.split_once('}')?.1)));
    let Some((before, after)) = rule else { return format!("{line}\n") };
    format!("{before}\", limit = 4, window = \"1h\" }}{after}\n")
}

#[track_caller]
fn walk(api: &str, tier: &str) {
    // A walk is one busy address; what the shield does with those has a test of its own.
    let world = World::with(|settings, _| settings.more.push_str("[limits.shield]\nrate = 100000\nburst = 100000\n"));
    let routes = world.gateway.json(&["routes", "--api", api]);
    let tenant = world.new_tenant(api);
    let _ = world.gateway.json(&["tenants", "set-tier", &tenant, &format!("{api}={tier}")]);
    let scopes: Vec<&str> = scopes(&routes).into_iter().collect();
    let key = world.key_with(api, &tenant, &scopes, &[]);
    let bare = world.key_with(api, &tenant, &[], &[]);
    let control = world.clouds.address("control").to_string();
    let owner = world.user("walker", &tenant, "owner");
    let owner = json!({ "email": owner.name, "password": owner.password }).to_string();
    let (key, bare) = (key.shown(), bare.shown());
    let given =
        [("API", api), ("TENANT", &*tenant), ("KEY", &key), ("BARE", &bare), ("OWNER", &owner), ("CONTROL", &control)];
    let mut told = tell(&world, "walk.py", &given);
    if api == "cloudnx" {
        told.extend(walk_objects(&world, &tenant, &given, &scopes));
    }
    let ids: Vec<&str> = told.iter().map(|it| it["id"].as_str().unwrap()).collect();
    let entries = world.gateway.entries().of_each(&ids);
    for it in &told {
        check(it, &entries[it["id"].as_str().unwrap()]);
    }
    let asked = |it: &&Value| it["case"] == "success" || it["step"] == "itself";
    let walked: BTreeSet<&str> = told.iter().filter(asked).map(operation).collect();
    let served = routes.as_array().unwrap().iter();
    let missed: Vec<&str> = served
        .filter(|it| it["answered_by"] != "nobody yet")
        .map(operation)
        .filter(|it| !walked.contains(it))
        .collect();
    assert!(missed.is_empty(), "never asked: {missed:?}");
    world.gateway.entries().assert_sound();
}

/// Runs a script, and reads its lines.
#[track_caller]
fn tell(world: &World, script: &str, given: &[(&str, &str)]) -> Vec<Value> {
    python(world, script, given).out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The object host, which boto3 asks: with every permission, and with every one but one.
#[track_caller]
fn walk_objects(world: &World, tenant: &str, given: &[(&str, &str)], scopes: &[&str]) -> Vec<Value> {
    let own: Vec<&str> = scopes.iter().copied().filter(|it| it.starts_with("s3:")).collect();
    let lacking: serde_json::Map<String, Value> = own
        .iter()
        .map(|lacked| {
            let rest: Vec<&str> = scopes.iter().copied().filter(|it| it != lacked).collect();
            let key = world.key_with("cloudnx", tenant, &rest, &[]);
            ((*lacked).to_owned(), serde_json::from_str(&key.shown()).unwrap())
        })
        .collect();
    let lacking = Value::Object(lacking).to_string();
    tell(world, "s3_walk.py", &[given, &[("LACKING", &*lacking)]].concat())
}

fn operation(it: &Value) -> &str {
    it["operation"].as_str().unwrap()
}

/// Every scope that some operation needs.
fn scopes(routes: &Value) -> BTreeSet<&str> {
    let routes = routes.as_array().unwrap();
    // Where there is no other way, none is told.
    let others = routes.iter().filter_map(|it| it["or"].as_array()).flatten();
    let needs = routes.iter().map(|it| &it["needs"]).chain(others).flat_map(|it| it.as_array().unwrap());
    // Being signed in is no scope, and all that some need.
    needs.map(|it| it.as_str().unwrap()).filter(|it| *it != "session").collect()
}

/// Holds an entry to what was told of its request.
#[track_caller]
fn check(told: &Value, entry: &Value) {
    assert_eq!(entry["status"], told["status"], "{told}\n{entry:#}");
    let decision = &entry["decision"];
    match told["step"].as_str() {
        None => {
            assert_eq!(decision["outcome"], "permit", "{told}\n{entry:#}");
            assert_eq!(entry["request"]["operation"], told["operation"], "{told}\n{entry:#}");
            assert_eq!(entry["upstream"]["status"], told["status"], "{told}\n{entry:#}");
        }
        // Whether it was a refusal is its own matter.
        Some("itself") => {}
        Some(step) => {
            let outcome = if step == "forward" { "fail" } else { "refuse" };
            assert_eq!(decision["outcome"], outcome, "{told}\n{entry:#}");
            assert_eq!(decision["step"], step, "{told}\n{entry:#}");
            assert!(decision["reason"].is_string(), "{told}\n{entry:#}");
        }
    }
}
