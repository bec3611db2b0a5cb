//! The parameters of an OAuth request, each once.

use std::collections::BTreeMap;

use axum::http::header::CONTENT_TYPE;
use percent_encoding::percent_decode_str;

use super::{Code, Fault};
use crate::operations::Question;

/// What a form must be called.
const FORM: &str = "application/x-www-form-urlencoded";

/// The parameters. They may be secrets, so that it has no `Debug`.
#[derive(Clone, Default)]
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    /// From the body of a request.
    pub(crate) fn of_body(question: &Question) -> Result<Self, Fault> {
        let mut types = question.headers.get_all(CONTENT_TYPE).iter().filter_map(|it| it.to_str().ok());
        let (kind, more) = (types.next().unwrap_or_default(), types.next());
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case(FORM) || more.is_some() {
            return Err(Fault::new(Code::InvalidRequest, "the body must be application/x-www-form-urlencoded"));
        }
        let text = std::str::from_utf8(&question.body).map_err(|_| UNREADABLE)?;
        Self::read(text)
    }

    /// From what stands in a body or a query. What has no value is as if it were not there (RFC 6749 section 3.1), and what
    /// is there twice could mean either.
    pub(crate) fn read(text: &str) -> Result<Self, Fault> {
        let mut read = BTreeMap::new();
        for pair in text.split('&').filter(|it| !it.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name).ok_or(UNREADABLE)?, decoded(value).ok_or(UNREADABLE)?);
            if read.insert(name, value).is_some() {
                return Err(Fault::new(Code::InvalidRequest, "a parameter is there twice"));
            }
        }
        read.retain(|_, value| !value.is_empty());
        Ok(Self(read))
    }

    /// From what was kept of another.
    pub(crate) fn of(all: BTreeMap<String, String>) -> Self {
        Self(all)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn required(&self, name: &str, told: &'static str) -> Result<&str, Fault> {
        self.get(name).ok_or(Fault::new(Code::InvalidRequest, told))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// All of them but this.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// All of them, and this.
    pub(crate) fn with(mut self, name: &str, value: String) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// All of them but those that show who a client is.
    pub(crate) fn without_proof(mut self) -> BTreeMap<String, String> {
        self.0
            .retain(|name, _| !["client_secret", "client_assertion", "client_assertion_type"].contains(&name.as_str()));
        self.0
    }
}

const UNREADABLE: Fault = Fault { code: Code::InvalidRequest, told: "the parameters must be percent-encoded UTF-8" };

/// As forms are encoded; nothing where an encoding is broken or is not UTF-8.
pub(crate) fn decoded(raw: &str) -> Option<String> {
    let is_hex = |it: &str| it.as_bytes().first_chunk::<2>().is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit));
    let whole = raw.split('%').skip(1).all(is_hex);
    let spaced = raw.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?.into_owned();
    whole.then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_without_a_value_is_not_there_and_one_that_is_there_twice_is_refused() {
        let form = Form::read("a=1&b=&c&d=x+y%2Bz&&%65=%C3%A9").ok().unwrap();
        assert_eq!((form.get("a"), form.get("d"), form.get("e")), (Some("1"), Some("x y+z"), Some("\u{e9}")));
        assert!(!form.has("b") && !form.has("c"));
        for bad in ["a=1&a=1", "a=1&%61=2", "a=%", "a=%4", "a=%zz", "a=%ff", "a&a=1"] {
            assert!(Form::read(bad).is_err(), "{bad}");
        }
    }
}
