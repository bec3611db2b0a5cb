//! Buckets by the API: the same that the object host serves.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Value, json};

use super::CloudNx;
use crate::fields::Fields;
use crate::objects::shelf::{Bucket, Room};
use crate::paging::Cursor;
use crate::query::Query;
use crate::refused::Refused;
use crate::tenants::Tenant;

fn view(name: &str, bucket: &Bucket) -> Value {
    json!({
        "name": name,
        "region": "in-mum",
        "object_count": bucket.objects.len(),
        "size_bytes": bucket.objects.values().map(|it| it.blob.size).sum::<u64>(),
        "versioning": bucket.versioning,
        "created_at": bucket.created,
    })
}

fn find<'a>(room: &'a mut Room, name: &str) -> Result<&'a mut Bucket, Refused> {
    room.buckets.get_mut(name).ok_or_else(|| Refused::not_found("Bucket", name))
}

/// `GET /storage/buckets`
pub(super) async fn list(State(cloud): State<CloudNx>, tenant: Tenant, query: Query) -> Result<Json<Value>, Refused> {
    let cursor = Cursor::asked(&query)?;
    cloud.shelf.within(&tenant, |room| {
        let piece = cursor.piece(room.buckets.iter(), |(name, _)| name);
        let views: Vec<Value> = piece.items.into_iter().map(|(name, bucket)| view(name, bucket)).collect();
        Ok(Json(json!({ "buckets": views, "next_cursor": piece.next })))
    })
}

/// `POST /storage/buckets`
pub(super) async fn create(
    State(cloud): State<CloudNx>,
    tenant: Tenant,
    order: Fields,
) -> Result<(StatusCode, Json<Value>), Refused> {
    let (name, versioning) = (order.required_text("name")?, order.flag("versioning")?);
    if !s3s::path::check_bucket_name(name) {
        return Err(Refused::invalid("name", "name must be 3 to 63 lower-case letters, digits, dots and hyphens"));
    }
    let bucket = Bucket { versioning, ..Bucket::new(cloud.shelf.now()) };
    let view = view(name, &bucket);
    let made = cloud.shelf.make(&tenant, name, bucket);
    // Whoever has it.
    made.map_err(|_| Refused::conflict("a bucket with this name exists"))?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// `GET /storage/buckets/{bucket}`
pub(super) async fn get(
    State(cloud): State<CloudNx>,
    tenant: Tenant,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refused> {
    cloud.shelf.within(&tenant, |room| find(room, &name).map(|it| Json(view(&name, it))))
}

/// `DELETE /storage/buckets/{bucket}`
pub(super) async fn delete(
    State(cloud): State<CloudNx>,
    tenant: Tenant,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refused> {
    cloud.shelf.remove(&tenant, &name, |room| {
        let empty = find(room, &name)?.objects.is_empty();
        if empty { Ok(()) } else { Err(Refused::conflict("the bucket is not empty")) }
    })?;
    Ok(Json(json!({ "id": name, "status": "deleted" })))
}
