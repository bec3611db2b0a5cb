//! One page of entries, the newest first, of one tenant and no other.

use std::ops::Range;
use std::path::Path;

use audit::{Filter, Found, Judge, Query, ReadError, Unproven, Way, hold_to_newest};
use domain::Declined;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cursor::{cursor, place};
use crate::operations::{Books, Bounds};

/// How many pieces of the log are read whatever the time, so that every page comes further than the one before.
const AT_LEAST: u32 = 8;

/// What was found.
pub(crate) struct Page {
    pub(crate) found: Vec<Found>,
    /// What was looked at.
    pub(crate) range: Range<u64>,
    rest: Option<u64>,
    /// What of that cannot be read, or is not what was signed for.
    unread: Vec<Range<u64>>,
}

impl Page {
    /// The entries that a filter admits and `wanted` takes, from where a cursor goes on.
    pub(crate) fn of(
        (books, bounds): (&dyn Books, Bounds),
        filter: &Filter,
        before: Option<u64>,
        limit: usize,
        mut wanted: impl FnMut(&Found) -> bool,
    ) -> Result<Self, Declined> {
        let (log, clock) = (books.log().folder(), books.clock());
        let deadline = clock.tick() + bounds.patience;
        let mut looks = 0;
        let go_on = || {
            looks += 1;
            looks <= AT_LEAST || looks <= bounds.looks && clock.tick() < deadline
        };
        let query = Query::new(log, 0, filter.clone(), Way::Index).map_err(unreadable)?;
        let query = query.before(before.unwrap_or(u64::MAX));
        let end = query.range().end;
        // One more than is wanted tells whether there is another page.
        let mut newest = query.newest(limit + 1, |it| is_theirs(it) && wanted(it), go_on).map_err(unreadable)?;
        if limit < newest.found.len() {
            newest.found.truncate(limit);
            newest.rest = newest.found.last().map(|it| it.seq);
        }
        let mut unread = newest.unread;
        // What was changed since it was signed for is shown to nobody, and hides nothing else.
        let mut judge = Judge::of(log).map_err(|cause| not_shown(&cause))?;
        newest.found.retain(|it| match judge.hold(it) {
            Ok(()) => true,
            Err(cause) => {
                let _ = not_shown(&cause);
                unread.push(it.seq..it.seq + 1);
                false
            }
        });
        let first = newest.rest.unwrap_or_default().min(end);
        Ok(Self { found: newest.found, range: first..end, rest: newest.rest, unread })
    }

    /// Adds to an answer what of the log it does not tell although somebody asked, where there is anything.
    pub(crate) fn complete(&self, mut answer: Value) -> Value {
        let unread: Vec<Value> = self.unread.iter().map(|it| json!({ "first": it.start, "end": it.end })).collect();
        if let Some(fields) = answer.as_object_mut().filter(|_| !unread.is_empty()) {
            fields.insert("unreadable".to_owned(), unread.into());
        }
        answer
    }

    /// The cursor of the next page, where there is one.
    pub(crate) fn next(&self, asked: &impl Serialize) -> Option<String> {
        self.rest.map(|it| cursor(asked, it))
    }
}

/// Whether a tenant is shown an entry about it. That somebody wants its entries kept is between them and the operator.
pub(crate) fn is_theirs(found: &Found) -> bool {
    let view = found.view();
    let says = |name: &str| view.get(name).and_then(Value::as_str).unwrap_or_default();
    // An erasure is refused because of a hold, whoever's matter that is.
    let refused = says("class") == "subject.erased" && says("outcome") == "refused";
    !refused && !says("class").starts_with("legal_hold.")
}

/// What was changed since it was signed for is shown to nobody.
pub(crate) fn genuine(log: &Path, found: &[Found]) -> Result<(), Declined> {
    hold_to_newest(log, found).map_err(|cause| not_shown(&cause))
}

fn not_shown(cause: &Unproven) -> Declined {
    tracing::error!(%cause, "entries are not shown");
    Declined::Failed
}

/// Where a page begins: at the newest entry, or where its cursor goes on.
pub(crate) fn begin(asked: &impl Serialize, cursor: Option<&str>) -> Result<Option<u64>, Declined> {
    let read = |it: &str| place(asked, it).ok_or_else(|| Declined::Parameter("cursor".to_owned()));
    cursor.map(read).transpose()
}

/// A log that cannot be read is the gateway's fault, and its operator's to hear of.
#[expect(clippy::needless_pass_by_value, reason = "what is done with an error that is mapped")]
pub(crate) fn unreadable(cause: ReadError) -> Declined {
    tracing::error!(%cause, "entries cannot be read");
    Declined::Failed
}
