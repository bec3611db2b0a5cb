//! What every kind of compute resource has in common: it is listed, created, shown and deleted the same way.

use std::collections::BTreeMap;

use axum::Json;
use domain::Timestamp;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::CloudNx;
use super::orders::{self, Site};
use crate::clock::whole;
use crate::fields::Fields;
use crate::ids::Ids;
use crate::paging::Cursor;
use crate::query::Query;
use crate::refused::Refused;
use crate::tenants::Tenant;

/// A kind of resource.
pub(super) struct Kind {
    /// The name under which a list shows them, which also names the kind.
    pub(super) plural: &'static str,
    /// What a message calls one.
    noun: &'static str,
    /// What its ids begin with.
    prefix: &'static str,
    /// The paths of all of them and of one.
    pub(super) all: &'static str,
    pub(super) one: &'static str,
    /// The names of the four operations.
    pub(super) list: &'static str,
    pub(super) create: &'static str,
    pub(super) get: &'static str,
    pub(super) delete: &'static str,
    /// Reads an order and says what it makes.
    order: fn(&mut Site<'_>, &Fields) -> Result<Made, Refused>,
}

/// What an order makes.
pub(super) struct Made {
    pub(super) fields: Map<String, Value>,
    pub(super) phase: Phase,
}

/// One resource.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) id: String,
    pub(super) fields: Map<String, Value>,
    pub(super) phase: Phase,
    pub(super) created: Timestamp,
}

/// A status that passes into another by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) first: &'static str,
    pub(super) until: Timestamp,
    pub(super) then: &'static str,
}

impl Phase {
    /// A status that stays.
    pub(super) fn settled(status: &'static str) -> Self {
        Self { first: status, until: Timestamp::from_nanos(0), then: status }
    }

    pub(super) fn at(self, now: Timestamp) -> &'static str {
        if self.until <= now { self.then } else { self.first }
    }
}

/// What one tenant owns, by kind and then by id.
pub(super) struct World {
    pub(super) ids: Ids,
    pub(super) resources: BTreeMap<&'static str, BTreeMap<String, Resource>>,
}

impl World {
    pub(super) fn all(&mut self, plural: &'static str) -> &mut BTreeMap<String, Resource> {
        self.resources.entry(plural).or_default()
    }

    pub(super) fn find(&mut self, plural: &'static str, noun: &str, id: &str) -> Result<&mut Resource, Refused> {
        self.all(plural).get_mut(id).ok_or_else(|| Refused::not_found(noun, id))
    }

    /// Those of a kind whose `field` names `id`.
    pub(super) fn naming(
        &mut self,
        plural: &'static str,
        field: &str,
        id: &str,
    ) -> impl Iterator<Item = &mut Resource> {
        self.all(plural).values_mut().filter(move |it| it.fields.get(field).and_then(Value::as_str) == Some(id))
    }
}

impl Resource {
    pub(super) fn view(&self, now: Timestamp) -> Value {
        let mut view = self.fields.clone();
        view.insert("id".to_owned(), json!(self.id));
        view.insert("status".to_owned(), json!(self.phase.at(now)));
        view.insert("created_at".to_owned(), json!(self.created));
        Value::Object(view)
    }
}

pub(super) fn list(kind: &Kind, cloud: &CloudNx, tenant: &Tenant, query: &Query) -> Result<Json<Value>, Refused> {
    let (cursor, status, now) = (Cursor::asked(query)?, query.text("status")?, cloud.now());
    let piece = cloud.within(tenant, |world| {
        let meant = world.all(kind.plural).values().filter(|it| status.is_none_or(|status| it.phase.at(now) == status));
        cursor.piece(meant.cloned(), |it| &it.id)
    });
    let views: Vec<Value> = piece.items.iter().map(|it| it.view(now)).collect();
    Ok(Json(json!({ kind.plural: views, "next_cursor": piece.next })))
}

