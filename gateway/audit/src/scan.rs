//! Looking for what should never have been entered: numbers of cards and of people, and credentials.
//!
//! Reads every entry that is stored, those that are kept longer than their bundles too, and what is sealed as far as it can
//! be opened. What is found is named by where it is, and never repeated. What credentials look like is told from outside.

mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::Path;

use domain::Timestamp;
use serde_json::{Value, json};

use crate::cbor;
use crate::cosignature::WitnessKey;
use crate::note::Verifier;
use crate::query::{Filter, Found, Query, Readable, Way};
use crate::read::ReadError;
use crate::{Notice, SubjectKeys, disk};

pub use secrets::Shapes;

/// The file that says how far the gateway has come by itself.
const CURSOR: &str = "scanned";

/// How many of those entries are named in which something was found, and of the ranges that cannot be read.
const NAMED: usize = 16;

/// The sealed text of an entry: what cannot be opened is noise.
const SEALED: &str = "sealed/text";

/// What something is that should not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The number of a payment card.
    Pan,
    /// What looks like a social security number of the United States.
    Ssn,
    /// What begins like a key of one of the APIs.
    ApiKey,
    /// What looks like the secret half of an access key.
    AccessKeySecret,
    /// A signature of a request.
    Signature,
    /// A token in three parts.
    Token,
    /// The secret of a webhook.
    WebhookSecret,
    /// A private key.
    PrivateKey,
    /// What stands in a header `Authorization`.
    Authorization,
    /// A cookie that holds a session.
    Session,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Pan,
        Self::Ssn,
        Self::ApiKey,
        Self::AccessKeySecret,
        Self::Signature,
        Self::Token,
        Self::WebhookSecret,
        Self::PrivateKey,
        Self::Authorization,
        Self::Session,
    ];

    /// As entries and meters name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pan => "pan",
            Self::Ssn => "ssn",
            Self::ApiKey => "api_key",
            Self::AccessKeySecret => "access_key_secret",
            Self::Signature => "signature",
            Self::Token => "token",
            Self::WebhookSecret => "webhook_secret",
            Self::PrivateKey => "private_key",
            Self::Authorization => "authorization",
            Self::Session => "session",
        }
    }
}

/// Where something was found. What it is, is not said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The number of the entry.
    pub seq: u64,
    /// The field, with the sections that it is in before it.
    pub field: String,
    /// What kind of thing it is.
    pub kind: Kind,
}

/// What was found in a range of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// The first entry that was read.
    pub first: u64,
    /// The entry after the last one.
    pub end: u64,
    /// How many fields hold something of each kind.
    pub counts: BTreeMap<Kind, u64>,
    /// The first of them.
    pub findings: Vec<Finding>,
    /// What of the range cannot be read, in order.
    pub unread: Vec<Range<u64>>,
}

/// Entries that are being looked through, as they were when it began.
#[derive(Debug)]
pub struct Scan<'s> {
    entries: Readable,
    shapes: &'s Shapes,
    keys: Option<&'s SubjectKeys>,
    scanned: Scanned,
    last: u64,
}

impl<'s> Scan<'s> {
    /// Begins at this entry. With keys what is sealed is looked at as well.
    pub fn begin(log: &Path, first: u64, shapes: &'s Shapes, keys: Option<&'s SubjectKeys>) -> Result<Self, ReadError> {
        Self::of(log, first, Filter::default(), shapes, keys)
    }

    /// The same for those that a filter admits.
    pub fn of(
        log: &Path,
        first: u64,
        filter: Filter,
        shapes: &'s Shapes,
        keys: Option<&'s SubjectKeys>,
    ) -> Result<Self, ReadError> {
        let entries = Query::new(log, first, filter, Way::Scan)?;
        let Range { start, end } = entries.range();
        let scanned = Scanned { first: start, end: start, ..Scanned::default() };
        Ok(Self { entries: Readable::of(entries), shapes, keys, scanned, last: end })
    }

    /// Looks through the next so many entries that can be read, and says whether there are more.
    pub fn step(&mut self, most: usize) -> bool {
        for _ in 0..most {
            let Some(found) = self.entries.next() else {
                self.scanned.end = self.last;
                return false;
            };
            self.look(&found);
            self.scanned.end = found.seq + 1;
        }
        true
    }

