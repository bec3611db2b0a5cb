//! How the gateway is, minute by minute: what checks of availability and of capacity read.
//!
//! Nothing is said of the clock: whether it goes by others the system tells only to programs that may use its C library.

use std::time::Duration;

use admin::Condition;
use audit::Notice;
use domain::Tick;
use pipeline::{Gateway, Totals};
use serde_json::{Value, json};

use crate::settings::Settings;

/// How many of its ticks the system counts in a second (`USER_HZ`, which programs always see as this).
const TICKS: u64 = 100;

/// What was counted when somebody looked last.
pub(crate) struct Health {
    at: Tick,
    totals: Totals,
    cpu: Duration,
}

impl Health {
    /// Begins to count.
    pub(crate) fn from(gateway: &Gateway) -> Self {
        Self { at: gateway.clock.tick(), totals: gateway.meters.totals(), cpu: cpu() }
    }

    /// What became of the time since it was asked last, and how everything stands now.
    pub(crate) fn sample(
        &mut self,
        gateway: &Gateway,
        settings: &Settings,
        conditions: &[Condition],
        configuration: &str,
    ) -> Notice {
        let (last, now) = (std::mem::replace(self, Self::from(gateway)), gateway.clock.now());
        let spent = since(&self.totals, &last.totals);
        let stand: Vec<Value> = conditions.iter().map(|it| json!({ "name": it.name, "ok": it.ok })).collect();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut sample = Notice::new("health.sample", now.wall)
            .with("span_ms", millis(self.at.since(last.at)))
            .with("ready", conditions.iter().all(|it| it.ok))
            .with("conditions", stand)
            .with("requests", spent.ended)
            .with("refused", spent.refused)
            .with("failed", spent.failed)
            .with("requests_in_flight", gateway.meters.in_flight.get())
            .with("connections", gateway.meters.connections.get())
            .with("connections_most", settings.connections.total)
            .with("cpu_ms", millis(self.cpu.saturating_sub(last.cpu)))
            .with("cores", cores)
            .with("log_backlog", gateway.log.appended().saturating_sub(gateway.log.durable()))
            .with("configuration", configuration);
        for (name, known) in [
            ("p50_us", bound(&spent, 50)),
            ("p99_us", bound(&spent, 99)),
            ("resident_bytes", resident()),
            ("disk_free_bytes", disk(settings).map(|(free, _)| free)),
            ("disk_used_percent", disk(settings).map(|(_, used)| used)),
        ] {
            if let Some(known) = known {
                sample = sample.with(name, known);
            }
        }
        sample
    }
}

fn millis(of: Duration) -> u64 {
    u64::try_from(of.as_millis()).unwrap_or(u64::MAX)
}

/// What was counted between two looks.
fn since(now: &Totals, last: &Totals) -> Totals {
    let before = |at: usize| last.within.get(at).map_or(0, |(_, count)| *count);
    let within = now.within.iter().enumerate();
    Totals {
        ended: now.ended.saturating_sub(last.ended),
        refused: now.refused.saturating_sub(last.refused),
        failed: now.failed.saturating_sub(last.failed),
        within: within.map(|(at, (bound, count))| (*bound, count.saturating_sub(before(at)))).collect(),
    }
}

/// The least bound of the histogram that so many of a hundred requests kept to: they took that long at most. Nothing where
/// there were none, or where they took longer than any bound.
fn bound(spent: &Totals, percent: u64) -> Option<u64> {
    let rank = (spent.ended.saturating_mul(percent)).div_ceil(100);
    spent.within.iter().find(|(_, count)| 0 < rank && rank <= *count).map(|(bound, _)| *bound)
}

/// Processor time that the process has used, by all its threads.
fn cpu() -> Duration {
    let told = std::fs::read_to_string("/proc/self/stat").ok();
    Duration::from_millis(told.as_deref().and_then(used).unwrap_or_default() * 1000 / TICKS)
}

/// The sum of `utime` and `stime` (proc(5)), the twelfth and thirteenth words after the name in parentheses, which may hold
/// anything.
fn used(stat: &str) -> Option<u64> {
    let mut words = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut next = || words.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// How many bytes of memory the process has.
fn resident() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = told.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// What is free of the disk for the gateway, and how many hundredths of what it could have are used.
fn disk(settings: &Settings) -> Option<(u64, u64)> {
    let found = rustix::fs::statvfs(&settings.data).ok()?;
    let used = found.f_blocks.saturating_sub(found.f_bfree);
    let all = used.saturating_add(found.f_bavail).max(1);
    Some((found.f_bavail.saturating_mul(found.f_frsize), used.saturating_mul(100).div_ceil(all)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(ended: u64, within: &[(u64, u64)]) -> Totals {
        Totals { ended, within: within.to_vec(), ..Totals::default() }
    }

    #[test]
    fn a_share_of_requests_took_as_long_as_a_bound_says_at_most() {
        let spent = totals(100, &[(1_000, 49), (5_000, 50), (10_000, 99)]);
        assert_eq!([50, 99, 100].map(|it| bound(&spent, it)), [Some(5_000), Some(10_000), None]);
        assert_eq!(bound(&totals(0, &[(1_000, 0)]), 50), None, "nothing took no time");
        assert_eq!(bound(&totals(1, &[(1_000, 0), (5_000, 1)]), 1), Some(5_000));
    }

    #[test]
    fn what_was_counted_before_is_not_counted_again() {
        let (last, now) = (totals(10, &[(1_000, 4), (5_000, 9)]), totals(15, &[(1_000, 4), (5_000, 13)]));
        assert_eq!(since(&now, &last), totals(5, &[(1_000, 0), (5_000, 4)]));
        assert_eq!(since(&now, &Totals::default()), now);
    }

    #[test]
    fn time_is_read_after_whatever_name_the_process_has() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 250 50 1 1 20 0";
        assert_eq!(used(&format!("7 (a) b) {rest}")), Some(300));
        assert_eq!(used("7 (a) S 1"), None);
        assert!(resident().is_some_and(|it| 100_000 < it));
    }
}
