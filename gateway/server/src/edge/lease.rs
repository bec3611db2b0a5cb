//! A body that goes on and on is let through for as long as the credential stands that asked for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use authn::Lapse;
use domain::{Caller, Moment, Operation, Tick};
use pipeline::Gateway;

/// How often it is asked. With [`PARTING`] a second: nothing goes on for longer once a credential has ended.
const EACH: Duration = Duration::from_millis(750);

/// How long the end may take that is told in the words of the API. Whatever has not ended then is cut.
pub(crate) const PARTING: Duration = Duration::from_millis(250);

/// A moment that never comes.
const NEVER: u64 = u64::MAX;

/// By what a request was let in, and when it is asked next whether that still stands.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Who was let in, and to what.
    let_in: OnceLock<(Caller, Arc<Operation>)>,
    next: AtomicU64,
    lapsed: OnceLock<Lapse>,
}

impl Default for Lease {
    fn default() -> Self {
        Self { let_in: OnceLock::new(), next: AtomicU64::new(NEVER), lapsed: OnceLock::new() }
    }
}

impl Lease {
    /// Of this caller, for this operation, from now on.
    pub(crate) fn of(&self, caller: &Caller, operation: &Arc<Operation>) {
        let _ = self.let_in.set((caller.clone(), Arc::clone(operation)));
    }

    /// A body is on its way from now on.
    pub(crate) fn begin(&self, now: Tick) {
        if self.let_in.get().is_some() {
            self.next.store((now + EACH).nanos(), Ordering::Relaxed);
        }
    }

    /// Nothing is on its way: what was asked while the credential stood is answered.
    pub(crate) fn rest(&self) {
        self.next.store(NEVER, Ordering::Relaxed);
    }

    /// When it is asked next.
    pub(crate) fn next(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Why nothing more may pass, if it is so. All that a piece of a body costs.
    pub(crate) fn lapsed(&self) -> Option<Lapse> {
        self.lapsed.get().copied()
    }

    /// Asks where it is time to. Says whether the credential has ended.
    pub(crate) fn look(&self, gateway: &Gateway, now: Moment) -> bool {
        if now.tick.nanos() < self.next() {
            return false;
        }
        let stands = self.let_in.get().map_or(Ok(()), |(caller, operation)| {
            authn::still_stands(caller, &operation.requirement, &gateway.keys(), now.wall)
        });
        self.next.store(stands.map_or(NEVER, |()| (now.tick + EACH).nanos()), Ordering::Relaxed);
        if let Err(why) = stands {
            let _ = self.lapsed.set(why);
        }
        stands.is_err()
    }
}
