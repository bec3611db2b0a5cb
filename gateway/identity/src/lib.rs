//! Tenants, their keys and people, the life of a key and of a session, and the tokens that are made for them.
//!
//! [`Identity`] holds every verb that changes them. Each verb reads, decides and publishes on the version it has read;
//! when somebody else was faster, it decides again. Knows what a key must be and nothing of how a request shows one.

mod clients;
mod codes;
mod consents;
mod grants;
mod kept;
mod keys;
mod people;
mod publish;
mod service_accounts;
mod sessions;
mod settings;
mod shown;
mod signing;
mod store;
mod tenants;
mod terms;
mod waiting;

use std::sync::Arc;

use domain::{Clock, Random, Vault};
use tokio::sync::Mutex;

pub use clients::{
    ChangeClientError, Client, ClientAuth, ClientGrant, CreateClientError, MadeClient, NewClient, PERSONAL_SCOPES,
    UnfitClient,
};
pub use codes::{Allowed, Brought, CODE_LIFETIME, RedeemError, Redeemed};
pub use grants::{RefreshError, Refreshed, Renewal};
pub use keys::{
    CreateKeyError, ImportKey, ImportKeyError, Issued, KeyKind, KeyState, NewKey, RevokeKeyError, RotateKeyError,
};
pub use people::{
    Authenticated, BadRole, BrowserSession, ChangePersonError, CodeWanted, CreatePersonError, Enrolment, FactorError,
    Membership, NewPerson, PeopleSettings, Person, SignIn, SignInError, TooBusy, WeakPassword,
};
pub use service_accounts::{
    BadWorkload, ChangeServiceAccountError, CreateServiceAccountError, NewServiceAccount, Rotation, ServiceAccount,
    WorkloadIdentity,
};
pub use sessions::{BeginSessionError, SESSION_LIFETIME, Session, SessionShown};
pub use settings::Settings;
pub use shown::{PlainKey, Shown};
pub use signing::{
    AccessToken, BadTokenKey, Issuer, Jwk, NewIdToken, NewToken, NoSigner, TOKEN_LIFETIME, TokenKeyError,
    draw_token_key,
};
pub use store::{KeyFilter, News, Page, PublishFault, Registry, SecretsChanged, Sought, StoreFault};
pub use tenants::{ChangeTenantError, CreateTenantError, NewTenant};
pub use terms::{ApiTerms, Terms, Unfit};

/// Who makes, changes and ends tenants and keys. Clones are the same one, under whatever name they act.
/// Tokens are made by the [`Issuer`], of the keys that this one looks after.
#[derive(Clone)]
pub struct Identity {
    registry: Arc<dyn Registry>,
    vault: Arc<dyn Vault>,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    people: PeopleSettings,
    passwords: Arc<people::Passwords>,
    /// Who acts through this one, as deeds name them.
    actor: String,
    /// Verbs of one process wait for each other here rather than deciding twice.
    turn: Arc<Mutex<()>>,
}

impl Identity {
    /// Over this registry; secrets become what `vault` makes of them.
    pub fn new(
        registry: Arc<dyn Registry>,
        vault: Arc<dyn Vault>,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        let people = PeopleSettings::default();
        let passwords = Arc::new(people::Passwords::new(people.hashes_at_once));
        let (actor, turn) = ("gateway".to_owned(), Arc::default());
        Self { registry, vault, random, clock, settings, people, passwords, actor, turn }
    }

    /// With these settings of people, where they would be the default ones.
    #[must_use]
    pub fn with_people(self, people: PeopleSettings) -> Self {
        let passwords = Arc::new(people::Passwords::new(people.hashes_at_once));
        Self { people, passwords, ..self }
    }

    /// With deeds in the name of this actor, where they would be in that of the gateway itself.
    #[must_use]
    pub fn acting_for(self, actor: &str) -> Self {
        Self { actor: actor.to_owned(), ..self }
    }

    /// What is kept, for whoever follows its changes.
    pub fn registry(&self) -> &Arc<dyn Registry> {
        &self.registry
    }
}
