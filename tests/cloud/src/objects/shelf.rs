//! Buckets and what is in them, per tenant. Keys are kept verbatim, in the order of their bytes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use domain::{Clock, Timestamp};
use s3s::dto::{Checksum, ETag, Metadata};

use crate::blobs::{Blob, Blobs};
use crate::clock::whole;
use crate::ids::{Ids, Seed};
use crate::tenants::{Seeded, Tenant, Worlds};

/// Everything that is kept, for all tenants; the API and the object host look at the same.
#[derive(Debug)]
pub(crate) struct Shelf {
    /// Where the bytes are.
    pub(crate) blobs: Arc<Blobs>,
    clock: Arc<dyn Clock>,
    rooms: Worlds<Room>,
    /// Who has made each bucket, by its name: that is the same to everybody. The buckets that a tenant begins with are its own
    /// furniture, and each has them.
    made: Mutex<BTreeMap<String, Tenant>>,
}

/// Why a bucket cannot have this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The tenant has one already.
    Own,
    /// Another tenant has.
    Others,
}

/// What one tenant keeps.
#[derive(Debug)]
pub(crate) struct Room {
    /// For uploads and access keys.
    pub(crate) ids: Ids,
    /// By name.
    pub(crate) buckets: BTreeMap<String, Bucket>,
}

/// One bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// When it was made.
    pub(crate) created: Timestamp,
    /// As it was asked for; versions are not kept.
    pub(crate) versioning: bool,
    /// By key.
    pub(crate) objects: BTreeMap<String, Object>,
    /// Uploads that are not complete, by id.
    pub(crate) uploads: BTreeMap<String, Upload>,
}

/// One object, cheap to copy.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// Its bytes.
    pub(crate) blob: Arc<Blob>,
    /// Without quotes.
    pub(crate) etag: String,
    /// In whole seconds, as HTTP compares them.
    pub(crate) modified: Timestamp,
    /// What was said of it.
    pub(crate) attributes: Attributes,
    /// The checksums its sender asked for.
    pub(crate) checksum: Checksum,
    /// The sizes of its parts; nothing where it was sent whole.
    pub(crate) parts: Vec<u64>,
}

/// What a sender says of an object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes {
    pub(crate) metadata: Option<Metadata>,
    pub(crate) content_type: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) content_language: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) expires: Option<s3s::dto::Timestamp>,
}

/// An upload in parts.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) attributes: Attributes,
    pub(crate) started: Timestamp,
    pub(crate) parts: BTreeMap<i32, Part>,
}

/// One part of it.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) blob: Arc<Blob>,
    pub(crate) checksum: Checksum,
    pub(crate) modified: Timestamp,
}

impl Shelf {
    /// An empty shelf.
    pub(crate) fn new(blobs: Arc<Blobs>, clock: Arc<dyn Clock>) -> Self {
        Self { blobs, clock, rooms: Worlds::default(), made: Mutex::default() }
    }

    /// The second that is now.
    pub(crate) fn now(&self) -> Timestamp {
        whole(self.clock.now().wall)
    }

    /// Does `deed` in what `tenant` keeps.
    pub(crate) fn within<T>(&self, tenant: &Tenant, deed: impl FnOnce(&mut Room) -> T) -> T {
        self.rooms.within(tenant, self.now(), deed)
    }

    /// Gives `tenant` this bucket.
    pub(crate) fn make(&self, tenant: &Tenant, name: &str, bucket: Bucket) -> Result<(), Taken> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        self.within(tenant, |room| {
            if room.buckets.contains_key(name) {
                return Err(Taken::Own);
            }
            if made.contains_key(name) {
                return Err(Taken::Others);
            }
            room.buckets.insert(name.to_owned(), bucket);
            Ok(())
        })?;
        made.insert(name.to_owned(), tenant.clone());
        Ok(())
    }

    /// Takes it away, unless `judge` has something against it. Its name is free again.
    pub(crate) fn remove<E>(
        &self,
        tenant: &Tenant,
        name: &str,
        judge: impl FnOnce(&mut Room) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        self.within(tenant, |room| {
            judge(room)?;
            room.buckets.remove(name);
            Ok(())
        })?;
        if made.get(name) == Some(tenant) {
            made.remove(name);
        }
        Ok(())
    }
}

impl Bucket {
    /// An empty bucket.
    pub(crate) fn new(created: Timestamp) -> Self {
        Self { created, versioning: false, objects: BTreeMap::new(), uploads: BTreeMap::new() }
    }
}

impl Object {
    /// Its `ETag`.
    pub(crate) fn etag(&self) -> ETag {
        ETag::Strong(self.etag.clone())
    }
}

impl Part {
    /// Its `ETag`.
    pub(crate) fn etag(&self) -> ETag {
        ETag::Strong(hex::encode(self.blob.md5))
    }
}

/// A moment as S3's crate has it.
pub(crate) fn stamp(moment: Timestamp) -> s3s::dto::Timestamp {
    let since = Duration::from_nanos(u64::try_from(moment.nanos()).unwrap_or(0));
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH).into()
}

impl Seeded for Room {
    /// Two buckets, the first of which is the one in the document's examples.
    fn seeded(tenant: &Tenant, now: Timestamp) -> Self {
        let text = format!("cloudnx-objects {}", tenant.0);
        let mut seed = Seed::of(&text);
        let mut bucket = |name: &str| {
            let age = seed.days(30..=629);
            (name.to_owned(), Bucket::new(whole(now - age)))
        };
        let buckets = ["prod-assets", "nightly-backups"].map(&mut bucket).into();
        Self { ids: Ids::of(&text), buckets }
    }
}
