//! What users do with their own account: another password, a second factor. Only in a session of their own.

use axum::response::{IntoResponse, Json, Response};
use domain::Declined;
use identity::{ChangePersonError, FactorError, Shown};
use serde::Deserialize;
use serde_json::json;

use super::sessions::{begin, offered};
use super::{Secret, failed, users};
use crate::operations::{Operations, Question};

/// What the body says of another password. It has no `Debug`.
#[derive(Deserialize)]
struct Passwords {
    current_password: Secret,
    new_password: Secret,
}

/// What the body shows of a second factor. It has no `Debug`.
#[derive(Deserialize)]
struct Code {
    code: Secret,
}

/// Ends every session of the user, this one too, and begins another in its place.
pub(super) async fn change_password(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    question.unseen()?;
    let said: Passwords = question.said()?;
    let (offered, cookies) = offered(operations, question)?;
    let (user, methods) = operations.user_of(question)?;
    let guesses = format!("password of {user}");
    operations.heed_tries(&guesses)?;
    let identity = operations.acting(question)?;
    let changed = identity.change_password(&user, &said.new_password.0, &said.current_password.0, methods).await;
    let who = changed.map_err(|cause| {
        if let ChangePersonError::Wrong = cause {
            operations.count_try(&guesses);
        }
        users::declined(cause)
    })?;
    begin(operations, (&offered, &cookies), &who, Some(&question.tenant()?)).await
}

pub(super) async fn enrol_factor(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    question.unseen()?;
    let (user, _) = operations.user_of(question)?;
    let offered = operations.offered(question)?;
    let issuer = offered.issuer.trim_start_matches("https://");
    let begun = operations.acting(question)?.enrol_factor(&user, issuer).await.map_err(declined)?;
    Ok(Json(json!({ "secret": begun.secret.reveal(), "uri": begun.uri.reveal() })).into_response())
}

pub(super) async fn confirm_factor(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    question.unseen()?;
    let (user, _) = operations.user_of(question)?;
    let said: Code = question.said()?;
    let codes = operations.acting(question)?.confirm_factor(&user, &said.code.0).await.map_err(declined)?;
    let codes: Vec<&str> = codes.iter().map(Shown::reveal).collect();
    Ok(Json(json!({ "mfa_enrolled": true, "recovery_codes": codes })).into_response())
}

pub(super) async fn remove_factor(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    question.unseen()?;
    let (user, _) = operations.user_of(question)?;
    let said: Code = question.said()?;
    operations.acting(question)?.remove_factor(&user, Some(&said.code.0)).await.map_err(declined)?;
    Ok(Json(json!({ "mfa_enrolled": false })).into_response())
}

fn declined(cause: FactorError) -> Declined {
    match cause {
        FactorError::Unknown(_) => Declined::NotFound,
        FactorError::Missing => Declined::Conflict("There is no second factor to speak of.".to_owned()),
        FactorError::Already => Declined::Conflict("There is a second factor already.".to_owned()),
        FactorError::Wrong => Declined::Parameter("code".to_owned()),
        FactorError::TooOften(wait) => Declined::TooOften(wait.as_secs().max(1)),
        FactorError::Store(cause) => failed(cause),
    }
}
