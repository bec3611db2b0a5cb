//! What tells an operation from others of its path: that a query parameter is there, or a header.

use std::fmt;

use http::{HeaderMap, HeaderName};

use crate::validate::query;

/// How a selector begins that names a header.
const HEADER: &str = "header:";

/// Headers that every request may have for reasons of its own, or that do not go on: what belongs to the connection or
/// delimits the body, and what says who asks, for which host, with which content.
const OF_EVERY_REQUEST: [&str; 15] = [
    "accept",
    "authorization",
    "connection",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// How such headers begin.
const BEGINNINGS: [&str; 4] = ["content-", "x-portcullis-", "x-forwarded-", "sec-"];

/// Something a request must have to name an operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// A query parameter, whatever its value is.
    Query(String),
    /// A header, whatever its value is and however often it is there.
    Header(HeaderName),
}

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unselectable {
    /// Nothing is named.
    #[error("has an empty selector")]
    Empty,
    /// Neither form.
    #[error("has a selector `{0}`, which is neither the name of a query parameter nor `header:` and that of a header")]
    UnknownForm(String),
    /// A header that tells nothing.
    #[error("has a selector `header:{0}`, but that header is there for reasons of its own, or never")]
    OfEveryRequest(HeaderName),
}

impl Selector {
    /// Reads `uploadId` or `header:x-amz-copy-source`.
    pub(crate) fn parse(text: &str) -> Result<Self, Unselectable> {
        if text.is_empty() {
            return Err(Unselectable::Empty);
        }
        let unknown = || Unselectable::UnknownForm(text.to_owned());
        if let Some(name) = text.strip_prefix(HEADER) {
            let name: HeaderName = name.parse().map_err(|_| unknown())?;
            return if is_of_every_request(&name) {
                Err(Unselectable::OfEveryRequest(name))
            } else {
                Ok(Self::Header(name))
            };
        }
        let plain = text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.~[]".contains(&it));
        if plain { Ok(Self::Query(text.to_owned())) } else { Err(unknown()) }
    }

    /// Whether a request has it.
    pub(crate) fn is_met(&self, query: &str, headers: &HeaderMap) -> bool {
        match self {
            Self::Query(name) => query::names(query).any(|it| it == *name),
            Self::Header(name) => headers.contains_key(name),
        }
    }

    /// The header that it names, if it is one.
    pub fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name) => Some(name),
            Self::Query(_) => None,
        }
    }
}

impl fmt::Display for Selector {
    /// As documents write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(name) => f.write_str(name),
            Self::Header(name) => write!(f, "{HEADER}{name}"),
        }
    }
}

/// Whether a header is one that a profile or a document cannot give a meaning of its own.
pub(crate) fn is_of_every_request(name: &HeaderName) -> bool {
    let name = name.as_str();
    let plain = name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    !plain || OF_EVERY_REQUEST.contains(&name) || BEGINNINGS.iter().any(|it| name.starts_with(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_names_a_query_parameter_or_a_header_and_says_which() {
        for text in ["uploadId", "list-type", "header:x-amz-copy-source", "filter[name]"] {
            assert_eq!(Selector::parse(text).unwrap().to_string(), text);
        }
        let cased = Selector::parse("header:X-Amz-Copy-Source").unwrap();
        assert_eq!(cased.to_string(), "header:x-amz-copy-source");
        assert_eq!(Selector::parse(""), Err(Unselectable::Empty));
        for text in ["cookie:sid", "header:", "header:a b", "Header:x", "a=b", "a?b", "a b"] {
            assert_eq!(Selector::parse(text), Err(Unselectable::UnknownForm(text.to_owned())));
        }
        for name in ["host", "content-length", "connection", "authorization", "x-portcullis-tenant", "x_a"] {
            let name: HeaderName = name.parse().unwrap();
            assert_eq!(Selector::parse(&format!("header:{name}")), Err(Unselectable::OfEveryRequest(name)));
        }
    }

    #[test]
    fn a_header_is_there_however_it_is_spelled_and_whatever_it_holds() {
        let copy = Selector::parse("header:x-amz-copy-source").unwrap();
        let headers = |name: &str, value: &'static str| {
            HeaderMap::from_iter([(name.parse::<HeaderName>().unwrap(), http::HeaderValue::from_static(value))])
        };
        assert!(copy.is_met("", &headers("X-AMZ-COPY-SOURCE", "")));
        assert!(!copy.is_met("x-amz-copy-source=/a/b", &HeaderMap::new()));
        assert!(!copy.is_met("", &headers("x-amz-copy-source-range", "0-1")));
        assert!(!Selector::parse("uploadId").unwrap().is_met("", &headers("uploadid", "1")));
    }
}
