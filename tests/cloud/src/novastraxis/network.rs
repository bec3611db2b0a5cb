//! VPCs, and firewall rules that know who passes.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Novastraxis, is};
use crate::fields::Fields;
use crate::query::Query;
use crate::refused::Refused;
use crate::tenants::Tenant;

/// A firewall rule: what it says, and nothing else, makes it the same as another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    vpc_id: String,
    direction: String,
    protocol: String,
    ports: Option<Value>,
    source_identity: Option<String>,
    action: String,
}

/// `GET /v2/network/vpcs`
pub(super) async fn list_vpcs(
    State(cloud): State<Novastraxis>,
    tenant: Tenant,
    query: Query,
) -> Result<Json<Value>, Refused> {
    let (region, subnets) = (query.text("region")?, query.flag("include_subnets")?);
    let mut vpcs: Vec<Value> =
        cloud.within(&tenant, |world| world.vpcs.iter().filter(|it| is(it, "region", region)).cloned().collect());
    if !subnets {
        vpcs.iter_mut().filter_map(Value::as_object_mut).for_each(|it| drop(it.remove("subnets")));
    }
    Ok(Json(json!({ "total": vpcs.len(), "vpcs": vpcs })))
}

/// `POST /v2/network/firewall-rules`
pub(super) async fn create_rule(
    State(cloud): State<Novastraxis>,
    tenant: Tenant,
    order: Fields,
) -> Result<(StatusCode, Json<Value>), Refused> {
    let rule = Rule {
        vpc_id: order.required_text("vpc_id")?.to_owned(),
        direction: order.required_choice("direction", &["ingress", "egress"])?.to_owned(),
        protocol: order.required_text("protocol")?.to_owned(),
        ports: ports(&order)?,
        source_identity: order.text("source_identity")?.map(str::to_owned),
        action: order.required_choice("action", &["allow", "deny"])?.to_owned(),
    };
    let id = cloud.within(&tenant, |world| {
        if !world.vpcs.iter().any(|it| it["id"] == rule.vpc_id.as_str()) {
            return Err(Refused::not_found("VPC", &rule.vpc_id));
        }
        if world.rules.contains(&rule) {
            return Err(Refused::conflict("a rule that says the same exists"));
        }
        world.rules.push(rule);
        Ok(format!("fw-{}", world.ids.hex(6)))
    })?;
    let rule = json!({ "id": id, "status": "active", "propagation": "complete" });
    Ok((StatusCode::CREATED, Json(json!({ "rule": rule }))))
}

fn ports(order: &Fields) -> Result<Option<Value>, Refused> {
    let wrong =
        || Refused::invalid("ports", "ports must be a list of ports from 0 to 65535 and ranges such as 8000-8100");
    let port = |text: &str| text.parse::<u16>().is_ok();
    let good = |it: &Value| match it {
        Value::Number(number) => number.as_u64().is_some_and(|it| u16::try_from(it).is_ok()),
        Value::String(text) => text.split_once('-').map_or(port(text), |(from, to)| port(from) && port(to)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    };
    let Some(ports) = order.value("ports") else { return Ok(None) };
    let all_good = ports.as_array().is_some_and(|it| it.iter().all(good));
    if all_good { Ok(Some(ports.clone())) } else { Err(wrong()) }
}
