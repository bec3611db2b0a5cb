//! The service accounts of a tenant, each with what becomes of its keys.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Json, Response};
use domain::{Declined, KeyRecord, Timestamp};
use identity::{Rotation, ServiceAccount};
use serde_json::{Value, json};

use super::last_used;
use crate::operations::{Operations, Question};
use crate::people::failed;

/// How the rotation of an account stands that has no key which has not ended.
const KEYLESS: &str = "none";

pub(super) async fn list(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let (tenant, api) = (question.tenant()?, question.api()?);
    let (role, status) = (question.asked.text("role"), question.asked.text("status"));
    if status.as_ref().is_some_and(|it| !["active", "suspended"].contains(&it.as_str())) {
        return Err(Declined::Parameter("status".to_owned()));
    }
    let shows_keys = question.asked.text("include_keys").is_some_and(|it| it == "true");
    let identity = operations.books().identity();
    let accounts = identity.service_accounts_at(&tenant, &api).await.map_err(failed)?;
    let mut keys: BTreeMap<String, Vec<KeyRecord>> = BTreeMap::new();
    for mut key in identity.keys_at(&tenant, &api).await.map_err(failed)? {
        if let Some(owner) = key.owner.take() {
            keys.entry(owner).or_default().push(key);
        }
    }
    let wanted = |it: &&ServiceAccount| {
        role.as_ref().is_none_or(|role| it.roles.iter().any(|it| it.as_str() == role))
            && status.as_ref().is_none_or(|status| it.status() == status)
    };
    let shown = |it: &ServiceAccount| {
        let keys = keys.get(&it.id).map(Vec::as_slice).unwrap_or_default();
        shown(operations, it, keys, shows_keys)
    };
    let accounts: Vec<Value> = accounts.iter().filter(wanted).map(shown).collect();
    Ok(Json(json!({ "total": accounts.len(), "service_accounts": accounts })).into_response())
}

fn shown(operations: &Operations, account: &ServiceAccount, keys: &[KeyRecord], shows_keys: bool) -> Value {
    let now = operations.books().clock().now().wall;
    let rotation = |it: &KeyRecord| operations.books().identity().rotation_of(it, now);
    let mut shown = json!({
        "id": account.id,
        "name": account.name,
        "status": account.status(),
        "roles": account.roles,
        "last_authenticated_at": moment(keys.iter().filter_map(|it| last_used(operations, it)).max()),
        "key_rotation_status": keys.iter().filter_map(rotation).max().map_or(KEYLESS, Rotation::as_str),
        "workload_identities": account.workloads,
    });
    if let (true, Some(fields)) = (shows_keys, shown.as_object_mut()) {
        // Those that have ended are history, which the log tells.
        let living = keys.iter().filter_map(|it| Some(key(operations, it, rotation(it)?)));
        fields.insert("keys".to_owned(), living.collect());
    }
    shown
}

fn key(operations: &Operations, key: &KeyRecord, rotation: Rotation) -> Value {
    let mut shown = json!({
        "id": key.id,
        "created_at": key.created.to_string(),
        "last_used_at": moment(last_used(operations, key)),
        "rotation_status": rotation.as_str(),
    });
    if let (Rotation::Rotating(until), Some(fields)) = (rotation, shown.as_object_mut()) {
        fields.insert("rotating_until".to_owned(), until.to_string().into());
    }
    shown
}

fn moment(it: Option<Timestamp>) -> Option<String> {
    it.map(|it| it.to_string())
}
