//! One immutable set of policies, made ready to decide.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cedar_policy::{Effect, EntityUid, Policy, PolicySet, Schema};
use domain::{ApiName, Arrival, Call, Caller, Fault, Faults, Operation, Standing};

use crate::border::Kinds;
use crate::bundle;
use crate::cases::{self, Ran};
use crate::conditions::{self, Being, Condition, Uid};
use crate::decide::Cell;
use crate::gate::{self, Ground, Known};
use crate::index::{Index, Standpoint};
use crate::plan::{Plan, Plans};
use crate::reads::{Keys, Reads};
use crate::refusal::{Forbidden, Grounds, Permit, Reason};
use crate::schema::{self, Model};
use crate::slots::{Slots, hash};
use crate::source::{Fronted, PolicySource};

/// How many decisions are kept ready, one for each pair of a credential and an operation.
const CELLS: usize = 16 * 1024;
/// How many credentials are kept as Cedar sees them.
const PRINCIPALS: usize = 8 * 1024;

/// One set of policies over the APIs it was validated for. Immutable: a change makes a new one.
#[derive(Debug)]
pub struct Authorizer {
    pub(crate) policies: Vec<Compiled>,
    pub(crate) index: Index,
    pub(crate) kinds: Kinds,
    plans: Plans,
    pub(crate) cells: Slots<Cell>,
    pub(crate) principals: Slots<Principal>,
    pub(crate) bundle: Arc<str>,
    unmapped: Arc<Grounds>,
    elsewhere: Arc<Grounds>,
    pub(crate) skipped: AtomicU64,
    /// As Cedar itself would have them, for checking and for cases.
    pub(crate) stock: PolicySet,
    pub(crate) schema: Schema,
    texts: HashMap<ApiName, String>,
    idle: Vec<String>,
}

/// A policy, taken apart.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) id: Arc<str>,
    pub(crate) effect: Effect,
    pub(crate) condition: Condition,
    pub(crate) reads: Reads,
    /// What the condition joins by `&&`, in order, as far as no more of the context is needed than how the caller came.
    pub(crate) beginning: Vec<(Condition, Reads)>,
    pub(crate) reason: Reason,
}

/// A credential as Cedar sees it.
#[derive(Debug)]
pub(crate) struct Principal {
    /// Held, so that no other standing can take its address while this is kept.
    pub(crate) standing: Option<Arc<Standing>>,
    pub(crate) standpoint: Standpoint,
    pub(crate) uid: Uid,
    pub(crate) being: Being,
}

impl Authorizer {
    /// Reads, validates and tests all policies for these APIs. Every fault at once; nothing is loaded where there is one.
    pub fn load(apis: &[Fronted], sources: &[PolicySource]) -> Result<Self, Faults> {
        gate::on_a_big_stack(|| Self::load_here(apis, sources))
    }

    /// What is wrong with policies where only these APIs could be read. What others would have to be known for is left
    /// out: their own policies are read, but held to nothing.
    pub fn faults(apis: &[Fronted], sources: &[PolicySource]) -> Faults {
        let found: Result<(), Faults> = gate::on_a_big_stack(|| Err(Self::faults_here(apis, sources)));
        found.err().unwrap_or_default()
    }

    fn faults_here(apis: &[Fronted], sources: &[PolicySource]) -> Faults {
        let (apis, mut faults) = schema::fitting(apis);
        let passed = schema::generate(&apis).and_then(|Model { schema, generated, .. }| {
            let ground = Ground { apis: &apis, schema: &schema, known: Known::Some };
            gate::pass(sources, ground, generated)
        });
        faults.extend(passed.err().into_iter().flatten());
        faults
    }

    fn load_here(apis: &[Fronted], sources: &[PolicySource]) -> Result<Self, Faults> {
        if !schema::fitting(apis).1.is_empty() {
            return Err(Self::faults_here(apis, sources));
        }
        let Model { schema, json, texts, generated } = schema::generate(apis)?;
        let passed = gate::pass(sources, Ground { apis, schema: &schema, known: Known::All }, generated)?;
        let internal = |it: &str| vec![Fault::of(Path::new("policies"), it)];
        let stock =
            PolicySet::from_policies(passed.policies.values().cloned()).map_err(|it| internal(&it.to_string()))?;
        let bundle: Arc<str> = named(&json, &passed.policies).into();
        let kinds = Kinds::new().ok_or_else(|| internal("the types of `Gw` are no types"))?;
        let plans = Plans::of(apis, &schema).ok_or_else(|| internal("the generated schema lacks an operation"))?;
        Ok(Self {
            index: Index::of(passed.policies.values()),
            policies: passed.policies.values().map(Compiled::of).collect(),
            kinds,
            plans,
            cells: Slots::new(CELLS),
            principals: Slots::new(PRINCIPALS),
            unmapped: Arc::new(Grounds::of(Reason::UnmappedOperation, &bundle)),
            elsewhere: Arc::new(Grounds::of(Reason::OtherResource, &bundle)),
            bundle,
            skipped: AtomicU64::new(0),
            stock,
            schema,
            texts,
            idle: passed.idle,
        })
    }

