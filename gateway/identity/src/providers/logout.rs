//! The end of sessions that began at a provider: because it says that somebody has left, or because nobody signs in by it any
//! more.

use domain::{Change, Deed, DeedClass, Timestamp};
use serde::{Deserialize, Serialize};

use super::Provider;
use crate::Identity;
use crate::kept::Kept;
use crate::people::{BY_ACCOUNT, BY_PROVIDER, KeptSession, Through};
use crate::publish::Decision;
use crate::signing::digest_of;
use crate::store::{Page, StoreFault};

/// That a provider says that somebody has left, verified.
#[derive(Clone, Copy, Debug)]
pub struct LeftOutside<'a> {
    /// Who, everywhere.
    pub subject: Option<&'a str>,
    /// Or which of their sessions.
    pub session: Option<&'a str>,
    /// The name of the token that says so, which is good once.
    pub jti: &'a str,
    /// Until when it could be shown again.
    pub ends: Timestamp,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedOutside {
    /// So many sessions of browsers are over.
    Sessions(usize),
    /// The token was shown before.
    Repeated,
}

/// A token that was heard.
#[derive(Serialize, Deserialize)]
struct Heard {
    id: String,
    until: Timestamp,
}

impl Kept for Heard {
    const KIND: &'static str = "logout_token";

    fn id(&self) -> &str {
        &self.id
    }

    fn until(&self) -> Option<Timestamp> {
        Some(self.until)
    }
}

impl Identity {
    /// Ends the sessions of somebody of whom their provider says that they have left, and the grants that came of them.
    pub async fn end_outside(&self, provider: &Provider, left: LeftOutside<'_>) -> Result<EndedOutside, StoreFault> {
        self.settle(|| {
            Box::pin(async move {
                let heard = Heard { id: digest_of(&format!("{}\n{}", provider.id, left.jti)), until: left.ends };
                let deed = self.deed(DeedClass::SessionEnd, "sign_out").on(&provider.id).of(&provider.tenant);
                let deed = deed.with("kind", "back_channel");
                if self.find::<Heard>(&heard.id).await?.is_some() {
                    let deeds = vec![deed.refused("the token was shown before")];
                    return Ok(Decision { changes: Vec::new(), deeds, outcome: EndedOutside::Repeated });
                }
                let sessions = self.sessions_left(provider, left).await?;
                let (mut changes, mut deeds) = self.end_each(&sessions).await?;
                deeds.insert(0, deed.with("sessions", sessions.len()));
                changes.push(heard.kept()?);
                Ok(Decision { changes, deeds, outcome: EndedOutside::Sessions(sessions.len()) })
            })
        })
        .await
    }

    /// The session that is named; where a user is named too, only if it is theirs, and with it those of theirs of which the
    /// provider has not said what it calls them. Where a user alone is named, all of theirs.
    async fn sessions_left(&self, provider: &Provider, left: LeftOutside<'_>) -> Result<Vec<KeptSession>, StoreFault> {
        let user = left.subject.map(|it| Through::account(&provider.id, it));
        let Some(named) = left.session.map(|it| Through::visit(&provider.id, it)) else {
            return match user {
                Some(user) => self.kept_sessions(BY_ACCOUNT, &user).await,
                None => Ok(Vec::new()),
            };
        };
        let mut sessions = self.kept_sessions(BY_ACCOUNT, &named).await?;
        if let Some(user) = user {
            sessions.retain(|it| it.is_of_account(&user));
            let all = self.kept_sessions(BY_ACCOUNT, &user).await?;
            sessions.extend(all.into_iter().filter(KeptSession::is_unnamed_outside));
        }
        Ok(sessions)
    }

    /// The changes that end whatever somebody has signed in to by a connection, and what is entered of them.
    pub(super) async fn end_sessions_of(&self, provider: &str) -> Result<(Vec<Change>, Vec<Deed>), StoreFault> {
        let sessions = self.kept_sessions(BY_PROVIDER, provider).await?;
        self.end_each(&sessions).await
    }

    async fn end_each(&self, sessions: &[KeptSession]) -> Result<(Vec<Change>, Vec<Deed>), StoreFault> {
        let (mut changes, mut deeds) = (Vec::new(), Vec::new());
        for session in sessions {
            let (more, told) = self.end_whole(session, "sign_out").await?;
            changes.extend(more);
            deeds.extend(told);
        }
        Ok((changes, deeds))
    }

    /// Every session of a browser that is found by this.
    async fn kept_sessions(&self, name: &str, value: &str) -> Result<Vec<KeptSession>, StoreFault> {
        let (mut all, mut page) = (Vec::new(), Page::default());
        loop {
            let some: Vec<KeptSession> = self.list(None, Some((name, value)), &page).await?;
            let Some(last) = some.last() else { return Ok(all) };
            page.after = Some(last.id().to_owned());
            all.extend(some);
        }
    }
}
