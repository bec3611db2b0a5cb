//! What happens to every request on its way, whatever the API.

use std::time::Duration;

use axum::body::Body;
use http::Request;
use serde_json::json;

use crate::faults::Fault;
use crate::testing::{Bench, bytes, read};

fn arm(bench: &Bench, fault: &serde_json::Value) {
    let fault: Fault = serde_json::from_value(fault.clone()).unwrap();
    bench.shared.faults.arm(fault);
}

#[tokio::test]
async fn a_request_that_names_no_tenant_is_a_strangers_in_every_dialect() {
    let bench = Bench::new();
    for (api, target, pointer, code) in [
        ("novastraxis", "/v2/network/vpcs", "/error_code", "unauthorized"),
        ("cloudnexus", "/v2/buckets", "/error/code", "UNAUTHORIZED"),
        ("cloudnexus-servers", "/v2/servers", "/error/code", "UNAUTHORIZED"),
        ("cloudnx", "/compute/vpcs", "/error", "no credentials were provided"),
        ("novastack", "/router/v1/models", "/error/code", "invalid_api_key"),
    ] {
        let (status, refused) = bench.api(api, "").ask("GET", target).await;
        assert_eq!((status, refused.pointer(pointer)), (401, Some(&json!(code))), "{api}");
    }
    assert_eq!(bench.api("cloudnx-objects", "").ask("GET", "/").await.0, 403);
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_worded_in_the_dialect() {
    let bench = Bench::new();
    let nova = bench.api("novastraxis", "acme");
    let (status, refused) = nova.ask("GET", "/v2/nowhere").await;
    assert_eq!((status, &refused["error_code"]), (404, &json!("not_found")));
    let response = nova.send(Request::patch("/v2/compute/instances"), Body::empty()).await;
    let allow = response.headers()["allow"].to_str().unwrap().to_owned();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    assert_eq!(read(response).await.1["error_code"], "method_not_allowed");
}

#[tokio::test]
async fn the_gateways_request_id_is_in_the_answer_and_in_a_refusal() {
    let bench = Bench::new();
    let id = "9f86d081884c7d659a2feaa0c55ad015";
    let request = Request::delete("/v2/instances/absent").header("x-request-id", id);
    let response = bench.api("cloudnexus", "acme").send(request, Body::empty()).await;
    assert_eq!(response.headers()["x-request-id"], id);
    assert_eq!(read(response).await.1["error"]["request_id"], format!("req_{id}"));
}

#[tokio::test]
async fn what_came_is_seen_with_its_operation_headers_and_status() {
    let bench = Bench::new();
    let request = Request::get("/v2/instances?limit=1&x=%2F").header("x-custom", "1");
    bench.api("cloudnexus", "acme").send(request, Body::empty()).await;
    bench.api("cloudnexus", "acme").ask("GET", "/v2/nowhere").await;
    let seen = bench.shared.seen.last(Some("cloudnexus"), 10);
    assert_eq!((seen[0].operation, seen[0].status), (Some("listInstances"), Some(200)));
    assert_eq!((seen[0].method.as_str(), seen[0].target.as_str()), ("GET", "/v2/instances?limit=1&x=%2F"));
    assert!(seen[0].headers.contains(&("x-custom".to_owned(), "1".to_owned())));
    assert_eq!((seen[1].operation, seen[1].status), (None, Some(404)));
    assert!(bench.shared.seen.last(Some("novastack"), 10).is_empty());
}

#[tokio::test]
async fn a_fault_fails_only_what_it_names_and_only_as_often_as_it_says() {
    let bench = Bench::new();
    let nova = bench.api("novastraxis", "acme");
    arm(&bench, &json!({ "api": "novastraxis", "operation": "listVpcs", "kind": "fail", "status": 503, "times": 1 }));
    assert_eq!(nova.ask("GET", "/v2/data/domains").await.0, 200);
    let (status, refused) = nova.ask("GET", "/v2/network/vpcs").await;
    assert_eq!((status, &refused["error_code"]), (503, &json!("service_unavailable")));
    assert_eq!(nova.ask("GET", "/v2/network/vpcs").await.0, 200);
}

#[tokio::test]
async fn a_request_that_fails_by_a_fault_does_nothing() {
    let bench = Bench::new();
    let servers = bench.api("cloudnexus-servers", "acme");
    arm(&bench, &json!({ "api": "cloudnexus-servers", "kind": "fail", "times": 1 }));
    let order = json!({ "region": "us-east-1", "plan": "starter", "image": "debian-12" });
    assert_eq!(servers.tell("POST", "/v2/servers", &order).await.0, 500);
    assert_eq!(servers.get("/v2/servers").await["servers"].as_array().unwrap().len(), 9);
}

#[tokio::test]
async fn the_object_host_is_struck_by_operation_too() {
    let bench = Bench::new();
    arm(&bench, &json!({ "api": "cloudnx-objects", "operation": "s3ListBuckets", "kind": "fail", "status": 503 }));
    let host = bench.api("cloudnx-objects", "acme");
    assert_eq!(host.ask("GET", "/").await.0, 503);
    assert_eq!(host.ask("GET", "/prod-assets").await.0, 403, "not signed");
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_comes_late_and_is_the_same() {
    let bench = Bench::new();
    let nova = bench.api("novastraxis", "acme");
    let quick = nova.get("/v2/network/vpcs").await;
    arm(&bench, &json!({ "api": "novastraxis", "kind": "slow", "ms": 1500, "times": 1 }));
    let started = tokio::time::Instant::now();
    assert_eq!(nova.get("/v2/network/vpcs").await, quick);
    assert_eq!(started.elapsed(), Duration::from_millis(1500));
}

#[tokio::test(start_paused = true)]
async fn a_dripping_answer_is_the_same_a_byte_at_a_time() {
    let bench = Bench::new();
    let nova = bench.api("novastraxis", "acme");
    arm(&bench, &json!({ "api": "novastraxis", "kind": "slow_drip", "ms": 10, "times": 1 }));
    let started = tokio::time::Instant::now();
    let response = nova.send(Request::get("/v2/data/domains"), Body::empty()).await;
    assert_eq!(response.headers().get("content-length"), None);
    let body = bytes(response).await;
    assert_eq!(started.elapsed(), Duration::from_millis(10) * u32::try_from(body.len()).unwrap());
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap()["total"], 8);
}
