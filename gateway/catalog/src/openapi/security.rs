//! What an operation's `security` asks for.

use domain::{Alternative, Requirement, Scope};

use super::node::{Key, Node, Tree};
use super::page::Page;
use crate::written::Place;

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
    if schemes.and_then(|it| it.get(&key.text)).is_none() {
        page.fault(key.place, format!("security scheme `{}` is not among `components.securitySchemes`", key.text));
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
