//! One key as the request path needs it.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use domain::{
    ApiName, Bound, Digest, Grant, KeyId, KeyRecord, KeySecret, LineageId, Overlap, Scope, Standing, Tenant, TenantId,
    TierName, Timestamp,
};
use ipnet::IpNet;
use subtle::ConstantTimeEq;

/// How far apart two notes of a use are at least: a busy key must not pull one cache line from core to core.
const USE_GRAIN: i64 = 1_000_000_000;

/// Stands where a key has no end or no use. No clock reaches it.
const NEVER: i64 = i64::MAX;
const UNUSED: i64 = i64::MIN;

/// One key of the ring. About 200 bytes, since there may be a million: rights are shared by all keys that have the same,
/// and a [`Standing`] is made when the key is first used.
pub struct Entry {
    id: KeyId,
    lineage: LineageId,
    rights: Arc<Rights>,
    proof: Proof,
    expires: i64,
    overlap_since: i64,
    overlap_until: i64,
    revoked: bool,
    last_used: AtomicI64,
    standing: OnceLock<Arc<Standing>>,
}

/// What the holder of a key may do. Most keys of a tenant share theirs.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Rights {
    api: ApiName,
    tenant: TenantId,
    owner: Option<String>,
    scopes: Vec<Scope>,
    own_tier: TierName,
    tenant_tier: Option<TierName>,
    ip_allow: Vec<IpNet>,
    bound: Option<Bound>,
    /// Whether its owner is suspended.
    held: bool,
    /// Whether its owner or its tenant is.
    suspended: bool,
}

/// How a key is recognised.
pub(crate) enum Proof {
    /// By its digest.
    Digest { digest: DigestKey, pepper: u16, legacy: bool },
    /// By a signature made with this sealed secret.
    AccessKey(Box<AccessKey>),
    /// By tokens that name it.
    Granted(Box<Grant>),
}

/// The halves of an access key.
pub(crate) struct AccessKey {
    pub(crate) id: Arc<str>,
    pub(crate) sealed: Vec<u8>,
}

/// Why a key that is known opens nothing now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Revoked,
    Expired,
    Replaced,
}

impl Entry {
    pub(crate) fn new(record: KeyRecord, rights: Arc<Rights>) -> Self {
        let nanos = |it: Option<Timestamp>, or: i64| it.map_or(or, Timestamp::nanos);
        Self {
            expires: nanos(record.expires, NEVER),
            overlap_since: nanos(record.overlap.map(|it| it.since), NEVER),
            overlap_until: nanos(record.overlap.map(|it| it.until), NEVER),
            revoked: record.revoked.is_some(),
            last_used: AtomicI64::new(nanos(record.last_used, UNUSED)),
            // Most keys were never rotated: then the lineage is the key's own name and costs nothing.
            lineage: if record.lineage.as_str() == record.id.as_str() { record.id.founds() } else { record.lineage },
            id: record.id,
            rights,
            proof: Proof::from(record.secret),
            standing: OnceLock::new(),
        }
    }

    /// The same key with other rights, because its tenant changed.
    pub(crate) fn with_rights(&self, rights: Arc<Rights>) -> Self {
        Self {
            id: self.id.clone(),
            lineage: self.lineage.clone(),
            rights,
            proof: self.proof.copy(),
            expires: self.expires,
            overlap_since: self.overlap_since,
            overlap_until: self.overlap_until,
            revoked: self.revoked,
            last_used: AtomicI64::new(self.last_used.load(Ordering::Relaxed)),
            standing: OnceLock::new(),
        }
    }

    /// The key, as logs and entries name it.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The one API it opens.
    pub fn api(&self) -> &ApiName {
        &self.rights.api
    }

    /// Whose resources it reaches.
    pub fn tenant(&self) -> &TenantId {
        &self.rights.tenant
    }

    /// The sealed secret, where this is an access key.
    pub(crate) fn sealed(&self) -> Option<&[u8]> {
        match &self.proof {
            Proof::AccessKey(key) => Some(&key.sealed),
            Proof::Digest { .. } | Proof::Granted(_) => None,
        }
    }

    /// The id and the sealed secret, where this is an access key.
    pub(crate) fn access_key(&self) -> Option<(&str, &[u8])> {
        match &self.proof {
            Proof::AccessKey(key) => Some((&key.id, &key.sealed)),
            Proof::Digest { .. } | Proof::Granted(_) => None,
        }
    }

    pub(crate) fn proof(&self) -> &Proof {
        &self.proof
    }

    pub(crate) fn rights(&self) -> &Rights {
        &self.rights
    }

    /// Whether the key opens anything at this moment. Asked anew for every request.
    pub(crate) fn alive(&self, now: Timestamp) -> Result<(), Ended> {
        if self.revoked {
            Err(Ended::Revoked)
        } else if self.expires <= now.nanos() {
            Err(Ended::Expired)
        } else if self.overlap_until <= now.nanos() {
            Err(Ended::Replaced)
        } else {
            Ok(())
        }
    }

    /// When it ends by itself, where it works at this moment and ever ends.
    pub(crate) fn ends(&self, now: Timestamp) -> Option<Timestamp> {
        let end = self.expires.min(self.overlap_until);
        (end != NEVER && self.alive(now).is_ok()).then(|| Timestamp::from_nanos(end))
    }

    /// Whether its owner or its tenant is suspended.
    pub(crate) fn is_suspended(&self) -> bool {
        self.rights.suspended
    }

    /// How long the key goes on beside the newer one that took its place.
    pub(crate) fn retires(&self) -> Option<Overlap> {
        let moment = Timestamp::from_nanos;
        (self.overlap_until != NEVER)
            .then(|| Overlap { since: moment(self.overlap_since), until: moment(self.overlap_until) })
    }

