//! One line of the log, before it is numbered and chained.
//!
//! Fields are an allow-list: what is not named here is not recorded. No header, no query, no body, no credential.

use domain::{Blame, Timestamp};
use serde::Serialize;

/// Everything learnt about one request.
#[derive(Debug, Serialize)]
pub struct Entry<'a> {
    /// The version of this shape.
    pub schema: u16,
    /// What kind of entry it is: `request.completed`.
    pub class: &'static str,
    /// The configured name of this gateway.
    pub node: &'a str,
    /// A random number drawn when this process started, in hexadecimal.
    pub boot: &'a str,
    /// When the request arrived.
    pub time: Timestamp,
    /// The tenant, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<&'a str>,
    /// What was asked.
    pub request: RequestSection<'a>,
    /// Who asked, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthSection<'a>>,
    /// How much was left, once counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitSection<'a>>,
    /// What was decided, and by which policies.
    pub decision: DecisionSection<'a>,
    /// What the API behind the gateway did, if it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<UpstreamSection<'a>>,
    /// The status that was answered; absent when nothing could be answered any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Bytes of the request body that were read.
    pub bytes_in: u64,
    /// Bytes of the answer's body that were sent.
    pub bytes_out: u64,
    /// From arrival to the end, in microseconds.
    pub duration_us: u64,
}

/// What was asked.
#[derive(Debug, Serialize)]
pub struct RequestSection<'a> {
    /// The request id.
    pub id: &'a str,
    /// The method.
    pub method: &'a str,
    /// The host asked for.
    pub host: &'a str,
    /// The normalised path, without its query; the raw one, cut short and made printable, where it has no normal form.
    pub path: &'a str,
    /// The peer's address.
    pub source: std::net::IpAddr,
    /// Whether it came over TLS.
    pub tls: bool,
    /// The API, once identified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<&'a str>,
    /// The operation, once identified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<&'a str>,
    /// The trace the request belongs to, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<&'a str>,
}

/// Who asked.
#[derive(Debug, Serialize)]
pub struct AuthSection<'a> {
    /// The key, by its id. Also of a refused key, where it is known.
    pub key: &'a str,
    /// How it was shown; absent when it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'static str>,
}

/// How much was left.
#[derive(Debug, Serialize)]
pub struct LimitSection<'a> {
    /// The tier that applied.
    pub tier: &'a str,
    /// The least that was left over all its rules.
    pub remaining: u32,
}

/// What was decided.
#[derive(Debug, Serialize)]
pub struct DecisionSection<'a> {
    /// Permitted, refused, or cut off before either.
    pub outcome: Outcome,
    /// The step that refused: `identify`, `authenticate`, `limit`, `authorize`, `validate`, `forward`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<&'static str>,
    /// The reason the caller was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The operator's words for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
    /// Who has to act.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blame: Option<Blame>,
    /// The policies that decided.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub policies: &'a [std::sync::Arc<str>],
    /// The digest of the bundle they belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<&'a str>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
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
#[derive(Debug, Serialize)]
pub struct UpstreamSection<'a> {
    /// Its host and port.
    pub peer: &'a str,
    /// Its status, if it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}
