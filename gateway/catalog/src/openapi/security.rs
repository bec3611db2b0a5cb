//! What an operation's `security` asks for.

use domain::{Alternative, Requirement, Scope};

use super::node::{Key, Node, Tree};
use super::page::Page;
use crate::written::{Place, closest};

/// Reads an operation's `security`, or else the document's. Saying nothing is a fault: an operation that anybody may ask
/// for says so.
pub(super) fn requirement(page: &Page<'_>, operation: &Node, place: Place) -> Requirement {
    let Some(security) = operation.get("security").or_else(|| page.root.get("security")) else {
        page.fault_with_help(
            place,
            "operation says nothing of `security`",
            "name its schemes and scopes, or write `security: []` where anybody may ask",
        );
        return Requirement::default();
    };
    if !matches!(security.tree, Tree::List(_)) {
        page.fault(security.place, "`security` must be a list");
    }
    Requirement(security.items().iter().map(|it| alternative(page, it)).collect())
}

fn alternative(page: &Page<'_>, node: &Node) -> Alternative {
    if !matches!(node.tree, Tree::Map(_)) {
        page.fault(node.place, "an alternative of `security` must be a map from schemes to scopes");
    }
    Alternative(node.entries().iter().map(|(key, scopes)| (key.text.clone(), scheme(page, key, scopes))).collect())
}

fn scheme(page: &Page<'_>, key: &Key, scopes: &Node) -> Vec<Scope> {
    let schemes = page.root.get("components").and_then(|it| it.get("securitySchemes"));
    let found = schemes.and_then(|it| it.get(&key.text));
    if found.is_none() {
        page.fault(key.place, format!("security scheme `{}` is not among `components.securitySchemes`", key.text));
    }
    if let Some(declared) = found.and_then(declared) {
        undeclared(page, &key.text, scopes, &declared);
    }
    if !matches!(scopes.tree, Tree::List(_)) {
        page.fault(scopes.place, format!("scopes of `{}` must be a list", key.text));
    }
    let scope = |node: &Node| match node.text().unwrap_or_default().parse::<Scope>() {
        Ok(scope) => Some(scope),
        Err(error) => {
            page.fault(node.place, error.to_string());
            None
        }
    };
    scopes.items().iter().filter_map(scope).collect()
}

/// The scopes that an OAuth scheme declares (OpenAPI 3.1, OAuth Flow Object); `None` of a scheme of another type.
fn declared(scheme: &Node) -> Option<Vec<&str>> {
    scheme.get("type").and_then(Node::text).filter(|it| *it == "oauth2")?;
    let flows = scheme.get("flows").map(Node::entries).unwrap_or_default();
    let scopes = flows.iter().filter_map(|(_, flow)| flow.get("scopes"));
    Some(scopes.flat_map(Node::entries).map(|(name, _)| name.text.as_str()).collect())
}

/// A scope that no flow declares is one that nobody can ask for, and mostly a slip.
fn undeclared(page: &Page<'_>, scheme: &str, scopes: &Node, declared: &[&str]) {
    for node in scopes.items() {
        let Some(scope) = node.text().filter(|it| !declared.contains(it)) else { continue };
        let help = closest(scope, declared).map_or_else(
            || "declare it among the `scopes` of its `flows`".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        page.fault_with_help(node.place, format!("no flow of `{scheme}` declares the scope `{scope}`"), help);
    }
}
