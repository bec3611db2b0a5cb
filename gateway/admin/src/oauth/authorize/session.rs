//! Who sits at the browser, as far as they have shown it.

use authn::token::hint;
use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use identity::BrowserSession;

use super::wish::Asked;
use crate::oauth::{Act, Turned};

/// The cookie of a browser that somebody has logged in with.
const SESSION: &str = "__Host-portcullis";

impl Act<'_> {
    /// The session of the browser, where it is one of whom the client means and as fresh as it asks for.
    pub(crate) async fn session(&self, asked: &Asked) -> Result<Option<BrowserSession>, Turned> {
        let Some(session) = self.signed_in().await? else { return Ok(None) };
        let now = self.books().clock().now().wall;
        let stale = asked.max_age.is_some_and(|it| it < now.since(session.authenticated));
        // A log-in of the same second may have come before: it is taken, for no clock tells more.
        let since = asked.since.is_some_and(|it| session.authenticated.seconds() < it);
        let before = asked.logs_in && asked.since.is_none();
        let other = match &asked.hint {
            Some(text) => !self.hints_at(text, &session.user),
            None => false,
        };
        Ok(Some(session).filter(|_| !stale && !since && !before && !other))
    }

    /// The session of the browser, whatever a client asks for.
    pub(crate) async fn signed_in(&self) -> Result<Option<BrowserSession>, Turned> {
        let Some(value) = cookie(&self.question.headers) else { return Ok(None) };
        Ok(self.identity().browser_session(value).await?)
    }

    fn hints_at(&self, text: &str, user: &str) -> bool {
        let keyring = self.books().keyring();
        hint(text, &self.offered.issuer, keyring.token_keys()).is_some_and(|it| it.subject == user)
    }
}

/// The value of the cookie. One that is there twice could be anybody's.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|it| it.to_str().ok());
    let pairs = lines.flat_map(|it| it.split(';')).filter_map(|it| it.trim().split_once('='));
    let mut values = pairs.filter(|(name, _)| *name == SESSION).map(|(_, value)| value);
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_session_is_in_one_cookie_of_its_very_name() {
        let read = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for it in lines {
                headers.append(COOKIE, HeaderValue::from_static(it));
            }
            cookie(&headers).map(str::to_owned)
        };
        assert_eq!(read(&["a=b; __Host-portcullis=x; c=d"]).as_deref(), Some("x"));
        for bad in [
            &["a=b"][..],
            &["__host-portcullis=x"],
            &["__Host-portcullis=x; __Host-portcullis=y"],
            &["__Host-portcullis=x", "__Host-portcullis=y"],
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
