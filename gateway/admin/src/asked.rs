//! What a request says in its query, each parameter once.

use std::collections::BTreeMap;

use domain::{Declined, Timestamp};
use percent_encoding::percent_decode_str;

/// The parameters of one query.
pub(crate) struct Asked(BTreeMap<String, String>);

impl Asked {
    /// Reads them. One that is there twice could mean either.
    pub(crate) fn of(query: &str) -> Result<Self, Declined> {
        let mut asked = BTreeMap::new();
        for pair in query.split('&').filter(|it| !it.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name), decoded(value));
            if asked.insert(name.clone(), value).is_some() {
                return Err(Declined::Parameter(name));
            }
        }
        Ok(Self(asked))
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    pub(crate) fn moment(&self, name: &str) -> Result<Option<Timestamp>, Declined> {
        let read = |it: &String| it.parse().map_err(|_| Declined::Parameter(name.to_owned()));
        self.0.get(name).map(read).transpose()
    }

    /// A number from 1 to `most`; `usual` where it is left out.
    pub(crate) fn number(&self, name: &str, usual: usize, most: usize) -> Result<usize, Declined> {
        let Some(text) = self.0.get(name) else { return Ok(usual) };
        let read = text.parse().ok().filter(|it| (1..=most).contains(it));
        read.ok_or_else(|| Declined::Parameter(name.to_owned()))
    }
}

/// As forms are encoded, which is how the document's own check reads them.
fn decoded(raw: &str) -> String {
    percent_decode_str(&raw.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_is_read_once_and_decoded() {
        let asked = Asked::of("actor=os%3Aann+b&limit=7&since=2026-07-31T23:59:59%2B02:00&empty").ok().unwrap();
        assert_eq!(asked.text("actor").as_deref(), Some("os:ann b"));
        assert_eq!((asked.number("limit", 20, 100), asked.number("other", 20, 100)), (Ok(7), Ok(20)));
        assert_eq!(asked.moment("since"), Ok(Some("2026-07-31T21:59:59Z".parse().unwrap())));
        assert_eq!((asked.moment("until"), asked.text("empty")), (Ok(None), Some(String::new())));
        for (query, name) in [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit")] {
            let number = Asked::of(query).ok().unwrap().number(name, 20, 100);
            assert_eq!(number, Err(Declined::Parameter(name.to_owned())), "{query}");
        }
        let since = Asked::of("since=yesterday").ok().unwrap().moment("since");
        assert_eq!(since, Err(Declined::Parameter("since".to_owned())));
        assert_eq!(Asked::of("a=1&b=2&a=3").err(), Some(Declined::Parameter("a".to_owned())));
    }
}
