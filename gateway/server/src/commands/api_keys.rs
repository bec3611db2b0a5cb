//! `portcullis api-keys`

mod imported;
mod listed;
mod wanted;

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Subcommand;
use domain::{ApiName, Deed, KeyId, KeyRecord, Tenant, TenantId};
use identity::{Identity, Issued, KeyFilter, Page};

use self::imported::read_keys;
use self::listed::{Listed, shown_once};
use self::wanted::Wanted;
use crate::commands::leaked;
use crate::commands::output::Output;
use crate::commands::tenants::{all, enter_read, with_desk};
use crate::commands::written::length;
use crate::settings::Settings;

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeys {
    /// Make a key; it is shown this once
    Create(Wanted),
    /// List keys, never their secrets
    List {
        /// Only those of this tenant
        #[arg(long)]
        tenant: Option<TenantId>,
        /// Only those of this API
        #[arg(long)]
        api: Option<ApiName>,
    },
    /// Show one key, never its secret
    Show {
        /// Which key
        id: KeyId,
    },
    /// Make a key that takes the place of another
    Rotate {
        /// Which key
        id: KeyId,
        /// How long the old one goes on working, such as `24h`; `0s` for a leak [default: as in the settings]
        #[arg(long, value_parser = length)]
        overlap: Option<Duration>,
    },
    /// From now on the key opens nothing
    Revoke {
        /// Which key
        id: KeyId,
    },
    /// Find keys in a text on standard input, such as a paste or a commit that should hold none
    Leaked {
        /// Revoke those that are ours at once
        #[arg(long)]
        revoke: bool,
    },
    /// Take in keys that were made elsewhere, one a line on standard input: the key, or `sha256:` and its digest
    Import(Wanted),
}

impl ApiKeys {
    pub(crate) fn run(self, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        with_desk(settings, async |identity, consulted, now| match self {
            Self::Create(wanted) => {
                let new = wanted.resolve(identity, consulted.terms()?, now).await?;
                let tenant = identity.tenant(&new.tenant).await?;
                let made = identity.create_key(&new, consulted.terms()?).await?;
                let made = Issued { record: in_force(made.record, tenant.as_ref()), ..made };
                output.one(&Listed::issued(&made, now), &shown_once(&made))
            }
            Self::List { tenant, api } => {
                if let Some(api) = &api {
                    consulted.terms()?.of(api)?;
                }
                if let Some(unknown) = &tenant
                    && identity.tenant(unknown).await?.is_none()
                {
                    bail!("there is no tenant with the id `{unknown}`; help: `portcullis tenants list` shows ids");
                }
                let filter = KeyFilter { tenant, api, ..KeyFilter::default() };
                let keys = keys(identity, &filter).await?;
                enter_read(identity, "list_keys", |deed| filter.tenant.iter().fold(deed, Deed::of)).await?;
                output.list(&keys.iter().map(|it| Listed::of(it, now)).collect::<Vec<_>>())
            }
            Self::Show { id } => {
                let shown = Listed::of(&key(identity, &id).await?, now);
                match output {
                    Output::Json => output.one(&shown, ""),
                    Output::Table => output.list(&[shown]),
                }
            }
            Self::Rotate { id, overlap } => {
                let made = identity.rotate_key(&id, overlap, consulted.terms()?).await?;
                output.one(&Listed::issued(&made, now), &shown_once(&made))
            }
            Self::Revoke { id } => {
                let revoked = identity.revoke_key(&id).await?;
                let others = identity.working_keys_of_lineage(&revoked).await?;
                let (shown, words) = Listed::revoked(&revoked, &others, now);
                output.one(&shown, &words)
            }
            Self::Leaked { revoke } => output.list(&leaked::find(settings, (identity, consulted, now), revoke).await?),
            Self::Import(wanted) => {
                let terms = consulted.terms()?;
                let new = wanted.resolve(identity, terms, now).await?;
                let taken = identity.import_keys(&read_keys(&new)?, terms).await?;
                let tenant = identity.tenant(&new.tenant).await?;
                let taken = taken.into_iter().map(|it| Listed::of(&in_force(it, tenant.as_ref()), now));
                output.list(&taken.collect::<Vec<_>>())
            }
        })
    }
}

/// Every key that the filter lets through, each with the tier that is in force.
async fn keys(identity: &Identity, filter: &KeyFilter) -> anyhow::Result<Vec<KeyRecord>> {
    let tenants = all(identity).await?.into_iter().map(|it| (it.id.clone(), it));
    let tenants: HashMap<TenantId, Tenant> = tenants.collect();
    let mut keys: Vec<KeyRecord> = Vec::new();
    loop {
        let page = Page { after: keys.last().map(|it| it.id.clone()), ..Page::default() };
        let more = identity.list_keys(filter, &page).await?;
        if more.is_empty() {
            return Ok(keys);
        }
        keys.extend(more.into_iter().map(|it| {
            let tenant = tenants.get(&it.tenant);
            in_force(it, tenant)
        }));
    }
}

/// One key with the tier that is in force, for somebody to see.
async fn key(identity: &Identity, id: &KeyId) -> anyhow::Result<KeyRecord> {
    let Some(key) = identity.key(id).await? else {
        bail!("there is no key `{id}`; help: `portcullis api-keys list` shows ids")
    };
    enter_read(identity, "show_key", |deed| deed.on(&key.id).of(&key.tenant)).await?;
    let tenant = identity.tenant(&key.tenant).await?;
    Ok(in_force(key, tenant.as_ref()))
}

/// The key with the tier that is in force: what its tenant was given goes before its own.
fn in_force(record: KeyRecord, tenant: Option<&Tenant>) -> KeyRecord {
    let tier = tenant.and_then(|it| it.tiers.get(&record.api)).cloned();
    KeyRecord { tier: tier.unwrap_or_else(|| record.tier.clone()), ..record }
}
