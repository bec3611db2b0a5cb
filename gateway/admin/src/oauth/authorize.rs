//! `/oauth/authorize`: a client sends a user here to be let in.
//!
//! Nobody is sent anywhere before it is certain that the client named that place: until then what is wrong is said on a page.
//! From there on it is said to the client, with `iss` in every answer (RFC 9207).

pub(super) mod back;
mod consent;
mod session;
mod wish;

use axum::http::{Method, StatusCode};
use axum::response::Response;
use domain::{Declined, NativeVerb};
use identity::{Client, ClientGrant};

use super::push::{PUSHED, REQUEST_URI, WAITS};
use super::{Act, Code, Fault, Form, Turned};
use crate::html::{Markup, Page};
use crate::operations::REFUSED;
use back::Back;

pub(super) use wish::Asked;

pub(crate) use back::{encoded, query, see};

pub(super) use consent::{decide, meaning};

/// Where users log in. It sends them back to a path of ours.
pub(super) const LOGIN: &str = "/oauth/login";

/// Since when a user must have logged in, among the parameters of a request that waits for it. No parameter of a client has
/// a space in its name by the time it is kept.
pub(super) const SINCE: &str = "logged in since";

/// The thumbprint of the key that the code is to be bound to (RFC 9449 section 10).
pub(super) const KEY: &str = "dpop_jkt";

pub(super) async fn authorize(act: &mut Act<'_>) -> Result<Response, Turned> {
    match found(act).await {
        Ok((client, form, back)) => match lead_on(act, &client, &form, &back).await {
            Err(Turned::Fault(fault)) => Ok(back.refuse(fault)),
            other => other,
        },
        Err(Turned::Fault(fault)) => Ok(page(fault)),
        Err(declined) => Err(declined),
    }
}

/// The client, what it asks for, and where its user may be sent back to.
async fn found(act: &mut Act<'_>) -> Result<(Client, Form, Back), Turned> {
    let form = said(act)?;
    let client = known(act, form.required("client_id", "the application did not say who it is")?).await?;
    let form = match form.get("request_uri") {
        Some(uri) => pushed(act, &client, uri).await?,
        None => form.without(SINCE),
    };
    let uri = form.required("redirect_uri", "the application did not say where to go back to")?;
    if !client.leads_back_to(uri) {
        return Err(Fault::new(Code::InvalidRequest, "the application is not known at the place that it named").into());
    }
    let back = Back::new(uri, form.get("state"), &act.offered.issuer);
    Ok((client, form, back))
}

/// What the browser brings.
fn said(act: &Act<'_>) -> Result<Form, Fault> {
    let question = act.question;
    if question.method == Method::GET { Form::read(&question.query) } else { Form::of_body(question) }
}

/// A client of this issuer that may send users here.
async fn known(act: &mut Act<'_>, id: &str) -> Result<Client, Turned> {
    let client = act.identity().client(id).await?;
    let client = client.filter(|it| it.api == act.offered.api && it.suspended.is_none());
    let stands = |it: &Client| act.books().keyring().by_id(&it.grant).is_some_and(|it| !it.standing().suspended);
    let client = client.filter(|it| it.may(ClientGrant::AuthorizationCode) && stands(it));
    let client = client.ok_or(Fault::new(Code::InvalidRequest, "the application is not known here"))?;
    act.about = Some(client.grant.clone());
    Ok(client)
}

/// What a client has left here before it sent the user.
async fn pushed(act: &Act<'_>, client: &Client, uri: &str) -> Result<Form, Turned> {
    let gone = Fault::new(Code::InvalidRequestUri, "the request is not here any more: go back to the application");
    let handle = uri.strip_prefix(REQUEST_URI).ok_or(gone)?;
    let text = act.identity().waiting(PUSHED, &client.id, handle).await?.ok_or(gone)?;
    let kept = serde_json::from_str(&text).map_err(|_| Declined::Failed)?;
    Ok(Form::of(kept))
}

/// Everything that a client is told of.
async fn lead_on(act: &mut Act<'_>, client: &Client, form: &Form, back: &Back) -> Result<Response, Turned> {
    let asked = Asked::read(form, client)?;
    if act.question.method != Method::GET {
        // Browsers send no session with what another site posts. With what it leads to, they do.
        let to = wait(act, client, form.clone()).await?;
        return Ok(see(&to, None));
    }
    let Some(session) = act.session(&asked, client).await? else {
        // Whoever has just logged in and is still not who was meant is not sent round in circles.
        if asked.silent || form.has(SINCE) {
            return Err(Fault::new(Code::LoginRequired, "the user has to log in").into());
        }
        let since = act.books().clock().now().wall.seconds().to_string();
        let to = wait(act, client, form.clone().with(SINCE, since)).await?;
        return Ok(see(&format!("{LOGIN}?{}", query(&[("continue", &to)])), None));
    };
    let allowed = act.allowed(client, &asked, session, back).await?;
    // Whoever waits on the machine of the user need not be the client that was let in before.
    let anybody = client.is_anybodys_at(&allowed.redirect_uri);
    let again =
        asked.asks_again || anybody || !act.identity().has_consented(&allowed.user, client, &allowed.scopes).await?;
    if again && asked.silent {
        return Err(Fault::new(Code::ConsentRequired, "the user has to be asked").into());
    }
    use_up(act, client).await?;
    if again { consent::ask(act, client, &allowed, back).await } else { act.hand_over(&allowed, back).await }
}

/// Takes what was left here, where that is how it is asked: once, so that whoever finds the address in a history has nothing
/// of it.
async fn use_up(act: &Act<'_>, client: &Client) -> Result<(), Turned> {
    let form = said(act)?;
    let Some(handle) = form.get("request_uri").and_then(|it| it.strip_prefix(REQUEST_URI)) else { return Ok(()) };
    let taken = act.identity().take_waiting(PUSHED, &client.id, handle).await?;
    taken.map(drop).ok_or_else(|| Fault::new(Code::InvalidRequestUri, "the request was used before").into())
}

/// Keeps a request until its user comes back with it: the path by which they do.
async fn wait(act: &Act<'_>, client: &Client, form: Form) -> Result<String, Turned> {
    use_up(act, client).await?;
    let handle = act.keep(PUSHED, &client.id, &form.without_proof(), WAITS).await?;
    let uri = format!("{REQUEST_URI}{}", handle.reveal());
    let place = act.place(NativeVerb::Authorize).ok_or(Declined::Failed)?;
    let path = place.strip_prefix(act.offered.issuer.as_str()).ok_or(Declined::Failed)?;
    Ok(format!("{path}?{}", query(&[("client_id", &client.id), ("request_uri", &uri)])))
}

/// What is wrong, said to whoever sits there.
pub(super) fn page(fault: Fault) -> Response {
    let main = Markup::new().raw("<p class=\"fault\" role=\"alert\">This cannot go on: ").text(fault.told).raw(".</p>");
    let mut response = Page::new("Something is wrong with this request", main).answer(StatusCode::BAD_REQUEST);
    response.headers_mut().insert(REFUSED, axum::http::HeaderValue::from_static(fault.code.as_str()));
    response
}
