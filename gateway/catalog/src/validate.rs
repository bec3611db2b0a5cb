//! Whether a request agrees with the document: its parameters, then its body.
//!
//! Every fault names its field and none repeats a value.

mod body;
mod invalid;
mod json;
mod media;
mod parameter;
pub(crate) mod query;
mod words;

use std::borrow::Cow;

use domain::{Arrival, Call};
use http::HeaderName;
use http::header::COOKIE;
use serde::Deserialize;

use crate::selector::Selector;
use crate::source::Reads;
pub(crate) use body::{BodyRule, MediaRule};
pub use invalid::{Invalid, InvalidKind, Wrong};
pub(crate) use media::Media;
pub(crate) use parameter::{Parameter, Scalar, Shape};

/// What becomes of query parameters that the document does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnknownQuery {
    /// They are passed on.
    #[default]
    Pass,
    /// They are refused.
    Reject,
}

/// What one operation's document asks of a request.
#[derive(Clone, Debug)]
pub(crate) struct Validator {
    /// In the order of the template.
    pub(crate) path: Vec<Parameter>,
    /// Parameters of the query.
    pub(crate) query: Vec<Parameter>,
    /// Parameters in headers.
    pub(crate) headers: Vec<(HeaderName, Parameter)>,
    /// Parameters in cookies.
    pub(crate) cookies: Vec<Parameter>,
    /// What selected the operation.
    pub(crate) selectors: Vec<Selector>,
    /// What becomes of other query parameters.
    pub(crate) unknown_query: UnknownQuery,
    /// How headers begin that are refused where they are not among `headers`.
    pub(crate) closed_headers: Vec<String>,
    /// What is read besides the resource itself.
    pub(crate) reads: Option<Reads>,
    /// What the body must be.
    pub(crate) body: BodyRule,
}

impl Validator {
    /// Everything that can be said before the body is read.
    pub(crate) fn head(&self, call: &Call, arrival: &Arrival) -> Result<(), Invalid> {
        let mut wrongs = Vec::new();
        for (parameter, value) in self.path.iter().zip(&call.parameters) {
            parameter.check(&[Cow::Borrowed(value)], &mut wrongs);
        }
        self.check_query(arrival.query(), &mut wrongs);
        for (name, parameter) in &self.headers {
            check_header(parameter, name, arrival, &mut wrongs);
        }
        self.check_closed(arrival, &mut wrongs);
        for parameter in &self.cookies {
            let values: Vec<Cow<'_, str>> = cookies(arrival, &parameter.name).collect();
            parameter.check(&values, &mut wrongs);
        }
        self.body.head(arrival, &mut wrongs);
        Invalid::gather(wrongs)
    }

    /// Whether the whole body is as documented.
    pub(crate) fn body(&self, _call: &Call, arrival: &Arrival, body: &[u8]) -> Result<(), Invalid> {
        self.body.whole(arrival, body)
    }

    fn check_query(&self, query: &str, wrongs: &mut Vec<Wrong>) {
        if query.is_empty() && self.query.iter().all(|it| !it.required) {
            return;
        }
        let mut values: Vec<Vec<Cow<'_, str>>> = vec![Vec::new(); self.query.len()];
        for (name, value) in query::pairs(query) {
            let Some(name) = query::decode(name) else {
                wrongs.push(Wrong::parameter("query", "must be percent-encoded UTF-8"));
                continue;
            };
            let known = self.query.iter().zip(&mut values).find(|(it, _)| it.name == name);
            match (known, query::decode(value)) {
                (Some((_, values)), Some(value)) => values.push(value),
                (Some((parameter, _)), None) => {
                    wrongs.push(Wrong::parameter(&parameter.name, "must be percent-encoded UTF-8"));
                }
                (None, _) => self.unknown(&name, wrongs),
            }
        }
        for (parameter, values) in self.query.iter().zip(&values) {
            parameter.check(values, wrongs);
        }
    }

    fn unknown(&self, name: &str, wrongs: &mut Vec<Wrong>) {
        let selects = |it: &Selector| matches!(it, Selector::Query(selector) if selector == name);
        if self.unknown_query == UnknownQuery::Reject && !self.selectors.iter().any(selects) {
            let shown = if words::is_plain(name) { name } else { "query" };
            wrongs.push(Wrong::undocumented(shown, "is not a documented query parameter"));
        }
    }

    /// What a header would change that the document says nothing of, nobody has decided about.
    fn check_closed(&self, arrival: &Arrival, wrongs: &mut Vec<Wrong>) {
        if self.closed_headers.is_empty() {
            return;
        }
        let closed = |it: &&HeaderName| self.closed_headers.iter().any(|closed| it.as_str().starts_with(closed));
        let known = |name: &HeaderName| self.headers.iter().any(|(it, _)| it == name || is_of_family(name, it));
        for name in arrival.headers.keys().filter(closed).filter(|it| !known(it)) {
            let shown = if words::is_plain(name.as_str()) { name.as_str() } else { "headers" };
            wrongs.push(Wrong::undocumented(shown, "is not a documented header of this operation"));
        }
    }
}

/// Whether a header is one of those that a documented name ending in `*` stands for.
fn is_of_family(name: &HeaderName, documented: &HeaderName) -> bool {
    documented.as_str().strip_suffix('*').is_some_and(|it| name.as_str().starts_with(it))
}

fn check_header(parameter: &Parameter, name: &HeaderName, arrival: &Arrival, wrongs: &mut Vec<Wrong>) {
    if name.as_str().ends_with('*') {
        for member in arrival.headers.keys().filter(|it| is_of_family(it, name)) {
            check_header(parameter, member, arrival, wrongs);
        }
        return;
    }
    let mut values = Vec::new();
    for value in arrival.headers.get_all(name) {
        match std::str::from_utf8(value.as_bytes()) {
            Ok(value) => values.push(Cow::Borrowed(value)),
            Err(_) => return wrongs.push(Wrong::parameter(&parameter.name, "must be UTF-8")),
        }
    }
    // A list may be spread over several lines, which mean the same as one (RFC 9110 section 5.3).
    if values.len() > 1 && matches!(parameter.shape, Shape::Commas(_)) {
        values = vec![Cow::Owned(values.join(","))];
    }
    parameter.check(&values, wrongs);
}

/// The values of one cookie; one that is not text reads as absent.
fn cookies<'a>(arrival: &'a Arrival, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
    let lines = arrival.headers.get_all(COOKIE).iter().filter_map(|it| it.to_str().ok());
    let pairs = lines.flat_map(|it| it.split(';')).filter_map(|it| it.trim().split_once('='));
    pairs.filter(move |(it, _)| *it == name).map(|(_, value)| Cow::Borrowed(value))
}

#[cfg(test)]
mod tests;
