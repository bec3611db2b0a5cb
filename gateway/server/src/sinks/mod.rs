//! Giving entries away as they are written: to files, to standard output, to machines elsewhere.
//!
//! No request waits for it, and nothing is passed over in silence. Who does not accept entries is asked less often, and is given
//! all of them once they do. Where somebody must have them, strict operations are held until they do.

mod clerk;
mod collector;
mod duty;
mod file;
mod meters;
mod nats;
pub(crate) mod settings;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use admin::Condition;
use anyhow::Context as _;
use audit::Horizon;
use audit::sinks::{Batch, Opened, Outbox, Told};
use pipeline::Gateway;
use tokio::sync::watch;

use clerk::{Clerk, Unwritten};
use collector::Collector;
use duty::Duties;
use file::Rotated;
use meters::{Meters, Progress};
use nats::Publisher;
use settings::{Place, SinkSettings};

use crate::outward::{Door, NATS, Peer};
use crate::settings::Settings;

/// How long entries gather for the next batch after one that was not full. A receiver is that far behind at the least.
const GATHER: Duration = Duration::from_millis(500);

/// How long a file or standard output may take to accept lines before it is said that they do not.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a receiver that failed is left alone at first, and at most.
const SOON: Duration = Duration::from_millis(500);
const SELDOM: Duration = Duration::from_mins(1);

/// Why a batch was not accepted.
#[derive(Debug, thiserror::Error)]
enum Undelivered {
    /// The log could not be read on.
    #[error("{0}")]
    Unreadable(String),
    /// There was nobody.
    #[error("{0}")]
    Unreachable(String),
    /// There was no answer in time.
    #[error("{0}")]
    Late(String),
    /// Not as it is set up: somebody has to change something.
    #[error("{0}: nothing more is accepted until somebody sets it right")]
    Refused(String),
    /// There is no stream to keep them, or not yet.
    #[error("{0}")]
    Absent(String),
    /// There is no room for them.
    #[error("{0}")]
    Full(String),
    /// Not this time.
    #[error("{0}")]
    Failed(String),
}

impl Undelivered {
    /// As it is counted.
    fn outcome(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::Unreachable(_) => "unreachable",
            Self::Late(_) => "late",
            Self::Refused(_) => "refused",
            Self::Absent(_) => "no_stream",
            Self::Full(_) => "full",
            Self::Failed(_) => "failed",
        }
    }
}

/// Everybody who is given entries.
pub(crate) struct Sinks {
    sinks: Vec<Sink>,
    duties: Duties,
}

/// One of them.
struct Sink {
    name: String,
    outbox: Outbox,
    door: Way,
    progress: Arc<Progress>,
    meters: Meters,
    told: Told,
    /// The first entry of the last range that was said to be pruned before it was given.
    skipped: Option<u64>,
    failures: u32,
    gateway: Arc<Gateway>,
    horizon: Horizon,
}

/// How entries get there.
enum Way {
    Written(Clerk),
    Sent(Box<Collector>),
    Published(Box<Publisher>),
}

impl Sinks {
    /// For those that the settings name. Nothing is given to anybody yet.
    pub(crate) fn open(settings: &Settings, gateway: &Arc<Gateway>) -> anyhow::Result<Self> {
        let mut duties = Duties::new(gateway);
        if settings.sinks.is_empty() {
            return Ok(Self { sinks: Vec::new(), duties });
        }
        let (log, horizon) = (settings.data.join("audit"), gateway.log.horizon());
        let mut opened = Vec::new();
        for it in &settings.sinks {
            let named = || format!("[[audit.sinks]] `{}`", it.name);
            let (outbox, found) =
                Outbox::open(&log, &it.name, it.wants.clone(), it.from, horizon.end()).with_context(named)?;
            if found == Opened::Anew {
                tracing::error!(sink = it.name, "what was accepted is not of this log: all of it is given anew");
            }
            let progress = Progress::new(&it.name, outbox.next());
            let progress = match it.required {
                Some(lag) => duties.require(Arc::new(progress.required()), lag, &outbox),
                None => Arc::new(progress),
            };
            opened.push((it, outbox, way(it, &settings.node, gateway).with_context(named)?, progress));
        }
        let standing = opened.iter().map(|(.., progress)| Arc::clone(progress)).collect();
        let clock = Arc::clone(&gateway.clock);
        let meters = Meters::register(gateway.meters.registry(), clock, horizon.clone(), standing)?;
        let sink = |(settings, outbox, door, progress): (&SinkSettings, _, _, _)| Sink {
            name: settings.name.clone(),
            outbox,
            door,
            progress,
            meters: meters.clone(),
            told: Told::default(),
            skipped: None,
            failures: 0,
            gateway: Arc::clone(gateway),
            horizon: horizon.clone(),
        };
        let sinks = opened.into_iter().map(sink).collect();
        // Before anything is answered: what was not accepted when the last run ended counts as well.
        duties.look();
        Ok(Self { sinks, duties })
    }

