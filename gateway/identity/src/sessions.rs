//! Sessions of an API: what a user has signed in to, as one grant with refresh tokens.

use std::time::Duration;

use domain::{
    ApiName, Change, Deed, DeedClass, Grant, GrantKind, KeyId, KeyRecord, KeySecret, Scope, TenantId, Timestamp,
};

use crate::grants::{Chain, Holder, NewGrant, Renewal, SessionGrant, ended};
use crate::people::{Authenticated, User};
use crate::publish::Decision;
use crate::store::{KeyFilter, Page, StoreFault};
use crate::terms::ApiTerms;
use crate::{Identity, Shown};

/// How long a session lasts, however often it is renewed.
pub const SESSION_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// How many of one user there may be at one API. The oldest ends where there would be more.
const PER_USER: usize = 50;

/// What a session is called in lists of keys.
const NAME: &str = "session";

/// A session that has just begun.
#[derive(Debug)]
pub struct Session {
    /// Its grant.
    pub grant: KeyRecord,
    /// The refresh token to be shown first.
    pub refresh: Shown,
}

/// No session could begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginSessionError {
    /// The user has no role at this API, in this tenant or in any.
    #[error("the user has no role there")]
    NoRole,
    /// The user has roles in more than one tenant, and it was not said which is meant.
    #[error("the user belongs to more than one tenant, and none was named")]
    Which,
    /// The user was suspended or deleted a moment ago, or what they had shown was changed or taken away.
    #[error("the user may not sign in any more, or not by what they showed")]
    Ended,
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// One session, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionShown {
    /// Its grant.
    pub id: KeyId,
    /// The user.
    pub user: String,
    /// When it began.
    pub created: Timestamp,
    /// When it was last used, as far as that was written down.
    pub last_used: Option<Timestamp>,
}

impl Identity {
    /// Begins a session of somebody who has just shown who they are. Always a new one, whatever they had before.
    pub async fn begin_session(
        &self,
        who: &Authenticated,
        terms: &ApiTerms,
        tenant: Option<&TenantId>,
    ) -> Result<Session, BeginSessionError> {
        self.settle(|| Box::pin(self.draft_session(who, terms, tenant))).await
    }

    async fn draft_session(
        &self,
        who: &Authenticated,
        terms: &ApiTerms,
        tenant: Option<&TenantId>,
    ) -> Result<Decision<Session>, BeginSessionError> {
        let user = self.still_authenticated(who).await?.ok_or(BeginSessionError::Ended)?;
        let now = self.clock.now().wall;
        let (tenant, scopes) = self.place(&user, terms, tenant).await?;
        let grant =
            Grant { kind: GrantKind::Session, client: None, authenticated: Some(who.at), methods: who.methods.clone() };
        let new = NewGrant {
            api: &terms.api,
            tenant: &tenant,
            owner: Some(&who.user),
            name: NAME.to_owned(),
            scopes,
            grant,
            expires: now + SESSION_LIFETIME,
        };
        let grant = self.draft_grant(new, terms, now)?;
        let (chain, refresh) = self.begin_chain(&grant, Holder::default(), Renewal::Turning, now)?;
        let (mut changes, mut deeds) = self.make_room(&who.user, &terms.api, now).await?;
        let deed = self.deed(DeedClass::SessionStart, "sign_in").on(&grant.id).of(&tenant).with("api", &terms.api);
        deeds.push(deed.with("user", &who.user).with("methods", who.methods.join(" ")));
        changes.extend([Change::Key(Box::new(grant.clone())), chain]);
        Ok(Decision { changes, deeds, outcome: Session { grant, refresh } })
    }

    /// In which tenant a user signs in, and what they may do there. A tenant that is suspended is none, as if they had no role.
    async fn place(
        &self,
        user: &User,
        terms: &ApiTerms,
        tenant: Option<&TenantId>,
    ) -> Result<(TenantId, Vec<Scope>), BeginSessionError> {
        let mut places = Vec::new();
        for it in user.memberships() {
            let meant = tenant.is_none_or(|tenant| it.tenant == *tenant);
            let has_role = it.roles.iter().any(|role| terms.roles.contains_key(role));
            if meant && has_role && self.is_open(&it.tenant).await? {
                places.push(it);
            }
        }
        let mut places = places.into_iter();
        let place = places.next().ok_or(BeginSessionError::NoRole)?;
        if places.next().is_some() {
            return Err(BeginSessionError::Which);
        }
        Ok((place.tenant, terms.scopes_of(&place.roles)))
    }

    /// Ends the oldest sessions of a user where there is no room for one more.
    async fn make_room(
        &self,
        user: &str,
        api: &ApiName,
        now: Timestamp,
    ) -> Result<(Vec<Change>, Vec<Deed>), StoreFault> {
        let all = self.grants_of(user).await?;
        let alive: Vec<&KeyRecord> =
            all.iter().filter(|it| it.api == *api && is_session(it) && ended(it, now).is_some()).collect();
        let many = (alive.len() + 1).saturating_sub(PER_USER);
        Ok(self.crowd_out(alive.into_iter().take(many), now))
    }

