//! Novastraxis behaves as its reference says.

use serde_json::{Value, json};

use crate::testing::{Asker, Bench, PROVISIONING, WORKING};

fn nova(bench: &Bench) -> Asker {
    bench.api("novastraxis", "acme")
}

fn order() -> Value {
    json!({ "machine_type": "n2-standard-4", "region": "us-east-1", "network_id": "vpc-4a1c", "name": "mine" })
}

async fn status_of(nova: &Asker, id: &str) -> Option<String> {
    for page in 1..=8 {
        let listed = nova.get(&format!("/v2/compute/instances?page={page}")).await;
        let found = listed["instances"].as_array().unwrap().iter().find(|it| it["id"] == id);
        if let Some(found) = found {
            return Some(found["status"].as_str().unwrap().to_owned());
        }
    }
    None
}

#[tokio::test]
async fn lists_are_as_long_as_the_reference_shows() {
    let bench = Bench::new();
    let nova = nova(&bench);
    let instances = nova.get("/v2/compute/instances").await;
    assert_eq!((instances["total"].as_u64(), instances["page"].as_u64()), (Some(142), Some(1)));
    assert_eq!(instances["instances"].as_array().unwrap().len(), 20);
    assert_eq!(nova.get("/v2/network/vpcs").await["total"], 12);
    assert_eq!(nova.get("/v2/data/domains").await["total"], 8);
    let alerts = nova.get("/v2/threats/alerts").await;
    assert_eq!((&alerts["total"], &alerts["critical"], &alerts["high"]), (&json!(23), &json!(2), &json!(7)));
}

#[tokio::test]
async fn a_tenant_always_begins_with_the_same_and_another_with_something_else() {
    let (one, again) = (Bench::new(), Bench::new());
    let target = "/v2/compute/instances?per_page=100";
    assert_eq!(nova(&one).get(target).await, nova(&again).get(target).await);
    assert_ne!(nova(&one).get(target).await, one.api("novastraxis", "globex").get(target).await);
}

