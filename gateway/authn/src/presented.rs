//! What was shown, and where: every place is counted before anything is believed.
//!
//! Knows how a credential looks. Does not know whether it is good.

use domain::{Arrival, AuthMethod, keyformat};
use http::header::AUTHORIZATION;
use percent_encoding::percent_decode;

use crate::Cause;
use crate::cookie::{self, SessionRules};
use crate::dpop::SCHEME;

/// The longest credential there can be, in bytes.
const MAX_CREDENTIAL: usize = 8 * 1024;

/// The one credential of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presented<'a> {
    /// None at all.
    Nothing,
    /// `Bearer` and a key of our form whose checksum holds.
    Checked(&'a str),
    /// `Bearer` and an access token, by its two dots.
    Token(&'a str),
    /// `DPoP` and an access token that is bound to a key.
    Bound(&'a str),
    /// `Bearer` and anything else.
    Bare(&'a str),
    /// A signature, in the header or in the query.
    Signature,
    /// The token of a session, in a cookie.
    Session(&'a str),
}

impl Presented<'_> {
    /// As what it is shown.
    pub(crate) fn method(self) -> Option<AuthMethod> {
        match self {
            Self::Nothing => None,
            Self::Checked(_) | Self::Bare(_) => Some(AuthMethod::ApiKey),
            Self::Token(_) | Self::Bound(_) => Some(AuthMethod::AccessToken),
            Self::Signature => Some(AuthMethod::SigV4),
            Self::Session(_) => Some(AuthMethod::Session),
        }
    }
}

/// Finds the one credential. Two are refused whatever they are: which one counts is not for two parsers to differ on.
pub(crate) fn classify<'a>(arrival: &'a Arrival, sessions: Option<SessionRules<'_>>) -> Result<Presented<'a>, Cause> {
    let signed_query = look_through(arrival.query())?;
    let session = match sessions {
        Some(rules) => cookie::shown(&arrival.headers, &rules)?,
        None => None,
    };
    let mut lines = arrival.headers.get_all(AUTHORIZATION).iter();
    let Some(line) = lines.next() else {
        return match (signed_query, session) {
            (true, Some(_)) => Err(Cause::TwoCredentials),
            (true, None) => Ok(Presented::Signature),
            (false, Some(token)) if MAX_CREDENTIAL < token.len() => Err(Cause::Oversized),
            (false, Some(token)) => Ok(Presented::Session(token)),
            (false, None) => Ok(Presented::Nothing),
        };
    };
    if lines.next().is_some() || signed_query || session.is_some() {
        return Err(Cause::TwoCredentials);
    }
    if line.len() > MAX_CREDENTIAL {
        return Err(Cause::Oversized);
    }
    let line = std::str::from_utf8(line.as_bytes()).map_err(|_| Cause::Malformed)?;
    // A scheme is short: looking at each byte is quicker than setting out to look at many.
    let space = line.bytes().position(|it| it == b' ').ok_or(Cause::Malformed)?;
    let (scheme, rest) = line.split_at_checked(space).ok_or(Cause::Malformed)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        read_bearer(rest.trim_matches(' '))
    } else if scheme.eq_ignore_ascii_case(SCHEME) {
        read_bound(rest.trim_matches(' '))
    } else if scheme.eq_ignore_ascii_case("aws4-hmac-sha256") {
        Ok(Presented::Signature)
    } else {
        Err(Cause::SchemeNotTaken)
    }
}

fn read_bearer(shown: &str) -> Result<Presented<'_>, Cause> {
    if keyformat::prefix(shown).is_some() {
        Ok(Presented::Checked(shown))
    } else if shown.is_empty() || !keyformat::fits_header(shown) {
        Err(Cause::Malformed)
    } else if keyformat::looks_like_token(shown) {
        Ok(Presented::Token(shown))
    } else {
        Ok(Presented::Bare(shown))
    }
}

/// Nothing but tokens is bound to keys.
fn read_bound(shown: &str) -> Result<Presented<'_>, Cause> {
    let token = keyformat::fits_header(shown) && keyformat::looks_like_token(shown);
    if token { Ok(Presented::Bound(shown)) } else { Err(Cause::Malformed) }
}

