//! Whose count it is.

use domain::{ApiName, CountedBy, Standing};

/// Names one count: whatever has the same four parts is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counter<'a> {
    /// The API whose profile gives the tier.
    pub api: &'a ApiName,
    /// What `id` names.
    pub by: CountedBy,
    /// The tenant it belongs to, so that two tenants' users of one name never share a count.
    pub tenant: &'a str,
    /// The lineage, owner or tenant.
    pub id: &'a str,
}

impl<'a> Counter<'a> {
    /// The counter of a caller. A key without an owner is counted by its lineage where owners are counted.
    pub fn of(api: &'a ApiName, by: CountedBy, standing: &'a Standing) -> Self {
        let tenant = standing.tenant.as_str();
        let (by, id) = match (by, &standing.owner) {
            (CountedBy::Tenant, _) => (CountedBy::Tenant, tenant),
            (CountedBy::Owner, Some(owner)) => (CountedBy::Owner, owner.as_str()),
            (CountedBy::Owner, None) | (CountedBy::Lineage, _) => (CountedBy::Lineage, standing.lineage.as_str()),
        };
        Self { api, by, tenant, id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(owner: Option<&str>) -> Standing {
        Standing {
            key: "key_1".parse().unwrap(),
            lineage: "lin_1".parse().unwrap(),
            owner: owner.map(str::to_owned),
            tenant: "t1".parse().unwrap(),
            scopes: Vec::new(),
            tier: "standard".parse().unwrap(),
            tenant_tier: None,
            expires: None,
            suspended: false,
            bound: None,
            grant: None,
        }
    }

    #[test]
    fn a_key_without_an_owner_is_counted_by_its_lineage() {
        let api: ApiName = "a".parse().unwrap();
        let (owned, bare) = (standing(Some("u1")), standing(None));
        let id = |by, standing| {
            let counter = Counter::of(&api, by, standing);
            (counter.by, counter.id.to_owned())
        };
        assert_eq!(id(CountedBy::Owner, &owned), (CountedBy::Owner, "u1".to_owned()));
        assert_eq!(id(CountedBy::Owner, &bare), (CountedBy::Lineage, "lin_1".to_owned()));
        assert_eq!(id(CountedBy::Tenant, &owned), (CountedBy::Tenant, "t1".to_owned()));
        assert_eq!(id(CountedBy::Lineage, &owned), (CountedBy::Lineage, "lin_1".to_owned()));
    }
}
