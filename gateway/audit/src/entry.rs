//! One entry of the log, before it is numbered.
//!
//! Fields are an allow-list: what is not named here is not recorded. No header, no query, no body, no credential.

use domain::{Blame, Timestamp};

use crate::cbor::{self, NotCanonical, Object};
use crate::notice::Author;
use crate::sequencer::MAX_ENTRY;
use crate::subjects::Sealed;

/// How many bytes of the operator's words, and how many policies, are left of an entry that would be too long.
const KEPT_DETAIL: usize = 1024;
const KEPT_POLICIES: usize = 64;

/// Everything learnt about one request.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Entry<'a> {
    /// The version of this shape.
    pub schema: u16,
    /// What kind of entry it is: `request.completed`, or `request.cut_off` for an answer that broke off after its request
    /// had been entered as completed.
    pub class: &'static str,
    /// Whether the answer waited until this entry was on the disk.
    #[cfg_attr(test, serde(skip_serializing_if = "std::ops::Not::not"))]
    pub strict: bool,
    /// When the request arrived.
    pub time: Timestamp,
    /// The tenant, once known.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub tenant: Option<&'a str>,
    /// What was asked.
    pub request: RequestSection<'a>,
    /// Who asked, once known.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub auth: Option<AuthSection<'a>>,
    /// What is said of whoever asked, sealed with their key.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub sealed: Option<&'a Sealed>,
    /// How much was left, once counted.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub limit: Option<LimitSection<'a>>,
    /// What was decided, and by which policies.
    pub decision: DecisionSection<'a>,
    /// Which plugins have run, in their order: the name of each, the digest of its component and what it came to, as three
    /// words.
    #[cfg_attr(test, serde(skip_serializing_if = "<[_]>::is_empty"))]
    pub plugins: &'a [String],
    /// What the API behind the gateway did, if it was asked.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub upstream: Option<UpstreamSection<'a>>,
    /// The status that was answered; absent when nothing could be answered any more.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub status: Option<u16>,
    /// Bytes of the request body that were read.
    pub bytes_in: u64,
    /// Bytes of the answer's body that were sent.
    pub bytes_out: u64,
    /// From arrival to the end, in microseconds.
    pub duration_us: u64,
}

/// What was asked.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct RequestSection<'a> {
    /// The request id.
    pub id: &'a str,
    /// The method.
    pub method: &'a str,
    /// The host asked for.
    pub host: &'a str,
    /// The normalised path, without its query; the raw one, cut short and made printable, where it has no normal form.
    /// Absent where it is sealed.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub path: Option<&'a str>,
    /// The normalised path of what it read besides, such as the source of a copy. Absent where it is sealed.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub reads: Option<&'a str>,
    /// The peer's address. Absent where it is sealed.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub source: Option<&'a str>,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Which version of it, and which cipher suite, where that is known.
    #[cfg_attr(test, serde(flatten, skip_serializing_if = "Option::is_none"))]
    pub secured: Option<TlsSection<'a>>,
    /// What was said and is not entered as it was: `path` where something of it was taken out, `query` where there was one.
    #[cfg_attr(test, serde(skip_serializing_if = "<[_]>::is_empty"))]
    pub redacted: &'a [&'static str],
    /// The API, once identified.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub api: Option<&'a str>,
    /// The operation, once identified.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub operation: Option<&'a str>,
    /// What kinds of data the operation touches that somebody must account for, as its document says.
    #[cfg_attr(test, serde(skip_serializing_if = "<[_]>::is_empty"))]
    pub labels: &'a [String],
    /// The trace the request belongs to, in hexadecimal.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub trace: Option<&'a str>,
}

/// How a connection was secured.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct TlsSection<'a> {
    /// The version, such as `TLSv1.3`.
    #[cfg_attr(test, serde(rename = "tls_version"))]
    pub version: &'a str,
    /// The cipher suite.
    pub cipher: &'a str,
}

/// Who asked.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct AuthSection<'a> {
    /// The key, by its id. Also of a refused key, where it is known.
    pub key: &'a str,
    /// How it was shown, also where it was refused; absent where the operation itself judges what is shown.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub method: Option<&'static str>,
    /// Whether its signature was seen before, and let through all the same.
    #[cfg_attr(test, serde(skip_serializing_if = "std::ops::Not::not"))]
    pub repeated: bool,
}

/// How much was left.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct LimitSection<'a> {
    /// The tier that applied.
    pub tier: &'a str,
    /// The least that was left over all its rules.
    pub remaining: u32,
}

