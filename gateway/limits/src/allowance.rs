//! What is left, and the headers that say so on every answer.

use std::sync::Arc;
use std::time::Duration;

use domain::{Timestamp, Told};
use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use crate::plan::{Plan, seconds_ceil};

static LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
static RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a caller has left once this request is counted.
#[derive(Clone, Debug)]
pub struct Allowance {
    plan: Arc<Plan>,
    rule: usize,
    remaining: u32,
    reset: Timestamp,
    reset_in: u64,
}

/// What one API calls its three headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderNames<'n> {
    /// The documented limit.
    pub limit: &'n HeaderName,
    /// What is left.
    pub remaining: &'n HeaderName,
    /// When more will be left.
    pub reset: &'n HeaderName,
}

impl Default for HeaderNames<'static> {
    fn default() -> Self {
        Self { limit: &LIMIT, remaining: &REMAINING, reset: &RESET }
    }
}

impl Allowance {
    pub(crate) fn new(plan: Arc<Plan>, rule: usize, remaining: u32, wait: Duration, now: Timestamp) -> Self {
        let reset = Timestamp::from_seconds((now + wait).seconds_ceil());
        Self { plan, rule, remaining, reset, reset_in: seconds_ceil(wait) }
    }

    /// The documented limit of the tier.
    pub fn limit(&self) -> u32 {
        self.plan.tier.rules.first().map_or(0, |it| it.limit.get())
    }

    /// The least that any rule leaves.
    pub fn remaining(&self) -> u32 {
        self.remaining
    }

    /// The whole second in which the rule that binds leaves more.
    pub fn reset(&self) -> Timestamp {
        self.reset
    }

    /// The rule that binds.
    pub fn rule(&self) -> &str {
        self.plan.tier.rules.get(self.rule).map_or("", |it| &it.name)
    }

    /// Sets the API's own three headers and the two of the IETF draft (draft-ietf-httpapi-ratelimit-headers-11) in
    /// place of any that the upstream sent.
    pub fn write(&self, names: &HeaderNames<'_>, headers: &mut HeaderMap) {
        headers.insert(names.limit, self.plan.limit.clone());
        headers.insert(names.remaining, HeaderValue::from(self.remaining));
        headers.insert(names.reset, HeaderValue::from(self.reset.seconds()));
        headers.insert(RATELIMIT_POLICY, self.plan.policy.clone());
        if let Some(value) = self.ratelimit() {
            headers.insert(RATELIMIT, value);
        }
    }

    /// `"sustained";r=847;t=12`, put together without the formatting machinery.
    fn ratelimit(&self) -> Option<HeaderValue> {
        let opening = self.plan.openings.get(self.rule)?;
        let mut text = String::with_capacity(opening.len() + 36);
        text.push_str(opening);
        text.push_str(itoa::Buffer::new().format(self.remaining));
        text.push_str(";t=");
        text.push_str(itoa::Buffer::new().format(self.reset_in));
        // Handed over, so that it is not copied.
        HeaderValue::try_from(text).ok()
    }
}

/// More was asked for than the tier allows. The request has cost nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[error("over the limit of rule `{}` for {} s", .allowance.rule(), .retry_after)]
pub struct OverLimit {
    allowance: Allowance,
    retry_after: u64,
}

impl OverLimit {
    pub(crate) fn new(allowance: Allowance, retry_after: u64) -> Self {
        Self { allowance, retry_after }
    }

    /// What is left, which is too little.
    pub fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// Whole seconds, at least one, after which the same request is admitted if no other came in between.
    pub fn retry_after(&self) -> Duration {
        Duration::from_secs(self.retry_after)
    }

    /// Sets the headers of the allowance and `Retry-After`.
    pub fn write(&self, names: &HeaderNames<'_>, headers: &mut HeaderMap) {
        self.allowance.write(names, headers);
        headers.insert(RETRY_AFTER, HeaderValue::from(self.retry_after));
    }

    /// What the caller is told.
    pub fn told(&self) -> Told {
        Told::new("rate_limited", "Rate limit exceeded. Retry after the seconds in Retry-After.")
    }
}
