//! The access keys of one bucket: they sign for what is in it, and open nothing else.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use domain::{Bound, Declined, KeyRecord, keyformat};
use identity::{KeyKind, NewKey, Over};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access_keys::{public, revoked, shown, uncreated};
use super::page;
use crate::operations::{Operations, Question};
use crate::people::{failed, giving};

/// The path parameter that names the bucket, here and where its objects are.
const BUCKET: &str = "bucket";

/// What the body says of a new key.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    #[serde(default)]
    access: Access,
}

/// What a key of a bucket does there.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Access {
    ReadOnly,
    #[default]
    ReadWrite,
}

impl Access {
    fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::ReadWrite => "read_write",
        }
    }
}

/// The keys of the bucket of the path that are of the caller's tenant, dead ones included.
async fn theirs(operations: &Operations, question: &Question) -> Result<Vec<KeyRecord>, Declined> {
    let bound = bound(question)?;
    let identity = operations.books().identity();
    let mut all = identity.keys_at(&question.tenant()?, &question.api()?).await.map_err(failed)?;
    all.retain(|it| it.bound.as_ref() == Some(&bound) && public(it).is_some());
    Ok(all)
}

fn bound(question: &Question) -> Result<Bound, Declined> {
    Ok(Bound { parameter: BUCKET.to_owned(), value: question.named(BUCKET)?.to_owned() })
}

fn told(operations: &Operations, question: &Question, key: &KeyRecord) -> Result<Value, Declined> {
    let terms = operations.books().terms();
    let may = terms.of(&key.api).map_err(failed)?.bucket_keys.clone().unwrap_or_default();
    let writes = key.scopes.iter().any(|it| may.write.contains(it));
    let access = if writes { Access::ReadWrite } else { Access::ReadOnly };
    let mut told = shown(operations, key);
    if let Some(fields) = told.as_object_mut() {
        fields.insert(BUCKET.to_owned(), question.named(BUCKET)?.into());
        fields.insert("access".to_owned(), access.as_str().into());
    }
    Ok(told)
}

pub(super) async fn list(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let all = theirs(operations, question).await?;
    let (some, next) = page(question, all, |it| public(it).unwrap_or_default())?;
    let keys = some.iter().map(|it| told(operations, question, it)).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(json!({ "access_keys": keys, "next_cursor": next })).into_response())
}

pub(super) async fn create(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    question.unseen()?;
    let said: New = if question.body.is_empty() { New::default() } else { question.said()? };
    let (terms, api, bound) = (operations.books().terms(), question.api()?, bound(question)?);
    // An API whose profile does not say what such a key may do has none.
    let may = terms.of(&api).map_err(failed)?.bucket_keys.clone().ok_or(Declined::Failed)?;
    let scopes = match said.access {
        Access::ReadOnly => may.read,
        Access::ReadWrite => may.read.into_iter().chain(may.write).collect(),
    };
    let identity = giving(operations, question, Over::Nobody, &scopes).await?;
    // Nobody gives it a name, and no two keys have the same.
    let name = format!("{bound} {}", keyformat::draw_id("", 8, operations.books().random()));
    let new = NewKey {
        kind: Some(KeyKind::AccessKey),
        scopes,
        bound: Some(bound),
        ..NewKey::new(api, question.tenant()?, name)
    };
    let made = identity.create_key(&new, &terms).await.map_err(uncreated)?;
    operations.books().come_into_force().await?;
    let mut body = told(operations, question, &made.record)?;
    if let Some(fields) = body.as_object_mut() {
        fields.insert("secret_access_key".to_owned(), made.secret.reveal().into());
    }
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

pub(super) async fn revoke(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let id = question.named("access_key_id")?;
    let keys = theirs(operations, question).await?;
    let key = keys.into_iter().find(|it| public(it) == Some(id)).ok_or(Declined::NotFound)?;
    // Nobody ends what has more than they.
    let identity = giving(operations, question, Over::Nobody, &key.scopes).await?;
    revoked(operations, &identity, (&key, id)).await
}