/// Whether the query holds a signature. Other credentials do not belong there: addresses are logged on the way.
fn look_through(query: &str) -> Result<bool, Cause> {
    let mut signed = false;
    for pair in query.as_bytes().split(|it| *it == b'&') {
        let name = pair.split(|it| *it == b'=').next().unwrap_or_default();
        // However a name is spelled, the parser of the next hop may read it.
        if is(name, "access_token") || is(name, "api_key") {
            return Err(Cause::InUrl);
        }
        signed |= is(name, "x-amz-signature") || is(name, "x-amz-credential");
    }
    Ok(signed)
}

fn is(name: &[u8], wanted: &str) -> bool {
    if name.len() == wanted.len() {
        name.eq_ignore_ascii_case(wanted.as_bytes())
    } else {
        // Decoding never makes a name longer.
        wanted.len() < name.len() && percent_decode(name).map(|it| it.to_ascii_lowercase()).eq(wanted.bytes())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::cookie::SessionRole;
    use crate::testing::{arrival, minted_key};

    #[track_caller]
    fn check(target: &str, authorization: &[&str], expected: &Result<Presented<'_>, Cause>) {
        let lines: Vec<_> = authorization.iter().map(|it| ("authorization", *it)).collect();
        let arrival = arrival(target, &lines);
        assert!(classify(&arrival, None) == *expected, "{target} {authorization:?}");
    }

    #[test]
    fn a_credential_is_known_by_its_form() {
        let key = minted_key("nsx_live_", 1);
        check("/", &[], &Ok(Presented::Nothing));
        check("/", &[&format!("Bearer {key}")], &Ok(Presented::Checked(&key)));
        check("/", &[&format!("bEARER   {key} ")], &Ok(Presented::Checked(&key)));
        check("/", &["Bearer nsx_live_a1b2c3d4"], &Ok(Presented::Bare("nsx_live_a1b2c3d4")));
        check("/", &["Bearer a.b.c"], &Ok(Presented::Token("a.b.c")));
        check("/", &["Bearer a.b"], &Ok(Presented::Bare("a.b")));
        check("/", &["dpop a.b.c"], &Ok(Presented::Bound("a.b.c")));
        check("/", &["aws4-hmac-sha256 Credential=x"], &Ok(Presented::Signature));
        check("/?X-Amz-Signature=00", &[], &Ok(Presented::Signature));
    }

    #[test]
    fn what_has_no_known_form_is_refused() {
        for bad in ["", "Bearer", "Bearer ", "Bearer a b", "Bearer a,Bearer b", "Bearer \u{e9}", "Bearer\tx"] {
            check("/", &[bad], &Err(Cause::Malformed));
        }
        for bad in ["DPoP", "DPoP ", "DPoP a.b", "DPoP a.b.c d", &format!("DPoP {}", minted_key("nsx_live_", 1))] {
            check("/", &[bad], &Err(Cause::Malformed));
        }
        check("/", &["Basic dXNlcjpwYXNz"], &Err(Cause::SchemeNotTaken));
        check("/", &["Digest username=x"], &Err(Cause::SchemeNotTaken));
    }

    #[test]
    fn two_credentials_are_two_wherever_they_are() {
        let key = format!("Bearer {}", minted_key("nsx_live_", 1));
        check("/", &[&key, &key], &Err(Cause::TwoCredentials));
        check("/", &[&key, ""], &Err(Cause::TwoCredentials));
        check("/", &["DPoP a.b.c", "Bearer a.b.c"], &Err(Cause::TwoCredentials));
        check("/?X-Amz-Signature=0", &["DPoP a.b.c"], &Err(Cause::TwoCredentials));
        for query in ["X-Amz-Signature=0", "x-amz-credential=0", "a=b&X%2DAmz-Signature", "&&X-AMZ-SIGNATURE=1"] {
            check(&format!("/?{query}"), &[&key], &Err(Cause::TwoCredentials));
        }
    }

    #[test]
    fn a_session_is_a_credential_beside_any_other() {
        let rules = |role| SessionRules { access: "sid", refresh: "refresh", origins: &[], issuer: "", role };
        let key = format!("Bearer {}", minted_key("nsx_live_", 1));
        let check = |target: &str, lines: &[(&str, &str)], expected: Result<Presented<'_>, Cause>| {
            let rules = rules(SessionRole::Credential);
            assert!(classify(&arrival(target, lines), Some(rules)) == expected, "{target} {lines:?}");
        };
        check("/", &[("cookie", "a=1; sid=x;refresh=y")], Ok(Presented::Session("x")));
        check("/", &[("cookie", "a=1"), ("cookie", " sid =x")], Ok(Presented::Session("x")));
        check("/", &[("cookie", "a=sid; sids=1; SID=1")], Ok(Presented::Nothing));
        check("/", &[("cookie", "refresh=x")], Ok(Presented::Nothing));
        check("/", &[("cookie", "sid=x; sid=y")], Err(Cause::TwoCredentials));
        check("/", &[("cookie", "refresh=x; refresh=y")], Err(Cause::TwoCredentials));
        check("/", &[("cookie", "sid=x"), ("authorization", &key)], Err(Cause::TwoCredentials));
        check("/?X-Amz-Signature=0", &[("cookie", "sid=x")], Err(Cause::TwoCredentials));
        let longest = format!("sid={}", "a".repeat(MAX_CREDENTIAL + 1));
        check("/", &[("cookie", &longest)], Err(Cause::Oversized));
        // Where anybody may ask, what a browser sends unasked is nobody's claim; two of one name are two all the same.
        let passed = |line: &str| {
            classify(&arrival("/", &[("cookie", line)]), Some(rules(SessionRole::Passed)))
                .map(|it| it == Presented::Nothing)
        };
        assert_eq!(passed("sid=x; refresh=y"), Ok(true));
        assert_eq!(passed("refresh=x; refresh=y"), Err(Cause::TwoCredentials));
    }

    #[test]
    fn a_key_in_the_address_is_refused_however_its_name_is_spelled() {
        for query in
            ["access_token=x", "api_key=x", "a=1&API_KEY=x", "access%5Ftoken=", "%61pi_key", "api_key=x&api_key"]
        {
            check(&format!("/?{query}"), &[], &Err(Cause::InUrl));
        }
        for query in ["api_keys=x", "x=api_key", "token=x", "my_access_token=x"] {
            check(&format!("/?{query}"), &[], &Ok(Presented::Nothing));
        }
    }

    #[test]
    fn a_credential_over_8_kib_is_refused_before_it_is_read() {
        let longest = "a".repeat(MAX_CREDENTIAL - "Bearer ".len());
        check("/", &[&format!("Bearer {longest}")], &Ok(Presented::Bare(&longest)));
        check("/", &[&format!("Bearer {longest}a")], &Err(Cause::Oversized));
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_never_takes_two(
            query in "([ -~]{0,12}|&|=|X-Amz-Signature|%[0-9a-f]{2}|access_token){0,6}",
            lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..4),
        ) {
            let mut arrival = arrival(&format!("/?{query}"), &[]);
            for line in &lines {
                if let Ok(value) = HeaderValue::from_bytes(line) {
                    arrival.headers.append(AUTHORIZATION, value);
                }
            }
            let shown = arrival.headers.get_all(AUTHORIZATION).iter().count();
            let read = classify(&arrival, None);
            if 1 < shown {
                prop_assert!(read.is_err());
            }
            if shown == 1 && query.to_lowercase().contains("&x-amz-signature=") {
                prop_assert!(read.is_err());
            }
        }

        #[test]
        fn a_bearer_key_is_read_whatever_it_is_made_of(key in "[!-+.-~]{1,60}") {
            let arrival = arrival("/", &[("authorization", &format!("Bearer {key}"))]);
            let bare = key.bytes().filter(|it| *it == b'.').count() != 2 && keyformat::prefix(&key).is_none();
            if bare {
                prop_assert!(classify(&arrival, None) == Ok(Presented::Bare(&key)));
            }
        }
    }
}
