//! Which entries somebody asks for, and how they are found: by the indexes of whole segments, and by reading what is
//! newer than those.

mod newest;
mod readable;

use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};

use domain::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cbor::NotCanonical;
use crate::extent::Extent;
use crate::field::{Fact, Field, facts};
use crate::index::{self, SEGMENT, Spot};
use crate::kept::{self, Kept};
use crate::read::ReadError;
use crate::tree::FULL;
use crate::view;
pub use newest::Newest;
pub(crate) use readable::Readable;

/// What an entry must be to be asked for. What is left out is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// The id of the request, as the gateway draws it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The id of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Who did it: a key that asked, by its id, or whoever is said to have acted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// The operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// How it ended: `permit`, `refuse`, `fail`, `abort`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What kind of entry it is, such as `request.completed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Not of a time before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Of a time before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Where entries are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// By the indexes of the log.
    #[default]
    Index,
    /// By reading every entry, whatever indexes say.
    Scan,
}

/// An entry that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub seq: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Filter {
    /// The fields that are asked for.
    pub(crate) fn asked(&self) -> impl Iterator<Item = (Field, &str)> {
        let fields = [
            (Field::Request, &self.request),
            (Field::Tenant, &self.tenant),
            (Field::Key, &self.key),
            (Field::Actor, &self.actor),
            (Field::Api, &self.api),
            (Field::Operation, &self.operation),
            (Field::Outcome, &self.outcome),
            (Field::Class, &self.class),
        ];
        fields.into_iter().filter_map(|(field, wanted)| Some((field, wanted.as_deref()?)))
    }

    /// Whether everything is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an entry between these times may be asked for.
    pub(crate) fn overlaps(&self, least: i64, greatest: i64) -> bool {
        self.since.is_none_or(|it| it.nanos() <= greatest) && self.until.is_none_or(|it| least < it.nanos())
    }

    /// Whether an entry is asked for.
    pub fn admits(&self, entry: &[u8]) -> Result<bool, NotCanonical> {
        let mut wanting: u32 = self.asked().fold(0, |bits, (field, _)| bits | 1 << field as u32);
        let mut timely = self.since.is_none() && self.until.is_none();
        facts(entry, |fact| match fact {
            Fact::Time(time) => timely = self.overlaps(time, time),
            Fact::Says(field, value) => {
                if self.asked().any(|it| it == (field, value)) {
                    wanting &= !(1 << field as u32);
                }
            }
        })?;
        Ok(timely && wanting == 0)
    }
}

impl Found {
    /// The entry as JSON, with its number. Bytes that are no entry are shown as what they are.
    pub fn view(&self) -> Value {
        match view(&self.bytes) {
            Ok(Value::Object(mut fields)) => {
                fields.insert("seq".to_owned(), self.seq.into());
                Value::Object(fields)
            }
            Ok(_) | Err(_) => serde_json::json!({ "seq": self.seq, "not_an_entry": hex::encode(&self.bytes) }),
        }
    }
}

/// The entries of a log that a filter admits, as the log is when it is asked. Bytes that are no entry are among them,
/// whatever was asked for.
#[derive(Debug)]
pub struct Query {
    extent: Extent,
    filter: Filter,
    way: Way,
    first: u64,
    end: u64,
    /// How many parts have been looked through, from the side where it begins.
    done: u64,
    spots: VecDeque<Spot>,
    found: VecDeque<Found>,
    /// The files of entries that were kept when their bundles were pruned, each with the first entry of its range; only those
    /// in which something may be that is looked at.
    kept: VecDeque<(u64, PathBuf)>,
}

impl Query {
    /// Asks for the entries from number `first` on.
    pub fn new(log: &Path, first: u64, filter: Filter, way: Way) -> Result<Self, ReadError> {
        let extent = Extent::of(log)?;
        let end = extent.end;
        let kept = if first < extent.minimum { kept::files(log, extent.minimum)? } else { Vec::new() };
        // A range ends before the next one begins.
        let later = kept.partition_point(|(begins, _)| *begins <= first).saturating_sub(1);
        let kept = kept.into_iter().skip(later).collect();
        let (spots, found) = (VecDeque::new(), VecDeque::new());
        Ok(Self { extent, filter, way, first, end, done: 0, spots, found, kept })
    }

    /// Asks for none from number `end` on.
    #[must_use]
    pub fn before(mut self, end: u64) -> Self {
        self.end = self.end.min(end);
        self.kept.retain(|(begins, _)| *begins < end);
        self
    }

    /// The number of the first entry that is looked at, and the number after that of the last.
    pub fn range(&self) -> Range<u64> {
        self.first.min(self.end)..self.end
    }

    /// The first entry that was not pruned. Of those before it only what is kept longer can be found.
    pub fn minimum(&self) -> u64 {
        self.extent.minimum
    }

