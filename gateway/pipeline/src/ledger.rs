//! How the log of entries stands, as it is measured: whoever looks at numbers alone must see that it cannot be written.

use audit::Log;
use prometheus::{IntCounter, IntGauge, Registry};

use crate::meters::registered;

/// The meters of the log.
pub(crate) struct Ledger {
    writable: IntGauge,
    held: IntGauge,
    astray: IntGauge,
    entries: IntCounter,
    durable: IntCounter,
}

impl Ledger {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| registered(registry, IntGauge::new(name, help)?);
        let counter = |name: &str, help: &str| registered(registry, IntCounter::new(name, help)?);
        Ok(Self {
            writable: gauge("audit_writable", "Whether entries reach the disk.")?,
            held: gauge("audit_held", "Whether operations that change something are held for receivers of entries.")?,
            astray: gauge("audit_files_missing", "Whether others took away or changed files of the log.")?,
            entries: counter("audit_entries_total", "Entries handed over.")?,
            durable: counter("audit_durable_entries_total", "Entries that are on the disk for certain.")?,
        })
    }

    /// Takes how the log stands now.
    pub(crate) fn read(&self, log: &Log) {
        // In this order, so that never more are on the disk than there are.
        let durable = log.durable();
        for (counter, now) in [(&self.durable, durable), (&self.entries, log.appended())] {
            counter.inc_by(now.saturating_sub(counter.get()));
        }
        self.writable.set(log.writable().is_ok().into());
        self.held.set(log.may_be_strict().is_err().into());
        self.astray.set(log.missing().is_some().into());
    }
}
