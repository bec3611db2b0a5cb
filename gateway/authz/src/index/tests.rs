use cedar_policy::{Context, Entities, Entity, EntityId, Policy, PolicyId, PolicySet, Request, SlotId, Template};
use proptest::prelude::*;

use super::*;
use crate::conditions::{Condition, Judge};
use crate::stock::{StockDecision, by_stock};

/// Decides by index and ready conditions, with Cedar's own rule that a policy that errs is passed over.
pub(crate) fn by_index(request: &Request, policies: &PolicySet, entities: &Entities) -> StockDecision {
    let all: Vec<&Policy> = policies.policies().collect();
    let index = Index::of(all.iter().copied());
    let standpoint = |uid: Option<&EntityUid>| {
        let uid = uid.unwrap().clone();
        let ancestors = entities.ancestors(&uid).map(|it| it.cloned().collect()).unwrap_or_default();
        Standpoint { uid, ancestors }
    };
    let [principal, action, resource] = [request.principal(), request.action(), request.resource()].map(standpoint);
    let candidates = index.candidates(&principal, &action, resource.uid.type_name());
    let mut slice = candidates.general;
    slice.extend(Candidates::naming(&candidates.named, &resource));
    let judge = Judge::over(request, entities);
    let (mut permits, mut forbids, mut erring) = (Vec::new(), Vec::new(), Vec::new());
    for policy in slice.iter().map(|it| all[*it as usize]) {
        let id = policy.id().to_string();
        match (judge.holds(&Condition::of(policy)), policy.effect()) {
            (Ok(true), cedar_policy::Effect::Permit) => permits.push(id),
            (Ok(true), cedar_policy::Effect::Forbid) => forbids.push(id),
            (Ok(false), _) => {}
            (Err(_), _) => erring.push(id),
        }
    }
    let allowed = forbids.is_empty() && !permits.is_empty();
    let mut determining = if forbids.is_empty() { permits } else { forbids };
    determining.sort();
    erring.sort();
    StockDecision { allowed, determining, erring }
}

const KINDS: [&str; 2] = ["A", "N::B"];
const IDS: u8 = 4;

fn uid(kind: &str, id: u8) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.parse().unwrap(), EntityId::new(id.to_string()))
}

/// An entity reference as a policy writes it.
fn reference() -> impl Strategy<Value = String> {
    (0..KINDS.len(), 0..IDS).prop_map(|(kind, id)| uid(KINDS[kind], id).to_string())
}

fn scope(var: &'static str) -> impl Strategy<Value = String> {
    let kind = || prop::sample::select(KINDS.to_vec());
    prop_oneof![
        2 => Just(var.to_owned()),
        2 => kind().prop_map(move |it| format!("{var} is {it}")),
        2 => reference().prop_map(move |it| format!("{var} == {it}")),
        3 => reference().prop_map(move |it| format!("{var} in {it}")),
        2 => (kind(), reference()).prop_map(move |(kind, it)| format!("{var} is {kind} in {it}")),
    ]
}

fn action() -> impl Strategy<Value = String> {
    let one = || (0..IDS).prop_map(|it| uid("Action", it).to_string());
    prop_oneof![
        2 => Just("action".to_owned()),
        2 => one().prop_map(|it| format!("action == {it}")),
        3 => one().prop_map(|it| format!("action in {it}")),
        2 => prop::collection::vec(one(), 0..3).prop_map(|it| format!("action in [{}]", it.join(", "))),
    ]
}

fn condition() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "when { context.n > 1 }",
        "unless { principal == resource }",
        "when { context.absent }",
        "when { principal in resource }",
        "when { resource has x && resource.x == 1 }",
        "unless { resource.x == 1 }",
        "when { context.n * 9223372036854775807 > 1 }",
        "when { 1 == context.n } unless { action in Action::\"1\" }",
    ])
}

fn policy() -> impl Strategy<Value = String> {
    let effect = prop::sample::select(vec!["permit", "forbid"]);
    (effect, scope("principal"), action(), scope("resource"), condition()).prop_map(
        |(effect, principal, action, resource, when)| format!("{effect} ({principal}, {action}, {resource}) {when};"),
    )
}

/// A template and what it is linked to.
fn linked() -> impl Strategy<Value = (String, u8, u8)> {
    let principal = prop::sample::select(vec!["principal == ?principal", "principal is A in ?principal"]);
    let resource = prop::sample::select(vec!["resource", "resource in ?resource"]);
    let text = (principal, action(), resource, condition())
        .prop_map(|(principal, action, resource, when)| format!("permit ({principal}, {action}, {resource}) {when};"));
    (text, 0..IDS, 0..IDS)
}

/// Entities of each kind, each below some of those with a smaller number, so that there is no circle.
fn entities() -> impl Strategy<Value = Entities> {
    let parents = || prop::collection::vec(any::<bool>(), usize::from(IDS) * KINDS.len());
    (prop::collection::vec(parents(), usize::from(IDS) * KINDS.len()), prop::collection::vec(any::<u8>(), 4)).prop_map(
        |(edges, actions)| {
            let all: Vec<EntityUid> = KINDS.iter().flat_map(|kind| (0..IDS).map(|id| uid(kind, id))).collect();
            let mut entities: Vec<Entity> = Vec::new();
            for (at, own) in all.iter().enumerate() {
                let above = (0..at).filter(|it| edges[at][*it]).map(|it| all[it].clone());
                let attributes =
                    [("x".to_owned(), cedar_policy::RestrictedExpression::new_long(i64::from(at % 2 == 1)))];
                let attributes = attributes.into_iter().filter(|_| at % 3 > 0).collect();
                entities.push(Entity::new(own.clone(), attributes, above.collect()).unwrap());
            }
            for (at, edges) in (0..IDS).zip(actions) {
                let above = (0..at).filter(|it| edges >> it & 1 == 1).map(|it| uid("Action", it));
                entities.push(Entity::new_no_attrs(uid("Action", at), above.collect()));
            }
            Entities::from_entities(entities, None).unwrap()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_index_finds_what_cedar_finds_in_any_set(
        policies in prop::collection::vec(policy(), 0..24),
        links in prop::collection::vec(linked(), 0..4),
        entities in entities(),
        asked in prop::collection::vec((0..KINDS.len(), 0..=IDS, 0..=IDS, 0..KINDS.len(), 0..=IDS, 0..3_i64), 8),
    ) {
        let mut set = PolicySet::new();
        for (at, text) in policies.iter().enumerate() {
            set.add(Policy::parse(Some(PolicyId::new(format!("p{at}"))), text).unwrap()).unwrap();
        }
        for (at, (text, principal, resource)) in links.iter().enumerate() {
            let id = PolicyId::new(format!("t{at}"));
            set.add_template(Template::parse(Some(id.clone()), text).unwrap()).unwrap();
            let slots = [(SlotId::principal(), uid("A", *principal)), (SlotId::resource(), uid("N::B", *resource))];
            let slots = slots.into_iter().filter(|(slot, _)| text.contains(&slot.to_string())).collect();
            set.link(id, PolicyId::new(format!("l{at}")), slots).unwrap();
        }
        for (of, principal, action, kind, resource, n) in asked {
            let context = [("n".to_owned(), cedar_policy::RestrictedExpression::new_long(n))];
            let context = Context::from_pairs(context).unwrap();
            let (principal, resource) = (uid(KINDS[of], principal), uid(KINDS[kind], resource));
            let request = Request::new(principal, uid("Action", action), resource, context, None).unwrap();
            prop_assert_eq!(by_index(&request, &set, &entities), by_stock(&request, &set, &entities));
        }
    }
}
