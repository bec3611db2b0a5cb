//! Signatures that were good once, so that none is good again.
//!
//! Whoever records a signed request could send it a second time for as long as its date is good. Here each signature is
//! remembered for that long. How many there can be is bounded, and whoever asks is told when there is no room, so that
//! nothing is forgotten in silence. Knows neither what was signed nor what becomes of a repeat.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::{Moment, Tick, Timestamp};

/// How long the same signature may be sent again: clients repeat what they got no answer to, and sign by whole seconds.
const RESENT: Duration = Duration::from_secs(2);

/// How much longer than it is good a signature is remembered, should the wall clock be set back meanwhile.
const MARGIN: Duration = Duration::from_mins(1);

/// A signature that holds, and for how long it will.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// What tells it from all others: half of it does.
    name: [u8; 16],
    lasts: Duration,
}

impl Signature {
    /// For how long it is good from the moment at which it came.
    pub fn lasts(&self) -> Duration {
        self.lasts
    }

    pub(crate) fn new(signature: &[u8; 32], lasts: Duration) -> Self {
        let mut name = [0; 16];
        name.iter_mut().zip(signature).for_each(|(to, from)| *to = *from);
        Self { name, lasts }
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signature").field("lasts", &self.lasts).finish_non_exhaustive()
    }
}

/// Whether a signature was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Never; from now on it was.
    First,
    /// Less than two seconds ago for the first time.
    Resent,
    /// Longer ago than that.
    Repeated,
    /// Nobody knows: there is no room to remember another.
    Full,
}

/// The signatures that were seen and may still be good.
pub struct Replays {
    most: usize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// When each was seen first; nothing where another process has seen it.
    first: HashMap<[u8; 16], Option<Tick>>,
    /// Each of them once, by when it may be forgotten.
    ends: BinaryHeap<Reverse<(Tick, [u8; 16])>>,
}

impl Replays {
    /// Remembers this many at most, of about 100 bytes each.
    pub fn new(most: usize) -> Self {
        Self { most, seen: Mutex::default() }
    }

    /// Looks whether a signature was seen, and remembers it.
    pub fn see(&self, signature: Signature, now: Tick) -> Sight {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.forget(now);
        match seen.first.get(&signature.name) {
            Some(Some(first)) if now.since(*first) < RESENT => Sight::Resent,
            Some(_) => Sight::Repeated,
            None if seen.first.len() >= self.most => Sight::Full,
            None => {
                seen.first.insert(signature.name, Some(now));
                seen.ends.push(Reverse((now + signature.lasts + MARGIN, signature.name)));
                Sight::First
            }
        }
    }

    /// What is remembered, for a process that goes on as this one: a line for each, with the moment until which it is. Half of
    /// a signature proves nothing to anybody.
    pub fn written(&self, now: Moment) -> String {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = seen.ends.iter().filter(|Reverse((end, _))| now.tick <= *end);
        let line = |Reverse((end, name)): &Reverse<(Tick, [u8; 16])>| {
            format!("{} {}\n", hex::encode(name), (now.wall + end.since(now.tick)).nanos())
        };
        alive.map(line).collect()
    }

    /// Remembers what was written so, as far as it may still be good and there is room. Says whether that is all of it.
    pub fn take_up(&self, written: &str, now: Moment) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut whole = true;
        for line in written.lines() {
            let Some((name, end)) = read(line) else {
                whole = false;
                continue;
            };
            if end < now.wall {
                continue;
            }
            if seen.first.len() >= self.most {
                return false;
            }
            if seen.first.insert(name, None).is_none() {
                seen.ends.push(Reverse((now.tick + end.since(now.wall), name)));
            }
        }
        whole
    }
}

/// One that was written down, and until when it is remembered.
fn read(line: &str) -> Option<([u8; 16], Timestamp)> {
    let (name, end) = line.split_once(' ')?;
    let mut read = [0; 16];
    hex::decode_to_slice(name, &mut read).ok()?;
    Some((read, Timestamp::from_nanos(end.parse().ok()?)))
}

impl Seen {
    /// Forgets what is good no longer.
    fn forget(&mut self, now: Tick) {
        while let Some(Reverse((end, name))) = self.ends.peek() {
            if *end >= now {
                return;
            }
            self.first.remove(name);
            self.ends.pop();
        }
    }
}

