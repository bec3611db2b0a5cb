//! Starting, stopping and rebooting: each only from the state it makes sense in.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::Value;

use super::CloudNx;
use super::resources::Phase;
use crate::refused::Refused;
use crate::tenants::Tenant;

/// `POST /compute/instances/{id}/start`
pub(super) async fn start(
    State(cloud): State<CloudNx>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    pass(&cloud, &tenant, &id, &Passage { from: "stopped", by: "starting", to: "running" })
}

/// `POST /compute/instances/{id}/stop`
pub(super) async fn stop(
    State(cloud): State<CloudNx>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    pass(&cloud, &tenant, &id, &Passage { from: "running", by: "stopping", to: "stopped" })
}

/// `POST /compute/instances/{id}/reboot`
pub(super) async fn reboot(
    State(cloud): State<CloudNx>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    pass(&cloud, &tenant, &id, &Passage { from: "running", by: "rebooting", to: "running" })
}

struct Passage {
    from: &'static str,
    by: &'static str,
    to: &'static str,
}

fn pass(cloud: &CloudNx, tenant: &Tenant, id: &str, passage: &Passage) -> Result<Json<Value>, Refused> {
    let now = cloud.now();
    cloud.within(tenant, |world| {
        let instance = world.find("instances", "Instance", id)?;
        let status = instance.phase.at(now);
        if status != passage.from {
            let already = if status == passage.to { "already " } else { "" };
            return Err(Refused::conflict(format!("instance {id} is {already}{status}")));
        }
        instance.phase = Phase { first: passage.by, until: now + cloud.shared.pace.provisioning, then: passage.to };
        Ok(Json(instance.view(now)))
    })
}
