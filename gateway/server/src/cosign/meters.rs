//! How far the log is witnessed, as it is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::{Clock, Timestamp};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntCounterVec, IntGauge, Opts, Registry};

use super::ask::REASONS;

/// The meters of witnesses. No label names one of them.
pub(super) struct Meters {
    size: IntGauge,
    age: Age,
    failures: IntCounterVec,
}

impl Meters {
    /// Makes them, at zero.
    pub(super) fn register(registry: &Registry, clock: Arc<dyn Clock>) -> prometheus::Result<Self> {
        let size = IntGauge::new("audit_witnessed_size", "Entries that a quorum of witnesses stands for.")?;
        let gauge = Gauge::new("audit_witnessed_age_seconds", "Since a quorum of witnesses last stood for the log.")?;
        let age = Age { gauge, clock, last: Arc::new(AtomicI64::new(NEVER)) };
        let help = "Times that a witness did not stand for the log, by reason.";
        let failures = IntCounterVec::new(Opts::new("audit_witness_failures_total", help), &["reason"])?;
        for reason in REASONS {
            failures.get_metric_with_label_values(&[reason])?;
        }
        registry.register(Box::new(size.clone()))?;
        registry.register(Box::new(age.clone()))?;
        registry.register(Box::new(failures.clone()))?;
        Ok(Self { size, age, failures })
    }

    /// So many entries are stood for since then.
    pub(super) fn witnessed(&self, size: u64, at: Timestamp) {
        self.size.set(i64::try_from(size).unwrap_or(i64::MAX));
        self.age.last.store(at.nanos(), Ordering::Release);
    }

    /// Counts a witness that did not stand for the log.
    pub(super) fn failed(&self, reason: &str) {
        self.failures.with_label_values(&[reason]).inc();
    }
}

/// No moment at all.
const NEVER: i64 = i64::MIN;

/// How long ago something was, told when it is asked: a number that was written down would stand still when its writer does.
#[derive(Clone)]
struct Age {
    gauge: Gauge,
    clock: Arc<dyn Clock>,
    last: Arc<AtomicI64>,
}

impl Collector for Age {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let last = self.last.load(Ordering::Acquire);
        if last == NEVER {
            return Vec::new();
        }
        self.gauge.set(self.clock.now().wall.since(Timestamp::from_nanos(last)).as_secs_f64());
        self.gauge.collect()
    }
}
