//! How far receivers are behind, as it is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use audit::Horizon;
use domain::{Clock, Timestamp};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry};

/// How a delivery may end.
pub(super) const OUTCOMES: [&str; 8] =
    ["accepted", "unreachable", "late", "refused", "no_stream", "full", "failed", "unreadable"];

/// The meters of all receivers. The label `sink` is a name of the settings.
#[derive(Clone)]
pub(super) struct Meters {
    deliveries: IntCounterVec,
    skipped: IntCounterVec,
}

/// How far one receiver is.
#[derive(Debug)]
pub(super) struct Progress {
    name: String,
    /// The number of the first entry that it has not accepted.
    next: AtomicU64,
    /// When the oldest of those happened; [`NEVER`] where it had all of them when somebody looked last.
    since: AtomicI64,
    /// Whether strict operations are held because of it; nothing where they never are.
    holds: Option<AtomicBool>,
}

/// No moment at all.
const NEVER: i64 = i64::MIN;

impl Progress {
    pub(super) fn new(name: &str, next: u64) -> Self {
        Self { name: name.to_owned(), next: AtomicU64::new(next), since: AtomicI64::new(NEVER), holds: None }
    }

    /// Of a receiver that is required.
    pub(super) fn required(self) -> Self {
        Self { holds: Some(AtomicBool::new(false)), ..self }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The number of the first entry that it has not accepted.
    pub(super) fn next(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    /// Strict operations are held because of it, or are not.
    pub(super) fn holds(&self, holds: bool) {
        if let Some(it) = &self.holds {
            it.store(holds, Ordering::Release);
        }
    }

    /// It has accepted all before this number.
    pub(super) fn accepted(&self, next: u64) {
        self.next.store(next, Ordering::Release);
    }

    /// Something that it has not accepted happened then.
    pub(super) fn behind(&self, since: Timestamp) {
        self.since.store(since.nanos(), Ordering::Release);
    }

    /// It cannot be told what it has not accepted, nor how old that is: no younger than now.
    pub(super) fn stuck(&self, now: Timestamp) {
        let _ = self.since.compare_exchange(NEVER, now.nanos(), Ordering::AcqRel, Ordering::Acquire);
    }

    /// It had everything.
    pub(super) fn caught_up(&self) {
        self.since.store(NEVER, Ordering::Release);
    }
}

impl Meters {
    /// Makes them.
    pub(super) fn register(
        registry: &Registry,
        clock: Arc<dyn Clock>,
        horizon: Horizon,
        sinks: Vec<Arc<Progress>>,
    ) -> prometheus::Result<Self> {
        let help = "Deliveries of entries to a receiver, by how they ended.";
        let deliveries = IntCounterVec::new(Opts::new("audit_sink_deliveries_total", help), &["sink", "outcome"])?;
        for sink in &sinks {
            for outcome in OUTCOMES {
                deliveries.get_metric_with_label_values(&[sink.name.as_str(), outcome])?;
            }
        }
        registry.register(Box::new(deliveries.clone()))?;
        let help = "Entries that a receiver was never given, because they were pruned while it was away.";
        let skipped = IntCounterVec::new(Opts::new("audit_sink_skipped_entries_total", help), &["sink"])?;
        for sink in &sinks {
            skipped.get_metric_with_label_values(&[sink.name.as_str()])?;
        }
        registry.register(Box::new(skipped.clone()))?;
        let help = "Entries on the disk that a receiver has not accepted.";
        let backlog = IntGaugeVec::new(Opts::new("audit_sink_backlog_entries", help), &["sink"])?;
        let help = "Age of the oldest entry that a receiver has not accepted.";
        let lag = GaugeVec::new(Opts::new("audit_sink_lag_seconds", help), &["sink"])?;
        let help = "1 while strict operations are refused because of a required receiver.";
        let holding = IntGaugeVec::new(Opts::new("audit_sink_held", help), &["sink"])?;
        registry.register(Box::new(Standing { backlog, lag, held: holding, clock, horizon, sinks }))?;
        Ok(Self { deliveries, skipped })
    }

    /// Counts a delivery.
    pub(super) fn count(&self, sink: &str, outcome: &str) {
        self.deliveries.with_label_values(&[sink, outcome]).inc();
    }

    /// Counts entries that are given to nobody any more.
    pub(super) fn skipped(&self, sink: &str, entries: u64) {
        self.skipped.with_label_values(&[sink]).inc_by(entries);
    }
}

/// How receivers stand, told when it is asked: a number that was written down would stand still when its writer does.
struct Standing {
    backlog: IntGaugeVec,
    lag: GaugeVec,
    held: IntGaugeVec,
    clock: Arc<dyn Clock>,
    horizon: Horizon,
    sinks: Vec<Arc<Progress>>,
}

impl Collector for Standing {
    fn desc(&self) -> Vec<&Desc> {
        let mut desc = self.backlog.desc();
        desc.extend(self.lag.desc());
        desc.extend(self.held.desc());
        desc
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (end, now) = (self.horizon.end(), self.clock.now().wall);
        for sink in &self.sinks {
            let backlog = end.saturating_sub(sink.next());
            let since = sink.since.load(Ordering::Acquire);
            let is_late = backlog > 0 && since != NEVER;
            let lag = if is_late { now.since(Timestamp::from_nanos(since)).as_secs_f64() } else { 0.0 };
            self.backlog.with_label_values(&[&sink.name]).set(i64::try_from(backlog).unwrap_or(i64::MAX));
            self.lag.with_label_values(&[&sink.name]).set(lag);
            if let Some(holds) = &sink.holds {
                self.held.with_label_values(&[&sink.name]).set(i64::from(holds.load(Ordering::Acquire)));
            }
        }
        let mut families = self.backlog.collect();
        families.extend(self.lag.collect());
        families.extend(self.held.collect());
        families
    }
}
