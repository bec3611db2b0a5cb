//! `CloudNx` behaves as its reference says.

use serde_json::{Value, json};

use crate::testing::{Asker, Bench, PROVISIONING};

fn nx(bench: &Bench) -> Asker {
    bench.api("cloudnx", "acme")
}

async fn status_of(nx: &Asker, one: &str) -> Value {
    nx.get(one).await["status"].clone()
}

#[tokio::test]
async fn an_instance_is_started_stopped_and_rebooted_only_from_the_state_that_makes_sense() {
    let bench = Bench::new();
    let nx = nx(&bench);
    let one = "/compute/instances/i_7f3a2b";
    let (status, refused) = nx.ask("POST", &format!("{one}/start")).await;
    assert_eq!((status, &refused), (409, &json!({ "error": "instance i_7f3a2b is already running" })));
    for (verb, passing, then) in
        [("stop", "stopping", "stopped"), ("start", "starting", "running"), ("reboot", "rebooting", "running")]
    {
        let (status, it) = nx.ask("POST", &format!("{one}/{verb}")).await;
        assert_eq!((status, &it["status"]), (200, &json!(passing)));
        assert_eq!(nx.ask("POST", &format!("{one}/{verb}")).await.0, 409, "{verb} while {passing}");
        bench.clock.advance(PROVISIONING);
        assert_eq!(status_of(&nx, one).await, then);
    }
    assert_eq!(nx.ask("POST", "/compute/instances/i_absent/start").await.0, 404);
}

#[tokio::test]
async fn every_kind_of_resource_is_made_shown_listed_and_deleted() {
    let bench = Bench::new();
    let nx = nx(&bench);
    let orders = [
        (
            "instances",
            json!({ "name": "n", "instance_type": "cx2.small", "image_id": "img", "vpc_id": "vpc_7f3a2b" }),
            "provisioning",
            "running",
        ),
        ("autoscaling-groups", json!({ "name": "n", "min_size": 2, "max_size": 6 }), "active", "active"),
        ("elastic-ips", json!({ "instance_id": "i_7f3a2b" }), "associated", "associated"),
        (
            "firewalls",
            json!({ "name": "n", "rules": [{ "protocol": "tcp", "port_range": "443" }] }),
            "active",
            "active",
        ),
        ("snapshots", json!({ "volume_id": "vol_7f3a2b", "name": "n" }), "pending", "completed"),
        ("volumes", json!({ "name": "n", "size_gb": 40 }), "creating", "available"),
        (
            "load-balancers",
            json!({ "name": "n", "listeners": [{ "port": 443 }], "target_ids": ["i_7f3a2b"] }),
            "provisioning",
            "active",
        ),
        ("vpcs", json!({ "name": "n", "cidr": "10.9.0.0/16" }), "pending", "available"),
    ];
    for (kind, order, first, then) in orders {
        let all = format!("/compute/{kind}");
        let (status, made) = nx.tell("POST", &all, &order).await;
        assert_eq!((status, &made["status"]), (201, &json!(first)), "{kind}: {made}");
        let id = made["id"].as_str().unwrap();
        let one = format!("{all}/{id}");
        assert_eq!(nx.get(&one).await, made);
        bench.clock.advance(PROVISIONING);
        assert_eq!(status_of(&nx, &one).await, then, "{kind}");
        let listed = nx.get(&format!("{all}?limit=100")).await;
        let listed = listed[kind.replace('-', "_")].as_array().unwrap();
        assert!(listed.iter().any(|it| it["id"] == id), "{kind}");
        if order.get("name").is_some() {
            assert_eq!(nx.tell("POST", &all, &order).await.0, 409, "{kind}: a name is taken once");
        }
        assert_eq!(bench.api("cloudnx", "globex").ask("GET", &one).await.0, 404, "{kind}");
        assert_eq!(nx.ask("DELETE", &one).await, (200, json!({ "id": id, "status": "deleting" })));
        assert_eq!(nx.ask("GET", &one).await.0, 404, "{kind}");
        assert_eq!(nx.ask("DELETE", &one).await.0, 404, "{kind}");
    }
}

#[tokio::test]
async fn what_is_in_use_cannot_be_deleted() {
    let bench = Bench::new();
    let nx = nx(&bench);
    assert_eq!(nx.ask("DELETE", "/compute/vpcs/vpc_7f3a2b").await.1, json!({ "error": "the VPC is not empty" }));
    let order = json!({ "name": "attached", "size_gb": 1, "instance_id": "i_7f3a2b" });
    let volume = nx.tell("POST", "/compute/volumes", &order).await.1;
    let one = format!("/compute/volumes/{}", volume["id"].as_str().unwrap());
    assert_eq!(nx.ask("DELETE", &one).await.0, 409);
    // With its instance gone it is free.
    assert_eq!(nx.ask("DELETE", "/compute/instances/i_7f3a2b").await.0, 200);
    assert_eq!(status_of(&nx, &one).await, "available");
    assert_eq!(nx.ask("DELETE", &one).await.0, 200);
}

