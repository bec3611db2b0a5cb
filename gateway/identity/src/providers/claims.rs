//! What follows from what a provider says of somebody.

use domain::RoleName;
use serde_json::{Map, Value};

use super::RoleRule;

/// What somebody is of whom this is said; sorted, without repeats.
pub(super) fn roles(rules: &[RoleRule], claims: &Map<String, Value>) -> Vec<RoleName> {
    let holds = |it: &&RoleRule| found(claims, &it.claim).is_some_and(|claim| is_or_holds(claim, &it.value));
    let mut given: Vec<RoleName> = rules.iter().filter(holds).flat_map(|it| it.roles.clone()).collect();
    given.sort();
    given.dedup();
    given
}

/// A claim by its name, dots and all; where there is none, by the path that it is.
pub(super) fn found<'a>(claims: &'a Map<String, Value>, claim: &str) -> Option<&'a Value> {
    if let Some(found) = claims.get(claim) {
        return Some(found);
    }
    let (first, rest) = claim.split_once('.')?;
    rest.split('.').try_fold(claims.get(first)?, |it, name| it.as_object()?.get(name))
}

fn is_or_holds(claim: &Value, wanted: &str) -> bool {
    claim.as_array().map_or_else(|| is(claim, wanted), |all| all.iter().any(|it| is(it, wanted)))
}

/// Texts are compared to the letter. Nothing else is taken for one, but that something is true.
fn is(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => !text.is_empty() && (wanted == "*" || text == wanted),
        Value::Bool(true) => wanted == "true",
        Value::Null | Value::Bool(false) | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rule(claim: &str, value: &str, roles: &[&str]) -> RoleRule {
        let roles = roles.iter().map(|it| it.parse().unwrap()).collect();
        RoleRule { claim: claim.to_owned(), value: value.to_owned(), roles }
    }

    fn given(rules: &[RoleRule], claims: &Value) -> Vec<String> {
        roles(rules, claims.as_object().unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_role_follows_from_a_claim_that_is_or_holds_a_value_wherever_it_is() {
        let rules = [
            rule("groups", "admins", &["owner", "member"]),
            rule("realm_access.roles", "ops", &["member"]),
            rule("https://example.com/roles", "audit", &["auditor"]),
            rule("staff", "true", &["viewer"]),
        ];
        assert_eq!(given(&rules, &json!({ "groups": ["x", "admins"] })), ["member", "owner"]);
        assert_eq!(given(&rules, &json!({ "groups": "admins", "staff": true })), ["member", "owner", "viewer"]);
        assert_eq!(given(&rules, &json!({ "realm_access": { "roles": ["ops"] } })), ["member"]);
        assert_eq!(given(&rules, &json!({ "https://example.com/roles": "audit" })), ["auditor"]);
        assert_eq!(given(&[rule("sub", "*", &["viewer"])], &json!({ "sub": "ann" })), ["viewer"]);
        for none in [
            json!({}),
            json!({ "groups": ["Admins", "admins ", ["admins"], { "admins": true }] }),
            json!({ "groups": { "admins": true }, "staff": "false", "realm_access": ["roles"] }),
            json!({ "staff": 1, "realm_access.roles.x": "ops" }),
        ] {
            assert_eq!(given(&rules, &none), [""; 0], "{none}");
        }
        assert_eq!(given(&[rule("sub", "*", &["viewer"])], &json!({ "sub": "" })), [""; 0]);
    }

    proptest! {
        #[test]
        fn nobody_is_given_a_role_that_no_rule_gives(claim in "[a-c.]{0,3}", value in "[a-c*]{0,2}", said in "[a-c]{0,2}", name in "[a-c]{1}") {
            let rules = [rule(&claim, &value, &["member"])];
            let got = given(&rules, &json!({ name.clone(): [said] }));
            let meant = claim == name && !said.is_empty() && (value == "*" || value == said);
            prop_assert_eq!(got.is_empty(), !meant);
        }
    }
}
