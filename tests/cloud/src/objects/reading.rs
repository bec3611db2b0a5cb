//! Getting objects: whole or in part, and only if what is asked of them holds.

use http::{HeaderMap, header};
use s3s::dto::{
    Checksum, ChecksumMode, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, Range,
    StreamingBlob, Timestamp,
};
use s3s::{S3Error, S3ErrorCode, S3Response, S3Result, s3_error};
use tokio::io::AsyncSeekExt;

use super::listing::bucket;
use super::shelf::{Object, Shelf, stamp};
use super::writing::disk;
use crate::blobs::pieces;
use crate::tenants::Tenant;

/// What is asked of an object before it is handed out.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) matches: Option<ETagCondition>,
    pub(super) differs: Option<ETagCondition>,
    pub(super) modified_since: Option<Timestamp>,
    pub(super) unmodified_since: Option<Timestamp>,
}

/// Whether an object fits what was asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Fits,
    /// The asker has this version already.
    Known,
    /// It is not the one that was meant.
    Other,
}

impl Conditions {
    /// RFC 9110 section 13.2.2: the tags go before the dates.
    pub(super) fn fit(&self, object: &Object) -> Fit {
        let (etag, modified) = (object.etag(), stamp(object.modified));
        let is = |condition: &ETagCondition, weakly: bool| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(tag) if weakly => etag.weak_cmp(tag),
            ETagCondition::ETag(tag) => etag.strong_cmp(tag),
        };
        let meant = match (&self.matches, &self.unmodified_since) {
            (Some(condition), _) => is(condition, false),
            (None, Some(since)) => modified <= *since,
            (None, None) => true,
        };
        let new = match (&self.differs, &self.modified_since) {
            (Some(condition), _) => !is(condition, true),
            (None, Some(since)) => *since < modified,
            (None, None) => true,
        };
        match (meant, new) {
            (false, _) => Fit::Other,
            (true, false) => Fit::Known,
            (true, true) => Fit::Fits,
        }
    }

    fn admit(&self, object: &Object) -> S3Result<()> {
        match self.fit(object) {
            Fit::Fits => Ok(()),
            Fit::Other => Err(s3_error!(PreconditionFailed)),
            Fit::Known => {
                let mut error = S3Error::new(S3ErrorCode::NotModified);
                let tag = object.etag().to_http_header().map_err(|_| s3_error!(InternalError))?;
                error.set_headers(HeaderMap::from_iter([(header::ETAG, tag)]));
                Err(error)
            }
        }
    }
}

/// The object under that key, as it is now.
pub(super) fn find(shelf: &Shelf, tenant: &Tenant, place: (&str, &str), version: Option<&str>) -> S3Result<Object> {
    let (name, key) = place;
    if version.is_some_and(|it| it != "null") {
        return Err(s3_error!(NoSuchVersion));
    }
    let found = shelf.within(tenant, |room| Ok::<_, S3Error>(bucket(room, name)?.objects.get(key).cloned()))?;
    found.ok_or_else(|| s3_error!(NoSuchKey))
}

/// `GET /{bucket}/{key}`
pub(super) async fn get(
    shelf: &Shelf,
    tenant: &Tenant,
    input: GetObjectInput,
) -> S3Result<S3Response<GetObjectOutput>> {
    let object = find(shelf, tenant, (&input.bucket, &input.key), input.version_id.as_deref())?;
    let conditions = Conditions {
        matches: input.if_match,
        differs: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    conditions.admit(&object)?;
    let piece = Piece::of(&object, input.range, input.part_number)?;
    let mut file = object.blob.open().await.map_err(disk)?;
    file.seek(std::io::SeekFrom::Start(piece.from)).await.map_err(disk)?;
    let checksum = checksum(&object, input.checksum_mode.as_ref(), &piece);
    let attributes = object.attributes.clone();
    Ok(S3Response::new(GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        body: Some(StreamingBlob::wrap(pieces(file, piece.length))),
        content_length: i64::try_from(piece.length).ok(),
        content_range: piece.range,
        parts_count: piece.parts,
        e_tag: Some(object.etag()),
        last_modified: Some(stamp(object.modified)),
        metadata: attributes.metadata,
        content_type: input.response_content_type.or(attributes.content_type).or_else(|| Some(OCTETS.to_owned())),
        content_encoding: input.response_content_encoding.or(attributes.content_encoding),
        content_disposition: input.response_content_disposition.or(attributes.content_disposition),
        content_language: input.response_content_language.or(attributes.content_language),
        cache_control: input.response_cache_control.or(attributes.cache_control),
        expires: input.response_expires.or(attributes.expires),
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        ..Default::default()
    }))
}

