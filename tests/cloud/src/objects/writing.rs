//! Putting, copying and deleting objects. What fails its digest never replaces what was there.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt;
use s3s::checksum::ChecksumHasher;
use s3s::dto::{
    Checksum, ChecksumAlgorithm, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectInput,
    DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETagCondition, MetadataDirective,
    PutObjectInput, PutObjectOutput, StreamingBlob,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, TrailingHeaders, s3_error};

use super::listing::bucket;
use super::reading::{Conditions, Fit, find};
use super::shelf::{Attributes, Bucket, Object, Shelf, stamp};
use crate::blobs::{Blob, NotKept};
use crate::tenants::Tenant;

/// The most that one request may bring: 5 GiB.
const LARGEST: u64 = 5 << 30;
/// The longest key, in bytes.
const LONGEST_KEY: usize = 1024;

/// `PUT /{bucket}/{key}`
pub(super) async fn put(
    shelf: &Shelf,
    tenant: &Tenant,
    request: S3Request<PutObjectInput>,
) -> S3Result<S3Response<PutObjectOutput>> {
    let (trailer, trailers, mut input) = (trailer(&request), request.trailing_headers, request.input);
    refuse_key(&input.key)?;
    let (matches, differs) = (input.if_match.take(), input.if_none_match.take());
    let admit = |held: &Bucket, key: &str| overwrites(held, key, matches.as_ref(), differs.as_ref());
    // Looked at before the bytes come, and again after: another request may have been quicker.
    shelf.within(tenant, |room| admit(bucket(room, &input.bucket)?, &input.key))?;
    let sent = Sent {
        algorithm: input.checksum_algorithm.take(),
        checksum: Checksum {
            checksum_crc32: input.checksum_crc32.take(),
            checksum_crc32c: input.checksum_crc32c.take(),
            checksum_sha1: input.checksum_sha1.take(),
            checksum_sha256: input.checksum_sha256.take(),
            checksum_crc64nvme: input.checksum_crc64nvme.take(),
            ..Default::default()
        },
        md5: input.content_md5.take(),
        trailer,
    };
    let (blob, checksum) = receive(shelf, input.body.take(), sent, trailers).await?;
    let object = Object {
        etag: hex::encode(blob.md5),
        modified: shelf.now(),
        checksum: checksum.clone(),
        parts: Vec::new(),
        blob,
        attributes: Attributes {
            metadata: input.metadata,
            content_type: input.content_type,
            content_encoding: plain_encoding(input.content_encoding.as_deref()),
            content_disposition: input.content_disposition,
            content_language: input.content_language,
            cache_control: input.cache_control,
            expires: input.expires,
        },
    };
    let e_tag = Some(object.etag());
    shelf.within(tenant, |room| {
        let held = bucket(room, &input.bucket)?;
        admit(held, &input.key)?;
        held.objects.insert(input.key, object);
        Ok::<_, S3Error>(())
    })?;
    Ok(S3Response::new(PutObjectOutput {
        e_tag,
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        ..Default::default()
    }))
}

/// The trailer that a request announces.
pub(super) fn trailer<T>(request: &S3Request<T>) -> Option<String> {
    request.headers.get("x-amz-trailer").and_then(|it| it.to_str().ok()).map(str::to_ascii_lowercase)
}

/// What a sender says of the bytes it sends.
pub(super) struct Sent {
    pub(super) algorithm: Option<ChecksumAlgorithm>,
    pub(super) checksum: Checksum,
    pub(super) md5: Option<String>,
    /// The trailer that is to follow the body.
    pub(super) trailer: Option<String>,
}

const ALGORITHMS: [&str; 5] = ["CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"];

