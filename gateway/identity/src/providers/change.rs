//! Suspending, resuming and forgetting connections, and with them every session that began there.

use domain::{Change, Deed, DeedClass};

use super::Provider;
use crate::Identity;
use crate::kept::Kept as _;
use crate::publish::{Decision, Entered};
use crate::store::StoreFault;

/// A connection could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeProviderError {
    /// There is none.
    #[error("there is no connection `{0}`")]
    Unknown(String),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for ChangeProviderError {}

/// What is done with a connection.
#[derive(Clone, Copy)]
enum Act {
    Suspend,
    Resume,
    Delete,
}

impl Act {
    fn as_str(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Delete => "delete",
        }
    }
}

impl Identity {
    /// From now on nobody signs in by it, and whatever somebody had signed in to is over. Suspending twice is suspending once.
    pub async fn suspend_provider(&self, id: &str) -> Result<Provider, ChangeProviderError> {
        self.change_provider(id, Act::Suspend).await
    }

    /// People sign in by it again.
    pub async fn resume_provider(&self, id: &str) -> Result<Provider, ChangeProviderError> {
        self.change_provider(id, Act::Resume).await
    }

    /// Forgets a connection. Its people stay, and sign in by it no more.
    pub async fn delete_provider(&self, id: &str) -> Result<Provider, ChangeProviderError> {
        self.change_provider(id, Act::Delete).await
    }

    async fn change_provider(&self, id: &str, act: Act) -> Result<Provider, ChangeProviderError> {
        let verb = self.settle(|| Box::pin(self.act_on_provider(id, act)));
        self.told(self.deed(DeedClass::Identity, act.as_str()).on(id).with("kind", Provider::KIND), verb).await
    }

    async fn act_on_provider(&self, id: &str, act: Act) -> Result<Decision<Provider>, ChangeProviderError> {
        let was = self.provider(id).await?.ok_or_else(|| ChangeProviderError::Unknown(id.to_owned()))?;
        let now = self.clock.now().wall;
        let (provider, ended): (Provider, (Vec<Change>, Vec<Deed>)) = match act {
            Act::Suspend => {
                let suspended = was.suspended.or(Some(now));
                (Provider { suspended, ..was }, self.end_all_through(id).await?)
            }
            Act::Resume => (Provider { suspended: None, ..was }, (Vec::new(), Vec::new())),
            Act::Delete => (was, self.end_all_through(id).await?),
        };
        let (mut changes, mut deeds) = ended;
        deeds.insert(0, self.provider_deed(act.as_str(), &provider));
        match act {
            Act::Suspend | Act::Resume => changes.push(provider.kept()?),
            Act::Delete => {
                changes.push(provider.gone());
                changes.extend(self.links_of(id).await?);
            }
        }
        Ok(Decision { changes, deeds, outcome: provider })
    }
}
