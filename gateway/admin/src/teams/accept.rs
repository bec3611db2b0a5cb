//! An invite is accepted: by a user in a session of their own, or by somebody new, who becomes a user by it.

use axum::response::{IntoResponse, Json, Response};
use domain::Declined;
use identity::{AcceptInviteError, Joined, Joining};
use serde::Deserialize;

use super::shown;
use crate::operations::{Operations, Question};
use crate::people::{Secret, failed, guesser};

/// What the body shows. It has no `Debug`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    token: Secret,
    name: Option<String>,
    password: Option<Secret>,
}

pub(super) async fn answer(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    question.unseen()?;
    let said: Shown = question.said()?;
    let guesser = guesser(question.introduction.source);
    operations.heed_tries(&guesser)?;
    let user = match question.introduction.caller {
        Some(_) => Some(operations.user_of(question)?.user),
        None => None,
    };
    let identity = operations.books().identity();
    let joining = match (&user, &said.password) {
        (Some(user), _) => Joining::User(user),
        (None, Some(password)) => Joining::New { display: said.name.as_deref(), password: &password.0 },
        // Whoever is nobody yet has to say by what they will sign in; of the token they learn what it is good for.
        (None, None) => Joining::New { display: None, password: "" },
    };
    let joined = identity.accept_invite(&said.token.0, joining, &operations.books().terms()).await;
    let Joined { team, name } = joined.map_err(|cause| {
        if let AcceptInviteError::Unknown = cause {
            operations.count_try(&guesser);
        }
        declined(cause, said.password.is_some())
    })?;
    operations.books().come_into_force().await?;
    let mut told = shown(&team);
    // Whoever is new signs in by what they did not type.
    if let Some(fields) = told.as_object_mut() {
        fields.insert("sign_in_name".to_owned(), name.into());
    }
    Ok(Json(told).into_response())
}

fn declined(cause: AcceptInviteError, shows_password: bool) -> Declined {
    let conflict = |why: &str| Declined::Conflict(why.to_owned());
    match cause {
        AcceptInviteError::Unknown => Declined::NotFound,
        AcceptInviteError::Gone => Declined::Gone,
        AcceptInviteError::ForAnother => conflict("The invite is for another address. Sign in as whoever it is for."),
        AcceptInviteError::Known | AcceptInviteError::Password(_) if !shows_password => Declined::Unproven,
        AcceptInviteError::Known => conflict("The account has a user of this address already. Sign in first."),
        AcceptInviteError::Already => conflict("You are a member of this team already."),
        AcceptInviteError::TooMany => conflict("There is no room for another member, or another team of yours."),
        AcceptInviteError::Suspended => Declined::Unproven,
        AcceptInviteError::Unfit(_) => Declined::Parameter("name".to_owned()),
        AcceptInviteError::Password(_) => Declined::WeakPassword,
        AcceptInviteError::Busy(_) => Declined::Busy,
        AcceptInviteError::Store(cause) => failed(cause),
    }
}
