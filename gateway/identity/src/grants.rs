//! What tokens are made for where no key stands behind them, and the refresh tokens that keep them alive.

mod consented;
mod of_session;
mod refresh;

use domain::{ApiName, Change, DeedClass, Grant, KeyId, KeyRecord, KeySecret, Scope, TenantId, Timestamp, keyformat};

pub use consented::Lapsed;
pub(crate) use consented::{BegunConsent, Consented};
pub(crate) use of_session::SessionGrant;
pub(crate) use refresh::Chain;
pub use refresh::{Holder, RefreshError, Refreshed, Renewal};

use crate::Identity;
use crate::publish::Decision;
use crate::store::{KeyFilter, Page, StoreFault};
use crate::terms::ApiTerms;

/// How many grants of one owner are looked at for one page.
const PAGE: u32 = 100;

/// A grant to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewGrant<'a> {
    /// The one API it opens.
    pub(crate) api: &'a ApiName,
    /// Whose resources it reaches.
    pub(crate) tenant: &'a TenantId,
    /// The user or service account behind it.
    pub(crate) owner: Option<&'a str>,
    /// What lists show of it.
    pub(crate) name: String,
    /// The ceiling of what it may do.
    pub(crate) scopes: Vec<Scope>,
    /// What it is.
    pub(crate) grant: Grant,
    /// When it ends by itself.
    pub(crate) expires: Timestamp,
}

impl Identity {
    /// The record of a new grant, not published yet.
    pub(crate) fn draft_grant(
        &self,
        new: NewGrant<'_>,
        terms: &ApiTerms,
        now: Timestamp,
    ) -> Result<KeyRecord, StoreFault> {
        let id = self.draw_grant_id()?;
        Ok(KeyRecord {
            lineage: id.founds(),
            id,
            api: new.api.clone(),
            tenant: new.tenant.clone(),
            name: new.name,
            owner: new.owner.map(str::to_owned),
            secret: KeySecret::Granted(new.grant),
            scopes: new.scopes,
            tier: terms.default_tier.clone(),
            ip_allow: Vec::new(),
            bound: None,
            created: now,
            expires: Some(new.expires),
            rotated_from: None,
            overlap: None,
            revoked: None,
            suspended: None,
            last_used: None,
        })
    }

    /// Ends a grant, and with it every token that names it. Ending twice is ending once.
    pub async fn end_grant(&self, id: &KeyId, why: &str) -> Result<(), StoreFault> {
        let now = self.clock.now().wall;
        self.settle(|| {
            Box::pin(async move {
                let grant = self.registry.key(id).await?;
                let Some((grant, end)) = grant.and_then(|it| ended(&it, now).map(|end| (it, end))) else {
                    return Ok(Decision { changes: Vec::new(), deeds: Vec::new(), outcome: () });
                };
                let deed = self.deed(DeedClass::SessionEnd, why).of(&grant.tenant).on(id).with("api", &grant.api);
                Ok(Decision { changes: vec![end], deeds: vec![deed], outcome: () })
            })
        })
        .await
    }

    /// A new id of a grant.
    pub(crate) fn draw_grant_id(&self) -> Result<KeyId, StoreFault> {
        let drawn = keyformat::draw_id("grt_", 16, &*self.random);
        drawn.parse().map_err(|it| StoreFault { doing: "drawing an id", source: Box::new(it) })
    }

    /// Every grant of an owner, ended ones included.
    pub(crate) async fn grants_of(&self, owner: &str) -> Result<Vec<KeyRecord>, StoreFault> {
        let filter = KeyFilter { owner: Some(owner.to_owned()), grants: true, ..KeyFilter::default() };
        let (mut all, mut page) = (Vec::new(), Page { after: None, limit: PAGE });
        loop {
            let some = self.registry.keys(&filter, &page).await?;
            let Some(last) = some.last() else { return Ok(all) };
            page.after = Some(last.id.clone());
            all.extend(some);
        }
    }
}

/// The change that ends a grant, where it has not ended yet.
pub(crate) fn ended(grant: &KeyRecord, now: Timestamp) -> Option<Change> {
    let alive = grant.revoked.is_none() && grant.expires.is_none_or(|it| now < it);
    alive.then(|| Change::Key(Box::new(KeyRecord { revoked: Some(now), ..grant.clone() })))
}
