//! Whose data a request may see. Nothing in one tenant's world can be reached from another's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use domain::Timestamp;
use http::request::Parts;

use crate::refused::{Kind, Refused};

/// The tenant for whom the gateway speaks: the clouds listen on loopback and believe it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tenant(pub(crate) String);

/// The header in which the gateway names the tenant.
pub(crate) const TENANT_HEADER: &str = "x-portcullis-tenant";

impl Tenant {
    /// The tenant that `parts` name; 401 where none is named, since then no gateway stands in front.
    pub(crate) fn named_in(parts: &Parts) -> Result<Self, Refused> {
        let named = parts.headers.get(TENANT_HEADER).and_then(|value| value.to_str().ok()).filter(|it| !it.is_empty());
        let nobody = || Refused::new(Kind::Stranger, "no credentials were provided");
        named.map(|it| Self(it.to_owned())).ok_or_else(nobody)
    }
}

impl<S: Sync> FromRequestParts<S> for Tenant {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        Self::named_in(parts)
    }
}

/// What a tenant owns when it is first seen.
pub(crate) trait Seeded {
    /// The beginning of `tenant`, the same every time but for its moments, which lie before `now`.
    fn seeded(tenant: &Tenant, now: Timestamp) -> Self;
}

/// One world for each tenant, made when the tenant is first seen.
#[derive(Debug)]
pub(crate) struct Worlds<W>(Mutex<HashMap<Tenant, Arc<Mutex<W>>>>);

impl<W> Default for Worlds<W> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<W: Seeded> Worlds<W> {
    /// Does `deed` in the world of `tenant`, alone.
    pub(crate) fn within<T>(&self, tenant: &Tenant, now: Timestamp, deed: impl FnOnce(&mut W) -> T) -> T {
        let world = {
            let mut worlds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(worlds.entry(tenant.clone()).or_insert_with(|| Arc::new(Mutex::new(W::seeded(tenant, now)))))
        };
        deed(&mut world.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
