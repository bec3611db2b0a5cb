//! Changing and ending clients, and with them whatever came of them.

use std::time::Duration;

use domain::{Change, DeedClass, KeyId, KeyRecord, KeySecret};

use super::Client;
use crate::grants::ended;
use crate::kept::Kept as _;
use crate::publish::{Decision, Entered};
use crate::store::{KeyFilter, Page, StoreFault};
use crate::terms::{Terms, Unfit};
use crate::{Identity, Shown};

/// A client could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeClientError {
    /// There is none.
    #[error("there is no client `{0}`")]
    Unknown(String),
    /// It shows in another way that it is the one.
    #[error("client `{0}` has no secret: it authenticates by `{1}`")]
    NoSecret(String, &'static str),
    /// Its API does not let it be any more.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for ChangeClientError {}

impl Identity {
    /// Gives a client another secret. The one before works until `overlap` is over, by default as long as the settings say;
    /// with an overlap of zero it stops at once.
    pub async fn rotate_client_secret(
        &self,
        id: &str,
        overlap: Option<Duration>,
    ) -> Result<(Client, Shown), ChangeClientError> {
        let deed = self.deed(DeedClass::Identity, "rotate").on(id).with("kind", "client");
        let overlap = overlap.unwrap_or(self.settings.rotation_overlap);
        self.told(deed, self.replace_client_secret(id, overlap)).await
    }

    async fn replace_client_secret(&self, id: &str, overlap: Duration) -> Result<(Client, Shown), ChangeClientError> {
        let now = self.clock.now().wall;
        let was = self.known_client(id).await?;
        if !was.method.has_secret() {
            return Err(ChangeClientError::NoSecret(was.id, was.method.as_str()));
        }
        let (kept, shown) = self.draw_client_secret(id, was.next_secret())?;
        let kept = &kept;
        let client = self
            .settle(|| {
                Box::pin(async move {
                    // Read again: it may have been deleted since.
                    let client = self.known_client(id).await?.with_secret(kept.clone(), now, overlap);
                    let deed = self.client_deed("rotate", &client).with("overlap_until", now + overlap);
                    let changes = vec![client.kept()?];
                    Ok::<_, ChangeClientError>(Decision { changes, deeds: vec![deed], outcome: client })
                })
            })
            .await?;
        Ok((client, shown))
    }

    /// From now on the client is not known any more, and nothing works that came of it. Suspending twice is suspending once.
    pub async fn suspend_client(&self, id: &str) -> Result<Client, ChangeClientError> {
        let now = self.clock.now().wall;
        self.end_client(
            "suspend",
            id,
            |it| Client { suspended: it.suspended.or(Some(now)), ..it.clone() },
            Client::kept,
        )
        .await
    }

    /// The client is known again. What it had before stays ended: it asks for other tokens, and what it has used is counted
    /// on. Resuming one that is known is nothing.
    pub async fn resume_client(&self, id: &str, terms: &Terms) -> Result<Client, ChangeClientError> {
        let now = self.clock.now().wall;
        let verb = self.settle(|| {
            Box::pin(async move {
                let client = self.known_client(id).await?;
                if client.suspended.is_none() {
                    return Ok(Decision { changes: Vec::new(), deeds: Vec::new(), outcome: client });
                }
                let drafted = self.draft_client_grant(&client, terms.of(&client.api)?, now)?;
                let before = self.registry.key(&client.grant).await?;
                let lineage = before.map_or_else(|| drafted.lineage.clone(), |it| it.lineage);
                let grant = KeyRecord { lineage, ..drafted };
                let client = Client { suspended: None, grant: grant.id.clone(), ..client };
                let deed = self.client_deed("resume", &client);
                let changes = vec![client.kept()?, Change::Key(Box::new(grant))];
                Ok(Decision { changes, deeds: vec![deed], outcome: client })
            })
        });
        self.told(self.deed(DeedClass::Identity, "resume").on(id).with("kind", "client"), verb).await
    }

    /// Forgets a client. Nothing works any more that came of it.
    pub async fn delete_client(&self, id: &str) -> Result<Client, ChangeClientError> {
        self.end_client("delete", id, Client::clone, |it| Ok(it.gone())).await
    }

    async fn end_client(
        &self,
        action: &'static str,
        id: &str,
        end: impl Fn(&Client) -> Client + Send + Sync,
        change: impl Fn(&Client) -> Result<Change, StoreFault> + Send + Sync,
    ) -> Result<Client, ChangeClientError> {
        let now = self.clock.now().wall;
        let (end, change) = (&end, &change);
        let verb = self.settle(|| {
            Box::pin(async move {
                let client = end(&self.known_client(id).await?);
                let mut changes = vec![change(&client)?];
                changes.extend(self.grants_of_client(&client).await?.iter().filter_map(|it| ended(it, now)));
                let deed = self.client_deed(action, &client).with("ended", changes.len() - 1);
                Ok(Decision { changes, deeds: vec![deed], outcome: client })
            })
        });
        self.told(self.deed(DeedClass::Identity, action).on(id).with("kind", "client"), verb).await
    }

    /// Ends every token that a client has for itself. It may ask for others, and what it has used stays counted.
    pub async fn end_client_tokens(&self, client: &Client) -> Result<(), StoreFault> {
        let now = self.clock.now().wall;
        self.settle(|| {
            Box::pin(async move {
                let Some(client) = self.client(&client.id).await? else { return Ok(nothing()) };
                let Some(was) = self.registry.key(&client.grant).await? else { return Ok(nothing()) };
                let Some(end) = ended(&was, now) else { return Ok(nothing()) };
                let id: KeyId = self.draw_grant_id()?;
                let next = KeyRecord { id: id.clone(), created: now, last_used: None, ..was.clone() };
                let client = Client { grant: id, ..client };
                let deed = self.deed(DeedClass::SessionEnd, "revoke").of(&was.tenant).on(&was.id).with("api", &was.api);
                let changes = vec![end, Change::Key(Box::new(next)), client.kept()?];
                Ok(Decision { changes, deeds: vec![deed], outcome: () })
            })
        })
        .await
    }

    /// Ends every token that a client has, for itself and for users, and forgets what users have let it do. It may come to
    /// others, and asks them again. Says how many grants that were.
    pub async fn end_tokens_of_client(&self, id: &str) -> Result<usize, ChangeClientError> {
        let now = self.clock.now().wall;
        let client = self.known_client(id).await?;
        let verb = self.settle(|| {
            let own = client.grant.clone();
            Box::pin(async move {
                let grants = self.grants_of_client(&self.known_client(id).await?).await?;
                let others = grants.iter().filter(|it| it.id != own);
                let (mut changes, deeds): (Vec<Change>, Vec<_>) = others
                    .filter_map(|it| {
                        let deed = self.deed(DeedClass::SessionEnd, "revoke").of(&it.tenant).on(&it.id);
                        Some((ended(it, now)?, deed.with("api", &it.api)))
                    })
                    .unzip();
                let outcome = changes.len();
                // Else it came to others without anybody being asked.
                changes.extend(self.forget_consents_to(id).await?);
                Ok::<_, ChangeClientError>(Decision { changes, deeds, outcome })
            })
        });
        let deed = self.deed(DeedClass::SessionEnd, "revoke").on(id).with("kind", "client");
        let ended = self.told(deed, verb).await?;
        self.end_client_tokens(&client).await?;
        Ok(ended + 1)
    }

    async fn known_client(&self, id: &str) -> Result<Client, ChangeClientError> {
        self.client(id).await?.ok_or_else(|| ChangeClientError::Unknown(id.to_owned()))
    }

    /// Every grant that a client acts by, ended ones included.
    async fn grants_of_client(&self, client: &Client) -> Result<Vec<KeyRecord>, StoreFault> {
        let (tenant, api) = (Some(client.tenant.clone()), Some(client.api.clone()));
        let filter = KeyFilter { tenant, api, grants: true, ..KeyFilter::default() };
        let (mut all, mut page) = (Vec::new(), Page::default());
        loop {
            let some = self.registry.keys(&filter, &page).await?;
            let Some(last) = some.last() else { return Ok(all) };
            page.after = Some(last.id.clone());
            all.extend(some.into_iter().filter(|it| acts_for(it, &client.id)));
        }
    }
}

fn acts_for(record: &KeyRecord, client: &str) -> bool {
    matches!(&record.secret, KeySecret::Granted(grant) if grant.client.as_deref() == Some(client))
}

fn nothing() -> Decision<()> {
    Decision { changes: Vec::new(), deeds: Vec::new(), outcome: () }
}
