//! What becomes of users: suspended, resumed, given another password or other roles.

use domain::{Change, Deed, DeedClass, RoleName, TenantId};

use super::create::{known_roles, sorted};
use super::password::{self, WeakPassword};
use super::pool::TooBusy;
use super::user::{BY_TENANT, Failures, User};
use super::{Authenticated, BadRole, Person};
use crate::Identity;
use crate::kept::Kept;
use crate::publish::{Decision, Entered};
use crate::store::{Page, StoreFault};
use crate::terms::{Terms, Unfit, label};

/// A user could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePersonError {
    /// There is none.
    #[error("there is no user `{0}`")]
    Unknown(String),
    /// What people shall call them cannot be.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The password cannot be.
    #[error(transparent)]
    Password(#[from] WeakPassword),
    /// The password that was shown is not the one they have.
    #[error("the password that was shown is not the one they have")]
    Wrong,
    /// Nobody would be left to look after a tenant.
    #[error("nobody else is an owner of tenant `{0}`; help: give somebody else the role first")]
    LastOwner(TenantId),
    /// A role cannot be given.
    #[error(transparent)]
    Role(#[from] BadRole),
    /// As many passwords wait to be hashed as may.
    #[error(transparent)]
    Busy(#[from] TooBusy),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for ChangePersonError {
    fn entered(&self) -> String {
        match self {
            // What was typed in the place of an id may be a name.
            Self::Unknown(_) => "there is no such user".to_owned(),
            Self::Unfit(_) => "that cannot be what people call them".to_owned(),
            Self::Password(_) | Self::Wrong | Self::LastOwner(_) | Self::Role(_) | Self::Busy(_) | Self::Store(_) => {
                self.to_string()
            }
        }
    }
}

/// What is done with a user.
#[derive(Clone, Copy)]
enum Act<'a> {
    Suspend,
    /// Also where nobody is left then to look after a tenant.
    SuspendAnybody,
    Resume,
    Rename(&'a str),
}

impl Act<'_> {
    fn as_str(self) -> &'static str {
        match self {
            Self::Suspend | Self::SuspendAnybody => "suspend_user",
            Self::Resume => "resume_user",
            Self::Rename(_) => "rename_user",
        }
    }
}

impl Identity {
    /// From now on they cannot sign in, whatever they had signed in to is over, and their keys end. Suspending twice is
    /// suspending once.
    /// Nobody who alone looks after a tenant is.
    pub async fn suspend_person(&self, id: &str) -> Result<Person, ChangePersonError> {
        self.change_person(id, Act::Suspend).await
    }

    /// The same, also of the last owner of a tenant: an account that somebody else has got hold of cannot wait.
    pub async fn suspend_even_last_owner(&self, id: &str) -> Result<Person, ChangePersonError> {
        self.change_person(id, Act::SuspendAnybody).await
    }

    /// They may sign in again.
    pub async fn resume_person(&self, id: &str) -> Result<Person, ChangePersonError> {
        self.change_person(id, Act::Resume).await
    }

    /// What people call them from now on.
    pub async fn rename_person(&self, id: &str, display: &str) -> Result<Person, ChangePersonError> {
        let display = label(display)?;
        self.change_person(id, Act::Rename(&display)).await
    }

    async fn change_person(&self, id: &str, act: Act<'_>) -> Result<Person, ChangePersonError> {
        let verb = self.settle(|| Box::pin(self.act_on(id, act)));
        self.told(self.user_deed(DeedClass::Identity, act.as_str(), id), verb).await
    }

    async fn act_on(&self, id: &str, act: Act<'_>) -> Result<Decision<Person>, ChangePersonError> {
        let was = self.find::<User>(id).await?.ok_or_else(|| ChangePersonError::Unknown(id.to_owned()))?;
        let (user, ended) = match act {
            Act::Suspend | Act::SuspendAnybody => {
                if matches!(act, Act::Suspend) && was.may_sign_in() {
                    self.spare_owners_of_last_resort(&was).await?;
                }
                let suspended = was.suspended.or(Some(self.clock.now().wall));
                (User { suspended, ..was.clone() }, self.end_with_keys(id, None).await?)
            }
            Act::Resume => (User { suspended: None, ..was.clone() }, (Vec::new(), Vec::new())),
            Act::Rename(display) => {
                (User { display: Some(display.to_owned()), ..was.clone() }, (Vec::new(), Vec::new()))
            }
        };
        let (mut changes, mut deeds) = ended;
        deeds.insert(0, self.deed(DeedClass::Identity, act.as_str()).on(id).with("changed", user != was));
        changes.push(user.kept()?);
        Ok(Decision { changes, deeds, outcome: user.into() })
    }

