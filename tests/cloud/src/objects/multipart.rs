//! Uploads in parts.

use std::sync::Arc;

use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Checksum, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CompletedPart, CopyPartResult, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput,
    ListPartsOutput, MultipartUpload, Range, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};
use tokio::io::AsyncSeekExt;

use super::listing::{Spelling, bucket};
use super::reading::Conditions;
use super::shelf::{Attributes, Object, Part, Room, Shelf, Upload, stamp};
use super::writing::{Sent, disk, not_kept, overwrites, receive, source, trailer};
use crate::blobs::{Blob, pieces};
use crate::tenants::Tenant;

/// The least that every part but the last may hold: 5 MiB.
const SMALLEST_PART: u64 = 5 << 20;
/// The highest number of a part.
const LAST_PART: i32 = 10_000;

/// `POST /{bucket}/{key}?uploads`
pub(super) fn create(
    shelf: &Shelf,
    tenant: &Tenant,
    input: CreateMultipartUploadInput,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let started = shelf.now();
    let upload = Upload {
        key: input.key.clone(),
        started,
        parts: std::collections::BTreeMap::new(),
        attributes: Attributes {
            metadata: input.metadata,
            content_type: input.content_type,
            content_encoding: input.content_encoding,
            content_disposition: input.content_disposition,
            content_language: input.content_language,
            cache_control: input.cache_control,
            expires: input.expires,
        },
    };
    shelf.within(tenant, |room| {
        let id = format!("up_{}", room.ids.base36(12));
        bucket(room, &input.bucket)?.uploads.insert(id.clone(), upload);
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..Default::default()
        }))
    })
}

/// The upload of that id, if it is one for that key.
fn upload_of<'a>(room: &'a mut Room, place: (&str, &str), id: &str) -> S3Result<&'a mut Upload> {
    let (name, key) = place;
    bucket(room, name)?.uploads.get_mut(id).filter(|it| it.key == key).ok_or_else(|| s3_error!(NoSuchUpload))
}

/// `PUT /{bucket}/{key}?partNumber&uploadId`
pub(super) async fn upload(
    shelf: &Shelf,
    tenant: &Tenant,
    request: S3Request<UploadPartInput>,
) -> S3Result<S3Response<UploadPartOutput>> {
    let (trailer, trailers, mut input) = (trailer(&request), request.trailing_headers, request.input);
    let place = (input.bucket.as_str(), input.key.as_str());
    refuse_number(input.part_number)?;
    shelf.within(tenant, |room| upload_of(room, place, &input.upload_id).map(drop))?;
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
    let part = Part { blob, checksum: checksum.clone(), modified: shelf.now() };
    let e_tag = Some(part.etag());
    shelf.within(tenant, |room| {
        upload_of(room, place, &input.upload_id)?.parts.insert(input.part_number, part);
        Ok::<_, S3Error>(())
    })?;
    Ok(S3Response::new(UploadPartOutput {
        e_tag,
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        ..Default::default()
    }))
}

fn refuse_number(number: i32) -> S3Result<()> {
    let wrong = || s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive");
    if (1..=LAST_PART).contains(&number) { Ok(()) } else { Err(wrong()) }
}

/// `PUT /{bucket}/{key}?partNumber&uploadId` with `x-amz-copy-source`
pub(super) async fn upload_copy(
    shelf: &Shelf,
    tenant: &Tenant,
    input: UploadPartCopyInput,
) -> S3Result<S3Response<UploadPartCopyOutput>> {
    let place = (input.bucket.as_str(), input.key.as_str());
    refuse_number(input.part_number)?;
    shelf.within(tenant, |room| upload_of(room, place, &input.upload_id).map(drop))?;
    let conditions = Conditions {
        matches: input.copy_source_if_match,
        differs: input.copy_source_if_none_match,
        modified_since: input.copy_source_if_modified_since,
        unmodified_since: input.copy_source_if_unmodified_since,
    };
    let object = source(shelf, tenant, &input.copy_source, &conditions)?;
    let meant = match &input.copy_source_range {
        None => 0..object.blob.size,
        Some(text) => Range::parse(text).map_err(|_| s3_error!(InvalidArgument))?.check(object.blob.size)?,
    };
    let mut file = object.blob.open().await.map_err(disk)?;
    file.seek(std::io::SeekFrom::Start(meant.start)).await.map_err(disk)?;
    let bytes = pieces(file, meant.end.saturating_sub(meant.start));
    let blob = shelf.blobs.keep(bytes, u64::MAX).await.map_err(not_kept)?;
    let part = Part { blob, checksum: Checksum::default(), modified: shelf.now() };
    let result =
        CopyPartResult { e_tag: Some(part.etag()), last_modified: Some(stamp(part.modified)), ..Default::default() };
    shelf.within(tenant, |room| {
        upload_of(room, place, &input.upload_id)?.parts.insert(input.part_number, part);
        Ok::<_, S3Error>(())
    })?;
    Ok(S3Response::new(UploadPartCopyOutput { copy_part_result: Some(result), ..Default::default() }))
}

