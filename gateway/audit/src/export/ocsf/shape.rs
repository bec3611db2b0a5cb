//! What the classes of the schema ask for, each filled from an entry.

use serde_json::{Map, Value, json};

/// One class of the schema.
pub(super) struct Shape {
    pub(super) uid: u64,
    pub(super) name: &'static str,
    pub(super) category: u64,
    /// What of an entry has a place in this class, besides what has one in every class.
    pub(super) mapped: &'static [&'static str],
    /// Fills what this class has and others have not, from the entry and from that which it is about.
    pub(super) fill: fn(&Value, Option<&str>, &mut Map<String, Value>),
}

pub(super) const BASE_EVENT: Shape = Shape { uid: 0, name: "Base Event", category: 0, mapped: &[], fill: |_, _, _| () };

pub(super) const EVENT_LOG_ACTIVITY: Shape =
    Shape { uid: 1008, name: "Event Log Activity", category: 1, mapped: &[ACTOR], fill: event_log };

pub(super) const AUTHENTICATION: Shape =
    Shape { uid: 3002, name: "Authentication", category: 3, mapped: ATTEMPT, fill: authentication };

pub(super) const ENTITY_MANAGEMENT: Shape =
    Shape { uid: 3004, name: "Entity Management", category: 3, mapped: &[ACTOR], fill: entity_management };

pub(super) const GROUP_MANAGEMENT: Shape =
    Shape { uid: 3006, name: "Group Management", category: 3, mapped: &[ACTOR], fill: group_management };

pub(super) const DEVICE_CONFIG_STATE_CHANGE: Shape =
    Shape { uid: 5019, name: "Device Config State Change", category: 5, mapped: &[], fill: config };

pub(super) const APPLICATION_LIFECYCLE: Shape =
    Shape { uid: 6002, name: "Application Lifecycle", category: 6, mapped: &[], fill: lifecycle };

pub(super) const API_ACTIVITY: Shape = Shape { uid: 6003, name: "API Activity", category: 6, mapped: CALL, fill: api };

/// What of a request has a place.
const CALL: &[&str] = &[
    "/request/id",
    METHOD,
    "/request/host",
    "/request/path",
    "/request/api",
    "/request/source",
    "/auth/key",
    "/status",
    "/bytes_in",
    "/bytes_out",
];

/// The same of what shows who somebody is, or that they are nobody any more: a request, or a session.
const ATTEMPT: &[&str] = &[
    "/request/id",
    METHOD,
    "/request/host",
    "/request/path",
    "/request/api",
    "/request/source",
    "/auth/key",
    "/status",
    "/bytes_in",
    "/bytes_out",
    ACTOR,
    TARGET,
];

/// Who has done something.
const ACTOR: &str = "/actor";

/// What it was done to.
const TARGET: &str = "/target";

/// Whose a session is, where it is that of a user.
pub(super) const USER: &str = "/facts/user";

/// The same, where it is that of a service account.
pub(super) const ACCOUNT: &str = "/facts/account";

/// The method of a request.
pub(super) const METHOD: &str = "/request/method";

/// Who is meant where nobody is known.
const NOBODY: &str = "unknown";

fn event_log(entry: &Value, _: Option<&str>, event: &mut Map<String, Value>) {
    event.insert("log_name".to_owned(), "audit".into());
    if let Some(reader) = text(entry, ACTOR) {
        event.insert("actor".to_owned(), json!({ "user": { "name": reader } }));
    }
}

fn authentication(entry: &Value, subject: Option<&str>, event: &mut Map<String, Value>) {
    let service = text(entry, "/request/api").unwrap_or_else(|| "portcullis".to_owned());
    event.insert("service".to_owned(), json!({ "name": service }));
    event.insert("user".to_owned(), json!({ "uid": subject.unwrap_or(NOBODY) }));
    event.insert("is_remote".to_owned(), true.into());
    let session = text(entry, TARGET).filter(|it| Some(it.as_str()) != subject);
    if let Some(session) = session {
        event.insert("session".to_owned(), json!({ "uid": session }));
    }
    actor(entry, event);
    http(entry, event);
    if let Some(source) = source(entry) {
        event.insert("src_endpoint".to_owned(), source);
    }
}

fn entity_management(entry: &Value, subject: Option<&str>, event: &mut Map<String, Value>) {
    let kind = text(entry, "/class").unwrap_or_default();
    let kind = kind.split('.').next().unwrap_or_default().to_owned();
    event.insert("entity".to_owned(), json!({ "uid": subject.unwrap_or(NOBODY), "type_id": 99, "type": kind }));
    actor(entry, event);
}