/// What was decided.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct DecisionSection<'a> {
    /// Permitted, refused, or cut off before either.
    pub outcome: Outcome,
    /// The step that refused: `identify`, `authenticate`, `limit`, `authorize`, `validate`, `plugins`, `forward`, `answer`.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub step: Option<&'static str>,
    /// The reason the caller was given.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub reason: Option<&'static str>,
    /// The operator's words for it.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub detail: Option<&'a str>,
    /// Who has to act.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub blame: Option<Blame>,
    /// The policies that decided.
    #[cfg_attr(test, serde(skip_serializing_if = "<[_]>::is_empty"))]
    pub policies: &'a [std::sync::Arc<str>],
    /// The digest of the bundle they belong to.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub bundle: Option<&'a str>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Outcome {
    /// Permitted and forwarded.
    Permit,
    /// Turned away by the gateway.
    Refuse,
    /// Permitted, but no whole answer came back from the API or reached the caller.
    Fail,
    /// Cut off before it was decided: the caller left, a deadline passed, the task died.
    Abort,
}

/// What the API behind the gateway did.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct UpstreamSection<'a> {
    /// Its host and port.
    pub peer: &'a str,
    /// Its status, if it answered.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub status: Option<u16>,
    /// How the connection to it was secured; absent where it was not.
    #[cfg_attr(test, serde(flatten, skip_serializing_if = "Option::is_none"))]
    pub secured: Option<TlsSection<'a>>,
}

impl Outcome {
    /// The word written to entries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Refuse => "refuse",
            Self::Fail => "fail",
            Self::Abort => "abort",
        }
    }
}

impl Entry<'_> {
    /// Writes the entry in its one encoding, as number `node_seq` of its author. One that is longer than there may be loses
    /// most of what was said of its decision, and says so.
    pub(crate) fn write(&self, author: &Author, node_seq: u64, out: &mut Vec<u8>) {
        let start = out.len();
        self.write_as(author, node_seq, false, out);
        if out.len() - start > MAX_ENTRY {
            out.truncate(start);
            let detail = self.decision.detail.map(|it| it.get(..it.floor_char_boundary(KEPT_DETAIL)).unwrap_or(it));
            let policies = self.decision.policies.get(..KEPT_POLICIES).unwrap_or(self.decision.policies);
            let decision = DecisionSection { detail, policies, ..self.decision };
            Self { decision, ..*self }.write_as(author, node_seq, true, out);
        }
    }

    fn write_as(&self, author: &Author, node_seq: u64, cut: bool, out: &mut Vec<u8>) {
        Object::write(out, |it| {
            if let Some(auth) = &self.auth {
                it.object("auth", |it| {
                    it.text("key", auth.key);
                    it.text_if("method", auth.method);
                    if auth.repeated {
                        it.flag("repeated", true);
                    }
                });
            }
            it.text("boot", &author.boot);
            it.text("node", &author.node);
            it.signed("time", self.time.nanos());
            it.text("class", self.class);
            if let Some(limit) = &self.limit {
                it.object("limit", |it| {
                    it.text("tier", limit.tier);
                    it.number("remaining", limit.remaining);
                });
            }
            it.number("schema", self.schema);
            if let Some(sealed) = self.sealed {
                it.object("sealed", |it| {
                    it.text("key", &sealed.key);
                    it.text("text", &sealed.text);
                });
            }
            self.status.inspect(|status| it.number("status", *status));
            if self.strict {
                it.flag("strict", true);
            }
            it.text_if("tenant", self.tenant);
            if !self.plugins.is_empty() {
                it.texts("plugins", self.plugins.iter().map(String::as_str));
            }
            it.object("request", |it| self.request.write(it));
            it.number("bytes_in", self.bytes_in);
            it.object("decision", |it| self.decision.write(cut, it));
            it.number("node_seq", node_seq);
            if let Some(upstream) = &self.upstream {
                it.object("upstream", |it| {
                    it.text("peer", upstream.peer);
                    it.text_if("cipher", upstream.secured.map(|it| it.cipher));
                    upstream.status.inspect(|status| it.number("status", *status));
                    it.text_if("tls_version", upstream.secured.map(|it| it.version));
                });
            }
            it.number("bytes_out", self.bytes_out);
            it.number("duration_us", self.duration_us);
        });
    }
}

