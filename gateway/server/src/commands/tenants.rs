//! `portcullis tenants`

use std::cell::OnceCell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use catalog::Catalog;
use clap::Subcommand;
use domain::{ApiName, Clock as _, Deed, DeedClass, FixedClock, SystemClock, Tenant, TenantId, TierName, Timestamp};
use identity::{Identity, NewTenant, Page, Terms};
use serde::Serialize;

use crate::actor;
use crate::commands::output::{Output, Rows};
use crate::desk;
use crate::faults::Refused;
use crate::heard::Running;
use crate::settings::Settings;

/// What can be done with tenants.
#[derive(Debug, Subcommand)]
pub(crate) enum Tenants {
    /// Make a tenant
    Create {
        /// What people call it
        #[arg(long)]
        name: String,
        /// Its id in keys, entries and headers [default: one is drawn]
        #[arg(long)]
        id: Option<TenantId>,
        /// The tier all its keys have at an API; may be repeated
        #[arg(long = "tier", value_name = "API=TIER", value_parser = tier)]
        tiers: Vec<(ApiName, TierName)>,
    },
    /// Give a tenant this tier at an API, in the place of what its keys were given; `API=` takes it back
    SetTier {
        /// Which tenant
        id: TenantId,
        /// The tier all its keys have at the API
        #[arg(value_name = "API=TIER", value_parser = tier_or_none)]
        tier: (ApiName, Option<TierName>),
    },
    /// List tenants
    List,
    /// From now on none of its keys opens anything
    Suspend {
        /// Which tenant
        id: TenantId,
    },
    /// Its keys open again what they opened before
    Resume {
        /// Which tenant
        id: TenantId,
    },
}

#[derive(Serialize)]
struct Shown {
    id: String,
    name: String,
    status: &'static str,
    tiers: Vec<String>,
    created: String,
}

impl Rows for Shown {
    const COLUMNS: &'static [&'static str] = &["id", "name", "status", "tiers", "created"];

    fn row(&self) -> Vec<String> {
        let Self { id, name, status, tiers, created } = self;
        vec![id.clone(), name.clone(), (*status).to_owned(), tiers.join(" "), created.clone()]
    }
}

impl From<Tenant> for Shown {
    fn from(it: Tenant) -> Self {
        Self {
            id: it.id.to_string(),
            name: it.name,
            status: if it.suspended.is_some() { "suspended" } else { "active" },
            tiers: it.tiers.iter().map(|(api, tier)| format!("{api}={tier}")).collect(),
            created: it.created.to_string(),
        }
    }
}

impl Tenants {
    pub(crate) fn run(self, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        with_desk(settings, async |identity, consulted, _| match self {
            Self::Create { name, id, tiers } => {
                once(&tiers)?;
                let new = NewTenant { id, name, tiers: tiers.into_iter().collect() };
                let made = identity.create_tenant(&new, consulted.terms()?).await?;
                let words = format!("tenant `{}` is made", made.id);
                output.one(&Shown::from(made), &words)
            }
            Self::SetTier { id, tier: (api, tier) } => {
                let tenant = identity.set_tier(&id, &api, tier.as_ref(), consulted.terms()?).await?;
                let words = match tier {
                    Some(tier) => format!("tenant `{id}` has the tier `{tier}` at `{api}`"),
                    None => format!("tenant `{id}` has no tier of its own at `{api}`"),
                };
                output.one(&Shown::from(tenant), &words)
            }
            Self::List => {
                let tenants = all(identity).await?;
                enter_read(identity, "list_tenants", |it| it).await?;
                output.list(&tenants.into_iter().map(Shown::from).collect::<Vec<_>>())
            }
            Self::Suspend { id } => {
                let tenant = identity.suspend_tenant(&id).await?;
                output.one(&Shown::from(tenant), &format!("tenant `{id}` is suspended"))
            }
            Self::Resume { id } => {
                let tenant = identity.resume_tenant(&id).await?;
                output.one(&Shown::from(tenant), &format!("tenant `{id}` is active again"))
            }
        })
    }
}

