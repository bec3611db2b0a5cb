//! Deciding on what is, and publishing only if it still is.

use std::future::Future;
use std::pin::Pin;

use domain::Change;

use crate::Identity;
use crate::store::{PublishFault, StoreFault};

/// How often a verb decides again. Each time somebody else got through, so that this is reached only in a storm.
const ATTEMPTS: usize = 50;

/// What a verb decided: the changes, and what it tells its caller once they are durable.
pub(crate) struct Decision<T> {
    pub(crate) changes: Vec<Change>,
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
            let Decision { changes, outcome } = decide().await?;
            if changes.is_empty() {
                return Ok(outcome);
            }
            match self.registry.publish(seen, &changes).await {
                Ok(_) => return Ok(outcome),
                Err(PublishFault::Stale) => {}
                Err(PublishFault::Store(fault)) => return Err(fault.into()),
            }
        }
        let source = format!("others changed it {ATTEMPTS} times meanwhile").into();
        Err(StoreFault { doing: "publishing a change", source }.into())
    }
}
