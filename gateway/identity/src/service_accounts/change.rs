//! What becomes of service accounts, and of their keys with them.

use domain::{Change, Deed, DeedClass, KeyRecord, RoleName};

use super::ServiceAccount;
use crate::Identity;
use crate::kept::Kept as _;
use crate::publish::{Decision, Entered};
use crate::store::StoreFault;
use crate::terms::{Terms, Unfit};

/// A service account could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeServiceAccountError {
    /// There is none.
    #[error("there is no service account `{0}`; help: `portcullis service-accounts list` shows ids")]
    Unknown(String),
    /// Its API has no such role.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for ChangeServiceAccountError {
    fn entered(&self) -> String {
        match self {
            // What was typed in the place of an id may be a name.
            Self::Unknown(_) => "there is no such service account".to_owned(),
            Self::Unfit(_) | Self::Store(_) => self.to_string(),
        }
    }
}

impl Identity {
    /// From now on its keys open nothing. Suspending twice is suspending once.
    pub async fn suspend_service_account(&self, id: &str) -> Result<ServiceAccount, ChangeServiceAccountError> {
        self.hold(id, "suspend", true).await
    }

    /// Its keys open again what they opened before.
    pub async fn resume_service_account(&self, id: &str) -> Result<ServiceAccount, ChangeServiceAccountError> {
        self.hold(id, "resume", false).await
    }

    async fn hold(
        &self,
        id: &str,
        action: &'static str,
        held: bool,
    ) -> Result<ServiceAccount, ChangeServiceAccountError> {
        let now = self.clock.now().wall;
        let verb = self.settle(|| {
            Box::pin(async move {
                let was = self.known_account(id).await?;
                let suspended = held.then(|| was.suspended.unwrap_or(now));
                let account = ServiceAccount { suspended, ..was.clone() };
                let mut changes = vec![account.kept()?];
                let keys = self.held_by(id).await?.into_iter().filter(|it| it.suspended != suspended);
                changes.extend(keys.map(|it| changed(KeyRecord { suspended, ..it })));
                let deed = self.account_deed(action, &account).with("changed", account != was);
                let deed = deed.with("keys", keys_in(&changes));
                Ok(Decision { changes, deeds: vec![deed], outcome: account })
            })
        });
        self.told(self.unknown_account_deed(DeedClass::Identity, action, id), verb).await
    }

    /// What it is from now on. Its keys lose what it may not do any more; none of them gains anything.
    pub async fn set_service_account_roles(
        &self,
        id: &str,
        roles: &[RoleName],
        terms: &Terms,
    ) -> Result<ServiceAccount, ChangeServiceAccountError> {
        let verb = self.settle(|| {
            Box::pin(async move {
                let was = self.known_account(id).await?;
                let terms = terms.of(&was.api)?;
                let account = ServiceAccount { roles: terms.roles(roles)?, ..was.clone() };
                let held = account.scopes(terms);
                let mut changes = vec![account.kept()?];
                let wide = |it: &KeyRecord| it.scopes.iter().any(|scope| !held.contains(scope));
                changes.extend(self.held_by(id).await?.into_iter().filter(wide).map(|mut it| {
                    it.scopes.retain(|scope| held.contains(scope));
                    changed(it)
                }));
                let deed = self.account_role_deed(&account).with("changed", account != was);
                let deed = deed.with("keys", keys_in(&changes));
                Ok(Decision { changes, deeds: vec![deed], outcome: account })
            })
        });
        self.told(self.unknown_account_deed(DeedClass::Role, "set", id), verb).await
    }

    /// Forgets it, and ends its keys. Its id is never used again.
    pub async fn delete_service_account(&self, id: &str) -> Result<ServiceAccount, ChangeServiceAccountError> {
        let now = self.clock.now().wall;
        let verb = self.settle(|| {
            Box::pin(async move {
                let account = self.known_account(id).await?;
                let (mut changes, mut deeds) = (vec![account.gone()], vec![self.account_deed("delete", &account)]);
                for key in self.held_by(id).await?.into_iter().filter(|it| it.revoked.is_none()) {
                    deeds.push(self.key_deed("revoke", &key).with("changed", true));
                    changes.push(changed(KeyRecord { revoked: Some(now), ..key }));
                }
                Ok(Decision { changes, deeds, outcome: account })
            })
        });
        self.told(self.unknown_account_deed(DeedClass::Identity, "delete", id), verb).await
    }

    /// Its keys, and the grants of workloads that act for it.
    async fn held_by(&self, id: &str) -> Result<Vec<KeyRecord>, StoreFault> {
        let mut held = self.keys_of(id).await?;
        held.extend(self.grants_of(id).await?);
        Ok(held)
    }

    async fn known_account(&self, id: &str) -> Result<ServiceAccount, ChangeServiceAccountError> {
        self.service_account(id).await?.ok_or_else(|| ChangeServiceAccountError::Unknown(id.to_owned()))
    }

    /// What is entered where nothing came of it. What stands in the place of an id may be a name then.
    fn unknown_account_deed(&self, class: DeedClass, action: &str, id: &str) -> Deed {
        let deed = self.deed(class, action).with("kind", ServiceAccount::KIND);
        if super::is_account(id) { deed.on(id) } else { deed }
    }
}

fn changed(key: KeyRecord) -> Change {
    Change::Key(Box::new(key))
}

/// How many keys change: all but the account itself.
fn keys_in(changes: &[Change]) -> usize {
    changes.len().saturating_sub(1)
}