    /// They sign in with this password from now on, and whatever they had signed in to is over. Lets in who was locked out.
    /// `current` is what a user shows who does it for themself.
    pub async fn set_password(
        &self,
        id: &str,
        password: &str,
        current: Option<&str>,
    ) -> Result<Person, ChangePersonError> {
        Ok(self.replace_password(id, password, current).await?.into())
    }

    async fn replace_password(
        &self,
        id: &str,
        password: &str,
        current: Option<&str>,
    ) -> Result<User, ChangePersonError> {
        let verb = self.give_password(id, password, current);
        self.told(self.user_deed(DeedClass::Identity, "set_password", id), verb).await
    }

    async fn give_password(&self, id: &str, password: &str, current: Option<&str>) -> Result<User, ChangePersonError> {
        let unknown = || ChangePersonError::Unknown(id.to_owned());
        let user = self.find::<User>(id).await?.ok_or_else(unknown)?;
        let names = [user.name.as_str(), user.email.as_deref().unwrap_or_default()];
        password::check(password, self.people.password_min, &names)?;
        if let Some(current) = current {
            self.prove_password(id, current).await?;
        }
        let (hash, before) = (&self.hashed(password).await?, &user.password);
        self.settle(|| {
            Box::pin(async move {
                let user = self.find::<User>(id).await?.ok_or_else(unknown)?;
                if current.is_some() && user.password != *before {
                    return Err(ChangePersonError::Wrong);
                }
                let (mut changes, mut deeds) = self.end_all(id, None).await?;
                deeds.insert(0, self.deed(DeedClass::Identity, "set_password").on(id));
                deeds.extend(self.released(&user));
                let user = User { password: Some(hash.clone()), failures: Failures::default(), ..user };
                changes.push(user.kept()?);
                Ok(Decision { changes, deeds, outcome: user })
            })
        })
        .await
    }

    /// The same by a user who shows the one they have; who they are then, as they had shown it by these methods.
    pub async fn change_password(
        &self,
        id: &str,
        password: &str,
        current: &str,
        methods: Vec<String>,
    ) -> Result<Authenticated, ChangePersonError> {
        let user = self.replace_password(id, password, Some(current)).await?;
        Ok(Authenticated::of(&user, methods, self.clock.now().wall))
    }

    /// What they are in a tenant from now on; nothing where there are no roles. What they had signed in to there is over, so
    /// that nothing goes on with the roles from before.
    pub async fn set_roles(
        &self,
        id: &str,
        tenant: &TenantId,
        roles: &[RoleName],
        terms: &Terms,
    ) -> Result<Person, ChangePersonError> {
        let roles = &sorted(roles);
        let deed = self.role_deed(id, tenant, roles);
        let verb = async {
            known_roles(roles, terms)?;
            self.settle(|| Box::pin(self.give_roles(id, tenant, roles, terms))).await
        };
        self.told(deed, verb).await
    }

    async fn give_roles(
        &self,
        id: &str,
        tenant: &TenantId,
        roles: &[RoleName],
        terms: &Terms,
    ) -> Result<Decision<Person>, ChangePersonError> {
        self.known_tenant(tenant).await?.map_err(ChangePersonError::Role)?;
        let user = self.find::<User>(id).await?.ok_or_else(|| ChangePersonError::Unknown(id.to_owned()))?;
        if let Some(home) = user.home.as_ref().filter(|it| *it != tenant && !roles.is_empty()) {
            return Err(BadRole::Elsewhere(home.clone()).into());
        }
        let (user, mut changes, mut deeds) = self.with_roles(user, tenant, roles, terms).await?;
        if deeds.is_empty() {
            deeds.push(self.role_deed(id, tenant, roles).with("changed", false));
        }
        changes.push(user.kept()?);
        Ok(Decision { changes, deeds, outcome: user.into() })
    }

    /// A user with these roles in a tenant, sorted and known; the changes that end what they had signed in to with others and
    /// have their keys do no more than they, and what is entered of that. Nothing where they have them already.
    pub(crate) async fn with_roles(
        &self,
        mut user: User,
        tenant: &TenantId,
        roles: &[RoleName],
        terms: &Terms,
    ) -> Result<(User, Vec<Change>, Vec<Deed>), ChangePersonError> {
        let id = user.id.clone();
        let owned = user.owns(tenant);
        let before = if roles.is_empty() {
            user.roles.remove(tenant)
        } else {
            user.roles.insert(tenant.clone(), roles.to_vec())
        };
        if owned && !user.owns(tenant) {
            self.spare_last_owner(&id, tenant).await?;
        }
        if before.unwrap_or_default() == roles {
            return Ok((user, Vec::new(), Vec::new()));
        }
        let (mut changes, mut deeds) = self.end_all(&id, Some(tenant)).await?;
        deeds.insert(0, self.role_deed(&id, tenant, roles).with("changed", true));
        let (more, told) = self.fit_keys(&id, tenant, &user.roles_in(tenant), terms).await?;
        changes.extend(more);
        deeds.extend(told);
        Ok((user, changes, deeds))
    }

