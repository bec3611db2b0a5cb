//! The way back to a client.

use axum::http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::oauth::{Code, Fault};
use crate::operations::REFUSED;

/// What is encoded in a query: all but RFC 3986's unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where a user is sent back to, which the client has named before; and what goes with every answer.
#[derive(Clone, Debug)]
pub(crate) struct Back {
    pub(crate) uri: String,
    pub(crate) state: Option<String>,
    issuer: String,
}

impl Back {
    /// To a place that was found among those of the client.
    pub(crate) fn new(uri: &str, state: Option<&str>, issuer: &str) -> Self {
        Self { uri: uri.to_owned(), state: state.map(str::to_owned), issuer: issuer.to_owned() }
    }

    /// With what is wrong.
    pub(crate) fn refuse(&self, fault: Fault) -> Response {
        self.lead(&[("error", fault.code.as_str()), ("error_description", fault.told)], Some(fault.code))
    }

    /// With a code.
    pub(crate) fn hand_over(&self, code: &str) -> Response {
        self.lead(&[("code", code)], None)
    }

    /// The origin that it leads to.
    pub(crate) fn origin(&self) -> &str {
        let host = self.uri.find("://").map_or(0, |it| it + 3);
        let rest = self.uri.get(host..).unwrap_or_default();
        let end = rest.find(['/', '?']).map_or(self.uri.len(), |it| host + it);
        self.uri.get(..end).unwrap_or_default()
    }

    fn lead(&self, told: &[(&str, &str)], refused: Option<Code>) -> Response {
        let state = self.state.as_deref().map(|it| ("state", it));
        let all: Vec<(&str, &str)> = told.iter().copied().chain(state).chain([("iss", self.issuer.as_str())]).collect();
        let mark = if self.uri.contains('?') { '&' } else { '?' };
        see(&format!("{}{mark}{}", self.uri, query(&all)), refused)
    }
}

/// Parameters, as a query has them.
pub(crate) fn query(all: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", encoded(value));
    all.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// A value, as a query has it.
pub(crate) fn encoded(value: &str) -> String {
    utf8_percent_encode(value, ENCODED).to_string()
}

/// Leads a browser on with GET, whatever it came with, so that nothing that it has sent is sent on.
pub(crate) fn see(place: &str, refused: Option<Code>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Some(code) = refused {
        headers.insert(REFUSED, HeaderValue::from_static(code.as_str()));
    }
    if let Ok(place) = HeaderValue::try_from(place) {
        headers.insert(LOCATION, place);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_says_whose_it_is_and_nothing_in_it_breaks_out() {
        let back = Back::new("https://app.example/cb?a=b", Some("x&iss=evil#\r\n\u{e9}"), "https://api.example.org");
        let place = |response: &Response| response.headers()["location"].to_str().unwrap().to_owned();
        let told = back.hand_over("abc");
        assert_eq!(told.status(), StatusCode::SEE_OTHER);
        assert_eq!(
            place(&told),
            "https://app.example/cb?a=b&code=abc&state=x%26iss%3Devil%23%0D%0A%C3%A9&iss=https%3A%2F%2Fapi.example.org"
        );
        let refused = back.refuse(Fault::new(Code::AccessDenied, "no"));
        assert!(place(&refused).contains("error=access_denied&error_description=no&state="));
        assert_eq!(refused.headers()[REFUSED], "access_denied");
        for (uri, origin) in [
            ("https://app.example", "https://app.example"),
            ("https://app.example?x", "https://app.example"),
            ("http://[::1]:7000/cb", "http://[::1]:7000"),
        ] {
            assert_eq!(Back::new(uri, None, "i").origin(), origin);
        }
    }
}
