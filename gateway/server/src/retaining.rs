//! Old entries go: at the start, once a day and when somebody asks for it, a step at a time and beside the requests.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audit::Unpruned;
use identity::Registry;
use pipeline::Gateway;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked for what is old enough.
const ROUND: Duration = Duration::from_hours(24);

/// How long the entry that says what goes may take until it is signed for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long what commands have done is waited for: a hold may be among it.
const PAUSE: Duration = Duration::from_millis(200);

/// Who prunes where nobody asks for it.
const BY_ITSELF: &str = "gateway";

/// Who asked last, until that was done.
#[derive(Debug, Default)]
pub(crate) struct Retaining {
    actor: Mutex<Option<String>>,
    asked: Notify,
}

impl Retaining {
    /// Lets old entries go soon.
    pub(crate) fn ask(&self, actor: &str) {
        *self.actor.lock().unwrap_or_else(PoisonError::into_inner) = Some(actor.to_owned());
        self.asked.notify_one();
    }

    /// Does so until told to stop.
    pub(crate) async fn run(
        &self,
        gateway: &Arc<Gateway>,
        registry: &dyn Registry,
        settings: audit::RetentionSettings,
        mut stopped: watch::Receiver<bool>,
    ) {
        let mut round = interval(ROUND);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stopped.wait_for(|it| *it) => return,
                _ = round.tick() => {}
                () = self.asked.notified() => {}
            }
            let actor = self.actor.lock().unwrap_or_else(PoisonError::into_inner).take();
            tokio::select! {
                _ = stopped.wait_for(|it| *it) => return,
                () = prune(gateway, registry, settings, actor.as_deref().unwrap_or(BY_ITSELF)) => {}
            }
        }
    }
}

async fn prune(gateway: &Arc<Gateway>, registry: &dyn Registry, settings: audit::RetentionSettings, actor: &str) {
    loop {
        // A hold that somebody has placed is in force before anything goes.
        match registry.deeds().await {
            Ok(deeds) if deeds.is_empty() => {}
            Ok(_) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(cause) => return tracing::error!(%cause, "nothing is pruned: holds cannot be looked for"),
        }
        match step(gateway, settings, actor).await {
            Ok(Some(audit::Pruned { first, end, kept })) => tracing::info!(first, end, kept, "entries were pruned"),
            Ok(None) => return,
            Err(Unpruned::Held(hold)) => return tracing::info!(hold, "nothing is pruned: a legal hold is in force"),
            Err(cause) => return tracing::error!(%cause, "old entries cannot be pruned"),
        }
    }
}

/// Reads many bundles, so that threads which serve requests are left alone.
async fn step(
    gateway: &Arc<Gateway>,
    settings: audit::RetentionSettings,
    actor: &str,
) -> Result<Option<audit::Pruned>, Unpruned> {
    let (gateway, actor, here) = (Arc::clone(gateway), actor.to_owned(), tokio::runtime::Handle::current());
    let step = move || {
        let now = gateway.clock.now().wall;
        here.block_on(audit::prune(&gateway.log, &settings, &actor, now, PATIENCE))
    };
    tokio::task::spawn_blocking(step).await.unwrap_or(Err(Unpruned::Unsaid))
}
