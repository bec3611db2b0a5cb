//! The models, which are the same for every tenant.

use axum::Json;
use axum::extract::Path;
use serde_json::{Value, json};

use crate::refused::{Kind, Refused};
use crate::tenants::Tenant;

/// Their ids, whose they are, and whether one can talk to them.
const MODELS: [(&str, &str, bool); 5] = [
    ("nova-large", "novastack", true),
    ("nova-small", "novastack", true),
    ("nova-image", "novastack", false),
    ("meridian/atlas-70b", "meridian", true),
    ("meridian/atlas-8b", "meridian", true),
];
/// 2026-01-01, the day of the examples.
const CREATED: i64 = 1_767_225_600;

fn view(id: &str, owner: &str) -> Value {
    json!({ "id": id, "object": "model", "created": CREATED, "owned_by": owner })
}

/// `GET /router/v1/models`
pub(super) async fn list(_: Tenant) -> Json<Value> {
    let models: Vec<Value> = MODELS.iter().map(|(id, owner, _)| view(id, owner)).collect();
    Json(json!({ "object": "list", "data": models, "has_more": false }))
}

/// `GET /router/v1/models/{model}`, whose id may hold slashes.
pub(super) async fn get(_: Tenant, Path(model): Path<String>) -> Result<Json<Value>, Refused> {
    let found = MODELS.iter().find(|(id, _, _)| *id == model);
    found.map(|(id, owner, _)| Json(view(id, owner))).ok_or_else(|| unknown(&model))
}

/// Refuses a model that is not there.
pub(super) fn known(model: &str) -> Result<(), Refused> {
    if MODELS.iter().any(|(id, _, _)| *id == model) { Ok(()) } else { Err(unknown(model)) }
}

/// Refuses a model that is not there or does not talk.
pub(super) fn talks(model: &str) -> Result<(), Refused> {
    known(model)?;
    let talks = MODELS.iter().any(|(id, _, talks)| *id == model && *talks);
    if talks { Ok(()) } else { Err(Refused::invalid("model", "this is not a chat model")) }
}

fn unknown(model: &str) -> Refused {
    let message = format!("The model `{model}` does not exist or you do not have access to it.");
    Refused { param: Some("model".to_owned()), ..Refused::new(Kind::NotFound, message) }
}
