//! Deciding on what is, and publishing only if it still is.

use std::future::Future;
use std::pin::Pin;

use std::fmt::Display;

use domain::{Change, Deed, DeedClass, Version};

use crate::Identity;
use crate::store::{PublishFault, StoreFault};

/// How often a verb decides again. Each time somebody else got through, so that this is reached only in a storm.
const ATTEMPTS: usize = 50;

/// Why something was refused, as it is entered: without the names of people.
pub(crate) trait Entered: Display {
    /// In the operator's words.
    fn entered(&self) -> String {
        self.to_string()
    }
}

/// What a verb decided: the changes, what is to be entered of them, and what it tells its caller once both are durable.
pub(crate) struct Decision<T> {
    pub(crate) changes: Vec<Change>,
    pub(crate) deeds: Vec<Deed>,
    pub(crate) outcome: T,
}

pub(crate) type Deciding<'a, T, E> = Pin<Box<dyn Future<Output = Result<Decision<T>, E>> + Send + 'a>>;

impl Identity {
    /// Runs `decide` until what it decided was published before anything it had read changed.
    pub(crate) async fn settle<'a, T, E: From<StoreFault>>(
        &'a self,
        decide: impl Fn() -> Deciding<'a, T, E> + Send + Sync,
    ) -> Result<T, E> {
        let _turn = self.turn.lock().await;
        for _ in 0..ATTEMPTS {
            // Read before everything else: whatever is read after it is at least as new, and `publish` compares.
            let seen = self.registry.version().await?;
            self.heed_mandate().await?;
            let Decision { changes, deeds, outcome } = decide().await?;
            if changes.is_empty() {
                if !deeds.is_empty() {
                    self.registry.keep_deeds(&deeds).await?;
                }
                return Ok(outcome);
            }
            match self.registry.publish(seen, &changes, &deeds).await {
                Ok(version) => {
                    self.honoured(version).await?;
                    return Ok(outcome);
                }
                Err(PublishFault::Stale) => {}
                Err(PublishFault::Store(fault)) => return Err(fault.into()),
            }
        }
        let source = format!("others changed it {ATTEMPTS} times meanwhile").into();
        Err(StoreFault { doing: "publishing a change", source }.into())
    }

    /// Nobody is told that a key is revoked for as long as it opens anything.
    async fn honoured(&self, version: Version) -> Result<(), StoreFault> {
        let Some(follower) = &self.follower else { return Ok(()) };
        let fault = |it: crate::NotHonoured| StoreFault { doing: "waiting for the running gateway", source: it.into() };
        follower.honours(version).await.map_err(fault)
    }

    /// A deed of whoever acts here, now.
    pub(crate) fn deed(&self, class: DeedClass, action: &str) -> Deed {
        Deed::new(class, action, &self.actor, self.clock.now().wall)
    }

    /// Hands on what a verb came to; where it refused, that is kept too.
    pub(crate) async fn told<T, E: Entered + From<StoreFault>>(
        &self,
        deed: Deed,
        verb: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let done = verb.await;
        if let Err(why) = &done {
            self.registry.keep_deeds(&[deed.refused(why.entered())]).await?;
        }
        done
    }

    /// Keeps something that was done and changed nothing here, until it is entered.
    pub async fn keep_deed(
        &self,
        class: DeedClass,
        action: &str,
        about: impl FnOnce(Deed) -> Deed,
    ) -> Result<(), StoreFault> {
        self.registry.keep_deeds(&[about(self.deed(class, action))]).await
    }
}
