//! What becomes of teams, and of their members with them.

use domain::{Change, Deed, DeedClass, RoleName, TenantId};

use super::Team;
use crate::Identity;
use crate::kept::Kept as _;
use crate::people::{BadRole, User, known_roles, sorted};
use crate::publish::{Decision, Entered};
use crate::store::StoreFault;
use crate::terms::{Terms, Unfit, label};

/// A team could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeTeamError {
    /// There is none.
    #[error("there is no team `{0}`")]
    Unknown(String),
    /// The user is no member of it.
    #[error("user `{0}` is no member of the team")]
    NoMember(String),
    /// There is no such invite to it.
    #[error("there is no invite `{0}` to the team")]
    NoInvite(String),
    /// Another has the name.
    #[error("tenant `{0}` has a team of this name already")]
    NameTaken(TenantId),
    /// Nobody would be left to look after a tenant.
    #[error("nobody else is an owner of tenant `{0}`; help: give somebody else the role first")]
    LastOwner(TenantId),
    /// A role cannot be given.
    #[error(transparent)]
    Role(#[from] BadRole),
    /// It cannot be called so.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for ChangeTeamError {
    fn entered(&self) -> String {
        match self {
            Self::Unfit(_) => "what was given cannot be a name".to_owned(),
            Self::Unknown(_)
            | Self::NoMember(_)
            | Self::NoInvite(_)
            | Self::NameTaken(_)
            | Self::LastOwner(_)
            | Self::Role(_)
            | Self::Store(_) => self.to_string(),
        }
    }
}

/// A member as they were and as they are to be.
type Moved = (User, User);

impl Identity {
    /// What a team is called and makes its members from now on; what is not given stays. Its members may do at their next
    /// request what they may do then.
    pub async fn change_team(
        &self,
        id: &str,
        name: Option<&str>,
        roles: Option<&[RoleName]>,
        terms: &Terms,
    ) -> Result<Team, ChangeTeamError> {
        let verb = async {
            let name = name.map(label).transpose()?;
            known_roles(roles.unwrap_or_default(), terms)?;
            let (name, roles) = (&name, &roles.map(sorted));
            self.settle(|| Box::pin(self.alter_team(id, name.as_deref(), roles.as_deref(), terms))).await
        };
        self.told(self.deed(DeedClass::Group, "change").on(id), verb).await
    }

    async fn alter_team(
        &self,
        id: &str,
        name: Option<&str>,
        roles: Option<&[RoleName]>,
        terms: &Terms,
    ) -> Result<Decision<Team>, ChangeTeamError> {
        let was = self.known_team(id).await?;
        let name = name.map_or_else(|| was.name.clone(), str::to_owned);
        let roles = roles.map_or_else(|| was.roles.clone(), <[RoleName]>::to_vec);
        if self.teams_of(&was.tenant).await?.iter().any(|it| it.id != was.id && it.name == name) {
            return Err(ChangeTeamError::NameTaken(was.tenant));
        }
        let team = Team { name, roles, ..was.clone() };
        let (mut changes, mut deeds) = (Vec::new(), Vec::new());
        if team.roles != was.roles {
            let given = |mut it: User| {
                if let Some(place) = it.teams.get_mut(id) {
                    place.given.clone_from(&team.roles);
                }
                it
            };
            let moved = self.users_in(id).await?.into_iter().map(|it| (it.clone(), given(it))).collect();
            (changes, deeds) = self.move_members(&team.tenant, moved, terms).await?;
        }
        deeds.insert(0, self.team_deed("change", &team).with("changed", team != was));
        changes.push(team.kept()?);
        Ok(Decision { changes, deeds, outcome: team })
    }

