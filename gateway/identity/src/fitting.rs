//! What was given out while roles held something else: keys, sessions and consents do what their owners may do now.

use std::collections::{BTreeMap, BTreeSet};

use domain::{ApiName, Change, Deed, GrantKind, KeyRecord, KeySecret, RoleName, Scope, TenantId};
use serde::{Deserialize, Serialize};

use crate::Identity;
use crate::clients::PERSONAL_SCOPES;
use crate::grants::ended;
use crate::kept::Kept;
use crate::people::{User, is_user_id};
use crate::publish::Decision;
use crate::service_accounts::{ServiceAccount, is_account};
use crate::store::StoreFault;
use crate::terms::{ApiTerms, Terms};

/// What changes where what somebody holds is fitted to what they are, and what is entered of that.
pub(crate) type Fitted = (Vec<Change>, Vec<Deed>);

/// What every role held as all that was given out had been fitted to it.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct RolesFitted {
    apis: BTreeMap<ApiName, BTreeMap<RoleName, BTreeSet<Scope>>>,
}

impl RolesFitted {
    /// There is one.
    const ID: &'static str = "all";

    fn of(terms: &Terms) -> Self {
        let roles = |it: &ApiTerms| {
            it.roles.iter().map(|(name, scopes)| (name.clone(), scopes.iter().cloned().collect())).collect()
        };
        Self { apis: terms.all().map(|it| (it.api.clone(), roles(it))).collect() }
    }
}

impl Kept for RolesFitted {
    const KIND: &'static str = "roles_fitted";

    fn id(&self) -> &str {
        Self::ID
    }
}

impl Identity {
    /// Has everything that somebody holds do what its owner may do under these terms, where roles hold something else than
    /// when that was seen to last: keys and clients' grants lose what their owners lost, sessions do what their users may, and
    /// what nobody holds any more ends. Says how many changed.
    ///
    /// Verbs keep owners and what they hold together; this is for roles that were changed in a profile, and for what was made
    /// before verbs did.
    pub async fn fit_to_roles(&self, terms: &Terms) -> Result<usize, StoreFault> {
        let now = RolesFitted::of(terms);
        if self.find::<RolesFitted>(RolesFitted::ID).await?.as_ref() == Some(&now) {
            return Ok(0);
        }
        let mut changed = 0;
        for owner in &self.owners().await? {
            changed += self.fit_owner(owner, terms).await?;
        }
        // Last, so that what was begun and not ended is begun again.
        let now = &now;
        self.settle(|| {
            Box::pin(async move {
                Ok::<_, StoreFault>(Decision { changes: vec![now.kept()?], deeds: Vec::new(), outcome: () })
            })
        })
        .await?;
        Ok(changed)
    }

    /// Whoever holds a key or a grant that was not revoked.
    async fn owners(&self) -> Result<BTreeSet<String>, StoreFault> {
        let mut owners = BTreeSet::new();
        let mut take = |change| {
            if let Change::Key(key) = change
                && key.revoked.is_none()
                && let Some(owner) = key.owner
            {
                owners.insert(owner);
            }
        };
        self.registry.load(&mut take).await?;
        Ok(owners)
    }

    async fn fit_owner(&self, owner: &str, terms: &Terms) -> Result<usize, StoreFault> {
        self.settle(|| {
            Box::pin(async move {
                let (changes, deeds) = if is_account(owner) {
                    self.fit_account(owner, terms).await?
                } else {
                    self.fit_user(owner, terms).await?
                };
                Ok::<_, StoreFault>(Decision { outcome: changes.len(), changes, deeds })
            })
        })
        .await
    }

    /// Those of nobody end: of a user who is not there or is suspended, and of an owner who is neither a user nor a service
    /// account.
    async fn fit_user(&self, owner: &str, terms: &Terms) -> Result<Fitted, StoreFault> {
        let user = if is_user_id(owner) { self.find::<User>(owner).await? } else { None };
        let Some(user) = user.filter(User::may_sign_in) else {
            return Ok(both(self.end_keys(owner, None).await?, self.end_grants(owner, None).await?));
        };
        let held = self.keys_of(owner).await?.into_iter().chain(self.grants_of(owner).await?);
        let tenants: BTreeSet<TenantId> = held.filter(|it| it.revoked.is_none()).map(|it| it.tenant).collect();
        let mut all = Fitted::default();
        for tenant in &tenants {
            all = both(all, self.fit_held(owner, tenant, &user.roles_in(tenant), terms).await?);
        }
        Ok(all)
    }