pub(super) fn create(
    kind: &Kind,
    cloud: &CloudNx,
    tenant: &Tenant,
    order: &Fields,
) -> Result<(StatusCode, Json<Value>), Refused> {
    let (now, pace) = (cloud.now(), cloud.shared.pace);
    cloud.within(tenant, |world| {
        let name = order.text("name")?;
        if name.is_some_and(|name| world.naming(kind.plural, "name", name).next().is_some()) {
            return Err(Refused::conflict(format!("{} with this name exists", kind.noun)));
        }
        let id = format!("{}_{}", kind.prefix, world.ids.hex(6));
        let made = (kind.order)(&mut Site { world, id: &id, now, pace }, order)?;
        let resource = Resource { id: id.clone(), fields: made.fields, phase: made.phase, created: whole(now) };
        let view = resource.view(now);
        world.all(kind.plural).insert(id, resource);
        Ok((StatusCode::CREATED, Json(view)))
    })
}

pub(super) fn get(kind: &Kind, cloud: &CloudNx, tenant: &Tenant, id: &str) -> Result<Json<Value>, Refused> {
    let now = cloud.now();
    cloud.within(tenant, |world| world.find(kind.plural, kind.noun, id).map(|it| Json(it.view(now))))
}

pub(super) fn delete(kind: &Kind, cloud: &CloudNx, tenant: &Tenant, id: &str) -> Result<Json<Value>, Refused> {
    cloud.within(tenant, |world| {
        world.find(kind.plural, kind.noun, id)?;
        orders::release(world, kind.plural, id)?;
        world.all(kind.plural).remove(id);
        Ok(Json(json!({ "id": id, "status": "deleting" })))
    })
}

/// Every kind.
pub(super) static KINDS: [Kind; 8] = [
    Kind {
        plural: "instances",
        noun: "Instance",
        prefix: "i",
        all: "/compute/instances",
        one: "/compute/instances/{id}",
        list: "listInstances",
        create: "createInstance",
        get: "getInstance",
        delete: "deleteInstance",
        order: orders::instance,
    },
    Kind {
        plural: "autoscaling_groups",
        noun: "Autoscaling group",
        prefix: "asg",
        all: "/compute/autoscaling-groups",
        one: "/compute/autoscaling-groups/{id}",
        list: "listAutoscalingGroups",
        create: "createAutoscalingGroup",
        get: "getAutoscalingGroup",
        delete: "deleteAutoscalingGroup",
        order: orders::autoscaling_group,
    },
    Kind {
        plural: "elastic_ips",
        noun: "Elastic IP",
        prefix: "eip",
        all: "/compute/elastic-ips",
        one: "/compute/elastic-ips/{id}",
        list: "listElasticIps",
        create: "createElasticIp",
        get: "getElasticIp",
        delete: "deleteElasticIp",
        order: orders::elastic_ip,
    },
    Kind {
        plural: "firewalls",
        noun: "Firewall",
        prefix: "fw",
        all: "/compute/firewalls",
        one: "/compute/firewalls/{id}",
        list: "listFirewalls",
        create: "createFirewall",
        get: "getFirewall",
        delete: "deleteFirewall",
        order: orders::firewall,
    },
    Kind {
        plural: "snapshots",
        noun: "Snapshot",
        prefix: "snap",
        all: "/compute/snapshots",
        one: "/compute/snapshots/{id}",
        list: "listSnapshots",
        create: "createSnapshot",
        get: "getSnapshot",
        delete: "deleteSnapshot",
        order: orders::snapshot,
    },
    Kind {
        plural: "volumes",
        noun: "Volume",
        prefix: "vol",
        all: "/compute/volumes",
        one: "/compute/volumes/{id}",
        list: "listVolumes",
        create: "createVolume",
        get: "getVolume",
        delete: "deleteVolume",
        order: orders::volume,
    },
    Kind {
        plural: "load_balancers",
        noun: "Load balancer",
        prefix: "lb",
        all: "/compute/load-balancers",
        one: "/compute/load-balancers/{id}",
        list: "listLoadBalancers",
        create: "createLoadBalancer",
        get: "getLoadBalancer",
        delete: "deleteLoadBalancer",
        order: orders::load_balancer,
    },
    Kind {
        plural: "vpcs",
        noun: "VPC",
        prefix: "vpc",
        all: "/compute/vpcs",
        one: "/compute/vpcs/{id}",
        list: "listVpcs",
        create: "createVpc",
        get: "getVpc",
        delete: "deleteVpc",
        order: orders::vpc,
    },
];
