//! Keys that end soon: counted, and named once a day in the log and in an entry, so that nobody finds out by a refusal.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::{Deed, DeedClass, EXPIRES_SOON, KeyId, Timestamp};
use identity::StoreFault;
use prometheus::{IntGauge, Registry};

use super::Office;

/// How many are named at one look. The rest is at the next ones.
const AT_ONCE: usize = 100;

const DAY: i64 = 24 * 60 * 60;

/// Which keys were named, and on which day.
pub(super) struct Ending {
    named: Mutex<HashMap<KeyId, i64>>,
    count: IntGauge,
}

impl Ending {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let count = IntGauge::new("keys_ending", "Keys that work and end by themselves within two weeks.")?;
        registry.register(Box::new(count.clone()))?;
        Ok(Self { named: Mutex::default(), count })
    }

    /// How many there were when it was looked last.
    pub(super) fn count(&self) -> i64 {
        self.count.get()
    }

    /// Those of these keys that were not named today, and are now.
    fn unnamed<T>(&self, keys: Vec<(KeyId, T)>, now: Timestamp) -> Vec<(KeyId, T)> {
        let today = now.seconds().div_euclid(DAY);
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.retain(|_, day| *day == today);
        let mut due: Vec<(KeyId, T)> = keys.into_iter().filter(|(id, _)| !named.contains_key(id)).collect();
        due.truncate(AT_ONCE);
        named.extend(due.iter().map(|(id, _)| (id.clone(), today)));
        due
    }
}

impl Office {
    /// Names the keys that end soon, each once a day.
    pub(super) async fn name_ending(&self) -> Result<(), StoreFault> {
        let now = self.gateway.clock.now().wall;
        let due = {
            let keys = self.gateway.keys();
            let ending = keys.ending(now, EXPIRES_SOON);
            self.ending.count.set(i64::try_from(ending.len()).unwrap_or(i64::MAX));
            let facts =
                ending.into_iter().map(|(it, end)| (it.id().clone(), (it.tenant().clone(), it.api().clone(), end)));
            self.ending.unnamed(facts.collect(), now)
        };
        for (id, (tenant, api, end)) in due {
            tracing::warn!(key = %id, %tenant, %api, %end, "a key ends soon");
            let about = |deed: Deed| deed.on(&id).of(&tenant).with("api", &api).with("ends", end);
            self.identity.keep_deed(DeedClass::Key, "ends_soon", about).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_is_named_once_a_day_and_no_more_than_so_many_at_once() {
        let ending = Ending::new(&Registry::new()).unwrap();
        let keys = || (0..150).map(|it| (format!("key_{it:03}").parse().unwrap(), ())).collect::<Vec<(KeyId, ())>>();
        let now = Timestamp::from_seconds(1_790_000_000);
        let named = |at: Timestamp| ending.unnamed(keys(), at).len();
        assert_eq!([named(now), named(now), named(now)], [100, 50, 0]);
        assert_eq!(named(now + Duration::from_hours(24)), 100);
    }
}
