//! How much may they use?
//!
//! Promises that no counter ever admits more than its tier allows in any window, wherever the window begins; that a
//! refused request costs its caller nothing; and that whoever sleeps as long as told is let in. Knows addresses, tiers
//! and time. Does not know what was asked for, who may ask it, or how a refusal is worded.

mod allowance;
mod bounded;
mod counter;
mod delay;
mod plan;
mod record;
mod ring;
pub mod settings;
mod shield;
mod tries;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use domain::{Moment, Tick, Tier};

use crate::bounded::Bounded;
use crate::delay::Delays;
use crate::plan::Plans;
use crate::record::Record;
use crate::shield::Shield;
use crate::tries::Tries;

pub use allowance::{Allowance, HeaderNames, OverLimit};
pub use counter::Counter;
pub use settings::{LimitsSettings, ShieldSettings};
pub use shield::{Barred, Shielded};

/// Every count the gateway keeps. It outlives any one configuration: reloads and tier changes reset nothing.
#[derive(Debug)]
pub struct Limiter {
    counters: Bounded<Record>,
    plans: Plans,
    shield: Shield,
    tries: Tries,
    left: Tries,
    delays: Delays,
}

impl Limiter {
    /// A limiter that has counted nothing yet.
    pub fn new(settings: &LimitsSettings) -> Self {
        Self {
            counters: Bounded::new(settings.counters),
            plans: Plans::default(),
            shield: Shield::new(&settings.shield),
            tries: Tries::new(settings.shield.failures, &settings.shield),
            left: Tries::new(settings.shield.left, &settings.shield),
            delays: Delays::new(&settings.shield),
        }
    }

    /// The coarse limit of one source address, asked before anything is verified. Of those beyond it only so many a second are
    /// to be told so.
    pub fn shield(&self, source: IpAddr, now: Tick) -> Result<(), Barred> {
        self.shield.pass(source, now)
    }

    /// Counts one failed credential against its source address.
    pub fn failed_credential(&self, source: IpAddr, now: Tick) {
        self.shield.failed(source, now);
    }

    /// The refusal for whatever is not cheap and certain, once an address has failed so often that nothing else goes on for it.
    pub fn failures_refusal(&self, source: IpAddr, now: Tick) -> Option<Shielded> {
        self.shield.failures_spent(source, now)
    }

    /// Counts one wrong secret against the name that it was shown for, whoever has it or nobody.
    pub fn failed_try(&self, name: &str, now: Tick) {
        self.tries.failed(name, now);
    }

    /// The refusal for a name that too many wrong secrets were shown for, whether the next one is right or not.
    pub fn tries_refusal(&self, name: &str, now: Tick) -> Option<Shielded> {
        self.tries.spent(name, now)
    }

    /// Counts something that is kept for whoever goes by this name, or says when it will be again.
    pub fn leave(&self, name: &str, now: Tick) -> Result<(), Shielded> {
        if let Some(spent) = self.left.spent(name, now) {
            return Err(spent);
        }
        self.left.failed(name, now);
        Ok(())
    }

    /// Counts a password that was shown for a name before it is judged, or says how long the next one waits: longer after each
    /// wrong one, whoever has the name or nobody.
    pub fn begin_guess(&self, name: &str, now: Tick) -> Result<(), Shielded> {
        self.delays.begin(name, now)
    }

    /// The password that was counted was not judged, or not wrong.
    pub fn take_back_guess(&self, name: &str, now: Tick) {
        self.delays.take_back(name, now);
    }

    /// The password that was counted was right.
    pub fn forget_guesses(&self, name: &str, now: Tick) {
        self.delays.forget(name, now);
    }

    /// Spends one request of a tier, or says how long to wait.
    pub fn admit(&self, tier: &Arc<Tier>, counter: Counter<'_>, at: Moment) -> Result<Allowance, OverLimit> {
        self.admit_cost(NonZeroU32::MIN, tier, counter, at)
    }

    /// Spends `cost` requests at once, or none of them.
    fn admit_cost(
        &self,
        cost: NonZeroU32,
        tier: &Arc<Tier>,
        counter: Counter<'_>,
        at: Moment,
    ) -> Result<Allowance, OverLimit> {
        let fresh = || Record::new(self.plans.of(tier));
        self.counters.enter(&counter, at.tick, fresh, |record| {
            if !record.follows(tier) {
                record.adopt(self.plans.of(tier), at.tick);
            }
            record.admit(cost.get(), at)
        })
    }
}

#[cfg(test)]
mod tests;
