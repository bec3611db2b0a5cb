//! Teams of a tenant: what they are called and make of their members, and who is in them.

mod accept;
mod invites;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use domain::{Declined, NativeVerb};
use identity::{ChangeTeamError, CreateTeamError, Member, NewTeam, Over, Team};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::iam::page;
use crate::operations::{Operations, Question};
use crate::people::{failed, named_roles, unkept, within};

/// What the body says of a new team.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    #[serde(default)]
    roles: Vec<String>,
}

/// What the body says is to be changed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: Option<String>,
    roles: Option<Vec<String>>,
}

/// Answers what is asked of teams.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other verb is handed on to here")]
pub(crate) async fn answer(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    match question.introduction.verb {
        NativeVerb::ListTeams => list(operations, question).await,
        NativeVerb::CreateTeam => create(operations, question).await,
        NativeVerb::GetTeam => Ok(Json(shown(&theirs(operations, question).await?)).into_response()),
        NativeVerb::ChangeTeam => change(operations, question).await,
        NativeVerb::DeleteTeam => delete(operations, question).await,
        NativeVerb::ListMembers => members(operations, question).await,
        NativeVerb::RemoveMember => remove(operations, question).await,
        NativeVerb::ListInvites => invites::list(operations, question).await,
        NativeVerb::CreateInvite => invites::create(operations, question).await,
        NativeVerb::RevokeInvite => invites::revoke(operations, question).await,
        NativeVerb::AcceptInvite => accept::answer(operations, question).await,
        // What others answer.
        _ => Err(Declined::Failed),
    }
}

fn shown(team: &Team) -> Value {
    json!({ "id": team.id, "name": team.name, "roles": team.roles, "created_at": team.created.to_string() })
}

/// The team of the path, where it is of the caller's tenant. Of others nobody learns that there are any.
async fn theirs(operations: &Operations, question: &Question) -> Result<Team, Declined> {
    let tenant = question.tenant()?;
    let found = operations.books().identity().team(question.named("id")?).await.map_err(failed)?;
    found.filter(|it| it.tenant == tenant).ok_or(Declined::NotFound)
}

async fn list(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let all = operations.books().identity().teams_of(&question.tenant()?).await.map_err(failed)?;
    let (some, next) = page(question, all, |it| &it.id)?;
    let teams: Vec<Value> = some.iter().map(shown).collect();
    Ok(Json(json!({ "teams": teams, "next_cursor": next })).into_response())
}

async fn create(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let said: New = question.said()?;
    let roles = named_roles(operations, question, ("roles", &said.roles))?;
    let identity = within(operations, question, Over::Nobody, &roles).await?;
    let new = NewTeam { tenant: question.tenant()?, name: said.name, roles };
    let made = identity.create_team(&new, &operations.books().terms()).await;
    let made = made.map_err(|cause| match cause {
        CreateTeamError::NameTaken(_) => name_taken(),
        CreateTeamError::TooMany(_) => Declined::Conflict("There are as many teams as there may be.".to_owned()),
        CreateTeamError::Role(_) => Declined::Parameter("roles".to_owned()),
        CreateTeamError::Unfit(_) => Declined::Parameter("name".to_owned()),
        CreateTeamError::Store(cause) => unkept(cause),
    })?;
    Ok((StatusCode::CREATED, Json(shown(&made))).into_response())
}

async fn change(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let said: Wanted = question.said()?;
    let team = theirs(operations, question).await?;
    // A team with more than the caller, or by which somebody has more or was invited to it, is not theirs to change, in
    // nothing.
    let mut identity = within(operations, question, Over::Team(team.id.clone()), &[]).await?;
    let roles = said.roles.as_deref().map(|names| named_roles(operations, question, ("roles", names))).transpose()?;
    if let Some(roles) = &roles {
        identity = within(operations, question, Over::Team(team.id.clone()), roles).await?;
    }
    let terms = operations.books().terms();
    let changed = identity.change_team(&team.id, said.name.as_deref(), roles.as_deref(), &terms).await;
    let changed = changed.map_err(declined)?;
    operations.books().come_into_force().await?;
    Ok(Json(shown(&changed)).into_response())
}

async fn delete(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let team = theirs(operations, question).await?;
    let identity = within(operations, question, Over::Team(team.id.clone()), &[]).await?;
    let terms = operations.books().terms();
    identity.delete_team(&team.id, &terms).await.map_err(declined)?;
    operations.books().come_into_force().await?;
    Ok(Json(json!({ "id": team.id, "status": "deleted" })).into_response())
}

async fn members(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let team = theirs(operations, question).await?;
    let all = operations.books().identity().members_of(&team).await.map_err(failed)?;
    let (some, next) = page(question, all, |it| &it.user)?;
    let shown = |it: &Member| json!({ "user_id": it.user, "role": it.role, "joined_at": it.joined.to_string() });
    let members: Vec<Value> = some.iter().map(shown).collect();
    Ok(Json(json!({ "members": members, "next_cursor": next })).into_response())
}

async fn remove(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let (team, user) = (theirs(operations, question).await?, question.named("user_id")?);
    let identity = within(operations, question, Over::User(user.to_owned()), &[]).await?;
    let terms = operations.books().terms();
    identity.remove_member(&team.id, user, &terms).await.map_err(declined)?;
    operations.books().come_into_force().await?;
    Ok(Json(json!({ "id": user, "status": "removed" })).into_response())
}

fn name_taken() -> Declined {
    Declined::Conflict("There is a team of this name already.".to_owned())
}

fn declined(cause: ChangeTeamError) -> Declined {
    match cause {
        ChangeTeamError::Unknown(_) | ChangeTeamError::NoMember(_) | ChangeTeamError::NoInvite(_) => Declined::NotFound,
        ChangeTeamError::NameTaken(_) => name_taken(),
        ChangeTeamError::LastOwner(_) => Declined::Conflict("The account would have no owner left.".to_owned()),
        ChangeTeamError::Role(_) => Declined::Parameter("roles".to_owned()),
        ChangeTeamError::Unfit(_) => Declined::Parameter("name".to_owned()),
        ChangeTeamError::Store(cause) => unkept(cause),
    }
}
