//! `/oauth/device_authorization` and `/oauth/device` (RFC 8628): a device without a browser is let in by its user, who is
//! signed in somewhere else.

mod page;
mod polls;

use axum::response::Response;
use domain::{Declined, NativeVerb};
use identity::{BeginDeviceError, ClientGrant, DEVICE_LIFETIME};
use serde_json::json;

use super::{Act, Code, Fault, Form, Turned, private, scopes};
use crate::people::guesser;

pub(super) use page::answer;
pub(crate) use polls::Polls;

/// What a device is given: a code for itself and one for its user.
pub(super) async fn begin(act: &mut Act<'_>) -> Result<Response, Turned> {
    let form = Form::of_body(act.question)?;
    let client = act.client(&form).await?;
    if !client.may(ClientGrant::DeviceCode) {
        return Err(Fault::new(Code::UnauthorizedClient, "this client may not use this grant type").into());
    }
    let place = act.place(NativeVerb::AnswerDevice).ok_or(Declined::Failed)?.to_owned();
    let asked = scopes::among(form.get("scope"), &client.scopes)?;
    let source = act.question.introduction.source;
    // Each that waits makes it likelier that somebody guesses the code of one.
    let counted = format!("devices, {}", guesser(source));
    heed(act, &counted)?;
    act.books().limiter().failed_try(&counted, act.books().clock().tick());
    let begun = act.identity().begin_device(&client, &asked, source).await.map_err(|why| match why {
        BeginDeviceError::TooMany => Turned::Declined(Declined::TooOften(polls::INTERVAL.as_secs())),
        BeginDeviceError::Store(cause) => cause.into(),
    })?;
    let user = begun.user.reveal();
    Ok(private(json!({
        "device_code": begun.device.reveal(),
        "user_code": user,
        "verification_uri": place,
        "verification_uri_complete": format!("{place}?user_code={user}"),
        "expires_in": DEVICE_LIFETIME.as_secs(),
        "interval": polls::INTERVAL.as_secs(),
    })))
}

/// Refuses whoever has tried too often under this name.
fn heed(act: &Act<'_>, name: &str) -> Result<(), Declined> {
    let refusal = act.books().limiter().tries_refusal(name, act.books().clock().tick());
    refusal.map_or(Ok(()), |it| Err(Declined::TooOften(it.retry_after().as_secs())))
}
