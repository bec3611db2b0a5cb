//! Invites to a team, for those who look after it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use domain::Declined;
use identity::{CreateInviteError, Invite, NewInvite, Over};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{declined, theirs};
use crate::iam::page;
use crate::operations::{Operations, Question};
use crate::people::{LEAST, failed, named_roles, unkept, within};

/// What the body says of a new one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    email: String,
    role: Option<String>,
}

fn shown(operations: &Operations, invite: &Invite) -> Value {
    json!({
        "id": invite.id,
        "email": invite.email,
        "role": invite.role,
        "status": invite.state(operations.books().clock().now().wall).as_str(),
        "expires_at": invite.expires.to_string(),
    })
}

pub(super) async fn list(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let team = theirs(operations, question).await?;
    let all = operations.books().identity().invites_of(&team.id).await.map_err(failed)?;
    let (some, next) = page(question, all, |it| &it.id)?;
    let invites: Vec<Value> = some.iter().map(|it| shown(operations, it)).collect();
    Ok(Json(json!({ "invites": invites, "next_cursor": next })).into_response())
}

pub(super) async fn create(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    question.unseen()?;
    let said: New = question.said()?;
    let team = theirs(operations, question).await?;
    let asked = [said.role.unwrap_or_else(|| LEAST.to_owned())];
    let given = named_roles(operations, question, ("role", &asked))?;
    // Whoever joins is what the team makes its members as well.
    let identity = within(operations, question, Over::Joining(team.id.clone()), &given).await?;
    let role = given.into_iter().next().ok_or_else(|| Declined::Parameter("role".to_owned()))?;
    // Only users do: what they may give is looked at again when the invite is accepted.
    let by = operations.user_of(question).map_err(|it| if it == Declined::NotFound { Declined::Beyond } else { it })?;
    let new = NewInvite { team: team.id, email: said.email, role, by: Some(by.user) };
    let made = identity.create_invite(&new, &operations.books().terms()).await;
    let made = made.map_err(|cause| match cause {
        CreateInviteError::UnknownTeam(_) => Declined::NotFound,
        CreateInviteError::Email => Declined::Parameter("email".to_owned()),
        CreateInviteError::Already => {
            Declined::Conflict("Whoever has this address is a member already, or was invited.".to_owned())
        }
        CreateInviteError::TooMany => {
            Declined::Conflict("There are as many open invites or members as there may be.".to_owned())
        }
        CreateInviteError::Role(_) => Declined::Parameter("role".to_owned()),
        CreateInviteError::Store(cause) => unkept(cause),
    })?;
    let mut body = shown(operations, &made.invite);
    if let Some(fields) = body.as_object_mut() {
        fields.insert("token".to_owned(), made.token.reveal().into());
    }
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

pub(super) async fn revoke(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let (team, id) = (theirs(operations, question).await?, question.named("invite_id")?);
    // Whoever has less takes from nobody what somebody with more has given.
    let over = Over::Invite { team: team.id.clone(), invite: id.to_owned() };
    within(operations, question, over, &[]).await?.revoke_invite(&team.id, id).await.map_err(declined)?;
    Ok(Json(json!({ "id": id, "status": "revoked" })).into_response())
}
