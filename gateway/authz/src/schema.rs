//! Operations as a Cedar schema: one namespace per API, beside the hand-written `Gw`.
//!
//! Built as JSON, never by putting texts together: a name from a document cannot become syntax.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use cedar_policy::{EntityNamespace, Policy, PolicyId, Schema, SchemaFragment};
use domain::{ApiName, Fault, Faults, Operation};
use serde_json::{Map, Value, json};

use crate::ceilings::Ceiling;
use crate::resource::{API_TYPE, ResourcePath};
use crate::source::Fronted;

/// The hand-written part.
pub(crate) const GW: &str = include_str!("../../../policies/portcullis.cedarschema");

/// The group of all operations of an API, in its own namespace.
const ALL: &str = "all";

/// The schema of a deployment, and the policies that follow from its documents.
pub(crate) struct Model {
    pub(crate) schema: Schema,
    /// The whole schema as JSON; part of what a bundle is named by.
    pub(crate) json: Value,
    /// Per API, everything its policies may use, as Cedar schema text.
    pub(crate) texts: HashMap<ApiName, String>,
    /// Ceilings and tenant isolation.
    pub(crate) generated: Vec<Policy>,
}

/// The ceiling of an operation within its API.
pub(crate) fn ceiling(fronted: &Fronted, operation: &Operation) -> Option<Ceiling> {
    Ceiling::of(&operation.requirement, &fronted.schemes)
}

/// Generates the schema of these APIs, whose names fit.
pub(crate) fn generate(apis: &[Fronted]) -> Result<Model, Faults> {
    let (gw, _) = SchemaFragment::from_cedarschema_str(GW).map_err(|it| vec![internal(&it)])?;
    let gw_json = gw.clone().to_json_value().map_err(|it| vec![internal(&it)])?;
    let mut fragments = vec![gw];
    let mut json = vec![gw_json.clone()];
    let mut texts = HashMap::new();
    let mut ceilings = BTreeMap::new();
    let mut generated = Vec::new();
    for fronted in apis {
        let own: BTreeMap<String, Ceiling> =
            fronted.api.operations.iter().filter_map(|it| ceiling(fronted, it)).map(|it| (it.group(), it)).collect();
        let namespace = namespace(fronted);
        texts.insert(fronted.api.name.clone(), text(&gw_json, &own, &namespace).map_err(|it| vec![it])?);
        fragments.push(SchemaFragment::from_json_value(namespace.clone()).map_err(|it| vec![internal(&it)])?);
        json.push(namespace);
        ceilings.extend(own);
        generated.extend(isolation(fronted));
    }
    let groups = groups(ceilings.keys());
    fragments.push(SchemaFragment::from_json_value(groups.clone()).map_err(|it| vec![internal(&it)])?);
    json.push(groups);
    generated.extend(ceilings.iter().map(|(group, it)| (format!("ceiling.{group}"), it.policy(group))));
    let schema = Schema::from_schema_fragments(fragments).map_err(|it| vec![internal(&it)])?;
    let read = |(id, json)| Policy::from_json(Some(PolicyId::new(id)), json).map_err(|it| vec![internal(&it)]);
    let generated = generated.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok(Model { schema, json: Value::Array(json), texts, generated })
}

/// Where a fault of an API's names is mended.
fn profile(fronted: &Fronted) -> PathBuf {
    Path::new("apis").join(fronted.api.name.as_str()).join("api.toml")
}

/// A fault that no operator can have caused, said rather than panicked about.
fn internal(fault: &dyn std::error::Error) -> Fault {
    Fault::of(Path::new("portcullis.cedarschema"), format!("the generated schema is not good: {fault}"))
}

/// The APIs whose names fit into a schema, and every fault of those that do not.
pub(crate) fn fitting(apis: &[Fronted]) -> (Vec<Fronted>, Faults) {
    let (mut fitting, mut faults) = (Vec::new(), Faults::new());
    let mut seen = BTreeSet::new();
    for fronted in apis {
        let wrong = faults_of_names(fronted, &mut seen);
        if wrong.is_empty() {
            fitting.push(fronted.clone());
        }
        faults.extend(wrong);
    }
    (fitting, faults)
}

fn faults_of_names<'a>(fronted: &'a Fronted, seen: &mut BTreeSet<&'a str>) -> Faults {
    let mut faults = Faults::new();
    let name = &fronted.api.namespace;
    let single = !name.contains("::") && name.parse::<EntityNamespace>().is_ok();
    if !single || name == "Gw" || name.starts_with("__") {
        let fault = Fault::of(&profile(fronted), format!("`{name}` cannot be a Cedar namespace"));
        faults.push(fault.with_help("use letters, digits and `_`, a letter first, and not `Gw`"));
    }
    if !seen.insert(name) {
        faults.push(Fault::of(&profile(fronted), format!("namespace `{name}` is another API's")));
    }
    let mut ids: BTreeSet<&str> = [ALL, "read", "write", "delete"].into();
    for operation in &fronted.api.operations {
        let id = operation.id.as_str();
        if id.starts_with("tag:") || !ids.insert(id) {
            let fault = format!("operationId `{id}` is used twice, or is the name of an action group");
            faults.push(Fault::of(&profile(fronted), fault).with_help("give the operation another operationId"));
        }
    }
    faults
}

