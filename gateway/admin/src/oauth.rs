//! The OAuth operations of the issuer: what clients ask by themselves, and what they send users here for.
//!
//! Each looks at its request itself and says what is wrong as the standards have it (RFC 6749 section 5.2), never in the
//! words of the API. What was decided is in force before it is answered: a new token works at once, an ended one is dead.

mod asked;
mod authorize;
mod consents;
mod device;
mod exchange;
mod fault;
mod form;
mod introspect;
mod logout;
mod possession;
mod proof;
mod push;
mod revoke;
mod scopes;
mod token;
mod userinfo;

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, PRAGMA};
use axum::response::{IntoResponse, Json, Response};
use domain::{Declined, KeyId, NativeVerb};
use identity::{Identity, Shown, StoreFault};
use serde::Serialize;
use serde_json::Value;

use crate::exchange::Exchanged;
use crate::operations::{Books, Offered, Operations, Question, name_person};
use crate::outside::{self, Stop};
use crate::people::guesser;

pub(crate) use authorize::{encoded, query, see};
pub(crate) use device::Polls;
pub(crate) use exchange::TOKEN_EXCHANGE;
pub(crate) use fault::{Code, Fault};
pub(crate) use form::Form;
pub(crate) use push::{PUSHED, REQUEST_URI};

/// Why an OAuth operation does not do what is asked: in the words of OAuth, in those of a page, or because the gateway cannot.
pub(crate) enum Turned {
    Fault(Fault),
    Declined(Declined),
    /// Somebody who signs in elsewhere is not let in.
    Stopped(Stop),
}

impl From<Stop> for Turned {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

impl From<Fault> for Turned {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Declined> for Turned {
    fn from(declined: Declined) -> Self {
        Self::Declined(declined)
    }
}

impl From<StoreFault> for Turned {
    fn from(cause: StoreFault) -> Self {
        tracing::error!(%cause, "an OAuth operation could not be done");
        Self::Declined(Declined::Failed)
    }
}

/// One request of an OAuth operation on its way.
pub(crate) struct Act<'a> {
    pub(crate) operations: &'a Operations,
    pub(crate) question: &'a Question,
    pub(crate) offered: Offered,
    /// Whom the entry speaks of.
    pub(crate) about: Option<KeyId>,
    /// Who sits at the browser, once that is known: what the entry says of them is sealed as theirs.
    pub(crate) person: OnceLock<String>,
}

impl Act<'_> {
    pub(crate) fn books(&self) -> &dyn Books {
        self.operations.books()
    }

    pub(crate) fn identity(&self) -> &Identity {
        self.operations.books().identity()
    }

    /// Keeps what waits for a user, for this client or browser alone. Anybody may have something kept, so that of those at one
    /// address only so many are kept in a while.
    pub(crate) async fn keep(
        &self,
        what: &str,
        whose: &str,
        thing: &impl Serialize,
        lasts: Duration,
    ) -> Result<Shown, Turned> {
        let (limiter, now) = (self.books().limiter(), self.books().clock().tick());
        let source = guesser(self.question.introduction.source);
        limiter.leave(&source, now).map_err(|it| Declined::TooOften(it.retry_after().as_secs()))?;
        self.keep_uncounted(what, whose, thing, lasts).await
    }

    /// The same for whoever has shown who they are.
    pub(crate) async fn keep_uncounted(
        &self,
        what: &str,
        whose: &str,
        thing: &impl Serialize,
        lasts: Duration,
    ) -> Result<Shown, Turned> {
        let text = serde_json::to_string(thing).map_err(|_| Declined::Failed)?;
        Ok(self.identity().keep_waiting(what, whose, &text, lasts).await?)
    }

    /// Where an operation of this issuer is, if it has it.
    pub(crate) fn place(&self, verb: NativeVerb) -> Option<&str> {
        self.offered.place(verb)
    }
}

/// What a client is told that shows a secret where others read it.
const IN_ADDRESS: Fault =
    Fault { code: Code::InvalidRequest, told: "send credentials in the body or the header, not in the address" };

/// Whether an address holds what only a body or a header may (RFC 6749 section 2.3.1): addresses are logged on the way.
fn shows_credential(query: &str) -> bool {
    const KEPT_OUT: [&str; 9] = [
        "access_token",
        "api_key",
        "client_assertion",
        "client_secret",
        "code",
        "device_code",
        "refresh_token",
        "subject_token",
        "token",
    ];
    // However a name is spelled, and also where the query cannot be read as a form.
    let name = |pair: &str| form::decoded(pair.split('=').next().unwrap_or_default()).map(|it| it.to_ascii_lowercase());
    query.split('&').filter_map(name).any(|it| KEPT_OUT.contains(&it.as_str()))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "no other verb is handed on to here")]
pub(crate) async fn answer(operations: &Operations, question: &Question) -> Exchanged {
    // The host refuses plain HTTP before that, unless its profile says otherwise; a secret never goes that way.
    if !question.introduction.tls {
        return Declined::PlainHttp.into();
    }
    let Some(offered) = operations.books().offered(&question.introduction.api) else {
        return Declined::Failed.into();
    };
    let mut act = Act { operations, question, offered, about: None, person: OnceLock::new() };
    let answer = match question.introduction.verb {
        verb if verb.is_for_clients() && shows_credential(&question.query) => Err(IN_ADDRESS.into()),
        NativeVerb::CreateToken => token::create(&mut act).await,
        NativeVerb::RevokeToken => revoke::revoke(&mut act).await,
        NativeVerb::IntrospectToken => introspect::introspect(&mut act).await,
        NativeVerb::PushRequest => push::push(&mut act).await,
        NativeVerb::Authorize => authorize::authorize(&mut act).await,
        NativeVerb::Consent => authorize::decide(&mut act).await,
        NativeVerb::ConsentsPage => consents::page(&mut act).await,
        NativeVerb::WithdrawConsent => consents::withdraw(&mut act).await,
        NativeVerb::BeginDevice => device::begin(&mut act).await,
        NativeVerb::AnswerDevice => device::answer(&mut act).await,
        NativeVerb::UserInfo => userinfo::tell(&mut act).await,
        NativeVerb::Logout => logout::page(&mut act).await,
        NativeVerb::AnswerLogout => logout::answer(&mut act).await,
        NativeVerb::LoggedOut => logout::done(&mut act).await,
        NativeVerb::OutsideLogin | NativeVerb::OutsideBack | NativeVerb::OutsideLogout => {
            outside::answer(&mut act).await
        }
        // What others answer.
        _ => Err(Declined::Failed.into()),
    };
    let answer = match answer {
        Ok(response) => named(&act, response).await,
        Err(Turned::Fault(fault)) => Ok(fault.answer(&act.offered.issuer)),
        Err(Turned::Stopped(stop)) => Ok(stop.page(None, None)),
        Err(Turned::Declined(declined)) => Err(declined),
    };
    Exchanged { answer, about: act.about }
}

/// The answer, with who sits at the browser. What is about a client is an entry of its tenant.
async fn named(act: &Act<'_>, mut response: Response) -> Result<Response, Declined> {
    let Some(user) = act.person.get() else { return Ok(response) };
    if act.about.is_some() {
        name_person(&mut response, None, user);
    } else {
        act.operations.name_person(&mut response, user).await?;
    }
    Ok(response)
}

/// An answer that nobody may keep.
pub(crate) fn private(told: Value) -> Response {
    let mut response = Json(told).into_response();
    keep_nowhere(&mut response);
    response
}

pub(crate) fn keep_nowhere(response: &mut Response) {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
}
