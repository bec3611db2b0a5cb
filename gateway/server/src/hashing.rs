//! How many passwords were hashed, for whoever watches what that costs.

use identity::Identity;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, Registry};

/// The count as it is when somebody looks.
struct Hashed {
    identity: Identity,
    counter: IntCounter,
}

/// Has the passwords counted that are hashed here.
pub(crate) fn measure(registry: &Registry, identity: Identity) -> prometheus::Result<()> {
    let counter = IntCounter::new("passwords_hashed_total", "Passwords that were hashed: right, wrong or nobody's.")?;
    registry.register(Box::new(Hashed { identity, counter }))
}

impl Collector for Hashed {
    fn desc(&self) -> Vec<&Desc> {
        self.counter.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.counter.inc_by(self.identity.passwords_hashed().saturating_sub(self.counter.get()));
        self.counter.collect()
    }
}
