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
    /// Query parameters that selected the operation.
    pub(crate) selectors: Vec<String>,
    /// What becomes of others.
    pub(crate) unknown_query: UnknownQuery,
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
        if self.unknown_query == UnknownQuery::Reject && !self.selectors.iter().any(|it| it == name) {
            let shown = if words::is_plain(name) { name } else { "query" };
            wrongs.push(Wrong::parameter(shown, "is not a documented query parameter"));
        }
    }
}

fn check_header(parameter: &Parameter, name: &HeaderName, arrival: &Arrival, wrongs: &mut Vec<Wrong>) {
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