/// What keys of each API may be, read from the profiles when a verb first asks: those that take something away do not ask,
/// and work while a profile is broken.
pub(crate) struct Consulted {
    apis: PathBuf,
    terms: OnceCell<Terms>,
}

impl Consulted {
    fn of(settings: &Settings) -> Self {
        Self { apis: settings.apis.clone(), terms: OnceCell::new() }
    }

    /// All of them, or everything that is wrong with the profiles.
    pub(crate) fn terms(&self) -> anyhow::Result<&Terms> {
        if let Some(terms) = self.terms.get() {
            return Ok(terms);
        }
        let catalog = Catalog::load(&self.apis).map_err(Refused)?;
        Ok(self.terms.get_or_init(|| desk::terms(&catalog)))
    }
}

/// Opens the store for one verb, and closes it again.
pub(crate) fn with_desk(
    settings: &Settings,
    verb: impl AsyncFnOnce(&Identity, &Consulted, Timestamp) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // A command is done at one moment: what it makes begins when its length is counted from.
        let now = SystemClock::new().now().wall;
        let desk = desk::open(settings, Arc::new(FixedClock::at(now))).await?;
        let gateway = Arc::new(Running::beside(&settings.data));
        let identity = desk.identity.acting_for(&actor::of_this_process()).followed_by(gateway);
        let done = verb(&identity, &Consulted::of(settings), now).await;
        desk.store.close().await;
        done.map(|()| ExitCode::SUCCESS)
    })
}

/// Keeps that somebody was shown what is in the data folder, before they are.
pub(crate) async fn enter_read(
    identity: &Identity,
    action: &str,
    about: impl FnOnce(Deed) -> Deed,
) -> anyhow::Result<()> {
    let kept = identity.keep_deed(DeedClass::Read, action, about).await;
    kept.context("what is read must be entered, and cannot be")
}

/// Every tenant, page by page.
pub(crate) async fn all(identity: &Identity) -> anyhow::Result<Vec<Tenant>> {
    let mut tenants: Vec<Tenant> = Vec::new();
    loop {
        let page = Page { after: tenants.last().map(|it| it.id.clone()), ..Page::default() };
        let more = identity.list_tenants(&page).await?;
        if more.is_empty() {
            return Ok(tenants);
        }
        tenants.extend(more);
    }
}

/// A tenant has one tier at an API.
fn once(tiers: &[(ApiName, TierName)]) -> anyhow::Result<()> {
    let repeated = |(at, (api, _)): &(usize, &(ApiName, TierName))| tiers.iter().take(*at).any(|(it, _)| it == api);
    match tiers.iter().enumerate().find(repeated) {
        Some((_, (api, _))) => bail!("`{api}` is given two tiers: name one"),
        None => Ok(()),
    }
}

fn tier(text: &str) -> Result<(ApiName, TierName), String> {
    let (api, tier) = text.split_once('=').ok_or("write API=TIER, such as `novastraxis=enterprise`")?;
    Ok((api.parse().map_err(|it| format!("{it}"))?, tier.parse().map_err(|it| format!("{it}"))?))
}

/// The same, or no tier at all.
fn tier_or_none(text: &str) -> Result<(ApiName, Option<TierName>), String> {
    match text.strip_suffix('=') {
        Some(api) => Ok((api.parse().map_err(|it| format!("{it}"))?, None)),
        None => tier(text).map(|(api, tier)| (api, Some(tier))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_one_tier_at_an_api() {
        let tiers = |texts: &[&str]| once(&texts.iter().map(|it| tier(it).unwrap()).collect::<Vec<_>>());
        assert!(tiers(&["a=x", "b=x"]).is_ok());
        let told = tiers(&["a=x", "b=x", "a=y"]).unwrap_err().to_string();
        assert_eq!(told, "`a` is given two tiers: name one");
    }
}