    /// Whether the policies let this call through. `caller` is `None` where the operation admits anybody and no credential
    /// was shown.
    pub fn authorize(&self, call: &Call, caller: Option<&Caller>, arrival: &Arrival) -> Result<Permit, Forbidden> {
        let Some(plan) = self.plans.of_operation(&call.operation) else {
            return Err(Forbidden::new(Arc::clone(&self.unmapped)));
        };
        // Before any policy: none can lift it, and what is read on the way is asked for here as well.
        if caller.and_then(|it| it.standing.bound.as_ref()).is_some_and(|it| !it.admits(call)) {
            return Err(Forbidden::new(Arc::clone(&self.elsewhere)));
        }
        self.decide(plan, call, caller, arrival)
    }

    /// The digest that names this set of policies: SHA-256 in hexadecimal over the schema and all policies.
    pub fn bundle(&self) -> &Arc<str> {
        &self.bundle
    }

    /// How many policies decide, generated ones included.
    pub fn len(&self) -> usize {
        self.policies.len()
    }

    /// Whether no policy decides; then nothing is permitted.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// The ids of guardrails that nothing in this deployment can come under.
    pub fn idle_guardrails(&self) -> &[String] {
        &self.idle
    }

    /// The operations that no permit speaks of, API by API in the order of their documents: nobody can ask for them.
    pub fn unpermitted(&self) -> Vec<Arc<Operation>> {
        let found: Result<_, Faults> = gate::on_a_big_stack(|| {
            let permits = self.stock.policies().filter(|it| it.effect() == Effect::Permit);
            let spoken: BTreeSet<EntityUid> =
                permits.flat_map(|it| it.get_valid_request_envs(&self.schema)).map(|it| it.action().clone()).collect();
            let unspoken = self.plans.all().filter(|it| !spoken.contains(&it.action.uid));
            Ok(unspoken.map(|it| Arc::clone(&it.operation)).collect())
        });
        found.unwrap_or_default()
    }

    /// How often a permitting policy could not be evaluated and was passed over.
    pub fn skipped_permits(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Everything the policies of an API may use, as Cedar schema text.
    pub fn schema_text(&self, api: &ApiName) -> Option<&str> {
        self.texts.get(api).map(String::as_str)
    }

    /// Runs the cases beside policies as the Cedar command line does, each file for itself.
    pub fn run_cases(&self, sources: &[PolicySource]) -> Result<Ran, Faults> {
        gate::on_a_big_stack(|| {
            let mut ran = Ran::default();
            let mut faults = Faults::new();
            for source in sources {
                match cases::run_source(source, &self.schema, Known::All) {
                    Ok(more) => ran.cases += more.cases,
                    Err(more) => faults.extend(more),
                }
            }
            if faults.is_empty() { Ok(ran) } else { Err(faults) }
        })
    }

    pub(crate) fn plan(&self, operation: &Arc<Operation>) -> Option<&Plan> {
        self.plans.of_operation(operation)
    }

    /// The caller as Cedar sees it, from the last time or made now.
    pub(crate) fn principal(&self, caller: Option<&Caller>) -> Option<Arc<Principal>> {
        let Some(caller) = caller else { return Principal::of(&self.kinds, None).map(Arc::new) };
        let hash = hash(Arc::as_ptr(&caller.standing).addr(), 0);
        let is_it = |it: &Principal| it.standing.as_ref().is_some_and(|it| Arc::ptr_eq(it, &caller.standing));
        if let Some(kept) = self.principals.find(hash, is_it) {
            return kept.clone();
        }
        let made = Arc::new(Principal::of(&self.kinds, Some(&caller.standing))?);
        self.principals.keep(hash, Arc::clone(&made));
        Some(made)
    }
}

impl Principal {
    fn of(kinds: &Kinds, standing: Option<&Arc<Standing>>) -> Option<Self> {
        let (standpoint, entity) = kinds.principal(standing.map(Arc::as_ref))?;
        let (uid, being) = (Uid::from(&standpoint.uid), Being::from(&entity));
        Some(Self { standing: standing.cloned(), standpoint, uid, being })
    }
}

impl Compiled {
    fn of(policy: &Policy) -> Self {
        let condition = Condition::of(policy);
        let beginning = condition.conjuncts().into_iter().map(|it| (Reads::of(&it), it)).map(|(reads, it)| (it, reads));
        Self {
            id: policy.id().to_string().into(),
            effect: policy.effect(),
            beginning: beginning.take_while(|(_, it)| it.context.are_within(Keys::MANNER)).collect(),
            reads: Reads::of(&condition),
            condition,
            reason: gate::reason(policy),
        }
    }
}

/// The digest of a schema and policies.
fn named(schema: &serde_json::Value, policies: &BTreeMap<String, Policy>) -> String {
    let spelled: Vec<(&str, String)> = policies.iter().map(|(id, it)| (id.as_str(), conditions::spelled(it))).collect();
    bundle::digest(schema, &spelled)
}

#[cfg(test)]
mod tests;
