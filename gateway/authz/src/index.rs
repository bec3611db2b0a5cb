//! Which policies can apply at all: found by their scope, without looking at the others.
//!
//! Exact, because a scope cannot fail and a scope that is false ends its policy: what is not found here would have been
//! false. What a lookup costs depends on the ancestors of the request's entities, not on the number of policies.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{ActionConstraint, EntityTypeName, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};

/// One part of a policy's scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Any,
    Is(EntityTypeName),
    Eq(EntityUid),
    In(EntityUid),
    IsIn(EntityTypeName, EntityUid),
}

impl Key {
    /// Whether it asks for more of an entity than its type.
    const fn names_an_entity(&self) -> bool {
        match self {
            Self::Any | Self::Is(_) => false,
            Self::Eq(_) | Self::In(_) | Self::IsIn(..) => true,
        }
    }
}

/// An entity as scopes see it: itself and everything above it.
#[derive(Clone, Debug)]
pub(crate) struct Standpoint {
    pub(crate) uid: EntityUid,
    pub(crate) ancestors: Vec<EntityUid>,
}

impl Standpoint {
    /// The scopes that look at no more than its type.
    fn general(&self) -> [Key; 2] {
        [Key::Any, Key::Is(self.uid.type_name().clone())]
    }

    /// The scopes that name it or something above it.
    pub(crate) fn naming(&self) -> impl Iterator<Item = Key> {
        let kind = self.uid.type_name();
        let within = std::iter::once(&self.uid).chain(&self.ancestors);
        let within = within.flat_map(|it| [Key::In(it.clone()), Key::IsIn(kind.clone(), it.clone())]);
        std::iter::once(Key::Eq(self.uid.clone())).chain(within)
    }

    fn keys(&self) -> Vec<Key> {
        self.general().into_iter().chain(self.naming()).collect()
    }
}

/// Policies by resource, once principal and action are settled.
#[derive(Debug, Default)]
struct ByResource {
    general: HashMap<Key, Vec<u32>>,
    named: Arc<Named>,
}

/// Policies whose scope names a resource or something above one.
pub(crate) type Named = HashMap<Key, Vec<u32>>;

/// Policies by principal, then action, then resource.
#[derive(Debug, Default)]
pub(crate) struct Index(HashMap<Key, HashMap<Key, ByResource>>);

/// What is left once principal, action and the type of the resource are known.
#[derive(Debug)]
pub(crate) struct Candidates {
    /// Policies that apply to every resource of the type, in order.
    pub(crate) general: Vec<u32>,
    /// Policies that apply to some.
    pub(crate) named: Vec<Arc<Named>>,
}

impl Index {
    /// An index of policies by their position.
    pub(crate) fn of<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> Self {
        let mut index = Self::default();
        for (at, policy) in policies.into_iter().enumerate() {
            // A set beyond 2^32 policies does not fit into memory.
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            let by_action = index.0.entry(principal_key(policy)).or_default();
            for action in action_keys(policy) {
                let by_resource = by_action.entry(action).or_default();
                let key = resource_key(policy);
                let list = if key.names_an_entity() {
                    Arc::make_mut(&mut by_resource.named).entry(key)
                } else {
                    by_resource.general.entry(key)
                };
                list.or_default().push(at);
            }
        }
        index
    }

    /// The policies that can apply to resources of this type.
    pub(crate) fn candidates(
        &self,
        principal: &Standpoint,
        action: &Standpoint,
        resource: &EntityTypeName,
    ) -> Candidates {
        let resource = [Key::Any, Key::Is(resource.clone())];
        let actions = action.keys();
        let mut found = Candidates { general: Vec::new(), named: Vec::new() };
        for by_action in principal.keys().iter().filter_map(|it| self.0.get(it)) {
            for by_resource in actions.iter().filter_map(|it| by_action.get(it)) {
                found.general.extend(resource.iter().filter_map(|it| by_resource.general.get(it)).flatten());
                found.named.extend((!by_resource.named.is_empty()).then(|| Arc::clone(&by_resource.named)));
            }
        }
        sort(&mut found.general);
        found
    }
}

impl Candidates {
    /// Those that name this resource or something above it, in order.
    pub(crate) fn naming(named: &[Arc<Named>], resource: &Standpoint) -> Vec<u32> {
        let keys = resource.naming().collect::<Vec<_>>();
        let mut found = Vec::new();
        for by_name in named {
            found.extend(keys.iter().filter_map(|it| by_name.get(it)).flatten());
        }
        sort(&mut found);
        found
    }
}

/// A policy is found twice where an action is in two of the groups it lists.
fn sort(found: &mut Vec<u32>) {
    found.sort_unstable();
    found.dedup();
}

fn principal_key(policy: &Policy) -> Key {
    match policy.principal_constraint() {
        PrincipalConstraint::Any => Key::Any,
        PrincipalConstraint::In(uid) => Key::In(uid),
        PrincipalConstraint::Eq(uid) => Key::Eq(uid),
        PrincipalConstraint::Is(kind) => Key::Is(kind),
        PrincipalConstraint::IsIn(kind, uid) => Key::IsIn(kind, uid),
    }
}

fn resource_key(policy: &Policy) -> Key {
    match policy.resource_constraint() {
        ResourceConstraint::Any => Key::Any,
        ResourceConstraint::In(uid) => Key::In(uid),
        ResourceConstraint::Eq(uid) => Key::Eq(uid),
        ResourceConstraint::Is(kind) => Key::Is(kind),
        ResourceConstraint::IsIn(kind, uid) => Key::IsIn(kind, uid),
    }
}

fn action_keys(policy: &Policy) -> Vec<Key> {
    match policy.action_constraint() {
        ActionConstraint::Any => vec![Key::Any],
        ActionConstraint::In(uids) => uids.into_iter().map(Key::In).collect(),
        ActionConstraint::Eq(uid) => vec![Key::Eq(uid)],
    }
}

#[cfg(test)]
pub(crate) mod tests;