impl fmt::Debug for Replays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replays").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: Duration = Duration::from_mins(15);

    fn signature(of: u8) -> Signature {
        Signature::new(&[of; 32], GOOD)
    }

    fn at(after: Duration) -> Tick {
        Tick::default() + after
    }

    #[test]
    fn a_signature_may_be_sent_again_for_two_seconds_and_then_no_more() {
        let replays = Replays::new(10);
        let sights = [0, 1, 1999, 2000, 2001, 900_000, 959_999, 960_000].map(|it| {
            let it = Duration::from_millis(it);
            replays.see(signature(1), at(it))
        });
        let (first, resent, repeated) = (Sight::First, Sight::Resent, Sight::Repeated);
        assert_eq!(sights, [first, resent, resent, repeated, repeated, repeated, repeated, repeated]);
        // From the first sight on, and not from the last.
        assert_eq!(replays.see(signature(1), at(GOOD + MARGIN + Duration::from_nanos(1))), Sight::First);
        assert_eq!(replays.see(signature(2), at(GOOD)), Sight::First);
    }

    #[test]
    fn what_one_process_has_seen_another_that_goes_on_as_it_refuses_for_as_long() {
        let moment =
            |seconds, tick| Moment { wall: Timestamp::from_seconds(seconds), tick: at(Duration::from_secs(tick)) };
        let before = Replays::new(10);
        assert_eq!(before.see(signature(1), at(Duration::from_secs(100))), Sight::First);
        assert_eq!(before.see(signature(2), at(Duration::from_secs(700))), Sight::First);
        let written = before.written(moment(5000, 700));
        assert!(!written.contains(&hex::encode([1; 32])), "the whole of a signature is written down");
        // Another process, whose ticks begin anew, ten seconds later.
        let after = Replays::new(10);
        assert!(after.take_up(&written, moment(5010, 0)));
        assert_eq!(after.see(signature(1), at(Duration::ZERO)), Sight::Repeated, "it is not resent, whenever that was");
        assert_eq!(after.see(signature(3), at(Duration::ZERO)), Sight::First);
        let end = Duration::from_secs(960 - 610);
        assert_eq!(after.see(signature(1), at(end)), Sight::Repeated);
        assert_eq!(after.see(signature(1), at(end + Duration::from_secs(1))), Sight::First);
        assert_eq!(after.see(signature(2), at(end + Duration::from_secs(1))), Sight::Repeated);
        // What is not all that was known is said.
        assert!(!Replays::new(1).take_up(&written, moment(5010, 0)));
        assert!(!Replays::new(9).take_up("what is this\n", moment(5010, 0)));
        assert!(Replays::new(1).take_up(&written, moment(50_000, 0)), "nothing of it is good any more");
    }

    #[test]
    fn what_there_is_no_room_for_is_said_and_nothing_is_forgotten_for_it() {
        let replays = Replays::new(2);
        let now = at(Duration::from_secs(10));
        assert_eq!(
            [1, 2, 3].map(|it| replays.see(signature(it), at(Duration::ZERO))),
            [Sight::First, Sight::First, Sight::Full]
        );
        assert_eq!(
            [3, 1, 2].map(|it| replays.see(signature(it), now)),
            [Sight::Full, Sight::Repeated, Sight::Repeated]
        );
        let later = at(GOOD + MARGIN + Duration::from_secs(1));
        assert_eq!(replays.see(signature(3), later), Sight::First);
        assert_eq!(replays.seen.lock().unwrap().ends.len(), 1);
    }

    #[test]
    fn nothing_that_is_printed_holds_a_signature() {
        let replays = Replays::new(2);
        replays.see(signature(171), at(Duration::ZERO));
        let printed = format!("{replays:?} {:?}", signature(171));
        assert!(!printed.contains("171") && !printed.contains("ab"), "{printed}");
    }

    proptest! {
        #[test]
        fn none_is_first_twice_while_it_is_good(
            asked in proptest::collection::vec((0u8..4, 0u64..400, 0u64..1000), 1..60),
        ) {
            let replays = Replays::new(3);
            let (mut now, mut firsts) = (Duration::ZERO, HashMap::new());
            for (of, step, lasts) in asked {
                now += Duration::from_secs(step);
                let lasts = Duration::from_secs(lasts);
                if replays.see(Signature::new(&[of; 32], lasts), at(now)) == Sight::First {
                    let before = firsts.insert(of, now + lasts);
                    prop_assert!(before.is_none_or(|good| good < now), "{of} at {now:?}");
                }
                prop_assert!(replays.seen.lock().unwrap().first.len() <= 3);
            }
        }
    }
}
