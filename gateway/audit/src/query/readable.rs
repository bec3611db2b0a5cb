//! The entries that can be read, whatever lies between them.

use std::ops::Range;

use super::{Found, Query};
use crate::read::ReadError;

/// The entries of a question without those that cannot be read, which are remembered.
#[derive(Debug)]
pub(crate) struct Readable {
    query: Query,
    unread: Vec<Range<u64>>,
}

impl Readable {
    pub(crate) fn of(query: Query) -> Self {
        Self { query, unread: Vec::new() }
    }

    /// What was passed over, in order.
    pub(crate) fn into_unread(self) -> Vec<Range<u64>> {
        self.unread
    }

    fn pass_over(&mut self, range: &Range<u64>, cause: &ReadError) {
        self.query.found.clear();
        let asked = self.query.range();
        let (first, end) = (range.start.max(asked.start), range.end.min(asked.end));
        // What was pruned meanwhile is missing from nothing.
        if end <= first || matches!(cause, ReadError::Pruned { .. }) {
            return;
        }
        tracing::error!(%cause, first, end, "entries cannot be read");
        match self.unread.last_mut().filter(|it| it.end == first) {
            Some(last) => last.end = end,
            None => self.unread.push(first..end),
        }
    }
}

impl Iterator for Readable {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            if let Some(found) = self.query.found.pop_front() {
                return Some(found);
            }
            if let Err((range, cause)) = self.query.read_on()? {
                self.pass_over(&range, &cause);
            }
        }
    }
}
