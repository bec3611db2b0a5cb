//! Tenants, their keys and people, the life of a key and of a session, and the tokens that are made for them.
//!
//! [`Identity`] holds every verb that changes them. Each verb reads, decides and publishes on the version it has read;
//! when somebody else was faster, it decides again. Knows what a key must be and nothing of how a request shows one.

mod clients;
mod codes;
mod consents;
mod devices;
mod elsewhere;
mod fitting;
mod grants;
mod kept;
mod keys;
mod mandate;
mod passkeys;
mod people;
mod plugins;
mod providers;
mod publish;
mod service_accounts;
mod sessions;
mod settings;
mod shown;
mod signing;
mod store;
mod teams;
mod tenants;
mod terms;
mod waiting;

use std::sync::Arc;

use async_trait::async_trait;
use domain::{Clock, Random, Vault, Version};
use tokio::sync::Mutex;

pub use clients::{
    ChangeClientError, Client, ClientAuth, ClientGrant, CreateClientError, MadeClient, NewClient, PERSONAL_SCOPES,
    UnfitClient,
};
pub use codes::{Allowed, Brought, CODE_LIFETIME, RedeemError, Redeemed};
pub use consents::ShownConsent;
pub use devices::{
    AskingDevice, BeginDeviceError, BegunDevice, DEVICE_LIFETIME, DeviceAnswer, DeviceError, RedeemedDevice,
};
pub use elsewhere::Elsewhere;
pub use grants::{Holder, Lapsed, RefreshError, Refreshed, Renewal};
pub use keys::{
    CreateKeyError, ImportKey, ImportKeyError, Issued, KeyKind, KeyState, NewKey, RevokeKeyError, RotateKeyError,
};
pub use mandate::{Mandate, Over};
pub use passkeys::{Ceremony, NewPasskey, Party, Passkey, RegisterPasskeyError, RemovePasskeyError, ShownPasskey};
pub use people::{
    AcceptInviteError, Authenticated, BadRole, BeginBrowserSessionError, BrowserSession, ChangePersonError, CodeWanted,
    CreatePersonError, Enrolment, FactorError, Joined, Joining, Membership, NewPerson, PeopleSettings, Person, SignIn,
    SignInError, SignedOut, TooBusy, WeakPassword, folded, is_user_id,
};
pub use plugins::{ChangePluginError, NewPlugin, Plugin, PluginQuota, PushPluginError};
pub use providers::{
    ChangeProviderError, CreateProviderError, EndedOutside, EnterError, LeftOutside, LinkError, NewProvider,
    OutsideUser, Provider, ProviderAlg, RoleRule, UnfitProvider,
};
pub use service_accounts::{
    BadWorkload, ChangeServiceAccountError, CreateServiceAccountError, ExchangeError, IssuerKeys, NewServiceAccount,
    Rotation, ServiceAccount, ShownWorkload, TrustError, TrustedIssuer, WorkloadIdentity,
};
pub use sessions::{BeginSessionError, SESSION_LIFETIME, Session, SessionShown};
pub use settings::Settings;
pub use shown::{PlainKey, Shown};
pub use signing::{
    AccessToken, BadTokenKey, Issuer, Jwk, JwkNumbers, NewIdToken, NewToken, NoSigner, TOKEN_LIFETIME, TokenKeyError,
    digest_of, draw_token_key,
};
pub use store::{DeedNumbers, KeyFilter, News, Page, PublishFault, Registry, SecretsChanged, Sought, StoreFault};
pub use teams::{
    ChangeTeamError, CreateInviteError, CreateTeamError, Invite, InviteState, MadeInvite, Member, NewInvite, NewTeam,
    Team,
};
pub use tenants::{ChangeTenantError, CreateTenantError, NewTenant};
pub use terms::{ApiTerms, BucketKeys, Terms, Unfit, is_label};

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
    challenges: Arc<passkeys::Challenges>,
    /// Who acts through this one, as deeds name them.
    actor: String,
    /// What whoever acts may do to others, where that is bounded.
    mandate: Option<Mandate>,
    /// Verbs of one process wait for each other here rather than deciding twice.
    turn: Arc<Mutex<()>>,
    /// Who must honour what is published before a verb says that it is done.
    follower: Option<Arc<dyn Follower>>,
}

/// A gateway that runs beside whoever publishes, and follows.
#[async_trait]
pub trait Follower: Send + Sync {
    /// Comes back when whatever was published up to this version is in force there; an error where that takes too long.
    async fn honours(&self, version: Version) -> Result<(), NotHonoured>;
}

/// Something was published and is not in force yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is done and kept, but the running gateway does not act by it yet; it will as soon as it can: see /readyz")]
pub struct NotHonoured;

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
        let challenges = Arc::new(passkeys::Challenges::draw(&*random));
        let (actor, turn) = ("gateway".to_owned(), Arc::default());
        let (mandate, follower) = (None, None);
        Self { registry, vault, random, clock, settings, people, passwords, challenges, actor, mandate, turn, follower }
    }

    /// With these settings of people, where they would be the default ones.
    #[must_use]
    pub fn with_people(self, people: PeopleSettings) -> Self {
        let passwords = Arc::new(people::Passwords::new(people.hashes_at_once));
        Self { people, passwords, ..self }
    }

    /// With verbs that are done only when this one acts by what they have published.
    #[must_use]
    pub fn followed_by(self, follower: Arc<dyn Follower>) -> Self {
        Self { follower: Some(follower), ..self }
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
