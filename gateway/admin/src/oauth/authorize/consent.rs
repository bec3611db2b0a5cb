//! Asking a user whether a client may act for them, and what they answer.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use domain::{Declined, NativeVerb, Scope};
use identity::{Allowed, Client};
use serde::{Deserialize, Serialize};

use super::back::Back;
use super::{known, page};
use crate::html::{Markup, Page};
use crate::oauth::asked::GONE;
use crate::oauth::{Act, Code, Fault, Turned};

/// How long a user may think about it.
const WAITS: Duration = Duration::from_mins(10);

/// What it is kept as.
const ASKED: &str = "asked";

/// What a user is asked.
#[derive(Serialize, Deserialize)]
struct Wish {
    allowed: Allowed,
    state: Option<String>,
}

/// Shows a page with the question. What is asked is kept here and not in the page, where it could be changed; and whoever
/// answers must have been asked, so that no other site answers for them.
pub(super) async fn ask(act: &Act<'_>, client: &Client, allowed: &Allowed, back: &Back) -> Result<Response, Turned> {
    let wish = Wish { allowed: allowed.clone(), state: back.state.clone() };
    let text = serde_json::to_string(&wish).map_err(|_| Declined::Failed)?;
    let session = allowed.session.as_deref().ok_or(Declined::Failed)?;
    let handle = act.identity().keep_waiting(ASKED, session, &text, WAITS).await?;
    let place = act.place(NativeVerb::Consent).ok_or(Declined::Failed)?;
    let person = act.identity().person(&allowed.user).await?;
    let name = person.as_ref().map_or("", |it| it.display.as_deref().unwrap_or(&it.name));
    let mut main = Markup::new().raw("<p>You are signed in as <strong>").text(name).raw("</strong>. <strong>");
    main = main.text(&client.name).raw("</strong> asks to act for you in <strong>").text(allowed.tenant.as_str());
    main = main.raw("</strong>. It will be able to:</p><ul>");
    for scope in &allowed.scopes {
        main = main.raw("<li>").text(&meaning(scope)).raw("</li>");
    }
    main = main.raw("</ul><p class=\"quiet\">You will be sent back to ").text(back.origin()).raw(".</p>");
    main = main.raw("<form method=\"post\" action=\"").text(place).raw("\">").hidden("asked", handle.reveal());
    main = main.raw("<button name=\"decision\" value=\"allow\">Allow</button>");
    main = main.raw("<button name=\"decision\" value=\"deny\">Deny</button></form>");
    if let Some(place) = act.place(NativeVerb::ConsentsPage) {
        main = main.raw("<p class=\"quiet\">You can take it back at any time: <a href=\"").text(place);
        main = main.raw("\">applications that may act for you</a>.</p>");
    }
    Ok(Page::new("Let an application act for you", main).leading_to(back.origin()).answer(StatusCode::OK))
}

/// What a scope means to people.
pub(in super::super) fn meaning(scope: &Scope) -> String {
    match scope.as_str() {
        "openid" => "know which user you are".to_owned(),
        "profile" => "know your name".to_owned(),
        "email" => "know your e-mail address".to_owned(),
        other => format!("use {other}"),
    }
}

/// `POST /oauth/consent`: what the user answers.
pub(in super::super) async fn decide(act: &mut Act<'_>) -> Result<Response, Turned> {
    match answered(act).await {
        Err(Turned::Fault(fault)) => Ok(page(fault)),
        other => other,
    }
}

async fn answered(act: &mut Act<'_>) -> Result<Response, Turned> {
    let (_, form, Wish { allowed, state }) = act.answered(ASKED).await?;
    // It may have been suspended meanwhile, or be another's place by now.
    let client = known(act, &allowed.client).await?;
    if !client.leads_back_to(&allowed.redirect_uri) {
        return Err(GONE.into());
    }
    let back = Back::new(&allowed.redirect_uri, state.as_deref(), &act.offered.issuer);
    if form.get("decision") != Some("allow") {
        return Ok(back.refuse(Fault::new(Code::AccessDenied, "the user does not let the application in")));
    }
    let identity = act.identity().clone().acting_for(&allowed.user);
    identity.consent(&allowed.user, &client, &allowed.scopes).await?;
    act.hand_over(&allowed, &back).await
}

impl Act<'_> {
    /// Sends the user back with a code for what they have allowed.
    pub(super) async fn hand_over(&self, allowed: &Allowed, back: &Back) -> Result<Response, Turned> {
        let code = self.identity().give_code(allowed).await?;
        Ok(back.hand_over(code.reveal()))
    }
}
