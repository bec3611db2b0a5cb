//! Lists in pieces: by page number, and by an opaque cursor.
//!
//! A cursor names the last item shown, not a position. What is created or deleted before it moves nothing after it, so a
//! walk shows every item that was there throughout exactly once.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};

use crate::query::Query;
use crate::refused::Refused;

/// Which page of a list is wanted, and how long a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// From 1.
    pub(crate) number: usize,
    /// From 1 to 100.
    pub(crate) size: usize,
}

/// The most items any of these APIs shows at once.
pub(crate) const LONGEST: usize = 100;
/// How many they show when nobody says.
pub(crate) const USUAL: usize = 20;

impl Page {
    /// Read from `page` and `per_page`.
    pub(crate) fn asked(query: &Query) -> Result<Self, Refused> {
        let number = query.number("page", 1..=1_000_000)?.unwrap_or(1);
        let size = query.number("per_page", 1..=LONGEST)?.unwrap_or(USUAL);
        Ok(Self { number, size })
    }

    /// The items of this page.
    pub(crate) fn of<T: Clone>(self, items: &[T]) -> Vec<T> {
        items.iter().skip((self.number - 1).saturating_mul(self.size)).take(self.size).cloned().collect()
    }
}

/// Where a walk through a list stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    after: Option<String>,
    limit: usize,
}

/// A piece of a list, and where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece<T> {
    /// What is shown.
    pub(crate) items: Vec<T>,
    /// What to ask for next; nothing after the last piece.
    pub(crate) next: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    id: String,
}

impl Cursor {
    /// Read from `cursor` and `limit`.
    pub(crate) fn asked(query: &Query) -> Result<Self, Refused> {
        let limit = query.number("limit", 1..=LONGEST)?.unwrap_or(USUAL);
        let after = query.text("cursor")?.map(read_mark).transpose()?;
        Ok(Self { after, limit })
    }

    /// The next piece of `items`, which are in the order of `id`.
    pub(crate) fn piece<T>(&self, items: impl IntoIterator<Item = T>, id: impl Fn(&T) -> &str) -> Piece<T> {
        self.cut(items.into_iter().filter(|it| self.after.as_deref().is_none_or(|after| after < id(it))), &id)
    }

    /// The same of `items` in the opposite order.
    pub(crate) fn piece_down<T>(&self, items: impl IntoIterator<Item = T>, id: impl Fn(&T) -> &str) -> Piece<T> {
        self.cut(items.into_iter().filter(|it| self.after.as_deref().is_none_or(|after| id(it) < after)), &id)
    }

    fn cut<T>(&self, mut rest: impl Iterator<Item = T>, id: impl Fn(&T) -> &str) -> Piece<T> {
        let shown: Vec<T> = rest.by_ref().take(self.limit).collect();
        let next = rest.next().and(shown.last()).map(|last| write_mark(id(last)));
        Piece { items: shown, next }
    }
}

fn write_mark(id: &str) -> String {
    let mark = serde_json::to_vec(&Mark { id: id.to_owned() }).unwrap_or_default();
    STANDARD.encode(mark)
}

fn read_mark(text: &str) -> Result<String, Refused> {
    let foreign = || Refused::invalid("cursor", "cursor is not one that this list gave out");
    // A `+` that was not escaped arrives as a space; both alphabets are met in the wild.
    let text = text.replace(' ', "+");
    let bytes = STANDARD.decode(&text).or_else(|_| URL_SAFE.decode(&text)).map_err(|_| foreign())?;
    serde_json::from_slice::<Mark>(&bytes).map(|mark| mark.id).map_err(|_| foreign())
}

#[cfg(test)]
mod tests;
