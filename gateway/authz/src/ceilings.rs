//! Scopes as ceilings: what the documents' `security` asks for, as one action group and one forbid per requirement.

use std::collections::{BTreeMap, BTreeSet};

use domain::{AuthMethod, Requirement, Scope};
use serde_json::{Value, json};

use crate::bundle::sha256_hex;

/// Names of action groups that mean something else.
const RESERVED: [&str; 7] = ["read", "write", "delete", "admin", "unmapped", "deprecated", "tls_only"];
const RESERVED_PREFIXES: [&str; 4] = ["data:", "tag:", "policy:", "sec:"];

/// What a credential must hold before any permit counts: one of these branches. Without a branch nobody gets through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ceiling(BTreeSet<Branch>);

/// Scopes that must all be held, by a credential of one of these kinds; empty for any kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Branch {
    methods: BTreeSet<&'static str>,
    scopes: BTreeSet<Scope>,
}

impl Ceiling {
    /// The ceiling that a requirement puts, or `None` where it asks for no scope.
    pub(crate) fn of(requirement: &Requirement, schemes: &BTreeMap<String, AuthMethod>) -> Option<Self> {
        if requirement.admits_anonymous() {
            return None;
        }
        let scopes_of = |schemes: &[(String, Vec<Scope>)]| -> BTreeSet<Scope> {
            schemes.iter().flat_map(|(_, scopes)| scopes.iter().cloned()).collect()
        };
        let distinct: BTreeSet<BTreeSet<Scope>> = requirement.0.iter().map(|it| scopes_of(&it.0)).collect();
        let names: BTreeSet<Vec<&str>> =
            requirement.0.iter().map(|it| it.0.iter().map(|(name, _)| name.as_str()).collect()).collect();
        if distinct.iter().all(BTreeSet::is_empty) {
            return None;
        }
        // Where every scheme asks for the same, or there is but one, the kind of the credential says nothing.
        if distinct.len() == 1 || names.len() == 1 {
            let any = BTreeSet::new();
            return Some(Self(distinct.into_iter().map(|scopes| Branch { methods: any.clone(), scopes }).collect()));
        }
        let mut branches: BTreeMap<BTreeSet<Scope>, BTreeSet<&'static str>> = BTreeMap::new();
        for alternative in &requirement.0 {
            let shown: BTreeSet<&'static str> =
                alternative.0.iter().filter_map(|(name, _)| schemes.get(name)).map(|it| it.as_str()).collect();
            // A request shows exactly one credential: none, or two at once, is more than anybody can meet.
            if shown.len() == 1 {
                branches.entry(scopes_of(&alternative.0)).or_default().extend(shown);
            }
        }
        Some(Self(branches.into_iter().map(|(scopes, methods)| Branch { methods, scopes }).collect()))
    }

    /// The action group of everything under this ceiling.
    pub(crate) fn group(&self) -> String {
        if let Some(Branch { methods, scopes }) = self.0.first().filter(|_| self.0.len() == 1)
            && let Some(only) = scopes.first().filter(|_| scopes.len() == 1 && methods.is_empty())
        {
            let name = only.as_str();
            if !RESERVED.contains(&name) && !RESERVED_PREFIXES.iter().any(|it| name.starts_with(it)) {
                return name.to_owned();
            }
        }
        let digest = sha256_hex([self.expression().as_bytes()]);
        format!("sec:{}", digest.get(..8).unwrap_or(&digest))
    }

    /// The ceiling as a person reads it: `(a & b) | c`.
    pub(crate) fn expression(&self) -> String {
        let branch = |it: &Branch| {
            let scopes = it.scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" & ");
            match it.methods.iter().copied().collect::<Vec<_>>().join("|") {
                methods if methods.is_empty() => format!("({scopes})"),
                methods => format!("{methods}:({scopes})"),
            }
        };
        self.0.iter().map(branch).collect::<Vec<_>>().join(" | ")
    }

    /// The forbid that holds it, in Cedar's JSON.
    pub(crate) fn policy(&self, group: &str) -> Value {
        let exception = any_of(self.0.iter().map(|it| {
            let method = any_of(it.methods.iter().map(|method| {
                let auth = json!({ ".": { "left": { "Var": "context" }, "attr": "auth" } });
                let shown = json!({ ".": { "left": auth, "attr": "method" } });
                json!({ "==": { "left": shown, "right": { "Value": method } } })
            }));
            let scopes = it.scopes.iter().map(|scope| {
                let scope = json!({ "__entity": { "type": "Gw::Scope", "id": scope.as_str() } });
                json!({ "in": { "left": { "Var": "principal" }, "right": { "Value": scope } } })
            });
            all_of(method.into_iter().chain(scopes)).unwrap_or_else(|| json!({ "Value": true }))
        }));
        let conditions: Vec<Value> =
            exception.into_iter().map(|body| json!({ "kind": "unless", "body": body })).collect();
        json!({
            "effect": "forbid",
            "principal": { "op": "is", "entity_type": "Gw::ApiKey" },
            "action": { "op": "in", "entity": { "type": "Gw::Action", "id": group } },
            "resource": { "op": "All" },
            "conditions": conditions,
            "annotations": {
                "kind": "ceiling", "reason": "insufficient_scope", "requirement": self.expression(),
            },
        })
    }

    /// The scopes that `held` lacks for the branch it comes closest to.
    pub(crate) fn missing(&self, held: &[Scope], method: &str) -> Vec<Scope> {
        let lacking =
            |it: &Branch| -> Vec<Scope> { it.scopes.iter().filter(|it| !held.contains(it)).cloned().collect() };
        let open = self.0.iter().filter(|it| it.methods.is_empty() || it.methods.contains(method));
        open.map(lacking).min_by_key(Vec::len).unwrap_or_default()
    }
}

