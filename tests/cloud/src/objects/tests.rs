//! The object host behind its signatures: what `check_s3.py` proves with boto3, where no Python is at hand.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::TryStreamExt;
use s3s::dto::{
    CompleteMultipartUploadInput, CompletedMultipartUpload, CompletedPart, CopyObjectInput, CopySource,
    CreateBucketInput, CreateMultipartUploadInput, Delete, DeleteBucketInput, DeleteObjectsInput, ETag, ETagCondition,
    GetObjectInput, ListObjectsV2Input, ObjectIdentifier, PutObjectInput, Range, StreamingBlob, UploadPartInput,
};
use s3s::{S3, S3ErrorCode, S3Request, S3Result};

use super::shelf::Shelf;
use super::store::Store;
use crate::blobs::Blobs;
use crate::clock::AheadClock;
use crate::tenants::Tenant;

struct Host {
    store: Store,
    _folder: tempfile::TempDir,
}

const BUCKET: &str = "prod-assets";

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Arc::new(Blobs::in_folder(&folder.path().join("blobs")).unwrap());
        let shelf = Arc::new(Shelf::new(blobs, Arc::new(AheadClock::default())));
        Self { store: Store::new(shelf), _folder: folder }
    }

    async fn put(&self, key: &str, body: &'static str, more: impl FnOnce(&mut PutObjectInput)) -> S3Result<String> {
        let mut input = PutObjectInput {
            bucket: BUCKET.to_owned(),
            key: key.to_owned(),
            body: Some(bytes(body.as_bytes())),
            ..Default::default()
        };
        more(&mut input);
        let answer = self.store.put_object(asked("acme", input)).await?;
        Ok(answer.output.e_tag.unwrap().into_value())
    }

    async fn get(&self, tenant: &str, key: &str, more: impl FnOnce(&mut GetObjectInput)) -> S3Result<Vec<u8>> {
        let mut input = GetObjectInput { bucket: BUCKET.to_owned(), key: key.to_owned(), ..Default::default() };
        more(&mut input);
        let answer = self.store.get_object(asked(tenant, input)).await?;
        let pieces: Vec<Bytes> = answer.output.body.unwrap().try_collect().await.unwrap();
        Ok(pieces.concat())
    }

    async fn keys(&self) -> Vec<String> {
        let input = ListObjectsV2Input { bucket: BUCKET.to_owned(), ..Default::default() };
        let listed = self.store.list_objects_v2(asked("acme", input)).await.unwrap().output;
        listed.contents.unwrap().into_iter().filter_map(|it| it.key).collect()
    }
}

fn bytes(body: &[u8]) -> StreamingBlob {
    let body = Bytes::copy_from_slice(body);
    StreamingBlob::wrap(futures::stream::iter([Ok::<_, std::io::Error>(body)]))
}

fn asked<T>(tenant: &str, input: T) -> S3Request<T> {
    let mut extensions = http::Extensions::new();
    extensions.insert(Tenant(tenant.to_owned()));
    S3Request {
        input,
        method: http::Method::GET,
        uri: http::Uri::default(),
        headers: http::HeaderMap::new(),
        extensions,
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    }
}

#[track_caller]
fn refused<T>(answer: S3Result<T>, code: &S3ErrorCode) {
    assert_eq!(answer.err().map(|it| it.code().clone()), Some(code.clone()));
}

fn tag(value: &str) -> ETagCondition {
    ETagCondition::ETag(ETag::Strong(value.to_owned()))
}

#[tokio::test]
async fn what_is_put_is_got_whole_or_in_part_and_only_by_its_tenant() {
    let host = Host::new();
    assert_eq!(host.put("k", "0123456789", |_| ()).await.unwrap(), "781e5e245d69b566979b86e28d23f2c7");
    assert_eq!(host.get("acme", "k", |_| ()).await.unwrap(), b"0123456789");
    let middle = Some(Range::Int { first: 2, last: Some(4) });
    assert_eq!(host.get("acme", "k", |it| it.range = middle).await.unwrap(), b"234");
    let beyond = Some(Range::Int { first: 20, last: None });
    refused(host.get("acme", "k", |it| it.range = beyond).await, &S3ErrorCode::InvalidRange);
    refused(host.get("globex", "k", |_| ()).await, &S3ErrorCode::NoSuchKey);
}

