//! Receivers that are required: while one of them is too far behind, strict operations are held.
//!
//! What is measured is how long an entry has been in the log, by a clock that nobody sets: entries say when their request
//! arrived, which may be long before they were written.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use audit::Horizon;
use audit::sinks::{Outbox, Told, Turn};
use domain::Tick;
use pipeline::Gateway;
use tokio::time::{MissedTickBehavior, interval};

use super::meters::Progress;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(100);

/// Into how many parts the bound of a receiver is divided: by at most one of them it is noticed late.
const PARTS: u32 = 32;

/// How many moments are remembered at most.
const REMEMBERED: usize = 64;

/// What is owed to all receivers that are required.
pub(super) struct Duties {
    gateway: Arc<Gateway>,
    horizon: Horizon,
    owed: Vec<Duty>,
}

/// What is owed to one of them.
struct Duty {
    progress: Arc<Progress>,
    bound: Duration,
    marks: Marks,
    turn: Turn,
}

impl Duties {
    /// Nobody is owed anything.
    pub(super) fn new(gateway: &Arc<Gateway>) -> Self {
        Self { gateway: Arc::clone(gateway), horizon: gateway.log.horizon(), owed: Vec::new() }
    }

    /// Holds strict operations while an entry that this receiver has not accepted is older than that.
    pub(super) fn require(&mut self, progress: Arc<Progress>, bound: Duration, outbox: &Outbox) -> Arc<Progress> {
        let (end, now) = (self.horizon.end(), self.gateway.clock.now());
        let mut marks = Marks::new(bound / PARTS);
        match outbox.batch(end) {
            Ok(None) => {}
            // How old it is only the entry itself can say: it is of an earlier run.
            Ok(Some(left)) => marks.begin(end, now.tick, left.since.map(|it| now.wall.since(it)).unwrap_or_default()),
            Err(_) => marks.begin(end, now.tick, bound.saturating_mul(2)),
        }
        self.owed.push(Duty { progress: Arc::clone(&progress), bound, marks, turn: Turn::Released });
        progress
    }

    /// Holds strict operations, or lets them go on, by how it stands now. Each change is entered.
    pub(super) fn look(&mut self) {
        let (end, now) = (self.horizon.end(), self.gateway.clock.now());
        let (mut held, mut turned) = (Vec::new(), Vec::new());
        for Duty { progress, bound, marks, turn } in &mut self.owed {
            let next = progress.next();
            let age = marks.age(next, end, now.tick);
            let is_late = *bound < age;
            let before = std::mem::replace(turn, if is_late { Turn::Held } else { Turn::Released });
            if before != *turn {
                progress.holds(is_late);
                turned.push(Told::turn(progress.name(), next, end.saturating_sub(next), *turn, now.wall));
                let (sink, bound_ms) = (progress.name(), u64::try_from(bound.as_millis()).unwrap_or(u64::MAX));
                if is_late {
                    tracing::error!(sink, next, bound_ms, "strict operations are held until entries are accepted");
                } else {
                    tracing::warn!(sink, next, "strict operations go on: entries are accepted again");
                }
            }
            if is_late {
                held.push(format!("`{}` has not accepted entries for {} s", progress.name(), age.as_secs()));
            }
        }
        self.gateway.log.hold((!held.is_empty()).then(|| held.join("; ")));
        for notice in &turned {
            let _ = self.gateway.log.note(notice);
        }
    }

    /// Looks again and again, until it is dropped.
    pub(super) async fn run(mut self) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            self.look();
        }
    }
}

/// Since when the log has been how long.
struct Marks {
    /// How far apart they are at least.
    apart: Duration,
    /// The oldest first.
    marks: VecDeque<Mark>,
}

/// All entries before `end` were in the log then, and for a while before.
#[derive(Clone, Copy)]
struct Mark {
    end: u64,
    at: Tick,
    before: Duration,
}

impl Marks {
    fn new(apart: Duration) -> Self {
        Self { apart, marks: VecDeque::new() }
    }

    /// Begins with what an earlier run has left.
    fn begin(&mut self, end: u64, at: Tick, before: Duration) {
        self.marks.push_back(Mark { end, at, before });
    }

    /// How long the entry `next` has been in a log that goes up to `end` now, at least; zero where it is not in it.
    fn age(&mut self, next: u64, end: u64, now: Tick) -> Duration {
        while self.marks.front().is_some_and(|it| it.end <= next) {
            self.marks.pop_front();
        }
        let is_full = REMEMBERED <= self.marks.len();
        match self.marks.back_mut() {
            Some(last) if end <= last.end => {}
            // Rather too old than too young.
            Some(last) if is_full => last.end = end,
            Some(last) if now.since(last.at) < self.apart => {}
            Some(_) | None if next < end => self.begin(end, now, Duration::ZERO),
            Some(_) | None => {}
        }
        self.marks.front().map(|it| it.before.saturating_add(now.since(it.at))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Tick {
        Tick::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn what_an_earlier_run_has_left_is_as_old_as_it_says() {
        let mut marks = Marks::new(Duration::from_millis(100));
        marks.begin(10, at(0), Duration::from_secs(90));
        assert_eq!(marks.age(0, 20, at(1_000)), Duration::from_secs(91));
        assert_eq!(marks.age(9, 20, at(1_000)), Duration::from_secs(91));
        assert_eq!(marks.age(10, 20, at(1_500)), Duration::from_millis(500));
        assert_eq!(marks.age(20, 20, at(9_000)), Duration::ZERO);
    }

    #[test]
    fn however_long_a_receiver_is_away_not_more_is_remembered() {
        let mut marks = Marks::new(Duration::from_millis(1));
        for ms in 1..100_000 {
            assert_eq!(marks.age(0, ms, at(ms)), Duration::from_millis(ms - 1));
        }
        assert!(marks.marks.len() <= REMEMBERED);
    }

    proptest! {
        #[test]
        fn an_entry_is_never_taken_for_younger_than_it_is_by_more_than_a_look_and_a_part(
            steps in prop::collection::vec((0_u64..20, 0_u64..25), 1..300),
        ) {
            let (mut marks, apart) = (Marks::new(Duration::from_millis(400)), 400);
            let (mut written, mut next) = (Vec::new(), 0_u64);
            for (step, (more, accepted)) in (0_u64..).zip(steps) {
                let now = step * 100;
                written.extend(std::iter::repeat_n(now, usize::try_from(more).unwrap()));
                next = (next + accepted).min(written.len() as u64);
                let said = marks.age(next, written.len() as u64, at(now)).as_millis();
                let truly = written.get(usize::try_from(next).unwrap()).map_or(0, |it| u128::from(now - it));
                prop_assert!(said <= truly || marks.marks.len() == REMEMBERED, "{said} > {truly}");
                prop_assert!(truly <= said + apart + 100, "{said} << {truly}");
            }
        }
    }
}
