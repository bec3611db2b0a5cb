//! A conflict that an API behind really has: its own words come through, and the entry says who has answered.
#![expect(clippy::indexing_slicing, reason = "what fails here must fail the test")]

use acceptance::{Request, World};
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const NX: &str = "api.cloudnexus.io";

/// What is asked for is in conflict with what there is: the API behind says so, and the gateway passes it on.
#[track_caller]
fn conflicts(world: &World, request: &Request, code: impl Fn(&Value) -> &Value, expected: &str) {
    let answer = world.ask(request).expect(409);
    let body = answer.json();
    assert_eq!(code(&body), expected, "{body}");
    assert!(answer.header("refusal-reason").is_none(), "{answer}");
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    assert_eq!((&entry["status"], &entry["upstream"]["status"]), (&json!(409), &json!(409)), "{entry:#}");
}

#[test]
fn the_clouds_own_conflicts_come_through_in_the_words_of_each_api() {
    let world = World::start();
    let key = |api: &str, scopes: &[&str]| world.key(api, scopes).text;
    let rule =
        json!({ "vpc_id": "vpc-4a1c", "direction": "ingress", "protocol": "tcp", "ports": [443], "action": "allow" });
    let rule = Request::post(NSX, "/v2/network/firewall-rules").bearer(&key("novastraxis", &["network"])).json(&rule);
    let _ = world.ask(&rule).expect(201);
    conflicts(&world, &rule, |it| &it["error_code"], "conflict");
    let order = json!({ "name": "twice", "plan": "standard", "image_id": "img_ubuntu2204_v3", "ssh_keys": ["key_1"] });
    let order = Request::post(NX, "/v2/instances").bearer(&key("cloudnexus", &["instances:write"])).json(&order);
    let _ = world.ask(&order).expect(201);
    conflicts(&world, &order, |it| &it["error"]["code"], "CONFLICT");
    let key = world.key("cloudnexus-servers", &["servers:read", "servers:write"]);
    let servers = |method: &str, path: &str| {
        Request::new(method, NX, path).bearer(&key.text).header("X-CloudNexus-Id", &key.tenant)
    };
    let all = world.ask(&servers("GET", "/v2/servers")).expect(200).json();
    let one = format!("/v2/servers/{}", all["servers"][0]["id"].as_str().unwrap_or_default());
    let taken = servers("PUT", &one).json(&json!({ "name": all["servers"][1]["name"] }));
    conflicts(&world, &taken, |it| &it["error"]["code"], "CONFLICT");
}
