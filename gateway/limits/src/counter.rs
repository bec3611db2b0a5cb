//! Whose count it is.

use std::hash::{Hash, Hasher};

use domain::{ApiName, CountedBy, Standing};

use crate::bounded::Probe;

/// Names one count: whatever has the same four parts is counted together.
#[derive(Clone, Copy, Debug)]
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

    fn parts(&self) -> [&'a [u8]; 6] {
        let by: &[u8] = match self.by {
            CountedBy::Lineage => b"l",
            CountedBy::Owner => b"o",
            CountedBy::Tenant => b"t",
        };
        // Names cannot hold a NUL; `id` may, and stands last.
        [by, self.api.as_str().as_bytes(), b"\0", self.tenant.as_bytes(), b"\0", self.id.as_bytes()]
    }
}

/// A [`Counter`] as it is kept: all parts in one allocation, so that comparing two touches one place in memory.
#[derive(Debug)]
pub(crate) struct CounterKey(Box<[u8]>);

impl Hash for Counter<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for part in self.parts() {
            state.write(part);
        }
    }
}

impl Probe<CounterKey> for Counter<'_> {
    fn is(&self, kept: &CounterKey) -> bool {
        let mut rest = &*kept.0;
        for part in self.parts() {
            let Some(after) = rest.strip_prefix(part) else { return false };
            rest = after;
        }
        rest.is_empty()
    }

    fn keep(&self) -> CounterKey {
        CounterKey(self.parts().concat().into())
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
            expires: None,
            suspended: false,
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

    #[test]
    fn counters_that_differ_in_any_part_are_kept_apart() {
        let (a, ab): (ApiName, ApiName) = ("a".parse().unwrap(), "ab".parse().unwrap());
        let all = [
            Counter { api: &a, by: CountedBy::Owner, tenant: "b", id: "c" },
            Counter { api: &ab, by: CountedBy::Owner, tenant: "", id: "c" },
            Counter { api: &a, by: CountedBy::Owner, tenant: "bc", id: "" },
            Counter { api: &a, by: CountedBy::Owner, tenant: "b", id: "c\0" },
            Counter { api: &a, by: CountedBy::Lineage, tenant: "b", id: "c" },
        ];
        for (i, one) in all.iter().enumerate() {
            for (j, other) in all.iter().enumerate() {
                assert_eq!(one.is(&other.keep()), i == j, "{one:?} {other:?}");
            }
        }
    }
}
