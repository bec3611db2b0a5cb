//! Entries as events of the Open Cybersecurity Schema Framework, version 1.8.0.
//!
//! Which class of event an entry is, stands in one table. What the schema has no place for is in `unmapped`, so that nothing
//! is lost; an entry of a class that the table does not know is a base event with everything in there.

mod shape;

use serde_json::{Map, Value, json};

use crate::query::Found;
use crate::show::json_line;
use shape::Shape;

/// The version of the schema.
const VERSION: &str = "1.8.0";

/// What entries of one class become.
struct Row {
    /// The class of the entry, or the beginning of several.
    class: &'static str,
    /// What kind of event it is.
    shape: &'static Shape,
    /// Where the word stands that says what was done.
    action: &'static str,
    /// What each such word is called in the schema.
    activities: &'static [(&'static str, u64)],
    /// Where that stands which it was done to.
    subject: &'static [&'static str],
}

/// Methods, and what they do to what they name.
const METHODS: &[(&str, u64)] =
    &[("POST", 1), ("GET", 2), ("HEAD", 2), ("OPTIONS", 2), ("PUT", 3), ("PATCH", 3), ("DELETE", 4)];

/// What is done to keys, tenants, people, roles and holds.
const CHANGES: &[(&str, u64)] = &[
    ("create", 1),
    ("create_user", 1),
    ("place", 1),
    ("import", 1),
    ("publish", 1),
    ("read", 2),
    ("update", 3),
    ("change", 3),
    ("set", 3),
    ("set_password", 3),
    ("rotate", 3),
    ("use", 3),
    ("supersede", 3),
    ("delete", 4),
    ("delete_user", 4),
    ("release", 4),
    ("erase", 4),
    ("revoke", 4),
    ("withdraw", 4),
    ("enrol_factor", 6),
    ("register_passkey", 6),
    ("reset_factor", 7),
    ("remove_passkey", 7),
    ("enable", 8),
    ("disable", 9),
    ("activate", 10),
    ("deactivate", 11),
    ("suspend", 12),
    ("resume", 13),
];

/// What is done to teams.
const GROUPS: &[(&str, u64)] = &[("accept_invite", 3), ("remove_member", 4), ("delete", 5), ("create", 6)];

/// A new class of entries is a new row. The first that fits is taken.
const TABLE: &[Row] = &[
    Row {
        class: "request.",
        shape: &shape::API_ACTIVITY,
        action: "/request/method",
        activities: METHODS,
        subject: &["/request/operation"],
    },
    Row {
        class: "audit.control",
        shape: &shape::APPLICATION_LIFECYCLE,
        action: "/action",
        activities: &[("start", 3), ("stop", 4)],
        subject: &["/node"],
    },
    Row {
        class: "heartbeat",
        shape: &shape::APPLICATION_LIFECYCLE,
        action: "/action",
        activities: &[],
        subject: &["/node"],
    },
    Row {
        class: "health.sample",
        shape: &shape::APPLICATION_LIFECYCLE,
        action: "/action",
        activities: &[],
        subject: &["/node"],
    },
    Row {
        class: "plugin.",
        shape: &shape::APPLICATION_LIFECYCLE,
        action: "/action",
        activities: &[
            ("install", 1),
            ("remove", 2),
            ("start", 3),
            ("stop", 4),
            ("enable", 6),
            ("disable", 7),
            ("update", 8),
        ],
        subject: &["/plugin", "/target", "/facts/name", "/digest"],
    },
    Row {
        class: "audit.read",
        shape: &shape::EVENT_LOG_ACTIVITY,
        action: "/action",
        activities: &[("export", 3)],
        subject: &[],
    },
    Row {
        class: "sink.delivery",
        shape: &shape::EVENT_LOG_ACTIVITY,
        action: "/class",
        activities: &[("sink.delivery", 3)],
        subject: &[],
    },
    Row {
        class: "retention.",
        shape: &shape::EVENT_LOG_ACTIVITY,
        action: "/class",
        activities: &[("retention.pruned", 2)],
        subject: &[],
    },
    entity("legal_hold.", &["/target"]),
    Row {
        class: "config.",
        shape: &shape::DEVICE_CONFIG_STATE_CHANGE,
        action: "/class",
        activities: &[("config.change", 1), ("config.snapshot", 2)],
        subject: &["/node"],
    },
    Row {
        class: "subject.erased",
        shape: &shape::ENTITY_MANAGEMENT,
        action: "/class",
        activities: &[("subject.erased", 4)],
        // Whom it was is what was to be forgotten.
        subject: &["/facts/key"],
    },
    entity("key.change", &["/key"]),
    entity("tenant.change", &["/target", "/tenant", "/facts/name"]),
    // Version 1.8.0 has no class for changes of users and of roles as such: what it has for them asks for what no entry says.
    entity("identity.change", &["/target"]),
    entity("role.change", &["/target"]),
    Row {
        class: "group.change",
        shape: &shape::GROUP_MANAGEMENT,
        action: "/action",
        activities: GROUPS,
        subject: &["/target"],
    },
    Row { class: "auth.", shape: &shape::AUTHENTICATION, action: "/action", activities: &[], subject: &["/target"] },
    Row {
        class: "session.",
        shape: &shape::AUTHENTICATION,
        action: "/class",
        activities: &[("session.start", 1), ("session.end", 2)],
        // Where it is said whose it is, the target is the session itself.
        subject: &[shape::USER, shape::ACCOUNT, "/target"],
    },
];