/// `HEAD /{bucket}/{key}`
pub(super) fn head(shelf: &Shelf, tenant: &Tenant, input: HeadObjectInput) -> S3Result<S3Response<HeadObjectOutput>> {
    let object = find(shelf, tenant, (&input.bucket, &input.key), input.version_id.as_deref())?;
    let conditions = Conditions {
        matches: input.if_match,
        differs: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    conditions.admit(&object)?;
    let piece = Piece::of(&object, input.range, input.part_number)?;
    let checksum = checksum(&object, input.checksum_mode.as_ref(), &piece);
    let attributes = object.attributes.clone();
    Ok(S3Response::new(HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(piece.length).ok(),
        content_range: piece.range,
        parts_count: piece.parts,
        e_tag: Some(object.etag()),
        last_modified: Some(stamp(object.modified)),
        metadata: attributes.metadata,
        content_type: input.response_content_type.or(attributes.content_type).or_else(|| Some(OCTETS.to_owned())),
        content_encoding: input.response_content_encoding.or(attributes.content_encoding),
        content_disposition: input.response_content_disposition.or(attributes.content_disposition),
        content_language: input.response_content_language.or(attributes.content_language),
        cache_control: input.response_cache_control.or(attributes.cache_control),
        expires: input.response_expires.or(attributes.expires),
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        ..Default::default()
    }))
}

/// What S3 calls bytes of which nothing was said.
const OCTETS: &str = "binary/octet-stream";

/// What of an object is meant.
struct Piece {
    from: u64,
    length: u64,
    /// As `Content-Range` says it; nothing for the whole.
    range: Option<String>,
    parts: Option<i32>,
}

impl Piece {
    fn of(object: &Object, range: Option<Range>, part: Option<i32>) -> S3Result<Self> {
        let size = object.blob.size;
        let meant = match (range, part) {
            (Some(_), Some(_)) => return Err(s3_error!(InvalidRequest)),
            (None, None) => return Ok(Self { from: 0, length: size, range: None, parts: None }),
            (Some(range), None) => range.check(size)?,
            (None, Some(part)) => part_of(object, part)?,
        };
        let parts = part.and(i32::try_from(object.parts.len()).ok()).filter(|count| *count > 0);
        let (from, to) = (meant.start, meant.end.saturating_sub(1));
        let length = meant.end.saturating_sub(meant.start);
        Ok(Self { from, length, range: Some(format!("bytes {from}-{to}/{size}")), parts })
    }
}

fn part_of(object: &Object, number: i32) -> S3Result<std::ops::Range<u64>> {
    let none = || s3_error!(InvalidPart, "The requested partnumber is not satisfiable");
    let at = usize::try_from(number).ok().and_then(|it| it.checked_sub(1)).ok_or_else(none)?;
    if object.parts.is_empty() && at == 0 {
        return Ok(0..object.blob.size);
    }
    let length = object.parts.get(at).ok_or_else(none)?;
    let from: u64 = object.parts.iter().take(at).sum();
    Ok(from..from + length)
}

/// Checksums are of the whole, and shown only to those who ask.
fn checksum(object: &Object, mode: Option<&ChecksumMode>, piece: &Piece) -> Checksum {
    let asked = mode.is_some_and(|it| it.as_str() == ChecksumMode::ENABLED);
    if asked && piece.range.is_none() { object.checksum.clone() } else { Checksum::default() }
}
