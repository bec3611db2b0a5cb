//! What the gateway enters of itself: how it is configured, that it lives, and what was done to what it keeps.
//!
//! Silence must show: whoever reads the log can tell a gateway that had nothing to do from one that said nothing.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audit::{Asked, Hold, HoldName, Notice};
use aws_lc_rs::digest::{Context, SHA256, digest as sha256};
use domain::{Deed, DeedClass, Moment};
use identity::{DeedNumbers, Registry, StoreFault};
use pipeline::{Configuration, Gateway};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::office::{DeedsSoFar, older};
use crate::retaining::Retaining;
use crate::settings::Settings;
use crate::sinks::settings::SinkSettings;
use crate::tls;

/// How far the wall clock may be from what the monotonic clock makes of it before it is said to have been set.
const STEP: Duration = Duration::from_secs(1);

/// What somebody may ask of the log.
pub(crate) const SEAL: &str = "seal";
pub(crate) const PRUNE: &str = "prune";

/// Why nobody was erased where there was no key to destroy.
pub(crate) const NOTHING_SEALED: &str = "nothing is sealed for this subject";

/// How long a log may take to be sealed: keys are not followed meanwhile.
pub(crate) const SEAL_PATIENCE: Duration = Duration::from_secs(2);

/// Enters what the gateway has to say of itself.
pub(crate) struct Diary {
    gateway: Arc<Gateway>,
    registry: Arc<dyn Registry>,
    /// The SHA-256 of the program that runs, as `sha256sum` says it.
    binary: String,
    /// Old entries, which go when somebody asks for it.
    pub(crate) retaining: Retaining,
    /// The last deed that was handed to the log, so that none is handed over twice by one run.
    entered: AtomicU64,
    /// The last deed that the registry has let go of, as far as that is known: none up to it is there again.
    forgotten: Mutex<Option<u64>>,
    /// The greatest number of a deed that is in the log, as far as that is known: what comes next goes on from it.
    last_deed: Mutex<Option<u64>>,
}

/// Why the configuration is entered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Occasion {
    Start,
    Change,
    Hour,
}

impl Diary {
    pub(crate) fn new(gateway: Arc<Gateway>, registry: Arc<dyn Registry>, deeds: DeedsSoFar) -> Self {
        // The file of a running program can always be read by its owner; where not, the empty text says so.
        let binary = std::fs::read("/proc/self/exe").map(|it| named(sha256(&SHA256, &it).as_ref())).unwrap_or_default();
        let (retaining, last_deed) = (Retaining::default(), Mutex::new(deeds.entered));
        Self {
            gateway,
            registry,
            binary,
            retaining,
            entered: AtomicU64::new(0),
            forgotten: Mutex::new(deeds.let_go),
            last_deed,
        }
    }

    /// Whether the registry is the one that the log goes on with: where another was put in its place, older or not, nothing
    /// of it comes into force, and nothing in it is forgotten.
    pub(crate) async fn hold_registry(&self) -> Result<(), StoreFault> {
        // First what is in the log: more may be entered while the registry is asked.
        let last = *self.last_deed.lock().unwrap_or_else(PoisonError::into_inner);
        let let_go = self.forgotten();
        let DeedNumbers { newest, waiting } = self.registry.deed_numbers().await?;
        let fewer = last.filter(|it| newest < *it).map(|last| newest + 1..=last);
        // As many, and more, may have been done since in an older one: they have numbers that were let go of.
        let again = let_go.zip(waiting).filter(|(let_go, waiting)| waiting <= let_go).map(|(to, from)| from..=to);
        match fewer.or(again) {
            None => Ok(()),
            Some(unknown) => Err(StoreFault { doing: "holding it to the log", source: older(unknown).into() }),
        }
    }