/// A change of something that has a name.
const fn entity(class: &'static str, subject: &'static [&'static str]) -> Row {
    Row { class, shape: &shape::ENTITY_MANAGEMENT, action: "/action", activities: CHANGES, subject }
}

/// What of an entry has a place in every class of the schema.
const MAPPED: &[&str] =
    &["/seq", "/class", "/time", "/tenant", "/node", "/cause", "/reason", "/decision/reason", "/decision/detail"];

/// What the table does not know.
const UNKNOWN: Row =
    Row { class: "", shape: &shape::BASE_EVENT, action: "/action", activities: &[], subject: &["/class"] };

/// A request that was turned away because of what its caller showed is about that, and not about the API.
const REFUSED_CREDENTIAL: Row = Row {
    class: "",
    shape: &shape::AUTHENTICATION,
    action: "/decision/step",
    activities: &[("authenticate", 1)],
    subject: &["/auth/key"],
};

/// One entry as one line.
pub(crate) fn line(found: &Found) -> String {
    json_line(&Value::Object(event(found))) + "\n"
}

fn event(found: &Found) -> Map<String, Value> {
    let mut entry = found.view();
    let time = crate::cbor::view(&found.bytes).ok().and_then(|it| it.get("time")?.as_i64());
    let row = row_of(&entry);
    let said = text(&entry, row.action);
    let activity = row.activities.iter().find(|(word, _)| *word == said).map_or(99, |(_, id)| *id);
    let activity = if said.is_empty() { 0 } else { activity };
    let mut event = Map::new();
    let mut put = |name: &str, value: Value| drop(event.insert(name.to_owned(), value));
    put("class_uid", row.shape.uid.into());
    put("class_name", row.shape.name.into());
    put("category_uid", row.shape.category.into());
    put("activity_id", activity.into());
    // The source's own word, as the schema wants it where it has none.
    if activity == 99 {
        put("activity_name", said.into());
    }
    put("type_uid", (row.shape.uid * 100 + activity).into());
    // In milliseconds; the whole of it is in `original_time`.
    put("time", time.unwrap_or_default().div_euclid(1_000_000).into());
    put("metadata", metadata(&entry, found.seq));
    let (severity, status) = standing(&entry);
    put("severity_id", severity.into());
    put("status_id", status.into());
    for (name, at) in
        [("status_detail", "/reason"), ("status_detail", "/decision/reason"), ("message", "/decision/detail")]
    {
        if !text(&entry, at).is_empty() {
            put(name, text(&entry, at).into());
        }
    }
    let subject = row.subject.iter().map(|it| (it, text(&entry, it))).find(|(_, it)| !it.is_empty());
    let (place, subject) = subject.unzip();
    (row.shape.fill)(&entry, subject.as_deref(), &mut event);
    let method = shape::is_known_method(&text(&entry, shape::METHOD));
    let mapped = row.shape.mapped.iter().chain(MAPPED).filter(|it| method || **it != shape::METHOD).chain(place);
    mapped.for_each(|it| take_out(&mut entry, it));
    if let Some(rest) = entry.as_object_mut() {
        rest.retain(|_, it| it.as_object().is_none_or(|it| !it.is_empty()));
        if !rest.is_empty() {
            event.insert("unmapped".to_owned(), entry);
        }
    }
    event
}

/// Takes out what has a place, where it is what belongs there: a text or a number.
fn take_out(entry: &mut Value, at: &str) {
    let Some((section, name)) = at.rsplit_once('/') else { return };
    let fields = entry.pointer_mut(section).and_then(Value::as_object_mut);
    if let Some(fields) = fields.filter(|it| it.get(name).is_some_and(|it| it.is_string() || it.is_number())) {
        fields.remove(name);
    }
}

fn row_of(entry: &Value) -> &'static Row {
    let class = entry.get("class").and_then(Value::as_str).unwrap_or_default();
    let row = TABLE.iter().find(|it| it.class == class || it.class.ends_with('.') && class.starts_with(it.class));
    let is_request = row.is_some_and(|it| it.shape.uid == shape::API_ACTIVITY.uid);
    if is_request && text(entry, "/decision/step") == "authenticate" {
        return &REFUSED_CREDENTIAL;
    }
    row.unwrap_or(&UNKNOWN)
}

