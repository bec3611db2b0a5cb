//! Connections to providers elsewhere, by which the people of a tenant sign in: one for each tenant.
//!
//! What a provider says of somebody holds in the tenant of its connection and nowhere else: whoever runs it could say
//! anything of anybody. So a user is known by the connection, the issuer and the name that the issuer never gives to another,
//! never by an address; and a session that began there opens nothing of another tenant.

mod change;
mod claims;
mod create;
mod enter;
mod link;
mod logout;

use domain::{RoleName, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use change::ChangeProviderError;
pub use create::{CreateProviderError, NewProvider, UnfitProvider};
pub use enter::{EnterError, OutsideUser};
pub use link::LinkError;
pub use logout::{EndedOutside, LeftOutside};

use crate::Identity;
use crate::elsewhere::Elsewhere;
use crate::kept::Kept;
use crate::people::User;
use crate::store::{Page, StoreFault};
use crate::terms::Terms;

/// By what a connection is found whose people have an address of this domain.
const BY_DOMAIN: &str = "domain";

/// As what the secret is sealed.
const SEALED_AS: &str = "provider secret";

/// A connection, as it is kept: everything but its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// How it is named everywhere: `idp_` and 16 digits. No secret.
    pub id: String,
    /// Whose people sign in there.
    pub tenant: TenantId,
    /// What people call it: they are offered to sign in with it.
    pub name: String,
    /// Who issues its tokens, to the letter.
    pub issuer: String,
    /// What it calls us.
    pub client: String,
    /// What its tokens may be signed with.
    pub algs: Vec<ProviderAlg>,
    /// The authorities that vouch for it, as PEM; those of the system where there are none.
    pub ca: Option<String>,
    /// Whether it may be at an address that is not public.
    pub private: bool,
    /// What it is asked to tell of people.
    pub scopes: Vec<String>,
    /// The domains of the addresses of its people.
    pub domains: Vec<String>,
    /// What its people are in the tenant, by what it says of them.
    pub rules: Vec<RoleRule>,
    /// The user for whom it was set up: none of its people is given more than they have.
    pub set_by: Option<String>,
    /// Whether whoever comes for the first time is made known.
    pub makes_users: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it was suspended. Nobody signs in by it then.
    pub suspended: Option<Timestamp>,
    /// The secret, sealed under the master key.
    secret: Vec<u8>,
}

/// What tokens of a provider may be signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ProviderAlg {
    /// RSA with PKCS #1 v1.5 and SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA over P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// Who is what: those of whom a provider says this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRule {
    /// The claim, `groups`; where it is within others, by its path: `realm_access.roles`.
    pub claim: String,
    /// What it must be, or hold; `*` for anything.
    pub value: String,
    /// What they are then.
    pub roles: Vec<RoleName>,
}

impl ProviderAlg {
    /// Every one there is.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// Its name in the header of a token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl Kept for Provider {
    const KIND: &'static str = "provider";

    fn id(&self) -> &str {
        &self.id
    }

    fn tenant(&self) -> Option<&TenantId> {
        Some(&self.tenant)
    }

    fn found_by(&self) -> Vec<(&'static str, String)> {
        self.domains.iter().map(|it| (BY_DOMAIN, it.clone())).collect()
    }
}

impl Provider {
    /// Where it is asked.
    pub fn elsewhere(&self) -> Elsewhere<'_> {
        Elsewhere { named: &self.id, issuer: &self.issuer, ca: self.ca.as_deref(), private: self.private }
    }

    /// Whether somebody with this address is one of its people.
    pub fn is_of(&self, address: &str) -> bool {
        let domain = address.rsplit_once('@').map(|(_, it)| it.to_lowercase());
        domain.is_some_and(|it| self.domains.contains(&it))
    }
}

impl Identity {
    /// One connection.
    pub async fn provider(&self, id: &str) -> Result<Option<Provider>, StoreFault> {
        self.find(id).await
    }

    /// The connection by which people sign in now: not suspended, and neither is its tenant.
    pub async fn open_provider(&self, id: &str) -> Result<Option<Provider>, StoreFault> {
        let Some(provider) = self.provider(id).await?.filter(|it| it.suspended.is_none()) else { return Ok(None) };
        let tenant = self.registry.tenant(&provider.tenant).await?;
        Ok(tenant.is_some_and(|it| it.suspended.is_none()).then_some(provider))
    }

    /// The one by which the people of a tenant sign in now.
    pub async fn provider_of(&self, tenant: &TenantId) -> Result<Option<Provider>, StoreFault> {
        let one = Page { after: None, limit: 1 };
        let first: Option<Provider> = self.list(Some(tenant), None, &one).await?.into_iter().next();
        match first {
            Some(provider) => self.open_provider(&provider.id).await,
            None => Ok(None),
        }
    }

    /// Connections in the order in which they were made, suspended ones included.
    pub async fn list_providers(
        &self,
        tenant: Option<&TenantId>,
        page: &Page<String>,
    ) -> Result<Vec<Provider>, StoreFault> {
        self.list(tenant, None, page).await
    }

    /// What a provider knows us by.
    pub fn provider_secret(&self, provider: &Provider) -> Result<Zeroizing<Vec<u8>>, StoreFault> {
        let opened = self.vault.unseal(SEALED_AS, &provider.id, &provider.secret);
        opened.map_err(|it| StoreFault { doing: "opening the secret of a provider", source: it.into() })
    }

    /// Those of these roles that hold no more, at any API, than the user for whom a connection was set up has in its tenant;
    /// none while they may not sign in.
    async fn within(
        &self,
        provider: &Provider,
        roles: &[RoleName],
        terms: &Terms,
    ) -> Result<Vec<RoleName>, StoreFault> {
        let Some(user) = &provider.set_by else { return Ok(roles.to_vec()) };
        let user = self.find::<User>(user).await?.filter(User::may_sign_in);
        let own = user.map(|it| it.roles_in(&provider.tenant)).unwrap_or_default();
        let fits = |role: &&RoleName| {
            terms.all().all(|api| {
                let held = api.scopes_of(&own);
                api.scopes_of(std::slice::from_ref(*role)).iter().all(|it| held.contains(it))
            })
        };
        Ok(roles.iter().filter(fits).cloned().collect())
    }
}
