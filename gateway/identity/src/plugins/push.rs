//! Binding a plugin to an API, for the first time or as its next version.

use domain::{ApiName, DeedClass, TenantId, keyformat};

use super::{Plugin, RevokedDigest};
use crate::Identity;
use crate::kept::Kept as _;
use crate::publish::{Decision, Entered};
use crate::store::StoreFault;
use crate::terms::{Terms, Unfit};

/// A plugin to be bound, looked at already by the room that runs it.
#[derive(Clone, Debug)]
pub struct NewPlugin {
    /// Whose it is.
    pub tenant: TenantId,
    /// On whose requests it shall run.
    pub api: ApiName,
    /// What its author calls it: it takes the place of the one that the tenant has under this name at the API.
    pub name: String,
    /// Which one of that name it is.
    pub version: String,
    /// The digest of its component.
    pub digest: String,
    /// The text of its manifest.
    pub manifest: String,
    /// Its configuration, as JSON.
    pub config: String,
    /// What it asks for, in words for the entry.
    pub asks: String,
}

/// How many plugins there may be.
#[derive(Clone, Copy, Debug)]
pub struct PluginQuota {
    /// Of a tenant.
    pub per_tenant: usize,
    /// Of a tenant at an API.
    pub per_api: usize,
}

/// A plugin could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum PushPluginError {
    /// There is no such tenant.
    #[error("there is no tenant with the id `{0}`; help: `portcullis tenants list` shows ids")]
    UnknownTenant(TenantId),
    /// There is no such API.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// It was revoked, and stays so.
    #[error("a plugin with the digest `{0}` was revoked; help: build another one")]
    Revoked(String),
    /// The tenant has as many as it may.
    #[error("tenant `{0}` has {1} plugins already; help: remove one, or see `per_tenant` in [plugins]")]
    TenantFull(TenantId, usize),
    /// The tenant has as many at this API as it may.
    #[error("tenant `{0}` has {1} plugins at this API already; help: remove one, or see `per_operation` in [plugins]")]
    ApiFull(TenantId, usize),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for PushPluginError {}

impl Identity {
    /// Binds a plugin. Pushing what is bound already changes nothing.
    pub async fn push_plugin(
        &self,
        new: &NewPlugin,
        quota: PluginQuota,
        terms: &Terms,
    ) -> Result<Plugin, PushPluginError> {
        let deed = self.deed(DeedClass::Plugin, "install").of(&new.tenant).with("api", &new.api);
        let deed = deed.with("name", &new.name).with("version", &new.version).with("digest", &new.digest);
        let checked = async {
            terms.of(&new.api)?;
            self.settle(|| Box::pin(self.admit_plugin(new, quota))).await
        };
        self.told(deed, checked).await
    }

    async fn admit_plugin(&self, new: &NewPlugin, quota: PluginQuota) -> Result<Decision<Plugin>, PushPluginError> {
        if self.registry.tenant(&new.tenant).await?.is_none() {
            return Err(PushPluginError::UnknownTenant(new.tenant.clone()));
        }
        if self.find::<RevokedDigest>(&new.digest).await?.is_some() {
            return Err(PushPluginError::Revoked(new.digest.clone()));
        }
        let all = self.plugins(Some(&new.tenant)).await?;
        let before = all.iter().find(|it| it.api == new.api && it.name == new.name);
        if before.is_none() && quota.per_tenant <= all.len() {
            return Err(PushPluginError::TenantFull(new.tenant.clone(), all.len()));
        }
        let at_api = all.iter().filter(|it| it.api == new.api).count();
        if before.is_none() && quota.per_api <= at_api {
            return Err(PushPluginError::ApiFull(new.tenant.clone(), at_api));
        }
        let now = self.clock.now().wall;
        let pushed = Plugin {
            id: before.map_or_else(|| keyformat::draw_id("plg_", 16, &*self.random), |it| it.id.clone()),
            tenant: new.tenant.clone(),
            api: new.api.clone(),
            name: new.name.clone(),
            version: new.version.clone(),
            digest: new.digest.clone(),
            manifest: new.manifest.clone(),
            config: new.config.clone(),
            revision: before.map_or(1, |it| it.revision.saturating_add(1)),
            created: before.map_or(now, |it| it.created),
            pushed: now,
            revoked: None,
        };
        let texts = |it: &Plugin| (it.digest.clone(), it.manifest.clone(), it.config.clone());
        if let Some(same) = before.filter(|it| texts(it) == texts(&pushed) && it.revoked.is_none()) {
            let deed = self.plugin_deed("update", same).with("changed", false);
            return Ok(Decision { changes: Vec::new(), deeds: vec![deed], outcome: same.clone() });
        }
        let deed = self.plugin_deed(if before.is_some() { "update" } else { "install" }, &pushed);
        let deed = before.iter().fold(deed, |deed, it| deed.with("digest_before", &it.digest));
        let deed = deed.with("asks", &new.asks);
        Ok(Decision {
            changes: vec![pushed.kept()?, self.count_plugin_change().await?],
            deeds: vec![deed],
            outcome: pushed,
        })
    }
}
