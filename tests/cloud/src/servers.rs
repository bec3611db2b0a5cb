//! CloudNexus servers: servers and Kubernetes clusters. Webhooks are the gateway's own, so they are not here.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::Timestamp;
use serde_json::{Value, json};

use crate::clock::whole;
use crate::dialect::Dialect;
use crate::fields::Fields;
use crate::gate::Shared;
use crate::ids::{Ids, Seed};
use crate::refused::Refused;
use crate::surface::{Served, Surface};
use crate::tenants::{Seeded, Tenant, Worlds};

/// How many servers one order may be for: the reference names no bound.
const MOST: u64 = 1_000_000;

/// The API, for all tenants.
pub(crate) fn serve(shared: &Arc<Shared>) -> Served {
    let state = Servers { shared: Arc::clone(shared), worlds: Arc::default() };
    Surface::new("cloudnexus-servers", Dialect::CloudNexus, shared)
        .on("listServers", "GET", "/v2/servers", list)
        .on("createServer", "POST", "/v2/servers", create)
        .on("updateServer", "PUT", "/v2/servers/{id}", update)
        .on("terminateServer", "DELETE", "/v2/servers/{id}", terminate)
        .on("listKubernetesClusters", "GET", "/v2/clusters/k8s", clusters)
        .with(state)
}

#[derive(Clone)]
struct Servers {
    shared: Arc<Shared>,
    worlds: Arc<Worlds<World>>,
}

impl Servers {
    fn now(&self) -> Timestamp {
        self.shared.clock.now().wall
    }

    fn within<T>(&self, tenant: &Tenant, deed: impl FnOnce(&mut World) -> T) -> T {
        self.worlds.within(tenant, self.now(), deed)
    }
}

struct World {
    ids: Ids,
    servers: BTreeMap<String, Server>,
    clusters: Vec<Value>,
}

/// A server: `provisioning`, then `running`; gone once it is terminated.
#[derive(Clone, Debug)]
struct Server {
    id: String,
    name: String,
    region: String,
    plan: String,
    image: String,
    count: u64,
    ip: String,
    created: Timestamp,
    runs_from: Timestamp,
}

const REGIONS: [&str; 3] = ["us-east-1", "eu-central-1", "ap-south-1"];
const PLANS: [&str; 3] = ["starter", "professional", "enterprise"];
const IMAGES: [&str; 3] = ["ubuntu-22.04", "debian-12", "rocky-9"];

impl Server {
    fn view(&self, now: Timestamp) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "region": self.region,
            "plan": self.plan,
            "image": self.image,
            "count": self.count,
            "status": if self.runs_from <= now { "running" } else { "provisioning" },
            "ip": self.ip,
            "created_at": self.created,
        })
    }
}

async fn list(State(cloud): State<Servers>, tenant: Tenant) -> Json<Value> {
    let now = cloud.now();
    let views: Vec<Value> = cloud.within(&tenant, |world| world.servers.values().map(|it| it.view(now)).collect());
    Json(json!({ "servers": views }))
}

async fn create(State(cloud): State<Servers>, tenant: Tenant, order: Fields) -> Result<Json<Value>, Refused> {
    let region = order.required_text("region")?;
    let plan = order.required_choice("plan", &PLANS)?;
    let image = order.required_text("image")?;
    let (count, name) = (order.number("count", 1..=MOST)?.unwrap_or(1), order.text("name")?);
    let now = cloud.now();
    cloud.within(&tenant, |world| {
        refuse_taken(world, name, None)?;
        let id = format!("srv_{}", world.ids.base36(6));
        let server = Server {
            name: name.unwrap_or(&id).to_owned(),
            region: region.to_owned(),
            plan: plan.to_owned(),
            image: image.to_owned(),
            count,
            ip: address(&id),
            created: whole(now),
            runs_from: now + cloud.shared.pace.provisioning,
            id,
        };
        let view = server.view(now);
        world.servers.insert(server.id.clone(), server);
        Ok(Json(view))
    })
}

async fn update(
    State(cloud): State<Servers>,
    tenant: Tenant,
    Path(id): Path<String>,
    change: Fields,
) -> Result<Json<Value>, Refused> {
    let (plan, image) = (change.choice("plan", &PLANS)?, change.text("image")?);
    let (count, name) = (change.number("count", 1..=MOST)?, change.text("name")?);
    if plan.is_none() && image.is_none() && count.is_none() && name.is_none() {
        return Err(Refused::new(crate::refused::Kind::Invalid, "one of plan, image, count and name is required"));
    }
    let now = cloud.now();
    cloud.within(&tenant, |world| {
        if !world.servers.contains_key(&id) {
            return Err(Refused::not_found("Server", &id));
        }
        refuse_taken(world, name, Some(&id))?;
        let server = world.servers.get_mut(&id).ok_or_else(|| Refused::not_found("Server", &id))?;
        let set = |field: &mut String, value: Option<&str>| value.into_iter().for_each(|it| it.clone_into(field));
        set(&mut server.plan, plan);
        set(&mut server.image, image);
        set(&mut server.name, name);
        server.count = count.unwrap_or(server.count);
        Ok(Json(server.view(now)))
    })
}

async fn terminate(
    State(cloud): State<Servers>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    let gone = cloud.within(&tenant, |world| world.servers.remove(&id));
    gone.ok_or_else(|| Refused::not_found("Server", &id))?;
    Ok(Json(json!({ "id": id, "status": "terminated" })))
}

async fn clusters(State(cloud): State<Servers>, tenant: Tenant) -> Json<Value> {
    Json(json!({ "clusters": cloud.within(&tenant, |world| world.clusters.clone()) }))
}

fn refuse_taken(world: &World, name: Option<&str>, own: Option<&str>) -> Result<(), Refused> {
    let taken = |it: &Server| Some(it.name.as_str()) == name && Some(it.id.as_str()) != own;
    if world.servers.values().any(taken) { Err(Refused::conflict("A server with this name exists")) } else { Ok(()) }
}

fn address(id: &str) -> String {
    let mut seed = Seed::of(id);
    format!("10.244.{}.{}", seed.below(256), 2 + seed.below(250))
}

impl Seeded for World {
    fn seeded(tenant: &Tenant, now: Timestamp) -> Self {
        let text = format!("cloudnexus-servers {}", tenant.0);
        let (mut seed, mut ids) = (Seed::of(&text), Ids::of(&text));
        let mut server = |number: u64| {
            let id = format!("srv_{}", ids.base36(6));
            let created = whole(now - seed.days(1..=500));
            Server {
                name: format!("{}-{number}", seed.pick(&["edge", "core", "batch"])),
                region: seed.pick(&REGIONS).to_owned(),
                plan: seed.pick(&PLANS).to_owned(),
                image: seed.pick(&IMAGES).to_owned(),
                count: 1 + seed.below(4),
                ip: address(&id),
                created,
                runs_from: created,
                id,
            }
        };
        let servers = (1..=9).map(&mut server).map(|it| (it.id.clone(), it)).collect();
        let mut cluster = |name: &str| {
            json!({
                "id": format!("k8s_{}", ids.hex(4)),
                "name": name,
                "region": seed.pick(&REGIONS),
                "kubernetes_version": seed.pick(&["1.31", "1.32", "1.33"]),
                "node_count": 3 + seed.below(6),
                "status": "running",
            })
        };
        let clusters = ["prod", "staging", "batch"].map(&mut cluster).to_vec();
        Self { ids, servers, clusters }
    }
}

#[cfg(test)]
mod tests;
