//! The keys by which an IAM user signs.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use domain::{Declined, KeyRecord, KeySecret, keyformat};
use identity::{CreateKeyError, Identity, KeyKind, KeyState, NewKey, Over, RevokeKeyError};
use serde_json::{Value, json};

use super::{held, last_used, page, theirs};
use crate::operations::{Operations, Question};
use crate::people::{failed, giving, unkept, within};

/// The half of a key that is no secret; nothing where it does not sign.
pub(super) fn public(key: &KeyRecord) -> Option<&str> {
    match &key.secret {
        KeySecret::AccessKey { access_key_id, .. } => Some(access_key_id),
        KeySecret::Minted { .. } | KeySecret::Imported { .. } | KeySecret::Granted(_) => None,
    }
}

pub(super) fn shown(operations: &Operations, key: &KeyRecord) -> Value {
    json!({
        "access_key_id": public(key),
        "status": KeyState::of(key, operations.books().clock().now().wall).as_str(),
        "created_at": key.created.to_string(),
        "last_used_at": last_used(operations, key).map(|it| it.to_string()),
    })
}

pub(super) async fn list(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let account = theirs(operations, question).await?;
    let mut all = operations.books().identity().keys_of(&account.id).await.map_err(failed)?;
    all.retain(|it| public(it).is_some());
    let (some, next) = page(question, all, |it| public(it).unwrap_or_default())?;
    let keys: Vec<Value> = some.iter().map(|it| shown(operations, it)).collect();
    Ok(Json(json!({ "access_keys": keys, "next_cursor": next })).into_response())
}

pub(super) async fn create(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    question.unseen()?;
    let account = theirs(operations, question).await?;
    let scopes = held(operations, &account)?;
    // Whoever is given the key may do what it may.
    let identity = giving(operations, question, Over::Nobody, &scopes).await?;
    // Nobody gives it a name, and no two keys have the same.
    let name = format!("{} {}", account.id, keyformat::draw_id("", 8, operations.books().random()));
    let new = NewKey {
        kind: Some(KeyKind::AccessKey),
        owner: Some(account.id.clone()),
        scopes,
        ..NewKey::new(account.api, account.tenant, name)
    };
    let made = identity.create_key(&new, &operations.books().terms()).await;
    let made = made.map_err(uncreated)?;
    operations.books().come_into_force().await?;
    let body = json!({
        "access_key_id": public(&made.record),
        "secret_access_key": made.secret.reveal(),
        "status": "active",
        "created_at": made.record.created.to_string(),
    });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

pub(super) async fn revoke(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let account = theirs(operations, question).await?;
    let id = question.named("access_key_id")?;
    let identity = within(operations, question, Over::Account(account.id.clone()), &[]).await?;
    let keys = identity.keys_of(&account.id).await.map_err(failed)?;
    let key = keys.into_iter().find(|it| public(it) == Some(id)).ok_or(Declined::NotFound)?;
    revoked(operations, &identity, (&key, id)).await
}

/// Ends a key, and tells so by the half of it that is no secret.
pub(super) async fn revoked(
    operations: &Operations,
    identity: &Identity,
    (key, id): (&KeyRecord, &str),
) -> Result<Response, Declined> {
    identity.revoke_key(&key.id).await.map_err(|cause| match cause {
        RevokeKeyError::Unknown(_) => Declined::NotFound,
        RevokeKeyError::Store(cause) => unkept(cause),
    })?;
    operations.books().come_into_force().await?;
    Ok(Json(json!({ "id": id, "status": "revoked" })).into_response())
}

/// Why no key was made.
pub(super) fn uncreated(cause: CreateKeyError) -> Declined {
    match cause {
        CreateKeyError::TooMany(..) => Declined::Conflict("There are as many keys as there may be.".to_owned()),
        CreateKeyError::SuspendedOwner(_) => Declined::Conflict("The IAM user is suspended.".to_owned()),
        CreateKeyError::UnknownOwner(..) => Declined::NotFound,
        CreateKeyError::Store(cause) => unkept(cause),
        CreateKeyError::UnknownTenant(_) | CreateKeyError::NameTaken(..) | CreateKeyError::Unfit(_) => failed(cause),
    }
}
