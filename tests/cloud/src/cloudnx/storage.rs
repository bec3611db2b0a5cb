//! Buckets by the API: the same that the object host serves.

use axum::Json;
use axum::extract::{Path, State};
use domain::Timestamp;
use http::StatusCode;
use serde_json::{Value, json};

use super::CloudNx;
use super::presign::{Meant, presigned};
use crate::fields::Fields;
use crate::ids::Seed;
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
    let now = cloud.shelf.now();
    cloud.shelf.within(&tenant, |room| {
        if room.buckets.contains_key(name) {
            return Err(Refused::conflict("a bucket with this name exists"));
        }
        let bucket = Bucket { versioning, ..Bucket::new(now) };
        let view = view(name, &bucket);
        room.buckets.insert(name.to_owned(), bucket);
        Ok((StatusCode::CREATED, Json(view)))
    })
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
    cloud.shelf.within(&tenant, |room| {
        if !find(room, &name)?.objects.is_empty() {
            return Err(Refused::conflict("the bucket is not empty"));
        }
        room.buckets.remove(&name);
        Ok(Json(json!({ "id": name, "status": "deleted" })))
    })
}

/// `POST /storage/buckets/{bucket}/presign`
pub(super) async fn presign(
    State(cloud): State<CloudNx>,
    tenant: Tenant,
    Path(name): Path<String>,
    order: Fields,
) -> Result<Json<Value>, Refused> {
    let key = order.required_text("key")?;
    let method = order.choice("method", &["GET", "PUT"])?.unwrap_or("GET");
    let seconds = order.number("expires_in", 1..=604_800)?.unwrap_or(900);
    cloud.shelf.within(&tenant, |room| find(room, &name).map(drop))?;
    let now = cloud.shelf.now();
    let url = presigned(&cloud.key, &Meant { method, bucket: &name, key, seconds }, now);
    let expires = now + std::time::Duration::from_secs(seconds);
    Ok(Json(json!({ "url": url, "method": method, "expires_at": expires })))
}

fn key_view(id: &str, bucket: &str, created: Timestamp) -> Value {
    json!({
        "access_key_id": id,
        "status": "active",
        "created_at": created,
        "last_used_at": null,
        "bucket": bucket,
    })
}

/// `GET /storage/buckets/{bucket}/access-keys`
pub(super) async fn list_keys(
    State(cloud): State<CloudNx>,
    tenant: Tenant,
    Path(name): Path<String>,
    query: Query,
) -> Result<Json<Value>, Refused> {
    let cursor = Cursor::asked(&query)?;
    cloud.shelf.within(&tenant, |room| {
        let piece = cursor.piece(find(room, &name)?.access_keys.iter(), |(id, _)| id);
        let views: Vec<Value> = piece.items.into_iter().map(|(id, created)| key_view(id, &name, *created)).collect();
        Ok(Json(json!({ "access_keys": views, "next_cursor": piece.next })))
    })
}

/// `POST /storage/buckets/{bucket}/access-keys`
pub(super) async fn create_key(
    State(cloud): State<CloudNx>,
    tenant: Tenant,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<Value>), Refused> {
    let now = cloud.shelf.now();
    cloud.shelf.within(&tenant, |room| {
        find(room, &name)?;
        let id = format!("CNX{}", room.ids.base36(12).to_ascii_uppercase() + &room.ids.base36(5).to_ascii_uppercase());
        let mut seed = Seed::of(&format!("{} {id}", tenant.0));
        let secret = format!("{:016x}{:016x}{:08x}", seed.number(), seed.number(), seed.below(1 << 32));
        find(room, &name)?.access_keys.insert(id.clone(), now);
        let view = json!({
            "access_key_id": id,
            "secret_access_key": secret,
            "status": "active",
            "created_at": now,
            "bucket": name,
        });
        Ok((StatusCode::CREATED, Json(view)))
    })
}

/// `DELETE /storage/buckets/{bucket}/access-keys/{access_key_id}`
pub(super) async fn revoke_key(
    State(cloud): State<CloudNx>,
    tenant: Tenant,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<Value>, Refused> {
    cloud.shelf.within(&tenant, |room| {
        let gone = find(room, &name)?.access_keys.remove(&id);
        gone.ok_or_else(|| Refused::not_found("Access key", &id))?;
        Ok(Json(json!({ "id": id, "status": "revoked" })))
    })
}
