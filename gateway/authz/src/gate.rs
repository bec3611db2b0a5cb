//! What policies have to pass before they decide anything. Every fault is found in one go, each with its line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cedar_policy::{
    ActionConstraint, Effect, Policy, PolicyId, PolicySet, PrincipalConstraint, ResourceConstraint, Schema,
    ValidationMode, Validator,
};
use domain::{ApiName, Fault, Faults};
use miette::Diagnostic;

use crate::cases;
use crate::conditions::{self, Condition};
use crate::nesting::{Excess, MAX_NESTING, MAX_POLICY, excess};
use crate::refusal::Reason;
use crate::source::{Fronted, PolicyKind, PolicySource};

/// The longest file, in bytes.
const MAX_FILE: usize = 1024 * 1024;
/// The longest chain of operators: one that can still be evaluated on a 2-MiB stack, with room for who asks.
const MAX_DEPTH: usize = 400;
/// The stack that policies are read and validated on.
const STACK: usize = 16 * 1024 * 1024;
/// Ids that the gateway gives to what it generates.
const RESERVED_IDS: [&str; 2] = ["ceiling.", "isolation."];
/// Annotations whose meaning the gateway gives.
const RESERVED_ANNOTATIONS: [&str; 3] = ["kind", "invariant", "never"];

/// Policies that have passed.
pub(crate) struct Passed {
    /// All of them, by id.
    pub(crate) policies: BTreeMap<String, Policy>,
    /// The ids of guardrails that nothing in this deployment can come under.
    pub(crate) idle: Vec<String>,
}

/// Runs `work` on a stack that no policy of permitted size can exhaust.
pub(crate) fn on_a_big_stack<T: Send>(work: impl FnOnce() -> Result<T, Faults> + Send) -> Result<T, Faults> {
    let failed = || vec![Fault::of(Path::new("policies"), "the policies could not be read: no thread to read them on")];
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().name("policies".to_owned()).stack_size(STACK);
        reader.spawn_scoped(scope, work).map_err(|_| failed())?.join().map_err(|_| failed())?
    })
}

/// Lets policies through the gate: those of `sources`, beside those generated from the documents.
pub(crate) fn pass(
    sources: &[PolicySource],
    apis: &[Fronted],
    schema: &Schema,
    generated: Vec<Policy>,
) -> Result<Passed, Faults> {
    let mut gate = Gate { schema, apis, faults: Faults::new(), read: BTreeMap::new(), idle: Vec::new() };
    for source in sources {
        gate.read(source);
    }
    let mut policies: BTreeMap<String, Policy> = generated.into_iter().map(|it| (it.id().to_string(), it)).collect();
    policies.extend(gate.read.iter().map(|(id, read)| (id.clone(), read.policy.clone())));
    gate.validate(&policies);
    for source in sources.iter().filter(|_| gate.faults.is_empty()).collect::<Vec<_>>() {
        gate.faults.extend(cases::run_source(source, schema).err().into_iter().flatten());
    }
    gate.faults.sort();
    gate.faults.dedup();
    if gate.faults.is_empty() { Ok(Passed { policies, idle: gate.idle }) } else { Err(gate.faults) }
}

/// Reads one file into policies named by their `@id`; only what is wrong with the text itself is a fault here.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Vec<Policy>, Faults> {
    if text.len() > MAX_FILE {
        return Err(vec![Fault::of(file, format!("longer than {MAX_FILE} bytes")).with_help("split the file")]);
    }
    match excess(text) {
        Some(Excess::Deep(offset)) => {
            let fault = Fault::at_offset(file, text, offset, format!("nested more than {MAX_NESTING} deep"));
            return Err(vec![fault.with_help("split the condition into several policies")]);
        }
        Some(Excess::Long(offset)) => {
            let fault = Fault::at_offset(file, text, offset, format!("a policy longer than {MAX_POLICY} bytes"));
            return Err(vec![fault.with_help("split the policy")]);
        }
        None => {}
    }
    let set: PolicySet = text.parse().map_err(|faults: cedar_policy::ParseErrors| {
        faults.iter().map(|it| pointed(file, text, it)).collect::<Faults>()
    })?;
    let mut faults = Faults::new();
    for template in set.templates() {
        let id = annotated(template.annotations(), "id").map_or_else(|| template.id().to_string(), str::to_owned);
        let fault = Fault::of(file, format!("template `{id}` has no link"));
        faults.push(fault.with_help("name the principal and the resource in the policy itself"));
    }
    let mut policies = Vec::new();
    for policy in set.policies() {
        let offset = conditions::offset(policy).unwrap_or(0);
        if let Some(id) = annotated(policy.annotations(), "id").filter(|it| !it.is_empty()) {
            policies.push((offset, policy.new_id(PolicyId::new(id))));
        } else {
            let fault = Fault::at_offset(file, text, offset, "policy without an id");
            faults.push(fault.with_help("put `@id(\"...\")` above it"));
        }
    }
    // A set keeps no order of its own.
    policies.sort_by_key(|(offset, _)| *offset);
    if faults.is_empty() { Ok(policies.into_iter().map(|(_, policy)| policy).collect()) } else { Err(faults) }
}

