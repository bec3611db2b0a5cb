//! Every key there is, found by what was shown.
//!
//! A ring never changes: changes make a new one that shares nearly everything with the old, and its owner swaps it in.
//! Knows nothing of requests.

mod entry;
mod ids;
mod shards;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Change, Digest, KeyId, KeyRecord, KeySecret, Tenant, TenantId, Timestamp};

pub use entry::Entry;
pub(crate) use entry::{Ended, Proof};
pub(crate) use shards::FirstBytes;

use entry::Rights;
use ids::Ids;
use shards::Shards;

use crate::secrets::{Peppers, sha256};
use crate::token::KeySet;

/// How many re-digested keys wait at most to be written down. More are re-digested at a later use.
const MAX_RENEWALS: usize = 10_000;

/// All keys of all tenants at one version of the control state.
#[derive(Clone)]
pub struct Keyring {
    by_digest: Shards,
    by_access_key: Arc<HashMap<Arc<str>, Arc<Entry>>>,
    by_id: Ids,
    granted: Ids,
    token_keys: Arc<KeySet>,
    tenants: Arc<HashMap<TenantId, Tenant>>,
    renewals: Arc<Mutex<HashMap<KeyId, KeySecret>>>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("keys", &self.len())
            .field("tenants", &self.tenants.len())
            .finish_non_exhaustive()
    }
}

impl Default for Keyring {
    fn default() -> Self {
        KeyringBuilder::new().finish()
    }
}

impl Keyring {
    /// A ring of these keys. Keys of a tenant that is not among `tenants` are suspended.
    pub fn build(tenants: impl IntoIterator<Item = Tenant>, keys: impl IntoIterator<Item = KeyRecord>) -> Self {
        let mut builder = KeyringBuilder::new();
        for tenant in tenants {
            builder.add(Change::Tenant(tenant));
        }
        for key in keys {
            builder.add(Change::Key(Box::new(key)));
        }
        builder.finish()
    }

    /// The ring after these changes. Whoever still holds this one sees none of them.
    #[must_use]
    pub fn apply(&self, changes: impl IntoIterator<Item = Change>) -> Self {
        let mut next = KeyringBuilder { ring: self.clone(), shared: HashSet::new() };
        let (mut tenants, mut keys, mut gone) = (HashMap::new(), HashMap::new(), Vec::new());
        for change in changes {
            match change {
                Change::Tenant(tenant) => drop(tenants.insert(tenant.id.clone(), tenant)),
                Change::Key(key) => drop(keys.insert(key.id.clone(), key)),
                Change::KeyGone(id) => gone.push(id),
                // Who signs tokens is known by the set that the ring was given, and of all else it knows nothing.
                Change::TokenKey(_) | Change::Record(_) | Change::RecordGone(..) => {}
            }
        }
        next.change_tenants(tenants);
        next.change_keys(keys);
        for id in &gone {
            next.forget_grant(id);
        }
        next.ring
    }

    /// The ring with these keys of the issuer. Tokens that were verified under the former ones are verified anew.
    #[must_use]
    pub fn with_token_keys(&self, keys: KeySet) -> Self {
        Self { token_keys: Arc::new(keys), ..self.clone() }
    }

