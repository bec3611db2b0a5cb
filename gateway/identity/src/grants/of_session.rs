//! Which grants came of a session of a browser, so that they end with it when its user signs out; and at which provider that
//! began, so that what the provider says later ends them also where the session is over by itself.

use domain::{Change, Deed, KeyId, KeyRecord, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Identity;
use crate::kept::Kept;
use crate::people::{KeptSession, KnownThere, MayBeOutside};
use crate::store::StoreFault;

const BY_SESSION: &str = "session";

/// A grant that came of a session. It is kept for as long as the grant lasts, which is longer than the session.
#[derive(Serialize, Deserialize)]
pub(crate) struct SessionGrant {
    grant: KeyId,
    session: String,
    /// What the session was known by where it began, if not here. One from before that was kept has none.
    #[serde(default)]
    known: Option<KnownThere>,
    until: Option<Timestamp>,
}

impl Kept for SessionGrant {
    const KIND: &'static str = "session_grant";

    fn id(&self) -> &str {
        self.grant.as_str()
    }

    fn found_by(&self) -> Vec<(&'static str, String)> {
        let there = self.known.iter().flat_map(KnownThere::found_by);
        std::iter::once((BY_SESSION, self.session.clone())).chain(there).collect()
    }

    fn until(&self) -> Option<Timestamp> {
        self.until
    }
}

impl MayBeOutside for SessionGrant {
    fn known_there(&self) -> Option<&KnownThere> {
        self.known.as_ref()
    }
}

impl SessionGrant {
    /// The change after which nothing is known of where a grant came from.
    pub(crate) fn gone_of(grant: &KeyId) -> Change {
        Change::RecordGone(Self::KIND, grant.as_str().to_owned())
    }

    /// Of what was allowed in a session.
    pub(crate) fn of(session: &KeptSession, grant: &KeyRecord) -> Self {
        let known = session.known_there().cloned();
        Self { grant: grant.id.clone(), session: session.id().to_owned(), known, until: grant.expires }
    }
}

impl Identity {
    async fn came_of(&self, session: &str) -> Result<Vec<SessionGrant>, StoreFault> {
        self.every(None, Some((BY_SESSION, session))).await
    }

    /// The changes after which what came of a session ends with another.
    pub(crate) async fn hand_on_grants(&self, from: &str, to: &str) -> Result<Vec<Change>, StoreFault> {
        let all = self.came_of(from).await?.into_iter();
        all.map(|it| SessionGrant { session: to.to_owned(), ..it }.kept()).collect()
    }

    /// The changes that end every grant that came of a session, and what is entered of them.
    pub(crate) async fn end_grants_of_session(&self, session: &str) -> Result<(Vec<Change>, Vec<Deed>), StoreFault> {
        self.end_came_of(&self.came_of(session).await?).await
    }

    /// The changes that end these sessions, which began at the provider of a tenant, and what came of them there, and these
    /// grants besides, whose sessions may be over by themselves; and what is entered of them. What the same browser had let in
    /// before it came from there is none of that provider's, and goes on.
    pub(crate) async fn end_sessions_and_grants(
        &self,
        sessions: &[KeptSession],
        mut grants: Vec<SessionGrant>,
    ) -> Result<(Vec<Change>, Vec<Deed>), StoreFault> {
        let (mut changes, mut deeds) = (Vec::new(), Vec::new());
        for session in sessions {
            changes.push(session.gone());
            deeds.push(self.session_end(session, "sign_out"));
            for it in self.came_of(session.id()).await?.into_iter().filter(|it| it.known.is_none()) {
                // From before it was kept where a grant began.
                let there =
                    self.registry.key(&it.grant).await?.is_some_and(|it| session.begun_at() == Some(&it.tenant));
                grants.extend(there.then_some(it));
            }
        }
        let (more, told) = self.end_came_of(&grants).await?;
        changes.extend(more);
        deeds.extend(told);
        Ok((changes, deeds))
    }

    async fn end_came_of(&self, all: &[SessionGrant]) -> Result<(Vec<Change>, Vec<Deed>), StoreFault> {
        let mut grants = Vec::new();
        for it in all {
            grants.extend(self.registry.key(&it.grant).await?);
        }
        let (ends, deeds) = self.endings(&grants, "sign_out", self.clock.now().wall);
        Ok((all.iter().map(Kept::gone).chain(ends).collect(), deeds))
    }
}
