//! Having the running gateway do what only it can do.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use audit::{Filter, Query, Way};
use domain::{Deed, DeedClass, SystemClock, Timestamp};
use serde_json::Value;

use crate::actor;
use crate::desk;
use crate::settings::Settings;

/// How long a running gateway is given to do it, and how often it is looked for.
const WAIT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(100);

/// Among how many of the newest entries of a class the one of a deed is looked for.
const NEWEST: usize = 256;

/// What became of a deed.
pub(super) enum Told {
    /// A gateway has entered it, as one that was kept at this time.
    Entered(Timestamp),
    /// The gateway that runs has not done so yet.
    Unheard,
    /// No gateway runs. It is the first thing that the next one does.
    Nobody,
}

impl Told {
    /// Whether a gateway has heard it; where not, what it waits for.
    pub(super) fn waits_for(&self) -> Option<&'static str> {
        match self {
            Self::Entered(_) => None,
            Self::Unheard => Some("waits for the gateway that runs, which has not done it yet: its own log says why"),
            Self::Nobody => Some(
                "waits for a gateway to run, because only that can do it: it is the first thing that the next one does",
            ),
        }
    }
}

/// Keeps a deed for the gateway to carry out, and waits a little where one runs.
pub(super) fn have_done(
    settings: &Settings,
    class: DeedClass,
    action: &str,
    about: impl FnOnce(Deed) -> Deed,
) -> anyhow::Result<Told> {
    let runs = audit::is_being_written(&settings.data.join("audit"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let desk = desk::open(settings, Arc::new(SystemClock::new())).await?;
        let identity = desk.identity.acting_for(&actor::of_this_process());
        let mut time = None;
        let noting = |deed: Deed| {
            time = Some(deed.time);
            about(deed)
        };
        identity.keep_deed(class, action, noting).await?;
        let waits = |it: &Deed| it.class == class && it.action == action && Some(it.time) == time;
        let done = tokio::time::timeout(if runs { WAIT } else { Duration::ZERO }, async {
            while identity.registry().deeds().await?.iter().any(|(_, it)| waits(it)) {
                tokio::time::sleep(LOOK).await;
            }
            Ok::<_, anyhow::Error>(())
        })
        .await;
        desk.store.close().await;
        let heard = done.ok().transpose()?.and(time);
        Ok(heard.map_or(if runs { Told::Unheard } else { Told::Nobody }, Told::Entered))
    })
}

/// Why a deed that was entered was refused, as its entry says; nothing where it was done.
pub(super) fn refusal(settings: &Settings, class: DeedClass, time: Timestamp) -> anyhow::Result<Option<String>> {
    let filter = Filter { class: Some(class.as_str().to_owned()), ..Filter::default() };
    let query = Query::new(&settings.data.join("audit"), 0, filter, Way::Index)?;
    let (said, actor) = (time.to_string(), actor::of_this_process());
    let views: Vec<Value> = query.last(NEWEST)?.into_iter().map(|it| it.view()).collect();
    let text = |view: &Value, name: &str| view.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let own = |it: &&Value| text(it, "time") == said && text(it, "actor") == actor;
    let entry = views.iter().rev().find(own).context("a gateway has heard it, and its entry is not in the log")?;
    Ok((text(entry, "outcome") != "done").then(|| text(entry, "reason")))
}
