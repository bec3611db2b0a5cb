//! What a tenant of `CloudNx` owns when it is first seen. What the document's example bodies name is among it.

use std::collections::BTreeMap;

use domain::Timestamp;
use serde_json::{Map, Value, json};

use super::orders::machine;
use super::resources::{Phase, Resource, World};
use crate::clock::whole;
use crate::fields::fields;
use crate::ids::{Ids, Seed};
use crate::tenants::{Seeded, Tenant};

/// The ids that the examples name: each tenant has its own resource under them.
const EXAMPLE: &str = "7f3a2b";

impl Seeded for World {
    fn seeded(tenant: &Tenant, now: Timestamp) -> Self {
        let text = format!("cloudnx {}", tenant.0);
        let mut start = Start { seed: Seed::of(&text), ids: Ids::of(&text), now };
        let vpcs = start.make("vpc", 3, "available", |number, seed, _| {
            json!({ "name": seed.pick(&["prod", "staging", "lab"]).to_owned() + &format!("-{number}"), "cidr": format!("10.{number}.0.0/16") })
        });
        let networks: Vec<String> = vpcs.keys().cloned().collect();
        let instances = start.make("i", 27, "running", |number, seed, id| {
            let (role, kind) = (seed.pick(&["web", "api", "db"]), seed.pick(&["cx2.small", "cx2.large", "mx2.large"]));
            let at = usize::try_from(seed.below(3)).unwrap_or(0);
            let vpc = networks.get(at).map(String::as_str);
            Value::Object(machine(id, &format!("{role}-node-{number}"), kind, "img-ubuntu-24.04", vpc))
        });
        let mut members = instances.keys().filter(|it| !it.ends_with(EXAMPLE)).cloned();
        let groups = start.make("asg", 2, "active", |number, _, _| {
            let pair: Vec<String> = members.by_ref().take(2).collect();
            json!({
                "name": format!("fleet-{number}"), "min_size": 1, "max_size": 4, "desired_capacity": pair.len(),
                "instance_ids": pair,
            })
        });
        let volumes = start.make("vol", 6, "available", |number, seed, _| {
            json!({ "name": format!("disk-{number}"), "size_gb": 20 * (1 + seed.below(10)), "volume_type": "ssd", "instance_id": null })
        });
        let snapshots = start.make("snap", 4, "completed", |number, _, _| {
            json!({ "name": format!("nightly-{number}"), "volume_id": format!("vol_{EXAMPLE}"), "size_gb": 40 })
        });
        let firewalls = start.make("fw", 2, "active", |number, _, _| {
            let rule = json!({ "direction": "ingress", "protocol": "tcp", "port_range": "443", "cidr": "0.0.0.0/0" });
            json!({ "name": format!("edge-{number}"), "vpc_id": networks.first(), "rules": [rule] })
        });
        let elastic_ips = start.make("eip", 2, "allocated", |number, _, _| {
            json!({ "name": null, "address": format!("203.0.113.{}", 200 + number), "instance_id": null })
        });
        let load_balancers = start.make("lb", 1, "active", |_, _, id| {
            let listener = json!({ "protocol": "https", "port": 443, "target_port": 8080 });
            let host = format!("{}.lb.cloudnx.in", id.replace('_', "-"));
            json!({ "name": "front", "vpc_id": networks.first(), "dns_name": host, "listeners": [listener] })
        });
        let resources = BTreeMap::from([
            ("vpcs", vpcs),
            ("instances", instances),
            ("autoscaling_groups", groups),
            ("volumes", volumes),
            ("snapshots", snapshots),
            ("firewalls", firewalls),
            ("elastic_ips", elastic_ips),
            ("load_balancers", load_balancers),
        ]);
        Self { ids: start.ids, resources }
    }
}

struct Start {
    seed: Seed,
    ids: Ids,
    now: Timestamp,
}

impl Start {
    fn make(
        &mut self,
        prefix: &str,
        count: u32,
        status: &'static str,
        mut describe: impl FnMut(u32, &mut Seed, &str) -> Value,
    ) -> BTreeMap<String, Resource> {
        let mut all = BTreeMap::new();
        for number in 0..count {
            let id = if number == 0 { format!("{prefix}_{EXAMPLE}") } else { format!("{prefix}_{}", self.ids.hex(6)) };
            let fields: Map<String, Value> = fields(describe(number, &mut self.seed, &id));
            // The example among the instances runs; of the others some were stopped before anyone looked.
            let stopped = prefix == "i" && number > 0 && self.seed.chance(25);
            let age = self.seed.days(1..=400);
            let phase = Phase::settled(if stopped { "stopped" } else { status });
            all.insert(id.clone(), Resource { id, fields, phase, created: whole(self.now - age) });
        }
        all
    }
}