#[tokio::test]
async fn what_fails_its_digest_replaces_nothing() {
    let host = Host::new();
    host.put("k", "before", |_| ()).await.unwrap();
    let wrong = STANDARD.encode([0; 16]);
    refused(host.put("k", "after", |it| it.content_md5 = Some(wrong)).await, &S3ErrorCode::BadDigest);
    let crc = |it: &mut PutObjectInput| it.checksum_crc32 = Some("AAAAAA==".to_owned());
    refused(host.put("k", "after", crc).await, &S3ErrorCode::BadDigest);
    assert_eq!(host.get("acme", "k", |_| ()).await.unwrap(), b"before");
    // 0x3610a686 is the CRC-32 of `hello`.
    let right = |it: &mut PutObjectInput| it.checksum_crc32 = Some(STANDARD.encode([0x36, 0x10, 0xa6, 0x86]));
    host.put("k", "hello", right).await.unwrap();
}

#[tokio::test]
async fn keys_that_a_file_system_would_confuse_are_kept_apart() {
    let host = Host::new();
    let keys = ["../k", "./k", "a", "a//b", "a/b", "b/"];
    for key in keys {
        host.put(key, key, |_| ()).await.unwrap();
    }
    assert_eq!(host.keys().await, keys);
    for key in keys {
        assert_eq!(host.get("acme", key, |_| ()).await.unwrap(), key.as_bytes());
    }
}

#[tokio::test]
async fn conditions_hold_before_anything_is_read_or_replaced() {
    let host = Host::new();
    let etag = host.put("k", "one", |_| ()).await.unwrap();
    refused(host.get("acme", "k", |it| it.if_none_match = Some(tag(&etag))).await, &S3ErrorCode::NotModified);
    refused(host.get("acme", "k", |it| it.if_match = Some(tag("other"))).await, &S3ErrorCode::PreconditionFailed);
    let absent = |it: &mut PutObjectInput| it.if_none_match = Some(ETagCondition::Any);
    refused(host.put("k", "two", absent).await, &S3ErrorCode::PreconditionFailed);
    host.put("k", "two", |it| it.if_match = Some(tag(&etag))).await.unwrap();
    refused(host.put("k", "three", |it| it.if_match = Some(tag(&etag))).await, &S3ErrorCode::PreconditionFailed);
    assert_eq!(host.get("acme", "k", |_| ()).await.unwrap(), b"two");
}

#[tokio::test]
async fn a_copy_is_the_tenants_own_and_a_bucket_goes_only_when_it_is_empty() {
    let host = Host::new();
    host.put("from", "copied", |_| ()).await.unwrap();
    let copy = |tenant: &str| {
        let source = CopySource::Bucket { bucket: BUCKET.into(), key: "from".into(), version_id: None };
        let input = CopyObjectInput::builder()
            .bucket(BUCKET.to_owned())
            .key("to".to_owned())
            .copy_source(source)
            .build()
            .unwrap();
        host.store.copy_object(asked(tenant, input))
    };
    copy("acme").await.unwrap();
    assert_eq!(host.get("acme", "to", |_| ()).await.unwrap(), b"copied");
    refused(copy("globex").await, &S3ErrorCode::NoSuchKey);
    let bucket = || asked("acme", DeleteBucketInput { bucket: BUCKET.to_owned(), expected_bucket_owner: None });
    refused(host.store.delete_bucket(bucket()).await, &S3ErrorCode::BucketNotEmpty);
    let objects = ["from", "to", "absent"].map(|key| ObjectIdentifier { key: key.to_owned(), ..Default::default() });
    let input = DeleteObjectsInput::builder()
        .bucket(BUCKET.to_owned())
        .delete(Delete { objects: objects.to_vec(), quiet: None })
        .build()
        .unwrap();
    let deleted = host.store.delete_objects(asked("acme", input)).await.unwrap().output.deleted.unwrap();
    assert_eq!(deleted.len(), 3, "what is not there is deleted all the same");
    host.store.delete_bucket(bucket()).await.unwrap();
    refused(host.get("acme", "to", |_| ()).await, &S3ErrorCode::NoSuchBucket);
}

