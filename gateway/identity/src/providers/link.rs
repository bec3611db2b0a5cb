//! Who is whom: an account at a provider, and the user here.

use domain::{Change, DeedClass, TenantId};
use serde::{Deserialize, Serialize};

use super::Provider;
use crate::Identity;
use crate::kept::Kept;
use crate::people::User;
use crate::publish::{Decision, Entered};
use crate::signing::digest_of;
use crate::store::{Page, StoreFault};

const BY_PROVIDER: &str = "provider";

/// An account elsewhere, known by its connection, its issuer and the name that the issuer never gives to another.
#[derive(Serialize, Deserialize)]
pub(super) struct Link {
    id: String,
    provider: String,
    tenant: TenantId,
    user: String,
}

impl Kept for Link {
    const KIND: &'static str = "outside_account";

    fn id(&self) -> &str {
        &self.id
    }

    fn tenant(&self) -> Option<&TenantId> {
        Some(&self.tenant)
    }

    fn found_by(&self) -> Vec<(&'static str, String)> {
        vec![(BY_PROVIDER, self.provider.clone())]
    }
}

/// An account could not be linked with a user.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is no such connection.
    #[error("there is no connection `{0}`")]
    UnknownProvider(String),
    /// There is no such user in its tenant.
    #[error("tenant `{1}` has no user `{0}`; help: give them a role there first")]
    UnknownUser(String, TenantId),
    /// It is somebody else's.
    #[error("the account is linked with another user already; help: unlink it first")]
    Taken,
    /// Not what an account is called.
    #[error("an account is called by 1 to 255 characters: what the provider says in `sub`")]
    Subject,
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for LinkError {
    fn entered(&self) -> String {
        match self {
            // What was typed in the place of an id may be a name.
            Self::UnknownUser(_, tenant) => format!("tenant `{tenant}` has no such user"),
            Self::UnknownProvider(_) | Self::Taken | Self::Subject | Self::Store(_) => self.to_string(),
        }
    }
}

impl Identity {
    /// From now on whoever the provider calls so signs in as this user.
    pub async fn link_outside(&self, provider: &str, subject: &str, user: &str) -> Result<(), LinkError> {
        let deed = self.user_deed(DeedClass::Identity, "link", user).with("provider", provider);
        let verb = self.settle(|| {
            let deed = deed.clone();
            Box::pin(async move {
                let unknown = || LinkError::UnknownProvider(provider.to_owned());
                let provider = self.provider(provider).await?.ok_or_else(unknown)?;
                if subject.is_empty() || 255 < subject.len() || subject.contains(char::is_control) {
                    return Err(LinkError::Subject);
                }
                let tenant = &provider.tenant;
                let known = self.memberships(user).await?.iter().any(|it| it.tenant == *tenant);
                if !known {
                    return Err(LinkError::UnknownUser(user.to_owned(), tenant.clone()));
                }
                if self.linked(&provider, subject).await?.is_some_and(|it| it.id != user) {
                    return Err(LinkError::Taken);
                }
                let link = Self::link(&provider, subject, user.to_owned());
                Ok(Decision { changes: vec![link.kept()?], deeds: vec![deed.of(tenant)], outcome: () })
            })
        });
        self.told(deed.clone(), verb).await
    }

    /// From now on whoever the provider calls so is nobody here, and what they had signed in to by that, and let in there, is
    /// over.
    pub async fn unlink_outside(&self, provider: &str, subject: &str) -> Result<(), LinkError> {
        let deed = self.deed(DeedClass::Identity, "unlink").on(provider);
        let verb = self.settle(|| {
            let deed = deed.clone();
            Box::pin(async move {
                let unknown = || LinkError::UnknownProvider(provider.to_owned());
                let provider = self.provider(provider).await?.ok_or_else(unknown)?;
                let link = self.find::<Link>(&name(&provider, subject)).await?;
                let (mut changes, mut deeds) = self.end_all_of_account(&provider, subject).await?;
                deeds.insert(0, deed.of(&provider.tenant).with("changed", link.is_some()));
                changes.extend(link.iter().map(Kept::gone));
                Ok(Decision { changes, deeds, outcome: () })
            })
        });
        self.told(deed.clone(), verb).await
    }

    /// The user whom a provider calls so.
    pub(super) async fn linked(&self, provider: &Provider, subject: &str) -> Result<Option<User>, StoreFault> {
        match self.find::<Link>(&name(provider, subject)).await? {
            Some(link) => self.find(&link.user).await,
            None => Ok(None),
        }
    }

    pub(super) fn link(provider: &Provider, subject: &str, user: String) -> Link {
        let (id, tenant) = (name(provider, subject), provider.tenant.clone());
        Link { id, provider: provider.id.clone(), tenant, user }
    }

    /// The changes that forget every account of a connection.
    pub(super) async fn links_of(&self, provider: &str) -> Result<Vec<Change>, StoreFault> {
        let (mut changes, mut page) = (Vec::new(), Page::default());
        loop {
            let some: Vec<Link> = self.list(None, Some((BY_PROVIDER, provider)), &page).await?;
            let Some(last) = some.last() else { return Ok(changes) };
            page.after = Some(last.id.clone());
            changes.extend(some.iter().map(Kept::gone));
        }
    }
}

/// One name for one account. No part of it can be mistaken for another, and it says nothing of whom it names.
fn name(provider: &Provider, subject: &str) -> String {
    digest_of(&format!("{}\n{}\n{subject}", provider.id, provider.issuer))
}
