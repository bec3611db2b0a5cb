//! Which grants came of a session of a browser, so that they end with it when its user signs out.

use domain::{Change, Deed, KeyId, KeyRecord, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Identity;
use crate::kept::Kept;
use crate::store::StoreFault;

const BY_SESSION: &str = "session";

/// A grant that came of a session.
#[derive(Serialize, Deserialize)]
pub(crate) struct SessionGrant {
    grant: KeyId,
    session: String,
    until: Option<Timestamp>,
}

impl Kept for SessionGrant {
    const KIND: &'static str = "session_grant";

    fn id(&self) -> &str {
        self.grant.as_str()
    }

    fn found_by(&self) -> Vec<(&'static str, String)> {
        vec![(BY_SESSION, self.session.clone())]
    }

    fn until(&self) -> Option<Timestamp> {
        self.until
    }
}

impl SessionGrant {
    /// Of what was allowed in a session.
    pub(crate) fn of(session: &str, grant: &KeyRecord) -> Self {
        Self { grant: grant.id.clone(), session: session.to_owned(), until: grant.expires }
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
        let (mut grants, mut changes) = (Vec::new(), Vec::new());
        for it in self.came_of(session).await? {
            grants.extend(self.registry.key(&it.grant).await?);
            changes.push(it.gone());
        }
        let (ends, deeds) = self.endings(&grants, "sign_out", self.clock.now().wall);
        changes.extend(ends);
        Ok((changes, deeds))
    }
}
