//! `CloudNx`: billing, compute and storage. Users, sessions, teams and logs are the gateway's own, so they are not here.

mod billing;
mod instances;
mod orders;
mod resources;
mod seed;
mod storage;

use std::sync::Arc;

use axum::extract::{Path, State};
use domain::Timestamp;

use self::resources::{KINDS, World};
use crate::dialect::Dialect;
use crate::fields::Fields;
use crate::gate::Shared;
use crate::objects::shelf::Shelf;
use crate::query::Query;
use crate::surface::{Served, Surface};
use crate::tenants::{Tenant, Worlds};

/// The API, for all tenants. Its buckets are those of the object host.
pub(crate) fn serve(shared: &Arc<Shared>, shelf: &Arc<Shelf>) -> Served {
    let state = CloudNx { shared: Arc::clone(shared), worlds: Arc::default(), shelf: Arc::clone(shelf) };
    let surface = Surface::new("cloudnx", Dialect::CloudNx, shared)
        .on("getBilling", "GET", "/auth/billing", billing::state)
        .on("listInvoices", "GET", "/auth/billing/invoices", billing::list)
        .on("getInvoice", "GET", "/auth/billing/invoices/{id}", billing::get)
        .on("startInstance", "POST", "/compute/instances/{id}/start", instances::start)
        .on("stopInstance", "POST", "/compute/instances/{id}/stop", instances::stop)
        .on("rebootInstance", "POST", "/compute/instances/{id}/reboot", instances::reboot)
        .on("listBuckets", "GET", "/storage/buckets", storage::list)
        .on("createBucket", "POST", "/storage/buckets", storage::create)
        .on("getBucket", "GET", "/storage/buckets/{bucket}", storage::get)
        .on("deleteBucket", "DELETE", "/storage/buckets/{bucket}", storage::delete);
    compute(surface).with(state)
}

/// The four operations that every kind of compute resource has.
fn compute(mut surface: Surface<CloudNx>) -> Surface<CloudNx> {
    for kind in &KINDS {
        surface = surface
            .on(
                kind.list,
                "GET",
                kind.all,
                move |State(cloud): State<CloudNx>, tenant: Tenant, query: Query| async move {
                    resources::list(kind, &cloud, &tenant, &query)
                },
            )
            .on(
                kind.create,
                "POST",
                kind.all,
                move |State(cloud): State<CloudNx>, tenant: Tenant, order: Fields| async move {
                    resources::create(kind, &cloud, &tenant, &order)
                },
            )
            .on(
                kind.get,
                "GET",
                kind.one,
                move |State(cloud): State<CloudNx>, tenant: Tenant, Path(id): Path<String>| async move {
                    resources::get(kind, &cloud, &tenant, &id)
                },
            )
            .on(
                kind.delete,
                "DELETE",
                kind.one,
                move |State(cloud): State<CloudNx>, tenant: Tenant, Path(id): Path<String>| async move {
                    resources::delete(kind, &cloud, &tenant, &id)
                },
            );
    }
    surface
}

/// What the handlers share.
#[derive(Clone)]
struct CloudNx {
    shared: Arc<Shared>,
    worlds: Arc<Worlds<World>>,
    shelf: Arc<Shelf>,
}

impl CloudNx {
    fn now(&self) -> Timestamp {
        self.shared.clock.now().wall
    }

    fn within<T>(&self, tenant: &Tenant, deed: impl FnOnce(&mut World) -> T) -> T {
        self.worlds.within(tenant, self.now(), deed)
    }
}

#[cfg(test)]
mod tests;