impl RequestSection<'_> {
    fn write(&self, it: &mut Object<'_>) {
        it.text("id", self.id);
        it.text_if("api", self.api);
        it.flag("tls", self.tls);
        it.text("host", self.host);
        it.text_if("path", self.path);
        it.text_if("reads", self.reads);
        it.text_if("trace", self.trace);
        it.text_if("cipher", self.secured.map(|it| it.cipher));
        if !self.labels.is_empty() {
            it.texts("labels", self.labels.iter().map(String::as_str));
        }
        it.text("method", self.method);
        it.text_if("source", self.source);
        if !self.redacted.is_empty() {
            it.texts("redacted", self.redacted.iter().copied());
        }
        it.text_if("operation", self.operation);
        it.text_if("tls_version", self.secured.map(|it| it.version));
    }
}

impl DecisionSection<'_> {
    fn write(&self, cut: bool, it: &mut Object<'_>) {
        if cut {
            it.flag("cut", true);
        }
        it.text_if("step", self.step);
        it.text_if("blame", self.blame.map(Blame::as_str));
        it.text_if("bundle", self.bundle);
        it.text_if("detail", self.detail);
        it.text_if("reason", self.reason);
        it.text("outcome", self.outcome.as_str());
        if !self.policies.is_empty() {
            it.texts("policies", self.policies.iter().map(|it| &**it));
        }
    }
}

/// An entry as people and scripts read it: JSON, with its time in words. What is hashed is the encoding, not this.
pub fn view(entry: &[u8]) -> Result<serde_json::Value, NotCanonical> {
    let mut view = cbor::view(entry)?;
    if let Some(time) = view.get_mut("time")
        && let Some(nanos) = time.as_i64()
    {
        *time = Timestamp::from_nanos(nanos).to_string().into();
    }
    Ok(view)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(entry: &Entry<'_>) {
        let mut out = Vec::new();
        let author = Author { node: "n".to_owned(), boot: "b".to_owned() };
        entry.write(&author, 7, &mut out);
        // Reading it holds it to the one encoding there is.
        let mut expected = serde_json::to_value(entry).unwrap();
        expected["node_seq"] = 7.into();
        expected["node"] = "n".into();
        expected["boot"] = "b".into();
        assert_eq!(view(&out).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn an_entry_is_read_back_as_it_was_written(
            texts in prop::collection::vec(any::<String>(), 8),
            told in any::<(bool, bool, bool, u16, u64, i64)>(),
            outcome in prop::sample::select(vec![Outcome::Permit, Outcome::Refuse, Outcome::Fail, Outcome::Abort]),
        ) {
            let (one, two, three, status, count, nanos) = told;
            let text = |at: usize, given: bool| given.then(|| texts[at].as_str());
            let sealed = Sealed { key: texts[6].clone(), text: texts[7].clone() };
            let policies = [texts[0].as_str().into(), texts[1].as_str().into()];
            let labels = [texts[2].clone(), texts[3].clone()];
            check(&Entry {
                schema: 1,
                class: "request.completed",
                strict: two,
                time: Timestamp::from_nanos(nanos),
                tenant: text(4, one),
                request: RequestSection {
                    id: &texts[5],
                    method: &texts[6],
                    host: &texts[7],
                    path: text(0, !two),
                    source: text(1, !two),
                    tls: three,
                    secured: three.then_some(TlsSection { version: &texts[2], cipher: &texts[3] }),
                    labels: if three { &labels } else { &[] },
                    redacted: if one { &["path", "query"] } else { &[] },
                    api: text(1, two),
                    operation: text(2, three),
                    trace: text(3, one),
                    reads: text(0, two && three),
                },
                auth: one.then(|| AuthSection { key: &texts[4], method: two.then_some("api_key"), repeated: one && two }),
                sealed: two.then_some(&sealed),
                limit: two.then(|| LimitSection { tier: &texts[5], remaining: u32::from(status) }),
                decision: DecisionSection {
                    outcome,
                    step: one.then_some("limit"),
                    reason: two.then_some("rate_limited"),
                    detail: text(6, three),
                    blame: one.then_some(Blame::Caller),
                    policies: if two { &policies } else { &[] },
                    bundle: text(7, two),
                },
                plugins: if one { &labels } else { &[] },
                upstream: three.then(|| UpstreamSection {
                    peer: &texts[0],
                    status: one.then_some(status),
                    secured: two.then_some(TlsSection { version: &texts[1], cipher: &texts[2] }),
                }),
                status: two.then_some(status),
                bytes_in: count,
                bytes_out: count / 3,
                duration_us: count / 7,
            });
        }
    }
}
