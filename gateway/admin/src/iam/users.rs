//! The service accounts of a tenant, in the words of those who call them IAM users.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use domain::{Declined, Scope};
use identity::{CreateServiceAccountError, NewServiceAccount, Over, ServiceAccount, Unfit};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{declined, held, page, theirs};
use crate::operations::{Operations, Question};
use crate::people::{failed, giving, unkept, within};

/// What the body says of a new one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    permissions: Option<Vec<String>>,
}

fn shown(operations: &Operations, account: &ServiceAccount) -> Result<Value, Declined> {
    Ok(json!({
        "id": account.id,
        "name": account.name,
        "permissions": held(operations, account)?,
        "roles": account.roles,
        "created_at": account.created.to_string(),
    }))
}

pub(super) async fn list(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let identity = operations.books().identity();
    let all = identity.service_accounts_at(&question.tenant()?, &question.api()?).await.map_err(failed)?;
    let (some, next) = page(question, all, |it| &it.id)?;
    let users = some.iter().map(|it| shown(operations, it)).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(json!({ "iam_users": users, "next_cursor": next })).into_response())
}

pub(super) async fn get(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    Ok(Json(shown(operations, &theirs(operations, question).await?)?).into_response())
}

pub(super) async fn create(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let said: New = question.said()?;
    let bad = || Declined::Parameter("permissions".to_owned());
    let permissions = said.permissions.unwrap_or_default();
    let permissions: Result<Vec<Scope>, _> = permissions.iter().map(|it| it.parse()).collect();
    let permissions = permissions.map_err(|_| bad())?;
    let (terms, api) = (operations.books().terms(), question.api()?);
    let known = &terms.of(&api).map_err(failed)?.scopes;
    // What nobody has is a mistake, what the caller does not have an attempt.
    if !permissions.iter().all(|it| known.contains(it)) {
        return Err(bad());
    }
    let identity = giving(operations, question, Over::Nobody, &permissions).await?;
    let (tenant, roles, workloads) = (question.tenant()?, Vec::new(), Vec::new());
    let new = NewServiceAccount { api, tenant, name: said.name, roles, permissions, workloads };
    let made = identity.create_service_account(&new, &terms).await;
    let made = made.map_err(|cause| match cause {
        CreateServiceAccountError::NameTaken(..) => {
            Declined::Conflict("There is an IAM user of this name already.".to_owned())
        }
        CreateServiceAccountError::TooMany(_) => {
            Declined::Conflict("There are as many IAM users as there may be.".to_owned())
        }
        CreateServiceAccountError::Unfit(Unfit::Name(_) | Unfit::Key) => Declined::Parameter("name".to_owned()),
        CreateServiceAccountError::Unfit(_)
        | CreateServiceAccountError::UnknownTenant(_)
        | CreateServiceAccountError::Workloads => failed(cause),
        CreateServiceAccountError::Store(cause) => unkept(cause),
    })?;
    Ok((StatusCode::CREATED, Json(shown(operations, &made)?)).into_response())
}

pub(super) async fn delete(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let account = theirs(operations, question).await?;
    let identity = within(operations, question, Over::Account(account.id.clone()), &[]).await?;
    identity.delete_service_account(&account.id).await.map_err(declined)?;
    operations.books().come_into_force().await?;
    Ok(Json(json!({ "id": account.id, "status": "deleted" })).into_response())
}
