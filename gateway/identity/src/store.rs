//! What a backend must promise to the issuer.

use async_trait::async_trait;
use domain::{
    ApiName, Change, Deed, Digest, KeyId, KeyRecord, KeySecret, Tenant, TenantId, Timestamp, TokenKey, Version,
};

/// How far the numbers of deeds have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeedNumbers {
    /// The greatest number that a deed was ever given, 0 where none was.
    pub newest: u64,
    /// The least one that waits to be entered, if any does.
    pub waiting: Option<u64>,
}

/// Where tenants and keys are kept, with a numbered log of every change.
#[async_trait]
pub trait Registry: Send + Sync {
    /// The number of the last change. A fault where what is kept lies no more where others find it.
    async fn version(&self) -> Result<Version, StoreFault>;

    /// One tenant.
    async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>, StoreFault>;

    /// Tenants in the order in which they were made, after `page.after`.
    async fn tenants(&self, page: &Page<TenantId>) -> Result<Vec<Tenant>, StoreFault>;

    /// One key.
    async fn key(&self, id: &KeyId) -> Result<Option<KeyRecord>, StoreFault>;

    /// Keys in the order in which they were made, after `page.after`.
    async fn keys(&self, filter: &KeyFilter, page: &Page<KeyId>) -> Result<Vec<KeyRecord>, StoreFault>;

    /// The tenant that people call so.
    async fn tenant_called(&self, name: &str) -> Result<Option<TenantId>, StoreFault>;

    /// How many lineages of this tenant have a key that works at `now`.
    async fn count_lineages(&self, tenant: &TenantId, now: Timestamp) -> Result<u64, StoreFault>;

    /// A key of this tenant and API with this name that works at `now`.
    async fn named(&self, filter: &KeyFilter, name: &str, now: Timestamp) -> Result<Option<KeyRecord>, StoreFault>;

    /// The key that is recognised by this secret.
    async fn holder(&self, secret: &KeySecret) -> Result<Option<KeyId>, StoreFault>;

    /// What is kept under this kind and id.
    async fn record(&self, kind: &str, id: &str) -> Result<Option<String>, StoreFault>;

    /// What is sought, in the order in which it was first kept.
    async fn records(&self, sought: &Sought<'_>) -> Result<Vec<String>, StoreFault>;

    /// Forgets a part of what may be forgotten: records past their time, and grants that ended a day ago. Says whether more is
    /// left.
    async fn sweep(&self, now: Timestamp) -> Result<bool, StoreFault>;

    /// Every key that signs tokens, did so or will, in the order in which they were made.
    async fn token_keys(&self) -> Result<Vec<TokenKey>, StoreFault>;

    /// Writes rows, their place in the log, and what was done, all in one transaction, provided that `seen` is still the
    /// number of the last change. After it returns, they outlive a crash.
    async fn publish(&self, seen: Version, changes: &[Change], deeds: &[Deed]) -> Result<Version, PublishFault>;

    /// Keeps what was done or refused without a change, until it is entered.
    async fn keep_deeds(&self, deeds: &[Deed]) -> Result<(), StoreFault>;

    /// The oldest deeds that were not forgotten yet, each with its number. Numbers grow and are never used again.
    async fn deeds(&self) -> Result<Vec<(u64, Deed)>, StoreFault>;

    /// Forgets deeds up to this number, because they are entered for certain.
    async fn forget_deeds(&self, upto: u64) -> Result<(), StoreFault>;

    /// How far the numbers of deeds have come.
    async fn deed_numbers(&self) -> Result<DeedNumbers, StoreFault>;

    /// Gives numbers after this one to deeds that wait, and to all that come. Nothing is done where they have such numbers.
    async fn number_deeds_after(&self, number: u64) -> Result<(), StoreFault>;

    /// Hands over every tenant, then every key, then those that sign tokens, as of one version, which it returns.
    async fn load(&self, take: &mut (dyn FnMut(Change) + Send)) -> Result<Version, StoreFault>;

    /// What has changed after `version`: each tenant and key once, as it is now, tenants first and keys that
    /// sign tokens last.
    async fn changes_since(&self, version: Version) -> Result<News, StoreFault>;

    /// Notes when keys were last used; an earlier use never replaces a later one. No change in the sense of the log.
    async fn note_uses(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreFault>;

    /// Compares the marks of the secrets with those of the first time, and remembers those that are new. A pepper that no
    /// working key is kept under any more is forgotten.
    async fn remember_marks(&self, marks: &[(String, Digest)]) -> Result<(), SecretsChanged>;
}

/// Part of a long list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<Id> {
    /// The last one of the page before.
    pub after: Option<Id>,
    /// How many at most.
    pub limit: u32,
}

impl<Id> Default for Page<Id> {
    /// The first hundred.
    fn default() -> Self {
        Self { after: None, limit: 100 }
    }
}

/// Which keys are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Those of this tenant.
    pub tenant: Option<TenantId>,
    /// Those of this API.
    pub api: Option<ApiName>,
    /// Those of this user or service account.
    pub owner: Option<String>,
    /// Grants, where keys would be meant.
    pub grants: bool,
}

/// Which records are meant.
#[derive(Clone, Debug)]
pub struct Sought<'a> {
    /// Of this kind.
    pub kind: &'a str,
    /// Those of this tenant.
    pub tenant: Option<&'a TenantId>,
    /// Those that are found by this name and value.
    pub by: Option<(&'a str, &'a str)>,
    /// The part of them.
    pub page: Page<String>,
}

/// What a follower of the log has missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// These changes lead to this version. Empty where nothing is new; there may be more after them.
    Changes(Version, Vec<Change>),
    /// The log does not reach that version: another database is here now, and everything must be loaded anew.
    Rewritten,
}

/// The store could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}", said(self))]
pub struct StoreFault {
    /// What was being done.
    pub doing: &'static str,
    /// What went wrong.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Whoever lost what they asked by is told that, and not that something failed.
fn said(fault: &StoreFault) -> String {
    let StoreFault { doing, source } = fault;
    if fault.is_outgrown() { source.to_string() } else { format!("the store failed while {doing}: {source}") }
}

/// A change could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishFault {
    /// Somebody else published first; what was decided must be decided again.
    #[error("the store has changed meanwhile")]
    Stale,
    /// The store could not be written.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// The secrets beside the store are not those it was filled under.
#[derive(Debug, thiserror::Error)]
pub enum SecretsChanged {
    /// Every key kept under it would be turned away.
    #[error("`{0}` is not the one this store was filled under; help: restore it from a backup")]
    Other(String),
    /// It is gone, and there are keys that need it.
    #[error("`{0}` is missing and there are keys that need it; help: restore it from a backup")]
    Missing(String),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreFault),
}
