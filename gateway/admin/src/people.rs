//! What is answered of people: their sessions, their accounts, and the page on which they sign in.

mod account;
mod cookies;
mod login;
mod passkeys;
mod rights;
mod sessions;
mod users;

use std::fmt::Display;
use std::net::IpAddr;
use std::time::Duration;

use authn::is_same_site;
use axum::response::Response;
use domain::{ApiName, Declined, KeyId, NativeVerb, TenantId, Timestamp};
use identity::{Identity, SignInError, folded, is_user_id};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::operations::{Offered, Operations, Question};

pub use cookies::SessionCookies;
pub(crate) use cookies::{kept_for_login, shown_at_login};
pub(crate) use login::{BROWSER_COOKIE, browser_cookie, leads_on};
pub(crate) use rights::{giving, named_roles, unkept, within};
pub(crate) use users::LEAST;

/// How long ago somebody may have shown who they are who changes by what they do.
const FRESH: Duration = Duration::from_mins(10);

/// Whoever asks in a session of their own.
pub(crate) struct Own {
    pub(crate) user: String,
    /// The grant of that session.
    pub(crate) session: KeyId,
    /// How they have shown who they are, and when.
    pub(crate) methods: Vec<String>,
    pub(crate) authenticated: Timestamp,
}

/// A secret of a body: gone from memory once it was judged. It has no `Debug`.
#[derive(Deserialize)]
#[serde(from = "String")]
pub(crate) struct Secret(pub(crate) Zeroizing<String>);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// Answers what is asked of people.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other verb is handed on to here")]
pub(crate) async fn answer(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    match question.introduction.verb {
        NativeVerb::SignIn => sessions::sign_in(operations, question).await,
        NativeVerb::RenewSession => sessions::renew(operations, question).await,
        NativeVerb::SignOut => sessions::sign_out(operations, question).await,
        NativeVerb::ListSessions => sessions::list(operations, question).await,
        NativeVerb::EndSession => sessions::end(operations, question).await,
        NativeVerb::EndOwnSessions => sessions::end_own(operations, question).await,
        NativeVerb::ListPeople => users::list(operations, question).await,
        NativeVerb::CreatePerson => users::create(operations, question).await,
        NativeVerb::GetPerson => users::get(operations, question).await,
        NativeVerb::ChangePerson => users::change(operations, question).await,
        NativeVerb::DeletePerson => users::delete(operations, question).await,
        NativeVerb::ChangePassword => account::change_password(operations, question).await,
        NativeVerb::EnrolFactor => account::enrol_factor(operations, question).await,
        NativeVerb::ConfirmFactor => account::confirm_factor(operations, question).await,
        NativeVerb::RemoveFactor => account::remove_factor(operations, question).await,
        NativeVerb::LoginPage => login::page(operations, question).await,
        NativeVerb::SubmitLogin => login::submit(operations, question).await,
        NativeVerb::PasskeysPage => passkeys::page(operations, question).await,
        NativeVerb::ChangePasskeys => passkeys::change(operations, question).await,
        // What others answer.
        _ => Err(Declined::Failed),
    }
}

impl Question {
    /// Whose things the caller may see.
    pub(crate) fn tenant(&self) -> Result<TenantId, Declined> {
        self.caller()?.tenant.parse().map_err(|_| Declined::Failed)
    }

    pub(crate) fn api(&self) -> Result<ApiName, Declined> {
        self.introduction.api.parse().map_err(|_| Declined::Failed)
    }

    /// What a parameter of the path says.
    pub(crate) fn named(&self, name: &str) -> Result<&str, Declined> {
        self.introduction.parameters.get(name).map(String::as_str).ok_or(Declined::NotFound)
    }

    /// What the body says. The document's own check has seen it before.
    pub(crate) fn said<T: DeserializeOwned>(&self) -> Result<T, Declined> {
        serde_json::from_slice(&self.body).map_err(|_| Declined::Parameter("body".to_owned()))
    }

    /// Refuses what a browser sends for a page that is none of these origins'.
    fn must_come_from<'a>(&self, origins: impl IntoIterator<Item = &'a str>) -> Result<(), Declined> {
        if is_same_site(&self.headers, origins) { Ok(()) } else { Err(Declined::CrossSite) }
    }

    /// Refuses a secret that others could have read.
    pub(crate) fn unseen(&self) -> Result<(), Declined> {
        if self.introduction.tls { Ok(()) } else { Err(Declined::PlainHttp) }
    }
}

impl Operations {
    /// What the API that is asked offers.
    pub(crate) fn offered(&self, question: &Question) -> Result<Offered, Declined> {
        self.books().offered(&question.introduction.api).ok_or(Declined::Failed)
    }

