//! What a tenant of Novastraxis owns when it is first seen: as many of each as the reference shows.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Timestamp;
use serde_json::{Value, json};

use super::World;
use super::compute::Instance;
use crate::clock::whole;
use crate::ids::{Ids, Seed};
use crate::tenants::{Seeded, Tenant};

const REGIONS: [&str; 4] = ["us-east-1", "us-west-2", "eu-west-2", "ap-south-1"];
const MACHINES: [&str; 4] = ["n2-standard-2", "n2-standard-4", "n2-highmem-8", "c3-compute-16"];
const IMAGES: [&str; 3] = ["img-debian-13", "img-ubuntu-24.04", "img-rocky-10"];
const ROLES: [&str; 5] = ["web", "api", "worker", "db", "cache"];
const ENVIRONMENTS: [&str; 3] = ["prod", "staging", "dev"];

impl Seeded for World {
    fn seeded(tenant: &Tenant, now: Timestamp) -> Self {
        let mut seed = Seed::of(&format!("novastraxis {}", tenant.0));
        let mut ids = Ids::of(&format!("novastraxis {}", tenant.0));
        let vpcs = vpcs(&mut seed, &mut ids);
        let instances = instances(&mut seed, &mut ids, &vpcs, now);
        let alerts = alerts(&mut seed, &mut ids, &instances, now);
        Self {
            ids,
            instances,
            vpcs,
            rules: Vec::new(),
            domains: domains(&mut seed),
            alerts,
            scans: BTreeMap::new(),
            queries: BTreeMap::new(),
        }
    }
}

/// 12, the first of which is the one in the reference's examples.
fn vpcs(seed: &mut Seed, ids: &mut Ids) -> Vec<Value> {
    let mut vpc = |number: u32| {
        let id = if number == 0 { "vpc-4a1c".to_owned() } else { format!("vpc-{}", ids.hex(6)) };
        let (region, second) = (seed.pick(&REGIONS), 40 + number);
        let subnet = |zone: u32, letter: &str| json!({ "id": format!("sub-{id}-{letter}"), "cidr": format!("10.{second}.{zone}.0/24"), "zone": format!("{region}{letter}") });
        json!({
            "id": id,
            "name": format!("{}-{number}", seed.pick(&ENVIRONMENTS)),
            "region": if number == 0 { "us-east-1" } else { region },
            "cidr": format!("10.{second}.0.0/16"),
            "subnets": [subnet(0, "a"), subnet(1, "b"), subnet(2, "c")],
            "peering_connections": if seed.chance(40) { vec![format!("pcx-{}", ids.hex(4))] } else { Vec::new() },
            "zero_trust_policy": if seed.chance(80) { "enforced" } else { "monitored" },
        })
    };
    (0..12).map(&mut vpc).collect()
}

/// 142, most of them running, the first of which is the one in the reference's examples.
fn instances(seed: &mut Seed, ids: &mut Ids, vpcs: &[Value], now: Timestamp) -> BTreeMap<String, Instance> {
    let networks: Vec<&str> = vpcs.iter().filter_map(|it| it["id"].as_str()).collect();
    let mut instance = |number: u64| {
        let (role, environment) = (seed.pick(&ROLES), seed.pick(&ENVIRONMENTS));
        let created = whole(now - seed.days(1..=700));
        Instance {
            id: if number == 1 { "nsx-i-8f3a2b".to_owned() } else { format!("nsx-i-{}", ids.hex(6)) },
            name: format!("{role}-{number}"),
            machine_type: seed.pick(&MACHINES).to_owned(),
            region: seed.pick(&REGIONS).to_owned(),
            network_id: seed.pick(&networks).to_owned(),
            image_id: Some(seed.pick(&IMAGES).to_owned()),
            tags: vec![format!("env:{environment}"), format!("team:{role}")],
            created,
            runs_from: created,
            stopped: seed.chance(15),
        }
    };
    (1..=142).map(&mut instance).map(|it| (it.id.clone(), it)).collect()
}

/// 8, each with an owner.
fn domains(seed: &mut Seed) -> Vec<Value> {
    let named = [
        ("orders", "Orders", "commerce"),
        ("customers", "Customers", "commerce"),
        ("payments", "Payments", "finance"),
        ("ledger", "Ledger", "finance"),
        ("shipments", "Shipments", "logistics"),
        ("inventory", "Inventory", "logistics"),
        ("telemetry", "Telemetry", "platform"),
        ("identity", "Identity", "security"),
    ];
    let mut domain = |(id, name, owner): (&str, &str, &str)| {
        let product = |kind: &str| json!({ "id": format!("dp-{id}-{kind}"), "name": format!("{name} {kind}") });
        json!({
            "id": format!("dom-{id}"),
            "name": name,
            "owner_team": owner,
            "schema_count": 4 + seed.below(30),
            "products": [product("daily"), product("stream")],
            "sla_compliance": 99.0 + f64::from(u8::try_from(seed.below(100)).unwrap_or(0)) / 100.0,
        })
    };
    named.into_iter().map(&mut domain).collect()
}

/// 23, of which 2 are critical and 7 high.
fn alerts(seed: &mut Seed, ids: &mut Ids, instances: &BTreeMap<String, Instance>, now: Timestamp) -> Vec<Value> {
    let kinds = [
        ("Credential dumping", "T1003", "Isolate the instance."),
        ("Lateral movement over SSH", "T1021.004", "Rotate the host keys."),
        ("Exfiltration over DNS", "T1048.003", "Block the resolver."),
        ("Cryptomining", "T1496", "Terminate the process."),
        ("Brute force", "T1110", "Restrict the source addresses."),
    ];
    let running: Vec<&str> = instances.keys().map(String::as_str).collect();
    let mut alert = |number: u32| {
        let (severity, cvss) = match number {
            0..2 => ("critical", 9.3),
            2..9 => ("high", 7.7),
            9..17 => ("medium", 5.4),
            _ => ("low", 2.8),
        };
        let at = usize::try_from(seed.below(kinds.len() as u64)).unwrap_or(0);
        let (title, technique, remediation) = kinds.get(at).copied().unwrap_or_default();
        json!({
            "id": format!("al-{}", ids.hex(6)),
            "severity": severity,
            "cvss": cvss,
            "status": if seed.chance(70) { "open" } else { "acknowledged" },
            "title": title,
            "resource_ids": [seed.pick(&running)],
            "remediation": remediation,
            "mitre_techniques": [technique],
            "detected_at": whole(now - Duration::from_hours(1) * (number + 1)),
        })
    };
    (0..23).map(&mut alert).collect()
}