    /// The last so many, in order.
    pub fn last(mut self, count: usize) -> Result<Vec<Found>, ReadError> {
        let mut kept = VecDeque::new();
        for part in (0..self.parts()).rev() {
            if part == self.parts() - 1 {
                // From its end, and no further than is needed.
                kept.extend(self.ahead().rev().take(count));
            }
            let mut spots = self.spots_of(part)?;
            while let Some(spot) = spots.pop_back() {
                if count <= kept.len() {
                    break;
                }
                self.look(&spot)?;
                let more = count - kept.len();
                kept.extend(std::mem::take(&mut self.found).into_iter().rev().take(more));
            }
            if count <= kept.len() {
                break;
            }
        }
        while kept.len() < count
            && let Some((_, path)) = self.kept.pop_back()
        {
            let more = count - kept.len();
            kept.extend(self.longer(&path)?.into_iter().rev().take(more));
        }
        Ok(kept.into_iter().rev().collect())
    }

    /// Whole segments, and what comes after them.
    fn parts(&self) -> u64 {
        self.extent.ahead / SEGMENT + 1
    }

    /// Where to look in one part.
    fn spots_of(&self, part: u64) -> Result<VecDeque<Spot>, ReadError> {
        let left = self.extent.minimum / FULL as u64;
        let bundles =
            (part * (SEGMENT / FULL as u64)).max(left)..((part + 1) * SEGMENT).min(self.extent.ahead) / FULL as u64;
        if bundles.is_empty() || bundles.end * FULL as u64 <= self.first || self.end <= bundles.start * FULL as u64 {
            return Ok(VecDeque::new());
        }
        let whole = part + 1 < self.parts();
        if whole && self.way == Way::Index && !self.filter.is_empty() {
            let spots = index::spots(self.extent.log(), part, &self.filter)?;
            return Ok(spots.into_iter().filter(|it| left <= it.bundle).collect());
        }
        Ok(bundles.map(Spot::whole).collect())
    }

    /// The same without an index.
    fn all_of(&self, part: u64) -> VecDeque<Spot> {
        let last = ((part + 1) * SEGMENT).min(self.extent.ahead) / FULL as u64;
        let left = self.extent.minimum / FULL as u64;
        ((part * (SEGMENT / FULL as u64)).max(left)..last).map(Spot::whole).collect()
    }

    /// Looks at the entries of a bundle.
    fn look(&mut self, spot: &Spot) -> Result<(), ReadError> {
        let (first, range, filter, found) =
            (spot.bundle * FULL as u64, self.first..self.end, &self.filter, &mut self.found);
        if first + FULL as u64 <= range.start || range.end <= first {
            return Ok(());
        }
        self.extent.bundle(spot.bundle, |place, entry| {
            let wanted = |it: &Vec<u8>| u8::try_from(place).is_ok_and(|place| it.binary_search(&place).is_ok());
            let seq = first + place as u64;
            if spot.only.as_ref().is_none_or(wanted) && range.contains(&seq) && filter.admits(entry).unwrap_or(true) {
                found.push_back(Found { seq, bytes: entry.to_vec() });
            }
        })
    }

    /// What is admitted of entries that were kept longer than their bundles.
    fn longer(&self, path: &Path) -> Result<VecDeque<Found>, ReadError> {
        let gone = || ReadError::Damaged { path: path.to_owned(), seq: self.first };
        let kept = Kept::read(path)?.ok_or_else(gone)?;
        let found = kept.entries.iter().map(|it| Found { seq: it.seq, bytes: it.bytes() });
        let range = self.first..self.end;
        Ok(found.filter(|it| range.contains(&it.seq) && self.filter.admits(&it.bytes).unwrap_or(true)).collect())
    }

    /// Looks at what comes next; nothing where that was all. What cannot be read comes with where it is.
    fn read_on(&mut self) -> Option<Result<(), (Range<u64>, ReadError)>> {
        let (range, looked) = if let Some((begins, path)) = self.kept.pop_front() {
            let end = self.kept.front().map_or(self.extent.minimum, |(next, _)| *next);
            (begins..end, self.longer(&path).map(|it| self.found = it))
        } else if let Some(spot) = self.spots.pop_front() {
            let first = spot.bundle * FULL as u64;
            (first..first + FULL as u64, self.look(&spot))
        } else if self.done < self.parts() {
            let part = self.done;
            self.done += 1;
            (part * SEGMENT..(part + 1) * SEGMENT, self.spots_of(part).map(|it| self.spots = it))
        } else if self.done == self.parts() {
            self.done += 1;
            self.found = self.ahead().collect();
            return Some(Ok(()));
        } else {
            return None;
        };
        Some(looked.map_err(|cause| (range, cause)))
    }

    /// What is admitted of the newest write-ahead file.
    fn ahead(&self) -> impl DoubleEndedIterator<Item = Found> {
        let range = self.first..self.end;
        let newest = self.extent.newest().filter(move |(seq, _)| range.contains(seq));
        let wanted = newest.filter(|(_, entry)| self.filter.admits(entry).unwrap_or(true));
        wanted.map(|(seq, entry)| Found { seq, bytes: entry.to_vec() })
    }
}

impl Iterator for Query {
    type Item = Result<Found, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(found) = self.found.pop_front() {
                return Some(Ok(found));
            }
            if let Err((_, cause)) = self.read_on()? {
                // What comes after what cannot be read is not shown as if nothing were missing.
                self.done = u64::MAX;
                self.spots.clear();
                self.kept.clear();
                return Some(Err(cause));
            }
        }
    }
}