    /// The verbs, in the name of whoever asks.
    pub(crate) fn acting(&self, question: &Question) -> Result<Identity, Declined> {
        Ok(self.books().identity().clone().acting_for(&question.caller()?.key))
    }

    /// The user who asks, by the session that they ask in. Nobody else has an account of their own.
    pub(crate) fn user_of(&self, question: &Question) -> Result<Own, Declined> {
        let key: KeyId = question.caller()?.key.parse().map_err(|_| Declined::Failed)?;
        let keyring = self.books().keyring();
        let standing = keyring.by_id(&key).ok_or(Declined::Unproven)?.standing();
        let grant = standing.grant.as_ref().filter(|it| it.kind == domain::GrantKind::Session);
        match (grant, &standing.owner) {
            (Some(grant), Some(owner)) => Ok(Own {
                user: owner.clone(),
                session: standing.key.clone(),
                methods: grant.methods.clone(),
                authenticated: grant.authenticated.ok_or(Declined::Failed)?,
            }),
            _ => Err(Declined::NotFound),
        }
    }

    /// The user whose own it is by what somebody asks, a session as well as a key, where it is one's.
    pub(crate) fn user_behind(&self, question: &Question) -> Result<Option<String>, Declined> {
        let key: KeyId = question.caller()?.key.parse().map_err(|_| Declined::Failed)?;
        let keyring = self.books().keyring();
        let standing = keyring.by_id(&key).ok_or(Declined::Unproven)?.standing();
        Ok(standing.owner.clone().filter(|it| is_user_id(it)))
    }

    /// Refuses somebody who has guessed too often, as their address or as the account that is guessed at.
    pub(crate) fn heed_tries(&self, name: &str) -> Result<(), Declined> {
        let now = self.books().clock().tick();
        let refusal = self.books().limiter().tries_refusal(name, now);
        refusal.map_or(Ok(()), |it| Err(Declined::TooOften(it.retry_after().as_secs())))
    }

    /// Counts a password that is shown for a name before it is judged. Refuses it where those before it were wrong and it comes
    /// too soon: unlooked at, whoever has the name or nobody.
    pub(crate) fn begin_guess(&self, name: &str) -> Result<(), Declined> {
        let begun = self.books().limiter().begin_guess(&folded(name), self.books().clock().tick());
        begun.map_err(|it| Declined::TooOften(it.retry_after().as_secs()))
    }

    /// It was not judged, or was not wrong.
    pub(crate) fn take_back_guess(&self, name: &str) {
        self.books().limiter().take_back_guess(&folded(name), self.books().clock().tick());
    }

    /// It was right.
    pub(crate) fn forget_guesses(&self, name: &str) {
        self.books().limiter().forget_guesses(&folded(name), self.books().clock().tick());
    }

    pub(crate) fn count_try(&self, name: &str) {
        self.books().limiter().failed_try(name, self.books().clock().tick());
    }
}

/// Under what the guesses of an address are counted: of the newer kind half of it, which is what one customer has.
pub(crate) fn guesser(source: IpAddr) -> String {
    match source {
        IpAddr::V4(it) => format!("sign-in from {it}"),
        IpAddr::V6(it) => {
            let [a, b, c, d, ..] = it.segments();
            format!("sign-in from {a:x}:{b:x}:{c:x}:{d:x}")
        }
    }
}

/// Whether somebody has shown who they are lately enough to change how they do.
fn is_fresh(authenticated: Timestamp, now: Timestamp) -> bool {
    now.since(authenticated) < FRESH
}

/// How a sign-in that was refused is told. Which guesses count is for the caller of this.
fn refused(cause: SignInError) -> Declined {
    match cause {
        SignInError::Wrong | SignInError::Gone => Declined::Unproven,
        SignInError::TooOften(wait) => Declined::TooOften(wait.as_secs().max(1)),
        SignInError::Busy(_) => Declined::Busy,
        SignInError::Store(cause) => failed(cause),
    }
}

/// A fault of ours: told to whoever operates this, and to nobody else.
pub(crate) fn failed(cause: impl Display) -> Declined {
    tracing::error!(%cause, "a verb of people failed");
    Declined::Failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_signed_in_less_than_ten_minutes_ago_has_done_so_lately() {
        let then = Timestamp::from_seconds(1_790_000_000);
        assert!(is_fresh(then, then + Duration::from_secs(599)));
        assert!(!is_fresh(then, then + Duration::from_mins(10)));
    }

    #[test]
    fn a_network_of_the_newer_kind_guesses_as_one() {
        let of = |it: &str| guesser(it.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::4"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
