//! Sessions of browsers: a token in a cookie, and who may have sent it.
//!
//! A browser sends its cookies whoever made the page that asks. So what is shown in one is believed for a change only where
//! the browser says that the page was the API's own.

use http::HeaderMap;
use http::header::{COOKIE, ORIGIN};

use crate::Cause;

/// What a browser says of where a request comes from; scripts cannot set it.
const FETCH_SITE: &str = "sec-fetch-site";

/// Which sessions an API takes.
#[derive(Clone, Copy, Debug)]
pub struct SessionRules<'a> {
    /// The cookie with the access token of a session.
    pub access: &'a str,
    /// The cookie with its refresh token, which is shown to whoever renews sessions and is no credential anywhere else.
    pub refresh: &'a str,
    /// Whose pages may send changes, for browsers that say no more than the origin: `https://console.example`.
    pub origins: &'a [String],
    /// Who must have issued the token.
    pub issuer: &'a str,
    /// What a session is for the operation.
    pub role: SessionRole,
}

/// What a session is for one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionRole {
    /// Its credential.
    Credential,
    /// A credential that it does not take.
    NotTaken,
    /// None of its business, or its own: anybody may ask, and a browser sends its cookies unasked.
    Passed,
}

/// The token of the session that is shown, if one is. One cookie that is there twice is two sessions: a page of a sibling
/// host can have set one of them.
pub(crate) fn shown<'a>(headers: &'a HeaderMap, rules: &SessionRules<'_>) -> Result<Option<&'a str>, Cause> {
    let access = cookie(headers, rules.access)?;
    cookie(headers, rules.refresh)?;
    Ok(access.filter(|_| rules.role != SessionRole::Passed))
}

/// The value of a cookie, if it is there.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Cause> {
    let lines = headers.get_all(COOKIE).iter().flat_map(|it| it.as_bytes().split(|it| *it == b';'));
    let mut found = None;
    for pair in lines {
        let mut halves = pair.splitn(2, |it| *it == b'=');
        if halves.next().unwrap_or_default().trim_ascii() != name.as_bytes() {
            continue;
        }
        if found.is_some() {
            return Err(Cause::TwoCredentials);
        }
        let value = halves.next().unwrap_or_default().trim_ascii();
        found = Some(std::str::from_utf8(value).map_err(|_| Cause::Malformed)?);
    }
    Ok(found)
}

/// Whether a browser says that the page which sends this is the API's own, or that there is none; where it says nothing of
/// the kind, whether the page is of one of these origins.
pub fn is_same_site<'a>(headers: &HeaderMap, origins: impl IntoIterator<Item = &'a str>) -> bool {
    let mut said = headers.get_all(FETCH_SITE).iter();
    match (said.next(), said.next()) {
        (Some(site), None) => site == "same-origin" || site == "none",
        (Some(_), Some(_)) => false,
        (None, _) => {
            let mut said = headers.get_all(ORIGIN).iter();
            let (Some(origin), None) = (said.next(), said.next()) else { return false };
            origins.into_iter().any(|it| origin == it)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_change_is_believed_where_the_browser_says_that_the_page_is_the_apis_own() {
        let check = |lines: &[(&'static str, &str)], expected: bool| {
            assert_eq!(is_same_site(&headers(lines), ["https://a.example"]), expected, "{lines:?}");
        };
        let (site, origin) = ("sec-fetch-site", "origin");
        check(&[(site, "same-origin")], true);
        check(&[(site, "none")], true);
        check(&[(site, "same-site")], false);
        check(&[(site, "cross-site")], false);
        check(&[(site, "Same-Origin")], false);
        check(&[(site, "same-origin"), (site, "same-origin")], false);
        check(&[(site, "cross-site"), (origin, "https://a.example")], false);
        check(&[(origin, "https://a.example")], true);
        check(&[(origin, "https://a.example"), (origin, "https://a.example")], false);
        for other in ["https://b.example", "http://a.example", "https://a.example:444", "null", "https://a.example/"] {
            check(&[(origin, other)], false);
        }
        check(&[], false);
    }

    #[test]
    fn a_cookie_is_read_by_its_very_name_and_once() {
        let check = |lines: &[&str], expected: Result<Option<&str>, Cause>| {
            let lines: Vec<_> = lines.iter().map(|it| ("cookie", *it)).collect();
            assert_eq!(cookie(&headers(&lines), "sid"), expected, "{lines:?}");
        };
        check(&["a=1; sid=x=y;b=2"], Ok(Some("x=y")));
        check(&["a=1", " sid = x "], Ok(Some("x")));
        check(&["sid"], Ok(Some("")));
        check(&["SID=x; sids=x; a=sid"], Ok(None));
        check(&["sid=x; sid=x"], Err(Cause::TwoCredentials));
        check(&["sid=x", "sid=y"], Err(Cause::TwoCredentials));
        check(&[], Ok(None));
    }
}
