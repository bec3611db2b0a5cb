//! Service accounts: what acts for a tenant where nobody sits before it.
//!
//! One belongs to one tenant and acts at one API. Its keys are those that it is the owner of: they may do no more than it,
//! open nothing while it is suspended, and end with it. An API may have a word of its own for it: cloudnx calls it an IAM
//! user.

mod change;
mod create;
mod exchange;
mod rotation;
mod trusted;
mod workload;

use std::collections::BTreeSet;

use domain::{ApiName, Deed, DeedClass, KeyRecord, RoleName, Scope, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

pub use change::ChangeServiceAccountError;
pub use create::{CreateServiceAccountError, NewServiceAccount};
pub use exchange::{ExchangeError, Shown as ShownWorkload};
pub use rotation::Rotation;
pub use trusted::{IssuerKeys, TrustError, TrustedIssuer};
pub use workload::{BadWorkload, WorkloadIdentity};

use crate::Identity;
use crate::kept::Kept;
use crate::store::{KeyFilter, Page, StoreFault};
use crate::terms::ApiTerms;

/// What their ids begin with: of those that show their keys, and of those that sign with them.
const BEARS: &str = "sa_";
const SIGNS: &str = "iam_";

/// By what those are found whom an outside issuer vouches for.
const BY_ISSUER: &str = "workload_issuer";

/// How many a tenant may have at one API.
const MOST: usize = 1000;

/// How many are read at once.
const PAGE: u32 = 100;

/// A service account, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAccount {
    /// How it is named everywhere, and what its keys name as their owner.
    pub id: String,
    /// The one API it acts at.
    pub api: ApiName,
    /// Whose it is, and whose resources it reaches.
    pub tenant: TenantId,
    /// What people call it; another of its tenant at the API is called otherwise.
    pub name: String,
    /// What it is there; sorted, without repeats.
    pub roles: Vec<RoleName>,
    /// What it may do beyond its roles; sorted, without repeats.
    pub permissions: Vec<Scope>,
    /// Who it is elsewhere, as an operator has written it down.
    pub workloads: Vec<WorkloadIdentity>,
    /// When it was made.
    pub created: Timestamp,
    /// Since when its keys open nothing.
    pub suspended: Option<Timestamp>,
}

impl ServiceAccount {
    /// All that it may do, by its roles and beyond them; sorted, without repeats.
    pub fn scopes(&self, terms: &ApiTerms) -> Vec<Scope> {
        let all: BTreeSet<Scope> = terms.scopes_of(&self.roles).into_iter().chain(self.permissions.clone()).collect();
        all.into_iter().collect()
    }

    /// The word for how it stands.
    pub fn status(&self) -> &'static str {
        if self.suspended.is_some() { "suspended" } else { "active" }
    }
}

impl Kept for ServiceAccount {
    const KIND: &'static str = "service_account";

    fn id(&self) -> &str {
        &self.id
    }

    fn tenant(&self) -> Option<&TenantId> {
        Some(&self.tenant)
    }

    fn found_by(&self) -> Vec<(&'static str, String)> {
        let issuers: BTreeSet<&str> = self.workloads.iter().map(WorkloadIdentity::issuer).collect();
        issuers.into_iter().map(|it| (BY_ISSUER, it.to_owned())).collect()
    }
}

impl Identity {
    /// One service account.
    pub async fn service_account(&self, id: &str) -> Result<Option<ServiceAccount>, StoreFault> {
        self.find(id).await
    }

    /// Service accounts in the order in which they were made, suspended ones included: those of one tenant, or all.
    pub async fn service_accounts(
        &self,
        tenant: Option<&TenantId>,
        page: &Page<String>,
    ) -> Result<Vec<ServiceAccount>, StoreFault> {
        self.list(tenant, None, page).await
    }

    /// Every one of a tenant at an API. There are not so many that they would have to come in pages.
    pub async fn service_accounts_at(
        &self,
        tenant: &TenantId,
        api: &ApiName,
    ) -> Result<Vec<ServiceAccount>, StoreFault> {
        let (mut all, mut page) = (Vec::new(), Page { after: None, limit: PAGE });
        loop {
            let some: Vec<ServiceAccount> = self.list(Some(tenant), None, &page).await?;
            let Some(last) = some.last() else { return Ok(all) };
            page.after = Some(last.id.clone());
            all.extend(some.into_iter().filter(|it| it.api == *api));
        }
    }

    /// Every key of an owner, dead ones included, in the order in which they were made.
    pub async fn keys_of(&self, owner: &str) -> Result<Vec<KeyRecord>, StoreFault> {
        self.all_keys(&KeyFilter { owner: Some(owner.to_owned()), ..KeyFilter::default() }).await
    }

    /// Every key of a tenant at an API, dead ones included, in the order in which they were made.
    pub async fn keys_at(&self, tenant: &TenantId, api: &ApiName) -> Result<Vec<KeyRecord>, StoreFault> {
        let (tenant, api) = (Some(tenant.clone()), Some(api.clone()));
        self.all_keys(&KeyFilter { tenant, api, ..KeyFilter::default() }).await
    }

    async fn all_keys(&self, filter: &KeyFilter) -> Result<Vec<KeyRecord>, StoreFault> {
        let (mut all, mut page) = (Vec::new(), Page { after: None, limit: PAGE });
        loop {
            let some = self.registry.keys(filter, &page).await?;
            let Some(last) = some.last() else { return Ok(all) };
            page.after = Some(last.id.clone());
            all.extend(some);
        }
    }

    /// What is entered of a service account: what it is, and not what it is called.
    fn account_deed(&self, action: &str, account: &ServiceAccount) -> Deed {
        let deed = self.deed(DeedClass::Identity, action).on(&account.id).of(&account.tenant);
        deed.with("kind", ServiceAccount::KIND).with("api", &account.api)
    }

    fn account_role_deed(&self, account: &ServiceAccount) -> Deed {
        let roles: Vec<&str> = account.roles.iter().map(RoleName::as_str).collect();
        let deed = self.deed(DeedClass::Role, "set").on(&account.id).of(&account.tenant).with("api", &account.api);
        deed.with("roles", roles.join(" "))
    }
}

/// Whether an owner of keys is, or says it is, a service account. Any other is a user.
pub(crate) fn is_account(owner: &str) -> bool {
    owner.starts_with(BEARS) || owner.starts_with(SIGNS)
}
