//! Making service accounts, and keys that they hold.

use domain::{ApiName, DeedClass, RoleName, Scope, TenantId, keyformat};

use super::{BEARS, MOST, SIGNS, ServiceAccount, WorkloadIdentity};
use crate::Identity;
use crate::kept::Kept as _;
use crate::publish::{Decision, Entered};
use crate::store::StoreFault;
use crate::terms::{Terms, Unfit, label};

/// How many other selves one may have.
const WORKLOADS: usize = 20;

/// A service account to be made.
#[derive(Clone, Debug)]
pub struct NewServiceAccount {
    /// The one API it acts at.
    pub api: ApiName,
    /// Whose it is.
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// What it is there.
    pub roles: Vec<RoleName>,
    /// What it may do beyond its roles.
    pub permissions: Vec<Scope>,
    /// Who it is elsewhere.
    pub workloads: Vec<WorkloadIdentity>,
}

/// A service account could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateServiceAccountError {
    /// There is no such tenant.
    #[error("there is no tenant with the id `{0}`; help: `portcullis tenants list` shows ids")]
    UnknownTenant(TenantId),
    /// Another has the name.
    #[error("tenant `{0}` has a service account `{1}` at this API already; help: choose another name")]
    NameTaken(TenantId, String),
    /// The tenant has as many as it may.
    #[error("tenant `{0}` has {MOST} service accounts at this API, which is as many as it may; help: delete some")]
    TooMany(TenantId),
    /// More is written down of who it is elsewhere than may be.
    #[error("a service account has at most {WORKLOADS} workload identities")]
    Workloads,
    /// It cannot be made in this way.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for CreateServiceAccountError {
    fn entered(&self) -> String {
        match self {
            Self::NameTaken(tenant, _) => format!("tenant `{tenant}` has a service account of this name already"),
            Self::Unfit(Unfit::Name(_)) => "what was given cannot be a name".to_owned(),
            Self::UnknownTenant(_) | Self::TooMany(_) | Self::Workloads | Self::Unfit(_) | Self::Store(_) => {
                self.to_string()
            }
        }
    }
}

impl Identity {
    /// Makes a service account. It has no key yet.
    pub async fn create_service_account(
        &self,
        new: &NewServiceAccount,
        terms: &Terms,
    ) -> Result<ServiceAccount, CreateServiceAccountError> {
        let deed = self.deed(DeedClass::Identity, "create").of(&new.tenant);
        let deed = deed.with("kind", ServiceAccount::KIND).with("api", &new.api);
        self.told(deed, self.make_service_account(new, terms)).await
    }

    async fn make_service_account(
        &self,
        new: &NewServiceAccount,
        terms: &Terms,
    ) -> Result<ServiceAccount, CreateServiceAccountError> {
        let terms = terms.of(&new.api)?;
        if WORKLOADS < new.workloads.len() {
            return Err(CreateServiceAccountError::Workloads);
        }
        let made = &ServiceAccount {
            id: keyformat::draw_id(if terms.prefixes.is_empty() { SIGNS } else { BEARS }, 16, &*self.random),
            api: new.api.clone(),
            tenant: new.tenant.clone(),
            name: label(&new.name)?,
            roles: terms.roles(&new.roles)?,
            permissions: terms.scopes(&new.permissions)?,
            workloads: new.workloads.clone(),
            created: self.clock.now().wall,
            suspended: None,
        };
        self.settle(|| Box::pin(self.admit_account(made))).await
    }

    async fn admit_account(
        &self,
        made: &ServiceAccount,
    ) -> Result<Decision<ServiceAccount>, CreateServiceAccountError> {
        let tenant = &made.tenant;
        if self.registry.tenant(tenant).await?.is_none() {
            return Err(CreateServiceAccountError::UnknownTenant(tenant.clone()));
        }
        let others = self.service_accounts_at(tenant, &made.api).await?;
        if others.iter().any(|it| it.name == made.name) {
            return Err(CreateServiceAccountError::NameTaken(tenant.clone(), made.name.clone()));
        }
        if MOST <= others.len() {
            return Err(CreateServiceAccountError::TooMany(tenant.clone()));
        }
        let scopes: Vec<&str> = made.permissions.iter().map(Scope::as_str).collect();
        let deed = self.account_deed("create", made).with("permissions", scopes.join(" "));
        let roles = (!made.roles.is_empty()).then(|| self.account_role_deed(made));
        let deeds = std::iter::once(deed).chain(roles).collect();
        Ok(Decision { changes: vec![made.kept()?], deeds, outcome: made.clone() })
    }
}
