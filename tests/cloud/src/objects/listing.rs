//! Lists of buckets and of keys.

use std::ops::Bound;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    CommonPrefix, EncodingType, ListBucketsInput, ListBucketsOutput, ListObjectsInput, ListObjectsOutput,
    ListObjectsV2Input, ListObjectsV2Output, ObjectStorageClass, Owner,
};
use s3s::{S3Result, s3_error};

use super::shelf::{Bucket, Object, Room, stamp};
use super::store;
use crate::tenants::Tenant;

/// The most keys that one answer shows.
const LONGEST: i32 = 1000;

/// The bucket of that name.
pub(super) fn bucket<'a>(room: &'a mut Room, name: &str) -> S3Result<&'a mut Bucket> {
    room.buckets.get_mut(name).ok_or_else(|| s3_error!(NoSuchBucket))
}

/// `GET /`
pub(super) fn buckets(room: &Room, tenant: &Tenant, input: ListBucketsInput) -> S3Result<ListBucketsOutput> {
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let after = input.continuation_token.as_deref().map(unmark).transpose()?;
    let most = usize::try_from(input.max_buckets.unwrap_or(10_000)).map_err(|_| s3_error!(InvalidArgument))?;
    let elsewhere = input.bucket_region.as_deref().is_some_and(|it| it != store::REGION);
    let meant =
        |name: &String| !elsewhere && name.starts_with(prefix) && after.as_ref().is_none_or(|after| after < name);
    let mut rest = room.buckets.iter().filter(|(name, _)| meant(name));
    let shown: Vec<_> = rest.by_ref().take(most).collect();
    let next = rest.next().and(shown.last()).map(|(name, _)| mark(name));
    Ok(ListBucketsOutput {
        buckets: Some(shown.into_iter().map(|(name, bucket)| store::shown(name, bucket)).collect()),
        continuation_token: next,
        owner: Some(owner(tenant)),
        prefix: input.prefix,
    })
}

/// `GET /{bucket}`
pub(super) fn objects(room: &mut Room, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
    let bucket = bucket(room, &input.bucket)?;
    let most = most(input.max_keys)?;
    let page = page(bucket, input.prefix.as_deref(), input.delimiter.as_deref(), input.marker.as_deref(), most);
    let spell = Spelling::of(input.encoding_type.as_ref());
    Ok(ListObjectsOutput {
        next_marker: page.next.as_deref().map(|it| spell.word(it)),
        is_truncated: Some(page.next.is_some()),
        contents: Some(page.keys.iter().map(|(key, object)| shown(key, object, spell, None)).collect()),
        common_prefixes: Some(prefixes(&page.prefixes, spell)),
        name: Some(input.bucket),
        prefix: Some(spell.word(input.prefix.as_deref().unwrap_or_default())),
        marker: Some(spell.word(input.marker.as_deref().unwrap_or_default())),
        delimiter: input.delimiter.as_deref().map(|it| spell.word(it)),
        max_keys: Some(most),
        encoding_type: input.encoding_type,
        ..Default::default()
    })
}

/// `GET /{bucket}?list-type=2`
pub(super) fn objects_v2(room: &mut Room, tenant: &Tenant, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
    let bucket = bucket(room, &input.bucket)?;
    let most = most(input.max_keys)?;
    let token = input.continuation_token.as_deref().map(unmark).transpose()?;
    let after = token.as_deref().max(input.start_after.as_deref());
    let page = page(bucket, input.prefix.as_deref(), input.delimiter.as_deref(), after, most);
    let spell = Spelling::of(input.encoding_type.as_ref());
    let owner = input.fetch_owner.unwrap_or(false).then(|| owner(tenant));
    let count = page.keys.len() + page.prefixes.len();
    Ok(ListObjectsV2Output {
        next_continuation_token: page.next.as_deref().map(mark),
        is_truncated: Some(page.next.is_some()),
        key_count: i32::try_from(count).ok(),
        contents: Some(page.keys.iter().map(|(key, object)| shown(key, object, spell, owner.clone())).collect()),
        common_prefixes: Some(prefixes(&page.prefixes, spell)),
        name: Some(input.bucket),
        prefix: Some(spell.word(input.prefix.as_deref().unwrap_or_default())),
        start_after: input.start_after.as_deref().map(|it| spell.word(it)),
        delimiter: input.delimiter.as_deref().map(|it| spell.word(it)),
        continuation_token: input.continuation_token,
        max_keys: Some(most),
        encoding_type: input.encoding_type,
        ..Default::default()
    })
}

