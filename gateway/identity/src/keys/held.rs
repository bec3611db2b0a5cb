//! Keys that somebody holds: they do no more than whoever holds them may, and end with them.

use domain::{Change, KeyRecord, RoleName, Scope, TenantId};

use super::{CreateKeyError, KeyState};
use crate::Identity;
use crate::fitting::Fitted;
use crate::people::{User, is_user_id};
use crate::service_accounts::{ServiceAccount, is_account};
use crate::store::StoreFault;
use crate::terms::Terms;

impl Identity {
    /// New keys as their owners let them be: a key has no scope that its owner does not have, and is of its owner's tenant and,
    /// where that is a service account, for its API.
    pub(crate) async fn cut_to_owners(
        &self,
        keys: &[KeyRecord],
        terms: &Terms,
    ) -> Result<Vec<KeyRecord>, CreateKeyError> {
        let mut cut = Vec::with_capacity(keys.len());
        for key in keys {
            let scopes = match &key.owner {
                Some(owner) => {
                    let held = self.held_by_owner(owner, key, terms).await?;
                    key.scopes.iter().filter(|it| held.contains(it)).cloned().collect()
                }
                None => key.scopes.clone(),
            };
            cut.push(KeyRecord { scopes, ..key.clone() });
        }
        Ok(cut)
    }

    /// All that the owner of a new key may do where it is for.
    async fn held_by_owner(&self, owner: &str, key: &KeyRecord, terms: &Terms) -> Result<Vec<Scope>, CreateKeyError> {
        let unknown = || CreateKeyError::UnknownOwner(owner.to_owned(), key.tenant.clone());
        let (suspended, held) = if is_account(owner) {
            let theirs = |it: &ServiceAccount| it.tenant == key.tenant && it.api == key.api;
            let account = self.service_account(owner).await?.filter(theirs).ok_or_else(unknown)?;
            (account.suspended.is_some(), account.scopes(terms.of(&key.api)?))
        } else {
            let user = if is_user_id(owner) { self.find::<User>(owner).await? } else { None };
            let theirs = |it: &User| !it.roles_in(&key.tenant).is_empty();
            let user = user.filter(theirs).ok_or_else(unknown)?;
            (!user.may_sign_in(), terms.of(&key.api)?.scopes_of(&user.roles_in(&key.tenant)))
        };
        if suspended { Err(CreateKeyError::SuspendedOwner(owner.to_owned())) } else { Ok(held) }
    }

    /// The changes by which the keys of a user in a tenant do no more than these roles do, and end where they are none; and
    /// what is entered of that. No key gains anything. Those of an API that is not there open nothing, and stay.
    pub(crate) async fn fit_keys(
        &self,
        user: &str,
        tenant: &TenantId,
        roles: &[RoleName],
        terms: &Terms,
    ) -> Result<Fitted, StoreFault> {
        if roles.is_empty() {
            return self.end_keys(user, Some(tenant)).await;
        }
        let (mut changes, mut deeds) = (Vec::new(), Vec::new());
        for mut key in self.keys_of(user).await?.into_iter().filter(|it| it.tenant == *tenant && it.revoked.is_none()) {
            let Ok(terms) = terms.of(&key.api) else { continue };
            let (held, had) = (terms.scopes_of(roles), key.scopes.len());
            key.scopes.retain(|it| held.contains(it));
            if key.scopes.len() < had {
                deeds.push(self.key_deed("narrow", &key));
                changes.push(Change::Key(Box::new(key)));
            }
        }
        Ok((changes, deeds))
    }

    /// The changes by which the keys of an owner end, in one tenant or everywhere, and what is entered of that.
    pub(crate) async fn end_keys(&self, owner: &str, tenant: Option<&TenantId>) -> Result<Fitted, StoreFault> {
        let now = self.clock.now().wall;
        let meant = |it: &KeyRecord| it.revoked.is_none() && tenant.is_none_or(|tenant| it.tenant == *tenant);
        let ended = self.keys_of(owner).await?.into_iter().filter(meant).map(|key| {
            let deed = self.key_deed("revoke", &key).with("changed", true);
            (Change::Key(Box::new(KeyRecord { revoked: Some(now), ..key })), deed)
        });
        Ok(ended.unzip())
    }

    /// The keys of an owner that work now, in the order in which they were made.
    pub async fn working_keys_of(&self, owner: &str) -> Result<Vec<KeyRecord>, StoreFault> {
        let now = self.clock.now().wall;
        let mut keys = self.keys_of(owner).await?;
        keys.retain(|it| KeyState::of(it, now).works());
        Ok(keys)
    }
}
