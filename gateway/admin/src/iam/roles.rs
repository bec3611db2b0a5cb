//! The roles that an API has, for whoever gives them.

use axum::response::{IntoResponse, Json, Response};
use domain::Declined;
use serde_json::{Value, json};

use super::page;
use crate::operations::{Operations, Question};
use crate::people::failed;

pub(super) fn list(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let terms = operations.books().terms();
    let known = terms.of(&question.api()?).map_err(failed)?;
    let (some, next) = page(question, known.roles.iter().collect(), |(name, _)| name.as_str())?;
    let roles: Vec<Value> = some.iter().map(|(name, scopes)| json!({ "name": name, "permissions": scopes })).collect();
    Ok(Json(json!({ "roles": roles, "next_cursor": next })).into_response())
}
