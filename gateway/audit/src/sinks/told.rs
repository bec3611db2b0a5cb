//! When a delivery is worth an entry of its own.
//!
//! Such an entry is delivered as well, and must not be the cause of another one: where nothing else happens, silence comes
//! back.

use std::time::Duration;

use domain::{Tick, Timestamp};

use super::batch::{Batch, DELIVERY};
use crate::Notice;

/// How often one receiver is entered about, at most.
const EVERY: Duration = Duration::from_mins(1);

/// What becomes of strict operations because of a receiver that is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// They are refused until it accepts.
    Held,
    /// They go on.
    Released,
}

impl Turn {
    fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Released => "released",
        }
    }
}

/// What was entered of the deliveries to one receiver.
#[derive(Debug, Default)]
pub struct Told {
    last: Option<Tick>,
    /// There is something to tell.
    news: bool,
    /// The number at which it last failed, which is told once.
    stuck: Option<u64>,
}

impl Told {
    /// A batch was accepted.
    pub fn accepted(&mut self, batch: &Batch) {
        self.news |= batch.is_news;
    }

    /// A batch that begins with this number was not.
    pub fn failed(&mut self, batch: &Batch, first: u64) {
        self.news |= batch.is_news && self.stuck != Some(first);
        self.stuck = Some(first);
    }

    /// Whether an entry is due. Once this has said so, it was written.
    pub fn is_due(&mut self, now: Tick) -> bool {
        let due = self.news && self.last.is_none_or(|it| EVERY <= now.since(it));
        if due {
            self.last = Some(now);
            self.news = false;
        }
        due
    }

    /// The entry that says that strict operations are held because of a receiver from now on, or are no more.
    pub fn turn(sink: &str, acked: u64, backlog: u64, turn: Turn, time: Timestamp) -> Notice {
        standing(sink, acked, backlog, time).with("outcome", turn.as_str())
    }

    /// The entry that says which entries a receiver was never given, and will not be: they were pruned while it was away.
    pub fn skipped(sink: &str, acked: u64, backlog: u64, (first, last): (u64, u64), time: Timestamp) -> Notice {
        let notice = standing(sink, acked, backlog, time).with("outcome", "skipped");
        notice.with("first", first).with("last", last)
    }

    /// The entry: to whom, how far it is accepted, how many entries are not, and why not.
    pub fn notice(sink: &str, acked: u64, backlog: u64, fault: Option<&str>, time: Timestamp) -> Notice {
        let outcome = if fault.is_some() { "failing" } else { "done" };
        let notice = standing(sink, acked, backlog, time).with("outcome", outcome);
        match fault {
            Some(fault) => notice.with("reason", fault),
            None => notice,
        }
    }
}

fn standing(sink: &str, acked: u64, backlog: u64, time: Timestamp) -> Notice {
    Notice::new(DELIVERY, time).with("sink", sink).with("acked", acked).with("backlog", backlog)
}