    /// Enters what commands have done since, makes certain that it is on the disk, and only then lets go of it.
    pub(crate) async fn enter_deeds(&self) -> Result<(), StoreFault> {
        loop {
            self.hold_registry().await?;
            let deeds = self.registry.deeds().await?;
            if deeds.is_empty() {
                return Ok(());
            }
            let entered = self.entered.load(Ordering::Acquire);
            let log = &self.gateway.log;
            let mut newest = entered;
            for (id, deed) in &deeds {
                if entered < *id {
                    let Some(deed) = self.carried_out(*id, deed) else { break };
                    self.note_gap(*id);
                    let _ = log.note(&Notice::deed(*id, &deed));
                }
                newest = *id;
            }
            self.entered.store(newest, Ordering::Release);
            if log.durable_up_to(log.appended()).await.is_err() {
                // They stay where they are, and are let go of when the log has them.
                return Ok(());
            }
            let entered_now = deeds.iter().filter(|(id, _)| *id <= newest).map(|(_, deed)| deed);
            if self.follow_up(entered_now).await.is_err() {
                return Ok(());
            }
            self.registry.forget_deeds(newest).await?;
            *self.forgotten.lock().unwrap_or_else(PoisonError::into_inner) = Some(newest);
            if newest == entered {
                return Ok(());
            }
        }
    }

    fn forgotten(&self) -> Option<u64> {
        *self.forgotten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters that deeds before this one are missing: numbers go without gaps, so that somebody has taken them away.
    fn note_gap(&self, number: u64) {
        let mut last = self.last_deed.lock().unwrap_or_else(PoisonError::into_inner);
        let first = last.map(|it| it.saturating_add(1)).filter(|it| *it < number);
        if let Some(first) = first {
            tracing::error!(
                first,
                end = number,
                "deeds are missing from the registry, and nobody can say what they were"
            );
            let gap = Notice::control("gap", self.gateway.clock.now().wall).with("source", "registry");
            let _ = self.gateway.log.note(&gap.with("first", first).with("end", number));
        }
        *last = (*last).max(Some(number));
    }

    /// Does what comes after its own entry: the checkpoint that somebody wants covers it.
    async fn follow_up<'d>(&self, deeds: impl Iterator<Item = &'d Deed>) -> Result<(), audit::Unwritable> {
        let mut seal = false;
        for deed in deeds.filter(|it| it.class == DeedClass::Log) {
            match deed.action.as_str() {
                SEAL => seal = true,
                PRUNE => self.retaining.ask(deed),
                _ => {}
            }
        }
        if seal { self.gateway.log.seal(SEAL_PATIENCE).await } else { Ok(()) }
    }

    /// Lets old entries go until told to stop.
    pub(crate) async fn retain(&self, settings: audit::RetentionSettings, stopped: watch::Receiver<bool>) {
        self.retaining.run(&self.gateway, &*self.registry, settings, stopped).await;
    }

    /// What is left to the gateway to do is done before it is entered: only the process that seals can let go of a key.
    /// What cannot be done now is left for the next round.
    fn carried_out(&self, number: u64, deed: &Deed) -> Option<Deed> {
        if deed.class == DeedClass::Hold {
            return self.held(deed).inspect_err(|cause| tracing::error!(%cause, "a hold cannot be kept")).ok();
        }
        if deed.class == DeedClass::Log && deed.action == PRUNE {
            return Some(Retaining::judge(&self.gateway, deed));
        }
        let (DeedClass::Erasure, Some(tenant), Some(name)) = (deed.class, &deed.tenant, &deed.target) else {
            return Some(deed.clone());
        };
        // Whom it was is not said: that is what was asked to be forgotten.
        let erased = Deed { target: None, ..deed.clone() };
        let (subjects, asked) = (self.gateway.log.subjects(), Asked { number, time: deed.time });
        if let Some(key) = subjects.erased_for(asked) {
            // The run before was ended before it could enter what it had done.
            return Some(erased.with("key", key));
        }
        match audit::holds(self.gateway.log.folder()) {
            Ok(holds) if holds.is_empty() => {}
            Ok(_) => return Some(erased.refused("a legal hold is in force")),
            Err(cause) => {
                tracing::error!(%cause, "nobody is erased: holds cannot be looked for");
                return None;
            }
        }
        match subjects.erase(tenant.as_str(), name, asked) {
            Ok(Some(key)) => Some(erased.with("key", key)),
            Ok(None) => Some(erased.refused(NOTHING_SEALED)),
            Err(cause) => {
                tracing::error!(%cause, "a subject cannot be erased");
                None
            }
        }
    }

