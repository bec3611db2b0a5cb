//! `portcullis api-keys`

use std::collections::HashMap;
use std::io::{BufRead, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use domain::{ApiName, Deed, KeyId, KeyRecord, KeySecret, Scope, Tenant, TenantId, TierName, Timestamp};
use identity::{Identity, ImportKey, Issued, KeyFilter, KeyState, NewKey, NewTenant, Page, PlainKey, Terms};
use ipnet::IpNet;
use serde::Serialize;

use crate::commands::leaked;
use crate::commands::output::{Output, Rows};
use crate::commands::tenants::{all, enter_read, with_desk};
use crate::commands::written::{end, length, network};
use crate::settings::Settings;

/// The tenant that is made where there is none and none is named.
const FIRST_TENANT: &str = "default";

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

/// What a key shall be.
#[derive(Debug, Args)]
pub(crate) struct Wanted {
    /// The API it opens [default: the only one that has all the scopes]
    #[arg(long)]
    api: Option<ApiName>,
    /// Whose resources it reaches [default: the only tenant there is]
    #[arg(long)]
    tenant: Option<TenantId>,
    /// What its owner calls it
    #[arg(long)]
    name: String,
    /// The ceiling of what it may do, separated by commas, such as `compute,data` [default: none, or all that its service account may]
    #[arg(long, value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// How much it may use [default: that of the API]
    #[arg(long)]
    tier: Option<TierName>,
    /// The user or service account that holds it; that of a service account has its API, its tenant and at most its scopes
    #[arg(long)]
    owner: Option<String>,
    /// From where it may be used, separated by commas, such as `203.0.113.0/24` [default: anywhere]
    #[arg(long = "allow", value_delimiter = ',', value_name = "NETWORK", value_parser = network)]
    ip_allow: Vec<IpNet>,
    /// When it ends: a moment, or a length of time such as `90d` [default: never]
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
}

/// A key as it is shown: everything but the key itself, unless it was just made.
#[derive(Serialize)]
struct Listed {
    id: String,
    api: String,
    tenant: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    state: &'static str,
    scopes: Vec<String>,
    tier: String,
    /// From where it may be used; empty for anywhere.
    ip_allow: Vec<String>,
    created: String,
    expires: Option<String>,
    last_used: Option<String>,
    rotated_from: Option<String>,
    /// The one resource it opens, such as `bucket=photos`.
    #[serde(skip_serializing_if = "Option::is_none")]
    bound: Option<String>,
    /// Until when it goes on beside the key that took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    retires: Option<String>,
    /// Whether somebody has used it since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    used_since_rotation: Option<bool>,
    /// The public half of an access key.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<String>,
    /// The key, or the secret half of an access key. Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl Rows for Listed {
    const COLUMNS: &'static [&'static str] =
        &["id", "api", "tenant", "name", "owner", "state", "scopes", "tier", "from", "ends", "last used"];

    fn row(&self) -> Vec<String> {
        let or = |it: Option<&String>, none: &str| it.cloned().unwrap_or_else(|| none.to_owned());
        let from = if self.ip_allow.is_empty() { "anywhere".to_owned() } else { self.ip_allow.join(",") };
        // Of a key that another took the place of, what matters is whether anybody still shows it.
        let last_used = match (&self.last_used, self.used_since_rotation) {
            (Some(used), Some(true)) => format!("{used} (since it was rotated)"),
            (used, _) => or(used.as_ref(), "never"),
        };
        let ends = or(self.retires.iter().chain(&self.expires).min(), "never");
        let mut cells = [&self.id, &self.api, &self.tenant, &self.name].map(String::clone).to_vec();
        cells.extend([or(self.owner.as_ref(), "-"), self.state.to_owned(), self.scopes.join(","), self.tier.clone()]);
        cells.extend([from, ends, last_used]);
        cells
    }
}

