//! The numbers of deeds: which of them the log has, and whether a registry is the one that they come from.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::Path;

use domain::Timestamp;
use memchr::memmem;
use serde_json::Value;

use crate::query::{Filter, Found, Query, Way};
use crate::read::ReadError;
use crate::silence::HEARTBEAT;
use crate::subjects::LastSaid;

/// Where deeds are numbered that commands have done.
pub(crate) const SOURCE: &str = "registry";

/// The number of the deed of the registry that an entry is about.
pub(crate) fn deed(view: &Value) -> Option<u64> {
    view.get("source").filter(|it| *it == SOURCE)?;
    view.get("number")?.as_u64()
}

/// Up to which number the registry had let go of deeds, because they were entered, as a sign of life says it.
pub(crate) fn said(view: &Value) -> Option<u64> {
    view.get("class").filter(|it| *it == HEARTBEAT)?;
    view.get("deeds")?.as_u64()
}

/// What a registry knows of its deeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownDeeds {
    /// The greatest number that it ever gave, 0 for none.
    pub newest: u64,
    /// The deeds that wait to be entered, oldest first, each with when it was done.
    pub waiting: Vec<(u64, Timestamp)>,
}

impl KnownDeeds {
    /// The last deed that it has let go of, because that was entered.
    #[must_use]
    pub fn let_go(&self) -> u64 {
        self.waiting.first().map_or(self.newest, |(number, _)| number.saturating_sub(1))
    }
}

impl LastSaid {
    /// The deeds that were entered and that a registry does not know of: it neither has let go of them as entered, nor
    /// keeps them as they were done. So it is older than the log, or another one; that somebody has gone on with it since, by
    /// commands that made as many deeds, does not hide it.
    #[must_use]
    pub fn unknown_to(&self, registry: &KnownDeeds) -> Option<RangeInclusive<u64>> {
        let last = self.deed?;
        let first = registry.waiting.first().map(|(number, _)| *number);
        if let Some(first) = first.filter(|it| self.let_go.is_some_and(|gone| *it <= gone)) {
            return Some(first..=last);
        }
        let waiting: HashMap<u64, String> =
            registry.waiting.iter().map(|(number, time)| (*number, time.to_string())).collect();
        let knows = |number: &u64| {
            let known = waiting.get(number);
            known.is_some_and(|known| self.deeds.get(number).is_none_or(|said| said == known))
        };
        let unknown = (registry.let_go().saturating_add(1)..=last).find(|it| !knows(it))?;
        Some(unknown..=last)
    }
}

/// The entries of deeds from this number on, the newest first. Reads back to where the log says that there is no more of
/// them, at worst all of it.
pub fn deeds_from(log: &Path, first: u64) -> Result<Vec<Value>, ReadError> {
    let mut deeds = Vec::new();
    let take = |it: &Found| {
        // A cheap look first: of many entries few are about deeds.
        if [SOURCE, HEARTBEAT].iter().all(|word| memmem::find(&it.bytes, word.as_bytes()).is_none()) {
            return false;
        }
        let view = it.view();
        let number = deed(&view);
        let is_before = number.or_else(|| said(&view)).is_some_and(|it| it < first);
        if number.is_some_and(|it| first <= it) {
            deeds.push(view);
        }
        is_before
    };
    Query::new(log, 0, Filter::default(), Way::Scan)?.newest(1, take, || true)?;
    Ok(deeds)
}
