//! How long a log has lived: the time that those who wrote it saw pass, whatever the wall clock said.
//!
//! A wall clock that is wrong once makes everything old at once. What a process sees pass on its monotonic clock is never
//! more than what has passed, so that an entry is at least as old as what was seen since it was there. The time between two
//! runs counts for nothing: only the wall clock could tell how long it was.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::doctor::time;
use crate::extent::Extent;
use crate::read::ReadError;
use crate::tree::FULL;
use crate::{Notice, disk};

/// How far the wall clock may be ahead of when the log was written last before it may be wrong: a week, for a gateway that
/// was away.
pub const LEAP: Duration = Duration::from_hours(7 * 24);

/// How far it may be behind, which clocks that are kept in step are now and then.
const BACK: Duration = Duration::from_secs(1);

/// How often it is marked how many entries there are.
const MARK: Duration = Duration::from_hours(24);

/// How long after the mark before it a start is marked at the earliest, so that a gateway that dies over and over makes few.
const APART: Duration = Duration::from_mins(1);

/// How many of the newest entries tell when the log was written last: requests say when they arrived.
const LAST: usize = 16;

/// The form of the file.
const FORM: u16 = 1;

/// How long a log has lived, how many entries it had when, and which time was believed last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifetime {
    form: u16,
    lived_ms: u64,
    /// The last time on the wall clock that followed from those before, and how long the log had lived then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    believed: Option<(Timestamp, u64)>,
    /// How long it had lived when it had how many entries, in order: at each start, and once a day.
    marks: Vec<(u64, u64)>,
}

impl Default for Lifetime {
    fn default() -> Self {
        Self { form: FORM, lived_ms: 0, believed: None, marks: Vec::new() }
    }
}

impl Lifetime {
    /// What stands beside the log; nothing where nothing was seen of it yet.
    pub fn read(log: &Path) -> io::Result<Option<Self>> {
        let Some(bytes) = disk::read(&path(log))? else { return Ok(None) };
        let read: Option<Self> = serde_json::from_slice(&bytes).ok();
        let ordered = |it: &Self| it.marks.is_sorted() && it.marks.last().is_none_or(|(last, _)| *last <= it.lived_ms);
        let good = read.filter(|it| it.form == FORM && ordered(it));
        let bad = || io::Error::new(io::ErrorKind::InvalidData, "`lived` does not say how long the log has lived");
        good.map(Some).ok_or_else(bad)
    }

    /// A run begins at a log of so many entries, which was written last at the time `before`.
    pub fn begin(&mut self, before: Option<Timestamp>, entries: u64, now: Timestamp) {
        // A log that was cut short has others in the place of those that were there.
        for (_, then) in &mut self.marks {
            *then = (*then).min(entries);
        }
        if self.believed.is_none() {
            self.believed = before.map(|it| (it, self.lived_ms));
        }
        if self.marks.last().is_none_or(|(lived, _)| lived + millis(APART) <= self.lived_ms) {
            self.marks.push((self.lived_ms, entries));
        }
        self.believe(now);
    }

    /// So much time was seen to pass on the monotonic clock; so many entries there are, and this is what the wall clock says.
    pub fn pass(&mut self, seen: Duration, entries: u64, now: Timestamp) {
        self.lived_ms = self.lived_ms.saturating_add(millis(seen));
        if self.marks.last().is_none_or(|(lived, _)| lived + millis(MARK) <= self.lived_ms) {
            self.marks.push((self.lived_ms, entries));
        }
        self.believe(now);
    }

    /// Puts it beside the log, for certain.
    pub fn put(&self, log: &Path) -> io::Result<()> {
        disk::put_durably(&path(log), &serde_json::to_vec(self)?)
    }

    /// How long it has lived.
    pub fn lived(&self) -> Duration {
        Duration::from_millis(self.lived_ms)
    }

    /// How many entries, from the first, are as old as this for certain.
    pub fn as_old_as(&self, age: Duration) -> u64 {
        let Some(then) = self.lived_ms.checked_sub(millis(age)) else { return 0 };
        let marks = self.marks.partition_point(|(lived, _)| *lived <= then);
        marks.checked_sub(1).and_then(|it| self.marks.get(it)).map_or(0, |(_, entries)| *entries)
    }

    /// Between which of its marks a log of so many entries is, counted from the first.
    pub(crate) fn era(&self, entries: u64) -> usize {
        self.marks.partition_point(|(_, then)| *then < entries)
    }

    /// By how much the wall clock is ahead of what was believed and seen to pass since, where that is more than
    /// [`LEAP`]: the gateway was away for long, or the clock is wrong.
    pub fn leapt(&self, now: Timestamp) -> Option<Duration> {
        let (wall, lived) = self.believed?;
        let ahead = now.since(wall + Duration::from_millis(self.lived_ms.saturating_sub(lived)));
        (LEAP < ahead).then_some(ahead)
    }

    /// Somebody knows that the wall clock is right.
    pub fn confirm(&mut self, now: Timestamp) {
        self.believed = Some((now, self.lived_ms));
    }

    fn believe(&mut self, now: Timestamp) {
        if self.leapt(now).is_none() {
            self.confirm(now);
        }
    }
}

/// When a log was written last, as its newest entries say; nothing where there is none.
pub fn written_last(log: &Path) -> Result<Option<Timestamp>, ReadError> {
    let extent = Extent::of(log)?;
    let mut newest: Vec<Timestamp> = extent.newest().rev().take(LAST).filter_map(|(_, entry)| time(entry)).collect();
    // A write-ahead file that has just begun holds nothing, and the log may end with a bundle.
    if let Some(index) = (extent.end / FULL as u64).checked_sub(1).filter(|_| newest.is_empty())
        && extent.minimum < extent.end
    {
        extent.bundle(index, |place, entry| newest.extend(time(entry).filter(|_| FULL - LAST <= place)))?;
    }
    Ok(newest.into_iter().max())
}

/// What is to be entered of the wall clock where a run begins at a log that was written last at the time `before`, if it
/// does not go on from there.
pub fn clock_at_start(before: Timestamp, now: Timestamp) -> Option<Notice> {
    let by_ms = now.nanos().saturating_sub(before.nanos()) / 1_000_000;
    let action = if BACK < before.since(now) {
        "clock_step"
    } else if LEAP < now.since(before) {
        "clock_gap"
    } else {
        return None;
    };
    Some(Notice::control(action, now).with("by_ms", by_ms).with("since", "start"))
}

fn millis(it: Duration) -> u64 {
    u64::try_from(it.as_millis()).unwrap_or(u64::MAX)
}

fn path(log: &Path) -> PathBuf {
    log.join("lived")
}
