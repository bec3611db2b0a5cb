//! A tier made ready: what does not change from request to request is computed once.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::Tier;
use http::HeaderValue;

/// A tier with the parts of its headers that never change.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) tier: Arc<Tier>,
    /// The documented limit.
    pub(crate) limit: HeaderValue,
    /// `RateLimit-Policy`.
    pub(crate) policy: HeaderValue,
    /// The beginning of `RateLimit` for each rule: `"sustained";r=`.
    pub(crate) openings: Box<[Box<str>]>,
}

impl Plan {
    fn of(tier: Arc<Tier>) -> Self {
        let names: Vec<String> = tier.rules.iter().map(|it| quoted(&it.name)).collect();
        let mut policies: Vec<_> = tier.rules.iter().zip(&names).collect();
        policies.sort_by_key(|(rule, _)| rule.window);
        let policy: Vec<String> = policies
            .into_iter()
            .map(|(rule, name)| format!("{name};q={};w={}", rule.limit, seconds_ceil(rule.window).max(1)))
            .collect();
        Self {
            limit: HeaderValue::from(tier.rules.first().map_or(0, |it| it.limit.get())),
            // Always a header value: `quoted` leaves only visible ASCII.
            policy: HeaderValue::try_from(policy.join(", ")).unwrap_or(HeaderValue::from_static("")),
            openings: names.into_iter().map(|it| format!("{it};r=").into()).collect(),
            tier,
        }
    }
}

/// The plans in use, found by the tier they were made from.
#[derive(Debug, Default)]
pub(crate) struct Plans(RwLock<Vec<Arc<Plan>>>);

impl Plans {
    pub(crate) fn of(&self, tier: &Arc<Tier>) -> Arc<Plan> {
        let known = |plans: &[Arc<Plan>]| plans.iter().find(|it| Arc::ptr_eq(&it.tier, tier)).cloned();
        if let Some(plan) = known(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return plan;
        }
        let mut plans = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = known(&plans) {
            return plan;
        }
        // A tier that nobody else holds belongs to a configuration that is gone.
        plans.retain(|it| Arc::strong_count(&it.tier) > 1);
        let plan = Arc::new(Plan::of(tier.clone()));
        plans.push(plan.clone());
        plan
    }
}

/// Whole seconds, rounded up.
pub(crate) fn seconds_ceil(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A name as a string of RFC 9651, section 3.3.3.
fn quoted(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    out.push('"');
    for c in name.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => out.push('_'),
        }
    }
    out.push('"');
    out
}
