//! The newest entries first, for as long as somebody is willing to look.

use std::collections::VecDeque;
use std::ops::Range;

use super::{Found, Query};
use crate::index::SEGMENT;
use crate::read::ReadError;
use crate::tree::FULL;

/// What was found, the newest first, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The entries.
    pub found: Vec<Found>,
    /// Entries before this one are yet to be looked at; nothing where the log was looked through.
    pub rest: Option<u64>,
    /// What cannot be read of what was looked at, the newest first.
    pub unread: Vec<Range<u64>>,
}

impl Query {
    /// The newest so many that `wanted` takes of those that are admitted. Bytes that are no entry are never among them: it
    /// cannot be said whose they are. `go_on` is asked before anything more is read, and where it says no, what was found
    /// so far is all there is for now. What cannot be read is passed over and said.
    pub fn newest(
        mut self,
        count: usize,
        mut wanted: impl FnMut(&Found) -> bool,
        mut go_on: impl FnMut() -> bool,
    ) -> Result<Newest, ReadError> {
        let (mut found, mut unread) = (Vec::new(), Vec::new());
        for part in (0..self.parts()).rev() {
            if part + 1 == self.parts() {
                for it in self.ahead().rev() {
                    if self.takes(&it, &mut wanted) && full(it, count, &mut found) {
                        return Ok(Newest::up_to_last(found, unread));
                    }
                }
            }
            // An index cannot be made anew of what cannot be read.
            let mut spots = self.spots_of(part).unwrap_or_else(|_| self.all_of(part));
            spots.retain(|it| it.bundle * (FULL as u64) < self.end);
            while let Some(spot) = spots.pop_back() {
                if !go_on() {
                    let rest = ((spot.bundle + 1) * FULL as u64).min(self.end);
                    return Ok(Newest { found, rest: Some(rest), unread });
                }
                if let Err(cause) = self.look(&spot) {
                    let first = spot.bundle * FULL as u64;
                    tracing::error!(%cause, first, "entries cannot be read");
                    unread.push(first..(first + FULL as u64).min(self.end));
                    self.found.clear();
                }
                for it in std::mem::take(&mut self.found).into_iter().rev() {
                    if self.takes(&it, &mut wanted) && full(it, count, &mut found) {
                        return Ok(Newest::up_to_last(found, unread));
                    }
                }
            }
            let first = part * SEGMENT;
            if 0 < first && first < self.end && !go_on() {
                return Ok(Newest { found, rest: Some(first), unread });
            }
        }
        let mut rest = self.extent.minimum.min(self.end);
        while let Some((first, path)) = self.kept.pop_back() {
            if !go_on() {
                return Ok(Newest { found, rest: Some(rest), unread });
            }
            let kept = self.longer(&path).unwrap_or_else(|cause| {
                tracing::error!(%cause, first, "entries that were kept cannot be read");
                unread.push(first..rest);
                VecDeque::new()
            });
            for it in kept.into_iter().rev() {
                if self.takes(&it, &mut wanted) && full(it, count, &mut found) {
                    return Ok(Newest::up_to_last(found, unread));
                }
            }
            rest = rest.min(first);
        }
        Ok(Newest { found, rest: None, unread })
    }

    fn takes(&self, it: &Found, wanted: &mut impl FnMut(&Found) -> bool) -> bool {
        self.filter.admits(&it.bytes).unwrap_or(false) && wanted(it)
    }
}

impl Newest {
    fn up_to_last(found: Vec<Found>, unread: Vec<Range<u64>>) -> Self {
        let rest = found.last().map(|it| it.seq);
        Self { found, rest, unread }
    }
}

/// Keeps one more; says whether there are enough.
fn full(it: Found, count: usize, found: &mut Vec<Found>) -> bool {
    found.push(it);
    count <= found.len()
}
