//! What is missing at the beginning: whether entries that are there say so, and whether what was to be kept longer is there.

use std::path::Path;

use memchr::memmem::Finder;
use serde_json::Value;

use super::fault::{Broken, Found};
use crate::cbor;
use crate::kept::{self, Kept};
use crate::note::Checkpoint;
use crate::read::ReadError;
use crate::retention::{ENTRIES, KEPT, PRUNED};

/// What one entry says was pruned.
#[derive(Clone, Debug)]
struct Said {
    seq: u64,
    first: u64,
    end: u64,
    /// How many of them are kept longer; nothing where these are what went.
    kept: Option<u64>,
}

/// What was pruned of a log, as its entries say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrunedPart {
    /// The first entry that is there.
    pub minimum: u64,
    /// The last entry that says what was pruned.
    pub said: Option<u64>,
    /// How many entries before the first are kept longer, and were proved.
    pub kept: u64,
}

/// Gathers what entries say of pruning, and holds what is left to it.
pub(super) struct Prunings {
    class: Finder<'static>,
    said: Vec<Said>,
    files: Vec<(String, Option<Kept>)>,
}

impl Prunings {
    /// Reads what was kept of the entries before `minimum`.
    pub(super) fn read(log: &Path, minimum: u64) -> Result<Self, ReadError> {
        let mut files = Vec::new();
        for (_, path) in kept::files(log, minimum)? {
            let name = path.strip_prefix(log).unwrap_or(&path).display().to_string();
            files.push((name, Kept::read(&path)?));
        }
        Ok(Self { class: Finder::new(PRUNED.as_bytes()), said: Vec::new(), files })
    }

    /// The checkpoints that proofs of kept entries lead to, which the log must agree with as with any other.
    pub(super) fn notes(&self) -> impl Iterator<Item = (String, String)> {
        self.files.iter().filter_map(|(name, kept)| Some((name.clone(), kept.as_ref()?.checkpoint.clone())))
    }

    /// Takes in what an entry says.
    pub(super) fn take(&mut self, seq: u64, entry: &[u8]) {
        // A cheap look first: of many entries few are of this class.
        if self.class.find(entry).is_some() {
            self.said.extend(cbor::view(entry).ok().and_then(|it| said(seq, &it)));
        }
    }

    /// Holds kept entries to their proofs, and everything before `minimum` to what was said of it.
    pub(super) fn judge(mut self, minimum: u64, found: &mut Found) -> Option<PrunedPart> {
        if minimum == 0 {
            return None;
        }
        let mut proved = 0;
        let mut ranges = Vec::new();
        for (file, kept) in std::mem::take(&mut self.files) {
            let read = kept.and_then(|it| Some((Checkpoint::parse(&it.checkpoint).ok()?, it)));
            let Some((stated, kept)) = read else {
                found.push(Broken::Kept { seq: None, file });
                continue;
            };
            for entry in &kept.entries {
                if entry.is_proved_by(&stated) {
                    proved += 1;
                    self.take(entry.seq, &entry.bytes());
                } else {
                    found.push(Broken::Kept { seq: Some(entry.seq), file: file.clone() });
                }
            }
            ranges.push((kept.first, kept.entries.len() as u64));
        }
        self.said.sort_by_key(|it| it.seq);
        self.missing(minimum, &ranges, found);
        self.unsaid(minimum, found);
        Some(PrunedPart { minimum, said: self.said.last().map(|it| it.seq), kept: proved })
    }

    /// What was said to be kept and is not there. A range that was said twice was made ready twice, and pruned as it was
    /// said last.
    fn missing(&self, minimum: u64, ranges: &[(u64, u64)], found: &mut Found) {
        let past = self.said.iter().filter(|it| it.kept.is_none()).map(|it| it.end).max().unwrap_or_default();
        for (at, said) in self.said.iter().enumerate() {
            let again = self.said.iter().skip(at + 1).any(|it| it.first == said.first && it.kept.is_some());
            let Some(kept) = said.kept.filter(|_| !again && past < said.end && said.end <= minimum) else { continue };
            let there = ranges.iter().find(|(first, _)| *first == said.first).map_or(0, |(_, count)| *count);
            if there < kept {
                found.push(Broken::KeptMissing { first: said.first, end: said.end, said: kept, found: there });
            }
        }
    }

    /// The first entries that are gone and of which nothing is said.
    fn unsaid(&self, minimum: u64, found: &mut Found) {
        let mut ranges: Vec<(u64, u64)> = self.said.iter().map(|it| (it.first, it.end)).collect();
        ranges.sort_unstable();
        let mut said = 0;
        for (first, end) in ranges {
            if first <= said {
                said = said.max(end);
            }
        }
        if said < minimum {
            found.push(Broken::Unsaid { first: said, end: minimum });
        }
    }
}

fn said(seq: u64, entry: &Value) -> Option<Said> {
    if entry.get("class")? != PRUNED {
        return None;
    }
    let number = |name: &str| entry.get(name)?.as_u64();
    let kept = match entry.get("what")?.as_str()? {
        ENTRIES => Some(number("kept")?),
        KEPT => None,
        _ => return None,
    };
    // Nobody can say of what was to come that it was pruned.
    let end = number("end").filter(|it| *it <= seq)?;
    Some(Said { seq, first: number("first")?, end, kept })
}
