//! What goes wrong with a plugin, whose doing it is, and for how long it is left alone afterwards.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::{Blame, Random, Tick};

use crate::verdict::BadVerdict;

/// How many faults of its own, within which time, keep a plugin from being run for a while.
const FAULTS: usize = 5;
const WITHIN: Duration = Duration::from_secs(10);

/// For how long at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Why a plugin has not said what is to become of a request. What of it a caller is told is the same for all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The guest has ended badly.
    #[error("the guest trapped: {0}")]
    Trapped(String),
    /// It has computed for longer than it may.
    #[error("the guest did not end within {} ms (`cpu_ms`)", .0.as_millis())]
    Deadline(Duration),
    /// It wanted more memory than it may have.
    #[error("the guest wanted more than {0} bytes of memory (`memory_bytes`)")]
    Memory(usize),
    /// It has called deeper than it may.
    #[error("the guest called too deep (`stack_bytes`)")]
    Stack,
    /// It has handed over more than it may.
    #[error("the guest handed over more than {0} bytes at once (`hostcall_bytes`)")]
    HandedOver(u32),
    /// It does not take its configuration.
    #[error("`configure` did not take the configuration: {0}")]
    Configuration(String),
    /// It has answered what no plugin may.
    #[error(transparent)]
    Verdict(#[from] BadVerdict),
    /// Its tenant has as many guests at once as it may.
    #[error("the tenant has as many guests at once as it may (`tenant_instances`)")]
    TenantInstances,
    /// The guests of its tenant have computed for as long as they may.
    #[error("the guests of the tenant have computed for as long as they may (`tenant_cpu_ms`)")]
    TenantCpu,
    /// There are as many guests as there may be.
    #[error("there are as many guests at once as there may be (`instances`)")]
    Instances,
    /// It is left alone for a while.
    #[error("the plugin is not run for a while, because it failed too often")]
    Quarantined,
    /// It is not there to be run.
    #[error("the plugin could not be loaded: {0}")]
    NotLoaded(String),
    /// It has no compiled code here yet.
    #[error("the component of the plugin is not compiled yet")]
    NotCompiled,
    /// Nobody may run it any more.
    #[error("the plugin was revoked")]
    Revoked,
}

impl Fault {
    /// Who has to act before it stops happening.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Trapped(_)
            | Self::Deadline(_)
            | Self::Memory(_)
            | Self::Stack
            | Self::HandedOver(_)
            | Self::Configuration(_)
            | Self::Verdict(_)
            | Self::TenantInstances
            | Self::TenantCpu
            | Self::Quarantined
            | Self::Revoked => Blame::Plugin,
            Self::Instances | Self::NotLoaded(_) | Self::NotCompiled => Blame::Gateway,
        }
    }

    /// Which kind it is, as one token for entries and meters.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Trapped(_) => "trap",
            Self::Deadline(_) => "deadline",
            Self::Memory(_) => "memory",
            Self::Stack => "stack",
            Self::HandedOver(_) => "handed_over",
            Self::Configuration(_) => "configuration",
            Self::Verdict(_) => "verdict",
            Self::TenantInstances => "tenant_instances",
            Self::TenantCpu => "tenant_cpu",
            Self::Instances => "instances",
            Self::Quarantined => "quarantined",
            Self::NotLoaded(_) => "not_loaded",
            Self::NotCompiled => "not_compiled",
            Self::Revoked => "revoked",
        }
    }

    /// Whether it counts towards quarantine: what the guest itself has done, and nothing that was done to it.
    fn is_its_own(&self) -> bool {
        match self {
            Self::Trapped(_)
            | Self::Deadline(_)
            | Self::Memory(_)
            | Self::Stack
            | Self::HandedOver(_)
            | Self::Configuration(_)
            | Self::Verdict(_) => true,
            Self::TenantInstances
            | Self::TenantCpu
            | Self::Instances
            | Self::Quarantined
            | Self::NotLoaded(_)
            | Self::NotCompiled
            | Self::Revoked => false,
        }
    }
}

