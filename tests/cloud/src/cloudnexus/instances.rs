//! Instances: `pending`, then `running`; gone once they are terminated.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use domain::Timestamp;
use http::StatusCode;
use serde_json::{Value, json};

use super::CloudNexus;
use crate::clock::whole;
use crate::fields::Fields;
use crate::ids::{Ids, Seed};
use crate::paging::Cursor;
use crate::query::Query;
use crate::refused::Refused;
use crate::tenants::Tenant;

/// One instance.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    id: String,
    name: String,
    plan: &'static Plan,
    region: String,
    tags: Vec<String>,
    created: Timestamp,
    /// When it begins to run.
    runs_from: Timestamp,
    /// Some were stopped before anyone looked; the API has no operation that stops one.
    stopped: bool,
}

/// A compute tier.
#[derive(Debug)]
struct Plan {
    name: &'static str,
    cpu: u32,
    memory_gb: u32,
}

const PLANS: [Plan; 4] = [
    Plan { name: "nano", cpu: 1, memory_gb: 1 },
    Plan { name: "micro", cpu: 2, memory_gb: 4 },
    Plan { name: "standard", cpu: 4, memory_gb: 16 },
    Plan { name: "performance", cpu: 16, memory_gb: 64 },
];
const REGIONS: [&str; 4] = ["us-east-1", "us-central1", "eu-west-2", "ap-southeast-1"];

impl Instance {
    fn status(&self, now: Timestamp) -> &'static str {
        match (self.stopped, self.runs_from <= now) {
            (true, _) => "stopped",
            (false, true) => "running",
            (false, false) => "pending",
        }
    }

    fn view(&self, now: Timestamp) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "status": self.status(now),
            "region": self.region,
            "cpu": self.plan.cpu,
            "memory_gb": self.plan.memory_gb,
            "tags": self.tags,
            "created_at": self.created,
        })
    }
}

/// `GET /v2/instances`
pub(super) async fn list(
    State(cloud): State<CloudNexus>,
    tenant: Tenant,
    query: Query,
) -> Result<Json<Value>, Refused> {
    let (cursor, now) = (Cursor::asked(&query)?, cloud.now());
    let (region, tags) = (query.text("region")?, query.texts("tags"));
    let status = query.choice("status", &["running", "stopped", "pending"])?;
    let meant = |it: &&Instance| {
        region.is_none_or(|region| it.region == region)
            && status.is_none_or(|status| it.status(now) == status)
            && tags.iter().all(|tag| it.tags.iter().any(|own| own == tag))
    };
    cloud.within(&tenant, |world| {
        let found: Vec<&Instance> = world.instances.values().filter(meant).collect();
        let total = found.len();
        let piece = cursor.piece(found, |it| &it.id);
        let views: Vec<Value> = piece.items.iter().map(|it| it.view(now)).collect();
        Ok(Json(json!({ "instances": views, "pagination": { "next_cursor": piece.next, "total": total } })))
    })
}

/// `POST /v2/instances`
pub(super) async fn create(
    State(cloud): State<CloudNexus>,
    tenant: Tenant,
    order: Fields,
) -> Result<(StatusCode, Json<Value>), Refused> {
    let name = order.required_text("name")?.to_owned();
    let plan = order.required_choice("plan", &PLANS.each_ref().map(|it| it.name))?;
    let plan = PLANS.iter().find(|it| it.name == plan).ok_or_else(|| Refused::invalid("plan", "plan is unknown"))?;
    order.required_text("image_id")?;
    // None is as good as any: it is the list that must be there.
    order.listed_texts("ssh_keys")?;
    let (region, tags) = (order.text("region")?.unwrap_or("us-east-1").to_owned(), order.texts("tags")?);
    let now = cloud.now();
    cloud.within(&tenant, |world| {
        if world.instances.values().any(|it| it.name == name) {
            return Err(Refused::conflict("An instance with this name exists"));
        }
        let instance = Instance {
            id: format!("inst_{}", world.ids.base36(8)),
            name,
            plan,
            region,
            tags: tags.unwrap_or_default(),
            created: whole(now),
            runs_from: now + cloud.shared.pace.provisioning,
            stopped: false,
        };
        let view = instance.view(now);
        world.instances.insert(instance.id.clone(), instance);
        Ok((StatusCode::CREATED, Json(view)))
    })
}

/// `DELETE /v2/instances/{id}`
pub(super) async fn delete(
    State(cloud): State<CloudNexus>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    let gone = cloud.within(&tenant, |world| world.instances.remove(&id));
    gone.ok_or_else(|| Refused::not_found("Instance", &id))?;
    Ok(Json(json!({ "id": id, "status": "terminated" })))
}

/// 42 instances, as the reference shows.
pub(super) fn seeded(seed: &mut Seed, ids: &mut Ids, now: Timestamp) -> BTreeMap<String, Instance> {
    let mut instance = |number: u64| {
        let (environment, role) = (seed.pick(&["prod", "staging", "dev"]), seed.pick(&["web", "api", "worker", "db"]));
        let at = usize::try_from(seed.below(PLANS.len() as u64)).unwrap_or(0);
        let created = whole(now - seed.days(1..=900));
        let [first, ..] = &PLANS;
        Instance {
            id: format!("inst_{}", ids.base36(8)),
            name: format!("{environment}-{role}-{number:02}"),
            plan: PLANS.get(at).unwrap_or(first),
            region: seed.pick(&REGIONS).to_owned(),
            tags: vec![environment.to_owned(), role.to_owned()],
            created,
            runs_from: created,
            stopped: seed.chance(20),
        }
    };
    (1..=42).map(&mut instance).map(|it| (it.id.clone(), it)).collect()
}
