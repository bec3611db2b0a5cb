//! The cookies of sessions, and of browsers in which nobody has signed in yet, to the letter.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use domain::{Declined, Random, keyformat};
use identity::TOKEN_LIFETIME;

/// By what a browser is known before anybody has signed in with it: what was begun in one is of no use in another. It is no
/// session, and its prefix keeps everybody else from setting it (RFC 6265bis).
const LOGIN_COOKIE: &str = "__Host-portcullis-login";

/// How long a browser keeps it after it was last on its way to sign in. Whatever is bound to it ends before.
const LOGIN_LASTS: Duration = Duration::from_hours(1);

/// How many digits it has: 256 bits.
const LOGIN_DIGITS: usize = 43;

/// In which cookies an API keeps its sessions, and whose pages may act by them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCookies {
    /// The cookie with the access token.
    pub access: String,
    /// The cookie with the refresh token.
    pub refresh: String,
    /// The path that the refresh token is sent to, and no other.
    pub refresh_path: String,
    /// The origins of pages that may act by sessions.
    pub origins: Vec<String>,
}

impl SessionCookies {
    /// Sets both. The refresh token goes nowhere but to what renews sessions, and from no other site's page.
    pub(super) fn set(&self, access: &str, refresh: &str, left: Duration) -> Result<[HeaderValue; 2], Declined> {
        self.written([(access, TOKEN_LIFETIME), (refresh, left)])
    }

    /// Takes both away.
    pub(super) fn clear(&self) -> Result<[HeaderValue; 2], Declined> {
        self.written([("", Duration::ZERO), ("", Duration::ZERO)])
    }

    fn written(&self, [access, refresh]: [(&str, Duration); 2]) -> Result<[HeaderValue; 2], Declined> {
        let Self { access: access_name, refresh: refresh_name, refresh_path, .. } = self;
        Ok([cookie(access_name, access, "/", "Lax")?, cookie(refresh_name, refresh, refresh_path, "Strict")?])
    }
}

/// What a browser shows that was on its way to sign in before.
pub(crate) fn shown_at_login(headers: &HeaderMap) -> Option<&str> {
    let shown = authn::cookie(headers, LOGIN_COOKIE).ok().flatten();
    shown.filter(|it| it.len() == LOGIN_DIGITS && it.bytes().all(|it| it.is_ascii_alphanumeric()))
}

/// The same of a browser that is on its way now, and the line that has it keep that from now on. One that is there already
/// stays, so that several windows do not get in each other's way.
pub(crate) fn kept_for_login(headers: &HeaderMap, random: &dyn Random) -> Result<(String, HeaderValue), Declined> {
    let shown = shown_at_login(headers).map(str::to_owned);
    let value = shown.unwrap_or_else(|| keyformat::draw_id("", LOGIN_DIGITS, random));
    let line = cookie(LOGIN_COOKIE, (&value, LOGIN_LASTS), "/", "Lax")?;
    Ok((value, line))
}

/// One line of `Set-Cookie`. No `Domain`: then it goes to this very host and not to its siblings.
pub(super) fn cookie(
    name: &str,
    (value, lasts): (&str, Duration),
    path: &str,
    same_site: &str,
) -> Result<HeaderValue, Declined> {
    let seconds = lasts.as_secs();
    let line = format!("{name}={value}; Path={path}; Max-Age={seconds}; Secure; HttpOnly; SameSite={same_site}");
    let mut line = HeaderValue::try_from(line).map_err(|_| Declined::Failed)?;
    line.set_sensitive(true);
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn a_browser_on_its_way_to_sign_in_keeps_what_it_has_for_an_hour_more_and_nothing_odd() {
        let shows = |it: &str| -> HeaderMap {
            [(axum::http::header::COOKIE, format!("{LOGIN_COOKIE}={it}").parse().unwrap())].into_iter().collect()
        };
        let (drawn, line) = kept_for_login(&HeaderMap::new(), &Fixed(7)).unwrap();
        let expected = format!("{LOGIN_COOKIE}={drawn}; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax");
        assert_eq!((drawn.len(), line.to_str().unwrap()), (43, expected.as_str()));
        assert_eq!(kept_for_login(&shows(&drawn), &Fixed(9)).unwrap(), (drawn.clone(), line));
        for odd in ["", "x", &format!("{drawn}x"), &"-".repeat(43)] {
            assert_eq!(shown_at_login(&shows(odd)), None, "{odd}");
            assert_ne!(kept_for_login(&shows(odd), &Fixed(9)).unwrap().0, odd);
        }
    }

    #[test]
    fn cookies_are_written_to_the_letter() {
        let cookies = SessionCookies {
            access: "cnx_access".to_owned(),
            refresh: "cnx_refresh".to_owned(),
            refresh_path: "/auth".to_owned(),
            origins: Vec::new(),
        };
        let set = cookies.set("a.b.c", "grt_1.0.x", Duration::from_hours(30 * 24)).unwrap();
        assert_eq!(set[0], "cnx_access=a.b.c; Path=/; Max-Age=900; Secure; HttpOnly; SameSite=Lax");
        assert_eq!(set[1], "cnx_refresh=grt_1.0.x; Path=/auth; Max-Age=2592000; Secure; HttpOnly; SameSite=Strict");
        let cleared = cookies.clear().unwrap();
        assert_eq!(cleared[0], "cnx_access=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax");
        assert_eq!(cleared[1], "cnx_refresh=; Path=/auth; Max-Age=0; Secure; HttpOnly; SameSite=Strict");
    }
}
