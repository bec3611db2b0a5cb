//! The organisation or account whose resources are asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ApiName, TenantId, TierName, Timestamp};

/// One tenant, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// How it is named in keys, entries and headers. Never reused.
    pub id: TenantId,
    /// What people call it.
    pub name: String,
    /// The tier all its keys have at an API, whatever the key itself says.
    pub tiers: BTreeMap<ApiName, TierName>,
    /// When it was made.
    pub created: Timestamp,
    /// Since when none of its keys opens anything.
    pub suspended: Option<Timestamp>,
}
