//! Making teams.

use domain::{DeedClass, RoleName, TenantId, keyformat};

use super::{TEAMS, Team};
use crate::Identity;
use crate::kept::Kept as _;
use crate::people::{BadRole, known_roles, sorted};
use crate::publish::{Decision, Entered};
use crate::store::StoreFault;
use crate::terms::{Terms, Unfit, label};

/// A team to be made.
#[derive(Clone, Debug)]
pub struct NewTeam {
    /// Whose it is.
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// What it makes each of its members.
    pub roles: Vec<RoleName>,
}

/// A team could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateTeamError {
    /// Another has the name.
    #[error("tenant `{0}` has a team of this name already")]
    NameTaken(TenantId),
    /// The tenant has as many as it may.
    #[error("tenant `{0}` has {TEAMS} teams, which is as many as it may; help: delete some")]
    TooMany(TenantId),
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

impl Entered for CreateTeamError {
    fn entered(&self) -> String {
        match self {
            Self::Unfit(_) => "what was given cannot be a name".to_owned(),
            Self::NameTaken(_) | Self::TooMany(_) | Self::Role(_) | Self::Store(_) => self.to_string(),
        }
    }
}

impl Identity {
    /// Makes a team. It has no member yet.
    pub async fn create_team(&self, new: &NewTeam, terms: &Terms) -> Result<Team, CreateTeamError> {
        self.told(self.deed(DeedClass::Group, "create").of(&new.tenant), self.make_team(new, terms)).await
    }

    async fn make_team(&self, new: &NewTeam, terms: &Terms) -> Result<Team, CreateTeamError> {
        known_roles(&new.roles, terms)?;
        let made = &Team {
            id: keyformat::draw_id("team_", 16, &*self.random),
            tenant: new.tenant.clone(),
            name: label(&new.name)?,
            roles: sorted(&new.roles),
            created: self.clock.now().wall,
        };
        self.settle(|| {
            Box::pin(async move {
                self.known_tenant(&made.tenant).await?.map_err(CreateTeamError::Role)?;
                let others = self.teams_of(&made.tenant).await?;
                if others.iter().any(|it| it.name == made.name) {
                    return Err(CreateTeamError::NameTaken(made.tenant.clone()));
                }
                if TEAMS <= others.len() {
                    return Err(CreateTeamError::TooMany(made.tenant.clone()));
                }
                let deeds = vec![self.team_deed("create", made)];
                Ok(Decision { changes: vec![made.kept()?], deeds, outcome: made.clone() })
            })
        })
        .await
    }
}