    /// Whether the key may be used from this address.
    pub(crate) fn admits(&self, source: IpAddr) -> bool {
        self.rights.ip_allow.is_empty() || self.rights.ip_allow.iter().any(|it| it.contains(&source))
    }

    /// Whether it opens one resource alone.
    pub(crate) fn is_bound(&self) -> bool {
        self.rights.bound.is_some()
    }

    /// The rights of its holder, made at the first use and shared ever after.
    pub fn standing(&self) -> &Arc<Standing> {
        self.standing.get_or_init(|| {
            Arc::new(Standing {
                key: self.id.clone(),
                lineage: self.lineage.clone(),
                owner: self.rights.owner.clone(),
                tenant: self.rights.tenant.clone(),
                scopes: self.rights.scopes.clone(),
                tier: self.rights.tenant_tier.as_ref().unwrap_or(&self.rights.own_tier).clone(),
                tenant_tier: self.rights.tenant_tier.clone(),
                expires: (self.expires != NEVER).then(|| Timestamp::from_nanos(self.expires)),
                bound: self.rights.bound.clone(),
                suspended: self.rights.suspended,
                grant: match &self.proof {
                    Proof::Granted(grant) => Some(Grant::clone(grant)),
                    Proof::Digest { .. } | Proof::AccessKey(_) => None,
                },
            })
        })
    }

    /// Notes a use, to within a second; the first one after it was rotated in any case, because that is what is asked for.
    pub(crate) fn mark_used(&self, now: Timestamp) {
        let noted = self.last_used.load(Ordering::Relaxed);
        let replaced = noted < self.overlap_since && self.overlap_since <= now.nanos();
        if noted == UNUSED || replaced || noted.saturating_add(USE_GRAIN) <= now.nanos() {
            self.last_used.store(now.nanos(), Ordering::Relaxed);
        }
    }

    /// When it was last used.
    pub fn last_used(&self) -> Option<Timestamp> {
        let noted = self.last_used.load(Ordering::Relaxed);
        (noted != UNUSED).then(|| Timestamp::from_nanos(noted))
    }

    /// Takes over the uses of the entry whose place it takes.
    pub(crate) fn inherit_uses(&self, from: &Self) {
        self.last_used.fetch_max(from.last_used.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("id", &self.id).field("tenant", &self.rights.tenant).finish_non_exhaustive()
    }
}

impl Rights {
    /// A key whose tenant nobody has heard of has the rights of a suspended one.
    pub(crate) fn new(record: &mut KeyRecord, tenants: &HashMap<TenantId, Tenant>) -> Self {
        let (tenant, held) = (tenants.get(&record.tenant), record.suspended.is_some());
        let mut scopes = std::mem::take(&mut record.scopes);
        scopes.sort_unstable();
        scopes.dedup();
        Self {
            api: record.api.clone(),
            tenant: record.tenant.clone(),
            owner: record.owner.take(),
            scopes,
            own_tier: record.tier.clone(),
            tenant_tier: tenant.and_then(|it| it.tiers.get(&record.api)).cloned(),
            ip_allow: std::mem::take(&mut record.ip_allow),
            bound: record.bound.take(),
            held,
            suspended: held || tenant.is_none_or(|it| it.suspended.is_some()),
        }
    }

    /// The same rights under what their tenant is now.
    pub(crate) fn under(&self, tenant: &Tenant) -> Self {
        let tenant_tier = tenant.tiers.get(&self.api).cloned();
        Self { tenant_tier, suspended: self.held || tenant.suspended.is_some(), ..self.clone() }
    }
}

impl Proof {
    fn copy(&self) -> Self {
        match self {
            Self::Digest { digest, pepper, legacy } => {
                Self::Digest { digest: DigestKey(digest.0), pepper: *pepper, legacy: *legacy }
            }
            Self::AccessKey(key) => {
                Self::AccessKey(Box::new(AccessKey { id: Arc::clone(&key.id), sealed: key.sealed.clone() }))
            }
            Self::Granted(grant) => Self::Granted(grant.clone()),
        }
    }
}

impl From<KeySecret> for Proof {
    fn from(secret: KeySecret) -> Self {
        match secret {
            KeySecret::Minted { digest, pepper } => Self::Digest { digest: DigestKey(digest), pepper, legacy: false },
            KeySecret::Imported { digest, pepper } => Self::Digest { digest: DigestKey(digest), pepper, legacy: true },
            KeySecret::AccessKey { access_key_id, sealed } => {
                Self::AccessKey(Box::new(AccessKey { id: access_key_id.into(), sealed }))
            }
            KeySecret::Granted(grant) => Self::Granted(Box::new(grant)),
        }
    }
}

/// A digest that is found by its first bytes and compared in constant time.
pub(crate) struct DigestKey(pub(crate) Digest);

impl PartialEq for DigestKey {
    /// Eight bytes at a time, and whether all are equal is asked once.
    fn eq(&self, other: &Self) -> bool {
        let (own, others) = (self.0.as_chunks::<8>().0, other.0.as_chunks::<8>().0);
        let pairs = own.iter().zip(others);
        let unequal =
            pairs.fold(0, |bits, (own, other)| bits | (u64::from_le_bytes(*own) ^ u64::from_le_bytes(*other)));
        unequal.ct_eq(&0).into()
    }
}

impl Eq for DigestKey {}

impl Hash for DigestKey {
    /// The digest is keyed with a secret pepper, so nobody outside can choose where it falls.
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(first) = self.0.first_chunk() {
            state.write_u64(u64::from_le_bytes(*first));
        }
    }
}
