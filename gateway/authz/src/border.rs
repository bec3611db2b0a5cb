//! Where a call, a caller and an arrival become principal, action, resource and context. Only typed values cross.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use domain::{Arrival, AuthMethod, Call, Caller, Grant, Standing, Timestamp};

use crate::conditions::Facts;
use crate::index::Standpoint;
use crate::reads::{Fact, Keys};
use crate::resource::ResourcePath;
use crate::source::ResourceTenant;

/// The types of `Gw`, read once.
#[derive(Debug)]
pub(crate) struct Kinds {
    api_key: EntityTypeName,
    anonymous: EntityTypeName,
    scope: EntityTypeName,
    tenant: EntityTypeName,
    tier: EntityTypeName,
}

impl Kinds {
    pub(crate) fn new() -> Option<Self> {
        let kind = |name: &str| name.parse().ok();
        Some(Self {
            api_key: kind("Gw::ApiKey")?,
            anonymous: kind("Gw::Anonymous")?,
            scope: kind("Gw::Scope")?,
            tenant: kind("Gw::Tenant")?,
            tier: kind("Gw::Tier")?,
        })
    }

    /// The caller as Cedar sees it.
    pub(crate) fn principal(&self, standing: Option<&Standing>) -> Option<(Standpoint, Entity)> {
        let Some(standing) = standing else {
            let uid = uid(&self.anonymous, "anonymous");
            let entity = Entity::new_no_attrs(uid.clone(), HashSet::new());
            return Some((Standpoint { uid, ancestors: Vec::new() }, entity));
        };
        let tenant = uid(&self.tenant, standing.tenant.as_str());
        let mut ancestors = vec![tenant.clone(), uid(&self.tier, standing.tier.as_str())];
        ancestors.extend(standing.scopes.iter().map(|it| uid(&self.scope, it.as_str())));
        let mut attributes = HashMap::from([
            ("tenant".to_owned(), RestrictedExpression::new_entity_uid(tenant)),
            ("suspended".to_owned(), RestrictedExpression::new_bool(standing.suspended)),
        ]);
        let expires = standing.expires.map(|it| RestrictedExpression::new_datetime(datetime(it)));
        attributes.extend(expires.map(|it| ("expires".to_owned(), it)));
        let owner = standing.owner.clone().map(RestrictedExpression::new_string);
        attributes.extend(owner.map(|it| ("owner".to_owned(), it)));
        let uid = uid(&self.api_key, standing.key.as_str());
        let entity = Entity::new(uid.clone(), attributes, ancestors.iter().cloned().collect()).ok()?;
        Some((Standpoint { uid, ancestors }, entity))
    }

    /// Whose the resource is; `None` where that is not known, which leaves the attribute out.
    fn resource_tenant(
        &self,
        tenancy: &ResourceTenant,
        call: Option<&Call>,
        caller: Option<&Standing>,
    ) -> Option<EntityUid> {
        let id = match tenancy {
            ResourceTenant::Caller => caller.map(|it| it.tenant.as_str()),
            ResourceTenant::Parameter(name) => call.and_then(|it| it.parameter(name)),
        };
        id.map(|it| uid(&self.tenant, it))
    }
}

/// How one operation's resources are named.
#[derive(Debug)]
pub(crate) struct Resources {
    pub(crate) path: ResourcePath,
    /// The type at each step of the path, outermost first; one more than steps where there are none.
    pub(crate) kinds: Vec<EntityTypeName>,
    /// The API's own id, which a collection without a parent acts on.
    pub(crate) api: String,
    pub(crate) tenancy: ResourceTenant,
}

impl Resources {
    /// The resource a call names, as Cedar sees it.
    pub(crate) fn of(&self, kinds: &Kinds, call: &Call, caller: Option<&Standing>) -> Option<(Standpoint, Entity)> {
        let mut ids = self.path.ids(call)?;
        if ids.is_empty() {
            ids.push(self.api.clone());
        }
        let mut line: Vec<EntityUid> = self.kinds.iter().zip(&ids).map(|(kind, id)| uid(kind, id)).collect();
        let uid = line.pop()?;
        entity(uid, line, kinds.resource_tenant(&self.tenancy, Some(call), caller))
    }

    /// Any resource of this operation, where nothing but its tenant matters and the caller settles that.
    pub(crate) fn any(&self, kinds: &Kinds, caller: Option<&Standing>) -> Option<(Standpoint, Entity)> {
        let kind = self.kinds.last()?;
        entity(uid(kind, ""), Vec::new(), kinds.resource_tenant(&self.tenancy, None, caller))
    }
}

