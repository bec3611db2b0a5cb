//! Whether a policy names only what there is a schema of, where some of the APIs could not be read.

use cedar_policy::{EntityTypeName, EntityUid, Policy};
use serde_json::Value;

use super::Ground;

/// The namespace that all APIs share.
const GATEWAY: &str = "Gw";

/// Whether nothing that the policy names can be of an API that is not known.
pub(super) fn are_known(policy: &Policy, ground: &Ground<'_>) -> bool {
    // A policy that has no JSON form could not be looked through.
    policy.to_json().is_ok_and(|it| known(&it, ground))
}

fn known(part: &Value, ground: &Ground<'_>) -> bool {
    match part {
        Value::Array(items) => items.iter().all(|it| known(it, ground)),
        Value::Object(members) => {
            let text = |key: &str| members.get(key).and_then(Value::as_str);
            let entity = text("type").zip(text("id")).is_none_or(|(kind, id)| is_entity(kind, id, ground));
            let kind = text("entity_type").is_none_or(|it| is_type(it, ground));
            entity && kind && members.values().all(|it| known(it, ground))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn is_type(name: &str, ground: &Ground<'_>) -> bool {
    let Ok(kind) = name.parse::<EntityTypeName>() else { return false };
    let namespace = kind.namespace();
    namespace == GATEWAY || ground.apis.iter().any(|it| it.api.namespace == namespace)
}

/// Groups of actions that come of what operations ask for are in the shared namespace.
fn is_entity(kind: &str, id: &str, ground: &Ground<'_>) -> bool {
    let Ok(kind) = kind.parse::<EntityTypeName>() else { return false };
    let uid = EntityUid::from_type_name_and_id(kind.clone(), cedar_policy::EntityId::new(id));
    let shared = kind.namespace() == GATEWAY && kind.basename() == "Action";
    if shared { ground.schema.actions().any(|it| *it == uid) } else { is_type(&kind.to_string(), ground) }
}