    /// Gives until told to stop. None waits for another.
    pub(crate) async fn run(self, mut stopped: watch::Receiver<bool>) {
        if self.sinks.is_empty() {
            return;
        }
        let all = futures::future::join_all(self.sinks.into_iter().map(Sink::run));
        tokio::select! {
            _ = stopped.wait_for(|it| *it) => {}
            _ = all => {}
            () = self.duties.run() => {}
        }
    }
}

/// How it stands with receivers that are required, where there are any.
pub(crate) fn condition(settings: &Settings, gateway: &Gateway) -> Option<Condition> {
    if settings.sinks.iter().all(|it| it.required.is_none()) {
        return None;
    }
    let held = gateway.log.held();
    let ok = held.is_none();
    Some(Condition { name: "sinks", ok, detail: held.unwrap_or_else(|| "none holds strict operations".to_owned()) })
}

fn way(settings: &SinkSettings, node: &str, gateway: &Gateway) -> anyhow::Result<Way> {
    Ok(match &settings.place {
        Place::File { path, rotate_bytes } => {
            Way::Written(Clerk::of_file(Rotated::new(PathBuf::clone(path), *rotate_bytes))?)
        }
        Place::Stdout => Way::Written(Clerk::of_stdout()?),
        Place::Https { url, ca, secret_file, deadline } => {
            let door = Door::of(url, ca.as_deref())?;
            Way::Sent(Box::new(Collector::new(door, settings::secret(secret_file)?, *deadline, node)?))
        }
        Place::Nats { url, ca, secret_file, deadline, route } => {
            let peer = Peer::of(&NATS, url, ca.as_deref())?;
            let login = nats::login(secret_file.as_deref())?;
            let gateway = (node, Arc::clone(&gateway.random));
            Way::Published(Box::new(Publisher::new(peer, login, route.clone(), *deadline, gateway)))
        }
    })
}

