//! What is known of a request, or is heard of it, without a decision.

use std::borrow::Cow;

use domain::{Moment, RequestId, Source, TenantId, TraceParent};

/// What is known of a request before anything is decided.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The request id.
    pub id: RequestId,
    /// When it arrived.
    pub at: Moment,
    /// The method.
    pub method: String,
    /// The host asked for.
    pub host: String,
    /// The normal path; where there is none, what arrived, printable and cut short.
    pub path: String,
    /// The peer.
    pub source: Source,
    /// The trace it belongs to.
    pub trace: Option<TraceParent>,
    /// How the connection was secured, where it was.
    pub secured: Option<Secured>,
    /// What was said and is not entered as it was.
    pub redacted: Redacted,
}

/// What of a request is not entered as it was, because it looks like a secret or may hold one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redacted(Vec<&'static str>);

impl Redacted {
    /// This part as well, if it is so. Entries name `method`, `host` (as it was asked for, or as TLS named it), `path`,
    /// `reads`, `query`, and `detail`: words that are repeated of it in why it was turned away.
    #[must_use]
    pub fn with(mut self, part: &'static str, is: bool) -> Self {
        self.0.extend(is.then_some(part));
        self
    }

    /// As entries name them.
    pub(crate) fn names(&self) -> &[&'static str] {
        &self.0
    }
}

/// Somebody whom no key stands for, because they sit at a browser and show themselves to the gateway alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// A tenant that they belong to, or none where it is that of the key that was shown.
    pub tenant: Option<TenantId>,
    /// Their id.
    pub user: String,
}

/// The version of TLS, and the cipher suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secured {
    /// Such as `TLSv1.3`.
    pub version: Cow<'static, str>,
    /// Such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher: Cow<'static, str>,
}

/// How the edge saw a request end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ending {
    /// The status that was answered, if any was.
    pub status: Option<u16>,
    /// Bytes of the request body that were read.
    pub bytes_in: u64,
    /// Bytes of the answer's body that were sent.
    pub bytes_out: u64,
    /// Whether the answer reached its end.
    pub whole: bool,
}
