//! How fast a caller sends its body: an upload may take its time, but not for ever.

use std::time::Duration;

use domain::Tick;

use super::settings::ConnectionSettings;

/// The shortest wait there is.
const LEAST: Duration = Duration::from_millis(1);

/// One body on its way: since when, and how much of it has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    since: Tick,
    received: u64,
}

impl Pace {
    /// From now on a body is waited for.
    pub(crate) fn begin(now: Tick) -> Self {
        Self { since: now, received: 0 }
    }

    /// How much has come.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Notes a piece, and says whether the body is still fast enough.
    pub(crate) fn keeps(&mut self, piece: usize, now: Tick, bounds: &ConnectionSettings) -> bool {
        self.received = self.received.saturating_add(piece as u64);
        now.since(self.since) <= longest(self.received, bounds)
    }

    /// How long the next piece may be waited for: until then the body is fast enough, and no pause is too long.
    pub(crate) fn patience(&self, now: Tick, bounds: &ConnectionSettings) -> Duration {
        longest(self.received, bounds).saturating_sub(now.since(self.since)).max(LEAST).min(bounds.idle())
    }
}

/// The longest that so many bytes may take.
pub(crate) fn longest(bytes: u64, bounds: &ConnectionSettings) -> Duration {
    bounds.body_grace().saturating_add(Duration::from_secs(bytes / bounds.body_rate.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_its_grace_and_then_a_rate() {
        let bounds = ConnectionSettings::default();
        assert_eq!((bounds.body_rate, bounds.body_grace()), (1024, Duration::from_secs(10)));
        let begun = Tick::from_nanos(7);
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut slow = Pace::begin(begun);
        assert!(slow.keeps(1, after(10), &bounds) && slow.keeps(1022, after(10), &bounds));
        assert!(!slow.keeps(0, after(11), &bounds));
        assert!(slow.keeps(1, after(11), &bounds));
        let mut steady = Pace::begin(begun);
        assert!((1..10_000).all(|it| steady.keeps(1024, after(it), &bounds)));
        let waits = |pace: &Pace, seconds| pace.patience(after(seconds), &bounds).as_secs();
        assert_eq!((waits(&slow, 1), waits(&slow, 10), waits(&slow, 60)), (10, 1, 0));
        assert_eq!(waits(&steady, 1), bounds.idle().as_secs(), "no pause is longer");
        assert_eq!(longest(u64::MAX, &bounds).as_secs(), 10 + u64::MAX / 1024);
    }
}