impl Sink {
    async fn run(mut self) {
        loop {
            self.horizon.reach(self.outbox.next()).await;
            let pause = self.round().await;
            if self.horizon.end() <= self.outbox.next() {
                self.progress.caught_up();
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Gives one batch, and says how long to wait until the next.
    async fn round(&mut self) -> Duration {
        let (first, clock) = (self.outbox.next(), Arc::clone(&self.gateway.clock));
        let batch = match self.read().await {
            Ok(Some(batch)) => Arc::new(batch),
            Ok(None) => return Duration::ZERO,
            Err(cause) => return self.failed(&cause),
        };
        self.progress.behind(batch.since.unwrap_or(clock.now().wall));
        let given = match self.give(&batch).await {
            Ok(()) => {
                // Before it is taken note of: else a crash in between would leave nothing that says so.
                self.say_skipped(&batch);
                self.keep(&batch).await
            }
            failed => failed,
        };
        let (pause, fault) = match given {
            Ok(()) => {
                self.told.accepted(&batch);
                self.failures = 0;
                self.meters.count(&self.name, "accepted");
                self.progress.accepted(batch.end());
                self.progress.behind(clock.now().wall);
                let more = batch.end() + FAR < self.horizon.end();
                (if more { Duration::ZERO } else { GATHER }, None)
            }
            Err(cause) => {
                self.told.failed(&batch, first);
                (self.failed(&cause), Some(cause.outcome()))
            }
        };
        let now = clock.now();
        if self.told.is_due(now.tick) {
            let backlog = self.horizon.end().saturating_sub(self.outbox.next());
            let notice = Told::notice(&self.name, self.outbox.next(), backlog, fault, now.wall);
            let _ = self.gateway.log.note(&notice);
        }
        pause
    }

    /// Reads from the log, on a thread that may wait for the disk.
    async fn read(&mut self) -> Result<Option<Batch>, Undelivered> {
        let (outbox, end) = (self.outbox.clone(), self.horizon.end());
        let read = tokio::task::spawn_blocking(move || outbox.batch(end)).await;
        let unreadable = |it: &dyn ToString| Undelivered::Unreadable(it.to_string());
        read.map_err(|it| unreadable(&it))?.map_err(|it| unreadable(&it))
    }

    async fn give(&mut self, batch: &Batch) -> Result<(), Undelivered> {
        let Some((first, last)) = batch.range else { return Ok(()) };
        let now = self.gateway.clock.now();
        match &mut self.door {
            Way::Written(clerk) => {
                let written = clerk.write(&batch.lines, first, PATIENCE).await;
                written.map_err(|it| match it {
                    Unwritten::Late(_) => Undelivered::Late(it.to_string()),
                    Unwritten::Io(_) => Undelivered::Failed(it.to_string()),
                })
            }
            Way::Sent(collector) => collector.give(batch, (first, last), now.wall).await,
            Way::Published(publisher) => publisher.give(batch, now.tick).await,
        }
    }

    /// Says what was pruned before the receiver came back for it.
    fn say_skipped(&mut self, batch: &Batch) {
        let Some((first, last)) = batch.skipped.filter(|(first, _)| self.skipped != Some(*first)) else { return };
        self.skipped = Some(first);
        let sink = self.name.as_str();
        tracing::error!(
            sink,
            first,
            last,
            "entries were pruned before this receiver was given them, and it never will be"
        );
        self.meters.skipped(sink, last - first + 1);
        let backlog = self.horizon.end().saturating_sub(self.outbox.next());
        let now = self.gateway.clock.now().wall;
        let _ = self.gateway.log.note(&Told::skipped(sink, self.outbox.next(), backlog, (first, last), now));
    }

    /// Takes note of what was accepted. Until that is on the disk, it is given again.
    async fn keep(&mut self, batch: &Arc<Batch>) -> Result<(), Undelivered> {
        let (mut outbox, batch) = (self.outbox.clone(), Arc::clone(batch));
        let kept = tokio::task::spawn_blocking(move || outbox.accepted(&batch).map(|()| outbox)).await;
        let failed = |it: &dyn ToString| Undelivered::Failed(format!("cursor: {}", it.to_string()));
        self.outbox = kept.map_err(|it| failed(&it))?.map_err(|it| failed(&it))?;
        Ok(())
    }

    /// Counts a failure, and says how long to wait.
    fn failed(&mut self, cause: &Undelivered) -> Duration {
        let (sink, next) = (self.name.as_str(), self.outbox.next());
        self.meters.count(sink, cause.outcome());
        self.progress.stuck(self.gateway.clock.now().wall);
        let pause = if matches!(cause, Undelivered::Refused(_)) {
            tracing::error!(sink, next, %cause, "entries are refused");
            SELDOM
        } else {
            tracing::warn!(sink, next, %cause, "entries were not accepted");
            pause(self.failures)
        };
        self.failures = self.failures.saturating_add(1);
        pause
    }
}

/// From how many entries on nobody waits until more gather.
const FAR: u64 = 256;

/// How long a receiver is left alone that failed so many times before: twice as long each time.
fn pause(failures: u32) -> Duration {
    SOON.saturating_mul(2_u32.saturating_pow(failures)).min(SELDOM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_is_left_alone_twice_as_long_each_time_and_never_for_good() {
        let pauses: Vec<u128> = [0, 1, 2, 6, 7, 1000].iter().map(|it| pause(*it).as_millis()).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 32_000, 60_000, 60_000]);
    }
}
