//! A key as it is kept: everything but the key itself.

use std::fmt;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{ApiName, Bound, Grant, KeyId, LineageId, Scope, TenantId, TierName, Timestamp};

/// One API key or access key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// How it is named wherever it must not be shown.
    pub id: KeyId,
    /// All keys that came from one by rotation.
    pub lineage: LineageId,
    /// The one API it opens.
    pub api: ApiName,
    /// Whose resources it reaches.
    pub tenant: TenantId,
    /// What its owner calls it.
    pub name: String,
    /// The user or service account that holds it.
    pub owner: Option<String>,
    /// How it is recognised.
    pub secret: KeySecret,
    /// The ceiling of what it may do.
    pub scopes: Vec<Scope>,
    /// How much it may use.
    pub tier: TierName,
    /// From where it may be used; empty for anywhere.
    pub ip_allow: Vec<IpNet>,
    /// The one resource it opens; whatever its scopes open where there is none.
    #[serde(default)]
    pub bound: Option<Bound>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// The key it took the place of.
    pub rotated_from: Option<KeyId>,
    /// How long it goes on beside the newer one that took its place.
    pub overlap: Option<Overlap>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// Since when its owner is suspended. It is known all the while, and opens nothing.
    #[serde(default)]
    pub suspended: Option<Timestamp>,
    /// When it was last used, to within half a minute.
    pub last_used: Option<Timestamp>,
}

/// How long before its end it is said of a key that it ends: in answers to it, in metrics and in entries.
pub const EXPIRES_SOON: Duration = Duration::from_hours(14 * 24);

/// The time in which a key and the one that took its place both open what they open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// When the newer one was made.
    pub since: Timestamp,
    /// When the older one stops.
    pub until: Timestamp,
}

/// What is kept of the secret part of a key. Nothing here lets anyone act as its holder without the pepper or the
/// master key, both of which are kept outside the database.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "form")]
pub enum KeySecret {
    /// A key the gateway minted: prefix, 256 random bits, checksum.
    Minted {
        /// HMAC-SHA-256 under the pepper.
        digest: Digest,
        /// Which pepper.
        pepper: u16,
    },
    /// A key made elsewhere, in whatever form.
    Imported {
        /// HMAC-SHA-256 under the pepper over the SHA-256 of the key.
        digest: Digest,
        /// Which pepper.
        pepper: u16,
    },
    /// An access key id and a secret that signs requests, sealed because a signature cannot be checked with a digest.
    AccessKey {
        /// The public half, 20 upper-case letters and digits.
        access_key_id: String,
        /// AES-256-GCM under the master key, the access key id as additional data: nonce, ciphertext, tag.
        sealed: Vec<u8>,
    },
    /// Nothing: no request can show it. Tokens that the issuer makes name it, and it lives and ends as a key does.
    Granted(Grant),
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Minted { .. } => "Minted",
            Self::Imported { .. } => "Imported",
            Self::AccessKey { .. } => "AccessKey",
            Self::Granted(_) => "Granted",
        })
    }
}

/// 32 bytes that stand for a key.
pub type Digest = [u8; 32];
