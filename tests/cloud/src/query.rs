//! Query parameters, read the way every one of these APIs means them. A fault names its parameter.

use std::convert::Infallible;
use std::ops::RangeInclusive;

use axum::extract::FromRequestParts;
use domain::Timestamp;
use http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::refused::Refused;

/// The parameters of one request, in the order they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands behind the `?`.
    pub(crate) fn of(raw: &str) -> Self {
        let pairs = raw.split('&').filter(|it| !it.is_empty());
        Self(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(n, v)| (plain(n), plain(v))).collect())
    }

    /// A text; one that is empty says nothing.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Refused> {
        let mut values = self.values(name);
        let first = values.next();
        match values.next() {
            Some(_) => Err(Refused::invalid(name, format!("{name} may be given once only"))),
            None => Ok(first.filter(|it| !it.is_empty())),
        }
    }

    /// A whole number within `range`.
    pub(crate) fn number(&self, name: &str, range: RangeInclusive<usize>) -> Result<Option<usize>, Refused> {
        let wrong = || {
            let (least, most) = (range.start(), range.end());
            Refused::invalid(name, format!("{name} must be a whole number from {least} to {most}"))
        };
        let read = |it: &str| it.parse().ok().filter(|number| range.contains(number)).ok_or_else(wrong);
        self.text(name)?.map(read).transpose()
    }

    /// One of `choices`.
    pub(crate) fn choice(&self, name: &str, choices: &[&str]) -> Result<Option<&str>, Refused> {
        let wrong = || Refused::invalid(name, format!("{name} must be one of {}", choices.join(", ")));
        self.text(name)?.map(|it| if choices.contains(&it) { Ok(it) } else { Err(wrong()) }).transpose()
    }

    /// `true` or `false`; false when nothing is said.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refused> {
        Ok(self.choice(name, &["true", "false"])?.is_some_and(|it| it == "true"))
    }

    /// A moment as RFC 3339 writes it.
    pub(crate) fn moment(&self, name: &str) -> Result<Option<Timestamp>, Refused> {
        let wrong = || Refused::invalid(name, format!("{name} must be a moment such as 2026-01-31T00:00:00Z"));
        self.text(name)?.map(|it| it.replace(' ', "+").parse().map_err(|_| wrong())).transpose()
    }

    /// Several texts: repeated, or with commas between them.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        self.values(name).flat_map(|it| it.split(',')).filter(|it| !it.is_empty()).collect()
    }

    /// True where the parameter is there at all, whatever it says.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts.uri.query().unwrap_or_default()))
    }
}

fn plain(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused<T: std::fmt::Debug>(read: Result<T, Refused>, param: &str) {
        assert_eq!(read.unwrap_err().param.as_deref(), Some(param));
    }

    #[test]
    fn parameters_are_read_as_they_were_meant() {
        let query = Query::of("region=us-east-1&tags=a,b&tags=c&deep=true&q=a%20b+c&empty=&n=7");
        assert_eq!(query.text("region").unwrap(), Some("us-east-1"));
        assert_eq!(query.texts("tags"), ["a", "b", "c"]);
        assert!(query.flag("deep").unwrap());
        assert_eq!(query.text("q").unwrap(), Some("a b c"));
        assert_eq!((query.text("empty").unwrap(), query.text("absent").unwrap()), (None, None));
        assert_eq!(query.number("n", 1..=9).unwrap(), Some(7));
    }

    #[test]
    fn a_fault_names_its_parameter() {
        let query = Query::of("n=0&m=x&one=1&one=2&flag=yes&since=yesterday&state=odd");
        refused(query.number("n", 1..=9), "n");
        refused(query.number("m", 1..=9), "m");
        refused(query.text("one"), "one");
        refused(query.flag("flag"), "flag");
        refused(query.moment("since"), "since");
        refused(query.choice("state", &["even"]), "state");
    }
}
