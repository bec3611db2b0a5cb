//! What policies have to pass before they decide anything. Every fault is found in one go, each with its line.

mod names;
mod pieces;
mod scopes;
mod wording;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cedar_policy::{
    ActionConstraint, Effect, Policy, PolicyId, PolicySet, PrincipalConstraint, ResourceConstraint, Schema,
    ValidationMode, Validator,
};
use domain::{ApiName, Fault, Faults};

use self::pieces::Readable;
use self::wording::Finding;
use crate::cases::{self, Doubt};
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

/// What policies are held to.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) apis: &'a [Fronted],
    pub(crate) schema: &'a Schema,
    pub(crate) known: Known,
}

/// Which APIs there is a schema of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// All of them: what the schema lacks does not exist.
    All,
    /// Not those that are at fault: what the schema lacks may be theirs.
    Some,
}

/// Lets policies through the gate: those of `sources`, beside those generated from the documents.
pub(crate) fn pass(sources: &[PolicySource], ground: Ground<'_>, generated: Vec<Policy>) -> Result<Passed, Faults> {
    let mut gate = Gate {
        ground,
        faults: Faults::new(),
        taken: Faults::new(),
        read: BTreeMap::new(),
        idle: Vec::new(),
        doubted: BTreeSet::new(),
    };
    for source in sources {
        gate.read(source);
    }
    let mut policies: BTreeMap<String, Policy> = generated.into_iter().map(|it| (it.id().to_string(), it)).collect();
    policies.extend(gate.read.iter().map(|(id, read)| (id.clone(), read.policy.clone())));
    gate.validate(&policies);
    gate.shut_doors(sources);
    let cases: Vec<Fault> = sources.iter().flat_map(|it| gate.run_cases(it)).collect();
    let mut faults = gate.faults;
    faults.extend(gate.taken.into_iter().chain(cases));
    faults.sort();
    faults.dedup();
    if faults.is_empty() { Ok(Passed { policies, idle: gate.idle }) } else { Err(faults) }
}

/// Reads one file into policies named by their `@id`; only what is wrong with the text itself is a fault here.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Vec<Policy>, Faults> {
    let Parsed { policies, faults, .. } = Parsed::of(file, text);
    if faults.is_empty() { Ok(policies) } else { Err(faults) }
}

/// What could be read of one file, whatever is wrong with it.
struct Parsed {
    /// In the order of the file. One without an id is named for its line, so that what else is wrong with it is found.
    policies: Vec<Policy>,
    faults: Faults,
    /// Whether there are others, of which nothing is known.
    lacks: bool,
}

impl Parsed {
    fn of(file: &Path, text: &str) -> Self {
        let Readable { set, mut faults, lacks } = match readable(file, text) {
            Ok(read) => read,
            Err(faults) => return Self { policies: Vec::new(), faults, lacks: true },
        };
        for template in set.templates() {
            let id = annotated(template.annotations(), "id").map_or_else(|| template.id().to_string(), str::to_owned);
            let named = text.find(&format!("@id(\"{id}\")"));
            let place = named.or_else(|| text.find("?principal")).or_else(|| text.find("?resource")).unwrap_or(0);
            let fault = Fault::at_offset(file, text, place, format!("template `{id}` has no link"));
            faults.push(fault.with_help("name the principal and the resource in the policy itself"));
        }
        let mut policies = Vec::new();
        for policy in set.policies() {
            let offset = conditions::offset(policy).unwrap_or(0);
            let id = annotated(policy.annotations(), "id").filter(|it| !it.is_empty()).map(str::to_owned);
            let id = id.unwrap_or_else(|| {
                let fault = Fault::at_offset(file, text, offset, "policy without an id");
                let id = placeholder(&fault);
                faults.push(fault.with_help("put `@id(\"...\")` above it"));
                id
            });
            policies.push((offset, policy.new_id(PolicyId::new(id))));
        }
        // A set keeps no order of its own.
        policies.sort_by_key(|(offset, _)| *offset);
        let lacks = lacks || set.templates().next().is_some();
        Self { policies: policies.into_iter().map(|(_, policy)| policy).collect(), faults, lacks }
    }
}

/// What a policy is called that has no id of its own. Where there is one, nothing is put in force.
fn placeholder(at: &Fault) -> String {
    format!("{}:{}:{}", at.file.display(), at.line, at.column)
}

/// The policies of a text that costs no parser too much, as Cedar names them.
fn readable(file: &Path, text: &str) -> Result<Readable, Faults> {
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
    Ok(pieces::read(file, text))
}

struct Gate<'a> {
    ground: Ground<'a>,
    faults: Faults,
    /// Ids that another file has, too. Each of the two files is good in itself.
    taken: Faults,
    read: BTreeMap<String, Read<'a>>,
    idle: Vec<String>,
    /// The ids of policies with which something is wrong, as they stand in their files.
    doubted: BTreeSet<String>,
}

/// A policy and where it was read.
struct Read<'a> {
    policy: Policy,
    source: &'a PolicySource,
    offset: usize,
}

impl<'a> Gate<'a> {
    fn read(&mut self, source: &'a PolicySource) {
        let Parsed { policies, faults, .. } = Parsed::of(&source.file, &source.text);
        self.faults.extend(faults);
        for policy in &policies {
            self.admit(policy, source);
        }
    }

