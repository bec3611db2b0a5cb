//! What each API lets a key be, as far as the issuer has to know.

use std::collections::{BTreeMap, BTreeSet};

use domain::{ApiName, CountedBy, RoleName, Scope, TierName, Timestamp, keyformat};

use crate::ClientGrant;

/// The terms of every API of the catalog.
#[derive(Clone, Debug, Default)]
pub struct Terms(BTreeMap<ApiName, ApiTerms>);

/// What a key of one API may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiTerms {
    /// The API.
    pub api: ApiName,
    /// What its keys begin with, the prefix of new keys first; empty where it takes no API keys.
    pub prefixes: Vec<String>,
    /// Whether keys that were made elsewhere may be imported.
    pub imported: bool,
    /// Whether it takes access keys that sign requests.
    pub access_keys: bool,
    /// Every scope its documents know.
    pub scopes: BTreeSet<Scope>,
    /// Every tier of its profile.
    pub tiers: BTreeSet<TierName>,
    /// The tier of keys that name none.
    pub default_tier: TierName,
    /// Whose requests are counted together: what is counted for a tenant has the tenant's tier, and no key one of its own.
    pub counted_by: CountedBy,
    /// What each of its roles may do.
    pub roles: BTreeMap<RoleName, Vec<Scope>>,
    /// The ways in which clients may come to tokens there.
    pub grants: Vec<ClientGrant>,
    /// What the access keys of one bucket may do there, where it has such keys.
    pub bucket_keys: Option<BucketKeys>,
}

/// What the access keys of one bucket may do there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketKeys {
    /// All of them.
    pub read: Vec<Scope>,
    /// Those that write besides.
    pub write: Vec<Scope>,
}

