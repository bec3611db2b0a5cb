//! The two ways a decision ends: a permit, or a refusal with its reason.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use domain::{Blame, Scope, Told};

/// Proof that the policies let this request through. Only this room makes one.
#[derive(Clone, Debug)]
pub struct Permit(Arc<Grounds>);

/// The policies do not let this request through.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .0)]
pub struct Forbidden(Arc<Grounds>);

/// What a decision rests on; shared by all requests that are decided alike.
#[derive(Debug)]
pub(crate) struct Grounds {
    /// Why not; of no meaning to a permit.
    pub(crate) reason: Reason,
    pub(crate) determining: Vec<Arc<str>>,
    pub(crate) erring: Vec<Arc<str>>,
    pub(crate) missing: Vec<Scope>,
    pub(crate) bundle: Arc<str>,
}

/// Why a request is refused, most telling first: where several hold, the first is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// No document names the operation.
    UnmappedOperation,
    /// The credential, its owner or its tenant is suspended.
    Suspended,
    /// The credential has ended.
    CredentialExpired,
    /// The resource is another tenant's.
    TenantMismatch,
    /// The credential opens one resource, and this is another.
    OtherResource,
    /// The credential may not be used from this address.
    IpNotAllowed,
    /// The API is served over TLS only.
    PlainHttp,
    /// The credential lacks a scope that the operation asks for.
    InsufficientScope,
    /// A policy forbids it.
    Forbidden,
    /// A forbidding policy could not be evaluated.
    PolicyError,
    /// No policy permits it.
    NoPermit,
}

/// A text that is no reason code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such reason")]
pub struct UnknownReason;

impl Reason {
    /// Every reason, most telling first.
    pub const ALL: [Self; 11] = [
        Self::UnmappedOperation,
        Self::Suspended,
        Self::CredentialExpired,
        Self::TenantMismatch,
        Self::OtherResource,
        Self::IpNotAllowed,
        Self::PlainHttp,
        Self::InsufficientScope,
        Self::Forbidden,
        Self::PolicyError,
        Self::NoPermit,
    ];

    /// The code written to entries, counted, and named by dialects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnmappedOperation => "unmapped_operation",
            Self::Suspended => "suspended",
            Self::CredentialExpired => "credential_expired",
            Self::TenantMismatch => "tenant_mismatch",
            Self::OtherResource => "other_resource",
            Self::IpNotAllowed => "ip_not_allowed",
            Self::PlainHttp => "plain_http",
            Self::InsufficientScope => "insufficient_scope",
            Self::Forbidden => "forbidden",
            Self::PolicyError => "policy_error",
            Self::NoPermit => "no_permit",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::UnmappedOperation => "This operation is not part of the API.",
            Self::Suspended => "This credential or its account is suspended.",
            Self::CredentialExpired => "This credential has expired.",
            Self::TenantMismatch => "This resource belongs to another account.",
            Self::OtherResource => "This credential is for another resource.",
            Self::IpNotAllowed => "This credential may not be used from this address.",
            Self::PlainHttp => "This API is served over HTTPS only.",
            Self::InsufficientScope => "This credential does not have the scope that this operation needs.",
            Self::Forbidden => "A policy forbids this operation.",
            Self::PolicyError => "This operation could not be authorized.",
            Self::NoPermit => "This credential is not permitted to do this.",
        }
    }
}

impl FromStr for Reason {
    type Err = UnknownReason;
    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or(UnknownReason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Permit {
    pub(crate) const fn new(grounds: Arc<Grounds>) -> Self {
        Self(grounds)
    }

    /// The ids of the policies that permit it.
    pub fn determining(&self) -> &[Arc<str>] {
        &self.0.determining
    }

    /// The ids of permitting policies that could not be evaluated and were passed over.
    pub fn erring(&self) -> &[Arc<str>] {
        &self.0.erring
    }

    /// The digest that names the set of policies.
    pub fn bundle(&self) -> &Arc<str> {
        &self.0.bundle
    }
}

impl Forbidden {
    pub(crate) const fn new(grounds: Arc<Grounds>) -> Self {
        Self(grounds)
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// The ids of the policies that forbid it; empty where none permits it.
    pub fn determining(&self) -> &[Arc<str>] {
        &self.0.determining
    }

    /// The ids of policies that could not be evaluated.
    pub fn erring(&self) -> &[Arc<str>] {
        &self.0.erring
    }

    /// The scopes the credential would need as well, by the shortest way; for the `WWW-Authenticate` challenge of
    /// RFC 6750 section 3.1.
    pub fn missing_scopes(&self) -> &[Scope] {
        &self.0.missing
    }

    /// The digest that names the set of policies.
    pub fn bundle(&self) -> &Arc<str> {
        &self.0.bundle
    }

    /// What the caller is told.
    pub fn told(&self) -> Told {
        Told::new(self.0.reason.as_str(), self.0.reason.message())
    }

    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self.0.reason {
            Reason::PolicyError => Blame::Policy,
            Reason::UnmappedOperation
            | Reason::Suspended
            | Reason::CredentialExpired
            | Reason::TenantMismatch
            | Reason::OtherResource
            | Reason::IpNotAllowed
            | Reason::PlainHttp
            | Reason::InsufficientScope
            | Reason::Forbidden
            | Reason::NoPermit => Blame::Caller,
        }
    }
}

impl fmt::Display for Grounds {
    /// For the log and the entry: the reason and the policies it rests on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        for (what, ids) in [("by", &self.determining), ("erring", &self.erring)] {
            for (at, id) in ids.iter().enumerate() {
                write!(f, "{} `{id}`", if at == 0 { format!(" {what}") } else { ",".to_owned() })?;
            }
        }
        Ok(())
    }
}
