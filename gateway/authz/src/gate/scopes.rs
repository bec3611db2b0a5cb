//! Scopes that a policy names though no document does: nobody can have one, so that what it says holds for nobody.

use std::collections::BTreeSet;

use cedar_policy::Policy;
use domain::{Api, Scope};
use serde_json::Value;

/// The type of scopes.
const SCOPE: &str = "Gw::Scope";

/// Each scope that a policy names and the API does not know, with what to write instead.
pub(super) fn unknown(policy: &Policy, api: &Api) -> Vec<(String, String)> {
    let known: BTreeSet<&str> = api.scopes().map(Scope::as_str).collect();
    let mut named = BTreeSet::new();
    if let Ok(policy) = policy.to_json() {
        name(&policy, &mut named);
    }
    let help = |scope: &str| {
        let near = known.iter().min_by_key(|it| strsim::damerau_levenshtein(it, scope));
        let near = near.filter(|it| strsim::damerau_levenshtein(it, scope) <= 1 + scope.len() / 4);
        near.map_or_else(|| "name a scope that `security` asks for".to_owned(), |it| format!("did you mean `{it}`?"))
    };
    named.iter().filter(|it| !known.contains(&***it)).map(|it| (it.clone(), help(it))).collect()
}

fn name(part: &Value, named: &mut BTreeSet<String>) {
    match part {
        Value::Array(items) => items.iter().for_each(|it| name(it, named)),
        Value::Object(members) => {
            let text = |key: &str| members.get(key).and_then(Value::as_str);
            if text("type") == Some(SCOPE) {
                named.extend(text("id").map(str::to_owned));
            }
            members.values().for_each(|it| name(it, named));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