/// What was asked for cannot be, whatever is kept already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// No such API.
    #[error("there is no API `{0}`; help: there are {1}")]
    UnknownApi(ApiName, String),
    /// No such scope.
    #[error("API `{1}` has no scope `{0}`; help: it has {2}")]
    UnknownScope(Scope, ApiName, String),
    /// No such tier.
    #[error("API `{1}` has no tier `{0}`; help: it has {2}")]
    UnknownTier(TierName, ApiName, String),
    /// A tier of a key, where limits are those of its tenant.
    #[error(
        "API `{0}` limits a tenant as a whole, so no key has a tier of its own; help: `portcullis tenants set-tier TENANT {0}=TIER`"
    )]
    TierOfTenant(ApiName),
    /// No such role.
    #[error("API `{1}` has no role `{0}`; help: it has {2}")]
    UnknownRole(RoleName, ApiName, String),
    /// A kind of key that the API does not take.
    #[error("API `{0}` does not take {1}")]
    KindNotTaken(ApiName, &'static str),
    /// A name that is empty, too long or holds control characters.
    #[error("`{0}` cannot be a name: use 1 to 100 characters and no control characters")]
    Name(String),
    /// A name that is a key, or holds one.
    #[error("a key cannot be a name: names are shown to everybody who reads lists and logs; revoke it if it is in use")]
    Key,
    /// An end that has passed.
    #[error("the key would have expired at `{0}` already")]
    Expired(Timestamp),
    /// An imported key that could not be shown in a request, or that could be guessed.
    #[error("key {0} of the list cannot be imported: {1}")]
    Import(usize, &'static str),
}

impl Terms {
    /// From the terms of each API.
    pub fn new(apis: impl IntoIterator<Item = ApiTerms>) -> Self {
        Self(apis.into_iter().map(|it| (it.api.clone(), it)).collect())
    }

    /// The terms of one API.
    pub fn of(&self, api: &ApiName) -> Result<&ApiTerms, Unfit> {
        self.0.get(api).ok_or_else(|| Unfit::UnknownApi(api.clone(), listed(self.0.keys())))
    }

    /// The terms of every API, by name.
    pub fn all(&self) -> impl Iterator<Item = &ApiTerms> {
        self.0.values()
    }

    /// The API that a key is of by what it begins with, where that is another than `api`.
    pub(crate) fn maker_of(&self, key: &str, api: &ApiName) -> Option<&ApiName> {
        let begins = |it: &ApiTerms| it.prefixes.iter().any(|prefix| key.starts_with(prefix.as_str()));
        let own = self.0.get(api).is_some_and(begins);
        self.all().find(|it| !own && begins(it)).map(|it| &it.api)
    }
}

impl ApiTerms {
    /// What somebody with these roles may do here; sorted, without repeats. A role that the API does not have adds nothing.
    pub fn scopes_of(&self, roles: &[RoleName]) -> Vec<Scope> {
        let scopes: BTreeSet<&Scope> = roles.iter().filter_map(|it| self.roles.get(it)).flatten().collect();
        scopes.into_iter().cloned().collect()
    }

    /// The roles sorted and without repeats, if the API has them all.
    pub(crate) fn roles(&self, roles: &[RoleName]) -> Result<Vec<RoleName>, Unfit> {
        if let Some(unknown) = roles.iter().find(|it| !self.roles.contains_key(*it)) {
            return Err(Unfit::UnknownRole(unknown.clone(), self.api.clone(), listed(self.roles.keys())));
        }
        let sorted: BTreeSet<&RoleName> = roles.iter().collect();
        Ok(sorted.into_iter().cloned().collect())
    }

    /// The tier, if the API has it.
    pub(crate) fn tier(&self, tier: &TierName) -> Result<TierName, Unfit> {
        let unknown = || Unfit::UnknownTier(tier.clone(), self.api.clone(), listed(&self.tiers));
        self.tiers.contains(tier).then(|| tier.clone()).ok_or_else(unknown)
    }

    /// The tier of a key that names this one, or none.
    pub(crate) fn own_tier(&self, named: Option<&TierName>) -> Result<TierName, Unfit> {
        match named {
            None => Ok(self.default_tier.clone()),
            Some(_) if self.counted_by == CountedBy::Tenant => Err(Unfit::TierOfTenant(self.api.clone())),
            Some(tier) => self.tier(tier),
        }
    }

    /// The scopes sorted and without repeats, if the API has them all.
    pub(crate) fn scopes(&self, scopes: &[Scope]) -> Result<Vec<Scope>, Unfit> {
        if let Some(unknown) = scopes.iter().find(|it| !self.scopes.contains(*it)) {
            return Err(Unfit::UnknownScope(unknown.clone(), self.api.clone(), listed(&self.scopes)));
        }
        let sorted: BTreeSet<&Scope> = scopes.iter().collect();
        Ok(sorted.into_iter().cloned().collect())
    }
}

/// Whether it can be what people call something.
pub fn is_label(name: &str) -> bool {
    label(name).is_ok()
}

/// What people call something: trimmed, of sensible length, and harmless in a terminal.
pub(crate) fn label(name: &str) -> Result<String, Unfit> {
    let trimmed = name.trim();
    if keyformat::without_keys(trimmed) != trimmed {
        return Err(Unfit::Key);
    }
    let fits = (1..=100).contains(&trimmed.chars().count()) && !trimmed.contains(char::is_control);
    if fits { Ok(trimmed.to_owned()) } else { Err(Unfit::Name(trimmed.escape_debug().take(100).collect())) }
}

fn listed<T: std::fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|it| format!("`{it}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms::new([ApiTerms {
            api: "novastraxis".parse().unwrap(),
            prefixes: vec!["nsx_live_".to_owned()],
            imported: false,
            access_keys: false,
            scopes: ["compute", "data"].map(|it| it.parse().unwrap()).into(),
            tiers: ["standard"].map(|it| it.parse().unwrap()).into(),
            default_tier: "standard".parse().unwrap(),
            counted_by: CountedBy::Lineage,
            roles: BTreeMap::new(),
            grants: Vec::new(),
            bucket_keys: None,
        }])
    }

    #[test]
    fn what_an_api_does_not_have_is_named_beside_what_it_has() {
        let terms = terms();
        let api = terms.of(&"novastraxis".parse().unwrap()).unwrap();
        let said = |it: Unfit| it.to_string();
        assert_eq!(
            said(terms.of(&"nova".parse().unwrap()).unwrap_err()),
            "there is no API `nova`; help: there are `novastraxis`"
        );
        assert_eq!(
            said(api.scopes(&["compue".parse().unwrap()]).unwrap_err()),
            "API `novastraxis` has no scope `compue`; help: it has `compute`, `data`"
        );
        assert_eq!(
            said(api.tier(&"gold".parse().unwrap()).unwrap_err()),
            "API `novastraxis` has no tier `gold`; help: it has `standard`"
        );
    }

    #[test]
    fn scopes_are_sorted_and_said_once() {
        let terms = terms();
        let api = terms.of(&"novastraxis".parse().unwrap()).unwrap();
        let asked: Vec<Scope> = ["data", "compute", "data"].map(|it| it.parse().unwrap()).into();
        let read: Vec<String> = api.scopes(&asked).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(read, ["compute", "data"]);
    }

    #[test]
    fn a_name_is_trimmed_and_must_be_harmless() {
        assert_eq!(label("  My key é "), Ok("My key é".to_owned()));
        for bad in ["", "  ", "a\nb", "\u{1b}[31m", &"x".repeat(101)] {
            assert!(label(bad).is_err(), "{bad:?}");
        }
        let key = keyformat::write("nsx_live_", &mut [7; 32]);
        assert_eq!(label(&format!("key of bob: {key}")), Err(Unfit::Key));
        assert!(!label("\u{1b}[31m").unwrap_err().to_string().contains('\u{1b}'));
    }

    #[test]
    fn where_a_tenant_is_limited_as_a_whole_no_key_has_a_tier_of_its_own() {
        let by_key = terms().of(&"novastraxis".parse().unwrap()).unwrap().clone();
        let by_tenant = ApiTerms { counted_by: CountedBy::Tenant, ..by_key.clone() };
        let standard = "standard".parse().unwrap();
        assert_eq!(by_key.own_tier(Some(&standard)), Ok(standard.clone()));
        assert_eq!(by_tenant.own_tier(None), Ok(standard.clone()));
        assert_eq!(by_tenant.own_tier(Some(&standard)), Err(Unfit::TierOfTenant(by_key.api)));
    }
}
