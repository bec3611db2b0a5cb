//! What a key shall be: as it was written, and with what was left out.

use anyhow::bail;
use clap::Args;
use domain::{ApiName, Scope, TenantId, TierName, Timestamp};
use identity::{Identity, NewKey, NewTenant, Terms};
use ipnet::IpNet;

use crate::commands::tenants::all;
use crate::commands::written::{end, network};

/// The tenant that is made where there is none and none is named.
const FIRST_TENANT: &str = "default";

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
    /// The user or service account that holds it, by its id: it has at most their scopes in their tenant, and ends with them; that of a service account has its API
    #[arg(long)]
    owner: Option<String>,
    /// From where it may be used, separated by commas, such as `203.0.113.0/24` [default: anywhere]
    #[arg(long = "allow", value_delimiter = ',', value_name = "NETWORK", value_parser = network)]
    ip_allow: Vec<IpNet>,
    /// When it ends: a moment, or a length of time such as `90d` [default: never]
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
}

impl Wanted {
    /// Fills in what was left out, where there is only one way to.
    pub(super) async fn resolve(self, identity: &Identity, terms: &Terms, now: Timestamp) -> anyhow::Result<NewKey> {
        let account = match &self.owner {
            Some(owner) => identity.service_account(owner).await?,
            None => None,
        };
        let account = account.as_ref();
        let places = match &self.owner {
            Some(owner) => identity.memberships(owner).await?,
            None => Vec::new(),
        };
        let place = if let [only] = places.as_slice() { Some(only.tenant.clone()) } else { None };
        let api = match self.api.or_else(|| account.map(|it| it.api.clone())) {
            Some(api) => api,
            None => only_api(terms, &self.scopes)?,
        };
        let tenant = match self.tenant.or_else(|| account.map(|it| it.tenant.clone())).or(place) {
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
}