    /// Ends grants for want of room, and leaves nothing of them to be kept for a while: whoever begins one after another would
    /// have as many kept all the same.
    pub(crate) fn crowd_out<'a>(
        &self,
        grants: impl Iterator<Item = &'a KeyRecord> + Clone,
        now: Timestamp,
    ) -> (Vec<Change>, Vec<Deed>) {
        let (_, deeds) = self.endings(grants.clone(), "crowded_out", now);
        let gone =
            |it: &KeyRecord| [Change::KeyGone(it.id.clone()), Chain::gone_of(&it.id), SessionGrant::gone_of(&it.id)];
        (grants.flat_map(gone).collect(), deeds)
    }

    /// The sessions of a tenant at an API that last, in the order in which they began: those of one user, or all.
    pub async fn sessions(
        &self,
        api: &ApiName,
        tenant: &TenantId,
        user: Option<&str>,
        page: &Page<KeyId>,
    ) -> Result<Vec<SessionShown>, StoreFault> {
        let filter = KeyFilter {
            tenant: Some(tenant.clone()),
            api: Some(api.clone()),
            owner: user.map(str::to_owned),
            grants: true,
        };
        let (now, mut shown, mut next) = (self.clock.now().wall, Vec::new(), page.clone());
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        while shown.len() < limit {
            let some = self.registry.keys(&filter, &next).await?;
            let Some(last) = some.last() else { break };
            next.after = Some(last.id.clone());
            let alive = some.into_iter().filter(|it| is_session(it) && ended(it, now).is_some());
            shown.extend(alive.filter_map(SessionShown::of));
        }
        shown.truncate(limit);
        Ok(shown)
    }

    /// Ends a session of a tenant at an API. Says whether there was one.
    pub async fn end_session(&self, api: &ApiName, tenant: &TenantId, id: &KeyId) -> Result<bool, StoreFault> {
        let now = self.clock.now().wall;
        self.settle(|| {
            Box::pin(async move {
                let grant = self.registry.key(id).await?;
                let theirs = |it: &&KeyRecord| it.api == *api && it.tenant == *tenant && is_session(it);
                let grant = grant.as_ref().filter(theirs).filter(|it| ended(it, now).is_some());
                let (changes, deeds) = self.endings(grant, "end", now);
                Ok::<_, StoreFault>(Decision { outcome: !changes.is_empty(), changes, deeds })
            })
        })
        .await
    }

    /// Ends the grant that a refresh token belongs to, whether the token is good any more or not.
    /// Gives its id.
    pub async fn sign_out(&self, refresh: &str) -> Result<Option<KeyId>, StoreFault> {
        let Some(grant) = &self.grant_behind(refresh, None).await? else { return Ok(None) };
        let now = self.clock.now().wall;
        self.settle(|| {
            Box::pin(async move {
                let grant = self.registry.key(&grant.id).await?;
                let (changes, deeds) = self.endings(grant.as_ref(), "sign_out", now);
                Ok::<_, StoreFault>(Decision { changes, deeds, outcome: () })
            })
        })
        .await?;
        Ok(Some(grant.id.clone()))
    }

    /// The changes that end every grant of a user, in one tenant or everywhere, and what is entered of them.
    pub(crate) async fn end_grants(
        &self,
        user: &str,
        tenant: Option<&TenantId>,
    ) -> Result<(Vec<Change>, Vec<Deed>), StoreFault> {
        let all = self.grants_of(user).await?;
        let meant = all.iter().filter(|it| tenant.is_none_or(|tenant| it.tenant == *tenant));
        Ok(self.endings(meant, "end", self.clock.now().wall))
    }

    pub(crate) fn endings<'a>(
        &self,
        grants: impl IntoIterator<Item = &'a KeyRecord>,
        action: &str,
        now: Timestamp,
    ) -> (Vec<Change>, Vec<Deed>) {
        let ending = |it: &KeyRecord| {
            let change = ended(it, now)?;
            let deed = self.deed(DeedClass::SessionEnd, action).on(&it.id).of(&it.tenant).with("api", &it.api);
            Some((change, it.owner.iter().fold(deed, |deed, owner| deed.with("user", owner))))
        };
        grants.into_iter().filter_map(ending).unzip()
    }
}

impl SessionShown {
    fn of(record: KeyRecord) -> Option<Self> {
        Some(Self { id: record.id, user: record.owner?, created: record.created, last_used: record.last_used })
    }
}

fn is_session(record: &KeyRecord) -> bool {
    matches!(&record.secret, KeySecret::Granted(grant) if grant.kind == GrantKind::Session)
}
