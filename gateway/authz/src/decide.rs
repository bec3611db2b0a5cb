//! A decision: constants first, then forbids, then permits until one holds.
//!
//! Stricter than Cedar on purpose: a forbid that cannot be evaluated denies. A permit that cannot is passed over and
//! counted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cedar_policy::Effect;
use domain::{Arrival, AuthMethod, Call, Caller, Standing};

use crate::authorizer::{Authorizer, Compiled, Principal};
use crate::border;
use crate::conditions::{Being, Erred, Judge, Uid, World};
use crate::index::{Candidates, Named};
use crate::plan::Plan;
use crate::reads::{Keys, OfResource, Reads};
use crate::refusal::{Forbidden, Grounds, Permit, Reason};
use crate::slots::hash;
use crate::source::ResourceTenant;

/// All that can be decided for one credential, come in one manner, and one operation before a request comes.
#[derive(Debug)]
pub(crate) struct Cell {
    /// Held, so that no other standing can take its address while this is kept.
    standing: Option<Arc<Standing>>,
    manner: Manner,
    plan: usize,
    verdict: Verdict,
}

/// What [`Keys::MANNER`] tells, but for what the standing tells already: whether a second factor was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Manner {
    method: Option<AuthMethod>,
    tls: bool,
    in_allowlist: bool,
}

impl Manner {
    fn of(caller: Option<&Caller>, arrival: &Arrival) -> Self {
        Self {
            method: caller.map(|it| it.method),
            tls: arrival.source.tls,
            in_allowlist: caller.is_none_or(|it| it.in_allowlist),
        }
    }
}

#[derive(Debug)]
enum Verdict {
    /// Whatever the request holds.
    Permitted(Arc<Grounds>),
    /// Whatever the request holds.
    Denied(Arc<Grounds>),
    /// The request itself has to be looked at.
    Open(Box<Open>),
}

/// What the request itself has to settle.
#[derive(Debug)]
struct Open {
    forbids: Vec<u32>,
    permits: Vec<u32>,
    /// Permits that hold whatever the request holds; then `permits` are not needed.
    granted: Option<Arc<Grounds>>,
    /// Permits that err whatever the request holds.
    erring: Vec<Arc<str>>,
    /// Policies that name a resource.
    named: Vec<Arc<Named>>,
    reads: Reads,
    principal: Arc<Principal>,
    /// Stands for the resource where no policy asks which one it is.
    any_resource: Uid,
    /// Principal, action and that stand-in.
    world: World,
}

/// What a number of policies came to.
#[derive(Debug, Default)]
struct Findings {
    hold: Vec<u32>,
    err: Vec<u32>,
}

impl Grounds {
    pub(crate) fn of(reason: Reason, bundle: &Arc<str>) -> Self {
        let bundle = Arc::clone(bundle);
        Self { reason, determining: Vec::new(), erring: Vec::new(), missing: Vec::new(), bundle }
    }
}

impl Authorizer {
    pub(crate) fn decide(
        &self,
        plan: &Plan,
        call: &Call,
        caller: Option<&Caller>,
        arrival: &Arrival,
    ) -> Result<Permit, Forbidden> {
        let Some(caller) = caller else {
            let [without_tls, over_tls] = &plan.anonymous;
            let kept = if arrival.source.tls { over_tls } else { without_tls };
            let kept = kept.get_or_init(|| Arc::new(self.cell(plan, None, arrival)));
            return self.settle(kept, plan, (call, None, arrival));
        };
        let manner = Manner::of(Some(caller), arrival);
        let number = (plan.number + 1) << 2 | usize::from(manner.tls) << 1 | usize::from(manner.in_allowlist);
        let hash = hash(Arc::as_ptr(&caller.standing).addr(), number);
        let is_it = |it: &Cell| {
            it.plan == plan.number
                && it.manner == manner
                && it.standing.as_ref().is_some_and(|it| Arc::ptr_eq(it, &caller.standing))
        };
        if let Some(kept) = self.cells.find(hash, is_it)
            && let Some(ready) = kept.as_deref()
        {
            return self.settle(ready, plan, (call, Some(caller), arrival));
        }
        let made = Arc::new(self.cell(plan, Some(caller), arrival));
        self.cells.keep(hash, Arc::clone(&made));
        self.settle(&made, plan, (call, Some(caller), arrival))
    }

