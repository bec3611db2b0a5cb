//! Entries about anything but a request: runs, changes, reads, signs of life.

use domain::{Deed, DeedClass, Timestamp};
use serde_json::{Map, Value};

use crate::cbor;
use crate::deeds::SOURCE;
use crate::sequencer::MAX_ENTRY;

/// The version of the shape of these entries.
const SCHEMA: u64 = 1;

/// How long a text may be in an entry that would be too long otherwise, in bytes.
const KEPT_TEXT: usize = 128;

/// Every class of entries that a gateway writes.
pub const CLASSES: [&str; 25] = [
    "audit.control",
    "audit.read",
    "auth.lockout",
    "config.change",
    "config.snapshot",
    "group.change",
    "health.sample",
    "heartbeat",
    "identity.change",
    "key.change",
    "legal_hold.change",
    "plugin.change",
    "plugin.fault",
    "plugin.verdict",
    "request.completed",
    "request.cut_off",
    "request.lost",
    "retention.held",
    "retention.pruned",
    "role.change",
    "session.end",
    "session.start",
    "sink.delivery",
    "subject.erased",
    "tenant.change",
];

/// The class of what the log says of itself.
pub(crate) const CONTROL: &str = "audit.control";

/// The action of an end.
pub(crate) const STOP: &str = "stop";

/// Who writes entries: one run of one gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The configured name of the gateway.
    pub node: String,
    /// A random number drawn when the process started, in hexadecimal.
    pub boot: String,
}

/// One entry about something else than a request. Its fields are for its class; those that every entry has cannot be
/// overwritten.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    class: &'static str,
    time: Timestamp,
    tenant: Option<String>,
    facts: Map<String, Value>,
}

/// How the run before this one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// There was none.
    Nothing,
    /// It said that it would end.
    Stop,
    /// It said nothing: it was killed, or the machine went down.
    Crash,
}

impl Before {
    /// Of a log of so many entries whose last run has said that it ends, or has not.
    pub(crate) fn of(entries: u64, stopped: bool) -> Self {
        match (entries, stopped) {
            (0, _) => Self::Nothing,
            (_, true) => Self::Stop,
            (_, false) => Self::Crash,
        }
    }
}

impl Notice {
    /// Something of this class that happened then.
    pub fn new(class: &'static str, time: Timestamp) -> Self {
        Self { class, time, tenant: None, facts: Map::new() }
    }

    /// What became of the log.
    pub fn control(action: &str, time: Timestamp) -> Self {
        Self::new(CONTROL, time).with("action", action)
    }

    /// A process began to write: how the run before it ended, and how many bytes of an entry that was never finished were
    /// cut off.
    pub fn start(time: Timestamp, before: Before, torn: u64) -> Self {
        Self::control("start", time).with("before", before.as_str()).with("torn", torn)
    }

    /// The process ends as it was told to. Entries of requests that are still being answered may follow.
    pub fn stop(time: Timestamp) -> Self {
        Self::control(STOP, time)
    }

    /// What somebody did, as it was kept under this number until it could be entered. Whoever meets a number of a source
    /// twice has met the same deed.
    pub fn deed(number: u64, deed: &Deed) -> Self {
        let mut notice = Self::new(deed.class.as_str(), deed.time)
            .with("action", deed.action.as_str())
            .with("actor", deed.actor.as_str())
            .with("number", number)
            .with("source", SOURCE)
            .with("outcome", if deed.refused.is_some() { "refused" } else { "done" });
        notice.tenant = deed.tenant.as_ref().map(ToString::to_string);
        // A key is called the same in every entry, so that one question finds all that was done with it.
        let target = if deed.class == DeedClass::Key { "key" } else { "target" };
        for (name, value) in [(target, &deed.target), ("reason", &deed.refused)] {
            if let Some(value) = value {
                notice = notice.with(name, value.as_str());
            }
        }
        if deed.facts.is_empty() {
            return notice;
        }
        let facts = deed.facts.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        notice.with("facts", Value::Object(facts.collect()))
    }

    /// About what belongs to this tenant.
    #[must_use]
    pub fn of(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.to_owned());
        self
    }

    /// With this field. A number that is not whole is written as text: entries have no floats.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// Writes it in its one encoding, as number `node_seq` of this run. One that is longer than there may be keeps its
    /// short fields, and says that it was cut.
    pub(crate) fn write(&self, author: &Author, node_seq: u64, out: &mut Vec<u8>) {
        let start = out.len();
        let mut fields = self.facts.clone();
        fields.insert("boot".to_owned(), author.boot.as_str().into());
        fields.insert("class".to_owned(), self.class.into());
        fields.insert("node".to_owned(), author.node.as_str().into());
        fields.insert("node_seq".to_owned(), node_seq.into());
        fields.insert("schema".to_owned(), SCHEMA.into());
        fields.insert("time".to_owned(), self.time.nanos().into());
        match &self.tenant {
            Some(tenant) => fields.insert("tenant".to_owned(), tenant.as_str().into()),
            None => fields.remove("tenant"),
        };
        cbor::write(&fields, out);
        if out.len() - start > MAX_ENTRY {
            out.truncate(start);
            fields.retain(|_, value| match value {
                Value::String(text) => text.len() <= KEPT_TEXT,
                Value::Array(_) | Value::Object(_) => false,
                Value::Null | Value::Bool(_) | Value::Number(_) => true,
            });
            fields.insert("cut".to_owned(), true.into());
            cbor::write(&fields, out);
        }
    }
}

impl Before {
    fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Stop => STOP,
            Self::Crash => "crash",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const THEN: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn author() -> Author {
        Author { node: "n".to_owned(), boot: "b".to_owned() }
    }

    #[track_caller]
    fn written(notice: &Notice) -> Value {
        let mut out = Vec::new();
        notice.write(&author(), 7, &mut out);
        assert!(out.len() <= MAX_ENTRY);
        crate::view(&out).unwrap()
    }

    #[test]
    fn a_deed_is_entered_with_all_that_is_known_of_it() {
        let acme = "acme".parse().unwrap();
        let deed = Deed::new(DeedClass::Key, "create", "os:root", THEN).of(&acme).on("key_1").with("tier", "standard");
        let entry = json!({
            "class": "key.change", "node": "n", "boot": "b", "node_seq": 7, "schema": 1, "time": THEN.to_string(),
            "tenant": "acme", "action": "create", "actor": "os:root", "key": "key_1", "outcome": "done",
            "source": "registry", "number": 3, "facts": { "tier": "standard" },
        });
        assert_eq!(written(&Notice::deed(3, &deed)), entry);
        let refused = written(&Notice::deed(4, &deed.refused("no")));
        assert_eq!((&refused["outcome"], &refused["reason"]), (&json!("refused"), &json!("no")));
    }

    #[test]
    fn what_every_entry_has_cannot_be_overwritten() {
        let sly = Notice::new("heartbeat", THEN).with("node_seq", 0).with("boot", "other").with("tenant", "globex");
        let entry = written(&sly.with("half", 0.5));
        assert_eq!((&entry["node_seq"], &entry["boot"], &entry["half"]), (&json!(7), &json!("b"), &json!("0.5")));
        assert_eq!(entry.get("tenant"), None);
    }

    #[test]
    fn one_that_is_too_long_says_that_it_was_cut() {
        let long = Notice::stop(THEN).with("why", "x".repeat(MAX_ENTRY)).with("count", 3);
        let entry = written(&long);
        assert_eq!((&entry["cut"], &entry["action"], &entry["count"]), (&json!(true), &json!("stop"), &json!(3)));
    }
}
