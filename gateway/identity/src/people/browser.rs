//! The issuer's own session of a browser: who has signed in there, for as long as they are there.

use std::time::Duration;

use domain::{Change, Deed, DeedClass, TenantId, Timestamp, keyformat};
use serde::{Deserialize, Serialize};

use super::Authenticated;
use super::through::{KnownThere, MayBeOutside, Through};
use super::user::User;
use crate::kept::Kept;
use crate::providers::OutsideUser;
use crate::publish::Decision;
use crate::signing::digest_of;
use crate::store::{Page, StoreFault};
use crate::{Identity, Shown};

/// How long one lasts at most.
const LASTS: Duration = Duration::from_hours(12);

/// How long it lasts when nobody comes back.
const IDLE: Duration = Duration::from_mins(30);

/// How far apart two notes of somebody coming back are at least.
const GRAIN: Duration = Duration::from_mins(1);

/// How many digits its secret has: 256 bits.
pub(crate) const BROWSER_SECRET: usize = 43;

/// How many of one user are looked at for one page.
const PAGE: u32 = 100;

/// Somebody who has signed in at the issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserSession {
    /// Its name, which opens nothing.
    pub id: String,
    /// The user, `usr_...`.
    pub user: String,
    /// At which issuer they came here. Elsewhere it is nobody's.
    pub issuer: String,
    /// When they came here.
    pub began: Timestamp,
    /// When they showed who they are. Elsewhere that may have been before, and need not be said.
    pub authenticated: Option<Timestamp>,
    /// How they did, as `amr` has it (RFC 8176).
    pub methods: Vec<String>,
    /// The one tenant in which it is good, where a provider of that tenant has said who they are.
    pub tenant: Option<TenantId>,
}

/// A browser session as it is kept: under the digest of its secret.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KeptSession {
    id: String,
    user: String,
    #[serde(default)]
    issuer: String,
    #[serde(default)]
    began: Option<Timestamp>,
    authenticated: Option<Timestamp>,
    methods: Vec<String>,
    seen: Timestamp,
    /// Where it began, if not here.
    #[serde(default)]
    pub(super) through: Option<Through>,
}

impl Kept for KeptSession {
    const KIND: &'static str = "browser_session";

    fn id(&self) -> &str {
        &self.id
    }

    fn found_by(&self) -> Vec<(&'static str, String)> {
        let there = self.known_there().into_iter().flat_map(KnownThere::found_by);
        std::iter::once(("user", self.user.clone())).chain(there).collect()
    }

    fn until(&self) -> Option<Timestamp> {
        Some(self.ends())
    }
}

impl KeptSession {
    /// Of somebody of whom a provider has just said who they are.
    pub(crate) fn through(secret: &str, user: &User, who: &OutsideUser<'_>, through: Through, now: Timestamp) -> Self {
        Self {
            id: digest_of(secret),
            user: user.id.clone(),
            issuer: who.issuer.to_owned(),
            began: Some(now),
            authenticated: who.authenticated.map(|it| it.min(now)),
            methods: who.methods.clone(),
            seen: now,
            through: Some(through),
        }
    }

    fn began(&self) -> Timestamp {
        self.began.or(self.authenticated).unwrap_or(self.seen)
    }

    /// The tenant at whose provider it began, if it did.
    pub(crate) fn begun_at(&self) -> Option<&TenantId> {
        self.through.as_ref().map(|it| &it.tenant)
    }

    fn ends(&self) -> Timestamp {
        (self.began() + LASTS).min(self.seen + IDLE)
    }
}

/// No session of a browser could begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginBrowserSessionError {
    /// The user was suspended or deleted a moment ago, or what they had shown was changed or taken away.
    #[error("the user may not sign in any more, or not by what they showed")]
    Ended,
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// What there was of a session that was just ended.
#[derive(Debug)]
pub struct SignedOut {
    /// The user.
    pub user: String,
    /// The connection by which they had signed in, if it was one.
    pub provider: Option<String>,
    /// What the provider had said of them, for it to know them again.
    pub id_token: Option<Shown>,
}

impl Identity {
    /// Who has signed in at this issuer with the browser that shows this value. What another issuer's cookie says is nothing
    /// here: each has its host, and what is good at one of them must not be carried to the other.
    pub async fn browser_session(
        &self,
        cookie_value: &str,
        issuer: &str,
    ) -> Result<Option<BrowserSession>, StoreFault> {
        if cookie_value.len() != BROWSER_SECRET {
            return Ok(None);
        }
        let id = &digest_of(cookie_value);
        let session = self.standing_session(id).await?.filter(|it| it.issuer == issuer);
        let Some(session) = session else { return Ok(None) };
        let now = self.clock.now().wall;
        if session.seen + GRAIN <= now {
            self.settle(|| Box::pin(self.note_seen(id, now))).await?;
        }
        let began = session.began();
        let KeptSession { id, user, issuer, authenticated, methods, through, .. } = session;
        let tenant = through.map(|it| it.tenant);
        Ok(Some(BrowserSession { id, user, issuer, began, authenticated, methods, tenant }))
    }

    /// The session of this id, unless it is over or its user may not sign in.
    pub(crate) async fn standing_session(&self, id: &str) -> Result<Option<KeptSession>, StoreFault> {
        let Some(session) = self.find::<KeptSession>(id).await? else { return Ok(None) };
        let user = self.find::<User>(&session.user).await?;
        let stands = user.is_some_and(|it| it.suspended.is_none()) && self.clock.now().wall < session.ends();
        Ok(stands.then_some(session))
    }