/// `GET /{bucket}/{key}?uploadId`
pub(super) fn list_parts(
    shelf: &Shelf,
    tenant: &Tenant,
    input: ListPartsInput,
) -> S3Result<S3Response<ListPartsOutput>> {
    let after = input.part_number_marker.unwrap_or(0);
    let most = input.max_parts.unwrap_or(1000).clamp(0, 1000);
    let parts: Vec<(i32, Part)> = shelf.within(tenant, |room| {
        let upload = upload_of(room, (&input.bucket, &input.key), &input.upload_id)?;
        Ok::<_, S3Error>(upload.parts.iter().map(|(number, part)| (*number, part.clone())).collect())
    })?;
    let mut rest = parts.into_iter().filter(|(number, _)| after < *number);
    let shown: Vec<(i32, Part)> = rest.by_ref().take(usize::try_from(most).unwrap_or(0)).collect();
    let next = rest.next().and(shown.last()).map(|(number, _)| *number);
    Ok(S3Response::new(ListPartsOutput {
        parts: Some(shown.into_iter().map(|(number, part)| shown_part(number, part)).collect()),
        is_truncated: Some(next.is_some()),
        next_part_number_marker: next,
        part_number_marker: Some(after),
        max_parts: Some(most),
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        ..Default::default()
    }))
}

fn shown_part(number: i32, part: Part) -> s3s::dto::Part {
    s3s::dto::Part {
        part_number: Some(number),
        e_tag: Some(part.etag()),
        size: i64::try_from(part.blob.size).ok(),
        last_modified: Some(stamp(part.modified)),
        checksum_crc32: part.checksum.checksum_crc32,
        checksum_crc32c: part.checksum.checksum_crc32c,
        checksum_sha1: part.checksum.checksum_sha1,
        checksum_sha256: part.checksum.checksum_sha256,
        checksum_crc64nvme: part.checksum.checksum_crc64nvme,
    }
}

/// `GET /{bucket}?uploads`
pub(super) fn list(
    shelf: &Shelf,
    tenant: &Tenant,
    input: &ListMultipartUploadsInput,
) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let after = (input.key_marker.as_deref().unwrap_or_default(), input.upload_id_marker.as_deref());
    let most = input.max_uploads.unwrap_or(1000).clamp(0, 1000);
    let spell = Spelling::of(input.encoding_type.as_ref());
    shelf.within(tenant, |room| {
        let mut all: Vec<_> = bucket(room, &input.bucket)?.uploads.iter().collect();
        all.sort_by_key(|(id, upload)| (&upload.key, *id));
        let past = |id: &str, key: &str| match after {
            (marker, Some(upload)) => (marker, upload) < (key, id),
            (marker, None) => marker < key || marker.is_empty(),
        };
        let mut rest = all.into_iter().filter(|(id, it)| it.key.starts_with(prefix) && past(id, &it.key));
        let shown: Vec<_> = rest.by_ref().take(usize::try_from(most).unwrap_or(0)).collect();
        let next = rest.next().and(shown.last()).map(|(id, upload)| (upload.key.clone(), (*id).clone()));
        let view = |(id, upload): (&String, &Upload)| MultipartUpload {
            key: Some(spell.word(&upload.key)),
            upload_id: Some(id.clone()),
            initiated: Some(stamp(upload.started)),
            ..Default::default()
        };
        Ok(S3Response::new(ListMultipartUploadsOutput {
            uploads: Some(shown.into_iter().map(view).collect()),
            is_truncated: Some(next.is_some()),
            next_key_marker: next.as_ref().map(|(key, _)| spell.word(key)),
            next_upload_id_marker: next.map(|(_, id)| id),
            max_uploads: Some(most),
            bucket: Some(input.bucket.clone()),
            prefix: input.prefix.as_deref().map(|it| spell.word(it)),
            encoding_type: input.encoding_type.clone(),
            ..Default::default()
        }))
    })
}