    /// A team ends: what it made its members they are no more, and nobody joins by an invite to it.
    pub async fn delete_team(&self, id: &str, terms: &Terms) -> Result<Team, ChangeTeamError> {
        let now = self.clock.now().wall;
        let verb = self.settle(|| {
            Box::pin(async move {
                let team = self.known_team(id).await?;
                let moved = self.users_in(id).await?.into_iter().map(|it| without(id, it)).collect();
                let (mut changes, mut deeds) = self.move_members(&team.tenant, moved, terms).await?;
                for invite in self.invites_of(id).await?.into_iter().filter(|it| it.is_open(now)) {
                    changes.push(invite.withdrawn(now).kept()?);
                }
                deeds.insert(0, self.team_deed("delete", &team));
                changes.push(team.gone());
                Ok(Decision { changes, deeds, outcome: team })
            })
        });
        self.told(self.deed(DeedClass::Group, "delete").on(id), verb).await
    }

    /// Somebody is a member of a team no more, and not what it made them.
    pub async fn remove_member(&self, id: &str, user: &str, terms: &Terms) -> Result<Team, ChangeTeamError> {
        let verb = self.settle(|| {
            Box::pin(async move {
                let team = self.known_team(id).await?;
                let member = self.find::<User>(user).await?.filter(|it| it.teams.contains_key(id));
                let member = member.ok_or_else(|| ChangeTeamError::NoMember(user.to_owned()))?;
                let moved = vec![without(id, member)];
                let (changes, mut deeds) = self.move_members(&team.tenant, moved, terms).await?;
                deeds.insert(0, self.team_deed("remove_member", &team).with("user", user));
                Ok(Decision { changes, deeds, outcome: team })
            })
        });
        self.told(self.deed(DeedClass::Group, "remove_member").on(id), verb).await
    }

    /// An invite is good for nothing any more. One that was accepted before stays so.
    pub async fn revoke_invite(&self, id: &str, invite: &str) -> Result<(), ChangeTeamError> {
        let now = self.clock.now().wall;
        let verb = self.settle(|| {
            Box::pin(async move {
                let team = self.known_team(id).await?;
                let invites = self.invites_of(id).await?;
                let found = invites.into_iter().find(|it| it.id == invite);
                let found = found.ok_or_else(|| ChangeTeamError::NoInvite(invite.to_owned()))?;
                let open = found.is_open(now);
                let deed = self.team_deed("revoke_invite", &team).with("invite", invite).with("changed", open);
                let changes = if open { vec![found.withdrawn(now).kept()?] } else { Vec::new() };
                Ok(Decision { changes, deeds: vec![deed], outcome: () })
            })
        });
        self.told(self.deed(DeedClass::Group, "revoke_invite").on(id), verb).await
    }

    /// What becomes of members whose roles in a tenant change together. Somebody is left to look after it.
    async fn move_members(
        &self,
        tenant: &TenantId,
        moved: Vec<Moved>,
        terms: &Terms,
    ) -> Result<(Vec<Change>, Vec<Deed>), ChangeTeamError> {
        let owned = moved.iter().any(|(was, _)| was.owns(tenant) && was.may_sign_in());
        if owned && !moved.iter().any(|(_, is)| is.owns(tenant) && is.may_sign_in()) {
            let going: Vec<&str> = moved.iter().map(|(was, _)| was.id.as_str()).collect();
            if !self.is_owned_without(&going, tenant).await? {
                return Err(ChangeTeamError::LastOwner(tenant.clone()));
            }
        }
        let (mut changes, mut deeds) = (Vec::new(), Vec::new());
        for (_, is) in &moved {
            let (more, told) = self.refit(is, tenant, terms).await?;
            changes.extend(more);
            deeds.extend(told);
        }
        Ok((changes, deeds))
    }

    pub(crate) async fn known_team(&self, id: &str) -> Result<Team, ChangeTeamError> {
        self.team(id).await?.ok_or_else(|| ChangeTeamError::Unknown(id.to_owned()))
    }
}

/// A member, and the same without their place in a team.
fn without(team: &str, member: User) -> Moved {
    let mut left = member.clone();
    left.teams.remove(team);
    (member, left)
}
