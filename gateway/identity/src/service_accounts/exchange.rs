//! What a workload is given for the word of its platform: a grant of the service account that it is here, for minutes.

use std::time::Duration;

use domain::{ApiName, Change, Deed, DeedClass, Grant, GrantKind, KeyId, KeyRecord, Scope, Timestamp};
use serde::{Deserialize, Serialize};

use super::{BY_ISSUER, PAGE, ServiceAccount};
use crate::Identity;
use crate::grants::{NewGrant, ended};
use crate::kept::Kept;
use crate::publish::Decision;
use crate::signing::{TOKEN_LIFETIME, digest_of};
use crate::store::{Page, StoreFault};
use crate::terms::{ApiTerms, Terms, Unfit};

/// How much longer than it is good the word of a platform is remembered.
const REMEMBERED: Duration = Duration::from_mins(1);

/// How much longer than its token a grant lasts, so that the token has all of its life.
const BEYOND_TOKEN: Duration = Duration::from_mins(1);

/// The word of a platform for a workload, which was verified.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// Who vouches for it.
    pub issuer: &'a str,
    /// Who it is there.
    pub subject: &'a str,
    /// What tells this word from every other of the issuer. It is good once.
    pub name: &'a str,
    /// When it ends.
    pub ends: Timestamp,
}

/// A workload is given nothing. It is told no more than that.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// It is nobody here.
    #[error("it is no service account at this API")]
    Nobody,
    /// It is more than one.
    #[error("it is more than one service account at this API, and none was named")]
    Which,
    /// Whom it is may do nothing now.
    #[error("its service account is suspended")]
    Suspended,
    /// It wants more than its service account may do.
    #[error("its service account does not have that scope")]
    Beyond,
    /// The word was used before.
    #[error("the word of its platform was used before")]
    Used,
    /// The API does not take tokens any more.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// That the word of a platform was used.
#[derive(Serialize, Deserialize)]
struct Used {
    id: String,
    until: Timestamp,
}

impl Kept for Used {
    const KIND: &'static str = "workload_token";

    fn id(&self) -> &str {
        &self.id
    }

    fn until(&self) -> Option<Timestamp> {
        Some(self.until)
    }
}

/// By whose word a grant was given, so that it ends when that word is taken no more.
#[derive(Serialize, Deserialize)]
struct Vouched {
    grant: KeyId,
    issuer: String,
    until: Option<Timestamp>,
}

impl Kept for Vouched {
    const KIND: &'static str = "workload_grant";

    fn id(&self) -> &str {
        self.grant.as_str()
    }

    fn found_by(&self) -> Vec<(&'static str, String)> {
        vec![(BY_ISSUER, self.issuer.clone())]
    }

    fn until(&self) -> Option<Timestamp> {
        self.until
    }
}

impl Identity {
    /// A grant of the service account that a workload is at an API, with these scopes or all that it has. `account` names
    /// it where there is more than one.
    pub async fn exchange_workload(
        &self,
        shown: Shown<'_>,
        (api, account): (&ApiName, Option<&str>),
        asked: Option<&[Scope]>,
        terms: &Terms,
    ) -> Result<KeyRecord, ExchangeError> {
        let terms = terms.of(api)?;
        self.settle(|| Box::pin(self.draft_exchange(shown, account, asked, terms))).await
    }

