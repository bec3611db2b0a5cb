//! Somebody has left, their provider says (OpenID Connect Back-Channel Logout 1.0).

use authn::token::{logout_token, named_key};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::Declined;
use identity::{EndedOutside, LeftOutside};

use super::{algs, rules};
use crate::oauth::{Act, Code, Fault, Form, Turned, keep_nowhere};

/// Whatever is wrong with a token, nobody is told more.
const UNBELIEVED: Fault = Fault { code: Code::InvalidRequest, told: "`logout_token` is not one that is believed here" };

/// `POST /oauth/providers/{provider}/logout`. Anybody can ask it: what is shown must be signed by the provider, be for us,
/// be of now, and be shown once.
pub(super) async fn hear(act: &mut Act<'_>) -> Result<Response, Turned> {
    let form = Form::of_body(act.question)?;
    let id = act.question.introduction.parameters.get("provider").map(String::as_str).unwrap_or_default();
    let unknown = Fault::new(Code::InvalidRequest, "there is no such connection");
    let provider = act.identity().open_provider(id).await?.ok_or(unknown)?;
    let token = form.required("logout_token", "`logout_token` is missing")?;
    let kid = named_key(token).ok_or_else(|| unbelieved(act, "token_malformed"))?;
    let metadata = act.metadata(&provider).await.map_err(|_| Declined::Busy)?;
    let keys = act.keys(provider.elsewhere(), &metadata.jwks, &kid).await.map_err(|_| Declined::Busy)?;
    let (algs, now) = (algs(&provider), act.books().clock().now().wall);
    let left = logout_token(token, rules(&provider, &algs), &keys, now);
    let left = left.map_err(|cause| unbelieved(act, cause.reason()))?;
    let (subject, session) = (left.subject.as_deref(), left.session.as_deref());
    let left = LeftOutside { subject, session, jti: &left.jti, ends: left.ends };
    if act.identity().end_outside(&provider, left).await? == EndedOutside::Repeated {
        return Err(unbelieved(act, "token_repeated").into());
    }
    act.books().come_into_force().await?;
    let mut response = StatusCode::OK.into_response();
    keep_nowhere(&mut response);
    Ok(response)
}

/// Counts it against the address: who makes up tokens is told to wait.
fn unbelieved(act: &Act<'_>, why: &'static str) -> Fault {
    let now = act.books().clock().tick();
    act.books().limiter().failed_credential(act.question.introduction.source, now);
    tracing::debug!(why, "a logout token is not believed");
    UNBELIEVED
}
