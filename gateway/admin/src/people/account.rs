//! What users do with their own account: another password, a second factor. Only in a session of their own.

use axum::body::Body;
use axum::response::{IntoResponse, Json, Response};
use domain::{Declined, Timestamp};
use identity::{ChangePersonError, FactorError, Shown};
use serde::Deserialize;
use serde_json::json;

use super::sessions::{begin, offered};
use super::{Own, Secret, failed, is_fresh, users};
use crate::operations::{Operations, Question};

/// What the body says of another password. It has no `Debug`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Passwords {
    current_password: Secret,
    new_password: Secret,
}

/// What the body shows of a second factor. It has no `Debug`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    code: Secret,
}

/// What the body shows who signed in some time ago. It has no `Debug`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Current {
    current_password: Option<Secret>,
}

/// The same, with a code of the second factor that it confirms. It has no `Debug`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCode {
    code: Secret,
    current_password: Option<Secret>,
}

/// Ends every session of the user, this one too, and begins another in its place.
pub(super) async fn change_password(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    question.unseen()?;
    let said: Passwords = question.said()?;
    let (offered, cookies) = offered(operations, question)?;
    let Own { user, methods, .. } = operations.user_of(question)?;
    let identity = operations.acting(question)?;
    let (new, current) = (&said.new_password.0, &said.current_password.0);
    let changing = identity.change_password(&user, new, current, methods);
    let who = guessing(operations, &user, changing).await?;
    begin(operations, (&offered, &cookies), &who, Some(&question.tenant()?)).await
}

pub(super) async fn enrol_factor(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    question.unseen()?;
    let own = operations.user_of(question)?;
    let said: Current = if question.body.is_empty() { Current::default() } else { question.said()? };
    let _ = fresh(operations, question, &own, said.current_password).await?;
    let (user, offered) = (own.user, operations.offered(question)?);
    let issuer = offered.issuer.trim_start_matches("https://");
    let begun = operations.acting(question)?.enrol_factor(&user, issuer).await.map_err(declined)?;
    Ok(Json(json!({ "secret": begun.secret.reveal(), "uri": begun.uri.reveal() })).into_response())
}

/// Ends every session of the user, this one too, and begins another in its place, in which they have shown both.
pub(super) async fn confirm_factor(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    question.unseen()?;
    let (offered, cookies) = offered(operations, question)?;
    let own = operations.user_of(question)?;
    let said: NewCode = question.said()?;
    let at = fresh(operations, question, &own, said.current_password).await?;
    let identity = operations.acting(question)?;
    let stepping_up = identity.step_up(&own.user, &said.code.0, (own.methods, at), &own.session);
    let (codes, who) = stepping_up.await.map_err(declined)?;
    let begun = begin(operations, (&offered, &cookies), &who, Some(&question.tenant()?)).await?;
    let codes: Vec<&str> = codes.iter().map(Shown::reveal).collect();
    let told = json!({ "mfa_enrolled": true, "recovery_codes": codes });
    let (head, _) = begun.into_parts();
    Ok(Response::from_parts(head, Body::from(told.to_string())))
}

/// Refuses whoever has signed in too long ago and does not show their password: a stolen cookie is good for minutes, and a
/// second factor lasts. Says when they have shown who they are.
async fn fresh(
    operations: &Operations,
    question: &Question,
    own: &Own,
    password: Option<Secret>,
) -> Result<Timestamp, Declined> {
    let now = operations.books().clock().now().wall;
    let Some(password) = password else {
        return if is_fresh(own.authenticated, now) { Ok(own.authenticated) } else { Err(Declined::Stale) };
    };
    let identity = operations.acting(question)?;
    guessing(operations, &own.user, identity.prove_password(&own.user, &password.0)).await?;
    Ok(now)
}

/// Judges the password that a user has, as at the sign-in: wrong ones count, and have the next one wait.
async fn guessing<T>(
    operations: &Operations,
    user: &str,
    judging: impl Future<Output = Result<T, ChangePersonError>>,
) -> Result<T, Declined> {
    let guesses = format!("password of {user}");
    operations.heed_tries(&guesses)?;
    let person = operations.books().identity().person(user).await.map_err(failed)?.ok_or(Declined::NotFound)?;
    // By whatever they sign in, so that a password is guessed no faster by the one than by the other.
    for name in person.names() {
        operations.begin_guess(name)?;
    }
    let judged = judging.await;
    if let Err(ChangePersonError::Wrong) = &judged {
        operations.count_try(&guesses);
    } else {
        person.names().for_each(|it| operations.take_back_guess(it));
    }
    judged.map_err(users::declined)
}

pub(super) async fn remove_factor(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    question.unseen()?;
    let user = operations.user_of(question)?.user;
    let said: Code = question.said()?;
    operations.acting(question)?.remove_factor(&user, Some(&said.code.0)).await.map_err(declined)?;
    Ok(Json(json!({ "mfa_enrolled": false })).into_response())
}

fn declined(cause: FactorError) -> Declined {
    match cause {
        FactorError::Unknown(_) => Declined::NotFound,
        FactorError::Ended => Declined::Unproven,
        FactorError::Missing => Declined::Conflict("There is no second factor to speak of.".to_owned()),
        FactorError::Already => Declined::Conflict("There is a second factor already.".to_owned()),
        FactorError::Wrong => Declined::Parameter("code".to_owned()),
        FactorError::TooOften(wait) => Declined::TooOften(wait.as_secs().max(1)),
        FactorError::Store(cause) => failed(cause),
    }
}
