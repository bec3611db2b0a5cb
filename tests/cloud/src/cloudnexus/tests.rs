//! CloudNexus behaves as its reference says.

use std::collections::BTreeSet;

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::testing::{Asker, Bench, PROVISIONING, read};

fn nexus(bench: &Bench) -> Asker {
    bench.api("cloudnexus", "acme")
}

fn order(name: &str) -> Value {
    json!({ "name": name, "plan": "standard", "image_id": "img_ubuntu2204_v3", "ssh_keys": ["key_1"], "region": "eu-west-2" })
}

async fn put(nexus: &Asker, target: &str, headers: &[(&str, &str)], body: &'static str) -> (u16, Value) {
    let start = Request::put(target).header("content-type", "application/octet-stream");
    let request = headers.iter().fold(start, |request, (name, value)| request.header(*name, *value));
    read(nexus.send(request, Body::from(body)).await).await
}

#[tokio::test]
async fn walking_by_cursor_shows_all_42_once_though_some_come_and_go() {
    let bench = Bench::new();
    let nexus = nexus(&bench);
    let mut seen = Vec::new();
    let mut target = "/v2/instances?limit=10".to_owned();
    loop {
        let page = nexus.get(&target).await;
        let items = page["instances"].as_array().unwrap();
        assert!(items.len() <= 10);
        seen.extend(items.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        // The one the cursor names is deleted: the walk goes on after its place all the same.
        let last = seen.last().unwrap();
        assert_eq!(nexus.ask("DELETE", &format!("/v2/instances/{last}")).await.0, 200);
        let Some(next) = page["pagination"]["next_cursor"].as_str() else { break };
        target = format!("/v2/instances?limit=10&cursor={next}");
    }
    assert_eq!(seen.len(), 42);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 42);
}

#[tokio::test]
async fn a_page_is_20_long_unless_told_and_never_over_100() {
    let bench = Bench::new();
    let nexus = nexus(&bench);
    let page = nexus.get("/v2/instances").await;
    assert_eq!((page["instances"].as_array().unwrap().len(), &page["pagination"]["total"]), (20, &json!(42)));
    let whole = nexus.get("/v2/instances?limit=100").await;
    assert_eq!((whole["instances"].as_array().unwrap().len(), &whole["pagination"]["next_cursor"]), (42, &Value::Null));
    for target in ["limit=101", "limit=0", "cursor=made-up", "status=odd"] {
        let (status, refused) = nexus.ask("GET", &format!("/v2/instances?{target}")).await;
        assert_eq!((status, &refused["error"]["code"]), (400, &json!("INVALID_REQUEST")), "{target}");
    }
}

#[tokio::test]
async fn an_instance_is_pending_then_runs_and_is_gone_once_deleted() {
    let bench = Bench::new();
    let nexus = nexus(&bench);
    let (status, made) = nexus.tell("POST", "/v2/instances", &order("api-worker-03")).await;
    assert_eq!((status, &made["status"], &made["cpu"]), (201, &json!("pending"), &json!(4)));
    let pending = nexus.get("/v2/instances?status=pending").await;
    assert_eq!(pending["instances"][0], made);
    bench.clock.advance(PROVISIONING);
    assert_eq!(nexus.get("/v2/instances?status=pending").await["pagination"]["total"], 0);
    let one = format!("/v2/instances/{}", made["id"].as_str().unwrap());
    assert_eq!(bench.api("cloudnexus", "globex").ask("DELETE", &one).await.0, 404);
    assert_eq!(nexus.ask("DELETE", &one).await.1["status"], "terminated");
    let (status, refused) = nexus.ask("DELETE", &one).await;
    assert_eq!((status, &refused["error"]["code"]), (404, &json!("RESOURCE_NOT_FOUND")));
    assert_eq!(refused["error"]["message"], format!("Instance {} does not exist", made["id"].as_str().unwrap()));
}

#[tokio::test]
async fn an_order_needs_its_fields_and_a_name_of_its_own() {
    let bench = Bench::new();
    let nexus = nexus(&bench);
    assert_eq!(nexus.tell("POST", "/v2/instances", &order("twice")).await.0, 201);
    assert_eq!(nexus.tell("POST", "/v2/instances", &order("twice")).await.1["error"]["code"], "CONFLICT");
    for field in ["name", "plan", "image_id", "ssh_keys"] {
        let mut body = order("lacking");
        body.as_object_mut().unwrap().remove(field);
        let (status, refused) = nexus.tell("POST", "/v2/instances", &body).await;
        assert_eq!(status, 400, "{field}");
        assert!(refused["error"]["message"].as_str().unwrap().contains(field));
    }
    let mut keyless = order("keyless");
    keyless["ssh_keys"] = json!([]);
    assert_eq!(nexus.tell("POST", "/v2/instances", &keyless).await.0, 201);
    let mut odd = order("odd");
    odd["plan"] = json!("gigantic");
    assert_eq!(nexus.tell("POST", "/v2/instances", &odd).await.0, 400);
}

#[tokio::test]
async fn an_object_is_kept_under_its_whole_key_and_answered_with_its_digests() {
    let bench = Bench::new();
    let nexus = nexus(&bench);
    let before = nexus.get("/v2/buckets").await["buckets"][1]["size_bytes"].as_u64().unwrap();
    let target = "/v2/objects/bk_prod-assets/logs//2024%2F01/web.gz";
    let (status, stored) = put(&nexus, target, &[("x-object-metadata", r#"{"category":"logs"}"#)], "abc").await;
    assert_eq!((status, &stored["key"]), (200, &json!("logs//2024/01/web.gz")));
    assert_eq!(stored["etag"], "\"900150983cd24fb0d6963f7d28e17f72\"");
    let hash = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!((&stored["content_hash"], &stored["size_bytes"]), (&json!(hash), &json!(3)));
    // Overwriting counts the new bytes only.
    put(&nexus, target, &[], "abcdef").await;
    assert_eq!(nexus.get("/v2/buckets").await["buckets"][1]["size_bytes"], before + 6);
    let strange = bench.api("cloudnexus", "globex").get("/v2/buckets").await;
    assert_ne!(strange["buckets"][1]["size_bytes"], before + 6);
}

#[tokio::test]
async fn an_object_that_does_not_fit_is_refused() {
    let bench = Bench::new();
    let nexus = nexus(&bench);
    let target = "/v2/objects/bk_prod-assets/k";
    assert_eq!(put(&nexus, "/v2/objects/bk_absent/k", &[], "x").await.0, 404);
    assert_eq!(put(&nexus, target, &[("x-object-metadata", "[1]")], "x").await.0, 400);
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(2048));
    assert_eq!(put(&nexus, target, &[("x-object-metadata", &long)], "x").await.0, 400);
    let long = format!("{target}{}", "k".repeat(1024));
    assert_eq!(put(&nexus, &long, &[], "x").await.0, 400);
    let json = Request::put(target).header("content-type", "application/json");
    assert_eq!(read(nexus.send(json, Body::from("{}")).await).await.0, 400);
}
