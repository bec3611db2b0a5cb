//! The clouds' time: the machine's, moved forward on request, so that nobody has to wait for an instance to run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::clock::SystemClock;
use domain::{Clock, Moment, Timestamp};

/// A clock that runs ahead of another by as much as it was told to.
#[derive(Debug, Default)]
pub(crate) struct AheadClock {
    base: SystemClock,
    ahead: AtomicU64,
}

impl AheadClock {
    /// Moves the clock forward; it never goes back.
    pub(crate) fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.ahead.fetch_add(nanos, Ordering::SeqCst);
    }
}

impl Clock for AheadClock {
    fn now(&self) -> Moment {
        let (now, ahead) = (self.base.now(), Duration::from_nanos(self.ahead.load(Ordering::SeqCst)));
        Moment { wall: now.wall + ahead, tick: now.tick + ahead }
    }
}

/// The second that `moment` lies in, as these APIs write moments.
pub(crate) fn whole(moment: Timestamp) -> Timestamp {
    Timestamp::from_seconds(moment.seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_ahead_by_as_much_as_it_was_told() {
        let clock = AheadClock::default();
        let before = clock.now();
        clock.advance(Duration::from_secs(90));
        assert!(clock.now().wall.since(before.wall) >= Duration::from_secs(90));
        assert!(clock.now().tick.since(before.tick) >= Duration::from_secs(90));
    }
}
