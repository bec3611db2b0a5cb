//! `POST /oauth/par` (RFC 9126): a client leaves its request here, so that no browser can change it on the way.

use std::time::Duration;

use authn::dpop::PROOF;
use axum::http::StatusCode;
use axum::response::Response;
use identity::{Client, ClientGrant};
use serde_json::json;

use super::authorize::{Asked, KEY, SINCE};
use super::{Act, Code, Fault, Form, Turned, private};

/// How long a request waits: as long as somebody may take to log in.
pub(super) const WAITS: Duration = Duration::from_mins(10);

/// What it is kept as.
pub(crate) const PUSHED: &str = "pushed";

/// How the name of a request begins that was left here.
pub(crate) const REQUEST_URI: &str = "urn:ietf:params:oauth:request_uri:";

pub(super) async fn push(act: &mut Act<'_>) -> Result<Response, Turned> {
    let form = Form::of_body(act.question)?;
    let client = act.client(&form).await?;
    if form.has("request_uri") {
        return Err(Fault::new(Code::InvalidRequest, "`request_uri` cannot be pushed").into());
    }
    // Whoever proves a key here names it (RFC 9449 section 10.1).
    let key = if act.question.headers.contains_key(PROOF) { Some(act.possessed(None)?) } else { None };
    if key.is_some() && form.has(KEY) && form.get(KEY) != key.as_deref() {
        return Err(Fault::new(Code::InvalidDpopProof, "`dpop_jkt` names another key than that of the proof").into());
    }
    let mut asked = form.without(SINCE).without_proof();
    asked.extend(key.map(|it| (KEY.to_owned(), it)));
    asked.insert("client_id".to_owned(), client.id.clone());
    // What would be refused when the user comes is refused now (RFC 9126 section 2.1), and not kept.
    would_be_led_on(&client, &Form::of(asked.clone()))?;
    let handle = if client.is_public() {
        act.keep(PUSHED, &client.id, &asked, WAITS).await?
    } else {
        // It has shown who it is, and asks for all of its users from one address.
        act.keep_uncounted(PUSHED, &client.id, &asked, WAITS).await?
    };
    let told = json!({ "request_uri": format!("{REQUEST_URI}{}", handle.reveal()), "expires_in": WAITS.as_secs() });
    let mut response = private(told);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// Whether a user who brings this request is led on, as far as it depends on the client alone.
fn would_be_led_on(client: &Client, form: &Form) -> Result<(), Fault> {
    if !client.may(ClientGrant::AuthorizationCode) {
        return Err(Fault::new(Code::UnauthorizedClient, "the client may not send users here"));
    }
    let uri = form.required("redirect_uri", "`redirect_uri` is missing")?;
    if !client.leads_back_to(uri) {
        return Err(Fault::new(Code::InvalidRequest, "`redirect_uri` is none of those of the client"));
    }
    Asked::read(form, client).map(drop)
}
