//! Old entries go, and checkpoints grow fewer: now and then and when somebody asks for it, a step at a time and beside the
//! requests.
//!
//! What goes by itself was seen to grow old; what is old by the wall clock alone goes when somebody asks for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audit::{Age, Lifetime, Log, Notice, RetentionSettings, Unpruned};
use domain::{Deed, Tick, Timestamp};
use identity::Registry;
use pipeline::Gateway;
use prometheus::IntGauge;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked for what is old enough. Never at the start, when least is known of the clock.
const ROUND: Duration = Duration::from_hours(1);

/// How often it is written down how long the log has lived.
const PASS: Duration = Duration::from_mins(1);

/// How long the entry that says what goes may take until it is signed for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long what commands have done is waited for: a hold may be among it.
const PAUSE: Duration = Duration::from_millis(200);

/// Who prunes where nobody asks for it.
const BY_ITSELF: &str = "gateway";

/// What a deed says of a clock that somebody knows to be right.
pub(crate) const CLOCK: &str = "clock";
pub(crate) const CONFIRMED: &str = "confirmed";

/// Who asked last, until that was done.
#[derive(Debug, Default)]
pub(crate) struct Retaining {
    order: Mutex<Option<Order>>,
    asked: Notify,
}

/// What somebody asked for.
#[derive(Debug)]
struct Order {
    actor: String,
    /// They know that the clock is right.
    confirmed: bool,
}

/// How old entries are, as this run sees it.
struct Ageing {
    life: Lifetime,
    seen: Tick,
    /// Whether it was said in this run that something is held back.
    said: bool,
    held: IntGauge,
}

impl Retaining {
    /// Lets go soon of what is old by the clock.
    pub(crate) fn ask(&self, deed: &Deed) {
        let order = Order { actor: deed.actor.clone(), confirmed: confirms(deed) };
        *self.order.lock().unwrap_or_else(PoisonError::into_inner) = Some(order);
        self.asked.notify_one();
    }

    /// What becomes of a deed that asks for it: nothing goes by a clock that may be wrong.
    pub(crate) fn judge(gateway: &Gateway, deed: &Deed) -> Deed {
        let now = gateway.clock.now().wall;
        let doubtful = life(&gateway.log).leapt(now).is_some() && !confirms(deed);
        if doubtful { deed.clone().refused("the clock of this machine may be wrong") } else { deed.clone() }
    }

    /// Does so until told to stop.
    pub(crate) async fn run(
        &self,
        gateway: &Arc<Gateway>,
        registry: &dyn Registry,
        settings: RetentionSettings,
        mut stopped: watch::Receiver<bool>,
    ) {
        let Some(mut ageing) = Ageing::begin(gateway) else { return };
        ageing.say_held(gateway, settings);
        let (mut pass, mut round) = (interval(PASS), interval(ROUND));
        round.reset();
        pass.set_missed_tick_behavior(MissedTickBehavior::Delay);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut due = true;
            tokio::select! {
                _ = stopped.wait_for(|it| *it) => return ageing.pass(gateway),
                _ = pass.tick() => due = false,
                _ = round.tick() => {}
                () = self.asked.notified() => {}
            }
            ageing.pass(gateway);
            if due {
                let order = self.order.lock().unwrap_or_else(PoisonError::into_inner).take();
                tokio::select! {
                    _ = stopped.wait_for(|it| *it) => return ageing.pass(gateway),
                    () = ageing.prune(gateway, registry, settings, order) => {}
                }
            }
        }
    }
}

impl Ageing {
    fn begin(gateway: &Gateway) -> Option<Self> {
        let why = "1 while entries that are old by the clock stay because they were not seen to grow so old.";
        let held = IntGauge::new("audit_retention_held", why).ok()?;
        let _ = gateway.meters.registry().register(Box::new(held.clone()));
        Some(Self { life: life(&gateway.log), seen: gateway.clock.tick(), said: false, held })
    }

    /// Notes how much time was seen to pass.
    fn pass(&mut self, gateway: &Gateway) {
        let now = gateway.clock.now();
        self.life.pass(now.tick.since(self.seen), gateway.log.horizon().end(), now.wall);
        self.seen = now.tick;
        self.put(gateway);
    }

    fn put(&self, gateway: &Gateway) {
        if let Err(cause) = gateway.log.home().folder().and_then(|it| self.life.put(it)) {
            tracing::warn!(%cause, "how long the audit log has lived cannot be written down");
        }
    }