/// `POST /{bucket}/{key}?uploadId`
pub(super) async fn complete(
    shelf: &Shelf,
    tenant: &Tenant,
    input: CompleteMultipartUploadInput,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let place = (input.bucket.as_str(), input.key.as_str());
    let named = input.multipart_upload.and_then(|it| it.parts).unwrap_or_default();
    let admit = |room: &mut Room| {
        overwrites(bucket(room, place.0)?, place.1, input.if_match.as_ref(), input.if_none_match.as_ref())
    };
    let (blobs, attributes) = shelf.within(tenant, |room| {
        admit(room)?;
        let upload = upload_of(room, place, &input.upload_id)?;
        Ok::<_, S3Error>((chosen(upload, &named)?, upload.attributes.clone()))
    })?;
    let (joined, parts) = (etag_of(&blobs), blobs.iter().map(|it| it.size).collect());
    let blob = shelf.blobs.join(&blobs).await.map_err(not_kept)?;
    let object = Object { blob, etag: joined, modified: shelf.now(), attributes, checksum: Checksum::default(), parts };
    let e_tag = Some(object.etag());
    shelf.within(tenant, |room| {
        admit(room)?;
        upload_of(room, place, &input.upload_id)?;
        let held = bucket(room, place.0)?;
        held.uploads.remove(&input.upload_id);
        held.objects.insert(place.1.to_owned(), object);
        Ok::<_, S3Error>(())
    })?;
    Ok(S3Response::new(CompleteMultipartUploadOutput {
        e_tag,
        location: Some(format!("https://s3.cloudnx.in/{}/{}", place.0, place.1)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        ..Default::default()
    }))
}

/// The parts that are named, if they are there, in order and large enough.
fn chosen(upload: &Upload, named: &[CompletedPart]) -> S3Result<Vec<Arc<Blob>>> {
    let mut blobs: Vec<Arc<Blob>> = Vec::new();
    let mut last = 0;
    for one in named {
        let number = one.part_number.ok_or_else(|| s3_error!(MalformedXML))?;
        if number <= last {
            return Err(s3_error!(InvalidPartOrder));
        }
        last = number;
        let part = upload.parts.get(&number).ok_or_else(|| s3_error!(InvalidPart))?;
        if one.e_tag.as_ref().is_some_and(|it| it.value() != part.etag().value()) {
            return Err(s3_error!(InvalidPart));
        }
        blobs.push(Arc::clone(&part.blob));
    }
    let all_but_last = blobs.iter().rev().skip(1);
    if all_but_last.clone().any(|it| it.size < SMALLEST_PART) {
        return Err(s3_error!(EntityTooSmall));
    }
    if blobs.is_empty() { Err(s3_error!(MalformedXML)) } else { Ok(blobs) }
}

/// The MD5 of the parts' MD5s, and how many they are.
fn etag_of(parts: &[Arc<Blob>]) -> String {
    let mut digest = Md5::new();
    for part in parts {
        digest.update(&part.md5);
    }
    format!("{}-{}", hex::encode(digest.finalize()), parts.len())
}

/// `DELETE /{bucket}/{key}?uploadId`
pub(super) fn abort(
    shelf: &Shelf,
    tenant: &Tenant,
    input: &AbortMultipartUploadInput,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    shelf.within(tenant, |room| {
        upload_of(room, (&input.bucket, &input.key), &input.upload_id)?;
        bucket(room, &input.bucket)?.uploads.remove(&input.upload_id);
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    })
}
