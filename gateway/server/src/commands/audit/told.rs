//! Having the running gateway do what only it can do.

use std::sync::Arc;
use std::time::Duration;

use domain::{Deed, DeedClass, SystemClock};

use crate::actor;
use crate::desk;
use crate::settings::Settings;

/// How long a running gateway is given to do it, and how often it is looked for.
const WAIT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(100);

/// Keeps a deed for the gateway to carry out, and waits a little. Says whether one has: where none runs, it is the first
/// thing that one does.
pub(super) fn have_done(
    settings: &Settings,
    class: DeedClass,
    action: &str,
    about: impl FnOnce(Deed) -> Deed,
) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let desk = desk::open(settings, Arc::new(SystemClock::new())).await?;
        let identity = desk.identity.acting_for(&actor::of_this_process());
        let mut target = None;
        let noting = |deed: Deed| {
            let deed = about(deed);
            target.clone_from(&deed.target);
            deed
        };
        identity.keep_deed(class, action, noting).await?;
        let waits = |it: &Deed| it.class == class && it.action == action && it.target == target;
        let done = tokio::time::timeout(WAIT, async {
            while identity.registry().deeds().await?.iter().any(|(_, it)| waits(it)) {
                tokio::time::sleep(LOOK).await;
            }
            Ok::<_, anyhow::Error>(())
        })
        .await;
        desk.store.close().await;
        match done {
            Ok(done) => done.map(|()| true),
            Err(_) => Ok(false),
        }
    })
}
