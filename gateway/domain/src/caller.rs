//! Who is asking, as authenticated.

use std::sync::Arc;

use serde::Serialize;

use crate::{Bound, Grant, KeyId, LineageId, Overlap, Scope, TenantId, TierName, Timestamp};

/// The one who showed a good credential. Only `authn` makes one.
#[derive(Clone, Debug)]
pub struct Caller {
    /// What does not change from request to request.
    pub standing: Arc<Standing>,
    /// How it was shown who is asking.
    pub method: AuthMethod,
    /// Whether the source address is on the credential's list; true where there is no list.
    pub in_allowlist: bool,
    /// How long this credential still works beside the one that took its place.
    pub retires: Option<Overlap>,
    /// The access token that was shown, where it was one.
    pub token: Option<Arc<TokenShown>>,
}

/// What matters of an access token once it was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenShown {
    /// The key that signed it.
    pub signer: String,
    /// When it was made.
    pub issued: Timestamp,
}

/// The rights of a credential, made once when the credential is loaded and shared by all its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The key, as logs and entries name it.
    pub key: KeyId,
    /// What limits are counted by.
    pub lineage: LineageId,
    /// The user or service account that holds the key, where there is one.
    pub owner: Option<String>,
    /// Whose resources it may reach.
    pub tenant: TenantId,
    /// The ceiling of what it may do; sorted, without repeats.
    pub scopes: Vec<Scope>,
    /// How much it may use.
    pub tier: TierName,
    /// The tier that its whole tenant has at the API, where it was given one.
    pub tenant_tier: Option<TierName>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// The one resource it may reach, where there is but one.
    pub bound: Option<Bound>,
    /// Whether the key, its owner or its tenant is suspended.
    pub suspended: bool,
    /// What was granted, where it is a grant and no key that a request can show.
    pub grant: Option<Grant>,
}

/// How a caller was authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// An API key in `Authorization: Bearer`.
    ApiKey,
    /// An access key that signed the request (AWS Signature Version 4).
    SigV4,
    /// An access token of an issuer, made for a key or a grant.
    AccessToken,
    /// The cookie of a login session.
    Session,
}

impl AuthMethod {
    /// The word written to entries and given to policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::SigV4 => "sigv4",
            Self::AccessToken => "access_token",
            Self::Session => "session",
        }
    }
}
