//! Whether each run gave its signs of life: where none came for longer than three of their intervals, nobody can say what
//! the gateway did.

use std::time::Duration;

use domain::Timestamp;
use memchr::memmem::Finder;
use serde_json::Value;

use crate::cbor;
use crate::notice::CONTROL;

/// The class of a sign of life.
pub(crate) const HEARTBEAT: &str = "heartbeat";

/// After how many entries one is due whatever the clock says: half of what a start looks through for the last of them, so that
/// none is behind what it looks at however many entries there are between two of them by the clock.
pub const SIGN_EVERY: u64 = 32 * 1024;

/// How often a gateway gives one, until its log says otherwise.
const USUAL: Duration = Duration::from_secs(10);

/// How many of them may be missing.
const MISSED: u32 = 3;

/// A time without a sign of life, while a run went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The last entry before it that gave one, or that began the run.
    pub first: u64,
    /// The first entry after it that gave one, or that ended the run.
    pub last: u64,
    /// How long it was.
    pub length: Duration,
}

/// Listens to the entries of a log, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    /// The run that is heard, and when it last gave a sign.
    boot: Vec<u8>,
    heard: Option<(u64, Timestamp)>,
    interval: Duration,
    beat: Finder<'static>,
    control: Finder<'static>,
}

impl Default for Listener {
    fn default() -> Self {
        let (beat, control) = (Finder::new(HEARTBEAT), Finder::new(CONTROL));
        Self { boot: Vec::new(), heard: None, interval: USUAL, beat, control }
    }
}

impl Listener {
    /// Some entries could not be read: whatever they said was not heard.
    pub(crate) fn skip(&mut self) {
        self.heard = None;
    }

    /// Takes the next entry in. Gives the silence that it ends.
    pub(crate) fn take(&mut self, seq: u64, entry: &[u8]) -> Option<Silence> {
        // A cheap look first: of many entries few say anything of it.
        if self.beat.find(entry).is_none() && self.control.find(entry).is_none() {
            return None;
        }
        let boot = cbor::identity(entry).ok()?.boot;
        let said = cbor::view(entry).ok()?;
        let is = |name: &str, word: &str| said.get(name).is_some_and(|it| it == word);
        if is("class", "config.snapshot") {
            let ms = said.pointer("/facts/audit/heartbeat_ms").and_then(Value::as_u64);
            self.interval = ms.map_or(self.interval, Duration::from_millis);
            return None;
        }
        let control = is("class", CONTROL);
        let gives = is("class", HEARTBEAT) || control && (is("action", "start") || is("action", "stop"));
        // A clock that was set measures nothing over that.
        let set = control && (is("action", "clock_step") || is("action", "clock_gap"));
        if boot != self.boot || set {
            boot.clone_into(&mut self.boot);
            self.heard = None;
        }
        if !gives {
            return None;
        }
        let now = Timestamp::from_nanos(said.get("time")?.as_i64()?);
        let before = self.heard.replace((seq, now));
        let (first, length) = before.map(|(first, then)| (first, now.since(then)))?;
        (self.interval.saturating_mul(MISSED) < length).then_some(Silence { first, last: seq, length })
    }
}

impl std::fmt::Display for Silence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { first, last, length } = self;
        write!(f, "between entries {first} and {last} the gateway gave no sign of life for {} s", length.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Author, Notice};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_790_000_000 + seconds)
    }

    #[track_caller]
    fn hears(said: &[(&str, Notice)], expected: &[(u64, u64, u64)]) {
        let (mut listener, mut heard) = (Listener::default(), Vec::new());
        for ((boot, notice), seq) in said.iter().zip(0..) {
            let mut entry = Vec::new();
            notice.write(&Author { node: "n".to_owned(), boot: (*boot).to_owned() }, seq, &mut entry);
            heard.extend(listener.take(seq, &entry).map(|it| (it.first, it.last, it.length.as_secs())));
        }
        assert_eq!(heard, expected);
    }

    #[test]
    fn silence_is_heard_within_a_run_and_not_between_two() {
        let (beat, control) = (|time| Notice::new(HEARTBEAT, at(time)), |what, time| Notice::control(what, at(time)));
        let other = |time| Notice::new("request.completed", at(time)).with("said", "heartbeat");
        let run = [("a", control("start", 0)), ("a", beat(10)), ("a", other(25)), ("a", beat(40)), ("a", beat(71))];
        hears(&run, &[(3, 4, 31)]);
        hears(&[("a", control("start", 0)), ("a", beat(31))], &[(0, 1, 31)]);
        hears(&[("a", beat(0)), ("a", control("stop", 50))], &[(0, 1, 50)]);
        // Between two runs there was none to be heard, and a clock that was set says nothing.
        hears(&[("a", beat(0)), ("b", control("start", 500)), ("b", beat(510))], &[]);
        hears(&[("a", beat(0)), ("a", control("clock_step", 5000)), ("a", beat(5010))], &[]);
    }

    #[test]
    fn how_often_a_sign_is_given_is_for_the_configuration_to_say() {
        let audit = serde_json::json!({ "audit": { "heartbeat_ms": 1_000 } });
        let snapshot = Notice::new("config.snapshot", at(0)).with("facts", audit);
        let beat = |time| Notice::new(HEARTBEAT, at(time));
        hears(&[("a", snapshot), ("a", beat(1)), ("a", beat(4)), ("a", beat(8))], &[(2, 3, 4)]);
    }
}
