//! Users who belong to a tenant no more, or are known no more.

use domain::{DeedClass, TenantId};

use super::Person;
use super::change::ChangePersonError;
use super::user::User;
use crate::Identity;
use crate::kept::Kept;
use crate::publish::Decision;

impl Identity {
    /// They belong to a tenant no more; and who belongs to no other is known no more. Which of both is decided as it is done,
    /// so that nobody is lost to a tenant that has just taken them in.
    pub async fn remove_person(&self, id: &str, tenant: &TenantId) -> Result<Person, ChangePersonError> {
        let verb = self.settle(|| {
            Box::pin(async move {
                let user = self.kept_user(id).await?;
                if !user.belongs_to(tenant) {
                    return Err(ChangePersonError::Unknown(id.to_owned()));
                }
                let elsewhere = user.memberships().iter().any(|it| it.tenant != *tenant);
                if elsewhere { self.take_out(user, tenant).await } else { self.forget(user).await }
            })
        });
        self.told(self.role_deed(id, tenant, &[]), verb).await
    }

    /// They belong to a tenant no more, neither by themselves nor by a team, and what they had signed in to there is over, as
    /// are their keys of it.
    pub async fn expel(&self, id: &str, tenant: &TenantId) -> Result<Person, ChangePersonError> {
        let verb = self.settle(|| Box::pin(async move { self.take_out(self.kept_user(id).await?, tenant).await }));
        self.told(self.role_deed(id, tenant, &[]), verb).await
    }

    /// They are known no more, and whatever they had signed in to is over, as are their keys. Their id is never used again.
    pub async fn delete_person(&self, id: &str) -> Result<Person, ChangePersonError> {
        let verb = self.settle(|| Box::pin(async move { self.forget(self.kept_user(id).await?).await }));
        self.told(self.user_deed(DeedClass::Identity, "delete_user", id), verb).await
    }

    async fn kept_user(&self, id: &str) -> Result<User, ChangePersonError> {
        self.find::<User>(id).await?.ok_or_else(|| ChangePersonError::Unknown(id.to_owned()))
    }

    async fn take_out(&self, was: User, tenant: &TenantId) -> Result<Decision<Person>, ChangePersonError> {
        if was.owns(tenant) {
            self.spare_last_owner(&was.id, tenant).await?;
        }
        let mut user = was.clone();
        user.roles.remove(tenant);
        user.teams.retain(|_, it| it.tenant != *tenant);
        let (mut changes, mut deeds) = self.end_with_keys(&was.id, Some(tenant)).await?;
        deeds.insert(0, self.role_deed(&was.id, tenant, &[]).with("changed", user != was));
        changes.push(user.kept()?);
        Ok(Decision { changes, deeds, outcome: user.into() })
    }

    async fn forget(&self, user: User) -> Result<Decision<Person>, ChangePersonError> {
        self.spare_owners_of_last_resort(&user).await?;
        let (mut changes, mut deeds) = self.end_with_keys(&user.id, None).await?;
        deeds.insert(0, self.user_deed(DeedClass::Identity, "delete_user", &user.id));
        changes.extend(self.passkeys_of(&user.id).await?.iter().map(Kept::gone));
        changes.extend(self.forget_consents_of(&user.id).await?);
        changes.push(user.gone());
        Ok(Decision { changes, deeds, outcome: user.into() })
    }
}
