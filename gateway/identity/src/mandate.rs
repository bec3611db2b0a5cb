//! What somebody may do to others by what they hold themselves: nobody gives, takes or ends more than they have.

use std::collections::BTreeSet;

use domain::{ApiName, KeyId, RoleName, Scope, TenantId};

use crate::Identity;
use crate::keys::KeyState;
use crate::people::User;
use crate::store::StoreFault;
use crate::teams::Invite;
use crate::terms::{ApiTerms, Terms};

/// What somebody would do to others, by which credential.
#[derive(Clone, Debug)]
pub struct Mandate {
    /// The key or grant by which they ask.
    pub credential: KeyId,
    /// The user whose session that is; a key or a client is nobody's.
    pub user: Option<String>,
    /// The API that is asked.
    pub api: ApiName,
    /// Whose people these are.
    pub tenant: TenantId,
    /// What the credential may do as it was shown.
    pub scopes: BTreeSet<Scope>,
    /// To whom it is done.
    pub over: Over,
    /// The roles that are given or taken.
    pub roles: Vec<RoleName>,
    /// The scopes that are given or taken besides, at the API that is asked.
    pub given: Vec<Scope>,
    /// What roles hold.
    pub terms: Terms,
}

/// Whom something is done to: whatever they have counts as if it were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// Nobody who is there yet.
    Nobody,
    /// A user.
    User(String),
    /// A team with everybody in it and whoever is invited to it.
    Team(String),
    /// What a team makes of whoever joins it.
    Joining(String),
    /// What an invite to a team would make of whoever accepts it.
    Invite {
        /// The team.
        team: String,
        /// The invite.
        invite: String,
    },
    /// A service account, with all of its keys and grants that were not revoked.
    Account(String),
}

/// They hold less than what they do, or would, takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("whoever asks holds less by now than this takes")]
pub(crate) struct Outgrown;

impl StoreFault {
    /// Whether nothing failed, and whoever asked lost what they asked by before it was done.
    pub fn is_outgrown(&self) -> bool {
        self.source.is::<Outgrown>()
    }
}

impl Identity {
    /// For verbs under this mandate: it is looked at once more as each change is made, so that nothing is done by
    /// what was lost meanwhile, such as while a password was hashed.
    #[must_use]
    pub fn under(self, mandate: Mandate) -> Self {
        Self { mandate: Some(mandate), ..self }
    }

    /// Whether they hold all of that, at every API, as of now: a role is one of the tenant, and opens every API that has it.
    /// At the API that is asked somebody holds what their credential may do; elsewhere a user holds what their roles give
    /// them, and a key or a client, which opens one API, nothing.
    pub async fn holds(&self, mandate: &Mandate) -> Result<bool, StoreFault> {
        let Mandate { tenant, terms, .. } = mandate;
        let now = self.clock.now().wall;
        let credential = self.registry.key(&mandate.credential).await?;
        let Some(credential) = credential.filter(|it| KeyState::of(it, now).works()) else { return Ok(false) };
        if !self.is_open(tenant).await? {
            return Ok(false);
        }
        let own = match &mandate.user {
            Some(user) => self.roles_now(user, tenant).await?,
            None => Vec::new(),
        };
        let held_here = |it: &Scope| mandate.scopes.contains(it) && credential.scopes.contains(it);
        if !mandate.given.iter().all(held_here) {
            return Ok(false);
        }
        if let Over::Account(account) = &mandate.over
            && !self.scopes_by(account, mandate).await?.iter().all(held_here)
        {
            return Ok(false);
        }
        let mut roles = match &mandate.over {
            Over::Nobody | Over::Account(_) => Vec::new(),
            Over::User(user) => self.roles_now(user, tenant).await?,
            Over::Team(team) => self.roles_by(team).await?,
            Over::Joining(team) => self.team(team).await?.map(|it| it.roles).unwrap_or_default(),
            Over::Invite { team, invite } => self.roles_invited(team, invite).await?,
        };
        roles.extend_from_slice(&mandate.roles);
        let held = |api: &ApiTerms, scope: &Scope| {
            if api.api == mandate.api { held_here(scope) } else { api.scopes_of(&own).contains(scope) }
        };
        Ok(terms.all().all(|api| api.scopes_of(&roles).iter().all(|it| held(api, it))))
    }

    /// An error where what is done now is not covered by the mandate any more.
    pub(crate) async fn heed_mandate(&self) -> Result<(), StoreFault> {
        match &self.mandate {
            Some(mandate) if !self.holds(mandate).await? => {
                Err(StoreFault { doing: "looking at who asks once more", source: Outgrown.into() })
            }
            _ => Ok(()),
        }
    }

    async fn roles_now(&self, user: &str, tenant: &TenantId) -> Result<Vec<RoleName>, StoreFault> {
        Ok(self.find::<User>(user).await?.map(|it| it.roles_in(tenant)).unwrap_or_default())
    }

    /// All that a service account of the API that is asked may do, and its keys and grants beyond it.
    async fn scopes_by(&self, account: &str, mandate: &Mandate) -> Result<Vec<Scope>, StoreFault> {
        let Some(account) = self.service_account(account).await? else { return Ok(Vec::new()) };
        let mut scopes = mandate.terms.of(&account.api).map(|it| account.scopes(it)).unwrap_or_default();
        let held = self.keys_of(&account.id).await?.into_iter().chain(self.grants_of(&account.id).await?);
        scopes.extend(held.filter(|it| it.revoked.is_none()).flat_map(|it| it.scopes));
        Ok(scopes)
    }

    async fn roles_invited(&self, team: &str, invite: &str) -> Result<Vec<RoleName>, StoreFault> {
        let Some(team) = self.team(team).await? else { return Ok(Vec::new()) };
        let invite = self.find::<Invite>(invite).await?.filter(|it| it.team == team.id);
        Ok(invite.into_iter().map(|it| it.role).chain(team.roles).collect())
    }

    /// All that somebody is by a team: what it makes its members, and what the invites of each of them make them besides,
    /// those included that nobody has accepted yet.
    async fn roles_by(&self, team: &str) -> Result<Vec<RoleName>, StoreFault> {
        let Some(team) = self.team(team).await? else { return Ok(Vec::new()) };
        let now = self.clock.now().wall;
        let members = self.members_of(&team).await?.into_iter().map(|it| it.role);
        let invited = self.invites_of(&team.id).await?.into_iter().filter(|it| it.is_open(now)).map(|it| it.role);
        let mut roles: Vec<RoleName> = members.chain(invited).collect();
        roles.extend(team.roles);
        Ok(roles)
    }
}
