//! Teams: users of a tenant who are given roles together, and the invites by which they join.
//!
//! What a team makes of its members is kept with each of them as well, so that what a user may do is in one record and
//! changes in one step with the team.

mod change;
mod create;
mod invites;

use domain::{Change, Deed, DeedClass, RoleName, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

pub use change::ChangeTeamError;
pub use create::{CreateTeamError, NewTeam};
pub use invites::{CreateInviteError, Invite, InviteState, MadeInvite, NewInvite};

use crate::Identity;
use crate::kept::Kept;
use crate::people::{BY_TEAM, User};
use crate::store::{Page, StoreFault};
use crate::terms::Terms;

/// How many teams a tenant may have, how many members a team, and how many teams a user may be in.
const TEAMS: usize = 100;
pub(crate) const MEMBERS: usize = 200;
pub(crate) const PLACES: usize = 100;

/// How many are read at once.
const PAGE: u32 = 100;

/// A team, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// How it is named everywhere: `team_` and 16 digits.
    pub id: String,
    /// Whose it is.
    pub tenant: TenantId,
    /// What people call it; another of its tenant is called otherwise.
    pub name: String,
    /// What each of its members is in the tenant, besides what they are by their own invite; sorted, without repeats.
    pub roles: Vec<RoleName>,
    /// When it was made.
    pub created: Timestamp,
}

/// A member of a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user: String,
    /// What their own invite makes them.
    pub role: RoleName,
    /// When they joined.
    pub joined: Timestamp,
}

impl Kept for Team {
    const KIND: &'static str = "team";

    fn id(&self) -> &str {
        &self.id
    }

    fn tenant(&self) -> Option<&TenantId> {
        Some(&self.tenant)
    }
}

impl Identity {
    /// One team.
    pub async fn team(&self, id: &str) -> Result<Option<Team>, StoreFault> {
        self.find(id).await
    }

    /// Every team of a tenant, in the order in which they were made.
    pub async fn teams_of(&self, tenant: &TenantId) -> Result<Vec<Team>, StoreFault> {
        self.every(Some(tenant), None).await
    }

    /// The members of a team, in the order in which they were made known.
    pub async fn members_of(&self, team: &Team) -> Result<Vec<Member>, StoreFault> {
        let member = |it: User| {
            let place = it.teams.get(&team.id)?;
            Some(Member { user: it.id.clone(), role: place.role.clone(), joined: place.joined })
        };
        Ok(self.users_in(&team.id).await?.into_iter().filter_map(member).collect())
    }

    pub(crate) async fn users_in(&self, team: &str) -> Result<Vec<User>, StoreFault> {
        self.every(None, Some((BY_TEAM, team))).await
    }

    /// All that there are of something. For what is bounded alone.
    pub(crate) async fn every<T: Kept>(
        &self,
        tenant: Option<&TenantId>,
        by: Option<(&str, &str)>,
    ) -> Result<Vec<T>, StoreFault> {
        let (mut all, mut page) = (Vec::new(), Page { after: None, limit: PAGE });
        loop {
            let some: Vec<T> = self.list(tenant, by, &page).await?;
            let Some(last) = some.last() else { return Ok(all) };
            page.after = Some(last.id().to_owned());
            all.extend(some);
        }
    }

    /// What is entered of a team: what it is and gives, and not what it is called.
    pub(crate) fn team_deed(&self, action: &str, team: &Team) -> Deed {
        let roles: Vec<&str> = team.roles.iter().map(RoleName::as_str).collect();
        self.deed(DeedClass::Group, action).on(&team.id).of(&team.tenant).with("roles", roles.join(" "))
    }

    /// Keeps a user whose roles in a tenant are others now, and has what they had signed in to there, and their keys, do what
    /// they may do from now on. What they lost is lost at their next request; what they gained comes with their next token.
    pub(crate) async fn refit(
        &self,
        user: &User,
        tenant: &TenantId,
        terms: &Terms,
    ) -> Result<(Vec<Change>, Vec<Deed>), StoreFault> {
        let roles = user.roles_in(tenant);
        let (mut changes, mut deeds) = (vec![user.kept()?], vec![self.role_deed(&user.id, tenant, &roles)]);
        let (more, told) = self.fit_held(&user.id, tenant, &roles, terms).await?;
        changes.extend(more);
        deeds.extend(told);
        Ok((changes, deeds))
    }
}
