//! How long a name waits for its next password after wrong ones.
//!
//! The first few cost nothing; from there each is looked at only after twice as long as the one before, up to a bound. So
//! whoever guesses gets on slowly, and whoever the name belongs to is held off for no longer than that bound, however long
//! others go on. Names that nobody has wait like all others, so that having to wait says nothing.

use std::time::Duration;

use domain::Tick;

use crate::bounded::{Bounded, Fades};
use crate::settings::ShieldSettings;
use crate::shield::{Shielded, whole_seconds};

/// How many passwords in a row are looked at as they come.
const FREE: u32 = 3;

/// How long the next one waits.
const FIRST: Duration = Duration::from_secs(1);

/// After how long without another one the wrong ones are forgotten.
const FORGOTTEN: Duration = Duration::from_mins(15);

#[derive(Debug)]
pub(crate) struct Delays {
    names: Bounded<Guessed>,
    longest: Duration,
}

/// How a name was guessed at.
#[derive(Debug, Default)]
struct Guessed {
    /// How many passwords were looked at, none of them right.
    wrong: u32,
    /// When the next one is.
    next: Tick,
    /// When it is as if there had been none.
    forgotten: Tick,
}

impl Delays {
    pub(crate) fn new(settings: &ShieldSettings) -> Self {
        Self { names: Bounded::new(settings.addresses), longest: settings.longest_delay }
    }

    /// Counts a password before it is judged, so that of many that come at once no more are judged than may be.
    pub(crate) fn begin(&self, name: &str, now: Tick) -> Result<(), Shielded> {
        self.names.enter(&name, now, Guessed::default, |it| {
            if it.forgotten <= now {
                *it = Guessed::default();
            }
            let wait = it.next.since(now);
            if !wait.is_zero() {
                return Err(Shielded::TooManyTries { retry_after: whole_seconds(wait) });
            }
            it.wrong = it.wrong.saturating_add(1);
            it.next = now + self.after(it.wrong);
            it.forgotten = it.next + FORGOTTEN;
            Ok(())
        })
    }

    /// It was not judged, or was not wrong: as if it had never come.
    pub(crate) fn take_back(&self, name: &str, now: Tick) {
        self.names.enter(&name, now, Guessed::default, |it| {
            it.wrong = it.wrong.saturating_sub(1);
            it.next = now;
        });
    }

    /// It was right: nobody is guessing, or not any more.
    pub(crate) fn forget(&self, name: &str, now: Tick) {
        self.names.enter(&name, now, Guessed::default, |it| *it = Guessed::default());
    }

    fn after(&self, wrong: u32) -> Duration {
        let Some(doubled) = wrong.checked_sub(FREE) else { return Duration::ZERO };
        FIRST.saturating_mul(2_u32.saturating_pow(doubled)).min(self.longest)
    }
}

impl Fades for Guessed {
    fn has_faded(&self, now: Tick) -> bool {
        self.forgotten <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick::from_nanos(0) + Duration::from_secs(seconds)
    }

    fn waits(delays: &Delays, name: &str, now: u64) -> Option<u64> {
        delays.begin(name, at(now)).err().map(|it| it.retry_after().as_secs())
    }

    #[test]
    fn each_wrong_password_after_the_third_waits_twice_as_long_and_none_longer_than_the_bound() {
        let delays = Delays::new(&ShieldSettings::default());
        assert!((0..3).all(|_| waits(&delays, "ann", 1000).is_none()));
        let mut now = 1000;
        for expected in [1, 2, 4, 8, 16, 30, 30, 30] {
            assert_eq!(waits(&delays, "ann", now), Some(expected), "what waits is not judged");
            assert_eq!(waits(&delays, "ben", 1000), None, "nobody else waits for it");
            delays.forget("ben", at(1000));
            now += expected;
            assert_eq!(waits(&delays, "ann", now), None);
        }
        assert_eq!(waits(&delays, "ann", now + 30 + 900), None);
        assert_eq!(waits(&delays, "ann", now + 30 + 900), None, "after a quarter of an hour it begins anew");
    }

    #[test]
    fn whoever_the_name_belongs_to_is_looked_at_within_half_a_minute_though_others_guess_for_days() {
        let (delays, mut now) = (Delays::new(&ShieldSettings::default()), 0);
        while now < 3 * 24 * 3600 {
            // Others ask every second, and are judged whenever that may be.
            let _ = waits(&delays, "ann", now);
            now += 1;
        }
        let wait = waits(&delays, "ann", now).unwrap_or_default();
        assert!(wait <= 30, "{wait}");
        assert_eq!(waits(&delays, "ann", now + wait), None);
    }

    #[test]
    fn of_many_at_once_three_are_judged_and_what_was_not_wrong_counts_for_nothing() {
        let delays = Delays::new(&ShieldSettings::default());
        let judged = (0..1000).filter(|_| waits(&delays, "ann", 1).is_none()).count();
        assert_eq!(judged, 3);
        delays.forget("ann", at(1));
        for _ in 0..1000 {
            assert_eq!(waits(&delays, "ann", 1), None);
            delays.take_back("ann", at(1));
        }
    }

    #[test]
    fn where_nobody_is_to_wait_nobody_does() {
        let delays = Delays::new(&ShieldSettings { longest_delay: Duration::ZERO, ..ShieldSettings::default() });
        assert!((0..1000).all(|_| waits(&delays, "ann", 1).is_none()));
    }
}
