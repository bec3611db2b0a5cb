//! CloudNexus: instances, buckets and objects.

mod instances;
mod storage;

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::Timestamp;

use crate::blobs::Blobs;
use crate::dialect::Dialect;
use crate::gate::Shared;
use crate::ids::{Ids, Seed};
use crate::surface::{Served, Surface};
use crate::tenants::{Seeded, Tenant, Worlds};

/// The API, for all tenants.
pub(crate) fn serve(shared: &Arc<Shared>, blobs: &Arc<Blobs>) -> Served {
    let state = CloudNexus { shared: Arc::clone(shared), blobs: Arc::clone(blobs), worlds: Arc::default() };
    Surface::new("cloudnexus", Dialect::CloudNexus, shared)
        .on("listInstances", "GET", "/v2/instances", instances::list)
        .on("createInstance", "POST", "/v2/instances", instances::create)
        .on("deleteInstance", "DELETE", "/v2/instances/{id}", instances::delete)
        .on("listBuckets", "GET", "/v2/buckets", storage::list_buckets)
        .on("putObject", "PUT", "/v2/objects/{bucket}/{*key}", storage::put_object)
        .with(state)
}

/// What the handlers share.
#[derive(Clone)]
struct CloudNexus {
    shared: Arc<Shared>,
    blobs: Arc<Blobs>,
    worlds: Arc<Worlds<World>>,
}

impl CloudNexus {
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
    instances: BTreeMap<String, instances::Instance>,
    buckets: BTreeMap<String, storage::Bucket>,
}

impl Seeded for World {
    fn seeded(tenant: &Tenant, now: Timestamp) -> Self {
        let text = format!("cloudnexus {}", tenant.0);
        let (mut seed, mut ids) = (Seed::of(&text), Ids::of(&text));
        let instances = instances::seeded(&mut seed, &mut ids, now);
        Self { ids, instances, buckets: storage::seeded(&mut seed, now) }
    }
}

#[cfg(test)]
mod tests;
