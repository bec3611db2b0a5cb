//! What one source address may do before anyone knows who is asking.
//!
//! An address is a whole IPv4 address or the first half of an IPv6 one, for a /64 is what one subscriber is given.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use domain::{Tick, Told};
use http::header::{HeaderMap, HeaderValue, RETRY_AFTER};

use crate::bounded::{Bounded, Fades};
use crate::plan::seconds_ceil;
use crate::settings::ShieldSettings;

/// An address that sends too much, or too much that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shielded {
    /// More requests than one address may send.
    #[error("source address over the coarse limit for {retry_after} s")]
    TooMany {
        /// Whole seconds, at least one.
        retry_after: u64,
    },
    /// More wrong secrets than may be shown for one name.
    #[error("too many wrong secrets were shown for this name: {retry_after} s")]
    TooManyTries {
        /// Whole seconds, at least one.
        retry_after: u64,
    },
    /// More failed credentials than one address may show.
    #[error("source address has spent its failed credentials for {retry_after} s")]
    TooManyFailures {
        /// Whole seconds, at least one.
        retry_after: u64,
    },
}

impl Shielded {
    /// Whole seconds, at least one, after which a request from there is let through if no other came in between.
    pub fn retry_after(&self) -> Duration {
        let (Self::TooMany { retry_after }
        | Self::TooManyTries { retry_after }
        | Self::TooManyFailures { retry_after }) = *self;
        Duration::from_secs(retry_after)
    }

    /// Sets `Retry-After`.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(RETRY_AFTER, HeaderValue::from(self.retry_after().as_secs()));
    }

    /// What the caller is told.
    pub fn told(&self) -> Told {
        match self {
            Self::TooMany { .. } => Told::new("address_limited", "Too many requests from this address. Retry later."),
            Self::TooManyTries { .. } => Told::new("too_many_tries", "Too many failed attempts. Retry later."),
            Self::TooManyFailures { .. } => {
                Told::new("address_failures", "Too many failed credentials from this address. Retry later.")
            }
        }
    }
}

/// What becomes of a request that its source address sent too soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred {
    /// It is told so.
    Told(Shielded),
    /// It is not even told so: others of its kind have just been.
    Silent,
}

#[derive(Debug)]
pub(crate) struct Shield {
    addresses: Bounded<Address>,
    /// What one request costs, in nanoseconds of waiting.
    cost: u64,
    /// How far ahead of time an address may be.
    burst: u64,
    /// What one worded refusal costs, and how far ahead of time an address may be with them.
    word_cost: u64,
    word_burst: u64,
    failures: usize,
    failures_window: Duration,
}

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Prefix {
    V4(u32),
    V6(u64),
}

#[derive(Debug, Default)]
struct Address {
    /// When its bucket is full again, in nanoseconds: every request moves this on by its cost.
    full: u64,
    /// The same of the refusals that it is told.
    told: u64,
    /// When a credential last failed, oldest first; never more than the budget.
    failures: VecDeque<Tick>,
    /// When the last failure is forgiven.
    forgiven: Tick,
}

impl Shield {
    pub(crate) fn new(settings: &ShieldSettings) -> Self {
        let each = |a_second: NonZeroU32| 1_000_000_000u64.div_ceil(u64::from(a_second.get()));
        let (cost, word_cost) = (each(settings.rate), each(settings.refusals));
        Self {
            addresses: Bounded::new(settings.addresses),
            cost,
            burst: cost.saturating_mul(u64::from(settings.burst.get())),
            word_cost,
            word_burst: word_cost.saturating_mul(u64::from(settings.refusals.get())),
            failures: usize::try_from(settings.failures.get()).unwrap_or(usize::MAX),
            failures_window: settings.failures_window,
        }
    }

    pub(crate) fn pass(&self, source: IpAddr, now: Tick) -> Result<(), Barred> {
        self.addresses.enter(&Prefix::of(source), now, Address::default, |address| {
            let full = address.full.max(now.nanos()).saturating_add(self.cost);
            let over = full.saturating_sub(now.nanos()).saturating_sub(self.burst);
            if over == 0 {
                address.full = full;
                return Ok(());
            }
            // Words and an entry for every one would leave it to whoever asks most how much is written.
            let told = address.told.max(now.nanos()).saturating_add(self.word_cost);
            if told.saturating_sub(now.nanos()) > self.word_burst {
                return Err(Barred::Silent);
            }
            address.told = told;
            Err(Barred::Told(Shielded::TooMany { retry_after: whole_seconds(Duration::from_nanos(over)) }))
        })
    }

    pub(crate) fn failed(&self, source: IpAddr, now: Tick) {
        self.addresses.enter(&Prefix::of(source), now, Address::default, |address| {
            if address.failures.len() >= self.failures {
                address.failures.pop_front();
            }
            address.failures.push_back(now);
            address.forgiven = address.forgiven.max(now + self.failures_window);
        });
    }

    pub(crate) fn failures_spent(&self, source: IpAddr, now: Tick) -> Option<Shielded> {
        self.addresses.look(&Prefix::of(source), |address| {
            let oldest = address.failures.front().filter(|_| address.failures.len() >= self.failures)?;
            let wait = (*oldest + self.failures_window).since(now);
            (!wait.is_zero()).then(|| Shielded::TooManyFailures { retry_after: whole_seconds(wait) })
        })?
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.addresses.len()
    }
}

impl Prefix {
    fn of(source: IpAddr) -> Self {
        match source.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6(u64::try_from(address.to_bits() >> 64).unwrap_or(0)),
        }
    }
}

impl Fades for Address {
    fn has_faded(&self, now: Tick) -> bool {
        self.full.max(self.told) <= now.nanos() && self.forgiven <= now
    }
}

pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    seconds_ceil(wait).max(1)
}
