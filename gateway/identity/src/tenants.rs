//! Making, suspending and resuming tenants.

use std::collections::BTreeMap;

use domain::{ApiName, Change, DeedClass, Tenant, TenantId, TierName, keyformat};

use crate::Identity;
use crate::publish::{Decision, Entered};
use crate::store::{Page, StoreFault};
use crate::terms::{Terms, Unfit, label};

/// A tenant to be made.
#[derive(Clone, Debug, Default)]
pub struct NewTenant {
    /// Its id; one is drawn where none is given.
    pub id: Option<TenantId>,
    /// What people call it.
    pub name: String,
    /// The tier all its keys have at an API.
    pub tiers: BTreeMap<ApiName, TierName>,
}

/// A tenant could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateTenantError {
    /// The id is taken; ids are never reused.
    #[error("there is a tenant `{0}` already")]
    Taken(TenantId),
    /// Another tenant has the name, and nobody could tell them apart.
    #[error("tenant `{id}` is called `{name}` already")]
    NameTaken {
        /// The tenant that has it.
        id: TenantId,
        /// The name.
        name: String,
    },
    /// The name or a tier cannot be.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// A tenant could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeTenantError {
    /// There is none.
    #[error("there is no tenant `{0}`")]
    Unknown(TenantId),
    /// The tier cannot be.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for CreateTenantError {}

impl Entered for ChangeTenantError {}

impl Identity {
    /// Whether there is such a tenant, and it is not suspended.
    pub(crate) async fn is_open(&self, tenant: &TenantId) -> Result<bool, StoreFault> {
        Ok(self.registry.tenant(tenant).await?.is_some_and(|it| it.suspended.is_none()))
    }

    /// Makes a tenant.
    pub async fn create_tenant(&self, new: &NewTenant, terms: &Terms) -> Result<Tenant, CreateTenantError> {
        let deed = self.deed(DeedClass::Tenant, "create").with("name", &new.name);
        let deed = if let Some(id) = &new.id { deed.on(id).of(id) } else { deed };
        self.told(deed, self.make_tenant(new, terms)).await
    }

    async fn make_tenant(&self, new: &NewTenant, terms: &Terms) -> Result<Tenant, CreateTenantError> {
        let name = label(&new.name)?;
        for (api, tier) in &new.tiers {
            terms.of(api)?.tier(tier)?;
        }
        if new.id.as_ref().is_some_and(|it| keyformat::without_keys(it.as_str()) != it.as_str()) {
            return Err(Unfit::Key.into());
        }
        let drawn = keyformat::draw_id("tnt_", 12, &*self.random);
        let id = match &new.id {
            Some(id) => id.clone(),
            None => drawn.parse().map_err(|_| Unfit::Name(drawn))?,
        };
        self.settle(|| {
            let tenant = Tenant {
                id: id.clone(),
                name: name.clone(),
                tiers: new.tiers.clone(),
                created: self.clock.now().wall,
                suspended: None,
            };
            Box::pin(async move {
                if self.registry.tenant(&tenant.id).await?.is_some() {
                    return Err(CreateTenantError::Taken(tenant.id));
                }
                if let Some(id) = self.registry.tenant_called(&tenant.name).await? {
                    return Err(CreateTenantError::NameTaken { id, name: tenant.name });
                }
                let deed =
                    self.deed(DeedClass::Tenant, "create").on(&tenant.id).of(&tenant.id).with("name", &tenant.name);
                Ok(Decision { changes: vec![Change::Tenant(tenant.clone())], deeds: vec![deed], outcome: tenant })
            })
        })
        .await
    }

    /// One tenant.
    pub async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>, StoreFault> {
        self.registry.tenant(id).await
    }

    /// Tenants in the order in which they were made.
    pub async fn list_tenants(&self, page: &Page<TenantId>) -> Result<Vec<Tenant>, StoreFault> {
        self.registry.tenants(page).await
    }

    /// From now on none of the tenant's keys opens anything. Suspending twice is suspending once.
    pub async fn suspend_tenant(&self, id: &TenantId) -> Result<Tenant, ChangeTenantError> {
        let now = self.clock.now().wall;
        self.change_tenant("suspend", id, |it| it.suspended = it.suspended.or(Some(now))).await
    }

    /// The tenant's keys open again what they opened before.
    pub async fn resume_tenant(&self, id: &TenantId) -> Result<Tenant, ChangeTenantError> {
        self.change_tenant("resume", id, |it| it.suspended = None).await
    }

    /// Gives all keys of the tenant this tier at an API, or each its own again.
    pub async fn set_tier(
        &self,
        id: &TenantId,
        api: &ApiName,
        tier: Option<&TierName>,
        terms: &Terms,
    ) -> Result<Tenant, ChangeTenantError> {
        if let Some(tier) = tier {
            terms.of(api)?.tier(tier)?;
        }
        self.change_tenant("set_tier", id, |it| match tier {
            Some(tier) => drop(it.tiers.insert(api.clone(), tier.clone())),
            None => drop(it.tiers.remove(api)),
        })
        .await
    }

    async fn change_tenant(
        &self,
        action: &'static str,
        id: &TenantId,
        change: impl Fn(&mut Tenant) + Send + Sync,
    ) -> Result<Tenant, ChangeTenantError> {
        let change = &change;
        let deed = self.deed(DeedClass::Tenant, action).on(id).of(id);
        let refused = deed.clone();
        let verb = self.settle(|| {
            let deed = deed.clone();
            Box::pin(async move {
                let was = self.registry.tenant(id).await?.ok_or_else(|| ChangeTenantError::Unknown(id.clone()))?;
                let mut tenant = was.clone();
                change(&mut tenant);
                let tiers =
                    tenant.tiers.iter().map(|(api, tier)| format!("{api}={tier}")).collect::<Vec<_>>().join(" ");
                let deed = deed.with("changed", tenant != was).with("tiers", tiers);
                let changes = if tenant == was { Vec::new() } else { vec![Change::Tenant(tenant.clone())] };
                Ok(Decision { changes, deeds: vec![deed], outcome: tenant })
            })
        });
        self.told(refused, verb).await
    }
}
