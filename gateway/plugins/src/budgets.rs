//! How much the guests of one tenant may use, whatever their number.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::Tick;

use crate::{Fault, PluginSettings};

/// What the guests of one tenant use.
#[derive(Debug)]
pub(crate) struct Budget {
    running: AtomicU32,
    most: u32,
    cpu: Mutex<Cpu>,
    /// Of computing, for each second.
    per_second: Duration,
}

#[derive(Debug)]
struct Cpu {
    left: Duration,
    since: Tick,
}

/// One guest that runs; it counts until this is dropped.
#[derive(Debug)]
pub(crate) struct Running<'a>(&'a Budget);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Release);
    }
}

impl Budget {
    pub(crate) fn new(settings: &PluginSettings, now: Tick) -> Self {
        let per_second = Duration::from_millis(settings.tenant_cpu_ms.into());
        let cpu = Mutex::new(Cpu { left: per_second, since: now });
        Self { running: AtomicU32::new(0), most: settings.tenant_instances, cpu, per_second }
    }

    /// Lets one more guest run, if there is something left for it.
    pub(crate) fn begin(&self, now: Tick) -> Result<Running<'_>, Fault> {
        if self.refilled(now).left.is_zero() {
            return Err(Fault::TenantCpu);
        }
        let before = self.running.fetch_add(1, Ordering::Acquire);
        let running = Running(self);
        if before < self.most { Ok(running) } else { Err(Fault::TenantInstances) }
    }

    /// Takes off what a guest has used. A little may be owed, and then is waited for by whoever comes next.
    pub(crate) fn spend(&self, used: Duration, now: Tick) {
        let mut cpu = self.refilled(now);
        cpu.left = cpu.left.saturating_sub(used);
    }

    fn refilled(&self, now: Tick) -> std::sync::MutexGuard<'_, Cpu> {
        let mut cpu = self.cpu.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.since(cpu.since).min(Duration::from_secs(1));
        let more = self.per_second.mul_f64(passed.as_secs_f64());
        cpu.left = (cpu.left + more).min(self.per_second);
        cpu.since = cpu.since.max(now);
        cpu
    }
}

/// How many lines a plugin may log in a second.
#[derive(Debug, Default)]
pub(crate) struct LineRate(Mutex<(u64, u32)>);

impl LineRate {
    /// How many of these lines there is room for in this second.
    pub(crate) fn take(&self, wanted: usize, most: u32, now: Tick) -> usize {
        let second = now.nanos() / 1_000_000_000;
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.0 != second {
            *used = (second, 0);
        }
        let taken = u32::try_from(wanted).unwrap_or(u32::MAX).min(most.saturating_sub(used.1));
        used.1 += taken;
        taken as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Tick {
        Tick::from_nanos(ms * 1_000_000)
    }

    fn budget(instances: u32, cpu: u32) -> Budget {
        let settings = PluginSettings { tenant_instances: instances, tenant_cpu_ms: cpu, ..PluginSettings::default() };
        Budget::new(&settings, at(0))
    }

    #[test]
    fn no_more_guests_of_a_tenant_run_at_once_than_may() {
        let budget = budget(2, 100);
        let (one, two) = (budget.begin(at(0)).unwrap(), budget.begin(at(0)).unwrap());
        assert_eq!(budget.begin(at(0)).unwrap_err(), Fault::TenantInstances);
        drop(one);
        let _three = budget.begin(at(0)).unwrap();
        assert!(budget.begin(at(0)).is_err());
        drop(two);
    }

    #[test]
    fn a_tenant_computes_no_longer_in_a_second_than_it_may() {
        let budget = budget(9, 100);
        let spend = |ms, now| budget.spend(Duration::from_millis(ms), at(now));
        spend(99, 0);
        assert!(budget.begin(at(0)).is_ok());
        spend(9, 0);
        assert_eq!(budget.begin(at(0)).unwrap_err(), Fault::TenantCpu);
        assert!(budget.begin(at(10)).is_ok(), "a hundredth of a second later there is a millisecond");
        spend(500, 1_000);
        assert!(budget.begin(at(1_000)).is_err());
        assert!(budget.begin(at(60_000)).is_ok());
        spend(101, 60_000);
        assert!(budget.begin(at(60_000)).is_err(), "no more is saved than for a second");
    }

    #[test]
    fn no_more_lines_are_logged_in_a_second_than_may() {
        let rate = LineRate::default();
        assert_eq!([rate.take(3, 5, at(0)), rate.take(3, 5, at(999)), rate.take(1, 5, at(999))], [3, 2, 0]);
        assert_eq!(rate.take(9, 5, at(1_000)), 5);
    }
}
