//! Invites to teams: a token that is good once, for a week, for whoever is reached by one address.
//!
//! The token is shown once to whoever invites, who sends it on; what is kept of it is a digest.

use std::time::Duration;

use domain::{DeedClass, RoleName, TenantId, Timestamp, keyformat};
use serde::{Deserialize, Serialize};

use super::{MEMBERS, Team};
use crate::kept::Kept;
use crate::people::{BadRole, address, known_roles};
use crate::publish::{Decision, Entered};
use crate::signing::digest_of;
use crate::store::StoreFault;
use crate::terms::Terms;
use crate::{Identity, Shown};

/// What the tokens of invites begin with, and how many digits they have: 256 bits.
const TOKEN: &str = "ivt_";
const SECRET: usize = 43;

/// How long an invite is good for, and for how long after that it is known to have been one.
const GOOD_FOR: Duration = Duration::from_hours(7 * 24);
const REMEMBERED: Duration = Duration::from_hours(30 * 24);

/// How many open invites a tenant may have, and how many that are known at all.
const OPEN: usize = 100;
const KNOWN: usize = 1000;

/// By what an invite is found: the digest of its token, and its team.
const BY_TOKEN: &str = "token";
const BY_TEAM: &str = "team";

/// An invite, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// How it is named everywhere: `inv_` and 16 digits. It opens nothing.
    pub id: String,
    /// Whose team it is for.
    pub tenant: TenantId,
    /// The team.
    pub team: String,
    /// By which address whoever is meant signs in.
    pub email: String,
    /// What they will be in the tenant, besides what the team makes all of its members.
    pub role: RoleName,
    /// The user who has made it. What they may not give any more, it does not.
    #[serde(default)]
    pub(crate) by: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends by itself.
    pub expires: Timestamp,
    /// When it was accepted.
    accepted: Option<Timestamp>,
    /// When it was withdrawn.
    withdrawn: Option<Timestamp>,
    /// What is kept of the token.
    mark: String,
}

/// How an invite stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteState {
    /// It can be accepted.
    Pending,
    /// It was.
    Accepted,
    /// It was withdrawn.
    Revoked,
    /// Its time is over.
    Expired,
}

/// An invite to be made.
#[derive(Clone, Debug)]
pub struct NewInvite {
    /// The team.
    pub team: String,
    /// Who is meant, by the address that they sign in by or will.
    pub email: String,
    /// What they will be.
    pub role: RoleName,
    /// The user who invites them; nobody where an operator does.
    pub by: Option<String>,
}

/// An invite that was just made. This is the only time its token is seen.
#[derive(Debug)]
pub struct MadeInvite {
    /// What is kept of it.
    pub invite: Invite,
    /// What whoever is meant shows.
    pub token: Shown,
}

/// An invite could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateInviteError {
    /// There is no such team.
    #[error("there is no team `{0}`")]
    UnknownTeam(String),
    /// It cannot be an address.
    #[error("that cannot be an address of mail")]
    Email,
    /// Who is meant is a member, or has an invite that is open.
    #[error("who is meant is a member of the team already, or was invited to it")]
    Already,
    /// There are as many as there may be.
    #[error("there are as many open invites or members as there may be")]
    TooMany,
    /// The role cannot be given.
    #[error(transparent)]
    Role(#[from] BadRole),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for CreateInviteError {}

impl InviteState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

impl Kept for Invite {
    const KIND: &'static str = "invite";

    fn id(&self) -> &str {
        &self.id
    }

    fn tenant(&self) -> Option<&TenantId> {
        Some(&self.tenant)
    }

    fn found_by(&self) -> Vec<(&'static str, String)> {
        vec![(BY_TOKEN, self.mark.clone()), (BY_TEAM, self.team.clone())]
    }

    fn until(&self) -> Option<Timestamp> {
        Some(self.expires + REMEMBERED)
    }
}

impl Invite {
    /// How it stands.
    pub fn state(&self, now: Timestamp) -> InviteState {
        if self.accepted.is_some() {
            InviteState::Accepted
        } else if self.withdrawn.is_some() {
            InviteState::Revoked
        } else if self.expires <= now {
            InviteState::Expired
        } else {
            InviteState::Pending
        }
    }

    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        self.state(now) == InviteState::Pending
    }

    pub(crate) fn withdrawn(self, now: Timestamp) -> Self {
        Self { withdrawn: Some(now), ..self }
    }

    pub(crate) fn accepted(self, now: Timestamp) -> Self {
        Self { accepted: Some(now), ..self }
    }
}