#[tokio::test]
async fn an_instance_is_provisioned_then_runs_and_is_gone_once_terminated() {
    let bench = Bench::new();
    let nova = nova(&bench);
    let (status, made) = nova.tell("POST", "/v2/compute/instances", &order()).await;
    assert_eq!((status, &made["instance"]["status"]), (201, &json!("provisioning")));
    let id = made["instance"]["id"].as_str().unwrap().to_owned();
    assert_eq!(status_of(&nova, &id).await.as_deref(), Some("provisioning"));
    bench.clock.advance(PROVISIONING);
    assert_eq!(status_of(&nova, &id).await.as_deref(), Some("running"));
    let (status, ended) = nova.ask("DELETE", &format!("/v2/compute/instances/{id}")).await;
    assert_eq!((status, &ended["status"]), (202, &json!("terminating")));
    assert!(ended["final_snapshot_id"].as_str().unwrap().starts_with("snap-"));
    assert_eq!(status_of(&nova, &id).await, None);
    let (status, refused) = nova.ask("DELETE", &format!("/v2/compute/instances/{id}")).await;
    assert_eq!((status, &refused["error_code"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn no_snapshot_is_taken_when_it_is_skipped() {
    let bench = Bench::new();
    let nova = nova(&bench);
    let id = nova.get("/v2/compute/instances?per_page=1").await["instances"][0]["id"].as_str().unwrap().to_owned();
    let (status, ended) = nova.ask("DELETE", &format!("/v2/compute/instances/{id}?skip_snapshot=true")).await;
    assert_eq!((status, &ended["final_snapshot_id"]), (202, &Value::Null));
}

#[tokio::test]
async fn a_name_that_is_taken_is_a_conflict_and_an_unknown_network_is_not_found() {
    let bench = Bench::new();
    let nova = nova(&bench);
    assert_eq!(nova.tell("POST", "/v2/compute/instances", &order()).await.0, 201);
    let (status, refused) = nova.tell("POST", "/v2/compute/instances", &order()).await;
    assert_eq!((status, &refused["error_code"]), (409, &json!("conflict")));
    let mut elsewhere = order();
    elsewhere["network_id"] = json!("vpc-absent");
    assert_eq!(nova.tell("POST", "/v2/compute/instances", &elsewhere).await.0, 404);
}

#[tokio::test]
async fn nothing_of_one_tenant_is_seen_or_touched_by_another() {
    let bench = Bench::new();
    let (nova, other) = (nova(&bench), bench.api("novastraxis", "globex"));
    let made = nova.tell("POST", "/v2/compute/instances", &order()).await.1;
    let id = made["instance"]["id"].as_str().unwrap();
    assert_eq!(other.ask("DELETE", &format!("/v2/compute/instances/{id}")).await.0, 404);
    assert_eq!(other.get("/v2/compute/instances").await["total"], 142);
    assert_eq!(nova.get("/v2/compute/instances").await["total"], 143);
    assert_eq!(other.tell("POST", "/v2/compute/instances", &order()).await.0, 201, "names are the tenant's own");
}

#[tokio::test]
async fn filters_narrow_a_list_to_what_they_name() {
    let bench = Bench::new();
    let nova = nova(&bench);
    let found = nova.get("/v2/compute/instances?region=eu-west-2&status=running&tags=env:prod&per_page=100").await;
    let items = found["instances"].as_array().unwrap();
    assert!(!items.is_empty() && items.len() < 142);
    assert!(items.iter().all(|it| it["region"] == "eu-west-2" && it["status"] == "running"));
    assert!(items.iter().all(|it| it["tags"].as_array().unwrap().contains(&json!("env:prod"))));
    let high = nova.get("/v2/threats/alerts?severity=high").await;
    assert_eq!((&high["total"], &high["critical"], &high["high"]), (&json!(7), &json!(0), &json!(7)));
    assert!(high["alerts"].as_array().unwrap().iter().all(|it| it["severity"] == "high"));
    assert_eq!(nova.get("/v2/threats/alerts?since=2026-04-26T09:00:00Z").await["total"], 3);
    let vpcs = nova.get("/v2/network/vpcs?region=us-east-1").await;
    assert!(vpcs["vpcs"].as_array().unwrap().iter().all(|it| it.get("subnets").is_none()));
    let vpcs = nova.get("/v2/network/vpcs?include_subnets=true").await;
    assert!(vpcs["vpcs"].as_array().unwrap().iter().all(|it| it["subnets"].is_array()));
}

#[tokio::test]
async fn a_scan_is_queued_then_runs_then_is_complete_and_its_finding_is_an_alert() {
    let bench = Bench::new();
    let nova = nova(&bench);
    let body = json!({ "resource_ids": ["nsx-i-8f3a2b"], "scan_type": "full" });
    let (status, scan) = nova.tell("POST", "/v2/threats/scan", &body).await;
    assert_eq!((status, &scan["status"], &scan["estimated_duration_s"]), (202, &json!("queued"), &json!(120)));
    let look = format!("/v2/threats/scan/{}", scan["scan_id"].as_str().unwrap());
    for expected in ["queued", "running", "completed", "completed"] {
        assert_eq!(nova.get(&look).await["status"], expected);
        let found = nova.get("/v2/threats/alerts?resource_id=nsx-i-8f3a2b").await;
        assert_eq!(found["total"], u64::from(expected == "completed"), "{expected}");
        bench.clock.advance(WORKING);
    }
    assert_eq!(bench.api("novastraxis", "globex").ask("GET", &look).await.0, 404);
    let unknown = json!({ "resource_ids": ["nsx-i-8f3a2b", "nsx-i-nobody"] });
    assert_eq!(nova.tell("POST", "/v2/threats/scan", &unknown).await.0, 404);
    let network = json!({ "resource_ids": ["vpc-4a1c"] });
    assert_eq!(nova.tell("POST", "/v2/threats/scan", &network).await.0, 202);
}

#[tokio::test]
async fn a_query_runs_and_then_has_succeeded() {
    let bench = Bench::new();
    let nova = nova(&bench);
    let body = json!({ "sql": "SELECT 1", "domains": ["dom-orders"], "consistency_level": "strong" });
    let (status, query) = nova.tell("POST", "/v2/data/queries", &body).await;
    assert_eq!((status, &query["status"]), (202, &json!("running")));
    let look = format!("/v2/data/queries/{}", query["query_id"].as_str().unwrap());
    assert_eq!(nova.get(&look).await["status"], "running");
    bench.clock.advance(WORKING);
    assert_eq!(nova.get(&look).await["status"], "succeeded");
    assert_eq!(nova.tell("POST", "/v2/data/queries", &json!({ "sql": "SELECT 1", "domains": ["x"] })).await.0, 404);
}

#[tokio::test]
async fn the_same_rule_twice_is_a_conflict() {
    let bench = Bench::new();
    let nova = nova(&bench);
    let rule = json!({ "vpc_id": "vpc-4a1c", "direction": "ingress", "protocol": "tcp", "ports": [443, "8000-8100"], "action": "allow" });
    let (status, made) = nova.tell("POST", "/v2/network/firewall-rules", &rule).await;
    assert_eq!((status, &made["rule"]["propagation"]), (201, &json!("complete")));
    assert_eq!(nova.tell("POST", "/v2/network/firewall-rules", &rule).await.0, 409);
}

#[tokio::test]
async fn the_same_question_is_answered_alike() {
    let bench = Bench::new();
    let nova = nova(&bench);
    let question = json!({ "query": "rate(http_requests[5m])", "time_range": "1h", "step": "30s" });
    let first = nova.tell("POST", "/v2/observability/query", &question).await;
    assert_eq!((first.0, &first.1["result_type"]), (200, &json!("matrix")));
    assert_eq!(first, nova.tell("POST", "/v2/observability/query", &question).await);
    let logs = nova.tell("POST", "/v2/observability/query", &json!({ "query": "{service=\"web\"}" })).await;
    assert_eq!(logs.1["result_type"], "streams");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_the_field_is_named() {
    let bench = Bench::new();
    let nova = nova(&bench);
    let cases = [
        ("/v2/compute/instances", json!({ "region": "us-east-1", "network_id": "vpc-4a1c" }), "machine_type"),
        (
            "/v2/compute/instances",
            json!({ "machine_type": 1, "region": "r", "network_id": "vpc-4a1c" }),
            "machine_type",
        ),
        (
            "/v2/network/firewall-rules",
            json!({ "vpc_id": "vpc-4a1c", "direction": "up", "protocol": "tcp", "action": "allow" }),
            "direction",
        ),
        (
            "/v2/network/firewall-rules",
            json!({ "vpc_id": "vpc-4a1c", "direction": "egress", "protocol": "tcp", "action": "allow", "ports": [70000] }),
            "ports",
        ),
        ("/v2/data/queries", json!({ "sql": "DROP TABLE x" }), "sql"),
        ("/v2/threats/scan", json!({ "resource_ids": [] }), "resource_ids"),
        ("/v2/observability/query", json!({ "query": "x", "step": "often" }), "step"),
        ("/v2/observability/query", json!({ "query": "x", "time_range": 5 }), "time_range"),
    ];
    for (target, body, field) in cases {
        let (status, refused) = nova.tell("POST", target, &body).await;
        assert_eq!((status, &refused["error_code"]), (400, &json!("invalid_request")), "{target} {body}");
        assert!(refused["message"].as_str().unwrap().contains(field), "{refused}");
    }
    for target in ["?per_page=101", "?page=0", "?page=1&page=2"] {
        assert_eq!(nova.ask("GET", &format!("/v2/compute/instances{target}")).await.0, 400, "{target}");
    }
    assert_eq!(nova.ask("GET", "/v2/threats/alerts?severity=awful").await.0, 400);
}