impl Listed {
    fn of(record: &KeyRecord, now: Timestamp) -> Self {
        let access_key_id = match &record.secret {
            KeySecret::AccessKey { access_key_id, .. } => Some(access_key_id.clone()),
            KeySecret::Minted { .. } | KeySecret::Imported { .. } | KeySecret::Granted(_) => None,
        };
        Self {
            id: record.id.to_string(),
            api: record.api.to_string(),
            tenant: record.tenant.to_string(),
            name: record.name.clone(),
            owner: record.owner.clone(),
            state: KeyState::of(record, now).as_str(),
            scopes: record.scopes.iter().map(ToString::to_string).collect(),
            tier: record.tier.to_string(),
            ip_allow: record.ip_allow.iter().map(ToString::to_string).collect(),
            created: record.created.to_string(),
            expires: record.expires.map(|it| it.to_string()),
            last_used: record.last_used.map(|it| it.to_string()),
            rotated_from: record.rotated_from.as_ref().map(ToString::to_string),
            bound: record.bound.as_ref().map(ToString::to_string),
            retires: record.overlap.map(|it| it.until.to_string()),
            used_since_rotation: record.overlap.map(|it| record.last_used.is_some_and(|used| it.since <= used)),
            access_key_id,
            secret: None,
        }
    }

    fn issued(issued: &Issued, now: Timestamp) -> Self {
        Self { secret: Some(issued.secret.reveal().to_owned()), ..Self::of(&issued.record, now) }
    }
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
                output.one(&Listed::of(&revoked, now), &format!("key `{id}` is revoked"))
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

impl Wanted {
    /// Fills in what was left out, where there is only one way to.
    async fn resolve(self, identity: &Identity, terms: &Terms, now: Timestamp) -> anyhow::Result<NewKey> {
        let account = match &self.owner {
            Some(owner) => identity.service_account(owner).await?,
            None => None,
        };
        let account = account.as_ref();
        let api = match self.api.or_else(|| account.map(|it| it.api.clone())) {
            Some(api) => api,
            None => only_api(terms, &self.scopes)?,
        };
        let tenant = match self.tenant.or_else(|| account.map(|it| it.tenant.clone())) {
            Some(tenant) => tenant,
            None => only_tenant(identity, terms).await?,
        };
        let scopes = match account {
            Some(account) if self.scopes.is_empty() => account.scopes(terms.of(&api)?),
            Some(_) | None => self.scopes,
        };
        Ok(NewKey {
            owner: self.owner,
            scopes,
            tier: self.tier,
            ip_allow: self.ip_allow,
            expires: self.expires.map(|it| end(&it, now)).transpose()?,
            ..NewKey::new(api, tenant, self.name)
        })
    }
}

fn only_api(terms: &Terms, scopes: &[Scope]) -> anyhow::Result<ApiName> {
    let fits: Vec<&ApiName> =
        terms.all().filter(|it| scopes.iter().all(|scope| it.scopes.contains(scope))).map(|it| &it.api).collect();
    let names = fits.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", ");
    let strange: Vec<&Scope> = scopes.iter().filter(|it| !terms.all().any(|api| api.scopes.contains(*it))).collect();
    match (fits.as_slice(), strange.as_slice()) {
        ([only], _) => Ok((*only).clone()),
        (_, [unknown, ..]) => bail!("no API has a scope `{unknown}`; help: `portcullis routes` shows those there are"),
        ([], []) => bail!("no API has all of these scopes: a key opens one API, so make one for each"),
        (_, []) if scopes.is_empty() => {
            bail!("a key opens one API: name it with --api ({names}), and what the key may do with --scopes")
        }
        (_, []) => bail!("several APIs have these scopes ({names}): name one with --api"),
    }
}