    async fn note_seen(&self, id: &str, now: Timestamp) -> Result<Decision<()>, StoreFault> {
        let session = self.standing_session(id).await?;
        let changes = session.map(|it| KeptSession { seen: now, ..it }.kept()).transpose()?;
        Ok(Decision { changes: changes.into_iter().collect(), deeds: Vec::new(), outcome: () })
    }

    /// Begins a session for the browser of somebody who has just shown who they are at this issuer: the value of its cookie.
    /// Always a new one, whatever the browser had before.
    pub async fn begin_browser_session(
        &self,
        who: &Authenticated,
        issuer: &str,
    ) -> Result<Shown, BeginBrowserSessionError> {
        let secret = keyformat::draw_id("", BROWSER_SECRET, &*self.random);
        let session = &KeptSession {
            id: digest_of(&secret),
            user: who.user.clone(),
            issuer: issuer.to_owned(),
            began: Some(who.at),
            authenticated: Some(who.at),
            methods: who.methods.clone(),
            seen: who.at,
            through: None,
        };
        self.settle(|| {
            Box::pin(async move {
                if self.still_authenticated(who).await?.is_none() {
                    return Err(BeginBrowserSessionError::Ended);
                }
                let deed = self.deed(DeedClass::SessionStart, "sign_in").on(&session.user).with("kind", "browser");
                let deed = deed.with("methods", session.methods.join(" "));
                Ok(Decision { changes: vec![session.kept()?], deeds: vec![deed], outcome: () })
            })
        })
        .await?;
        Ok(Shown::new(secret))
    }

    /// Ends the session that a browser had before the one that has just begun there, each by the value of its cookie. What came
    /// of it ends with the one that follows where that is the same user's, and with it otherwise.
    pub async fn supersede_browser_session(&self, before: &str, next: &str) -> Result<(), StoreFault> {
        let (before, next) = (&digest_of(before), &digest_of(next));
        self.settle(|| {
            Box::pin(async move {
                let Some(session) = self.find::<KeptSession>(before).await? else {
                    return Ok::<_, StoreFault>(Decision { changes: Vec::new(), deeds: Vec::new(), outcome: () });
                };
                let follows = self.find::<KeptSession>(next).await?.is_some_and(|it| it.user == session.user);
                if !follows {
                    let (changes, deeds) = self.end_whole(&session, "sign_out").await?;
                    return Ok(Decision { changes, deeds, outcome: () });
                }
                let deed = self.deed(DeedClass::SessionEnd, "sign_out").on(&session.user).with("kind", "browser");
                let mut changes = self.hand_on_grants(&session.id, next).await?;
                changes.push(session.gone());
                Ok(Decision { changes, deeds: vec![deed], outcome: () })
            })
        })
        .await
    }

    /// Ends the session of the browser that shows this value, and every grant that came of it; what there was.
    pub async fn sign_out_browser(&self, cookie_value: &str) -> Result<Option<SignedOut>, StoreFault> {
        let id = &digest_of(cookie_value);
        let ended = self.settle(|| {
            Box::pin(async move {
                let Some(session) = self.find::<KeptSession>(id).await? else {
                    return Ok::<_, StoreFault>(Decision { changes: Vec::new(), deeds: Vec::new(), outcome: None });
                };
                let (changes, deeds) = self.end_whole(&session, "sign_out").await?;
                Ok(Decision { changes, deeds, outcome: Some(session) })
            })
        });
        let Some(session) = ended.await? else { return Ok(None) };
        let id_token = session.through.as_ref().map(|it| self.open_id_token(cookie_value, it)).transpose()?;
        Ok(Some(SignedOut { user: session.user, provider: session.through.map(|it| it.known.provider), id_token }))
    }

    /// The changes that end a session and every grant that came of it, and what is entered of them.
    pub(crate) async fn end_whole(
        &self,
        session: &KeptSession,
        action: &str,
    ) -> Result<(Vec<Change>, Vec<Deed>), StoreFault> {
        let (mut changes, mut deeds) = self.end_grants_of_session(&session.id).await?;
        changes.push(session.gone());
        deeds.insert(0, self.session_end(session, action));
        Ok((changes, deeds))
    }

    /// What is entered of the end of a browser's session.
    pub(crate) fn session_end(&self, session: &KeptSession, action: &str) -> Deed {
        let deed = self.deed(DeedClass::SessionEnd, action).on(&session.user).with("kind", "browser");
        session.through.iter().fold(deed, |deed, it| deed.of(&it.tenant).with("provider", &it.known.provider))
    }

    /// The changes that end every browser session of a user, or those that began at the provider of a tenant.
    pub(super) async fn end_browser_sessions(
        &self,
        user: &str,
        tenant: Option<&TenantId>,
    ) -> Result<Vec<Change>, StoreFault> {
        let of = |it: &KeptSession, tenant: &TenantId| it.through.as_ref().is_some_and(|it| it.tenant == *tenant);
        let (mut changes, mut page) = (Vec::new(), Page { after: None, limit: PAGE });
        loop {
            let some: Vec<KeptSession> = self.list(None, Some(("user", user)), &page).await?;
            let Some(last) = some.last() else { return Ok(changes) };
            page.after = Some(last.id.clone());
            let meant = some.iter().filter(|it| tenant.is_none_or(|tenant| of(it, tenant)));
            changes.extend(meant.map(Kept::gone));
        }
    }
}