#[tokio::test]
async fn an_address_shows_on_its_instance_and_a_group_brings_its_instances() {
    let bench = Bench::new();
    let nx = nx(&bench);
    let ip = nx.tell("POST", "/compute/elastic-ips", &json!({ "instance_id": "i_7f3a2b" })).await.1;
    assert_eq!(nx.get("/compute/instances/i_7f3a2b").await["public_ip"], ip["address"]);
    assert_eq!(nx.tell("POST", "/compute/elastic-ips", &json!({ "instance_id": "i_7f3a2b" })).await.0, 409);
    nx.ask("DELETE", &format!("/compute/elastic-ips/{}", ip["id"].as_str().unwrap())).await;
    assert_eq!(nx.get("/compute/instances/i_7f3a2b").await["public_ip"], Value::Null);
    let order = json!({ "name": "web", "min_size": 1, "max_size": 3, "desired_capacity": 2 });
    let group = nx.tell("POST", "/compute/autoscaling-groups", &order).await.1;
    let members: Vec<&str> = group["instance_ids"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(members.len(), 2);
    let member = format!("/compute/instances/{}", members[0]);
    assert_eq!(status_of(&nx, &member).await, "provisioning");
    nx.ask("DELETE", &format!("/compute/autoscaling-groups/{}", group["id"].as_str().unwrap())).await;
    assert_eq!(nx.ask("GET", &member).await.0, 404);
}

#[tokio::test]
async fn an_order_that_does_not_fit_is_refused_in_one_sentence() {
    let bench = Bench::new();
    let nx = nx(&bench);
    for (kind, body, field) in [
        ("instances", json!({ "name": "n", "image_id": "i" }), "instance_type"),
        ("autoscaling-groups", json!({ "name": "n", "min_size": 3, "max_size": 2 }), "max_size"),
        (
            "autoscaling-groups",
            json!({ "name": "n", "min_size": 1, "max_size": 2, "desired_capacity": 5 }),
            "desired_capacity",
        ),
        ("volumes", json!({ "name": "n", "size_gb": 0 }), "size_gb"),
        ("vpcs", json!({ "name": "n", "cidr": "10.0.0.0/99" }), "cidr"),
        ("firewalls", json!({ "name": "n", "rules": [{}] }), "protocol"),
        ("load-balancers", json!({ "name": "n", "listeners": [{ "port": 0 }] }), "port"),
    ] {
        let (status, refused) = nx.tell("POST", &format!("/compute/{kind}"), &body).await;
        assert_eq!(status, 400, "{kind} {body}");
        let told = refused.as_object().unwrap();
        assert!(told.len() == 1 && told["error"].as_str().unwrap().contains(field), "{refused}");
    }
    let unknown = json!({ "name": "n", "instance_type": "t", "image_id": "i", "vpc_id": "vpc_absent" });
    assert_eq!(nx.tell("POST", "/compute/instances", &unknown).await.0, 404);
}

#[tokio::test]
async fn lists_are_walked_by_cursor_and_filtered() {
    let bench = Bench::new();
    let nx = nx(&bench);
    let (mut seen, mut target) = (Vec::new(), "/compute/instances?limit=10".to_owned());
    loop {
        let page = nx.get(&target).await;
        seen.extend(page["instances"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        target = format!("/compute/instances?limit=10&cursor={next}");
    }
    assert_eq!(seen.len(), 27);
    assert!(seen.is_sorted());
    let stopped = nx.get("/compute/instances?status=stopped&limit=100").await;
    let stopped = stopped["instances"].as_array().unwrap();
    assert!(!stopped.is_empty() && stopped.len() < 27);
}

#[tokio::test]
async fn invoices_come_newest_first_and_end_with_last_month() {
    let bench = Bench::new();
    let nx = nx(&bench);
    let first = nx.get("/auth/billing/invoices?limit=5").await;
    assert_eq!(
        (&first["invoices"][0]["id"], &first["invoices"][4]["id"]),
        (&json!("inv_2026_03"), &json!("inv_2025_11"))
    );
    let next = first["next_cursor"].as_str().unwrap();
    let rest = nx.get(&format!("/auth/billing/invoices?cursor={next}")).await;
    assert_eq!((&rest["invoices"][0]["id"], rest["invoices"].as_array().unwrap().len()), (&json!("inv_2025_10"), 7));
    assert_eq!(rest["invoices"][6], nx.get("/auth/billing/invoices/inv_2025_04").await);
    assert_eq!(nx.ask("GET", "/auth/billing/invoices/inv_1999_01").await.0, 404);
    assert_eq!(nx.get("/auth/billing").await["currency"], "INR");
}

#[tokio::test]
async fn a_bucket_is_made_told_and_deleted() {
    let bench = Bench::new();
    let nx = nx(&bench);
    let (status, made) = nx.tell("POST", "/storage/buckets", &json!({ "name": "reports", "versioning": true })).await;
    assert_eq!((status, &made["region"], &made["versioning"]), (201, &json!("in-mum"), &json!(true)));
    assert_eq!(nx.tell("POST", "/storage/buckets", &json!({ "name": "reports" })).await.0, 409);
    assert_eq!(nx.tell("POST", "/storage/buckets", &json!({ "name": "No Good" })).await.0, 400);
    assert_eq!(nx.get("/storage/buckets/reports").await, made);
    assert_eq!(bench.api("cloudnx", "globex").ask("GET", "/storage/buckets/reports").await.0, 404);
    assert_eq!(nx.ask("DELETE", "/storage/buckets/reports").await.1["status"], "deleted");
    assert_eq!(nx.ask("GET", "/storage/buckets/reports").await.0, 404);
}