    /// How many keys there are, dead ones included. Grants are no keys.
    pub fn len(&self) -> usize {
        self.by_digest.len() + self.by_access_key.len()
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The key of this id, of whichever kind. Naming a key proves nothing: who asks has proved it otherwise.
    pub fn by_id(&self, id: &KeyId) -> Option<&Arc<Entry>> {
        self.by_id.find(id)
    }

    /// What access tokens are verified with.
    pub fn token_keys(&self) -> &KeySet {
        &self.token_keys
    }

    /// The access key of this id.
    pub(crate) fn access_key(&self, id: &str) -> Option<&Arc<Entry>> {
        self.by_access_key.get(id)
    }

    /// Every key used at or after `since`, with its last use: what has to be written down.
    pub fn used_since(&self, since: Timestamp) -> Vec<(KeyId, Timestamp)> {
        let used = |it: &Arc<Entry>| it.last_used().filter(|at| since <= *at).map(|at| (it.id().clone(), at));
        self.entries().filter_map(used).collect()
    }

    /// Every key that works at `now` and ends by itself within so long, with its end. Grants are no keys.
    pub fn ending(&self, now: Timestamp, within: Duration) -> Vec<(&Arc<Entry>, Timestamp)> {
        let keys = self.by_digest.entries().chain(self.by_access_key.values());
        keys.filter_map(|it| Some((it, it.ends(now)?))).filter(|(_, end)| *end <= now + within).collect()
    }

    /// Keys that were used under an older pepper, as they are to be kept from now on. They are handed out once.
    pub fn take_renewals(&self) -> Vec<(KeyId, KeySecret)> {
        self.lock_renewals().drain().collect()
    }

    /// The key whose text this is, if the gateway made it.
    pub(crate) fn find_minted(&self, key: &str, peppers: &Peppers) -> Option<&Arc<Entry>> {
        self.find(peppers, false, |pepper| pepper.of_minted(key))
    }

    /// The key whose text this is, if it was made elsewhere.
    pub(crate) fn find_imported(&self, key: &str, peppers: &Peppers) -> Option<&Arc<Entry>> {
        let hashed = sha256(key);
        self.find(peppers, true, |pepper| pepper.of_imported(&hashed))
    }

    fn find(
        &self,
        peppers: &Peppers,
        imported: bool,
        digest: impl Fn(&super::secrets::Pepper) -> Digest,
    ) -> Option<&Arc<Entry>> {
        for pepper in peppers.all() {
            let Some(entry) = self.by_digest.find(&digest(pepper)) else { continue };
            let Proof::Digest { pepper: version, legacy, .. } = entry.proof() else { continue };
            // A record under the wrong version or form can only come from a tampered database.
            if *version != pepper.version() || *legacy != imported {
                continue;
            }
            if *version != peppers.current().version() {
                self.renew(entry, || digest(peppers.current()), peppers.current().version());
            }
            return Some(entry);
        }
        None
    }

    /// Notes how a key is to be kept under the current pepper, unless that is noted already or somebody is busy noting.
    fn renew(&self, entry: &Entry, digest: impl Fn() -> Digest, pepper: u16) {
        let Ok(mut renewals) = self.renewals.try_lock() else { return };
        if renewals.len() < MAX_RENEWALS && !renewals.contains_key(entry.id()) {
            let legacy = matches!(entry.proof(), Proof::Digest { legacy: true, .. });
            let digest = digest();
            let secret =
                if legacy { KeySecret::Imported { digest, pepper } } else { KeySecret::Minted { digest, pepper } };
            renewals.insert(entry.id().clone(), secret);
        }
    }

    fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.by_digest.entries().chain(self.by_access_key.values()).chain(self.granted.entries())
    }

    fn lock_renewals(&self) -> MutexGuard<'_, HashMap<KeyId, KeySecret>> {
        self.renewals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Builds a ring one tenant and key at a time, so that no list of all keys is ever held.
pub struct KeyringBuilder {
    ring: Keyring,
    shared: HashSet<Arc<Rights>>,
}

impl Default for KeyringBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl KeyringBuilder {
    /// With nothing in it.
    pub fn new() -> Self {
        let ring = Keyring {
            by_digest: Shards::new(),
            by_access_key: Arc::default(),
            by_id: Ids::new(),
            granted: Ids::new(),
            token_keys: Arc::default(),
            tenants: Arc::default(),
            renewals: Arc::default(),
        };
        Self { ring, shared: HashSet::new() }
    }

    /// Takes in a tenant or a key. A tenant comes before its keys.
    pub fn add(&mut self, change: Change) {
        match change {
            Change::Tenant(tenant) => drop(Arc::make_mut(&mut self.ring.tenants).insert(tenant.id.clone(), tenant)),
            Change::Key(key) => self.put_key(*key, None),
            Change::TokenKey(_) | Change::KeyGone(_) | Change::Record(_) | Change::RecordGone(..) => {}
        }
    }

    /// Takes in the public keys of the issuer, in the place of all that were there.
    pub fn token_keys(&mut self, keys: KeySet) {
        self.ring.token_keys = Arc::new(keys);
    }

