//! Cases beside the policies, in the format of the Cedar command line's `run-tests`.
//!
//! A file of cases is run against the policies of the file beside it and nothing else, as the command line does it: with
//! Cedar's own rule that a policy that errs is passed over.

use std::path::Path;

use cedar_policy::{Authorizer, Context, Decision, Effect, Entities, EntityUid, Policy, PolicySet, Request, Schema};
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
    run(cases, policies, &Doubt::default(), (schema, known))
}

/// The same where something is wrong with some of the policies, and only these are left.
pub(crate) fn run_rest(
    source: &PolicySource,
    sound: Vec<Policy>,
    doubt: &Doubt,
    ground: (&Schema, Known),
) -> Result<(), Faults> {
    source.cases.as_ref().map_or(Ok(()), |cases| run(cases, sound, doubt, ground).map(drop))
}

/// What policies might add that are left out because something is wrong with them. A permit can only turn a denial into
/// leave, and a forbid only leave into a denial; whatever else is decided stands.
#[derive(Debug, Default)]
pub(crate) struct Doubt {
    /// As they stand, but for whichever actions: the names in them may be what is wrong.
    policies: PolicySet,
    /// Their ids; `None` where there may be others.
    ids: Option<Vec<String>>,
    any: bool,
}

impl Doubt {
    /// That these policies are left out, and where the text `lacks` some, those as well.
    pub(crate) fn of(policies: &[Policy], lacks: bool) -> Self {
        let widened: Option<Vec<Policy>> = policies.iter().map(widened).collect();
        let set = widened.and_then(|it| PolicySet::from_policies(it).ok()).filter(|_| !lacks);
        let ids = set.as_ref().map(|_| policies.iter().map(|it| it.id().to_string()).collect());
        Self { policies: set.unwrap_or_default(), ids, any: true }
    }

    /// Whether a policy of this id may be one of them.
    fn may_be(&self, id: &str) -> bool {
        self.any && self.ids.as_ref().is_none_or(|it| it.iter().any(|it| it == id))
    }

    /// Whether they could turn this decision, which the others have made, into the other one.
    fn turns(&self, decision: CaseDecision, reason: &[String], request: &Request, entities: &Entities) -> bool {
        if !self.any || (decision == CaseDecision::Deny && !reason.is_empty()) {
            return false;
        }
        let effect = if decision == CaseDecision::Deny { Effect::Permit } else { Effect::Forbid };
        let apart = self.policies.policies().filter(|it| it.effect() == effect).cloned();
        let apart = PolicySet::from_policies(apart).ok().filter(|_| self.ids.is_some());
        apart.is_none_or(|it| {
            let response = Authorizer::new().is_authorized(request, &it, entities);
            let (mut reason, mut errors) = (response.diagnostics().reason(), response.diagnostics().errors());
            reason.next().is_some() || errors.next().is_some()
        })
    }
}

/// The same policy for any action.
fn widened(policy: &Policy) -> Option<Policy> {
    let mut json = policy.to_json().ok()?;
    json.as_object_mut()?.insert("action".to_owned(), serde_json::json!({ "op": "All" }));
    Policy::from_json(Some(policy.id().clone()), json).ok()
}

/// Reads a file of cases.
pub(crate) fn read(cases: &CasesSource) -> Result<Vec<Case>, Faults> {
    serde_json::from_str(&cases.text)
        .map_err(|it| vec![Fault::at(&cases.file, it.line(), it.column(), format!("not a list of cases: {it}"))])
}

fn run(
    cases: &CasesSource,
    policies: Vec<Policy>,
    doubt: &Doubt,
    (schema, known): (&Schema, Known),
) -> Result<Ran, Faults> {
    let file = cases.file.as_path();
    let read = read(cases)?;
    let set = PolicySet::from_policies(policies).map_err(|it| vec![Fault::of(file, it.to_string())])?;
    let ids: Vec<String> = set.policies().map(|it| it.id().to_string()).collect();
    let mut faults = Faults::new();
    for (number, case) in read.iter().enumerate() {
        let name = case.name.clone().unwrap_or_else(|| format!("number {}", number + 1));
        let missing = |it: &&String| !ids.contains(it) && !doubt.may_be(it);
        let unknown = case.reason.iter().filter(missing).map(|it| format!("no policy has the id `{it}`"));
        let outcome =
            if known == Known::Some && is_strange(case, schema) { Ok(()) } else { outcome(case, &set, doubt, schema) };
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
fn outcome(case: &Case, set: &PolicySet, doubt: &Doubt, schema: &Schema) -> Result<(), String> {
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
        if doubt.turns(decision, &reason, &request, &entities) {
            return Ok(());
        }
        return Err(format!("decision is {decision:?}, by {reason:?}").to_lowercase());
    }
    // Those that are left out may be named as well.
    expected.retain(|it| reason.contains(it) || !doubt.may_be(it));
    if reason != expected {
        return Err(format!("reason is {reason:?}, not {expected:?}"));
    }
    if errors != case.num_errors && !doubt.any {
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
