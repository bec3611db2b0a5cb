//! The same decision by Cedar's own authorizer over all policies: what the fast road is checked against.

use cedar_policy::{AuthorizationError, Authorizer as Stock, Decision, Effect, Entities, PolicyId, PolicySet, Request};
use domain::{Arrival, Call, Caller};

use crate::authorizer::Authorizer;
use crate::border;
use crate::reads::Keys;

/// What Cedar says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockDecision {
    /// Whether it allows it.
    pub allowed: bool,
    /// The ids of the policies that decide, in order.
    pub determining: Vec<String>,
    /// The ids of the policies that err, in order.
    pub erring: Vec<String>,
}

impl Authorizer {
    /// Decides with Cedar's own authorizer over every policy and the whole context, then applies the rule that an erring
    /// forbid denies. `None` for an operation that no document names. Takes about a microsecond a policy: for checking a
    /// sample, not for requests.
    pub fn decide_by_stock(&self, call: &Call, caller: Option<&Caller>, arrival: &Arrival) -> Option<StockDecision> {
        let plan = self.plan(&call.operation)?;
        let standing = caller.map(|it| it.standing.as_ref());
        let (principal, principal_entity) = self.kinds.principal(standing)?;
        let (resource, resource_entity) = plan.resources.of(&self.kinds, call, standing)?;
        let context = border::facts(Keys::ALL, caller, arrival).into_stock();
        let request =
            Request::new(principal.uid, plan.action.uid.clone(), resource.uid, context, Some(&self.schema)).ok()?;
        let entities = Entities::from_entities([principal_entity, resource_entity], None).ok()?;
        let entities = entities.add_entities(self.schema.action_entities().ok()?, None).ok()?;
        let mut decision = by_stock(&request, &self.stock, &entities);
        let is_forbid =
            |it: &String| self.stock.policy(&PolicyId::new(it)).is_some_and(|it| it.effect() == Effect::Forbid);
        decision.allowed &= !decision.erring.iter().any(is_forbid);
        Some(decision)
    }
}

/// Cedar's own decision, with its own rule that a policy that errs is passed over.
pub(crate) fn by_stock(request: &Request, policies: &PolicySet, entities: &Entities) -> StockDecision {
    let response = Stock::new().is_authorized(request, policies, entities);
    let mut determining: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    let mut erring: Vec<String> = response.diagnostics().errors().map(id_of).collect();
    determining.sort();
    erring.sort();
    StockDecision { allowed: response.decision() == Decision::Allow, determining, erring }
}

fn id_of(error: &AuthorizationError) -> String {
    match error {
        AuthorizationError::PolicyEvaluationError(it) => it.policy_id().to_string(),
    }
}