    fn settle(
        &self,
        ready: &Cell,
        plan: &Plan,
        (call, caller, arrival): (&Call, Option<&Caller>, &Arrival),
    ) -> Result<Permit, Forbidden> {
        match &ready.verdict {
            Verdict::Denied(grounds) => Err(Forbidden::new(Arc::clone(grounds))),
            Verdict::Permitted(grounds) => {
                self.skipped.fetch_add(grounds.erring.len() as u64, Ordering::Relaxed);
                Ok(Permit::new(Arc::clone(grounds)))
            }
            // A panic here is a fault of the evaluator's. It must neither let the request through nor take others down.
            Verdict::Open(open) => catch_unwind(AssertUnwindSafe(|| self.weigh(open, plan, (call, caller, arrival))))
                .unwrap_or_else(|_| Err(Forbidden::new(Arc::new(Grounds::of(Reason::PolicyError, &self.bundle))))),
        }
    }

    /// Looks at the request itself.
    fn weigh(
        &self,
        open: &Open,
        plan: &Plan,
        (call, caller, arrival): (&Call, Option<&Caller>, &Arrival),
    ) -> Result<Permit, Forbidden> {
        let standing = caller.map(|it| it.standing.as_ref());
        let error = || Forbidden::new(Arc::new(Grounds::of(Reason::PolicyError, &self.bundle)));
        let mut reads = open.reads;
        let mut named = Vec::new();
        let mut resource = None;
        if reads.resource == OfResource::Itself || !open.named.is_empty() {
            let (standpoint, entity) = plan.resources.of(&self.kinds, call, standing).ok_or_else(error)?;
            named = Candidates::naming(&open.named, &standpoint);
            reads = self.compiled(&named).fold(reads, |reads, (_, it)| reads.union(it.reads));
            resource = Some((Uid::from(&standpoint.uid), open.world.with([Being::from(&entity)])));
        }
        let (resource, world) = resource.as_ref().map_or((&open.any_resource, &open.world), |it| (&it.0, &it.1));
        let facts = border::facts(reads.context, caller, arrival);
        let judge = Judge::new(&open.principal.uid, &plan.action_uid, resource, facts, world);
        let forbids = open.forbids.iter().chain(self.with_effect(&named, Effect::Forbid));
        let found = self.findings(&judge, forbids, false);
        if !found.hold.is_empty() || !found.err.is_empty() {
            return Err(Forbidden::new(Arc::new(self.forbidden(&found, plan, caller))));
        }
        if let Some(granted) = &open.granted {
            self.skipped.fetch_add(granted.erring.len() as u64, Ordering::Relaxed);
            return Ok(Permit::new(Arc::clone(granted)));
        }
        let permits = open.permits.iter().chain(self.with_effect(&named, Effect::Permit));
        let found = self.findings(&judge, permits, true);
        let grounds = Arc::new(self.permitted(&found, &open.erring));
        self.skipped.fetch_add(grounds.erring.len() as u64, Ordering::Relaxed);
        if found.hold.is_empty() { Err(Forbidden::new(grounds)) } else { Ok(Permit::new(grounds)) }
    }