/// A fault of Cedar's, at the place it points to.
fn pointed(file: &Path, text: &str, fault: &dyn Diagnostic) -> Fault {
    let message = fault.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let labelled = fault.labels().and_then(|mut it| it.next());
    let place = match labelled {
        Some(label) => Fault::at_offset(file, text, label.offset(), message),
        None => Fault::of(file, message),
    };
    match fault.help() {
        Some(help) => place.with_help(help.to_string()),
        None => place,
    }
}

struct Gate<'a> {
    schema: &'a Schema,
    apis: &'a [Fronted],
    faults: Faults,
    read: BTreeMap<String, Read<'a>>,
    idle: Vec<String>,
}

/// A policy and where it was read.
struct Read<'a> {
    policy: Policy,
    source: &'a PolicySource,
    offset: usize,
}

impl<'a> Gate<'a> {
    fn read(&mut self, source: &'a PolicySource) {
        match parse(&source.file, &source.text) {
            Err(faults) => self.faults.extend(faults),
            Ok(policies) => policies.into_iter().for_each(|it| self.admit(it, source)),
        }
    }

    fn admit(&mut self, policy: Policy, source: &'a PolicySource) {
        let offset = conditions::offset(&policy).unwrap_or(0);
        let id = policy.id().to_string();
        let mut wrong = self.wrong(&policy, source);
        if let Some(other) = self.read.get(&id) {
            let place = Fault::at_offset(&other.source.file, &other.source.text, other.offset, "");
            let message = format!("id `{id}` is taken at {}:{}", place.file.display(), place.line);
            wrong.push((message, "give the policy an id of its own".to_owned()));
        }
        let faults = wrong
            .into_iter()
            .map(|(message, help)| Fault::at_offset(&source.file, &source.text, offset, message).with_help(help));
        self.faults.extend(faults);
        if source.kind == PolicyKind::Guardrail && self.is_idle(&policy) {
            self.idle.push(id);
        } else {
            self.read.entry(id).or_insert(Read { policy, source, offset });
        }
    }

    /// What a policy of this kind must not be, with what to do about it.
    fn wrong(&self, policy: &Policy, source: &PolicySource) -> Vec<(String, String)> {
        let id = policy.id();
        let mut wrong = Vec::new();
        let mut fault = |message: String, help: &str| wrong.push((message, help.to_owned()));
        if Condition::of(policy).depth() > MAX_DEPTH {
            fault(format!("policy `{id}` chains more than {MAX_DEPTH} operators"), "split the policy, or use a set");
        }
        if RESERVED_IDS.iter().any(|it| id.to_string().starts_with(it)) {
            fault(format!("id `{id}` begins like one the gateway generates"), "choose another id");
        }
        for (name, _) in policy.annotations().filter(|(name, _)| RESERVED_ANNOTATIONS.contains(name)) {
            fault(format!("policy `{id}` carries the reserved annotation `@{name}`"), "leave the annotation out");
        }
        match &source.kind {
            PolicyKind::Guardrail => {
                if policy.effect() == Effect::Permit {
                    fault(
                        format!("guardrail `{id}` permits"),
                        "a guardrail can only forbid; permit in the folder of an API",
                    );
                }
            }
            PolicyKind::Grant(api) => {
                if let Some(help) = self.strays(policy, api) {
                    fault(format!("policy `{id}` reaches beyond the API `{api}`"), &help);
                }
            }
        }
        if let Some(reason) = annotated(policy.annotations(), "reason") {
            if source.kind != PolicyKind::Guardrail {
                fault(format!("policy `{id}` gives a reason"), "only guardrails give the caller a reason of their own");
            } else if reason.parse::<Reason>().is_err() {
                let known = Reason::ALL.map(Reason::as_str).join("`, `");
                fault(
                    format!("guardrail `{id}` gives the unknown reason `{reason}`"),
                    &format!("use one of `{known}`"),
                );
            }
        }
        wrong
    }

