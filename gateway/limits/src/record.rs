//! One counter: a ring for each rule of its tier. Every rule binds; the strictest speaks.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use domain::{Moment, Tick, Tier};

use crate::allowance::{Allowance, OverLimit};
use crate::bounded::Fades;
use crate::plan::{Plan, seconds_ceil};
use crate::ring::Ring;

/// How long a caller waits whom no wait will help: nothing can be admitted under a tier without rules.
const HOPELESS: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(crate) struct Record {
    plan: Arc<Plan>,
    /// One for each rule, in its order.
    rings: Box<[Ring]>,
}

impl Record {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Self { rings: rings(&plan.tier), plan }
    }

    /// Whether this very tier was the last to be asked for.
    pub(crate) fn follows(&self, tier: &Arc<Tier>) -> bool {
        Arc::ptr_eq(&self.plan.tier, tier)
    }

    /// Goes over to another tier and keeps what has been counted.
    pub(crate) fn adopt(&mut self, plan: Arc<Plan>, now: Tick) {
        if plan.tier.rules != self.plan.tier.rules {
            let mut fresh = rings(&plan.tier);
            for ring in &mut fresh {
                if let Some(source) = best_source(&self.rings, ring.reach()) {
                    ring.take_over(source, now);
                }
            }
            self.rings = fresh;
        }
        self.plan = plan;
    }

    /// Spends `cost` under every rule, or nothing under any.
    pub(crate) fn admit(&mut self, cost: u32, at: Moment) -> Result<Allowance, OverLimit> {
        let mut refusing: Option<(Duration, usize)> = None;
        for (index, (rule, ring)) in self.plan.tier.rules.iter().zip(&mut self.rings).enumerate() {
            ring.advance(at.tick);
            if ring.sum().saturating_add(cost) > rule.limit.get() {
                let wait = ring.until_room(cost, rule.limit.get(), at.tick).unwrap_or(rule.window);
                refusing = refusing.max(Some((wait, index)));
            }
        }
        if self.rings.is_empty() {
            refusing = Some((HOPELESS, 0));
        }
        if let Some((wait, index)) = refusing {
            let remaining = self.standing(at.tick).map_or(0, |(remaining, ..)| remaining);
            let retry_after = seconds_ceil(wait).max(1);
            return Err(OverLimit::new(self.allowance(index, remaining, wait, at), retry_after));
        }
        for ring in &mut self.rings {
            ring.spend(cost);
        }
        let (remaining, Reverse(wait), index) = self.standing(at.tick).unwrap_or_default();
        Ok(self.allowance(index, remaining, wait, at))
    }

    /// What remains under the strictest rule, when that changes, and which it is. Among equals the one that changes
    /// last: until then what remains does not grow.
    fn standing(&self, now: Tick) -> Option<(u32, Reverse<Duration>, usize)> {
        let rules = self.plan.tier.rules.iter().zip(&self.rings).enumerate();
        rules
            .map(|(index, (rule, ring))| {
                (rule.limit.get().saturating_sub(ring.sum()), Reverse(ring.until_next(now)), index)
            })
            .min()
    }

    fn allowance(&self, rule: usize, remaining: u32, wait: Duration, at: Moment) -> Allowance {
        Allowance::new(self.plan.clone(), rule, remaining, wait, at.wall)
    }
}

impl Fades for Record {
    fn has_faded(&self, now: Tick) -> bool {
        self.rings.iter().all(|it| it.is_spent(now))
    }
}

fn rings(tier: &Tier) -> Box<[Ring]> {
    tier.rules.iter().map(|it| Ring::new(it.window, it.limit.get())).collect()
}

/// The ring that knows most about a window of this length: the shortest that covers it, else the longest.
fn best_source(rings: &[Ring], reach: u64) -> Option<&Ring> {
    let covering = rings.iter().filter(|it| it.reach() >= reach).min_by_key(|it| it.reach());
    covering.or_else(|| rings.iter().max_by_key(|it| it.reach()))
}