    async fn draft_exchange(
        &self,
        shown: Shown<'_>,
        account: Option<&str>,
        asked: Option<&[Scope]>,
        terms: &ApiTerms,
    ) -> Result<Decision<KeyRecord>, ExchangeError> {
        let now = self.clock.now().wall;
        // Its word may have been taken when it was verified, and not any more.
        if self.trusted_issuer(shown.issuer).await?.is_none() {
            return Err(ExchangeError::Nobody);
        }
        // A digest, for the platform may write anything and at any length.
        let id = digest_of(&format!("{}\n{}", shown.issuer, shown.name));
        if self.find::<Used>(&id).await?.is_some() {
            return Err(ExchangeError::Used);
        }
        let account = self.account_of(shown, &terms.api, account).await?;
        if account.suspended.is_some() {
            return Err(ExchangeError::Suspended);
        }
        let held = account.scopes(terms);
        let scopes = match asked {
            None => held,
            Some(asked) if asked.iter().all(|it| held.contains(it)) => asked.to_vec(),
            Some(_) => return Err(ExchangeError::Beyond),
        };
        let grant = Grant { kind: GrantKind::Workload, client: None, authenticated: None, methods: Vec::new() };
        let new = NewGrant {
            api: &account.api,
            tenant: &account.tenant,
            owner: Some(&account.id),
            name: account.name.clone(),
            scopes,
            grant,
            expires: now + TOKEN_LIFETIME + BEYOND_TOKEN,
        };
        let drafted = self.draft_grant(new, terms, now)?;
        // However often its workloads come, a service account has one allowance for them.
        let lineage = format!("{}:workload", account.id).parse();
        let grant = KeyRecord { lineage: lineage.unwrap_or_else(|_| drafted.lineage.clone()), ..drafted };
        let deed = self.deed(DeedClass::SessionStart, "exchange").of(&account.tenant).on(&grant.id);
        let deed = deed.with("kind", "workload").with("account", &account.id).with("api", &account.api);
        let deed = deed.with("issuer", shown.issuer).with("subject", shown.subject);
        let used = Used { id, until: shown.ends + REMEMBERED };
        let vouched = Vouched { grant: grant.id.clone(), issuer: shown.issuer.to_owned(), until: grant.expires };
        let changes = vec![used.kept()?, vouched.kept()?, Change::Key(Box::new(grant.clone()))];
        Ok(Decision { changes, deeds: vec![deed], outcome: grant })
    }

    /// The changes that end every grant that was given for the word of an issuer, and what is entered of them.
    pub(super) async fn end_vouched(&self, issuer: &str) -> Result<(Vec<Change>, Vec<Deed>), StoreFault> {
        let now = self.clock.now().wall;
        let (mut changes, mut deeds, mut page) = (Vec::new(), Vec::new(), Page::default());
        loop {
            let some: Vec<Vouched> = self.list(None, Some((BY_ISSUER, issuer)), &page).await?;
            let Some(last) = some.last() else { return Ok((changes, deeds)) };
            page.after = Some(last.id().to_owned());
            for it in &some {
                changes.push(it.gone());
                let Some(grant) = self.registry.key(&it.grant).await? else { continue };
                let Some(end) = ended(&grant, now) else { continue };
                let deed = self.deed(DeedClass::SessionEnd, "distrust").on(&grant.id).of(&grant.tenant);
                let deed = deed.with("kind", "workload").with("api", &grant.api).with("issuer", issuer);
                deeds.push(grant.owner.iter().fold(deed, |deed, account| deed.with("account", account)));
                changes.push(end);
            }
        }
    }

    /// The one service account at an API that a workload is.
    async fn account_of(
        &self,
        shown: Shown<'_>,
        api: &ApiName,
        named: Option<&str>,
    ) -> Result<ServiceAccount, ExchangeError> {
        let (mut found, mut page) = (None, Page { after: None, limit: PAGE });
        loop {
            let some: Vec<ServiceAccount> = self.list(None, Some((BY_ISSUER, shown.issuer)), &page).await?;
            let Some(last) = some.last() else { return found.ok_or(ExchangeError::Nobody) };
            page.after = Some(last.id.clone());
            for account in some {
                let meant = account.api == *api && named.is_none_or(|it| it == account.id);
                let is = |it: &super::WorkloadIdentity| it.issuer() == shown.issuer && it.stands_for(shown.subject);
                if meant && account.workloads.iter().any(is) && found.replace(account).is_some() {
                    return Err(ExchangeError::Which);
                }
            }
        }
    }
}
