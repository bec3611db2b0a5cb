//! The page of the issuer on which people see which applications may act for them, and take that back.
//!
//! Taking it back needs no fresh log-in: it gives nobody anything.

use authn::is_same_site;
use axum::http::StatusCode;
use axum::response::Response;
use domain::NativeVerb;
use identity::{BrowserSession, ShownConsent};

use super::authorize::{LOGIN, meaning};
use super::{Act, Code, Fault, Form, Turned, query, see};
use crate::html::{Markup, Page};
use crate::oauth::authorize::page as fault_page;

/// `GET /oauth/consents`: to whoever has signed in; anybody else signs in first.
pub(super) async fn page(act: &mut Act<'_>) -> Result<Response, Turned> {
    let Some(session) = act.signed_in().await? else { return Ok(to_sign_in(act)) };
    let mut main = Markup::new();
    let all = consents(act, &session).await?;
    if all.is_empty() {
        main = main.raw("<p>No application may act for you.</p>");
    }
    for ShownConsent { client, scopes } in all {
        main = main.raw("<form method=\"post\" action=\"\">").hidden("client", &client.id);
        main = main.raw("<p><strong>").text(&client.name).raw("</strong> may act for you in <strong>");
        main = main.text(client.tenant.as_str()).raw("</strong>. It can:</p><ul>");
        for scope in &scopes {
            main = main.raw("<li>").text(&meaning(scope)).raw("</li>");
        }
        main = main.raw("</ul><button>Take this back from ").text(&client.name).raw("</button></form>");
    }
    if let Some(place) = act.place(NativeVerb::Logout) {
        main = main.raw("<p class=\"quiet\"><a href=\"").text(place).raw("\">Sign out</a></p>");
    }
    Ok(Page::new("Applications that may act for you", main).answer(StatusCode::OK))
}

/// `POST /oauth/consents`: one of them may not any more.
pub(super) async fn withdraw(act: &mut Act<'_>) -> Result<Response, Turned> {
    match withdrawn(act).await {
        Err(Turned::Fault(fault)) => Ok(fault_page(fault)),
        other => other,
    }
}

async fn withdrawn(act: &mut Act<'_>) -> Result<Response, Turned> {
    if !is_same_site(&act.question.headers, [act.offered.issuer.as_str()]) {
        return Err(Fault::new(Code::InvalidRequest, "it was asked for by another page").into());
    }
    let form = Form::of_body(act.question)?;
    let client = form.required("client", "it was not said from which application")?;
    let Some(session) = act.signed_in().await? else { return Ok(to_sign_in(act)) };
    // What is not on the page is not taken back by it.
    let shown = consents(act, &session).await?.into_iter().find(|it| it.client.id == client);
    if let Some(shown) = shown {
        act.about = Some(shown.client.grant.clone());
        let identity = act.identity().clone().acting_for(&session.user);
        identity.withdraw_consents(&session.user, Some(&shown.client.id)).await?;
        act.books().come_into_force().await?;
    }
    Ok(see(act.place(NativeVerb::ConsentsPage).unwrap_or_default(), None))
}

/// The applications of this issuer that may act for somebody: where the provider of a tenant has said who they are, those of
/// that tenant.
async fn consents(act: &Act<'_>, session: &BrowserSession) -> Result<Vec<ShownConsent>, Turned> {
    let mut all = act.identity().consents_of(&session.user, Some(&act.offered.api)).await?;
    all.retain(|it| session.tenant.as_ref().is_none_or(|tenant| it.client.tenant == *tenant));
    Ok(all)
}

fn to_sign_in(act: &Act<'_>) -> Response {
    let place = act.place(NativeVerb::ConsentsPage).unwrap_or_default();
    let path = place.strip_prefix(act.offered.issuer.as_str()).unwrap_or_default();
    see(&format!("{LOGIN}?{}", query(&[("continue", path)])), None)
}
