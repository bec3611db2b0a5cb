//! Some entries as lines, as many as a receiver is given at once.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use domain::Timestamp;

use super::{Cursor, Lines};
use crate::cbor;
use crate::export::{json, ocsf};
use crate::field::{Fact, Field, facts};
use crate::query::Found;
use crate::read::{Entries, Place, ReadError};

/// From how many bytes on a batch takes no further entry.
const BYTES: usize = 1024 * 1024;

/// How many entries are looked at for a batch of those that are wanted, before it is left at what there is.
const LOOKS: u64 = 16 * 1024;

/// The class of what a gateway enters about a delivery.
pub(super) const DELIVERY: &str = "sink.delivery";

/// What a receiver wants to be given.
#[derive(Clone, Debug)]
pub struct Wants {
    /// How each entry is written.
    pub lines: Lines,
    /// Of which classes; of all where none is named.
    pub classes: BTreeSet<String>,
    /// How many at once, at most.
    pub entries: usize,
}

/// Which entry a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its number.
    pub seq: u64,
    /// What tells it from every other, as `node/boot/node_seq`; nothing where the bytes are no entry.
    pub identity: Option<String>,
    /// What it is about, as far as it says so.
    pub class: Option<String>,
    /// When it happened, as far as it says so.
    pub time: Option<Timestamp>,
    /// Where its line ends, and the next begins.
    pub end: usize,
}

/// Entries in the order of their numbers, as lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The lines, each with its line feed. Empty where none of the entries that were looked at is wanted.
    pub lines: Vec<u8>,
    /// How many there are.
    pub count: u64,
    /// Which entry each of them is.
    labels: Vec<Label>,
    /// The numbers of the first and the last; nothing where there are none.
    pub range: Option<(u64, u64)>,
    /// The numbers of the first and the last that nobody can be given any more, because they were pruned; nothing where there
    /// are none.
    pub skipped: Option<(u64, u64)>,
    /// When the first entry that was looked at happened, as far as it says so.
    pub since: Option<Timestamp>,
    /// Whether there is an entry among them about anything but deliveries.
    pub is_news: bool,
    /// Where the receiver stands once it has accepted it.
    pub(super) after: Cursor,
    /// Where the entry after that begins.
    pub(super) place: Option<Place>,
}

impl Batch {
    /// Reads one from these numbers on, the first of which may be known to begin at a place. It goes at least one entry further; that nothing can be read is a fault.
    pub(super) fn read(log: &Path, range: Range<u64>, place: Option<Place>, wants: &Wants) -> Result<Self, ReadError> {
        let mut batch = Self {
            lines: Vec::new(),
            count: 0,
            labels: Vec::new(),
            range: None,
            skipped: None,
            since: None,
            is_news: false,
            after: Cursor::default(),
            place: None,
        };
        let end = range.end.min(range.start + LOOKS);
        let mut next = range.start;
        let mut entries = Entries::at(log, range.start, place);
        while next < end
            && let Some(found) = entries.next()
        {
            let (seq, bytes) = match found {
                // What is not there any more cannot be given; what compliance keeps of it stays where it is.
                Err(ReadError::Pruned { minimum, .. }) if range.start < minimum && minimum < range.end => {
                    let left = Self::read(log, minimum..range.end, None, wants)?;
                    // Whoever begins at the beginning was never there for what is gone.
                    let skipped = (range.start > 0).then_some((range.start, minimum - 1));
                    return Ok(Self { skipped, ..left });
                }
                other => other?,
            };
            batch.take(&Found { seq, bytes }, wants);
            next = seq + 1;
            if batch.count >= wants.entries as u64 || batch.lines.len() >= BYTES {
                break;
            }
        }
        batch.place = entries.place();
        if next == range.start {
            return Err(ReadError::Damaged { path: log.to_owned(), seq: next });
        }
        Ok(batch)
    }

    /// The number after that of the last entry that was looked at.
    pub fn end(&self) -> u64 {
        self.after.next()
    }

    /// Each line by itself, without its line feed, and which entry it is.
    pub fn each(&self) -> impl Iterator<Item = (&Label, &[u8])> {
        let starts = std::iter::once(0).chain(self.labels.iter().map(|it| it.end));
        self.labels.iter().zip(starts).map(|(label, start)| {
            let line = self.lines.get(start..label.end).unwrap_or_default();
            (label, line.strip_suffix(b"\n").unwrap_or(line))
        })
    }

    fn take(&mut self, found: &Found, wants: &Wants) {
        let (mut class, mut time) = (None, None);
        let read = facts(&found.bytes, |fact| match fact {
            Fact::Says(Field::Class, it) => class = Some(it),
            Fact::Time(it) => time = Some(Timestamp::from_nanos(it)),
            Fact::Says(..) => {}
        });
        if self.after.next() == 0 {
            self.since = time;
        }
        // Bytes that are no entry are given to everybody: somebody must see them.
        let wanted = read.is_err() || wants.classes.is_empty() || class.is_some_and(|it| wants.classes.contains(it));
        self.after = Cursor::after(found.seq, &found.bytes);
        if wanted {
            self.is_news |= class != Some(DELIVERY);
            let line = match wants.lines {
                Lines::Json => json::line(found, None),
                Lines::Ocsf => ocsf::line(found),
            };
            self.lines.extend_from_slice(line.as_bytes());
            self.count += 1;
            self.labels.push(Label {
                seq: found.seq,
                identity: cbor::identity(&found.bytes).ok().map(|it| it.to_string()),
                class: class.filter(|_| read.is_ok()).map(str::to_owned),
                time: time.filter(|_| read.is_ok()),
                end: self.lines.len(),
            });
            self.range = Some((self.range.map_or(found.seq, |(first, _)| first), found.seq));
        }
    }
}
