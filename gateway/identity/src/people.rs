//! People: who they are, where they belong, and how they show that it is them.
//!
//! Whom an operator makes known signs in by one name whichever tenant they work for, and has roles in each. Whom a tenant makes
//! known is its own, signs in by its id and a name there, and belongs nowhere else: so no tenant takes a name from another. What
//! a user is called is kept here and shown to those who may see it; entries name users by their ids alone.

mod browser;
mod change;
mod create;
mod current;
mod factor;
mod join;
mod leave;
mod password;
mod pool;
mod settings;
mod signin;
mod through;
mod totp;
mod user;

use domain::{RoleName, TenantId, Timestamp};

pub use browser::{BeginBrowserSessionError, BrowserSession, SignedOut};
pub use change::ChangePersonError;
pub use create::{BadRole, CreatePersonError, NewPerson, is_user_id};
pub use factor::{Enrolment, FactorError};
pub use join::{AcceptInviteError, Joined, Joining};
pub use password::WeakPassword;
pub use pool::TooBusy;
pub use settings::PeopleSettings;
pub use signin::{Authenticated, CodeWanted, SignIn, SignInError};
pub use user::folded;

pub(crate) use browser::{BROWSER_SECRET, KeptSession};
pub(crate) use create::{address, address_of, known_roles, sorted};
pub(crate) use pool::Passwords;
pub(crate) use through::{BY_ACCOUNT, BY_PROVIDER, KnownThere, MayBeOutside, Through};
pub(crate) use user::{BY_TEAM, NewOutsider, User};

use crate::Identity;
use crate::store::{Page, StoreFault};

/// A user, as others may see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The id, `usr_...`: what entries, tokens and grants call them.
    pub id: String,
    /// The tenant whose own they are, if they are one's: their name begins with it.
    pub home: Option<TenantId>,
    /// By what they sign in.
    pub name: String,
    /// Where mail reaches them, if somebody has said so: their home, where they have one, and nobody else vouches for it. Who
    /// has none signs in by it as well.
    pub email: Option<String>,
    /// What people call them.
    pub display: Option<String>,
    /// Whether they may not sign in for now.
    pub suspended: bool,
    /// Whether a second factor is asked of them.
    pub second_factor: bool,
    /// When they were made known.
    pub created: Timestamp,
}

/// Where a user belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The tenant.
    pub tenant: TenantId,
    /// What they are there; never empty.
    pub roles: Vec<RoleName>,
}

impl Person {
    /// By what they sign in.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let email = self.email.as_deref().filter(|it| self.home.is_none() && folded(it) != folded(&self.name));
        std::iter::once(self.name.as_str()).chain(email)
    }
}

impl Identity {
    /// One user.
    pub async fn person(&self, user: &str) -> Result<Option<Person>, StoreFault> {
        Ok(self.find::<User>(user).await?.map(Person::from))
    }

    /// The user who signs in by this name or address, however it is capitalised.
    pub async fn person_called(&self, name: &str) -> Result<Option<Person>, StoreFault> {
        Ok(self.user_called(name).await?.map(Person::from))
    }

    /// Where a user belongs, by the ids of the tenants.
    pub async fn memberships(&self, user: &str) -> Result<Vec<Membership>, StoreFault> {
        Ok(self.find::<User>(user).await?.map(|it| it.memberships()).unwrap_or_default())
    }

    /// Users in the order in which they were made: those of one tenant, or all.
    pub async fn people(&self, tenant: Option<&TenantId>, page: &Page<String>) -> Result<Vec<Person>, StoreFault> {
        let by = tenant.map(|it| (user::BY_TENANT, it.as_str()));
        Ok(self.list::<User>(None, by, page).await?.into_iter().map(Person::from).collect())
    }

    /// The users of a tenant in the order in which they were made, each with all that they are there.
    pub async fn members(
        &self,
        tenant: &TenantId,
        page: &Page<String>,
    ) -> Result<Vec<(Person, Vec<RoleName>)>, StoreFault> {
        let users = self.list::<User>(None, Some((user::BY_TENANT, tenant.as_str())), page).await?;
        let member = |it: User| {
            let roles = it.roles_in(tenant);
            (Person::from(it), roles)
        };
        Ok(users.into_iter().map(member).collect())
    }

    pub(crate) async fn user_called(&self, name: &str) -> Result<Option<User>, StoreFault> {
        self.find_by(user::BY_NAME, &folded(name)).await
    }

    /// How many passwords were hashed so far, right, wrong or nobody's.
    pub fn passwords_hashed(&self) -> u64 {
        self.passwords.hashed()
    }
}