fn most(asked: Option<i32>) -> S3Result<i32> {
    match asked {
        None => Ok(LONGEST),
        Some(asked) if 0 <= asked => Ok(asked.min(LONGEST)),
        Some(_) => Err(s3_error!(InvalidArgument)),
    }
}

/// A piece of a bucket's keys.
struct KeyPage<'a> {
    keys: Vec<(&'a str, &'a Object)>,
    prefixes: Vec<String>,
    /// The last key or prefix shown, where more follow.
    next: Option<String>,
}

fn page<'a>(
    bucket: &'a Bucket,
    prefix: Option<&str>,
    delimiter: Option<&str>,
    after: Option<&str>,
    most: i32,
) -> KeyPage<'a> {
    let (prefix, delimiter) = (prefix.unwrap_or_default(), delimiter.filter(|it| !it.is_empty()));
    let most = usize::try_from(most).unwrap_or(0);
    let mut page = KeyPage { keys: Vec::new(), prefixes: Vec::new(), next: None };
    let mut last = String::new();
    let from = after.filter(|after| prefix <= *after).map_or(Bound::Included(prefix), Bound::Excluded);
    for (key, object) in bucket.objects.range::<str, _>((from, Bound::Unbounded)) {
        let Some(rest) = key.strip_prefix(prefix) else {
            // Keys come in order: the first one past `prefix` ends what begins with it.
            if prefix < key.as_str() {
                break;
            }
            continue;
        };
        let group = delimiter.and_then(|it| rest.split_once(it).map(|(head, _)| format!("{prefix}{head}{it}")));
        let shown_before = |group: &String| {
            page.prefixes.last() == Some(group) || after.is_some_and(|it| it.starts_with(group.as_str()))
        };
        if group.as_ref().is_some_and(shown_before) {
            continue;
        }
        if page.keys.len() + page.prefixes.len() == most {
            page.next = (most > 0).then_some(last);
            break;
        }
        if let Some(group) = group {
            last.clone_from(&group);
            page.prefixes.push(group);
        } else {
            last.clone_from(key);
            page.keys.push((key, object));
        }
    }
    page
}

fn shown(key: &str, object: &Object, spell: Spelling, owner: Option<Owner>) -> s3s::dto::Object {
    s3s::dto::Object {
        key: Some(spell.word(key)),
        e_tag: Some(object.etag()),
        size: i64::try_from(object.blob.size).ok(),
        last_modified: Some(stamp(object.modified)),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        owner,
        ..Default::default()
    }
}

fn prefixes(all: &[String], spell: Spelling) -> Vec<CommonPrefix> {
    all.iter().map(|it| CommonPrefix { prefix: Some(spell.word(it)) }).collect()
}

fn owner(tenant: &Tenant) -> Owner {
    Owner { id: Some(tenant.0.clone()), display_name: None }
}

/// How keys are spelt in an answer: XML cannot hold every key, so clients may ask for percent-encoding.
#[derive(Clone, Copy)]
pub(super) enum Spelling {
    Plain,
    Encoded,
}

const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'*');

impl Spelling {
    pub(super) fn of(asked: Option<&EncodingType>) -> Self {
        if asked.is_some_and(|it| it.as_str() == EncodingType::URL) { Self::Encoded } else { Self::Plain }
    }

    pub(super) fn word(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Encoded => utf8_percent_encode(text, KEPT).to_string(),
        }
    }
}

fn mark(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

fn unmark(token: &str) -> S3Result<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok().and_then(|it| String::from_utf8(it).ok());
    bytes.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}

#[cfg(test)]
mod tests;
