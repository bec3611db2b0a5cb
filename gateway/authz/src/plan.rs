//! Operations made ready: everything about one that no request can change.

use std::sync::{Arc, OnceLock};

use cedar_policy::{Entities, EntityId, EntityTypeName, EntityUid, Schema};
use domain::{ApiName, Operation, OperationId};
use hashbrown::HashMap;

use crate::border::Resources;
use crate::ceilings::Ceiling;
use crate::conditions::{Being, Uid};
use crate::decide::Cell;
use crate::index::Standpoint;
use crate::resource::ResourcePath;
use crate::schema;
use crate::source::Fronted;

/// What is known of an operation before anybody asks for it.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) operation: Arc<Operation>,
    pub(crate) number: usize,
    pub(crate) action: Standpoint,
    pub(crate) action_uid: Uid,
    pub(crate) action_being: Being,
    pub(crate) resources: Resources,
    pub(crate) resource_kind: EntityTypeName,
    pub(crate) ceiling: Option<Ceiling>,
    /// The decision on somebody without a credential: without TLS, and over it.
    pub(crate) anonymous: [OnceLock<Arc<Cell>>; 2],
}

/// The plans of all operations, found by the operation itself or by its names.
#[derive(Debug)]
pub(crate) struct Plans {
    all: Vec<Plan>,
    /// By address. Each plan holds its operation, so no other can take the address.
    by_address: HashMap<usize, usize>,
    by_name: HashMap<(ApiName, OperationId), usize>,
}

impl Plans {
    /// The plans of all operations; `None` where the schema lacks one.
    pub(crate) fn of(apis: &[Fronted], schema: &Schema) -> Option<Self> {
        let actions = schema.action_entities().ok()?;
        let mut all = Vec::new();
        for fronted in apis {
            let mut types = Types::of(fronted);
            for operation in &fronted.api.operations {
                all.push(Plan::of(fronted, operation, all.len(), (&mut types, &actions))?);
            }
        }
        let by_address = |(at, it): (usize, &Plan)| (Arc::as_ptr(&it.operation).addr(), at);
        let by_name = |(at, it): (usize, &Plan)| ((it.operation.api.clone(), it.operation.id.clone()), at);
        let (by_address, by_name) =
            (all.iter().enumerate().map(by_address).collect(), all.iter().enumerate().map(by_name).collect());
        Some(Self { all, by_address, by_name })
    }

    /// All of them, in the order of the documents.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Plan> {
        self.all.iter()
    }

    pub(crate) fn of_operation(&self, operation: &Arc<Operation>) -> Option<&Plan> {
        if let Some(at) = self.by_address.get(&Arc::as_ptr(operation).addr()) {
            return self.all.get(*at);
        }
        // One read a second time from the same documents. A different operation of the same name is not the one that was
        // validated.
        let at = self.by_name.get(&(operation.api.clone(), operation.id.clone()))?;
        self.all.get(*at).filter(|it| {
            let known = &it.operation;
            (&known.method, &known.template, &known.requirement, known.class)
                == (&operation.method, &operation.template, &operation.requirement, operation.class)
        })
    }
}

/// The types of one API, each read once: reading the name of one costs as much as a decision.
struct Types<'a> {
    namespace: &'a str,
    read: HashMap<String, EntityTypeName>,
}

impl<'a> Types<'a> {
    fn of(fronted: &'a Fronted) -> Self {
        Self { namespace: &fronted.api.namespace, read: HashMap::new() }
    }

    fn named(&mut self, name: &str) -> Option<EntityTypeName> {
        if let Some(read) = self.read.get(name) {
            return Some(read.clone());
        }
        let read: EntityTypeName = format!("{}::{name}", self.namespace).parse().ok()?;
        self.read.insert(name.to_owned(), read.clone());
        Some(read)
    }
}

impl Plan {
    fn of(
        fronted: &Fronted,
        operation: &Arc<Operation>,
        number: usize,
        (types, actions): (&mut Types<'_>, &Entities),
    ) -> Option<Self> {
        let uid = EntityUid::from_type_name_and_id(types.named("Action")?, EntityId::new(operation.id.as_str()));
        let path = ResourcePath::of(operation);
        let steps = path.0.iter().map(|it| it.kind.as_str());
        let named = steps.chain(path.0.is_empty().then(|| path.kind())).map(|it| types.named(it));
        let kinds = named.collect::<Option<Vec<_>>>()?;
        let (api, tenancy) = (fronted.api.name.to_string(), fronted.resource_tenant.clone());
        Some(Self {
            operation: Arc::clone(operation),
            number,
            action_uid: Uid::from(&uid),
            action_being: Being::from(actions.get(&uid)?),
            action: Standpoint { ancestors: actions.ancestors(&uid)?.cloned().collect(), uid },
            resource_kind: kinds.last()?.clone(),
            resources: Resources { path, kinds, api, tenancy },
            ceiling: schema::ceiling(fronted, operation),
            anonymous: Default::default(),
        })
    }
}
