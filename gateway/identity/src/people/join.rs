//! Joining a team by the token of an invite: as somebody who is known, or as somebody new.

use domain::{Timestamp, keyformat};

use super::password::{self, WeakPassword};
use super::pool::TooBusy;
use super::user::{Place, User};
use crate::Identity;
use crate::kept::Kept as _;
use crate::publish::{Decision, Entered};
use crate::store::StoreFault;
use crate::teams::{Invite, MEMBERS, PLACES, Team};
use crate::terms::{ApiTerms, Terms, Unfit, label};

/// Who accepts an invite.
#[derive(Clone, Copy)]
pub enum Joining<'a> {
    /// A user, by their id, who has shown who they are.
    User(&'a str),
    /// Somebody new, whom the invite makes known as the tenant's own: who has its token has not shown that they read the mail
    /// of its address, because whoever invites has it too.
    New {
        /// What people call them.
        display: Option<&'a str>,
        /// What they sign in with from now on, by the tenant and the address of the invite.
        password: &'a str,
    },
}

/// Somebody has joined a team.
pub struct Joined {
    /// The team.
    pub team: Team,
    /// By what they sign in.
    pub name: String,
}

/// An invite could not be accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptInviteError {
    /// There is no such token.
    #[error("there is no such invite")]
    Unknown,
    /// It was used or withdrawn, its time is over, or its team is.
    #[error("the invite was used or withdrawn, or its time is over")]
    Gone,
    /// It is for somebody else.
    #[error("the invite is for whoever signs in by another address")]
    ForAnother,
    /// Somebody new cannot be who is meant: the tenant has a user of this address.
    #[error("the tenant has a user of this address already, who has to sign in")]
    Known,
    /// They are a member already.
    #[error("they are a member of the team already")]
    Already,
    /// There are as many members as there may be, or the user is in as many teams.
    #[error("there is no room for another member, or for another team of theirs")]
    TooMany,
    /// They may not sign in.
    #[error("the user may not sign in")]
    Suspended,
    /// What people call them cannot be.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The password cannot be.
    #[error(transparent)]
    Password(#[from] WeakPassword),
    /// As many passwords wait to be hashed as may.
    #[error(transparent)]
    Busy(#[from] TooBusy),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for AcceptInviteError {
    fn entered(&self) -> String {
        if let Self::Unfit(_) = self { "that cannot be what people call them".to_owned() } else { self.to_string() }
    }
}

impl Identity {
    /// Lets whoever shows the token of an invite join its team, once.
    pub async fn accept_invite(
        &self,
        token: &str,
        who: Joining<'_>,
        terms: &Terms,
    ) -> Result<Joined, AcceptInviteError> {
        // Nobody who has no real token learns anything or costs more than this, nor leaves a trace of their own.
        let invite = self.invite_of(token).await?.ok_or(AcceptInviteError::Unknown)?;
        let deed = self.deed(domain::DeedClass::Group, "accept_invite").on(&invite.team).of(&invite.tenant);
        self.told(deed.with("invite", &invite.id), self.join_by(&invite, who, terms)).await
    }

    async fn join_by(&self, invite: &Invite, who: Joining<'_>, terms: &Terms) -> Result<Joined, AcceptInviteError> {
        let now = self.clock.now().wall;
        if !invite.is_open(now) {
            return Err(AcceptInviteError::Gone);
        }
        let (user, made) = match who {
            Joining::User(user) => (user, None),
            Joining::New { display, password } => {
                if self.is_known_in(&invite.tenant, &invite.email).await? {
                    return Err(AcceptInviteError::Known);
                }
                password::check(password, self.people.password_min, &[&invite.email])?;
                let id = keyformat::draw_id("usr_", 16, &*self.random);
                let made = User::new(id, (&invite.tenant, &invite.email), Some(self.hashed(password).await?), now);
                ("", Some(User { display: display.map(label).transpose()?, ..made }))
            }
        };
        let made = &made;
        // It is their own deed.
        let own = self.clone().acting_for(made.as_ref().map_or(user, |it| &it.id));
        let own = &own;
        own.settle(|| Box::pin(own.let_join(&invite.id, (user, made.as_ref()), terms, now))).await
    }

    async fn let_join(
        &self,
        invite: &str,
        (user, made): (&str, Option<&User>),
        terms: &Terms,
        now: Timestamp,
    ) -> Result<Decision<Joined>, AcceptInviteError> {
        let invite = self.find::<Invite>(invite).await?.filter(|it| it.is_open(now)).ok_or(AcceptInviteError::Gone)?;
        let team = self.team(&invite.team).await?.ok_or(AcceptInviteError::Gone)?;
        if !self.may_still_give(&invite, &team, terms).await? {
            return Err(AcceptInviteError::Gone);
        }
        let mut joining = match made {
            Some(_) if self.is_known_in(&team.tenant, &invite.email).await? => return Err(AcceptInviteError::Known),
            Some(made) => made.clone(),
            None => self.find::<User>(user).await?.ok_or(AcceptInviteError::Suspended)?,
        };
        if !joining.may_sign_in() {
            return Err(AcceptInviteError::Suspended);
        }
        if !joining.answers_to(&invite.email, &team.tenant) {
            return Err(AcceptInviteError::ForAnother);
        }
        if PLACES <= joining.teams.len() || MEMBERS <= self.users_in(&team.id).await?.len() {
            return Err(AcceptInviteError::TooMany);
        }
        let (tenant, role, given) = (team.tenant.clone(), invite.role.clone(), team.roles.clone());
        let place = Place { tenant, role, given, joined: now };
        if joining.teams.insert(team.id.clone(), place).is_some() {
            return Err(AcceptInviteError::Already);
        }
        let (mut changes, mut deeds) = self.refit(&joining, &team.tenant, terms).await?;
        if made.is_some() {
            deeds.insert(0, self.deed(domain::DeedClass::Identity, "create_user").on(&joining.id));
        }
        deeds.push(self.team_deed("join", &team).with("user", &joining.id).with("invite", &invite.id));
        changes.push(invite.accepted(now).kept()?);
        Ok(Decision { changes, deeds, outcome: Joined { team, name: joining.name } })
    }

    /// Whether who has made an invite may sign in, belongs to the tenant and has all there, at every API, that whoever joins
    /// will: else somebody who has lost their rights would have them given back by whomever they had invited.
    async fn may_still_give(&self, invite: &Invite, team: &Team, terms: &Terms) -> Result<bool, StoreFault> {
        let Some(by) = &invite.by else { return Ok(true) };
        let Some(user) = self.find::<User>(by).await?.filter(User::may_sign_in) else { return Ok(false) };
        let (own, mut given) = (user.roles_in(&team.tenant), team.roles.clone());
        given.push(invite.role.clone());
        let fits = |api: &ApiTerms| {
            let held = api.scopes_of(&own);
            api.scopes_of(&given).iter().all(|it| held.contains(it))
        };
        Ok(terms.all().all(fits))
    }
}