    /// The changes by which what a user holds in a tenant does what these roles let it do, and what is entered of that.
    pub(crate) async fn fit_held(
        &self,
        user: &str,
        tenant: &TenantId,
        roles: &[RoleName],
        terms: &Terms,
    ) -> Result<Fitted, StoreFault> {
        let grants = self.fit_grants(user, tenant, roles, terms).await?;
        Ok(both(grants, self.fit_keys(user, tenant, roles, terms).await?))
    }

    async fn fit_grants(
        &self,
        user: &str,
        tenant: &TenantId,
        roles: &[RoleName],
        terms: &Terms,
    ) -> Result<Fitted, StoreFault> {
        let now = self.clock.now().wall;
        let mut fitted = Fitted::default();
        for grant in self.grants_of(user).await?.into_iter().filter(|it| it.tenant == *tenant) {
            if ended(&grant, now).is_none() {
                continue;
            }
            // Of an API that is not there nothing opens anything.
            let Ok(terms) = terms.of(&grant.api) else { continue };
            match fitting(&grant, roles, terms) {
                Some(scopes) if scopes == grant.scopes => {}
                Some(scopes) => {
                    let grant = KeyRecord { scopes, ..grant };
                    fitted.1.push(self.key_deed("fit", &grant));
                    fitted.0.push(Change::Key(Box::new(grant)));
                }
                None => fitted = both(fitted, self.endings([&grant], "end", now)),
            }
        }
        Ok(fitted)
    }

    /// Keys of a service account, and the grants of workloads that act for it. Those of one that is gone end.
    async fn fit_account(&self, id: &str, terms: &Terms) -> Result<Fitted, StoreFault> {
        let Some(account) = self.find::<ServiceAccount>(id).await? else {
            return Ok(both(self.end_keys(id, None).await?, self.end_grants(id, None).await?));
        };
        let Ok(terms) = terms.of(&account.api) else { return Ok(Fitted::default()) };
        let held = account.scopes(terms);
        let mut fitted = Fitted::default();
        for mut key in self.keys_of(id).await?.into_iter().chain(self.grants_of(id).await?) {
            let had = key.scopes.len();
            key.scopes.retain(|it| held.contains(it));
            if key.revoked.is_none() && key.scopes.len() < had {
                fitted.1.push(self.key_deed("narrow", &key));
                fitted.0.push(Change::Key(Box::new(key)));
            }
        }
        Ok(fitted)
    }
}

/// What a grant of somebody with these roles opens: a session all that they may do, for as long as the API knows one of their
/// roles, and a client no more than it was allowed, for as long as something of that is left; nothing where it ends.
fn fitting(grant: &KeyRecord, roles: &[RoleName], terms: &ApiTerms) -> Option<Vec<Scope>> {
    let held = terms.scopes_of(roles);
    let KeySecret::Granted(granted) = &grant.secret else { return Some(grant.scopes.clone()) };
    match granted.kind {
        GrantKind::Session => roles.iter().any(|it| terms.roles.contains_key(it)).then_some(held),
        GrantKind::Consent if roles.is_empty() => None,
        GrantKind::Consent => Some(still(&grant.scopes, &held)).filter(|it| !it.is_empty()),
        // No user stands behind it.
        GrantKind::Client | GrantKind::Workload => Some(grant.scopes.clone()),
    }
}

/// What is left of what a user has let a client do, where they may do this much now. What says who they are they never lose.
pub(crate) fn still(allowed: &[Scope], held: &[Scope]) -> Vec<Scope> {
    let stays = |it: &&Scope| held.contains(it) || PERSONAL_SCOPES.contains(&it.as_str());
    allowed.iter().filter(stays).cloned().collect()
}

fn both((mut changes, mut deeds): Fitted, (more, told): Fitted) -> Fitted {
    changes.extend(more);
    deeds.extend(told);
    (changes, deeds)
}
