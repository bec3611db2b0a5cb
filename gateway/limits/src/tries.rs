//! How often somebody may be tried to be: a name that is shown with secrets that are not its own.
//!
//! Whoever shows the right secret for a name is not counted. Names that nobody has are counted like all others, so that
//! being told to wait says nothing.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use domain::Tick;

use crate::bounded::{Bounded, Fades};
use crate::settings::ShieldSettings;
use crate::shield::{Shielded, whole_seconds};

#[derive(Debug)]
pub(crate) struct Tries {
    names: Bounded<Failures>,
    most: usize,
    window: Duration,
}

/// When a name last failed, oldest first; never more than may be.
#[derive(Debug, Default)]
struct Failures(VecDeque<Tick>, Tick);

impl Tries {
    /// So many in as long a time as an address may fail, and as many names as addresses.
    pub(crate) fn new(most: NonZeroU32, settings: &ShieldSettings) -> Self {
        Self {
            names: Bounded::new(settings.addresses),
            most: usize::try_from(most.get()).unwrap_or(usize::MAX),
            window: settings.failures_window,
        }
    }

    pub(crate) fn failed(&self, name: &str, now: Tick) {
        self.names.enter(&name, now, Failures::default, |Failures(failed, forgiven)| {
            if failed.len() >= self.most {
                failed.pop_front();
            }
            failed.push_back(now);
            *forgiven = (*forgiven).max(now + self.window);
        });
    }

    pub(crate) fn spent(&self, name: &str, now: Tick) -> Option<Shielded> {
        self.names.look(&name, |Failures(failed, _)| {
            let oldest = failed.front().filter(|_| failed.len() >= self.most)?;
            let wait = (*oldest + self.window).since(now);
            (!wait.is_zero()).then(|| Shielded::TooManyTries { retry_after: whole_seconds(wait) })
        })?
    }
}

impl Fades for Failures {
    fn has_faded(&self, now: Tick) -> bool {
        self.1 <= now
    }
}
