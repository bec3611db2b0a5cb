//! The data mesh: domains, and queries across them.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Novastraxis, is};
use crate::fields::Fields;
use crate::query::Query;
use crate::refused::Refused;
use crate::tenants::Tenant;

/// `GET /v2/data/domains`
pub(super) async fn list_domains(
    State(cloud): State<Novastraxis>,
    tenant: Tenant,
    query: Query,
) -> Result<Json<Value>, Refused> {
    let (owner, products) = (query.text("owner_team")?, query.flag("include_products")?);
    let mut domains: Vec<Value> =
        cloud.within(&tenant, |world| world.domains.iter().filter(|it| is(it, "owner_team", owner)).cloned().collect());
    if !products {
        domains.iter_mut().filter_map(Value::as_object_mut).for_each(|it| drop(it.remove("products")));
    }
    Ok(Json(json!({ "total": domains.len(), "domains": domains })))
}

/// `POST /v2/data/queries`
pub(super) async fn execute(
    State(cloud): State<Novastraxis>,
    tenant: Tenant,
    order: Fields,
) -> Result<(StatusCode, Json<Value>), Refused> {
    let sql = order.required_text("sql")?;
    let domains = order.texts("domains")?.unwrap_or_default();
    order.number("timeout_ms", 1..=u64::from(u32::MAX))?;
    order.choice("consistency_level", &["eventual", "bounded", "strong"])?;
    if !["select", "with"].iter().any(|it| sql.trim_start().to_ascii_lowercase().starts_with(it)) {
        return Err(Refused::invalid("sql", "sql must be one SELECT statement"));
    }
    let now = cloud.now();
    let id = cloud.within(&tenant, |world| {
        if let Some(id) = domains.iter().find(|id| !world.domains.iter().any(|it| it["id"] == id.as_str())) {
            return Err(Refused::not_found("Data domain", id));
        }
        let id = format!("q-{}", world.ids.hex(6));
        world.queries.insert(id.clone(), now);
        Ok(id)
    })?;
    let estimated = u64::try_from(cloud.shared.pace.working.as_millis()).unwrap_or(u64::MAX);
    Ok((StatusCode::ACCEPTED, Json(json!({ "query_id": id, "status": "running", "estimated_ms": estimated }))))
}

/// How a query is doing. Not in the reference: for tests that look behind the gateway.
pub(super) async fn look(
    State(cloud): State<Novastraxis>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    let started = cloud.within(&tenant, |world| world.queries.get(&id).copied());
    let started = started.ok_or_else(|| Refused::not_found("Query", &id))?;
    let status = if started + cloud.shared.pace.working <= cloud.now() { "succeeded" } else { "running" };
    Ok(Json(json!({ "query_id": id, "status": status })))
}
