//! CloudNexus servers behave as their reference says.

use serde_json::json;

use crate::testing::{Bench, PROVISIONING};

#[tokio::test]
async fn a_server_is_provisioned_then_runs_is_changed_and_goes() {
    let bench = Bench::new();
    let cloud = bench.api("cloudnexus-servers", "acme");
    let order = json!({ "region": "us-east-1", "plan": "professional", "image": "ubuntu-22.04", "count": 2 });
    let (status, made) = cloud.tell("POST", "/v2/servers", &order).await;
    assert_eq!((status, &made["status"], &made["count"]), (200, &json!("provisioning"), &json!(2)));
    let one = format!("/v2/servers/{}", made["id"].as_str().unwrap());
    bench.clock.advance(PROVISIONING);
    let (status, changed) = cloud.tell("PUT", &one, &json!({ "plan": "enterprise", "count": 3 })).await;
    assert_eq!((status, &changed["status"]), (200, &json!("running")));
    assert_eq!(
        (&changed["plan"], &changed["count"], &changed["image"]),
        (&json!("enterprise"), &json!(3), &json!("ubuntu-22.04"))
    );
    assert_eq!(bench.api("cloudnexus-servers", "globex").ask("DELETE", &one).await.0, 404);
    assert_eq!(cloud.ask("DELETE", &one).await.1["status"], "terminated");
    assert_eq!(cloud.ask("DELETE", &one).await.0, 404);
    assert_eq!(cloud.tell("PUT", &one, &json!({ "count": 1 })).await.0, 404);
}

#[tokio::test]
async fn lists_have_what_the_tenant_began_with() {
    let bench = Bench::new();
    let cloud = bench.api("cloudnexus-servers", "acme");
    assert_eq!(cloud.get("/v2/servers").await["servers"].as_array().unwrap().len(), 9);
    assert_eq!(cloud.get("/v2/clusters/k8s").await["clusters"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_order_that_does_not_fit_is_refused() {
    let bench = Bench::new();
    let cloud = bench.api("cloudnexus-servers", "acme");
    for body in [
        json!({ "plan": "professional", "image": "ubuntu-22.04" }),
        json!({ "region": "us-east-1", "plan": "gigantic", "image": "ubuntu-22.04" }),
        json!({ "region": "us-east-1", "plan": "professional", "image": "ubuntu-22.04", "count": 2.5 }),
    ] {
        let (status, refused) = cloud.tell("POST", "/v2/servers", &body).await;
        assert_eq!((status, &refused["error"]["code"]), (400, &json!("INVALID_REQUEST")), "{body}");
    }
    let servers = cloud.get("/v2/servers").await;
    let (first, second) = (&servers["servers"][0], &servers["servers"][1]);
    let one = format!("/v2/servers/{}", first["id"].as_str().unwrap());
    assert_eq!(cloud.tell("PUT", &one, &json!({})).await.0, 400);
    assert_eq!(cloud.tell("PUT", &one, &json!({ "name": second["name"] })).await.0, 409);
    assert_eq!(cloud.tell("PUT", &one, &json!({ "name": first["name"] })).await.0, 200, "its own name is no conflict");
}
