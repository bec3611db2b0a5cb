//! The users of a tenant, for those who look after them.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use domain::{Declined, KeyId, RoleName};
use identity::{ChangePersonError, CreatePersonError, NewPerson, Over, Page, Person};
use serde::Deserialize;
use serde_json::{Value, json};

use super::rights::{named_roles, roles_of, unkept, within};
use super::sessions::{MOST, USUAL};
use super::{Secret, failed};
use crate::operations::{Operations, Question};

/// What somebody is of whom nothing else is said: the least there is.
pub(crate) const LEAST: &str = "viewer";

/// What the body says of a new user. It has no `Debug`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    email: String,
    name: Option<String>,
    password: Option<Secret>,
    roles: Option<Vec<String>>,
}

/// What the body says is to be changed. It has no `Debug`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: Option<String>,
    password: Option<Secret>,
    roles: Option<Vec<String>>,
}

/// A user, in the words of the document.
pub(super) fn shown(person: Person) -> Value {
    let mut shown = json!({
        "id": person.id,
        "sign_in_name": person.name,
        "email": person.email.unwrap_or(person.name),
        "mfa_enrolled": person.second_factor,
        "created_at": person.created.to_string(),
    });
    if let (Some(display), Some(fields)) = (person.display, shown.as_object_mut()) {
        fields.insert("name".to_owned(), display.into());
    }
    shown
}

/// A user with what they are in the caller's tenant.
async fn told(operations: &Operations, question: &Question, person: Person) -> Result<Value, Declined> {
    let roles = roles_of(operations, question, &person.id).await?;
    Ok(with_roles(shown(person), &roles))
}

fn with_roles(mut shown: Value, roles: &[RoleName]) -> Value {
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("roles".to_owned(), json!(roles));
    }
    shown
}

pub(super) async fn list(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let limit = question.asked.number("limit", USUAL, MOST)?;
    let (tenant, identity) = (question.tenant()?, operations.books().identity());
    let after = question.asked.text("cursor");
    // After somebody who is not there, or is another tenant's, nothing comes: that is not the end of the list.
    if let Some(last) = &after {
        let there = identity.memberships(last).await.map_err(failed)?;
        if there.iter().all(|it| it.tenant != tenant) {
            return Err(Declined::Parameter("cursor".to_owned()));
        }
    }
    let page = Page { after, limit: u32::try_from(limit + 1).unwrap_or(u32::MAX) };
    let mut people = identity.members(&tenant, &page).await.map_err(failed)?;
    let more = limit < people.len();
    people.truncate(limit);
    let next = people.last().filter(|_| more).map(|(it, _)| it.id.clone());
    let users: Vec<Value> = people.into_iter().map(|(it, roles)| with_roles(shown(it), &roles)).collect();
    Ok(Json(json!({ "users": users, "next_cursor": next })).into_response())
}

pub(super) async fn get(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let person = member(operations, question).await?;
    Ok(Json(told(operations, question, person).await?).into_response())
}

pub(super) async fn create(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    question.unseen()?;
    let said: New = question.said()?;
    let roles = known(operations, question, &said.roles.unwrap_or_else(|| vec![LEAST.to_owned()]))?;
    let identity = within(operations, question, Over::Nobody, &roles).await?;
    let tenant = question.tenant()?;
    let new = NewPerson {
        name: said.email.clone(),
        home: Some(tenant.clone()),
        email: Some(said.email),
        display: said.name,
        password: said.password.map(|it| it.0.to_string()),
        roles: BTreeMap::from([(tenant, roles)]),
    };
    let made = identity.create_person(&new, &operations.books().terms()).await;
    let made = made.map_err(|cause| match cause {
        CreatePersonError::Taken(_) => Declined::Conflict("The account has a user of this address already.".to_owned()),
        CreatePersonError::Name(_) | CreatePersonError::Email(_) => Declined::Parameter("email".to_owned()),
        CreatePersonError::Unfit(_) => Declined::Parameter("name".to_owned()),
        CreatePersonError::Password(_) => Declined::WeakPassword,
        CreatePersonError::Role(_) => Declined::Parameter("roles".to_owned()),
        CreatePersonError::Busy(_) => Declined::Busy,
        CreatePersonError::Store(cause) => unkept(cause),
    })?;
    Ok((StatusCode::CREATED, Json(told(operations, question, made).await?)).into_response())
}

