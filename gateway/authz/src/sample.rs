//! An API for tests, and callers of it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use domain::{
    Alternative, Api, Arrival, AuthMethod, Body, Call, Caller, Class, Moment, Native, NormalPath, Operation, PathMode,
    RequestId, Requirement, Source, Standing, Tick, Timestamp,
};

/// An operation that anybody with a credential may ask for, as far as its document goes.
pub(crate) fn operation(id: &str, template: &str) -> Operation {
    let parameters = template.split('{').skip(1).filter_map(|it| it.split_once('}')).map(|(name, _)| name.to_owned());
    Operation {
        api: "example".parse().unwrap(),
        api_index: 0,
        id: id.parse().unwrap(),
        method: http::Method::GET,
        template: template.to_owned(),
        parameters: parameters.collect(),
        class: Class::Read,
        requirement: requirement(&[]),
        tags: Vec::new(),
        labels: Vec::new(),
        native: Native::No,
        deprecated: false,
        body: Body::None,
        deadline: None,
        strict: false,
    }
}

/// One scheme that asks for these scopes.
pub(crate) fn requirement(scopes: &[&str]) -> Requirement {
    let scopes = scopes.iter().map(|it| it.parse().unwrap()).collect();
    Requirement(vec![Alternative(vec![("key".to_owned(), scopes)])])
}

/// Things that are listed, read, deleted; their parts; and a page that anybody may read.
pub(crate) fn api() -> Arc<Api> {
    let operations = vec![
        Operation { requirement: requirement(&["things:read"]), ..operation("listThings", "/v1/things") },
        Operation { requirement: requirement(&["things:read"]), ..operation("getThing", "/v1/things/{id}") },
        Operation {
            requirement: requirement(&["things:write"]),
            class: Class::Delete,
            ..operation("deleteThing", "/v1/things/{id}")
        },
        Operation { tags: vec!["parts".to_owned()], ..operation("getPart", "/v1/things/{id}/parts/{part}") },
        Operation { requirement: Requirement::default(), ..operation("status", "/v1/status") },
    ];
    let operations = operations.into_iter().map(Arc::new).collect();
    Arc::new(Api { name: "example".parse().unwrap(), namespace: "Example".to_owned(), operations })
}

/// A call of one of its operations.
pub(crate) fn call(api: &Api, id: &str, parameters: &[&str]) -> Call {
    let operation = api.operations.iter().find(|it| it.id.as_str() == id).unwrap();
    Call { operation: Arc::clone(operation), parameters: parameters.iter().map(|it| (*it).to_owned()).collect() }
}

/// The rights of a credential of `tenant`.
pub(crate) fn standing(tenant: &str, scopes: &[&str]) -> Standing {
    Standing {
        key: "key_1".parse().unwrap(),
        lineage: "key_1".parse().unwrap(),
        owner: None,
        tenant: tenant.parse().unwrap(),
        scopes: scopes.iter().map(|it| it.parse().unwrap()).collect(),
        tier: "standard".parse().unwrap(),
        tenant_tier: None,
        expires: None,
        suspended: false,
        bound: None,
        grant: None,
    }
}

/// A caller with these rights.
pub(crate) fn caller(standing: Standing) -> Caller {
    Caller { standing: Arc::new(standing), method: AuthMethod::ApiKey, in_allowlist: true, retires: None, token: None }
}

/// A request over TLS, on a Monday at noon.
pub(crate) fn arrival() -> Arrival {
    let wall: Timestamp = "2026-11-23T12:00:00.250Z".parse().unwrap();
    Arrival {
        id: RequestId::from_bytes([7; 16]),
        at: Moment { wall, tick: Tick::default() },
        source: Source { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), tls: true },
        method: http::Method::GET,
        host: "api.example.com".to_owned(),
        target: "/v1/things".to_owned(),
        path: NormalPath::parse("/v1/things", PathMode::Api).unwrap(),
        headers: http::HeaderMap::new(),
    }
}