/// Keeps a body whose digests are what its sender says they are.
pub(super) async fn receive(
    shelf: &Shelf,
    body: Option<StreamingBlob>,
    mut sent: Sent,
    trailers: Option<TrailingHeaders>,
) -> S3Result<(Arc<Blob>, Checksum)> {
    let body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
    let mut hasher = ChecksumHasher::default();
    for name in ALGORITHMS {
        let named = sent.algorithm.as_ref().is_some_and(|it| it.as_str() == name);
        if named || said(&mut sent.checksum, name).is_some() || sent.trailer.as_deref() == Some(&*field(name)) {
            watch(&mut hasher, name);
        }
    }
    let kept = shelf.blobs.keep(body.inspect_ok(|bytes| hasher.update(bytes)), LARGEST).await.map_err(not_kept)?;
    let mut computed = hasher.finalize();
    let trailing = trailers.and_then(|it| it.take()).unwrap_or_default();
    for name in ALGORITHMS {
        let trailer = || trailing.get(field(name)).and_then(|it| it.to_str().ok()).map(str::to_owned);
        let claimed = said(&mut sent.checksum, name).take().or_else(trailer);
        if claimed.is_some_and(|claimed| said(&mut computed, name).as_ref() != Some(&claimed)) {
            return Err(s3_error!(BadDigest));
        }
    }
    match sent.md5.map(|it| STANDARD.decode(it)) {
        Some(Err(_)) => Err(s3_error!(InvalidDigest)),
        Some(Ok(md5)) if md5 != kept.md5 => Err(s3_error!(BadDigest)),
        Some(Ok(_)) | None => Ok((kept, computed)),
    }
}

fn said<'a>(checksum: &'a mut Checksum, name: &str) -> &'a mut Option<String> {
    match name {
        "CRC32" => &mut checksum.checksum_crc32,
        "CRC32C" => &mut checksum.checksum_crc32c,
        "SHA1" => &mut checksum.checksum_sha1,
        "SHA256" => &mut checksum.checksum_sha256,
        _ => &mut checksum.checksum_crc64nvme,
    }
}

fn watch(hasher: &mut ChecksumHasher, name: &str) {
    match name {
        "CRC32" => hasher.crc32 = Some(s3s::crypto::Crc32::default()),
        "CRC32C" => hasher.crc32c = Some(s3s::crypto::Crc32c::default()),
        "SHA1" => hasher.sha1 = Some(s3s::crypto::Sha1::default()),
        "SHA256" => hasher.sha256 = Some(s3s::crypto::Sha256::default()),
        _ => hasher.crc64nvme = Some(s3s::crypto::Crc64Nvme::default()),
    }
}

/// The header, or the trailer, that bears a checksum.
fn field(name: &str) -> String {
    format!("x-amz-checksum-{}", name.to_ascii_lowercase())
}

/// `aws-chunked` is how the bytes travelled, not what they are.
fn plain_encoding(encoding: Option<&str>) -> Option<String> {
    let rest: Vec<&str> =
        encoding?.split(',').map(str::trim).filter(|it| !it.is_empty() && *it != "aws-chunked").collect();
    (!rest.is_empty()).then(|| rest.join(","))
}

fn refuse_key(key: &str) -> S3Result<()> {
    if LONGEST_KEY < key.len() { Err(s3_error!(KeyTooLongError)) } else { Ok(()) }
}

/// Whether what is there now may be replaced.
pub(super) fn overwrites(
    held: &Bucket,
    key: &str,
    matches: Option<&ETagCondition>,
    differs: Option<&ETagCondition>,
) -> S3Result<()> {
    match (held.objects.get(key), matches, differs) {
        (_, None, None) | (None, None, Some(_)) => Ok(()),
        (None, Some(_), _) => Err(s3_error!(NoSuchKey)),
        (Some(object), matches, differs) => {
            let conditions = Conditions { matches: matches.cloned(), differs: differs.cloned(), ..Default::default() };
            if conditions.fit(object) == Fit::Fits { Ok(()) } else { Err(s3_error!(PreconditionFailed)) }
        }
    }
}