fn group_management(entry: &Value, subject: Option<&str>, event: &mut Map<String, Value>) {
    event.insert("group".to_owned(), json!({ "uid": subject.unwrap_or(NOBODY) }));
    if let Some(user) = text(entry, USER) {
        event.insert("user".to_owned(), json!({ "uid": user }));
    }
    actor(entry, event);
}

/// Who has done it.
fn actor(entry: &Value, event: &mut Map<String, Value>) {
    if let Some(actor) = text(entry, ACTOR) {
        event.insert("actor".to_owned(), json!({ "user": { "uid": actor } }));
    }
}

fn config(_: &Value, subject: Option<&str>, event: &mut Map<String, Value>) {
    event.insert("device".to_owned(), json!({ "type_id": 99, "type": "gateway", "uid": subject.unwrap_or(NOBODY) }));
}

fn lifecycle(entry: &Value, subject: Option<&str>, event: &mut Map<String, Value>) {
    let class = text(entry, "/class").unwrap_or_default();
    let is_plugin = class.starts_with("plugin.");
    let name = if is_plugin { subject.unwrap_or(NOBODY) } else { "Portcullis" };
    // Who has done it stays in `unmapped`: the class has no place for that.
    event.insert("app".to_owned(), json!({ "name": name, "uid": subject.unwrap_or(NOBODY) }));
}

fn api(entry: &Value, subject: Option<&str>, event: &mut Map<String, Value>) {
    let mut api = json!({ "operation": subject.unwrap_or(NOBODY) });
    if let Some(service) = text(entry, "/request/api") {
        set(&mut api, "service", json!({ "name": service }));
    }
    if let Some(id) = text(entry, "/request/id") {
        set(&mut api, "request", json!({ "uid": id }));
    }
    event.insert("api".to_owned(), api);
    let caller = text(entry, "/auth/key").unwrap_or_else(|| NOBODY.to_owned());
    let mut user = json!({ "uid": caller });
    if let Some(tenant) = text(entry, "/tenant") {
        set(&mut user, "org", json!({ "uid": tenant }));
    }
    event.insert("actor".to_owned(), json!({ "user": user }));
    event.insert("src_endpoint".to_owned(), source(entry).unwrap_or_else(|| json!({ "name": NOBODY })));
    if let Some(peer) = text(entry, "/upstream/peer") {
        event.insert("dst_endpoint".to_owned(), json!({ "name": peer }));
    }
    http(entry, event);
}

/// The request and the answer.
fn http(entry: &Value, event: &mut Map<String, Value>) {
    let mut url = Map::new();
    for (name, at) in [("hostname", "/request/host"), ("path", "/request/path")] {
        if let Some(it) = text(entry, at) {
            url.insert(name.to_owned(), it.into());
        }
    }
    let tls = entry.pointer("/request/tls").and_then(Value::as_bool);
    if let Some(tls) = tls.filter(|_| !url.is_empty()) {
        url.insert("scheme".to_owned(), if tls { "https" } else { "http" }.into());
    }
    let mut request = json!({});
    if url.contains_key("path") {
        set(&mut request, "url", url.into());
    }
    // Any other word stays in `unmapped`: callers send what they like.
    if let Some(method) = text(entry, METHOD).filter(|it| is_known_method(it)) {
        set(&mut request, "http_method", method.into());
    }
    if let Some(id) = text(entry, "/request/id") {
        set(&mut request, "uid", id.into());
    }
    if let Some(length) = number(entry, "/bytes_in") {
        set(&mut request, "body_length", length.into());
    }
    if request.as_object().is_some_and(|it| !it.is_empty()) {
        event.insert("http_request".to_owned(), request);
    }
    if let Some(code) = number(entry, "/status") {
        let mut response = json!({ "code": code });
        if let Some(length) = number(entry, "/bytes_out") {
            set(&mut response, "body_length", length.into());
        }
        event.insert("http_response".to_owned(), response);
        event.insert("status_code".to_owned(), code.to_string().into());
    }
    if let Some(micros) = number(entry, "/duration_us") {
        event.insert("duration".to_owned(), (micros / 1000).into());
    }
}

/// Whether the schema has a method.
pub(super) fn is_known_method(method: &str) -> bool {
    matches!(method, "OPTIONS" | "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "TRACE" | "CONNECT" | "PATCH")
}

/// Where a request came from.
fn source(entry: &Value) -> Option<Value> {
    let source = text(entry, "/request/source")?;
    Some(if source.parse::<std::net::IpAddr>().is_ok() { json!({ "ip": source }) } else { json!({ "name": source }) })
}

/// Sets a field of an object.
pub(super) fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

fn text(entry: &Value, at: &str) -> Option<String> {
    entry.pointer(at).and_then(Value::as_str).filter(|it| !it.is_empty()).map(str::to_owned)
}

fn number(entry: &Value, at: &str) -> Option<i64> {
    entry.pointer(at).and_then(Value::as_i64)
}
