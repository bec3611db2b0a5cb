//! Threat alerts, and scans whose findings become alerts.

use axum::Json;
use axum::extract::{Path, State};
use domain::Timestamp;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Novastraxis, is};
use crate::fields::Fields;
use crate::pace::Pace;
use crate::query::Query;
use crate::refused::Refused;
use crate::tenants::Tenant;

/// A scan: `queued`, then `running`, then `completed`.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    resource_ids: Vec<String>,
    started: Timestamp,
}

impl Scan {
    fn status(&self, pace: Pace, now: Timestamp) -> &'static str {
        let (runs, done) = (self.started + pace.working, self.started + pace.working * 2);
        if done <= now {
            "completed"
        } else if runs <= now {
            "running"
        } else {
            "queued"
        }
    }

    /// What it found, once it is done.
    fn finding(&self, id: &str, pace: Pace) -> Value {
        json!({
            "id": format!("al-{id}"),
            "severity": "low",
            "cvss": 3.1,
            "status": "open",
            "title": "Package with a known vulnerability",
            "resource_ids": self.resource_ids,
            "remediation": "Update the package.",
            "mitre_techniques": ["T1195"],
            "detected_at": self.started + pace.working * 2,
        })
    }
}

/// `GET /v2/threats/alerts`
pub(super) async fn list_alerts(
    State(cloud): State<Novastraxis>,
    tenant: Tenant,
    query: Query,
) -> Result<Json<Value>, Refused> {
    let severity = query.choice("severity", &["none", "low", "medium", "high", "critical"])?;
    let (status, resource) = (query.text("status")?, query.text("resource_id")?);
    let (technique, since) = (query.text("mitre_technique")?, query.moment("since")?);
    let (now, pace) = (cloud.now(), cloud.shared.pace);
    let names = |it: &Value, field: &str, wanted: Option<&str>| {
        wanted.is_none_or(|wanted| it[field].as_array().is_some_and(|all| all.iter().any(|one| one == wanted)))
    };
    let detected = |it: &Value| it["detected_at"].as_str().and_then(|it| it.parse::<Timestamp>().ok());
    let alerts: Vec<Value> = cloud.within(&tenant, |world| {
        let done = world.scans.iter().filter(|(_, scan)| scan.status(pace, now) == "completed");
        let found = done.map(|(id, scan)| scan.finding(id, pace));
        let meant = |it: &Value| {
            is(it, "severity", severity)
                && is(it, "status", status)
                && names(it, "resource_ids", resource)
                && names(it, "mitre_techniques", technique)
                && since.is_none_or(|since| detected(it).is_some_and(|at| since <= at))
        };
        world.alerts.iter().cloned().chain(found).filter(meant).collect()
    });
    let count = |severity| alerts.iter().filter(|it| is(it, "severity", Some(severity))).count();
    let (critical, high) = (count("critical"), count("high"));
    Ok(Json(json!({ "total": alerts.len(), "critical": critical, "high": high, "alerts": alerts })))
}

/// `POST /v2/threats/scan`
pub(super) async fn scan(
    State(cloud): State<Novastraxis>,
    tenant: Tenant,
    order: Fields,
) -> Result<(StatusCode, Json<Value>), Refused> {
    let scan = Scan { resource_ids: order.required_texts("resource_ids")?, started: cloud.now() };
    order.text("scan_type")?;
    order.flag("include_dependencies")?;
    let id = cloud.within(&tenant, |world| {
        if let Some(unknown) = scan.resource_ids.iter().find(|it| !world.owns(it)) {
            return Err(Refused::not_found("Resource", unknown));
        }
        let id = format!("sc-{}", world.ids.hex(6));
        world.scans.insert(id.clone(), scan);
        Ok(id)
    })?;
    let estimated = (cloud.shared.pace.working * 2).as_secs();
    Ok((StatusCode::ACCEPTED, Json(json!({ "scan_id": id, "status": "queued", "estimated_duration_s": estimated }))))
}

/// How a scan is doing. Not in the reference: for tests that look behind the gateway.
pub(super) async fn look(
    State(cloud): State<Novastraxis>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    let scan = cloud.within(&tenant, |world| world.scans.get(&id).cloned());
    let scan = scan.ok_or_else(|| Refused::not_found("Scan", &id))?;
    Ok(Json(json!({ "scan_id": id, "status": scan.status(cloud.shared.pace, cloud.now()) })))
}
