//! Novastraxis: compute, networking, data mesh, threat analytics and observability.
//!
//! Service accounts, posture and tokens are the gateway's own, so they are not here.

mod compute;
mod data;
mod network;
mod observability;
mod seed;
mod threats;

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::Timestamp;
use serde_json::Value;

use crate::dialect::Dialect;
use crate::gate::Shared;
use crate::ids::Ids;
use crate::surface::{Served, Surface};
use crate::tenants::{Tenant, Worlds};

/// The API, for all tenants.
pub(crate) fn serve(shared: &Arc<Shared>) -> Served {
    let state = Novastraxis { shared: Arc::clone(shared), worlds: Arc::default() };
    Surface::new("novastraxis", Dialect::Novastraxis, shared)
        .on("listInstances", "GET", "/v2/compute/instances", compute::list)
        .on("createInstance", "POST", "/v2/compute/instances", compute::create)
        .on("terminateInstance", "DELETE", "/v2/compute/instances/{id}", compute::terminate)
        .on("listVpcs", "GET", "/v2/network/vpcs", network::list_vpcs)
        .on("createFirewallRule", "POST", "/v2/network/firewall-rules", network::create_rule)
        .on("listDataDomains", "GET", "/v2/data/domains", data::list_domains)
        .on("executeQuery", "POST", "/v2/data/queries", data::execute)
        .on("lookAtQuery", "GET", "/v2/data/queries/{id}", data::look)
        .on("listAlerts", "GET", "/v2/threats/alerts", threats::list_alerts)
        .on("startScan", "POST", "/v2/threats/scan", threats::scan)
        .on("lookAtScan", "GET", "/v2/threats/scan/{id}", threats::look)
        .on("queryObservability", "POST", "/v2/observability/query", observability::query)
        .with(state)
}

/// What the handlers share.
#[derive(Clone)]
struct Novastraxis {
    shared: Arc<Shared>,
    worlds: Arc<Worlds<World>>,
}

impl Novastraxis {
    fn now(&self) -> Timestamp {
        self.shared.clock.now().wall
    }

    fn within<T>(&self, tenant: &Tenant, deed: impl FnOnce(&mut World) -> T) -> T {
        self.worlds.within(tenant, self.now(), deed)
    }
}

/// What one tenant owns.
struct World {
    ids: Ids,
    instances: BTreeMap<String, compute::Instance>,
    vpcs: Vec<Value>,
    rules: Vec<network::Rule>,
    domains: Vec<Value>,
    alerts: Vec<Value>,
    scans: BTreeMap<String, threats::Scan>,
    queries: BTreeMap<String, Timestamp>,
}

impl World {
    /// Whether something of the tenant has this id.
    fn owns(&self, id: &str) -> bool {
        let mut listed = self.vpcs.iter().chain(&self.domains);
        self.instances.contains_key(id) || listed.any(|it| is(it, "id", Some(id)))
    }
}

/// A list of seeded resources shows those whose `field` is `wanted`, or all where nothing is.
fn is(item: &Value, field: &str, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| item.get(field).and_then(Value::as_str) == Some(wanted))
}

#[cfg(test)]
mod tests;