    /// What was found in all that was read.
    pub fn finish(self) -> Scanned {
        // What was passed over and nothing was read after it, the next one passes over.
        let end = self.scanned.end;
        let unread = self.entries.into_unread().into_iter().filter(|it| it.start < end).collect();
        Scanned { unread, ..self.scanned }
    }

    fn look(&mut self, found: &Found) {
        let mut view = match cbor::view(&found.bytes) {
            Ok(view) => view,
            // What is no entry may hold anything.
            Err(_) => Value::String(String::from_utf8_lossy(&found.bytes).into_owned()),
        };
        if let Some(keys) = self.keys {
            keys.unseal(&mut view);
        }
        let (shapes, scanned, seq) = (self.shapes, &mut self.scanned, found.seq);
        texts(&view, &mut String::new(), &mut |field, text| {
            let mut kinds = if field == SEALED { BTreeSet::new() } else { shapes.kinds_in(text) };
            if is_public(text) {
                kinds.clear();
            }
            for kind in kinds {
                *scanned.counts.entry(kind).or_default() += 1;
                if scanned.findings.len() < NAMED {
                    scanned.findings.push(Finding { seq, field: field.to_owned(), kind });
                }
            }
        });
    }
}

/// Whether a text is the public key of a log or of a witness, which names itself by its own hash: part of it may look drawn,
/// as it is.
fn is_public(text: &str) -> bool {
    text.contains('+') && (text.parse::<Verifier>().is_ok() || text.parse::<WitnessKey>().is_ok())
}

impl Scanned {
    /// How many things were found.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The entry that says so.
    pub fn notice(&self, actor: &str, now: Timestamp) -> Notice {
        let counts: serde_json::Map<String, Value> =
            self.counts.iter().map(|(kind, count)| (kind.as_str().to_owned(), (*count).into())).collect();
        let notice = Notice::control("scan", now).with("actor", actor).with("first", self.first).with("end", self.end);
        let notice = notice.with("found", self.total()).with("counts", counts);
        let notice = if self.findings.is_empty() { notice } else { notice.with("entries", self.entries()) };
        if self.unread.is_empty() {
            return notice;
        }
        let ranges = self.unread.iter().take(NAMED).map(|it| json!({ "first": it.start, "end": it.end }));
        notice.with("unread", self.unread_total()).with("unreadable", ranges.collect::<Vec<_>>())
    }

    /// How many entries cannot be read.
    pub fn unread_total(&self) -> u64 {
        self.unread.iter().map(|it| it.end - it.start).sum()
    }

    /// The first entries in which something was found.
    pub fn entries(&self) -> Vec<u64> {
        let mut entries: Vec<u64> = self.findings.iter().map(|it| it.seq).collect();
        entries.dedup();
        entries
    }
}

/// How far the gateway has come that looks for these: the first entry that it has not read. Who looks for something else
/// begins anew.
pub fn scanned_up_to(log: &Path, shapes: &Shapes) -> io::Result<u64> {
    let read = disk::read(&log.join(CURSOR))?.unwrap_or_default();
    let text = std::str::from_utf8(&read).unwrap_or_default();
    let (next, looked_for) = text.strip_suffix('\n').and_then(|it| it.split_once('\n')).unwrap_or_default();
    Ok(if looked_for == shapes.digest() { next.parse().unwrap_or_default() } else { 0 })
}

/// Keeps how far it has come.
pub fn keep_scanned(log: &Path, next: u64, shapes: &Shapes) -> io::Result<()> {
    disk::put_durably(&log.join(CURSOR), format!("{next}\n{}\n", shapes.digest()).as_bytes())
}

/// Hands over every text of an entry with the name of its field, and every name of its own: a secret may be one. A name is
/// handed over under what it is in.
fn texts(value: &Value, field: &mut String, each: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => each(field, text),
        Value::Array(values) => values.iter().for_each(|it| texts(it, field, each)),
        Value::Object(fields) => {
            let length = field.len();
            for (name, value) in fields {
                each(field, name);
                if length > 0 {
                    field.push('/');
                }
                field.push_str(name);
                texts(value, field, each);
                field.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