    fn compiled<'a>(&'a self, numbers: impl IntoIterator<Item = &'a u32>) -> impl Iterator<Item = (u32, &'a Compiled)> {
        numbers.into_iter().filter_map(|it| Some((*it, self.policies.get(usize::try_from(*it).ok()?)?)))
    }

    fn with_effect<'a>(&'a self, numbers: &'a [u32], effect: Effect) -> impl Iterator<Item = &'a u32> {
        numbers.iter().filter(move |it| self.compiled([*it]).all(|(_, policy)| policy.effect == effect))
    }

    fn findings<'a>(
        &'a self,
        judge: &Judge<'_>,
        numbers: impl IntoIterator<Item = &'a u32>,
        first_is_enough: bool,
    ) -> Findings {
        let mut found = Findings::default();
        for (number, policy) in self.compiled(numbers) {
            match judge.holds(&policy.condition) {
                Ok(true) => {
                    found.hold.push(number);
                    if first_is_enough {
                        break;
                    }
                }
                Ok(false) => {}
                Err(Erred) => found.err.push(number),
            }
        }
        found
    }

    fn ids(&self, numbers: &[u32]) -> Vec<Arc<str>> {
        self.compiled(numbers).map(|(_, it)| Arc::clone(&it.id)).collect()
    }

    /// The grounds of a refusal by these forbids.
    fn forbidden(&self, forbids: &Findings, plan: &Plan, caller: Option<&Caller>) -> Grounds {
        let reason = self.compiled(&forbids.hold).map(|(_, it)| it.reason).min().unwrap_or(Reason::PolicyError);
        let missing = match (reason, &plan.ceiling, caller) {
            (Reason::InsufficientScope, Some(ceiling), Some(caller)) => {
                ceiling.missing(&caller.standing.scopes, caller.method.as_str())
            }
            _ => Vec::new(),
        };
        let (determining, erring) = (self.ids(&forbids.hold), self.ids(&forbids.err));
        Grounds { determining, erring, missing, ..Grounds::of(reason, &self.bundle) }
    }

    /// The grounds of what these permits say, with what erred before.
    fn permitted(&self, permits: &Findings, erring: &[Arc<str>]) -> Grounds {
        let erring = erring.iter().cloned().chain(self.ids(&permits.err)).collect();
        Grounds { determining: self.ids(&permits.hold), erring, ..Grounds::of(Reason::NoPermit, &self.bundle) }
    }

    /// Decides all that the request itself cannot change.
    fn cell(&self, plan: &Plan, caller: Option<&Caller>, arrival: &Arrival) -> Cell {
        let verdict = self.verdict(plan, caller, arrival).unwrap_or_else(|| {
            // What cannot be put into Cedar's terms cannot be permitted.
            Verdict::Denied(Arc::new(Grounds::of(Reason::PolicyError, &self.bundle)))
        });
        let standing = caller.map(|it| Arc::clone(&it.standing));
        Cell { standing, manner: Manner::of(caller, arrival), plan: plan.number, verdict }
    }

    fn verdict(&self, plan: &Plan, caller: Option<&Caller>, arrival: &Arrival) -> Option<Verdict> {
        let principal = self.principal(caller)?;
        let (any, entity) = plan.resources.any(&self.kinds, caller.map(|it| it.standing.as_ref()))?;
        let any_resource = Uid::from(&any.uid);
        let beings = [principal.being.clone(), plan.action_being.clone(), Being::from(&entity)];
        let world = World::default().with(beings);
        let candidates = self.index.candidates(&principal.standpoint, &plan.action, &plan.resource_kind);
        let manner = border::facts(Keys::MANNER, caller, arrival);
        let judge = Judge::new(&principal.uid, &plan.action_uid, &any_resource, manner, &world);
        let settled_by_caller = plan.resources.tenancy == ResourceTenant::Caller;
        let (constant, mut rest): (Vec<u32>, Vec<u32>) = candidates
            .general
            .iter()
            .partition(|it| self.compiled([*it]).all(|(_, it)| is_constant(it.reads, settled_by_caller)));
        let forbids = self.findings(&judge, self.with_effect(&constant, Effect::Forbid), false);
        if !forbids.hold.is_empty() || !forbids.err.is_empty() {
            return Some(Verdict::Denied(Arc::new(self.forbidden(&forbids, plan, caller))));
        }
        let granted = self.findings(&judge, self.with_effect(&constant, Effect::Permit), false);
        rest.retain(|it| !self.compiled([it]).all(|(_, it)| is_false(it, &judge, settled_by_caller)));
        let [forbids, permits] = [Effect::Forbid, Effect::Permit]
            .map(|effect| self.with_effect(&rest, effect).copied().collect::<Vec<u32>>());
        let grounds = Arc::new(self.permitted(&granted, &[]));
        let named = candidates.named;
        if forbids.is_empty() && named.is_empty() {
            if !granted.hold.is_empty() {
                return Some(Verdict::Permitted(grounds));
            }
            if permits.is_empty() {
                return Some(Verdict::Denied(grounds));
            }
        }
        let needed = if granted.hold.is_empty() { permits.as_slice() } else { &[] };
        let none = Reads { context: Keys::NONE, resource: OfResource::Nothing };
        let reads = self.compiled(forbids.iter().chain(needed)).fold(none, |reads, (_, it)| {
            // A tenant that the caller does not settle is only known once the resource is.
            let itself = it.reads.resource != OfResource::Nothing && !settled_by_caller;
            let resource = if itself { OfResource::Itself } else { it.reads.resource };
            reads.union(Reads { resource, ..it.reads })
        });
        let erring = grounds.erring.clone();
        let granted = (!granted.hold.is_empty()).then_some(grounds);
        let open =
            Open { forbids, permits, granted, erring, named, reads, principal, any_resource, world: world.clone() };
        Some(Verdict::Open(Box::new(open)))
    }
}

/// Whether a condition comes out the same for every request of one credential, come in one manner, and one operation.
fn is_constant(reads: Reads, settled_by_caller: bool) -> bool {
    let same_resource = match reads.resource {
        OfResource::Nothing => true,
        OfResource::Tenant => settled_by_caller,
        OfResource::Itself => false,
    };
    reads.context.are_within(Keys::MANNER) && same_resource
}

/// Whether a condition is false by how it begins, for every such request.
fn is_false(policy: &Compiled, judge: &Judge<'_>, settled_by_caller: bool) -> bool {
    let constant = policy.beginning.iter().take_while(|(_, reads)| is_constant(*reads, settled_by_caller));
    let mut weighed = constant.map(|(condition, _)| judge.holds(condition));
    weighed.find(|it| *it != Ok(true)) == Some(Ok(false))
}