/// `PUT /{bucket}/{key}` with `x-amz-copy-source`
pub(super) fn copy(shelf: &Shelf, tenant: &Tenant, input: CopyObjectInput) -> S3Result<S3Response<CopyObjectOutput>> {
    refuse_key(&input.key)?;
    let conditions = Conditions {
        matches: input.copy_source_if_match,
        differs: input.copy_source_if_none_match,
        modified_since: input.copy_source_if_modified_since,
        unmodified_since: input.copy_source_if_unmodified_since,
    };
    let mut object = source(shelf, tenant, &input.copy_source, &conditions)?;
    let replace = input.metadata_directive.is_some_and(|it| it.as_str() == MetadataDirective::REPLACE);
    let onto_itself = matches!(&input.copy_source, CopySource::Bucket { bucket, key, .. }
        if **bucket == *input.bucket && **key == *input.key);
    if onto_itself && !replace {
        return Err(s3_error!(InvalidRequest, "This copy request is illegal because it changes nothing"));
    }
    if replace {
        object.attributes = Attributes {
            metadata: input.metadata,
            content_type: input.content_type,
            content_encoding: plain_encoding(input.content_encoding.as_deref()),
            content_disposition: input.content_disposition,
            content_language: input.content_language,
            cache_control: input.cache_control,
            expires: input.expires,
        };
    }
    // A copy is one piece, however its source was sent.
    object.etag = hex::encode(object.blob.md5);
    object.parts.clear();
    object.modified = shelf.now();
    let result = CopyObjectResult {
        e_tag: Some(object.etag()),
        last_modified: Some(stamp(object.modified)),
        ..Default::default()
    };
    shelf.within(tenant, |room| {
        bucket(room, &input.bucket)?.objects.insert(input.key, object);
        Ok::<_, S3Error>(())
    })?;
    Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..Default::default() }))
}

/// The object that a copy is made of.
pub(super) fn source(shelf: &Shelf, tenant: &Tenant, source: &CopySource, conditions: &Conditions) -> S3Result<Object> {
    match source {
        CopySource::Bucket { bucket, key, version_id } => {
            let object = find(shelf, tenant, (bucket, key), version_id.as_deref())?;
            if conditions.fit(&object) == Fit::Fits { Ok(object) } else { Err(s3_error!(PreconditionFailed)) }
        }
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => Err(s3_error!(NotImplemented)),
    }
}

/// `DELETE /{bucket}/{key}`: it is gone afterwards, whether it was there or not.
pub(super) fn delete(
    shelf: &Shelf,
    tenant: &Tenant,
    input: &DeleteObjectInput,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    shelf.within(tenant, |room| {
        let held = bucket(room, &input.bucket)?;
        if input.if_match.is_some() {
            overwrites(held, &input.key, input.if_match.as_ref(), None)?;
        }
        held.objects.remove(&input.key);
        Ok(S3Response::new(DeleteObjectOutput::default()))
    })
}

/// `POST /{bucket}?delete`
pub(super) fn delete_all(
    shelf: &Shelf,
    tenant: &Tenant,
    input: DeleteObjectsInput,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let quiet = input.delete.quiet.unwrap_or(false);
    if input.delete.objects.is_empty() || 1000 < input.delete.objects.len() {
        return Err(s3_error!(MalformedXML));
    }
    shelf.within(tenant, |room| {
        let held = bucket(room, &input.bucket)?;
        let mut deleted = Vec::new();
        for named in input.delete.objects {
            held.objects.remove(&named.key);
            deleted.push(DeletedObject { key: Some(named.key), ..Default::default() });
        }
        let deleted = (!quiet).then_some(deleted);
        Ok(S3Response::new(DeleteObjectsOutput { deleted, ..Default::default() }))
    })
}

/// What S3 says of a body that was not kept.
pub(super) fn not_kept(why: NotKept) -> S3Error {
    match why {
        NotKept::CutOff => s3_error!(IncompleteBody),
        NotKept::TooLarge => s3_error!(EntityTooLarge),
        NotKept::Disk(fault) => disk(fault),
    }
}

/// What S3 says of a disk that failed.
pub(super) fn disk(fault: std::io::Error) -> S3Error {
    s3_error!(fault, InternalError)
}