/// The namespace of one API.
fn namespace(fronted: &Fronted) -> Value {
    let name = &fronted.api.namespace;
    let mut parents: BTreeMap<String, BTreeSet<String>> =
        BTreeMap::from([(API_TYPE.to_owned(), BTreeSet::from(["Gw::Tenant".to_owned()]))]);
    let mut actions = Map::new();
    for group in ["read", "write", "delete"] {
        actions.insert(group.to_owned(), json!({ "memberOf": [action(name, ALL), action("Gw", group)] }));
    }
    actions.insert(ALL.to_owned(), json!({}));
    for operation in &fronted.api.operations {
        let path = ResourcePath::of(operation);
        let mut parent = "Gw::Tenant".to_owned();
        for step in &path.0 {
            parents.entry(step.kind.clone()).or_default().extend(["Gw::Tenant".to_owned(), parent]);
            parent = format!("{name}::{}", step.kind);
        }
        for tag in &operation.tags {
            actions.entry(format!("tag:{tag}")).or_insert_with(|| json!({ "memberOf": [action(name, ALL)] }));
        }
        actions.insert(operation.id.as_str().to_owned(), action_of(fronted, operation, &path));
    }
    let types = parents.into_iter().map(|(kind, parents)| {
        let tenant = json!({ "type": "Entity", "name": "Gw::Tenant" });
        let shape = json!({ "type": "Record", "attributes": { "tenant": tenant } });
        (kind, json!({ "memberOfTypes": parents, "shape": shape }))
    });
    json!({ name: { "entityTypes": types.collect::<Map<_, _>>(), "actions": actions } })
}

fn action(namespace: &str, id: &str) -> Value {
    json!({ "type": format!("{namespace}::Action"), "id": id })
}

/// The action of one operation, with the groups it belongs to.
fn action_of(fronted: &Fronted, operation: &Operation, path: &ResourcePath) -> Value {
    let name = &fronted.api.namespace;
    let mut groups = vec![action(name, operation.class.as_str())];
    groups.extend(ceiling(fronted, operation).map(|it| action("Gw", &it.group())));
    groups.extend(operation.deprecated.then(|| action("Gw", "deprecated")));
    groups.extend(fronted.https_only.then(|| action("Gw", "tls_only")));
    groups.extend(operation.tags.iter().map(|tag| action(name, &format!("tag:{tag}"))));
    let mut principals = vec!["Gw::ApiKey"];
    principals.extend(operation.requirement.admits_anonymous().then_some("Gw::Anonymous"));
    // Cedar records cannot be extended, so every action carries the shared fields itself.
    let context: Map<String, Value> = [("source", "Source"), ("auth", "Auth"), ("time", "Time"), ("req", "Req")]
        .into_iter()
        .map(|(field, kind)| (field.to_owned(), json!({ "type": format!("Gw::{kind}") })))
        .collect();
    json!({
        "memberOf": groups,
        "appliesTo": {
            "principalTypes": principals,
            "resourceTypes": [format!("{name}::{}", path.kind())],
            "context": { "type": "Record", "attributes": context },
        },
        "annotations": { "http": format!("{} {}", operation.method, operation.template) },
    })
}

/// The requirement groups, in `Gw`.
fn groups<'a>(names: impl IntoIterator<Item = &'a String>) -> Value {
    let actions: Map<String, Value> = names.into_iter().map(|it| (it.clone(), json!({}))).collect();
    json!({ "Gw": { "entityTypes": {}, "actions": actions } })
}

/// Everything the policies of one API may use, as text.
fn text(gw: &Value, ceilings: &BTreeMap<String, Ceiling>, namespace: &Value) -> Result<String, Fault> {
    let mut whole = gw.clone();
    if let Some(actions) = whole.pointer_mut("/Gw/actions").and_then(Value::as_object_mut) {
        actions.extend(ceilings.keys().map(|it| (it.clone(), json!({}))));
    }
    if let (Some(whole), Some(own)) = (whole.as_object_mut(), namespace.as_object()) {
        whole.extend(own.clone());
    }
    let fragment = SchemaFragment::from_json_value(whole).map_err(|it| internal(&it))?;
    fragment.to_cedarschema().map_err(|it| internal(&it))
}

/// Tenant isolation: one forbid for every type of resource a credential can ask for. The types that no operation acts on
/// have none, for it could never apply.
fn isolation(fronted: &Fronted) -> Vec<(String, Value)> {
    let name = &fronted.api.namespace;
    let kinds: BTreeSet<String> =
        fronted.api.operations.iter().map(|it| ResourcePath::of(it).kind().to_owned()).collect();
    let tenant_of = |var: &str| json!({ ".": { "left": { "Var": var }, "attr": "tenant" } });
    let same = json!({ "==": { "left": tenant_of("principal"), "right": tenant_of("resource") } });
    kinds
        .into_iter()
        .map(|kind| {
            let policy = json!({
                "effect": "forbid",
                "principal": { "op": "is", "entity_type": "Gw::ApiKey" },
                "action": { "op": "All" },
                "resource": { "op": "is", "entity_type": format!("{name}::{kind}") },
                "conditions": [{ "kind": "unless", "body": same }],
                "annotations": { "kind": "isolation", "reason": "tenant_mismatch" },
            });
            (format!("isolation.{name}.{kind}"), policy)
        })
        .collect()
}
