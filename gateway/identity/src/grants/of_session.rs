//! Which grants came of a session of a browser, so that they end with it when its user signs out.

use domain::{Change, Deed, KeyId, KeyRecord, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Identity;
use crate::kept::Kept;
use crate::store::{Page, StoreFault};

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
    /// The changes that end every grant that came of a session, and what is entered of them.
    pub(crate) async fn end_grants_of_session(&self, session: &str) -> Result<(Vec<Change>, Vec<Deed>), StoreFault> {
        let now = self.clock.now().wall;
        let (mut grants, mut changes, mut page) = (Vec::new(), Vec::new(), Page::default());
        loop {
            let some: Vec<SessionGrant> = self.list(None, Some((BY_SESSION, session)), &page).await?;
            let Some(last) = some.last() else { break };
            page.after = Some(last.id().to_owned());
            for it in &some {
                grants.extend(self.registry.key(&it.grant).await?);
                changes.push(it.gone());
            }
        }
        let (ends, deeds) = self.endings(&grants, "sign_out", now);
        changes.extend(ends);
        Ok((changes, deeds))
    }
}
