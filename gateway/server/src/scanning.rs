//! Looking through what was entered, once a day: a little at a time, and after everything else that wants a processor.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use audit::{Kind, Scan, Scanned, Shapes, SubjectKeys};
use catalog::Catalog;
use pipeline::Gateway;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use tokio::sync::{oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::desk;
use crate::settings::Settings;

/// How long after a start it is looked for the first time: a start has other cares.
const SOON: Duration = Duration::from_mins(5);

/// How many entries are read at once, and how long nothing is read then: 12,800 a second at most.
const STEP: usize = 256;
const PAUSE: Duration = Duration::from_millis(20);

/// Who looks where nobody asks for it.
const BY_ITSELF: &str = "gateway";

/// What was found so far.
pub(crate) struct Scanning {
    findings: IntCounterVec,
    unread: IntCounter,
    reached: IntGauge,
}

/// What credentials of the APIs look like.
pub(crate) fn shapes(catalog: &Catalog) -> anyhow::Result<Shapes> {
    let credentials = catalog.profiles().iter().map(|it| &it.credentials);
    let keys = credentials.clone().filter_map(|it| it.api_key.as_ref());
    let prefixes: Vec<String> = keys.flat_map(|it| it.prefixes.iter().cloned()).collect();
    let cookies: Vec<String> = credentials.flat_map(|it| it.session_cookies().map(str::to_owned)).collect();
    Shapes::new(&prefixes, &cookies).context("what credentials look like is too much to look for")
}

impl Scanning {
    /// Makes the meters.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let help = "Fields of entries that hold what should not be there, by what it is.";
        let findings = IntCounterVec::new(Opts::new("audit_scan_findings_total", help), &["kind"])?;
        for kind in Kind::ALL {
            findings.get_metric_with_label_values(&[kind.as_str()])?;
        }
        let unread = IntCounter::new(
            "audit_scan_unread_total",
            "Entries that could not be looked through because they cannot be read.",
        )?;
        let reached = IntGauge::new("audit_scanned_entries", "The first entry that was not looked through yet.")?;
        registry.register(Box::new(findings.clone()))?;
        registry.register(Box::new(unread.clone()))?;
        registry.register(Box::new(reached.clone()))?;
        Ok(Self { findings, unread, reached })
    }

    /// Looks now and then until told to stop.
    pub(crate) async fn run(
        &self,
        gateway: &Arc<Gateway>,
        settings: &Arc<Settings>,
        mut stopped: watch::Receiver<bool>,
    ) {
        let often = Duration::from_millis(settings.audit.scan_ms);
        let mut round = interval(often);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        round.reset_after(SOON.min(often));
        loop {
            tokio::select! {
                _ = stopped.wait_for(|it| *it) => return,
                _ = round.tick() => {}
            }
            if let Err(cause) = self.look(gateway, settings, &stopped).await {
                tracing::error!(cause = format!("{cause:#}"), "entries cannot be looked through");
            }
        }
    }

    /// Looks through what was written since the last time, on a thread of its own.
    async fn look(
        &self,
        gateway: &Arc<Gateway>,
        settings: &Arc<Settings>,
        stopped: &watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let shapes = Arc::new(shapes(&gateway.configuration().catalog)?);
        let (told, done) = oneshot::channel();
        let reader = Reader {
            gateway: Arc::clone(gateway),
            settings: Arc::clone(settings),
            stopped: stopped.clone(),
            shapes: Arc::clone(&shapes),
        };
        let thread = std::thread::Builder::new().name("scan".to_owned());
        thread.spawn(move || drop(told.send(reader.read_on())))?;
        let scanned = done.await.context("the thread ended badly")??;
        self.tell(gateway, &scanned);
        // Said before it counts as read: a process that dies in between reads it once more.
        audit::keep_scanned(gateway.log.home().folder()?, scanned.end, &shapes)?;
        Ok(())
    }

    fn tell(&self, gateway: &Gateway, scanned: &Scanned) {
        let Scanned { first, end, .. } = *scanned;
        for (kind, count) in &scanned.counts {
            self.findings.with_label_values(&[kind.as_str()]).inc_by(*count);
        }
        self.unread.inc_by(scanned.unread_total());
        self.reached.set(i64::try_from(end).unwrap_or(i64::MAX));
        let _ = gateway.log.note(&scanned.notice(BY_ITSELF, gateway.clock.now().wall));
        if scanned.total() == 0 {
            tracing::info!(first, end, "entries were looked through, and nothing was found");
        } else {
            let entries = scanned.entries();
            tracing::error!(first, end, found = scanned.total(), ?entries, "entries hold what should not be there");
        }
        if !scanned.unread.is_empty() {
            let (unread, ranges) = (scanned.unread_total(), &scanned.unread);
            tracing::error!(unread, ?ranges, "entries could not be looked through because they cannot be read");
        }
    }
}

/// What the thread has.
struct Reader {
    gateway: Arc<Gateway>,
    settings: Arc<Settings>,
    stopped: watch::Receiver<bool>,
    shapes: Arc<Shapes>,
}

impl Reader {
    /// Reads to the end, or until told to stop.
    fn read_on(&self) -> anyhow::Result<Scanned> {
        // Of this thread alone. Where it cannot be, the pauses must do.
        let _ = rustix::process::nice(19);
        let log = self.gateway.log.folder();
        let keys = SubjectKeys::read(&desk::subjects_file(&self.settings))?;
        let first = audit::scanned_up_to(log, &self.shapes)?;
        let mut scan = Scan::begin(log, first, &self.shapes, Some(&keys))?;
        while scan.step(STEP) && !*self.stopped.borrow() {
            std::thread::sleep(PAUSE);
        }
        Ok(scan.finish())
    }
}
