//! The end of what began at a provider, sessions and what was let in in them: because it says that somebody has left, or because
//! nobody signs in by it any more.

use domain::{Change, Deed, DeedClass, Timestamp};
use serde::{Deserialize, Serialize};

use super::Provider;
use crate::Identity;
use crate::kept::Kept;
use crate::people::{BY_ACCOUNT, BY_PROVIDER, KeptSession, KnownThere, MayBeOutside, Through};
use crate::publish::Decision;
use crate::signing::digest_of;
use crate::store::StoreFault;

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
    /// So many sessions of browsers are over that were not before, and with them, and with those that were, what came of them.
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
    /// Ends the sessions of somebody of whom their provider says that they have left, and the grants that came of them, whether
    /// or not the sessions are over by now.
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
                let sessions: Vec<KeptSession> = self.left_behind(provider, left).await?;
                let grants = self.left_behind(provider, left).await?;
                let (mut changes, mut deeds) = self.end_sessions_and_grants(&sessions, grants).await?;
                deeds.insert(0, deed.with("sessions", sessions.len()));
                changes.push(heard.kept()?);
                Ok(Decision { changes, deeds, outcome: EndedOutside::Sessions(sessions.len()) })
            })
        })
        .await
    }

    /// What began in the session that is named; where a user is named too, only if it is theirs, and with it what began with
    /// their account in sessions of which the provider has not said what it calls them. Where a user alone is named, all that
    /// began with their account.
    async fn left_behind<T: MayBeOutside>(
        &self,
        provider: &Provider,
        left: LeftOutside<'_>,
    ) -> Result<Vec<T>, StoreFault> {
        let account = left.subject.map(|it| Through::account(&provider.id, it));
        let Some(visit) = left.session.map(|it| Through::visit(&provider.id, it)) else {
            return match account {
                Some(account) => self.every(None, Some((BY_ACCOUNT, &account))).await,
                None => Ok(Vec::new()),
            };
        };
        let mut all: Vec<T> = self.every(None, Some((BY_ACCOUNT, &visit))).await?;
        if let Some(account) = account {
            all.retain(|it| it.known_there().is_some_and(|it| it.is_of_account(&account)));
            let theirs: Vec<T> = self.every(None, Some((BY_ACCOUNT, &account))).await?;
            all.extend(theirs.into_iter().filter(|it| it.known_there().is_some_and(KnownThere::is_unnamed)));
        }
        Ok(all)
    }

    /// The changes that end whatever somebody has signed in to by a connection and let in there, also where the session is over
    /// by itself; and what is entered of them.
    pub(super) async fn end_all_through(&self, provider: &str) -> Result<(Vec<Change>, Vec<Deed>), StoreFault> {
        self.end_found_by((BY_PROVIDER, provider)).await
    }

    /// The same of one account.
    pub(super) async fn end_all_of_account(
        &self,
        provider: &Provider,
        subject: &str,
    ) -> Result<(Vec<Change>, Vec<Deed>), StoreFault> {
        self.end_found_by((BY_ACCOUNT, &Through::account(&provider.id, subject))).await
    }

    async fn end_found_by(&self, by: (&str, &str)) -> Result<(Vec<Change>, Vec<Deed>), StoreFault> {
        self.end_sessions_and_grants(&self.every(None, Some(by)).await?, self.every(None, Some(by)).await?).await
    }
}
