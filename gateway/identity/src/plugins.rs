//! The plugins that tenants have bound to APIs: what is kept of them, and by which steps they come and go.
//!
//! Knows no more of one than its digest and its texts: what they mean is known to the room that runs it.

mod change;
mod push;

use std::collections::BTreeSet;

use domain::{ApiName, Change, Deed, DeedClass, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Identity;
use crate::kept::Kept;
use crate::store::{Page, StoreFault};

pub use change::ChangePluginError;
pub use push::{NewPlugin, PluginQuota, PushPluginError};

/// By the digest of its component.
const BY_DIGEST: &str = "digest";

/// A plugin that a tenant has bound to an API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    /// Its name among all. A later version of it has the same.
    pub id: String,
    /// Whose it is.
    pub tenant: TenantId,
    /// On whose requests it runs.
    pub api: ApiName,
    /// What its author calls it.
    pub name: String,
    /// Which one of that name it is.
    pub version: String,
    /// The digest of its component.
    pub digest: String,
    /// The text of its manifest: what it is granted.
    pub manifest: String,
    /// Its configuration, as JSON.
    pub config: String,
    /// How often it was pushed.
    pub revision: u64,
    /// When it was pushed first.
    pub created: Timestamp,
    /// When it was pushed last.
    pub pushed: Timestamp,
    /// Since when nobody may run it.
    pub revoked: Option<Timestamp>,
}

impl Kept for Plugin {
    const KIND: &'static str = "plugin";

    fn id(&self) -> &str {
        &self.id
    }

    fn tenant(&self) -> Option<&TenantId> {
        Some(&self.tenant)
    }

    fn found_by(&self) -> Vec<(&'static str, String)> {
        vec![(BY_DIGEST, self.digest.clone())]
    }
}

/// A component that nobody may run, whoever has bound it and whatever becomes of the plugin that it was.
#[derive(Serialize, Deserialize)]
struct RevokedDigest {
    digest: String,
    since: Timestamp,
}

impl Kept for RevokedDigest {
    const KIND: &'static str = "plugin_revoked";

    fn id(&self) -> &str {
        &self.digest
    }
}

/// How often plugins were changed: who runs them reads this alone to know whether there is anything new.
#[derive(Serialize, Deserialize)]
struct PluginCount {
    changes: u64,
}

/// There is one.
const COUNT: &str = "all";

impl Kept for PluginCount {
    const KIND: &'static str = "plugin_count";

    fn id(&self) -> &str {
        COUNT
    }
}

impl Identity {
    /// How often plugins were changed so far.
    pub async fn plugin_changes(&self) -> Result<u64, StoreFault> {
        Ok(self.find::<PluginCount>(COUNT).await?.map_or(0, |it| it.changes))
    }

    /// The change that says that plugins were changed once more.
    async fn count_plugin_change(&self) -> Result<Change, StoreFault> {
        PluginCount { changes: self.plugin_changes().await?.saturating_add(1) }.kept()
    }

    /// One plugin.
    pub async fn plugin(&self, id: &str) -> Result<Option<Plugin>, StoreFault> {
        self.find(id).await
    }

    /// Every plugin, or every one of a tenant, in the order in which they were first pushed, which is that in which they run.
    pub async fn plugins(&self, tenant: Option<&TenantId>) -> Result<Vec<Plugin>, StoreFault> {
        let mut all = self.every_plugin(tenant, None).await?;
        all.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
        Ok(all)
    }

    /// The digest of every component that nobody may run, whoever has bound it.
    pub async fn revoked_components(&self) -> Result<BTreeSet<String>, StoreFault> {
        let mut all = BTreeSet::new();
        loop {
            let page = Page { after: all.last().cloned(), ..Page::default() };
            let more: Vec<RevokedDigest> = self.list(None, None, &page).await?;
            if more.is_empty() {
                return Ok(all);
            }
            all.extend(more.into_iter().map(|it| it.digest));
        }
    }

    async fn every_plugin(
        &self,
        tenant: Option<&TenantId>,
        by: Option<(&str, &str)>,
    ) -> Result<Vec<Plugin>, StoreFault> {
        let mut all: Vec<Plugin> = Vec::new();
        loop {
            let page = Page { after: all.last().map(|it| it.id.clone()), ..Page::default() };
            let more = self.list(tenant, by, &page).await?;
            if more.is_empty() {
                return Ok(all);
            }
            all.extend(more);
        }
    }

    /// What is entered of a plugin: never its texts, which may be long and are kept.
    fn plugin_deed(&self, action: &str, plugin: &Plugin) -> Deed {
        let deed = self.deed(DeedClass::Plugin, action).on(&plugin.id).of(&plugin.tenant);
        let deed = deed.with("api", &plugin.api).with("name", &plugin.name).with("version", &plugin.version);
        deed.with("digest", &plugin.digest).with("revision", plugin.revision)
    }
}