pub(super) async fn change(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let said: Wanted = question.said()?;
    let mut person = member(operations, question).await?;
    // Whoever has more than the caller is not theirs to change, in nothing.
    let mut identity = within(operations, question, Over::User(person.id.clone()), &[]).await?;
    // All that is asked for is judged before any of it is done; what else could be refused of a password, or of roles for
    // it, is why one is given alone.
    if said.password.is_some() && (said.roles.is_some() || said.name.is_some()) {
        return Err(Declined::Parameter("password".to_owned()));
    }
    if said.name.as_deref().is_some_and(|it| !identity::is_label(it)) {
        return Err(Declined::Parameter("name".to_owned()));
    }
    let wanted = said.roles.as_deref().map(|names| known(operations, question, names)).transpose()?;
    if let Some(wanted) = &wanted {
        identity = within(operations, question, Over::User(person.id.clone()), wanted).await?;
    }
    if said.name.is_some() {
        // What somebody is called is the same in every tenant that they belong to.
        alone(operations, &person.id).await?;
    }
    if let Some(password) = &said.password {
        question.unseen()?;
        may_give_password(operations, question, &person)?;
        person = identity.set_password(&person.id, &password.0, None).await.map_err(declined)?;
        operations.books().come_into_force().await?;
    }
    if let Some(name) = &said.name {
        person = identity.rename_person(&person.id, name).await.map_err(declined)?;
    }
    // Last: whoever takes a role from themself ends the session that they ask in.
    if let Some(wanted) = &wanted {
        let (tenant, terms) = (question.tenant()?, operations.books().terms());
        person = identity.set_roles(&person.id, &tenant, wanted, &terms).await.map_err(declined)?;
        operations.books().come_into_force().await?;
    }
    Ok(Json(told(operations, question, person).await?).into_response())
}

pub(super) async fn delete(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let person = member(operations, question).await?;
    let identity = within(operations, question, Over::User(person.id.clone()), &[]).await?;
    identity.remove_person(&person.id, &question.tenant()?).await.map_err(declined)?;
    operations.books().come_into_force().await?;
    Ok(Json(json!({ "id": person.id, "status": "deleted" })).into_response())
}

/// The user of the path, where they belong to the caller's tenant. Of others nobody learns that there are any.
async fn member(operations: &Operations, question: &Question) -> Result<Person, Declined> {
    let (id, tenant) = (question.named("id")?, question.tenant()?);
    let identity = operations.books().identity();
    let memberships = identity.memberships(id).await.map_err(failed)?;
    if !memberships.iter().any(|it| it.tenant == tenant) {
        return Err(Declined::NotFound);
    }
    identity.person(id).await.map_err(failed)?.ok_or(Declined::NotFound)
}

/// Refuses to give a password to whoever has it of nobody else's giving: an account is its tenant's own where that has made it
/// known. Nobody changes theirs so, because whoever has their session alone could.
fn may_give_password(operations: &Operations, question: &Question, person: &Person) -> Result<(), Declined> {
    if person.home.as_ref() != Some(&question.tenant()?) {
        return Err(Declined::Conflict("The user's account is not this account's own.".to_owned()));
    }
    let key: KeyId = question.caller()?.key.parse().map_err(|_| Declined::Failed)?;
    let keyring = operations.books().keyring();
    if keyring.by_id(&key).is_none_or(|it| it.standing().owner.as_deref() == Some(&*person.id)) {
        return Err(Declined::Conflict("You change your own password by showing the one you have.".to_owned()));
    }
    Ok(())
}

/// Refuses to change what other tenants see of a user too.
async fn alone(operations: &Operations, user: &str) -> Result<(), Declined> {
    let all = operations.books().identity().memberships(user).await.map_err(failed)?;
    if all.len() < 2 { Ok(()) } else { Err(Declined::Conflict("The user belongs to other accounts too.".to_owned())) }
}

/// Roles by their names, and not none: nobody is in a tenant without.
fn known(operations: &Operations, question: &Question, names: &[String]) -> Result<Vec<RoleName>, Declined> {
    let roles = named_roles(operations, question, ("roles", names))?;
    if roles.is_empty() { Err(Declined::Parameter("roles".to_owned())) } else { Ok(roles) }
}

pub(super) fn declined(cause: ChangePersonError) -> Declined {
    match cause {
        ChangePersonError::Unknown(_) => Declined::NotFound,
        ChangePersonError::Unfit(_) => Declined::Parameter("name".to_owned()),
        ChangePersonError::Password(_) => Declined::WeakPassword,
        ChangePersonError::Wrong => Declined::Unproven,
        ChangePersonError::LastOwner(_) => Declined::Conflict("The account would have no owner left.".to_owned()),
        ChangePersonError::Role(_) => Declined::Parameter("roles".to_owned()),
        ChangePersonError::Busy(_) => Declined::Busy,
        ChangePersonError::Store(cause) => unkept(cause),
    }
}
