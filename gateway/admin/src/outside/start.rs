//! The way to a provider: who is offered it, and what is sent along.

use axum::http::header::SET_COOKIE;
use axum::response::Response;
use domain::{Declined, NativeVerb, keyformat};
use identity::{Client, Provider, digest_of};
use serde::{Deserialize, Serialize};

use super::page::Stop;
use super::{AWAY, Metadata, SECRET, WAITS};
use crate::oauth::{Act, Form, PUSHED, REQUEST_URI, Turned, query, see};
use crate::people::{kept_for_login, leads_on};

/// Where one chooses how to sign in.
pub(super) const LOGIN: &str = "/oauth/login";

/// A way to sign in elsewhere, for the page on which one chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// What people call it.
    pub(crate) name: String,
    /// Where it begins.
    pub(crate) place: String,
    /// Whether it was asked for already.
    pub(crate) chosen: bool,
}

/// Somebody who was sent away, until they come back.
#[derive(Serialize, Deserialize)]
pub(super) struct Away {
    pub(super) provider: String,
    pub(super) verifier: String,
    pub(super) nonce: String,
    pub(super) onward: String,
    /// How long before they set out they may have shown who they are, in seconds. The provider must say when they did then.
    pub(super) max_age: Option<u64>,
    /// When they set out, in seconds.
    pub(super) began: i64,
}

/// The client for which somebody is to sign in, and what it asks for.
struct Waiting {
    client: Client,
    form: Form,
}

/// Where one begins to sign in elsewhere, to go on there.
fn login_place(provider: &Provider, onward: &str) -> String {
    format!("{LOGIN}/outside?{}", query(&[("provider", &provider.id), ("continue", onward)]))
}

impl Act<'_> {
    /// How else people may sign in to go on there. It is the same for everybody, whether or not they are known.
    pub(crate) async fn offer(&self, onward: &str) -> Result<Option<Offer>, Turned> {
        if self.place(NativeVerb::OutsideLogin).is_none() {
            return Ok(None);
        }
        let Some(waiting) = self.waiting_for(onward).await? else { return Ok(None) };
        let Some(provider) = self.identity().provider_of(&waiting.client.tenant).await? else { return Ok(None) };
        let named = waiting.form.get("provider") == Some(provider.id.as_str());
        let chosen = named || waiting.form.get("login_hint").is_some_and(|it| provider.is_of(it));
        Ok(Some(Offer { place: login_place(&provider, onward), name: provider.name, chosen }))
    }

    async fn waiting_for(&self, onward: &str) -> Result<Option<Waiting>, Turned> {
        let asked = onward.split_once('?').and_then(|(_, query)| Form::read(query).ok());
        let Some(form) = asked else { return Ok(None) };
        let Some(id) = form.get("client_id") else { return Ok(None) };
        let client = self.identity().client(id).await?;
        let theirs = |it: &Client| it.api == self.offered.api && it.suspended.is_none();
        let Some(client) = client.filter(theirs) else { return Ok(None) };
        let Some(handle) = form.get("request_uri").and_then(|it| it.strip_prefix(REQUEST_URI)) else {
            return Ok(Some(Waiting { client, form }));
        };
        let Some(text) = self.identity().waiting(PUSHED, &client.id, handle).await? else { return Ok(None) };
        let kept = serde_json::from_str(&text).map_err(|_| Declined::Failed)?;
        Ok(Some(Waiting { client, form: Form::of(kept) }))
    }
}

/// `GET /oauth/login/outside`: sends the browser to the provider, once it is certain that its people may go on from here.
pub(super) async fn lead(act: &mut Act<'_>) -> Result<Response, Turned> {
    let Ok(form) = Form::read(&act.question.query) else { return Ok(Stop::NoConnection.page(None, None)) };
    let onward = form.get("continue").filter(|it| leads_on(it)).unwrap_or_default();
    let Some(waiting) = act.waiting_for(onward).await? else { return Ok(Stop::NoConnection.page(None, None)) };
    let provider = act.identity().provider_of(&waiting.client.tenant).await?;
    let Some(provider) = provider.filter(|it| form.get("provider") == Some(it.id.as_str())) else {
        return Ok(Stop::NoConnection.page(None, Some(onward)));
    };
    match act.metadata(&provider).await {
        Ok(metadata) => send(act, &provider, &metadata, (&waiting.form, onward)).await,
        Err(stop) => Ok(stop.page(Some(&provider.name), Some(onward))),
    }
}

async fn send(
    act: &Act<'_>,
    provider: &Provider,
    metadata: &Metadata,
    (asked, onward): (&Form, &str),
) -> Result<Response, Turned> {
    let draw = || keyformat::draw_id("", SECRET, act.books().random());
    let logs_in = asked.get("prompt").is_some_and(|it| it.split(' ').any(|it| it == "login"));
    // Who is to log in now must be said to have done so: with `max_age` a provider has to say when they did (OpenID Connect
    // Core, section 3.1.2.1).
    let max_age = if logs_in { Some(0) } else { asked.get("max_age").and_then(|it| it.parse().ok()) };
    let away = Away {
        provider: provider.id.clone(),
        verifier: draw(),
        nonce: draw(),
        onward: onward.to_owned(),
        max_age,
        began: act.books().clock().now().wall.seconds(),
    };
    let (secret, set) = kept_for_login(&act.question.headers, act.books().random())?;
    let state = act.keep(AWAY, &digest_of(&secret), &away, WAITS).await?;
    let (scope, way_back, challenge) = (provider.scopes.join(" "), act.way_back(provider)?, digest_of(&away.verifier));
    let mut all = vec![
        ("response_type", "code"),
        ("client_id", &provider.client),
        ("redirect_uri", &way_back),
        ("scope", &scope),
        ("state", state.reveal()),
        ("nonce", &away.nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    if logs_in {
        all.push(("prompt", "login"));
    }
    let max_age = away.max_age.map(|it| it.to_string());
    all.extend(max_age.as_deref().map(|it| ("max_age", it)));
    all.extend(asked.get("login_hint").filter(|it| provider.is_of(it)).map(|it| ("login_hint", it)));
    let mark = if metadata.authorization.contains('?') { '&' } else { '?' };
    let mut response = see(&format!("{}{mark}{}", metadata.authorization, query(&all)), None);
    response.headers_mut().insert(SET_COOKIE, set);
    Ok(response)
}