    fn admit(&mut self, policy: &Policy, source: &'a PolicySource) {
        let offset = conditions::offset(policy).unwrap_or(0);
        let here = |message: String| Fault::at_offset(&source.file, &source.text, offset, message);
        let mut id = policy.id().to_string();
        let wrong = self.wrong(policy, source);
        if !wrong.is_empty() || self.read.contains_key(&id) {
            self.doubted.insert(id.clone());
        }
        self.faults.extend(wrong.into_iter().map(|(message, help)| here(message).with_help(help)));
        if let Some(other) = self.read.get(&id) {
            let place = Fault::at_offset(&other.source.file, &other.source.text, other.offset, "");
            let fault = here(format!("id `{id}` is taken at {}:{}", place.file.display(), place.line));
            // Under another id it is heard what else is wrong with it.
            id = placeholder(&fault);
            let faults = if other.source.file == source.file { &mut self.faults } else { &mut self.taken };
            faults.push(fault.with_help("give the policy an id of its own"));
        }
        let policy = policy.new_id(PolicyId::new(&id));
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
                if let Some(fronted) = self.ground.apis.iter().find(|it| it.api.name == *api) {
                    for (scope, help) in scopes::unknown(policy, &fronted.api) {
                        fault(
                            format!("policy `{id}` names the scope `{scope}`, which no operation of `{api}` asks for"),
                            &help,
                        );
                    }
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
        let Some(fronted) = self.ground.apis.iter().find(|it| it.api.name == *api) else {
            return (self.ground.known == Known::All).then(|| format!("there is no API `{api}`"));
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
            ActionConstraint::In(uids) => uids.iter().all(|it| self.ground.schema.actions().any(|group| group == it)),
        };
        let any_principal = match policy.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => true,
            PrincipalConstraint::In(_) | PrincipalConstraint::Eq(_) | PrincipalConstraint::IsIn(..) => false,
        };
        known && any_principal && policy.get_valid_request_envs(self.ground.schema).next().is_none()
    }

    /// An API of whose operations none is permitted to anybody.
    fn shut_doors(&mut self, sources: &[PolicySource]) {
        for api in self.ground.apis.iter().map(|it| &it.api.name) {
            let mut own = sources.iter().filter(|it| it.kind == PolicyKind::Grant(api.clone()));
            let unread = |it: &PolicySource| self.faults.iter().any(|fault| fault.file == it.file);
            let Some(first) = own.clone().next().filter(|_| !own.any(unread)) else { continue };
            let permits = |it: &Read<'_>| {
                it.policy.effect() == Effect::Permit && it.source.kind == PolicyKind::Grant(api.clone())
            };
            if !self.read.values().any(permits) {
                let fault = Fault::of(&first.file, format!("nothing of `{api}` is permitted to anybody"));
                self.faults.push(fault.with_help("write a permit for each scope of its documents"));
            }
        }
    }

    fn validate(&mut self, policies: &BTreeMap<String, Policy>) {
        let Ground { schema, known, .. } = self.ground;
        let judged = policies.values().filter(|it| known == Known::All || names::are_known(it, &self.ground));
        let set = match PolicySet::from_policies(judged.cloned()) {
            Ok(set) => set,
            Err(fault) => return self.faults.push(Fault::of(Path::new("policies"), fault.to_string())),
        };
        let result = Validator::new(schema.clone()).validate_with_level(&set, ValidationMode::Strict, 1);
        let wrong: BTreeSet<&PolicyId> =
            result.validation_errors().map(cedar_policy::ValidationError::policy_id).collect();
        let errors = result.validation_errors().map(|it| self.placed(it.policy_id(), &wording::error(it, schema)));
        // What is wrong with a policy also makes it one that never applies; that is no news.
        let warnings = result.validation_warnings().filter(|it| !wrong.contains(it.policy_id()));
        // A guardrail that nothing comes under may be there for an API that is not known.
        let warnings = warnings.filter(|it| known == Known::All || !self.is_guardrail(it.policy_id()));
        let warnings = warnings.map(|it| self.placed(it.policy_id(), &it.into()));
        let found: Vec<(PolicyId, Fault)> = errors.chain(warnings).collect();
        self.doubted.extend(found.iter().map(|(id, _)| id.to_string()));
        self.faults.extend(wording::once(found));
    }

    fn is_guardrail(&self, id: &PolicyId) -> bool {
        let read = self.read.get(AsRef::<str>::as_ref(id));
        read.is_some_and(|it| it.source.kind == PolicyKind::Guardrail)
    }

    /// A fault of validation in the file its policy was read from; where it points nowhere, at the policy.
    fn placed(&self, id: &PolicyId, fault: &Finding<'_>) -> (PolicyId, Fault) {
        let fault = match self.read.get(AsRef::<str>::as_ref(id)) {
            None => fault.at(Path::new("generated"), "", 0),
            Some(Read { source, offset, .. }) => fault.at(&source.file, &source.text, *offset),
        };
        (id.clone(), fault)
    }

    /// What is wrong with the cases of a file. They are only run where it is known what they should come to: where some of
    /// the policies are at fault, as far as the others decide.
    fn run_cases(&self, source: &PolicySource) -> Faults {
        let known = match &source.kind {
            PolicyKind::Guardrail => true,
            PolicyKind::Grant(api) => self.ground.apis.iter().any(|it| it.api.name == *api),
        };
        let Ground { schema, known: all, .. } = self.ground;
        let ran = if !known {
            source.cases.as_ref().map_or(Ok(()), |it| cases::read(it).map(drop))
        } else if self.faults.iter().all(|it| it.file != source.file) {
            cases::run_source(source, schema, all).map(drop)
        } else {
            let Parsed { policies, lacks, .. } = Parsed::of(&source.file, &source.text);
            let (doubted, sound) = policies.into_iter().partition(|it| self.doubted.contains(&it.id().to_string()));
            cases::run_rest(source, sound, &Doubt::of(&doubted, lacks), (schema, all))
        };
        ran.err().unwrap_or_default()
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
