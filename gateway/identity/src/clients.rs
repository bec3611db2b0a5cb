//! OAuth clients: what may ask the issuer for tokens, how it shows that it is the one, and for how much at most.
//!
//! A client acts at one API, for one tenant. For what it does by itself it has a grant, which is judged on every request as
//! a key is: it ends with the client, and with it every token that names it.

mod assertion;
mod change;
mod create;
pub(crate) mod redirect;
mod secret;

use domain::{ApiName, KeyId, NativeVerb, Scope, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

pub use change::ChangeClientError;
pub use create::{CreateClientError, MadeClient, NewClient, UnfitClient};

use crate::Identity;
use crate::kept::Kept;
use crate::store::{Page, StoreFault};
use secret::KeptSecret;

/// Scopes that say something of a user and open nothing of an API (OpenID Connect Core, section 5.4).
pub const PERSONAL_SCOPES: [&str; 3] = ["openid", "profile", "email"];

/// A client, as it is kept: everything but its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// How it is named everywhere: `cli_` and 16 digits. No secret.
    pub id: String,
    /// Whose it is, and whose resources it reaches.
    pub tenant: TenantId,
    /// The one API that its tokens open.
    pub api: ApiName,
    /// What people call it; those who are asked for their consent are shown it.
    pub name: String,
    /// How it shows that it is the one.
    pub method: ClientAuth,
    /// The public keys that its assertions are signed with, as a set in JSON.
    pub keys: Option<String>,
    /// Where users may be sent back to.
    pub redirect_uris: Vec<String>,
    /// Where users may be sent who have signed out.
    #[serde(default)]
    pub post_logout_uris: Vec<String>,
    /// The ways in which it may come to tokens.
    pub grants: Vec<ClientGrant>,
    /// The ceiling of what it may be granted; sorted, without repeats.
    pub scopes: Vec<Scope>,
    /// What it acts by where no user stands behind it.
    pub grant: KeyId,
    /// When it was made.
    pub created: Timestamp,
    /// When it was suspended. It is told no more than that it is not known.
    pub suspended: Option<Timestamp>,
    /// Whether each of its tokens must be bound to a key that it has proven to hold (RFC 9449).
    #[serde(default)]
    pub proves_possession: bool,
    secrets: Vec<KeptSecret>,
}

/// How a client shows that it is the one, in the words of RFC 7591.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// Its secret, in the header `Authorization`.
    ClientSecretBasic,
    /// Its secret, in the body.
    ClientSecretPost,
    /// An assertion that it signs with a key of its own (RFC 7523).
    PrivateKeyJwt,
    /// Not at all: it runs where it can keep no secret.
    None,
}

/// A way to come to tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientGrant {
    /// A user lets it act for them.
    AuthorizationCode,
    /// It goes on to act for a user.
    RefreshToken,
    /// It acts for itself.
    ClientCredentials,
    /// A user lets it act for them, on another device than the one that it runs on (RFC 8628).
    DeviceCode,
}

impl ClientAuth {
    /// Every one there is.
    pub const ALL: [Self; 4] = [Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt, Self::None];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }

    fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

impl ClientGrant {
    /// Every one there is.
    pub const ALL: [Self; 4] = [Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials, Self::DeviceCode];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
        }
    }

    /// The operations without which nobody comes to tokens in this way.
    pub fn takes(self) -> &'static [NativeVerb] {
        match self {
            Self::ClientCredentials => &[NativeVerb::CreateToken],
            Self::AuthorizationCode | Self::RefreshToken => &[NativeVerb::CreateToken, NativeVerb::Authorize],
            Self::DeviceCode => &[NativeVerb::CreateToken, NativeVerb::BeginDevice, NativeVerb::AnswerDevice],
        }
    }
}

impl Client {
    /// Whether it can keep no secret.
    pub fn is_public(&self) -> bool {
        self.method == ClientAuth::None
    }

    /// Whether it may come to tokens in this way.
    pub fn may(&self, grant: ClientGrant) -> bool {
        self.grants.contains(&grant)
    }

    /// Whether users may be sent back there: to a place that was named to the letter. On the machine of the user itself
    /// the port may be another each time (RFC 8252 section 7.3).
    pub fn leads_back_to(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|it| redirect::same(it, uri))
    }

    /// Whether anybody on the machine of the user could be waiting there in its place: it keeps no secret, and that machine is
    /// where users are sent back to (RFC 8252 section 8.6).
    pub fn is_anybodys_at(&self, uri: &str) -> bool {
        self.is_public() && !uri.starts_with("https://")
    }

    /// Whether users may be sent there who have signed out: to a place that was named, to the letter.
    pub fn takes_leave_at(&self, uri: &str) -> bool {
        self.post_logout_uris.iter().any(|it| it == uri)
    }

    /// What it may do by itself.
    fn own_scopes(&self) -> Vec<Scope> {
        self.scopes.iter().filter(|it| !PERSONAL_SCOPES.contains(&it.as_str())).cloned().collect()
    }
}

impl Kept for Client {
    const KIND: &'static str = "client";

    fn id(&self) -> &str {
        &self.id
    }

    fn tenant(&self) -> Option<&TenantId> {
        Some(&self.tenant)
    }
}

impl Identity {
    /// One client.
    pub async fn client(&self, id: &str) -> Result<Option<Client>, StoreFault> {
        self.find(id).await
    }

    /// Clients in the order in which they were made, suspended ones included.
    pub async fn list_clients(
        &self,
        tenant: Option<&TenantId>,
        page: &Page<String>,
    ) -> Result<Vec<Client>, StoreFault> {
        self.list(tenant, None, page).await
    }
}