    /// The ring.
    pub fn finish(self) -> Keyring {
        self.ring
    }

    fn change_tenants(&mut self, changed: HashMap<TenantId, Tenant>) {
        if changed.is_empty() {
            return;
        }
        let unlike =
            |it: &Arc<Entry>| changed.get(it.tenant()).is_some_and(|now| it.rights().under(now) != *it.rights());
        let affected: Vec<Arc<Entry>> = self.ring.entries().filter(|it| unlike(it)).cloned().collect();
        for entry in affected {
            if let Some(tenant) = changed.get(entry.tenant()) {
                let rights = self.share(entry.rights().under(tenant));
                self.put_entry(Arc::new(entry.with_rights(rights)));
            }
        }
        Arc::make_mut(&mut self.ring.tenants).extend(changed);
    }

    fn change_keys(&mut self, changed: HashMap<KeyId, Box<KeyRecord>>) {
        let moved: HashSet<&KeyId> = changed.values().filter(|it| !self.stands(it)).map(|it| &it.id).collect();
        // A key under a new digest must no longer be found under the old one, or revoking it would not revoke that.
        let mut former: HashMap<KeyId, Arc<Entry>> = if moved.is_empty() {
            HashMap::new()
        } else {
            let taken = self.ring.by_digest.take(|id| moved.contains(id));
            taken.into_iter().map(|it| (it.id().clone(), it)).collect()
        };
        for (id, key) in changed {
            let former = former.remove(&id);
            self.put_key(*key, former);
        }
    }

    /// Whether the ring cannot have this key anywhere else than in the place where it belongs.
    fn stands(&self, record: &KeyRecord) -> bool {
        match &record.secret {
            KeySecret::Minted { digest, pepper } | KeySecret::Imported { digest, pepper } => {
                let found = self.ring.by_digest.find(digest).is_some_and(|it| *it.id() == record.id);
                found || self.ring.by_digest.all_under(*pepper)
            }
            // Access keys have one id for life, and grants are found by their own.
            KeySecret::AccessKey { .. } | KeySecret::Granted(_) => true,
        }
    }

    fn put_key(&mut self, mut record: KeyRecord, former: Option<Arc<Entry>>) {
        let rights = Rights::new(&mut record, &self.ring.tenants);
        let rights = self.share(rights);
        let entry = Arc::new(Entry::new(record, rights));
        if let Some(former) = former {
            entry.inherit_uses(&former);
        }
        self.put_entry(entry);
    }

    fn put_entry(&mut self, entry: Arc<Entry>) {
        self.ring.by_id.put(Arc::clone(&entry));
        match entry.proof() {
            Proof::Digest { digest, .. } => {
                let digest = digest.0;
                if let Some(former) = self.ring.by_digest.find(&digest) {
                    entry.inherit_uses(former);
                    // Whoever is found no more by what is shown must not be found by name either.
                    if former.id() != entry.id() {
                        self.ring.by_id.remove(former.id());
                    }
                }
                self.ring.by_digest.put(&digest, entry);
            }
            Proof::AccessKey(key) => {
                let id = Arc::clone(&key.id);
                if let Some(former) = self.ring.by_access_key.get(&id) {
                    entry.inherit_uses(former);
                    if former.id() != entry.id() {
                        self.ring.by_id.remove(former.id());
                    }
                }
                Arc::make_mut(&mut self.ring.by_access_key).insert(id, entry);
            }
            Proof::Granted(_) => {
                if let Some(former) = self.ring.granted.find(entry.id()) {
                    entry.inherit_uses(former);
                }
                self.ring.granted.put(entry);
            }
        }
    }

    /// Only grants are forgotten: there is one for every login, while keys are looked up long after they have ended.
    fn forget_grant(&mut self, id: &KeyId) {
        if self.ring.granted.find(id).is_some() {
            self.ring.granted.remove(id);
            self.ring.by_id.remove(id);
        }
    }

    fn share(&mut self, rights: Rights) -> Arc<Rights> {
        if let Some(known) = self.shared.get(&rights) {
            return Arc::clone(known);
        }
        let rights = Arc::new(rights);
        self.shared.insert(Arc::clone(&rights));
        rights
    }
}

#[cfg(test)]
mod tests;