fn metadata(entry: &Value, seq: u64) -> Value {
    let mut metadata = json!({
        "version": VERSION,
        "product": { "name": "Portcullis", "vendor_name": "Portcullis", "version": env!("CARGO_PKG_VERSION") },
        "uid": seq.to_string(),
        "log_name": "audit",
    });
    for (name, at) in [
        ("tenant_uid", "/tenant"),
        ("correlation_uid", "/request/id"),
        ("correlation_uid", "/cause"),
        ("event_code", "/class"),
        ("log_provider", "/node"),
        ("original_time", "/time"),
    ] {
        if !text(entry, at).is_empty() {
            shape::set(&mut metadata, name, text(entry, at).into());
        }
    }
    metadata
}

/// How grave an entry is, and how it ended: informational and a success unless something was refused or failed.
fn standing(entry: &Value) -> (u64, u64) {
    // What a plugin failed on went no further, or on without it.
    match text(entry, "/effect").as_str() {
        "blocked" => return (3, 2),
        "skipped" => return (2, 2),
        _ => {}
    }
    // Of a request what was decided, of what somebody did what became of it.
    let decided = ["/decision/outcome", "/outcome"].map(|it| text(entry, it));
    match decided.iter().find(|it| !it.is_empty()).map_or("", String::as_str) {
        "permit" | "done" | "released" => (1, 1),
        "refuse" | "refused" => (2, 2),
        "fail" | "abort" | "failing" | "held" | "skipped" => (3, 2),
        _ if entry.get("not_an_entry").is_some() => (5, 0),
        _ => (1, 0),
    }
}

/// A text or a number as a text; nothing where there is none.
fn text(entry: &Value, at: &str) -> String {
    match entry.pointer(at) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use domain::{Deed, DeedClass, Timestamp};

    use super::*;
    use crate::CLASSES;

    #[test]
    fn no_class_that_a_gateway_writes_is_a_base_event() {
        for class in CLASSES {
            let row = row_of(&json!({ "class": class }));
            assert_ne!(row.shape.uid, shape::BASE_EVENT.uid, "{class}");
        }
        assert_eq!(row_of(&json!({ "class": "nobody.knows" })).shape.uid, shape::BASE_EVENT.uid);
    }

    #[test]
    fn what_was_refused_is_a_failure_and_what_was_done_a_success() {
        let then = Timestamp::from_seconds(0);
        let written = |deed: &Deed| {
            let mut bytes = Vec::new();
            let author = crate::Author { node: "n".to_owned(), boot: "b".to_owned() };
            crate::Notice::deed(1, deed).write(&author, 0, &mut bytes);
            event(&Found { seq: 0, bytes })
        };
        for class in DeedClass::ALL {
            assert!(CLASSES.contains(&class.as_str()), "{}", class.as_str());
            let deed = Deed::new(class, "create", "ann", then).on("key_1");
            let done = written(&deed);
            assert_eq!((&done["severity_id"], &done["status_id"]), (&json!(1), &json!(1)), "{done:?}");
            let refused = written(&deed.refused("no"));
            assert_eq!((&refused["severity_id"], &refused["status_id"]), (&json!(2), &json!(2)), "{refused:?}");
            assert_eq!(refused["status_detail"], "no");
        }
    }
}