fn all_of(terms: impl IntoIterator<Item = Value>) -> Option<Value> {
    terms.into_iter().reduce(|left, right| json!({ "&&": { "left": left, "right": right } }))
}

fn any_of(terms: impl IntoIterator<Item = Value>) -> Option<Value> {
    terms.into_iter().reduce(|left, right| json!({ "||": { "left": left, "right": right } }))
}

#[cfg(test)]
mod tests {
    use domain::Alternative;

    use super::*;

    fn requirement(alternatives: &[&[(&str, &[&str])]]) -> Requirement {
        let scopes = |it: &[&str]| it.iter().map(|it| it.parse().unwrap()).collect();
        let alternative = |it: &&[(&str, &[&str])]| {
            Alternative(it.iter().map(|(name, it)| ((*name).to_owned(), scopes(it))).collect())
        };
        Requirement(alternatives.iter().map(alternative).collect())
    }

    #[track_caller]
    fn check(alternatives: &[&[(&str, &[&str])]], expected: Option<&str>) {
        let schemes =
            BTreeMap::from([("key".to_owned(), AuthMethod::ApiKey), ("signed".to_owned(), AuthMethod::SigV4)]);
        let ceiling = Ceiling::of(&requirement(alternatives), &schemes);
        assert_eq!(ceiling.map(|it| it.expression()).as_deref(), expected);
    }

    #[test]
    fn entries_are_or_and_what_stands_within_an_entry_is_and() {
        check(&[&[("key", &["a"])]], Some("(a)"));
        check(&[&[("key", &["a", "b"])]], Some("(a & b)"));
        check(&[&[("key", &["a", "b"])], &[("key", &["c"])]], Some("(a & b) | (c)"));
        check(&[&[("key", &["a"]), ("account", &["b"])]], Some("(a & b)"));
        check(&[&[("key", &["a"])], &[("token", &["a"])]], Some("(a)"));
    }

    #[test]
    fn schemes_that_ask_for_different_scopes_are_told_apart_and_unknown_ones_cannot_be_met() {
        check(&[&[("key", &["a"])], &[("signed", &["b"])]], Some("api_key:(a) | sigv4:(b)"));
        check(&[&[("key", &["a"])], &[("token", &["b"])]], Some("api_key:(a)"));
        check(&[&[("cookie", &["a"])], &[("token", &["b"])]], Some(""));
        check(&[&[("key", &[])], &[("signed", &["b"])]], Some("api_key:() | sigv4:(b)"));
    }

    #[test]
    fn what_asks_for_no_scope_or_admits_anybody_has_no_ceiling() {
        check(&[], None);
        check(&[&[("key", &[])]], None);
        check(&[&[("key", &["a"])], &[]], None);
    }

    #[test]
    fn a_single_scope_names_its_group_unless_the_name_is_taken() {
        let group = |it: &[&[(&str, &[&str])]]| Ceiling::of(&requirement(it), &BTreeMap::new()).unwrap().group();
        assert_eq!(group(&[&[("key", &["compute:write"])]]), "compute:write");
        for taken in ["read", "delete", "unmapped", "tag:x", "sec:1", "policy:activate"] {
            assert!(group(&[&[("key", &[taken])]]).starts_with("sec:"), "{taken}");
        }
        assert!(group(&[&[("key", &["a", "b"])]]).starts_with("sec:"));
        assert_ne!(group(&[&[("key", &["a", "b"])]]), group(&[&[("key", &["a"])], &[("key", &["b"])]]));
    }

    #[test]
    fn what_is_missing_is_the_shortest_way() {
        let ceiling = requirement(&[&[("key", &["a", "b", "c"])], &[("key", &["d", "e"])]]);
        let ceiling = Ceiling::of(&ceiling, &BTreeMap::new()).unwrap();
        let scopes = |it: &[&str]| -> Vec<Scope> { it.iter().map(|it| it.parse().unwrap()).collect() };
        assert_eq!(ceiling.missing(&scopes(&["a", "b"]), "api_key"), scopes(&["c"]));
        assert_eq!(ceiling.missing(&scopes(&[]), "api_key"), scopes(&["d", "e"]));
        assert_eq!(ceiling.missing(&scopes(&["d", "e"]), "api_key"), scopes(&[]));
    }
}