impl Identity {
    /// The invites to a team, those that are over included, in the order in which they were made.
    pub async fn invites_of(&self, team: &str) -> Result<Vec<Invite>, StoreFault> {
        self.every(None, Some((BY_TEAM, team))).await
    }

    /// The invite of a token, however it stands.
    pub async fn invite_of(&self, token: &str) -> Result<Option<Invite>, StoreFault> {
        self.find_by(BY_TOKEN, &digest_of(token)).await
    }

    /// Invites somebody to a team.
    pub async fn create_invite(&self, new: &NewInvite, terms: &Terms) -> Result<MadeInvite, CreateInviteError> {
        self.told(self.deed(DeedClass::Group, "invite").on(&new.team), self.make_invite(new, terms)).await
    }

    async fn make_invite(&self, new: &NewInvite, terms: &Terms) -> Result<MadeInvite, CreateInviteError> {
        known_roles(std::slice::from_ref(&new.role), terms)?;
        let email = &address(&new.email).map_err(|_| CreateInviteError::Email)?;
        let token = Shown::new(keyformat::draw_id(TOKEN, SECRET, &*self.random));
        let id = &keyformat::draw_id("inv_", 16, &*self.random);
        let (mark, now) = (&digest_of(token.reveal()), self.clock.now().wall);
        let invite = self
            .settle(|| {
                Box::pin(async move {
                    let unknown = || CreateInviteError::UnknownTeam(new.team.clone());
                    let team = self.team(&new.team).await?.ok_or_else(unknown)?;
                    self.room_for(&team, email, now).await?;
                    let invite = Invite {
                        id: id.clone(),
                        tenant: team.tenant.clone(),
                        team: team.id.clone(),
                        email: email.clone(),
                        role: new.role.clone(),
                        by: new.by.clone(),
                        created: now,
                        expires: now + GOOD_FOR,
                        accepted: None,
                        withdrawn: None,
                        mark: mark.clone(),
                    };
                    let deed = self.team_deed("invite", &team).with("invite", id).with("role", &new.role);
                    let changes = vec![invite.kept()?];
                    Ok::<_, CreateInviteError>(Decision { changes, deeds: vec![deed], outcome: invite })
                })
            })
            .await?;
        Ok(MadeInvite { invite, token })
    }

    /// Whether somebody may be invited besides those who were.
    async fn room_for(&self, team: &Team, email: &str, now: Timestamp) -> Result<(), CreateInviteError> {
        let known: Vec<Invite> = self.every(Some(&team.tenant), None).await?;
        let members = self.users_in(&team.id).await?;
        let same = |it: &&Invite| it.team == team.id && it.email.eq_ignore_ascii_case(email);
        if members.iter().any(|it| it.answers_to(email, &team.tenant))
            || known.iter().filter(same).any(|it| it.is_open(now))
        {
            return Err(CreateInviteError::Already);
        }
        let open = known.iter().filter(|it| it.is_open(now)).count();
        if OPEN <= open || KNOWN <= known.len() || MEMBERS <= members.len() {
            return Err(CreateInviteError::TooMany);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invite_is_over_once_it_was_used_or_withdrawn_or_a_week_has_passed() {
        let now = Timestamp::from_seconds(1_790_000_000);
        let invite = Invite {
            id: "inv_1".to_owned(),
            tenant: "acme".parse().unwrap(),
            team: "team_1".to_owned(),
            email: "ann@example.com".to_owned(),
            role: "viewer".parse().unwrap(),
            by: None,
            created: now,
            expires: now + GOOD_FOR,
            accepted: None,
            withdrawn: None,
            mark: "m".to_owned(),
        };
        let state = |it: &Invite, days: u64| it.state(now + Duration::from_hours(24 * days)).as_str();
        assert_eq!((state(&invite, 6), state(&invite, 7)), ("pending", "expired"));
        assert_eq!(state(&invite.clone().withdrawn(now), 0), "revoked");
        assert_eq!(state(&invite.clone().accepted(now).withdrawn(now), 8), "accepted");
        assert_eq!(invite.until(), Some(now + Duration::from_hours(24 * 37)), "what was real is 410 for a while");
    }
}