/// Keeps a plugin from being run that fails and fails.
#[derive(Debug, Default)]
pub(crate) struct Quarantine(Mutex<Record>);

#[derive(Debug, Default)]
struct Record {
    /// When it failed last.
    faults: VecDeque<Tick>,
    /// Until when it is not run, and for how long that was.
    pause: Option<(Tick, Duration)>,
    /// Whether one request is trying whether it is well again.
    trying: bool,
}

impl Quarantine {
    /// Whether it may be run now. After a pause one request tries, and the others wait for what becomes of it.
    pub(crate) fn may_run(&self, now: Tick) -> Result<(), Fault> {
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match record.pause {
            None => Ok(()),
            Some((until, _)) if now < until || record.trying => Err(Fault::Quarantined),
            Some(_) => {
                record.trying = true;
                Ok(())
            }
        }
    }

    /// It has done what it should.
    pub(crate) fn well(&self) {
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if record.trying {
            *record = Record::default();
        }
    }

    /// It has failed. Who shares the fate of others by chance does not come back together with them.
    pub(crate) fn failed(&self, fault: &Fault, now: Tick, random: &dyn Random) {
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tried = std::mem::take(&mut record.trying);
        if !fault.is_its_own() {
            return;
        }
        record.faults.push_back(now);
        record.faults.retain(|it| now.since(*it) < WITHIN);
        if !tried && record.faults.len() < FAULTS {
            return;
        }
        let pause = record.pause.map_or(FIRST_PAUSE, |(_, last)| (last * 2).min(LONGEST_PAUSE));
        let mut drawn = [0; 1];
        random.fill(&mut drawn);
        let [drawn] = drawn;
        record.pause = Some((now + pause + pause * u32::from(drawn) / 1024, pause));
        record.faults.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    fn at(ms: u64) -> Tick {
        Tick::from_nanos(ms * 1_000_000)
    }

    fn fail(it: &Quarantine, ms: u64) {
        it.failed(&Fault::Stack, at(ms), &Fixed(0));
    }

    #[test]
    fn five_faults_in_ten_seconds_keep_it_away_for_twice_as_long_each_time() {
        let it = Quarantine::default();
        (0..4).for_each(|ms| fail(&it, ms));
        assert_eq!(it.may_run(at(4)), Ok(()));
        fail(&it, 10_000);
        assert_eq!(it.may_run(at(10_000)), Ok(()), "the first was too long ago");
        (10_001..10_002).for_each(|ms| fail(&it, ms));
        (10_002..10_004).for_each(|ms| fail(&it, ms));
        let mut now = 10_004;
        fail(&it, now);
        for pause in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
            assert_eq!(it.may_run(at(now + pause - 1)), Err(Fault::Quarantined), "{pause}");
            now += pause;
            assert_eq!(it.may_run(at(now)), Ok(()), "{pause}");
            assert_eq!(it.may_run(at(now)), Err(Fault::Quarantined), "one tries");
            fail(&it, now);
        }
        assert_eq!(it.may_run(at(now + 60_000)), Ok(()));
        it.well();
        assert_eq!((it.may_run(at(now)), it.may_run(at(now))), (Ok(()), Ok(())));
    }

    #[test]
    fn what_was_done_to_a_plugin_keeps_it_away_from_nothing() {
        let it = Quarantine::default();
        for fault in [Fault::Instances, Fault::TenantCpu, Fault::TenantInstances] {
            (0..9).for_each(|ms| it.failed(&fault, at(ms), &Fixed(0)));
        }
        assert_eq!(it.may_run(at(9)), Ok(()));
    }

    #[test]
    fn a_pause_is_up_to_a_quarter_longer() {
        let it = Quarantine::default();
        (0..5).for_each(|_| it.failed(&Fault::Stack, at(0), &Fixed(255)));
        assert_eq!((it.may_run(at(1_248)), it.may_run(at(1_250))), (Err(Fault::Quarantined), Ok(())));
    }
}
