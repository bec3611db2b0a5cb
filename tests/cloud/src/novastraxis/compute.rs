//! Compute instances: `provisioning`, then `running`; gone once they are terminated.

use axum::Json;
use axum::extract::{Path, State};
use domain::Timestamp;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Novastraxis, World};
use crate::clock::whole;
use crate::fields::Fields;
use crate::paging::Page;
use crate::query::Query;
use crate::refused::Refused;
use crate::tenants::Tenant;

/// One instance.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) machine_type: String,
    pub(super) region: String,
    pub(super) network_id: String,
    pub(super) image_id: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) created: Timestamp,
    /// When it begins to run.
    pub(super) runs_from: Timestamp,
    /// Some were stopped before anyone looked; the API has no operation that stops one.
    pub(super) stopped: bool,
}

impl Instance {
    fn status(&self, now: Timestamp) -> &'static str {
        match (self.stopped, self.runs_from <= now) {
            (true, _) => "stopped",
            (false, true) => "running",
            (false, false) => "provisioning",
        }
    }

    fn view(&self, now: Timestamp) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "status": self.status(now),
            "machine_type": self.machine_type,
            "region": self.region,
            "network_id": self.network_id,
            "image_id": self.image_id,
            "tags": self.tags,
            "created_at": self.created,
        })
    }
}

/// `GET /v2/compute/instances`
pub(super) async fn list(
    State(cloud): State<Novastraxis>,
    tenant: Tenant,
    query: Query,
) -> Result<Json<Value>, Refused> {
    let (page, now) = (Page::asked(&query)?, cloud.now());
    let (region, status, tags) = (query.text("region")?, query.text("status")?, query.texts("tags"));
    let meant = |it: &&Instance| {
        region.is_none_or(|region| it.region == region)
            && status.is_none_or(|status| it.status(now) == status)
            && tags.iter().all(|tag| it.tags.iter().any(|own| own == tag))
    };
    let found: Vec<Value> =
        cloud.within(&tenant, |world| world.instances.values().filter(meant).map(|it| it.view(now)).collect());
    Ok(Json(json!({ "instances": page.of(&found), "total": found.len(), "page": page.number })))
}

/// `POST /v2/compute/instances`
pub(super) async fn create(
    State(cloud): State<Novastraxis>,
    tenant: Tenant,
    order: Fields,
) -> Result<(StatusCode, Json<Value>), Refused> {
    let now = cloud.now();
    let mut instance = Instance {
        id: String::new(),
        name: order.text("name")?.unwrap_or_default().to_owned(),
        machine_type: order.required_text("machine_type")?.to_owned(),
        region: order.required_text("region")?.to_owned(),
        network_id: order.required_text("network_id")?.to_owned(),
        image_id: order.text("image_id")?.map(str::to_owned),
        tags: order.texts("tags")?.unwrap_or_default(),
        created: whole(now),
        runs_from: now + cloud.shared.pace.provisioning,
        stopped: false,
    };
    order.text("startup_script")?;
    cloud.within(&tenant, |world| {
        if !world.vpcs.iter().any(|it| it["id"] == instance.network_id.as_str()) {
            return Err(Refused::not_found("Network", &instance.network_id));
        }
        if world.instances.values().any(|it| it.name == instance.name) {
            return Err(Refused::conflict("an instance with this name exists"));
        }
        instance.id = format!("nsx-i-{}", world.ids.hex(6));
        if instance.name.is_empty() {
            instance.name.clone_from(&instance.id);
        }
        let view = instance.view(now);
        world.instances.insert(instance.id.clone(), instance);
        Ok((StatusCode::CREATED, Json(json!({ "instance": view }))))
    })
}

/// `DELETE /v2/compute/instances/{id}`
pub(super) async fn terminate(
    State(cloud): State<Novastraxis>,
    tenant: Tenant,
    Path(id): Path<String>,
    query: Query,
) -> Result<(StatusCode, Json<Value>), Refused> {
    query.flag("force_delete")?;
    let skip_snapshot = query.flag("skip_snapshot")?;
    let snapshot = cloud.within(&tenant, |world: &mut World| {
        world.instances.remove(&id).ok_or_else(|| Refused::not_found("Instance", &id))?;
        Ok((!skip_snapshot).then(|| format!("snap-{}", world.ids.hex(6))))
    })?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "status": "terminating", "final_snapshot_id": snapshot }))))
}
