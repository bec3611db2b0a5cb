//! Buckets, and objects that are uploaded into them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use domain::Timestamp;
use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::CloudNexus;
use crate::blobs::{Blob, NotKept};
use crate::clock::whole;
use crate::ids::Seed;
use crate::refused::{Kind, Refused};
use crate::tenants::Tenant;

/// One bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    region: &'static str,
    access: &'static str,
    created: Timestamp,
    /// What it held before anyone looked.
    size_before: u64,
    objects: BTreeMap<String, Object>,
}

/// What was uploaded under one key.
#[derive(Debug)]
struct Object {
    blob: Arc<Blob>,
    #[expect(dead_code, reason = "the API has no operation that shows it, yet it must be kept as long as the object")]
    metadata: Map<String, Value>,
}

/// The most that one upload may hold: 5 GiB.
const LARGEST: u64 = 5 << 30;
/// The longest metadata, in bytes.
const LONGEST_METADATA: usize = 2048;
/// The longest key, in bytes.
const LONGEST_KEY: usize = 1024;

impl Bucket {
    fn view(&self, id: &str) -> Value {
        let uploaded: u64 = self.objects.values().map(|it| it.blob.size).sum();
        json!({
            "id": id,
            "region": self.region,
            "size_bytes": self.size_before + uploaded,
            "access": self.access,
            "created_at": self.created,
        })
    }
}

/// `GET /v2/buckets`
pub(super) async fn list_buckets(State(cloud): State<CloudNexus>, tenant: Tenant) -> Json<Value> {
    let views: Vec<Value> =
        cloud.within(&tenant, |world| world.buckets.iter().map(|(id, bucket)| bucket.view(id)).collect());
    Json(json!({ "buckets": views }))
}

/// `PUT /v2/objects/{bucket}/{key}`, where the key takes the rest of the path, slashes and all.
pub(super) async fn put_object(
    State(cloud): State<CloudNexus>,
    tenant: Tenant,
    request: Request,
) -> Result<Response, Refused> {
    let (bucket, key) = place(request.uri().path())?;
    let metadata = metadata(request.headers())?;
    octets(request.headers())?;
    let unknown = || Refused::not_found("Bucket", &bucket);
    if !cloud.within(&tenant, |world| world.buckets.contains_key(&bucket)) {
        return Err(unknown());
    }
    let blob = cloud.blobs.keep(request.into_body().into_data_stream(), LARGEST).await.map_err(not_kept)?;
    let (etag, hash, size) = (blob.etag(), format!("sha256:{}", blob.sha256), blob.size);
    cloud.within(&tenant, |world| {
        let held = world.buckets.get_mut(&bucket).ok_or_else(unknown)?;
        held.objects.insert(key.clone(), Object { blob, metadata });
        Ok(())
    })?;
    let body = json!({ "bucket": bucket, "key": key, "etag": etag, "content_hash": hash, "size_bytes": size });
    Ok(([("etag", etag), ("content-hash", hash)], Json(body)).into_response())
}

fn place(path: &str) -> Result<(String, String), Refused> {
    let nowhere = || Refused::new(Kind::NotFound, "no such path");
    let rest = path.strip_prefix("/v2/objects/").ok_or_else(nowhere)?;
    let (bucket, key) = rest.split_once('/').ok_or_else(nowhere)?;
    let plain = |it: &str, name: &str| {
        let text =
            percent_decode_str(it).decode_utf8().map_err(|_| Refused::invalid(name, format!("{name} is not UTF-8")))?;
        Ok::<_, Refused>(text.into_owned())
    };
    let (bucket, key) = (plain(bucket, "bucket")?, plain(key, "key")?);
    if LONGEST_KEY < key.len() {
        return Err(Refused::invalid("key", format!("key must be at most {LONGEST_KEY} bytes long")));
    }
    Ok((bucket, key))
}

fn octets(headers: &HeaderMap) -> Result<(), Refused> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/octet-stream") {
        Ok(())
    } else {
        Err(Refused::new(Kind::Invalid, "Content-Type must be application/octet-stream"))
    }
}

fn metadata(headers: &HeaderMap) -> Result<Map<String, Value>, Refused> {
    let Some(text) = headers.get("x-object-metadata") else { return Ok(Map::new()) };
    let wrong =
        || Refused::invalid("X-Object-Metadata", "X-Object-Metadata must be a JSON object of at most 2048 bytes");
    let metadata = serde_json::from_slice(text.as_bytes()).map_err(|_| wrong())?;
    if text.len() <= LONGEST_METADATA { Ok(metadata) } else { Err(wrong()) }
}

fn not_kept(why: NotKept) -> Refused {
    match why {
        NotKept::CutOff => Refused::new(Kind::Invalid, "the body was cut off"),
        NotKept::TooLarge => Refused::new(Kind::TooLarge, "the body is larger than 5 GiB"),
        NotKept::Disk(fault) => Refused::new(Kind::Fault(500), format!("the disk failed: {fault}")),
    }
}

/// Three buckets, the first of which is the one in the reference's examples.
pub(super) fn seeded(seed: &mut Seed, now: Timestamp) -> BTreeMap<String, Bucket> {
    let named = [
        ("bk_prod-assets", "us-central1", "private"),
        ("bk_web-public", "us-east-1", "public-read"),
        ("bk_audit-logs", "eu-west-2", "private"),
    ];
    let mut bucket = |(id, region, access): (&str, &'static str, &'static str)| {
        let created = whole(now - seed.days(30..=729));
        let size_before = 1_000_000 + seed.below(5_000_000_000);
        (id.to_owned(), Bucket { region, access, created, size_before, objects: BTreeMap::new() })
    };
    named.into_iter().map(&mut bucket).collect()
}