/// Begins an upload of `parts` and gives its id and their tags.
#[tokio::test]
async fn the_name_of_a_bucket_is_one_tenants_until_it_is_gone() {
    let host = Host::new();
    let make = |tenant: &'static str, name: &str| {
        let input = CreateBucketInput { bucket: name.to_owned(), ..Default::default() };
        host.store.create_bucket(asked(tenant, input))
    };
    let remove = |tenant: &'static str| {
        let input = DeleteBucketInput { bucket: "one".to_owned(), ..Default::default() };
        host.store.delete_bucket(asked(tenant, input))
    };
    make("acme", "one").await.unwrap();
    refused(make("acme", "one").await, &S3ErrorCode::BucketAlreadyOwnedByYou);
    refused(make("globex", "one").await, &S3ErrorCode::BucketAlreadyExists);
    refused(remove("globex").await, &S3ErrorCode::NoSuchBucket);
    refused(make("globex", "one").await, &S3ErrorCode::BucketAlreadyExists);
    remove("acme").await.unwrap();
    make("globex", "one").await.unwrap();
    refused(make("acme", "one").await, &S3ErrorCode::BucketAlreadyExists);
    for tenant in ["acme", "globex"] {
        refused(make(tenant, BUCKET).await, &S3ErrorCode::BucketAlreadyOwnedByYou);
    }
}

async fn begin(host: &Host, parts: &[&[u8]]) -> (String, Vec<ETag>) {
    let input = CreateMultipartUploadInput { bucket: BUCKET.to_owned(), key: "big".to_owned(), ..Default::default() };
    let id = host.store.create_multipart_upload(asked("acme", input)).await.unwrap().output.upload_id.unwrap();
    let mut tags = Vec::new();
    for (number, part) in (1..).zip(parts) {
        let input = UploadPartInput {
            bucket: BUCKET.to_owned(),
            key: "big".to_owned(),
            upload_id: id.clone(),
            part_number: number,
            body: Some(bytes(part)),
            ..Default::default()
        };
        tags.push(host.store.upload_part(asked("acme", input)).await.unwrap().output.e_tag.unwrap());
    }
    (id, tags)
}

async fn complete(host: &Host, id: &str, parts: &[(i32, &ETag)]) -> S3Result<String> {
    let one = |(number, tag): &(i32, &ETag)| CompletedPart {
        part_number: Some(*number),
        e_tag: Some((*tag).clone()),
        ..Default::default()
    };
    let input = CompleteMultipartUploadInput {
        bucket: BUCKET.to_owned(),
        key: "big".to_owned(),
        upload_id: id.to_owned(),
        multipart_upload: Some(CompletedMultipartUpload { parts: Some(parts.iter().map(one).collect()) }),
        ..Default::default()
    };
    let answer = host.store.complete_multipart_upload(asked("acme", input)).await?;
    Ok(answer.output.e_tag.unwrap().into_value())
}

#[tokio::test]
async fn parts_are_joined_in_order_and_each_can_be_read_alone() {
    let host = Host::new();
    let first = vec![b'a'; 5 << 20];
    let (id, tags) = begin(&host, &[&first, b"tail"]).await;
    refused(complete(&host, &id, &[(2, &tags[1]), (1, &tags[0])]).await, &S3ErrorCode::InvalidPartOrder);
    refused(complete(&host, &id, &[(1, &tags[1])]).await, &S3ErrorCode::InvalidPart);
    let etag = complete(&host, &id, &[(1, &tags[0]), (2, &tags[1])]).await.unwrap();
    assert!(etag.ends_with("-2"), "{etag}");
    assert_eq!(host.get("acme", "big", |_| ()).await.unwrap(), [first.as_slice(), b"tail"].concat());
    assert_eq!(host.get("acme", "big", |it| it.part_number = Some(2)).await.unwrap(), b"tail");
    refused(complete(&host, &id, &[(1, &tags[0])]).await, &S3ErrorCode::NoSuchUpload);
}

#[tokio::test]
async fn a_part_that_is_not_the_last_must_be_large_enough() {
    let host = Host::new();
    let (id, tags) = begin(&host, &[b"small", b"tail"]).await;
    refused(complete(&host, &id, &[(1, &tags[0]), (2, &tags[1])]).await, &S3ErrorCode::EntityTooSmall);
    complete(&host, &id, &[(1, &tags[0])]).await.unwrap();
    assert_eq!(host.get("acme", "big", |_| ()).await.unwrap(), b"small");
}
