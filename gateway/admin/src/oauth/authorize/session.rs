//! Who sits at the browser, as far as they have shown it.

use std::time::Duration;

use authn::token::hint;
use domain::Timestamp;
use identity::{BrowserSession, Client};

use super::wish::Asked;
use crate::oauth::{Act, Turned};
use crate::people::BROWSER_COOKIE;

impl Act<'_> {
    /// The session of the browser, where it is one of whom the client means, as fresh as it asks for, and good in its tenant:
    /// what the provider of one tenant says of somebody opens nothing of another.
    pub(crate) async fn session(&self, asked: &Asked, client: &Client) -> Result<Option<BrowserSession>, Turned> {
        let Some(session) = self.signed_in().await? else { return Ok(None) };
        // Whoever was just sent to sign in has done so for this: however long that took, it is as fresh as was asked for.
        let sent = asked.since.map(Timestamp::from_seconds);
        let asked_at = sent.unwrap_or_else(|| self.books().clock().now().wall);
        // Of whom nobody says when they showed who they are, that may be any time ago.
        let old = |most: Duration| session.authenticated.is_none_or(|it| most < asked_at.since(it));
        let stale = asked.max_age.is_some_and(old);
        // A log-in of the same second may have come before: it is taken, for no clock tells more. Who has signed in elsewhere
        // need not have shown anything there, unless that is what was asked for.
        let shown = if asked.logs_in { session.authenticated } else { Some(session.began) };
        let since = asked.since.is_some_and(|it| shown.is_none_or(|shown| shown.seconds() < it));
        let elsewhere = session.tenant.as_ref().is_some_and(|it| *it != client.tenant);
        let before = asked.logs_in && asked.since.is_none();
        let other = match &asked.hint {
            Some(text) => !self.hints_at(text, &session.user),
            None => false,
        };
        Ok(Some(session).filter(|_| !stale && !since && !before && !other && !elsewhere))
    }

    /// The session of the browser, whatever a client asks for.
    pub(crate) async fn signed_in(&self) -> Result<Option<BrowserSession>, Turned> {
        // One that is there twice could be anybody's.
        let Ok(Some(value)) = authn::cookie(&self.question.headers, BROWSER_COOKIE) else { return Ok(None) };
        let session = self.identity().browser_session(value, &self.offered.issuer).await?;
        if let Some(it) = &session {
            self.person.get_or_init(|| it.user.clone());
        }
        Ok(session)
    }

    fn hints_at(&self, text: &str, user: &str) -> bool {
        let keyring = self.books().keyring();
        hint(text, &self.offered.issuer, keyring.token_keys()).is_some_and(|it| it.subject == user)
    }
}
