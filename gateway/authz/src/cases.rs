//! Cases beside the policies, in the format of the Cedar command line's `run-tests`.
//!
//! A file of cases is run against the policies of the file beside it and nothing else, as the command line does it: with
//! Cedar's own rule that a policy that errs is passed over.

use std::path::Path;

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, Policy, PolicySet, Request, Schema};
use domain::{Fault, Faults};
use serde::Deserialize;
use serde_json::Value;

use crate::gate::{self, Known};
use crate::source::{CasesSource, PolicySource};

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    name: Option<String>,
    request: CaseRequest,
    #[serde(default = "no_entities")]
    entities: Value,
    decision: CaseDecision,
    #[serde(default)]
    reason: Vec<String>,
    #[serde(default)]
    num_errors: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseRequest {
    principal: String,
    action: String,
    resource: String,
    #[serde(default = "no_context")]
    context: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CaseDecision {
    Allow,
    Deny,
}

fn no_entities() -> Value {
    Value::Array(Vec::new())
}

fn no_context() -> Value {
    Value::Object(serde_json::Map::new())
}

/// How many cases ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// All of them, each as it says.
    pub cases: usize,
}

/// Runs the cases beside one file of policies.
pub(crate) fn run_source(source: &PolicySource, schema: &Schema, known: Known) -> Result<Ran, Faults> {
    let Some(cases) = &source.cases else { return Ok(Ran::default()) };
    let policies = gate::parse(&source.file, &source.text)?;
    run(cases, policies, (schema, known))
}

/// Reads a file of cases.
pub(crate) fn read(cases: &CasesSource) -> Result<Vec<Case>, Faults> {
    serde_json::from_str(&cases.text)
        .map_err(|it| vec![Fault::at(&cases.file, it.line(), it.column(), format!("not a list of cases: {it}"))])
}

fn run(cases: &CasesSource, policies: Vec<Policy>, (schema, known): (&Schema, Known)) -> Result<Ran, Faults> {
    let file = cases.file.as_path();
    let read = read(cases)?;
    let set = PolicySet::from_policies(policies).map_err(|it| vec![Fault::of(file, it.to_string())])?;
    let ids: Vec<String> = set.policies().map(|it| it.id().to_string()).collect();
    let mut faults = Faults::new();
    for (number, case) in read.iter().enumerate() {
        let name = case.name.clone().unwrap_or_else(|| format!("number {}", number + 1));
        let unknown =
            case.reason.iter().filter(|it| !ids.contains(it)).map(|it| format!("no policy has the id `{it}`"));
        let outcome =
            if known == Known::Some && is_strange(case, schema) { Ok(()) } else { outcome(case, &set, schema) };
        let wrong = unknown.chain(outcome.err());
        faults.extend(wrong.map(|it| at_case(file, &cases.text, &name, &it)));
    }
    if faults.is_empty() { Ok(Ran { cases: read.len() }) } else { Err(faults) }
}

/// Whether a case speaks of an API that there is no schema of.
fn is_strange(case: &Case, schema: &Schema) -> bool {
    let action = case.request.action.parse::<EntityUid>();
    action.is_ok_and(|it| !schema.actions().any(|known| known.type_name() == it.type_name()))
}

/// A fault of one case, at the line its name stands on.
fn at_case(file: &Path, text: &str, name: &str, wrong: &str) -> Fault {
    let message = format!("case `{name}`: {wrong}");
    match text.find(&Value::String(name.to_owned()).to_string()) {
        Some(offset) => Fault::at_offset(file, text, offset, message),
        None => Fault::of(file, message),
    }
}

/// Decides one case and says what is different from what it expects.
fn outcome(case: &Case, set: &PolicySet, schema: &Schema) -> Result<(), String> {
    let uid = |it: &str| it.parse::<EntityUid>().map_err(|_| format!("`{it}` names no entity"));
    let (principal, action, resource) =
        (uid(&case.request.principal)?, uid(&case.request.action)?, uid(&case.request.resource)?);
    known(&principal, &action, &resource, schema)?;
    let context =
        Context::from_json_value(case.request.context.clone(), None).map_err(|it| format!("context: {it}"))?;
    let request = Request::new(principal, action, resource, context, None).map_err(|it| it.to_string())?;
    let entities = Entities::from_json_value(case.entities.clone(), None).map_err(|it| format!("entities: {it}"))?;
    let given: Vec<EntityUid> = entities.iter().map(cedar_policy::Entity::uid).collect();
    let actions = schema.action_entities().map_err(|it| it.to_string())?;
    let actions = actions.into_iter().filter(|it| !given.contains(&it.uid()));
    let entities = entities.add_entities(actions, None).map_err(|it| format!("entities: {it}"))?;
    let response = Authorizer::new().is_authorized(&request, set, &entities);
    let decision = match response.decision() {
        Decision::Allow => CaseDecision::Allow,
        Decision::Deny => CaseDecision::Deny,
    };
    let mut reason: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    let mut expected = case.reason.clone();
    reason.sort();
    expected.sort();
    let errors = response.diagnostics().errors().count();
    if decision != case.decision {
        return Err(format!("decision is {decision:?}, by {reason:?}").to_lowercase());
    }
    if reason != expected {
        return Err(format!("reason is {reason:?}, not {expected:?}"));
    }
    if errors != case.num_errors {
        return Err(format!("{errors} policies err, not {}", case.num_errors));
    }
    Ok(())
}

/// A case that asks for what no request can be proves nothing. Guardrails may bring an API of their own for their cases.
fn known(principal: &EntityUid, action: &EntityUid, resource: &EntityUid, schema: &Schema) -> Result<(), String> {
    let namespace = action.type_name().namespace();
    if !schema.actions().any(|it| it.type_name().namespace() == namespace) {
        return Ok(());
    }
    let principals = schema.principals_for_action(action).ok_or_else(|| format!("`{action}` is no action"))?;
    let resources = schema.resources_for_action(action).ok_or_else(|| format!("`{action}` is no action"))?;
    let asked = principals.into_iter().any(|it| it == principal.type_name());
    if !asked || !resources.into_iter().any(|it| it == resource.type_name()) {
        return Err(format!("`{action}` is never asked by `{principal}` of `{resource}`"));
    }
    Ok(())
}
