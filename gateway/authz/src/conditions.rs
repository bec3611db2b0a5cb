//! Conditions kept ready, and the facts they are weighed by. The one file that knows Cedar's inside.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use cedar_policy::{Entity, EntityUid, Policy};
use cedar_policy_core::ast::{
    self, Context, EntityUIDEntry, Expr, ExprKind, Literal, Name, PartialValue, SlotEnv, Value, ValueKind,
};
use cedar_policy_core::entities::{Entities as CoreEntities, NoEntitiesSchema, TCComputation};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;
use domain::Timestamp;

/// What remains of a policy once its scope is known to hold; `None` where that is all it says.
#[derive(Clone, Debug)]
pub(crate) struct Condition(Option<(Arc<Expr>, SlotEnv)>);

/// A condition that could not be weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Erred;

impl Condition {
    pub(crate) fn of(policy: &Policy) -> Self {
        let policy: &ast::Policy = policy.as_ref();
        Self(policy.non_scope_constraints_arc().map(|it| (Arc::clone(it), policy.env().clone())))
    }

    /// What it joins by `&&`, in the order in which it is weighed: where one is false, those after it are not looked at.
    pub(crate) fn conjuncts(&self) -> Vec<Self> {
        let Some((expression, slots)) = &self.0 else { return Vec::new() };
        let mut conjuncts = Vec::new();
        let mut first = expression;
        while let ExprKind::And { left, right } = first.expr_kind() {
            conjuncts.push(Self(Some((Arc::clone(right), slots.clone()))));
            first = left;
        }
        conjuncts.push(Self(Some((Arc::clone(first), slots.clone()))));
        conjuncts.reverse();
        conjuncts
    }

    fn expression(&self) -> Option<&Expr> {
        self.0.as_ref().map(|(expression, _)| expression.as_ref())
    }

    /// Every variable a condition uses, with the attributes taken from it one after another: `context`, `source`,
    /// `tls`. Walked without recursion, for a chain of operators may be long.
    pub(crate) fn paths(&self) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        let mut within: HashSet<*const Expr> = HashSet::new();
        // A node comes before those it is made of, so a path is met at its end and never again at its beginning.
        for node in self.expression().into_iter().flat_map(Expr::subexpressions) {
            if within.contains(&std::ptr::from_ref(node)) {
                continue;
            }
            let mut path: Vec<String> = Vec::new();
            let mut at = node;
            let variable = loop {
                let kind = at.expr_kind();
                if let ExprKind::Var(variable) = kind {
                    break Some(variable.to_string());
                } else if let ExprKind::GetAttr { expr, attr } | ExprKind::HasAttr { expr, attr } = kind {
                    path.push(attr.to_string());
                    at = expr;
                } else if let ExprKind::ExtHasAttr { expr, attrs } = kind {
                    path.extend(attrs.iter().rev().map(ToString::to_string));
                    at = expr;
                } else {
                    break None;
                }
                within.insert(std::ptr::from_ref(at));
            };
            if let Some(variable) = variable {
                path.push(variable);
                path.reverse();
                paths.push(path);
            } else {
                within.remove(&std::ptr::from_ref(at));
            }
        }
        paths
    }

    /// How many expressions stand within each other at most; evaluation recurses as deep.
    pub(crate) fn depth(&self) -> usize {
        let mut deepest = 0;
        let mut open: Vec<(&Expr, usize)> = self.expression().map(|it| (it, 1)).into_iter().collect();
        while let Some((node, depth)) = open.pop() {
            deepest = deepest.max(depth);
            match node.expr_kind() {
                ExprKind::Lit(_) | ExprKind::Var(_) | ExprKind::Slot(_) | ExprKind::Unknown(_) => {}
                ExprKind::If { test_expr, then_expr, else_expr } => {
                    open.extend([test_expr, then_expr, else_expr].map(|it| (it.as_ref(), depth + 1)));
                }
                ExprKind::And { left, right } | ExprKind::Or { left, right } => {
                    open.extend([left, right].map(|it| (it.as_ref(), depth + 1)));
                }
                ExprKind::BinaryApp { arg1, arg2, .. } => {
                    open.extend([arg1, arg2].map(|it| (it.as_ref(), depth + 1)));
                }
                ExprKind::UnaryApp { arg: expr, .. }
                | ExprKind::GetAttr { expr, .. }
                | ExprKind::HasAttr { expr, .. }
                | ExprKind::ExtHasAttr { expr, .. }
                | ExprKind::Like { expr, .. }
                | ExprKind::Is { expr, .. } => open.push((expr, depth + 1)),
                ExprKind::ExtensionFunctionApp { args: items, .. } | ExprKind::Set(items) => {
                    open.extend(items.iter().map(|it| (it, depth + 1)));
                }
                ExprKind::Record(fields) => open.extend(fields.values().map(|it| (it, depth + 1))),
            }
        }
        deepest
    }
}

