//! Signing out (OpenID Connect RP-Initiated Logout 1.0): the session of the browser ends, and with it whatever applications
//! were given in it.
//!
//! A client that shows an ID token of whoever sits there has them signed out at once. Else they are asked, so that no page of
//! somebody else signs anybody out. Nobody is sent anywhere that the client has not named, to the letter.

use std::time::Duration;

use authn::token::{Hint, hint};
use axum::http::header::SET_COOKIE;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use domain::{Declined, NativeVerb};
use identity::{Client, SignedOut};
use serde::{Deserialize, Serialize};

use super::authorize::page as told;
use super::{Act, Code, Fault, Form, Turned, query, see};
use crate::html::{Markup, Page};
use crate::people::{BROWSER_COOKIE, browser_cookie};

/// How long a question waits for its answer, and a user for the way back from elsewhere.
const WAITS: Duration = Duration::from_mins(10);

/// What it is kept as: what another site has posted, what a user is asked, and where they go once they are back.
const POSTED: &str = "logout posted";
const ASKED: &str = "logout asked";
const ELSEWHERE: &str = "logout elsewhere";

/// Whose what belongs to nobody is.
const ANYBODY: &str = "anybody";

/// The longest ID token that is shown to a provider in an address, in bytes.
const MAX_HINT: usize = 6 * 1024;

/// Where a user goes once they are signed out: to a place of the client, or nowhere.
#[derive(Serialize, Deserialize)]
struct Leave(Option<String>);

/// `GET` and `POST /oauth/logout`.
pub(super) async fn page(act: &mut Act<'_>) -> Result<Response, Turned> {
    in_words(wanted(act).await)
}

/// `POST /oauth/logout/confirm`: what the user answers.
pub(super) async fn answer(act: &mut Act<'_>) -> Result<Response, Turned> {
    in_words(answered(act).await)
}

/// `GET /oauth/logout/done`: back from where they were signed out too.
pub(super) async fn done(act: &mut Act<'_>) -> Result<Response, Turned> {
    let form = Form::read(&act.question.query).unwrap_or_default();
    let text = match form.get("state") {
        Some(handle) => act.identity().take_waiting(ELSEWHERE, ANYBODY, handle).await?,
        None => None,
    };
    let leave = text.and_then(|it| serde_json::from_str(&it).ok()).unwrap_or(Leave(None));
    Ok(leave.go())
}

async fn wanted(act: &mut Act<'_>) -> Result<Response, Turned> {
    if act.question.method != Method::GET {
        return come_again(act).await;
    }
    let form = Form::read(&act.question.query)?;
    let form = match form.get("request") {
        Some(handle) => posted(act, handle).await?,
        None => form,
    };
    let hint = form.get("id_token_hint").and_then(|it| hinted(act, it));
    let client = client(act, &form, hint.as_ref()).await?;
    let leave = leave(&form, client.as_ref())?;
    let Some(session) = act.signed_in().await? else { return Ok(leave.go()) };
    if hint.is_some_and(|it| it.subject == session.user) {
        return sign_out(act, leave).await;
    }
    let text = serde_json::to_string(&leave).map_err(|_| Declined::Failed)?;
    let handle = act.identity().keep_waiting(ASKED, &session.id, &text, WAITS).await?;
    ask(act, handle.reveal(), client.as_ref())
}

/// Browsers send no session with what another site posts. With what it leads to, they do.
async fn come_again(act: &Act<'_>) -> Result<Response, Turned> {
    let form = Form::of_body(act.question)?;
    let handle = act.keep(POSTED, ANYBODY, &form.without_proof(), WAITS).await?;
    let place = act.place(NativeVerb::Logout).ok_or(Declined::Failed)?;
    Ok(see(&format!("{place}?{}", query(&[("request", handle.reveal())])), None))
}

async fn posted(act: &Act<'_>, handle: &str) -> Result<Form, Turned> {
    let gone = Fault::new(Code::InvalidRequest, "the request is not here any more: go back to the application");
    let text = act.identity().take_waiting(POSTED, ANYBODY, handle).await?.ok_or(gone)?;
    Ok(Form::of(serde_json::from_str(&text).map_err(|_| Declined::Failed)?))
}

/// What a client shows of whom it means. One that cannot be read says nothing: then the user is asked.
fn hinted(act: &Act<'_>, text: &str) -> Option<Hint> {
    hint(text, &act.offered.issuer, act.books().keyring().token_keys())
}

/// The client that wants it, if it says who it is.
async fn client(act: &mut Act<'_>, form: &Form, hint: Option<&Hint>) -> Result<Option<Client>, Turned> {
    let (named, meant) = (form.get("client_id"), hint.map(|it| it.audience.as_str()));
    if let (Some(named), Some(meant)) = (named, meant)
        && named != meant
    {
        return Err(Fault::new(Code::InvalidRequest, "`id_token_hint` was given to another application").into());
    }
    let Some(id) = named.or(meant) else { return Ok(None) };
    let client = act.identity().client(id).await?;
    let client = client.filter(|it| it.api == act.offered.api && it.suspended.is_none());
    let client = client.ok_or(Fault::new(Code::InvalidRequest, "the application is not known here"))?;
    act.about = Some(client.grant.clone());
    Ok(Some(client))
}

