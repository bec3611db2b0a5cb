//! What users have let clients do, so that they are asked once; and that they may take it back.

use std::collections::{BTreeMap, BTreeSet};

use domain::{ApiName, Change, DeedClass, GrantKind, KeyRecord, KeySecret, Scope, TenantId};
use serde::{Deserialize, Serialize};

use crate::Identity;
use crate::clients::Client;
use crate::grants::ended;
use crate::kept::Kept;
use crate::publish::Decision;
use crate::store::{Page, StoreFault};

/// By what the consents of a client, and of a user, are found.
const BY_CLIENT: &str = "client";
const BY_USER: &str = "user";

/// A client that may act for a user, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownConsent {
    /// The client.
    pub client: Client,
    /// What it may do without another question, or does already.
    pub scopes: Vec<Scope>,
}

/// What one user has let one client do.
#[derive(Serialize, Deserialize)]
struct Consent {
    id: String,
    tenant: TenantId,
    client: String,
    user: String,
    scopes: Vec<Scope>,
}

impl Kept for Consent {
    const KIND: &'static str = "consent";

    fn id(&self) -> &str {
        &self.id
    }

    fn tenant(&self) -> Option<&TenantId> {
        Some(&self.tenant)
    }

    fn found_by(&self) -> Vec<(&'static str, String)> {
        vec![(BY_CLIENT, self.client.clone()), (BY_USER, self.user.clone())]
    }
}

impl Identity {
    /// Whether a user has let a client do all of this before.
    pub async fn has_consented(&self, user: &str, client: &Client, scopes: &[Scope]) -> Result<bool, StoreFault> {
        let consent = self.find::<Consent>(&name(user, client)).await?;
        Ok(consent.is_some_and(|it| scopes.iter().all(|asked| it.scopes.contains(asked))))
    }

    /// Remembers that a user lets a client do this, besides what they have let it do before.
    pub async fn consent(&self, user: &str, client: &Client, scopes: &[Scope]) -> Result<(), StoreFault> {
        self.settle(|| {
            Box::pin(async move {
                let id = name(user, client);
                let before = self.find::<Consent>(&id).await?.map(|it| it.scopes).unwrap_or_default();
                let mut all = [before, scopes.to_vec()].concat();
                all.sort_unstable();
                all.dedup();
                let told = all.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ");
                let (tenant, client) = (client.tenant.clone(), client.id.clone());
                let deed = self.deed(DeedClass::Identity, "consent").of(&tenant).on(&client).with("scopes", told);
                let deed = deed.with("user", user);
                let consent = Consent { id, tenant, client, user: user.to_owned(), scopes: all };
                Ok::<_, StoreFault>(Decision { changes: vec![consent.kept()?], deeds: vec![deed], outcome: () })
            })
        })
        .await
    }

    /// The clients that may act for a user, by what they were let do once or by a grant that lasts: all of them, or those of an
    /// API.
    pub async fn consents_of(&self, user: &str, api: Option<&ApiName>) -> Result<Vec<ShownConsent>, StoreFault> {
        let now = self.clock.now().wall;
        let mut all: BTreeMap<String, BTreeSet<Scope>> = BTreeMap::new();
        for it in self.kept_consents((BY_USER, user)).await? {
            all.entry(it.client).or_default().extend(it.scopes);
        }
        for it in self.grants_of(user).await?.into_iter().filter(|it| ended(it, now).is_some()) {
            if let Some(client) = client_behind(&it) {
                all.entry(client.to_owned()).or_default().extend(it.scopes.iter().cloned());
            }
        }
        let mut shown = Vec::new();
        for (client, scopes) in all {
            // One that is known no more has nothing.
            let client = self.client(&client).await?.filter(|it| api.is_none_or(|api| it.api == *api));
            shown.extend(client.map(|client| ShownConsent { client, scopes: scopes.into_iter().collect() }));
        }
        Ok(shown)
    }

    /// From now on a client, or every one, may act for a user no more: what it was given is over, what is on its way is good
    /// for nothing, and it has to ask again. Says how many clients those were.
    pub async fn withdraw_consents(&self, user: &str, client: Option<&str>) -> Result<usize, StoreFault> {
        let now = self.clock.now().wall;
        self.settle(|| {
            Box::pin(async move {
                let meant = |it: &str| client.is_none_or(|client| client == it);
                let mut withdrawn: BTreeMap<String, TenantId> = BTreeMap::new();
                let (mut changes, mut deeds) = (Vec::new(), Vec::new());
                for it in self.kept_consents((BY_USER, user)).await?.into_iter().filter(|it| meant(&it.client)) {
                    changes.push(it.gone());
                    withdrawn.insert(it.client, it.tenant);
                }
                let grants = self.grants_of(user).await?;
                let theirs = grants.iter().filter(|it| client_behind(it).is_some_and(meant));
                for it in theirs.clone().filter(|it| ended(it, now).is_some()) {
                    withdrawn.extend(client_behind(it).map(|client| (client.to_owned(), it.tenant.clone())));
                }
                for (client, tenant) in &withdrawn {
                    let deed = self.deed(DeedClass::Identity, "withdraw_consent").of(tenant).on(client);
                    deeds.push(deed.with("user", user));
                }
                let (ends, told) = self.endings(theirs, "withdraw_consent", now);
                changes.extend(ends);
                changes.extend(self.on_their_way(user, client).await?);
                deeds.extend(told);
                Ok::<_, StoreFault>(Decision { changes, deeds, outcome: withdrawn.len() })
            })
        })
        .await
    }

    /// The changes that forget what every user has let a client do.
    pub(crate) async fn forget_consents_to(&self, client: &str) -> Result<Vec<Change>, StoreFault> {
        Ok(self.kept_consents((BY_CLIENT, client)).await?.iter().map(Kept::gone).collect())
    }

    /// The changes that forget what a user has let every client do.
    pub(crate) async fn forget_consents_of(&self, user: &str) -> Result<Vec<Change>, StoreFault> {
        let mut changes: Vec<Change> = self.kept_consents((BY_USER, user)).await?.iter().map(Kept::gone).collect();
        changes.extend(self.on_their_way(user, None).await?);
        Ok(changes)
    }

    /// The changes that make good for nothing what a client, or every one, is yet to come for.
    async fn on_their_way(&self, user: &str, client: Option<&str>) -> Result<Vec<Change>, StoreFault> {
        let mut changes = self.codes_of(user, client).await?;
        changes.extend(self.devices_of(user, client).await?);
        Ok(changes)
    }

    async fn kept_consents(&self, by: (&str, &str)) -> Result<Vec<Consent>, StoreFault> {
        let (mut all, mut page) = (Vec::new(), Page::default());
        loop {
            let some: Vec<Consent> = self.list(None, Some(by), &page).await?;
            let Some(last) = some.last() else { return Ok(all) };
            page.after = Some(last.id.clone());
            all.extend(some);
        }
    }
}

/// The client that acts for a user by this grant, where it is one of that kind.
pub(crate) fn client_behind(record: &KeyRecord) -> Option<&str> {
    let KeySecret::Granted(grant) = &record.secret else { return None };
    grant.client.as_deref().filter(|_| grant.kind == GrantKind::Consent)
}

fn name(user: &str, client: &Client) -> String {
    format!("{user}/{}", client.id)
}