/// A policy as text in one spelling, however it was laid out.
pub(crate) fn spelled(policy: &Policy) -> String {
    let policy: &ast::Policy = policy.as_ref();
    policy.to_string()
}

/// Where a policy begins in the text it was read from.
pub(crate) fn offset(policy: &Policy) -> Option<usize> {
    let policy: &ast::Policy = policy.as_ref();
    policy.loc().map(cedar_policy_core::parser::Loc::start)
}

/// An entity's name, ready for many requests.
#[derive(Clone, Debug)]
pub(crate) struct Uid(EntityUIDEntry);

impl From<&EntityUid> for Uid {
    fn from(uid: &EntityUid) -> Self {
        let uid: &ast::EntityUID = uid.as_ref();
        Self(EntityUIDEntry::known(uid.clone(), None))
    }
}

/// An entity with all its ancestors, ready for many requests.
#[derive(Clone, Debug)]
pub(crate) struct Being(Arc<ast::Entity>);

impl From<&Entity> for Being {
    fn from(entity: &Entity) -> Self {
        Self(Arc::new(entity.as_ref().clone()))
    }
}

/// The entities a decision may look at.
#[derive(Clone, Debug, Default)]
pub(crate) struct World(CoreEntities);

impl World {
    /// The same world with more in it. `beings` bring all their ancestors. Two of one name are none, so that a policy
    /// that looks at them cannot be weighed.
    pub(crate) fn with(&self, beings: impl IntoIterator<Item = Being>) -> Self {
        let none: Option<&NoEntitiesSchema> = None;
        let closed = TCComputation::AssumeAlreadyComputed;
        let beings = beings.into_iter().map(|it| it.0);
        Self(self.0.clone().add_entities(beings, none, closed, Extensions::all_available()).unwrap_or_default())
    }
}

/// One request, before which any number of conditions can be brought.
pub(crate) struct Judge<'w>(Evaluator<'w>);

impl<'w> Judge<'w> {
    pub(crate) fn new(principal: &Uid, action: &Uid, resource: &Uid, facts: Facts, world: &'w World) -> Self {
        let [principal, action, resource] = [principal, action, resource].map(|it| it.0.clone());
        let request = ast::Request::new_unchecked(principal, action, resource, Some(facts.into_context()));
        Self(Evaluator::new(request, &world.0, Extensions::all_available()))
    }

    /// The same for a request and entities that were made elsewhere.
    #[cfg(test)]
    pub(crate) fn over(request: &cedar_policy::Request, entities: &'w cedar_policy::Entities) -> Self {
        Self(Evaluator::new(request.as_ref().clone(), entities.as_ref(), Extensions::all_available()))
    }

    /// Whether a condition holds.
    pub(crate) fn holds(&self, condition: &Condition) -> Result<bool, Erred> {
        let Some((expression, slots)) = &condition.0 else { return Ok(true) };
        match self.0.interpret(expression, slots).as_ref().map(Value::value_kind) {
            Ok(ValueKind::Lit(Literal::Bool(holds))) => Ok(*holds),
            Ok(_) | Err(_) => Err(Erred),
        }
    }
}