    /// Puts a hold in force, or ends it.
    fn held(&self, deed: &Deed) -> std::io::Result<Deed> {
        let home = self.gateway.log.home();
        let (log, name) = (home.folder()?, deed.target.as_deref().unwrap_or_default());
        let Ok(name) = name.parse::<HoldName>() else { return Ok(deed.clone().refused("it has no name")) };
        let tenant = deed.tenant.as_ref().map(ToString::to_string);
        let hold = Hold { tenant, actor: deed.actor.clone(), since: deed.time };
        let (done, why_not) = if deed.action == "release" {
            (audit::release_hold(log, &name, &hold)?, "there is no such hold")
        } else {
            (audit::place_hold(log, &name, &hold)?, "it is in force already")
        };
        Ok(if done { deed.clone() } else { deed.clone().refused(why_not) })
    }

    /// A sign of life, with what was counted up to now.
    pub(crate) fn heartbeat(&self) {
        let Gateway { log, meters, clock, .. } = &*self.gateway;
        let closed: Map<String, Value> = meters.closed_connections().map(|(why, count)| (why, count.into())).collect();
        let beat = Notice::new("heartbeat", clock.now().wall)
            .with("requests_total", meters.begun.get())
            .with("requests_in_flight", meters.in_flight.get())
            .with("entries_total", log.appended())
            .with("entries_durable", log.durable())
            .with("connections", meters.connections.get())
            .with("refused_before_context", Value::Object(closed))
            .with("subjects", log.subjects().roll().said())
            .with(
                "uptime_ms",
                u64::try_from(clock.tick().since(domain::Tick::default()).as_millis()).unwrap_or(u64::MAX),
            );
        let _ = log.note(&self.forgotten().iter().fold(beat, |beat, it| beat.with("deeds", *it)));
    }

    /// The configuration in force, in facts that checks can read, and as a digest.
    pub(crate) fn snapshot(&self, settings: &Settings, digest: &str, occasion: Occasion) {
        let configuration = self.gateway.configuration();
        let occasion = match occasion {
            Occasion::Start => "start",
            Occasion::Change => "change",
            Occasion::Hour => "hour",
        };
        let snapshot = Notice::new("config.snapshot", self.gateway.clock.now().wall)
            .with("occasion", occasion)
            .with("digest", digest)
            .with("bundle", &**configuration.authorizer.bundle())
            .with("binary", self.binary.as_str())
            .with("facts", facts(settings, &configuration));
        let _ = self.gateway.log.note(&snapshot);
    }

    /// Another configuration was put in force, or was not.
    pub(crate) fn change(&self, before: &str, after: &str, refused: Option<&str>) {
        let change = Notice::new("config.change", self.gateway.clock.now().wall)
            .with("before", before)
            .with("after", after)
            .with("actor", "files")
            .with("outcome", if refused.is_some() { "refused" } else { "done" });
        let _ = self.gateway.log.note(&match refused {
            Some(why) => change.with("reason", why),
            None => change,
        });
    }

    /// Enters a step of the wall clock.
    pub(crate) fn stepped(&self, by_ms: i64) {
        tracing::warn!(by_ms, "the wall clock was set");
        let _ =
            self.gateway.log.note(&Notice::control("clock_step", self.gateway.clock.now().wall).with("by_ms", by_ms));
    }
}

/// Watches the wall clock by the monotonic one.
pub(crate) struct Steps {
    last: Moment,
}

impl Steps {
    pub(crate) fn from(now: Moment) -> Self {
        Self { last: now }
    }

    /// By how many milliseconds the wall clock was set since the last look, if it was.
    pub(crate) fn look(&mut self, now: Moment) -> Option<i64> {
        let passed = i64::try_from(now.tick.since(self.last.tick).as_nanos()).unwrap_or(i64::MAX);
        let by = now.wall.nanos().saturating_sub(self.last.wall.nanos()).saturating_sub(passed);
        self.last = now;
        (by.unsigned_abs() > u64::try_from(STEP.as_nanos()).unwrap_or(u64::MAX)).then_some(by / 1_000_000)
    }
}