/// The only tenant there is. On a fresh store one is made, so that the first key takes one command.
async fn only_tenant(identity: &Identity, terms: &Terms) -> anyhow::Result<TenantId> {
    match all(identity).await?.as_slice() {
        [only] => Ok(only.id.clone()),
        [] => {
            let id: TenantId = FIRST_TENANT.parse()?;
            let new = NewTenant { id: Some(id), name: FIRST_TENANT.to_owned(), ..NewTenant::default() };
            Ok(identity.create_tenant(&new, terms).await?.id)
        }
        [..] => bail!("there are several tenants: name one with --tenant"),
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

fn shown_once(made: &Issued) -> String {
    let record = &made.record;
    let scopes: Vec<&str> = record.scopes.iter().map(Scope::as_str).collect();
    let scopes = if scopes.is_empty() { "none".to_owned() } else { scopes.join(", ") };
    let half = match &record.secret {
        KeySecret::AccessKey { access_key_id, .. } => format!("access key id: {access_key_id}\nsecret access key: "),
        KeySecret::Minted { .. } | KeySecret::Imported { .. } | KeySecret::Granted(_) => String::new(),
    };
    format!(
        "{half}{}\n\nThis is the only time it is shown. Key `{}` of tenant `{}` at {}; scopes: {scopes}; tier: {}.",
        made.secret.reveal(),
        record.id,
        record.tenant,
        record.api,
        record.tier,
    )
}

/// Keys from standard input, so that they are in no process list and no shell history.
fn read_keys(new: &NewKey) -> anyhow::Result<Vec<ImportKey>> {
    let input = std::io::stdin();
    if input.is_terminal() {
        bail!("write the keys to standard input, one a line");
    }
    keys_of(input.lock(), new)
}

fn keys_of(input: impl BufRead, new: &NewKey) -> anyhow::Result<Vec<ImportKey>> {
    let mut keys = Vec::new();
    for (number, line) in input.lines().enumerate() {
        let line = line?;
        let key = match line.trim().strip_prefix("sha256:") {
            _ if line.trim().is_empty() => continue,
            Some(digest) => {
                let mut bytes = [0; 32];
                hex::decode_to_slice(digest, &mut bytes)
                    .with_context(|| format!("line {}: a digest is 64 hexadecimal digits", number + 1))?;
                PlainKey::Sha256(bytes)
            }
            None => PlainKey::plain(line.trim()),
        };
        let name = if number == 0 { new.name.clone() } else { format!("{}-{}", new.name, number + 1) };
        keys.push(ImportKey { new: NewKey { name, ..new.clone() }, key });
    }
    if keys.is_empty() {
        bail!("there is no key on standard input: write them one a line");
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_names_no_api_is_told_what_would_name_one() {
        let api = |name: &str, scopes: &[&str]| identity::ApiTerms {
            api: name.parse().unwrap(),
            prefixes: Vec::new(),
            imported: false,
            access_keys: false,
            scopes: scopes.iter().map(|it| it.parse().unwrap()).collect(),
            tiers: std::iter::once("t".parse().unwrap()).collect(),
            default_tier: "t".parse().unwrap(),
            counted_by: domain::CountedBy::Lineage,
            roles: std::collections::BTreeMap::new(),
            grants: Vec::new(),
            bucket_keys: None,
        };
        let terms = Terms::new([api("one", &["read", "run"]), api("two", &["read", "sum"])]);
        let only = |scopes: &[&str]| {
            let scopes: Vec<Scope> = scopes.iter().map(|it| it.parse().unwrap()).collect();
            only_api(&terms, &scopes).map(|it| it.to_string()).map_err(|it| it.to_string())
        };
        assert_eq!(only(&["read", "run"]).unwrap(), "one");
        for (scopes, told) in [
            (&["run", "nope"][..], "no API has a scope `nope`"),
            (&["run", "sum"], "no API has all of these scopes: a key opens one API"),
            (&["read"], "several APIs have these scopes (one, two): name one with --api"),
            (&[], "a key opens one API: name it with --api (one, two)"),
        ] {
            assert!(only(scopes).unwrap_err().starts_with(told), "{:?}", only(scopes));
        }
    }

    #[test]
    fn an_import_of_nothing_is_a_mistake() {
        let new = NewKey::new("one".parse().unwrap(), "t".parse().unwrap(), "a");
        assert!(keys_of(&b"\n \n"[..], &new).is_err());
        assert_eq!(keys_of(&b"0123456789abcdef0\n"[..], &new).unwrap().len(), 1);
    }
}