/// A record of typed values. Nothing a caller sends becomes anything but text or a number in it.
#[derive(Debug, Default)]
pub(crate) struct Facts(Vec<(&'static str, Value)>);

impl Facts {
    pub(crate) fn flag(&mut self, name: &'static str, value: bool) {
        self.0.push((name, Value::from(value)));
    }

    pub(crate) fn number(&mut self, name: &'static str, value: i64) {
        self.0.push((name, Value::from(value)));
    }

    pub(crate) fn text(&mut self, name: &'static str, value: &str) {
        self.0.push((name, Value::from(value)));
    }

    /// An address. One that Cedar does not know is left out, so that a policy that reads it cannot be weighed.
    pub(crate) fn address(&mut self, name: &'static str, value: IpAddr) {
        let value = call(IP.as_ref(), &[Value::from(value.to_string())]);
        self.0.extend(value.map(|it| (name, it)));
    }

    /// A moment, to the millisecond. One beyond Cedar's years is left out likewise.
    pub(crate) fn moment(&mut self, name: &'static str, value: Timestamp) {
        self.0.extend(moment(value).map(|it| (name, it)));
    }

    /// A length of time, to the millisecond. One that Cedar cannot count is left out likewise.
    pub(crate) fn duration(&mut self, name: &'static str, value: Duration) {
        let value = call(DURATION.as_ref(), &[Value::from(format!("{}ms", value.as_millis()))]);
        self.0.extend(value.map(|it| (name, it)));
    }

    pub(crate) fn record(&mut self, name: &'static str, fields: Self) {
        self.0.push((name, Value::record(fields.0, None)));
    }

    /// The same as Cedar's own authorizer takes it.
    pub(crate) fn into_stock(self) -> cedar_policy::Context {
        self.into_context().into()
    }

    fn into_context(self) -> Context {
        Context::Value(Arc::new(self.0.into_iter().map(|(name, value)| (name.into(), value)).collect()))
    }
}

static IP: LazyLock<Option<Name>> = LazyLock::new(|| function("ip"));
static DATETIME: LazyLock<Option<Name>> = LazyLock::new(|| function("datetime"));
static DURATION: LazyLock<Option<Name>> = LazyLock::new(|| function("duration"));
static OFFSET: LazyLock<Option<Name>> = LazyLock::new(|| function("offset"));

/// The parts of a second. Reading a duration from text costs ten times what adding one does.
static MILLISECONDS: LazyLock<Box<[Option<Value>]>> =
    LazyLock::new(|| (0..1_000).map(|it| call(DURATION.as_ref(), &[Value::from(format!("{it}ms"))])).collect());

/// The second most requests are in.
static SECOND: LazyLock<ArcSwapOption<(i64, Value)>> = LazyLock::new(ArcSwapOption::empty);

fn function(name: &str) -> Option<Name> {
    Name::parse_unqualified_name(name).ok()
}

fn call(function: Option<&Name>, arguments: &[Value]) -> Option<Value> {
    let function = Extensions::all_available().func(function?).ok()?;
    match function.call(arguments).ok()? {
        PartialValue::Value(value) => Some(value),
        PartialValue::Residual(_) => None,
    }
}

fn moment(at: Timestamp) -> Option<Value> {
    let milliseconds = usize::try_from((at.nanos() - at.seconds() * 1_000_000_000) / 1_000_000).ok()?;
    let part = MILLISECONDS.get(milliseconds)?.clone()?;
    let second = SECOND.load();
    let second = match second.as_deref() {
        Some((seconds, value)) if *seconds == at.seconds() => value.clone(),
        _ => {
            let value = call(DATETIME.as_ref(), &[Value::from(Timestamp::from_seconds(at.seconds()).to_string())])?;
            SECOND.store(Some(Arc::new((at.seconds(), value.clone()))));
            value
        }
    };
    call(OFFSET.as_ref(), &[second, part])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(condition: &str, facts: impl FnOnce(&mut Facts), expected: Result<bool, Erred>) {
        let policy = format!("permit(principal, action, resource) when {{ {condition} }};");
        let condition = Condition::of(&Policy::parse(None, policy).unwrap());
        let uid = Uid::from(&"T::\"x\"".parse::<EntityUid>().unwrap());
        let mut record = Facts::default();
        facts(&mut record);
        let world = World::default();
        assert_eq!(Judge::new(&uid, &uid, &uid, record, &world).holds(&condition), expected);
    }

    #[test]
    fn facts_are_what_cedar_would_have_read_from_text() {
        for (text, cedar) in [
            ("2026-11-23T12:00:00.250Z", "2026-11-23T12:00:00.250Z"),
            ("2026-11-23T12:00:00.250999999Z", "2026-11-23T12:00:00.250Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01"),
        ] {
            let at: Timestamp = text.parse().unwrap();
            check(&format!("context.at == datetime(\"{cedar}\")"), |it| it.moment("at", at), Ok(true));
        }
        for ip in ["192.0.2.1", "2001:db8::1", "::1"] {
            let address: IpAddr = ip.parse().unwrap();
            check(&format!("context.ip == ip(\"{ip}\")"), |it| it.address("ip", address), Ok(true));
        }
        check(
            "context.n == -3 && context.b && context.t == \"x\"",
            |it| {
                it.number("n", -3);
                it.flag("b", true);
                it.text("t", "x");
            },
            Ok(true),
        );
    }

    #[test]
    fn a_chain_falls_into_what_it_joins_in_order() {
        let parts = |condition: &str| {
            let policy = format!("permit(principal, action, resource) when {{ {condition} }};");
            let all = Condition::of(&Policy::parse(None, policy).unwrap()).conjuncts();
            all.iter().map(|it| it.expression().unwrap().to_string()).collect::<Vec<_>>().join(" / ")
        };
        assert_eq!(parts("context.a && 1 == 2 && !context.b"), "context.a / 1 == 2 / !context.b");
        assert_eq!(parts("context.a || context.b && context.c"), "context.a || (context.b && context.c)");
        assert_eq!(parts("context.a } unless { context.b"), "context.a / !context.b");
    }

    #[test]
    fn what_is_not_there_cannot_be_weighed() {
        check("context.absent", |_| {}, Err(Erred));
        check("1 + 1 == 3", |_| {}, Ok(false));
    }

    #[test]
    fn a_value_that_looks_like_an_entity_stays_text() {
        let sent = r#"{"__entity":{"type":"Gw::Role","id":"support"}}"#;
        check("context.sent is T", |it| it.text("sent", sent), Err(Erred));
        check("context.sent like \"*__entity*\"", |it| it.text("sent", sent), Ok(true));
    }
}