    /// By the clock where somebody asks for it, else for certain.
    async fn prune(
        &mut self,
        gateway: &Arc<Gateway>,
        registry: &dyn Registry,
        settings: RetentionSettings,
        order: Option<Order>,
    ) {
        let now = gateway.clock.now().wall;
        let (actor, life) = match order {
            Some(order) if order.confirmed || self.life.leapt(now).is_none() => {
                if order.confirmed {
                    self.life.confirm(now);
                    self.put(gateway);
                }
                (order.actor, None)
            }
            Some(_) => return tracing::warn!("nothing is pruned by the clock: it may be wrong"),
            None => (BY_ITSELF.to_owned(), Some(self.life.clone())),
        };
        prune(gateway, registry, settings, &actor, life.as_ref()).await;
        self.say_held(gateway, settings);
        thin(gateway, self.life.clone()).await;
    }

    /// Says, once in a run, that something is old by the clock alone.
    fn say_held(&mut self, gateway: &Gateway, settings: RetentionSettings) {
        let now = gateway.clock.now().wall;
        let first = match audit::held_back(gateway.log.folder(), &settings, now) {
            Ok(first) => first,
            Err(cause) => return tracing::error!(%cause, "it cannot be told whether entries are held back"),
        };
        self.held.set(i64::from(first.is_some()));
        let Some(first) = first.filter(|_| !std::mem::replace(&mut self.said, true)) else { return };
        let lived_days = self.life.lived().as_secs() / 86_400;
        tracing::warn!(
            first,
            lived_days,
            "entries are old by the clock and were not seen to grow so old: `portcullis audit prune` lets them go"
        );
        let held = Notice::new("retention.held", now).with("policy", settings.to_string()).with("first", first);
        let _ = gateway.log.note(&held.with("lived_days", lived_days));
    }
}

/// A run begins of a log that was written last at this time: says so where the clock does not go on from there.
pub(crate) fn begin(log: &Log, last: Option<Timestamp>, entries: u64, now: Timestamp) {
    if let Some((notice, last)) = last.and_then(|last| Some((audit::clock_at_start(last, now)?, last))) {
        tracing::warn!(%last, %now, "the clock does not go on from the newest entries: it may be wrong, or was");
        let _ = log.note(&notice);
    }
    let mut life = life(log);
    life.begin(last, entries, now);
    if let Err(cause) = life.put(log.folder()) {
        tracing::warn!(%cause, "how long the audit log has lived cannot be written down");
    }
}

/// How long the log has lived. Where that cannot be read it begins anew, and nothing goes by itself for long.
fn life(log: &Log) -> Lifetime {
    let read = Lifetime::read(log.folder());
    read.inspect_err(|cause| tracing::warn!(%cause, "how long the audit log has lived is not known"))
        .ok()
        .flatten()
        .unwrap_or_default()
}

fn confirms(deed: &Deed) -> bool {
    deed.facts.get(CLOCK).is_some_and(|it| it == CONFIRMED)
}

async fn prune(
    gateway: &Arc<Gateway>,
    registry: &dyn Registry,
    settings: RetentionSettings,
    actor: &str,
    life: Option<&Lifetime>,
) {
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
        match step(gateway, settings, actor, life.cloned()).await {
            Ok(Some(audit::Pruned { first, end, kept })) => tracing::info!(first, end, kept, "entries were pruned"),
            Ok(None) => return,
            Err(Unpruned::Held(hold)) => return tracing::info!(hold, "nothing is pruned: a legal hold is in force"),
            Err(cause) => return tracing::error!(%cause, "old entries cannot be pruned"),
        }
    }
}

/// Lets checkpoints go that are one too many for their age.
async fn thin(gateway: &Arc<Gateway>, life: Lifetime) {
    let folder = gateway.log.folder().to_owned();
    let done = tokio::task::spawn_blocking(move || audit::thin(&folder, &life)).await;
    match done.unwrap_or_else(|cause| Err(std::io::Error::other(cause))) {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "old checkpoints were thinned out"),
        Err(cause) => tracing::error!(%cause, "old checkpoints cannot be thinned out"),
    }
}

/// Reads many bundles, so that threads which serve requests are left alone.
async fn step(
    gateway: &Arc<Gateway>,
    settings: RetentionSettings,
    actor: &str,
    life: Option<Lifetime>,
) -> Result<Option<audit::Pruned>, Unpruned> {
    let (gateway, actor, here) = (Arc::clone(gateway), actor.to_owned(), tokio::runtime::Handle::current());
    let step = move || {
        let now = gateway.clock.now().wall;
        let age = life.as_ref().map_or_else(|| Age::by_clock(now), |it| Age::for_certain(now, it));
        here.block_on(audit::prune(&gateway.log, &settings, &actor, age, PATIENCE))
    };
    tokio::task::spawn_blocking(step).await.unwrap_or(Err(Unpruned::Unsaid))
}
