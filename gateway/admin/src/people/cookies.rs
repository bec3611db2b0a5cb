//! The cookies of sessions, to the letter.

use std::time::Duration;

use axum::http::HeaderValue;
use identity::TOKEN_LIFETIME;

use domain::Declined;

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

/// One line of `Set-Cookie`. No `Domain`: then it goes to this very host and not to its siblings.
pub(crate) fn cookie(
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
