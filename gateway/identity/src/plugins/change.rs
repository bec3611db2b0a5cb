//! Revoking a plugin, and taking it away.

use domain::DeedClass;

use super::{BY_DIGEST, Plugin, RevokedDigest};
use crate::Identity;
use crate::kept::Kept as _;
use crate::publish::{Decision, Entered};
use crate::store::StoreFault;

/// A plugin could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePluginError {
    /// There is none.
    #[error("there is no plugin `{0}`; help: `portcullis plugin list` shows ids")]
    Unknown(String),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for ChangePluginError {}

impl Identity {
    /// From now on nobody runs this component, whoever has bound it: their requests are refused until they have bound another.
    /// Gives every plugin that this ends. Revoking twice is revoking once.
    pub async fn revoke_plugin(&self, id: &str) -> Result<Vec<Plugin>, ChangePluginError> {
        let deed = self.deed(DeedClass::Plugin, "revoke").on(id);
        self.told(deed, self.settle(|| Box::pin(self.end_digest_of(id)))).await
    }

    async fn end_digest_of(&self, id: &str) -> Result<Decision<Vec<Plugin>>, ChangePluginError> {
        let named = self.plugin(id).await?.ok_or_else(|| ChangePluginError::Unknown(id.to_owned()))?;
        let now = self.clock.now().wall;
        let revoked = RevokedDigest { digest: named.digest.clone(), since: now };
        let (mut changes, mut deeds, mut ended) =
            (vec![revoked.kept()?, self.count_plugin_change().await?], Vec::new(), Vec::new());
        for plugin in self.every_plugin(None, Some((BY_DIGEST, &named.digest))).await? {
            let plugin = Plugin { revoked: plugin.revoked.or(Some(now)), ..plugin };
            deeds.push(self.plugin_deed("revoke", &plugin));
            changes.push(plugin.kept()?);
            ended.push(plugin);
        }
        Ok(Decision { changes, deeds, outcome: ended })
    }

    /// Takes a plugin away: requests go on as if there had never been one.
    pub async fn remove_plugin(&self, id: &str) -> Result<Plugin, ChangePluginError> {
        let deed = self.deed(DeedClass::Plugin, "remove").on(id);
        self.told(deed, self.settle(|| Box::pin(self.forget_plugin(id)))).await
    }

    async fn forget_plugin(&self, id: &str) -> Result<Decision<Plugin>, ChangePluginError> {
        let plugin = self.plugin(id).await?.ok_or_else(|| ChangePluginError::Unknown(id.to_owned()))?;
        let deed = self.plugin_deed("remove", &plugin);
        Ok(Decision {
            changes: vec![plugin.gone(), self.count_plugin_change().await?],
            deeds: vec![deed],
            outcome: plugin,
        })
    }
}