/// Where nobody says which application it is, nobody is sent to one: they are asked, and stay.
fn leave(form: &Form, client: Option<&Client>) -> Result<Leave, Fault> {
    let (Some(uri), Some(client)) = (form.get("post_logout_redirect_uri"), client) else { return Ok(Leave(None)) };
    if !client.takes_leave_at(uri) {
        let told = "the application is not known at the place that it named";
        return Err(Fault::new(Code::InvalidRequest, told));
    }
    let mark = if uri.contains('?') { '&' } else { '?' };
    let state = form.get("state").map(|it| format!("{mark}{}", query(&[("state", it)])));
    Ok(Leave(Some(format!("{uri}{}", state.unwrap_or_default()))))
}

fn ask(act: &Act<'_>, handle: &str, client: Option<&Client>) -> Result<Response, Turned> {
    let place = act.place(NativeVerb::AnswerLogout).ok_or(Declined::Failed)?;
    let main = match client {
        Some(client) => Markup::new().raw("<p><strong>").text(&client.name).raw("</strong> asks to sign you out. "),
        None => Markup::new().raw("<p>"),
    };
    let main = main.raw("Applications that you let in while you were signed in will have to ask you again.</p>");
    let main = main.raw("<form method=\"post\" action=\"").text(place).raw("\">").hidden("asked", handle);
    let main = main.raw("<button name=\"decision\" value=\"leave\">Sign out</button>");
    let main = main.raw("<button name=\"decision\" value=\"everywhere\">Sign out everywhere</button>");
    let main = main.raw("<button name=\"decision\" value=\"stay\">Stay signed in</button></form>");
    Ok(Page::new("Sign out?", main).leading_to_applications().answer(StatusCode::OK))
}

async fn answered(act: &mut Act<'_>) -> Result<Response, Turned> {
    let (session, form, leave) = act.answered(ASKED).await?;
    if form.get("decision") == Some("everywhere") {
        let response = sign_out(act, leave).await?;
        // The last, so that what is left of this session is known until then.
        let identity = act.identity().clone().acting_for(&session.user);
        identity.leave_everywhere(&session.user, session.tenant.as_ref()).await?;
        act.books().come_into_force().await?;
        return Ok(response);
    }
    if form.get("decision") != Some("leave") {
        let main = Markup::new().raw("<p>Nothing has changed. You can close this window.</p>");
        return Ok(Page::new("You are still signed in", main).answer(StatusCode::OK));
    }
    sign_out(act, leave).await
}

/// Ends the session here, and then where it began, if that was elsewhere.
async fn sign_out(act: &Act<'_>, leave: Leave) -> Result<Response, Turned> {
    let ended = match authn::cookie(&act.question.headers, BROWSER_COOKIE) {
        Ok(Some(value)) => act.identity().sign_out_browser(value).await?,
        Ok(None) | Err(_) => None,
    };
    act.books().come_into_force().await?;
    let mut response = match ended {
        Some(ended) => match elsewhere(act, &ended, &leave).await? {
            Some(place) => see(&place, None),
            None => leave.go(),
        },
        None => leave.go(),
    };
    response.headers_mut().insert(SET_COOKIE, browser_cookie(None)?);
    Ok(response)
}

/// Where somebody signs out who has signed in elsewhere. Nobody is kept here because a provider does not answer.
async fn elsewhere(act: &Act<'_>, ended: &SignedOut, leave: &Leave) -> Result<Option<String>, Turned> {
    let (Some(id), Some(back)) = (&ended.provider, act.place(NativeVerb::LoggedOut)) else { return Ok(None) };
    let Some(provider) = act.identity().open_provider(id).await? else { return Ok(None) };
    let metadata = act.metadata(&provider).await.ok();
    let Some(place) = metadata.as_ref().and_then(|it| it.end_session.as_deref()) else { return Ok(None) };
    let text = serde_json::to_string(leave).map_err(|_| Declined::Failed)?;
    let state = act.identity().keep_waiting(ELSEWHERE, ANYBODY, &text, WAITS).await?;
    let client = provider.client.as_str();
    let mut all = vec![("client_id", client), ("post_logout_redirect_uri", back), ("state", state.reveal())];
    let hint = ended.id_token.as_ref().map(identity::Shown::reveal).filter(|it| it.len() <= MAX_HINT);
    all.extend(hint.map(|it| ("id_token_hint", it)));
    let mark = if place.contains('?') { '&' } else { '?' };
    Ok(Some(format!("{place}{mark}{}", query(&all))))
}

impl Leave {
    fn go(self) -> Response {
        if let Some(uri) = self.0 {
            return see(&uri, None);
        }
        let main = Markup::new().raw("<p>You can close this window.</p>");
        Page::new("You are signed out", main).answer(StatusCode::OK)
    }
}

/// What is wrong is said to whoever sits there.
fn in_words(done: Result<Response, Turned>) -> Result<Response, Turned> {
    match done {
        Err(Turned::Fault(fault)) => Ok(told(fault)),
        other => other,
    }
}
