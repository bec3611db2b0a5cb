//! Making keys.

use std::collections::HashSet;

use domain::{ApiName, Bound, Change, DeedClass, KeyRecord, KeySecret, Scope, TenantId, TierName, Timestamp};
use ipnet::{IpNet, Ipv4Net};

use super::{Issued, KeyKind, kind};
use crate::publish::{Decision, Entered};
use crate::store::{KeyFilter, StoreFault};
use crate::terms::{ApiTerms, Terms, Unfit, label};
use crate::{Identity, Shown};

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The one API it opens.
    pub api: ApiName,
    /// Whose resources it reaches.
    pub tenant: TenantId,
    /// What its owner calls it; one working key of that name per tenant and API.
    pub name: String,
    /// What it is made of; what the API takes where nothing is said.
    pub kind: Option<KeyKind>,
    /// The user or service account that holds it.
    pub owner: Option<String>,
    /// The ceiling of what it may do; none where nothing is said.
    pub scopes: Vec<Scope>,
    /// How much it may use; the API's default where nothing is said.
    pub tier: Option<TierName>,
    /// From where it may be used; empty for anywhere.
    pub ip_allow: Vec<IpNet>,
    /// The one resource it opens; whatever its scopes open where there is none.
    pub bound: Option<Bound>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
}

impl NewKey {
    /// A key that may do nothing yet, from anywhere, for ever.
    pub fn new(api: ApiName, tenant: TenantId, name: impl Into<String>) -> Self {
        Self {
            api,
            tenant,
            name: name.into(),
            kind: None,
            owner: None,
            scopes: Vec::new(),
            tier: None,
            ip_allow: Vec::new(),
            bound: None,
            expires: None,
        }
    }
}

/// A key could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateKeyError {
    /// There is no such tenant.
    #[error(
        "there is no tenant with the id `{0}`; help: `portcullis tenants list` shows ids, `portcullis tenants create` makes one"
    )]
    UnknownTenant(TenantId),
    /// The name is held by a key that works.
    #[error(
        "tenant `{0}` has a working key `{1}` for this API already; help: rotate it, revoke it or choose another name"
    )]
    NameTaken(TenantId, String),
    /// The tenant has as many keys as it may.
    #[error("tenant `{0}` may have {1} working keys and has {2}; help: revoke some or raise `keys_per_tenant`")]
    TooMany(TenantId, u32, u64),
    /// Who shall hold it is no user of the tenant, and no service account of its at the API.
    #[error(
        "tenant `{1}` has no service account `{0}` at this API and no user of this id; help: `portcullis service-accounts list` \
         and `portcullis users list` show ids"
    )]
    UnknownOwner(String, TenantId),
    /// The user or service account that shall hold it is suspended.
    #[error("`{0}`, who shall hold the key, is suspended; help: resume them first")]
    SuspendedOwner(String),
    /// It cannot be made in this way.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for CreateKeyError {
    fn entered(&self) -> String {
        match self {
            Self::NameTaken(tenant, _) => {
                format!("tenant `{tenant}` has a working key of this name for this API already")
            }
            Self::Unfit(Unfit::Name(_)) => "what was given cannot be a name".to_owned(),
            Self::UnknownOwner(_, tenant) => {
                format!("tenant `{tenant}` has no such user, and no such service account at this API")
            }
            Self::UnknownTenant(_) | Self::TooMany(..) | Self::SuspendedOwner(_) | Self::Unfit(_) | Self::Store(_) => {
                self.to_string()
            }
        }
    }
}

impl Identity {
    /// Makes a key. Its secret is in what is returned and nowhere else.
    pub async fn create_key(&self, new: &NewKey, terms: &Terms) -> Result<Issued, CreateKeyError> {
        let issued = self.create_keys(std::slice::from_ref(new), terms).await?;
        let lost = || StoreFault { doing: "making a key", source: "none was made".into() };
        issued.into_iter().next().ok_or_else(|| lost().into())
    }

    /// Makes all of these keys or none, at the price of one write.
    pub async fn create_keys(&self, new: &[NewKey], terms: &Terms) -> Result<Vec<Issued>, CreateKeyError> {
        let mut deed = self.deed(DeedClass::Key, "create").with("count", new.len());
        if let [one] = new {
            deed = deed.of(&one.tenant).with("api", &one.api);
        }
        self.told(deed, self.make_keys(new, terms)).await
    }