    /// Refuses it wherever they are.
    pub(super) async fn spare_owners_of_last_resort(&self, user: &User) -> Result<(), ChangePersonError> {
        for place in user.memberships().iter().filter(|it| user.owns(&it.tenant)) {
            self.spare_last_owner(&user.id, &place.tenant).await?;
        }
        Ok(())
    }

    /// Refuses to leave a tenant without anybody who may do everything there.
    pub(super) async fn spare_last_owner(&self, id: &str, tenant: &TenantId) -> Result<(), ChangePersonError> {
        let left = self.is_owned_without(&[id], tenant).await?;
        if left { Ok(()) } else { Err(ChangePersonError::LastOwner(tenant.clone())) }
    }

    /// Whether somebody besides these looks after a tenant, and may sign in.
    pub(crate) async fn is_owned_without(&self, going: &[&str], tenant: &TenantId) -> Result<bool, StoreFault> {
        let mut page = Page { after: None, limit: 100 };
        loop {
            let members: Vec<User> = self.list(None, Some((BY_TENANT, tenant.as_str())), &page).await?;
            let Some(last) = members.last() else { return Ok(false) };
            page.after = Some(last.id.clone());
            if members.iter().any(|it| !going.contains(&it.id.as_str()) && it.may_sign_in() && it.owns(tenant)) {
                return Ok(true);
            }
        }
    }

    /// Ends whatever a user has signed in to, and what they have let others do for them; those have to ask again. Says how many
    /// grants that were.
    pub async fn end_tokens_of_person(&self, id: &str) -> Result<usize, ChangePersonError> {
        let deed = self.user_deed(DeedClass::SessionEnd, "end", id).with("kind", "user");
        let verb = self.settle(|| {
            Box::pin(async move {
                if self.find::<User>(id).await?.is_none() {
                    return Err(ChangePersonError::Unknown(id.to_owned()));
                }
                let (mut changes, deeds) = self.end_all(id, None).await?;
                changes.extend(self.forget_consents_of(id).await?);
                Ok(Decision { changes, outcome: deeds.len(), deeds })
            })
        });
        self.told(deed, verb).await
    }

    /// The changes that end whatever a user has signed in to, in one tenant or everywhere, and what is entered of them.
    pub(super) async fn end_all(
        &self,
        user: &str,
        tenant: Option<&TenantId>,
    ) -> Result<(Vec<Change>, Vec<Deed>), StoreFault> {
        let (mut changes, deeds) = self.end_grants(user, tenant).await?;
        if tenant.is_none() {
            changes.extend(self.end_browser_sessions(user, None).await?);
        }
        Ok((changes, deeds))
    }

    /// The same, and those that end the keys that they hold.
    pub(super) async fn end_with_keys(
        &self,
        user: &str,
        tenant: Option<&TenantId>,
    ) -> Result<(Vec<Change>, Vec<Deed>), StoreFault> {
        let (mut changes, mut deeds) = self.end_all(user, tenant).await?;
        let (more, told) = self.end_keys(user, tenant).await?;
        changes.extend(more);
        deeds.extend(told);
        Ok((changes, deeds))
    }

    /// Ends whatever a user has signed in to and let others do for them, in all browsers: where a provider of one tenant has
    /// said who they are, in that tenant alone. Says how many grants that were.
    pub async fn leave_everywhere(&self, user: &str, tenant: Option<&TenantId>) -> Result<usize, StoreFault> {
        self.settle(|| {
            Box::pin(async move {
                let (mut changes, mut deeds) = self.end_grants(user, tenant).await?;
                let outcome = deeds.len();
                changes.extend(self.end_browser_sessions(user, tenant).await?);
                let deed = self.deed(DeedClass::SessionEnd, "leave_everywhere").on(user).with("ended", outcome);
                deeds.insert(0, tenant.into_iter().fold(deed, Deed::of));
                Ok::<_, StoreFault>(Decision { changes, deeds, outcome })
            })
        })
        .await
    }
}
