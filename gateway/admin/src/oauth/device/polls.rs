//! How often a device may ask whether its user has answered.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use domain::Tick;
use identity::DEVICE_LIFETIME;

/// How long a device waits between two questions, and by how much longer after one that came too soon (RFC 8628 section 3.5).
pub(super) const INTERVAL: Duration = Duration::from_secs(5);

/// What the way of a request may take off an interval.
const SLACK: Duration = Duration::from_secs(1);

/// How many devices are remembered at most, of about 100 bytes each.
const MOST: usize = 16_384;

/// When devices last asked. None is here but those that wait for an answer.
#[derive(Default)]
pub(crate) struct Polls(Mutex<HashMap<[u8; 32], Poll>>);

struct Poll {
    last: Tick,
    interval: Duration,
}

impl Polls {
    /// Whether the device of this code, which waits, asks sooner than it may. From then on it has to wait longer.
    pub(crate) fn too_soon(&self, code: &str, now: Tick) -> bool {
        let Ok(name) = digest(&SHA256, code.as_bytes()).as_ref().try_into() else { return true };
        let mut polls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(poll) = polls.get_mut(&name) {
            let soon = now.since(poll.last) + SLACK < poll.interval;
            poll.last = now;
            if soon {
                poll.interval += INTERVAL;
            }
            return soon;
        }
        if MOST <= polls.len() {
            polls.retain(|_, it| now.since(it.last) < DEVICE_LIFETIME);
        }
        // Where there is no room still, whoever asks is told to come back, and nobody is forgotten.
        if MOST <= polls.len() {
            return true;
        }
        polls.insert(name, Poll { last: now, interval: INTERVAL });
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick::default() + Duration::from_secs(seconds)
    }

    #[test]
    fn who_asks_too_soon_waits_longer_each_time() {
        let polls = Polls::default();
        let asked = [0, 5, 9, 11, 20, 24, 44].map(|it| polls.too_soon("one", at(it)));
        assert_eq!(asked, [false, false, false, true, false, true, false]);
        assert!(!polls.too_soon("other", at(11)));
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let polls = Polls::default();
        for it in 0..MOST {
            assert!(!polls.too_soon(&it.to_string(), at(0)));
        }
        assert!(polls.too_soon("another", at(1)) && !polls.too_soon("7", at(5)));
        assert!(!polls.too_soon("another", at(601)));
        assert!(polls.0.lock().unwrap().len() <= MOST);
    }
}