    /// What to write instead, where a policy of an API does not confine itself to that API.
    fn strays(&self, policy: &Policy, api: &ApiName) -> Option<String> {
        let Some(fronted) = self.apis.iter().find(|it| it.api.name == *api) else {
            return Some(format!("there is no API `{api}`"));
        };
        let namespace = &fronted.api.namespace;
        let own = |it: &str| it == namespace;
        let by_action = match policy.action_constraint() {
            ActionConstraint::Any => false,
            ActionConstraint::In(uids) => uids.iter().all(|it| own(&it.type_name().namespace())),
            ActionConstraint::Eq(uid) => own(&uid.type_name().namespace()),
        };
        let by_resource = match policy.resource_constraint() {
            ResourceConstraint::Any => false,
            ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) => own(&uid.type_name().namespace()),
            ResourceConstraint::Is(kind) | ResourceConstraint::IsIn(kind, _) => own(&kind.namespace()),
        };
        let help = format!("name actions of this API, such as `action in {namespace}::Action::\"read\"`");
        (!by_action && !by_resource).then_some(help)
    }

    /// Whether a guardrail speaks of a group of actions that is known and has no member in this deployment, or of one
    /// that only other principals can ask for. It would be a dead policy here, and is none elsewhere.
    fn is_idle(&self, policy: &Policy) -> bool {
        let known = match policy.action_constraint() {
            ActionConstraint::Any | ActionConstraint::Eq(_) => false,
            ActionConstraint::In(uids) => uids.iter().all(|it| self.schema.actions().any(|group| group == it)),
        };
        let any_principal = match policy.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => true,
            PrincipalConstraint::In(_) | PrincipalConstraint::Eq(_) | PrincipalConstraint::IsIn(..) => false,
        };
        known && any_principal && policy.get_valid_request_envs(self.schema).next().is_none()
    }

    fn validate(&mut self, policies: &BTreeMap<String, Policy>) {
        let set = match PolicySet::from_policies(policies.values().cloned()) {
            Ok(set) => set,
            Err(fault) => return self.faults.push(Fault::of(Path::new("policies"), fault.to_string())),
        };
        let result = Validator::new(self.schema.clone()).validate_with_level(&set, ValidationMode::Strict, 1);
        let wrong: BTreeSet<&PolicyId> =
            result.validation_errors().map(cedar_policy::ValidationError::policy_id).collect();
        let errors = result.validation_errors().map(|it| (it.policy_id(), it as &dyn Diagnostic));
        let warnings = result.validation_warnings().map(|it| (it.policy_id(), it as &dyn Diagnostic));
        // What is wrong with a policy also makes it one that never applies; that is no news.
        let warnings = warnings.filter(|(id, _)| !wrong.contains(id));
        let found: Vec<Fault> = errors.chain(warnings).map(|(id, it)| self.placed(id, it)).collect();
        self.faults.extend(found);
    }

    /// A fault of validation in the file its policy was read from; where it points nowhere, at the policy.
    fn placed(&self, id: &PolicyId, fault: &dyn Diagnostic) -> Fault {
        let Some(Read { source, offset, .. }) = self.read.get(AsRef::<str>::as_ref(id)) else {
            return pointed(Path::new("generated"), "", fault);
        };
        let placed = pointed(&source.file, &source.text, fault);
        if placed.line > 0 {
            return placed;
        }
        Fault { help: placed.help, ..Fault::at_offset(&source.file, &source.text, *offset, placed.message) }
    }
}

/// The reason a policy gives when it forbids.
pub(crate) fn reason(policy: &Policy) -> Reason {
    annotated(policy.annotations(), "reason").and_then(|it| it.parse().ok()).unwrap_or(Reason::Forbidden)
}

/// The value of one annotation. Cedar's own look-up parses the name each time, which costs more than the rest of the gate.
fn annotated<'a>(mut annotations: impl Iterator<Item = (&'a str, &'a str)>, name: &str) -> Option<&'a str> {
    annotations.find(|(it, _)| *it == name).map(|(_, value)| value)
}