/// What is set, as far as a check could ask for it. No path, no name of a file, no secret.
fn facts(settings: &Settings, configuration: &Configuration) -> Value {
    let tls_versions: Vec<_> = tls::VERSIONS.iter().map(|it| it.version.as_str()).collect();
    let profiles = configuration.catalog.profiles();
    let operations = profiles.iter().flat_map(|it| &it.api.operations);
    let (all, strict) = operations.fold((0_u64, 0_u64), |(all, strict), it| (all + 1, strict + u64::from(it.strict)));
    let apis: Vec<Value> = profiles
        .iter()
        .map(|it| {
            json!({
                "name": it.api.name.as_str(),
                "https_only": it.https_only,
                "operations": it.api.operations.len(),
                "tiers": it.limits.tiers.len(),
            })
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "node": settings.node,
        "apis": apis,
        "operations": { "all": all, "strict": strict },
        "policies": { "count": configuration.authorizer.len() },
        "tls": { "versions": tls_versions, "development_certificate": settings.tls.is_none() },
        "listeners": {
            "http": settings.listen.http.to_string(),
            "https": settings.listen.https.to_string(),
            "admin": settings.listen.admin.to_string(),
        },
        "unaudited": ["GET /healthz", "GET /readyz", "GET /metrics"],
        "audit": {
            "sync_ms": settings.audit.sync_ms,
            "strict_wait_ms": settings.audit.strict_wait_ms,
            "checkpoint_ms": settings.audit.checkpoint_ms,
            "heartbeat_ms": settings.audit.heartbeat_ms,
            "health_ms": settings.audit.health_ms,
            "scan_ms": settings.audit.scan_ms,
            "sinks": settings.sinks.iter().map(SinkSettings::facts).collect::<Vec<_>>(),
            "keep_days": settings.audit.retention.keep().map(|it| it.as_secs() / 86_400),
            "compliance_days": settings.audit.retention.longer().map(|it| it.as_secs() / 86_400),
        },
        "keys": { "per_tenant": settings.keys.keys_per_tenant.get() },
    })
}

/// The digest of the settings file and of everything beneath the folders it names: names and contents, in order.
pub(crate) fn configuration_digest(settings: &Settings) -> String {
    let mut files = vec![settings.file.clone()];
    for folder in std::iter::once(&settings.apis).chain(&settings.guardrails) {
        beneath(folder, &mut files);
    }
    let mut parts = Vec::new();
    for file in files {
        // A file that cannot be read is named all the same: that it cannot is a part of what is configured.
        parts.push(file.as_os_str().as_encoded_bytes().to_vec());
        parts.push(std::fs::read(&file).unwrap_or_default());
    }
    digest(parts.iter().map(Vec::as_slice))
}

fn beneath(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|it| it.path()).collect();
    found.sort();
    for path in found {
        if path.is_dir() {
            beneath(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// SHA-256 over parts, each after its length, so that no two lists of parts have one digest.
fn digest<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    named(context.finish().as_ref())
}

fn named(digest: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest))
}

#[cfg(test)]
mod tests {
    use domain::{Tick, Timestamp};

    use super::*;

    fn at(wall_ms: i64, tick_ms: u64) -> Moment {
        Moment { wall: Timestamp::from_nanos(wall_ms * 1_000_000), tick: Tick::from_nanos(tick_ms * 1_000_000) }
    }

    #[test]
    fn a_wall_clock_that_was_set_is_told_from_one_that_drifts() {
        let mut steps = Steps::from(at(1_000_000, 0));
        assert_eq!(steps.look(at(1_001_000, 1_000)), None);
        assert_eq!(steps.look(at(1_002_900, 2_000)), None, "drifting");
        assert_eq!(steps.look(at(1_013_900, 3_000)), Some(10_000));
        assert_eq!(steps.look(at(1_014_900, 4_000)), None, "said once");
        assert_eq!(steps.look(at(15_900, 5_000)), Some(-1_000_000));
    }

    #[test]
    fn any_change_of_a_file_changes_the_digest_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("apis/one")).unwrap();
        std::fs::write(at("portcullis.toml"), "").unwrap();
        std::fs::write(at("apis/one/api.toml"), "ab").unwrap();
        let settings = Settings { apis: at("apis"), ..Settings::parse(&at("portcullis.toml"), "").unwrap() };
        let first = configuration_digest(&settings);
        assert_eq!(configuration_digest(&settings), first);
        std::fs::write(at("apis/one/b"), "").unwrap();
        let second = configuration_digest(&settings);
        std::fs::rename(at("apis/one/b"), at("apis/one/c")).unwrap();
        let third = configuration_digest(&settings);
        assert!(first != second && second != third && first != third);
    }
}
