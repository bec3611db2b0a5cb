//! How much one key, user or tenant may use.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::TierName;

/// A named set of rate limits. Every rule binds; the strictest speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Its name in the profile and on keys.
    pub name: TierName,
    /// At least one rule, the one whose limit is documented first.
    pub rules: Vec<RateRule>,
}

/// At most `limit` requests in any `window`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateRule {
    /// What the rule is called in `RateLimit-Policy`: `sustained`, `burst`.
    pub name: String,
    /// How many requests.
    pub limit: NonZeroU32,
    /// In how long a time, wherever it begins.
    pub window: Duration,
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CountedBy {
    /// All keys that came from one by rotation.
    Lineage,
    /// All credentials of one user or service account.
    Owner,
    /// All credentials of one tenant.
    Tenant,
}