fn entity(uid: EntityUid, mut ancestors: Vec<EntityUid>, tenant: Option<EntityUid>) -> Option<(Standpoint, Entity)> {
    ancestors.extend(tenant.clone());
    let tenant = tenant.map(|it| ("tenant".to_owned(), RestrictedExpression::new_entity_uid(it)));
    let entity = Entity::new(uid.clone(), tenant.into_iter().collect(), ancestors.iter().cloned().collect()).ok()?;
    Some((Standpoint { uid, ancestors }, entity))
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// A moment as Cedar writes it, to the millisecond.
fn datetime(at: Timestamp) -> String {
    let seconds = Timestamp::from_seconds(at.seconds());
    let milliseconds = (at.nanos() - seconds.nanos()) / 1_000_000;
    format!("{}.{milliseconds:03}Z", seconds.to_string().trim_end_matches('Z'))
}

/// The facts of a request that are asked for, and no others.
pub(crate) fn facts(keys: Keys, caller: Option<&Caller>, arrival: &Arrival) -> Facts {
    let mut context = Facts::default();
    let mut open: Option<(&'static str, Facts)> = None;
    for fact in keys.facts() {
        let (group, name) = fact.name();
        let (_, mut fields) = match open.take() {
            Some(same) if same.0 == group => same,
            other => {
                if let Some((group, fields)) = other {
                    context.record(group, fields);
                }
                (group, Facts::default())
            }
        };
        put(&mut fields, fact, name, (caller, arrival));
        open = Some((group, fields));
    }
    if let Some((group, fields)) = open {
        context.record(group, fields);
    }
    context
}

const SECONDS_PER_HOUR: i64 = 3_600;
const HOURS_PER_DAY: i64 = 24;

fn put(fields: &mut Facts, fact: Fact, name: &'static str, (caller, arrival): (Option<&Caller>, &Arrival)) {
    let hours = || arrival.at.wall.seconds().div_euclid(SECONDS_PER_HOUR);
    match fact {
        Fact::SourceIp => fields.address(name, arrival.source.address),
        Fact::SourceTls => fields.flag(name, arrival.source.tls),
        Fact::SourceInKeyAllowlist => fields.flag(name, caller.is_none_or(|it| it.in_allowlist)),
        Fact::AuthMethod => fields.text(name, method(caller)),
        Fact::AuthMfa => fields.flag(name, second_factor(caller).is_some()),
        Fact::AuthMfaAge => {
            let shown = second_factor(caller).and_then(|it| it.authenticated);
            if let Some(shown) = shown {
                fields.duration(name, arrival.at.wall.since(shown));
            }
        }
        Fact::AuthLoginAge => {
            let grant = caller.and_then(|it| it.standing.grant.as_ref());
            if let Some(shown) = grant.and_then(|it| it.authenticated) {
                fields.duration(name, arrival.at.wall.since(shown));
            }
        }
        Fact::AuthTokenAge => {
            if let Some(token) = caller.and_then(|it| it.token.as_ref()) {
                fields.duration(name, arrival.at.wall.since(token.issued));
            }
        }
        Fact::TimeNow => fields.moment(name, arrival.at.wall),
        Fact::TimeHour => fields.number(name, hours().rem_euclid(HOURS_PER_DAY)),
        // 1970-01-01 was a Thursday.
        Fact::TimeWeekday => fields.number(name, (hours().div_euclid(HOURS_PER_DAY) + 3).rem_euclid(7) + 1),
        Fact::ReqId => fields.text(name, &arrival.id.to_string()),
        Fact::ReqMethod => fields.text(name, arrival.method.as_str()),
        Fact::ReqHost => fields.text(name, &arrival.host),
        Fact::ReqPath => fields.text(name, arrival.path.as_str()),
        Fact::ReqBodyBytes => {
            let declared = arrival.headers.get(http::header::CONTENT_LENGTH);
            let declared = declared.and_then(|it| it.to_str().ok()).and_then(|it| it.parse().ok());
            if let Some(declared) = declared {
                fields.number(name, declared);
            }
        }
    }
}

/// What the caller acts by, where more than a password was shown for it.
fn second_factor(caller: Option<&Caller>) -> Option<&Grant> {
    caller?.standing.grant.as_ref().filter(|it| it.is_multi_factor())
}

/// The word policies know the way of authenticating by.
pub(crate) fn method(caller: Option<&Caller>) -> &'static str {
    caller.map_or("anonymous", |it| AuthMethod::as_str(it.method))
}