    async fn make_keys(&self, new: &[NewKey], terms: &Terms) -> Result<Vec<Issued>, CreateKeyError> {
        let now = self.clock.now().wall;
        let mut records = Vec::with_capacity(new.len());
        let mut secrets = Vec::with_capacity(new.len());
        for key in new {
            let terms = terms.of(&key.api)?;
            let (kept, secret) = self.mint(kind(key.kind, terms)?, terms)?;
            records.push(self.draft(key, kept, terms, now)?);
            secrets.push(secret);
        }
        let drafts = &records;
        let records = self
            .settle(|| {
                Box::pin(async move {
                    self.fit_in(drafts, now).await?;
                    let records = self.cut_to_owners(drafts, terms).await?;
                    let changes = records.iter().map(|it| Change::Key(Box::new(it.clone()))).collect();
                    let deeds = records.iter().map(|it| self.key_deed("create", it)).collect();
                    Ok::<_, CreateKeyError>(Decision { changes, deeds, outcome: records })
                })
            })
            .await?;
        Ok(records.into_iter().zip(secrets).map(|(record, secret): (_, Shown)| Issued { record, secret }).collect())
    }

    /// The record of a new key, if the terms of its API let it be.
    pub(super) fn draft(
        &self,
        new: &NewKey,
        secret: KeySecret,
        terms: &ApiTerms,
        now: Timestamp,
    ) -> Result<KeyRecord, CreateKeyError> {
        if let Some(passed) = new.expires.filter(|it| *it <= now) {
            return Err(Unfit::Expired(passed).into());
        }
        let id = self.draw_key_id()?;
        Ok(KeyRecord {
            lineage: id.founds(),
            id,
            api: new.api.clone(),
            tenant: new.tenant.clone(),
            name: label(&new.name)?,
            owner: new.owner.as_deref().map(label).transpose()?,
            secret,
            scopes: terms.scopes(&new.scopes)?,
            tier: terms.own_tier(new.tier.as_ref())?,
            ip_allow: new.ip_allow.iter().map(plain).collect(),
            bound: new.bound.clone(),
            created: now,
            expires: new.expires,
            rotated_from: None,
            overlap: None,
            revoked: None,
            suspended: None,
            last_used: None,
        })
    }

    /// Whether these keys fit in beside those there are: tenants that exist, names that are free, room for all.
    pub(super) async fn fit_in(&self, records: &[KeyRecord], now: Timestamp) -> Result<(), CreateKeyError> {
        let mut names = HashSet::new();
        let mut tenants: Vec<(&TenantId, u64)> = Vec::new();
        for record in records {
            let (tenant, api) = (Some(record.tenant.clone()), Some(record.api.clone()));
            let filter = KeyFilter { tenant, api, ..KeyFilter::default() };
            let repeated = !names.insert((&record.tenant, &record.api, &record.name));
            if repeated || self.registry.named(&filter, &record.name, now).await?.is_some() {
                return Err(CreateKeyError::NameTaken(record.tenant.clone(), record.name.clone()));
            }
            match tenants.iter_mut().find(|(id, _)| *id == &record.tenant) {
                Some((_, new)) => *new += 1,
                None => tenants.push((&record.tenant, 1)),
            }
        }
        let most = self.settings.keys_per_tenant.get();
        for (tenant, new) in tenants {
            if self.registry.tenant(tenant).await?.is_none() {
                return Err(CreateKeyError::UnknownTenant(tenant.clone()));
            }
            let held = self.registry.count_lineages(tenant, now).await?;
            if u64::from(most) < held.saturating_add(new) {
                return Err(CreateKeyError::TooMany(tenant.clone(), most, held));
            }
        }
        Ok(())
    }
}

/// A network without host bits, and as IPv4 where it is IPv4 in disguise: sources are written so too.
fn plain(net: &IpNet) -> IpNet {
    let mapped = |net: &ipnet::Ipv6Net| {
        let v4 = net.addr().to_ipv4_mapped()?;
        Ipv4Net::new(v4, net.prefix_len().checked_sub(96)?).ok().map(IpNet::V4)
    };
    match net {
        IpNet::V4(_) => net.trunc(),
        IpNet::V6(v6) => mapped(v6).unwrap_or(*net).trunc(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_written_as_sources_are() {
        for (given, expected) in [
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
            ("::ffff:0.0.0.0/90", "::ffc0:0:0/90"),
            ("2001:db8::1/32", "2001:db8::/32"),
        ] {
            assert_eq!(plain(&given.parse().unwrap()).to_string(), expected);
        }
    }
}
