//! What is entered by the clock: signs of life, how the gateway is, how it is configured.

use std::time::Duration;

use admin::Posts as _;
use audit::{Horizon, SIGN_EVERY};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{Office, told};
use crate::diary::{Occasion, Steps};
use crate::health::Health;

impl Office {
    /// Enters what is due until told to stop, and steps of the clock.
    pub(super) async fn keep_diary(&self, mut stopped: watch::Receiver<bool>) {
        let audit = &self.settings.audit;
        self.gateway.log.forget_said().await;
        let mut beats = Beats::of(every(audit.heartbeat_ms), self.gateway.log.horizon());
        let (mut minute, mut hour) = (every(audit.health_ms), every(audit.snapshot_ms));
        // It was entered at the start how it is configured; and of no time at all nothing can be said.
        hour.reset();
        minute.reset();
        let mut health = Health::from(&self.gateway);
        let mut look = every(1000);
        let mut steps = Steps::from(self.gateway.clock.now());
        loop {
            tokio::select! {
                () = told(&mut stopped) => return,
                () = beats.due() => {
                    // First, or the time since the last sign of life would be taken for silence.
                    self.note_step(&mut steps);
                    self.diary.heartbeat();
                }
                _ = minute.tick() => {
                    let sample = health.sample(&self.gateway, &self.settings, &self.conditions(), &self.digest_now());
                    let _ = self.gateway.log.note(&sample.with("keys_ending", self.ending.count()));
                }
                _ = hour.tick() => self.diary.snapshot(&self.settings, &self.digest_now(), Occasion::Hour),
                _ = look.tick() => {
                    self.secrets.look(&self.gateway.log, self.gateway.clock.now().wall);
                    self.note_step(&mut steps);
                }
            }
        }
    }

    /// Enters that the wall clock was set, if it was since the last look.
    fn note_step(&self, steps: &mut Steps) {
        if let Some(by_ms) = steps.look(self.gateway.clock.now()) {
            self.diary.stepped(by_ms);
        }
    }
}

/// When signs of life are due.
struct Beats {
    clock: Interval,
    horizon: Horizon,
    /// How many entries there were at the last one.
    last: u64,
}

impl Beats {
    fn of(clock: Interval, horizon: Horizon) -> Self {
        let last = horizon.end();
        Self { clock, horizon, last }
    }

    /// Waits until one is due: by the clock, or after so many entries that the next start would not find the last one.
    async fn due(&mut self) {
        tokio::select! {
            _ = self.clock.tick() => {}
            () = self.horizon.reach(self.last.saturating_add(SIGN_EVERY)) => {}
        }
        self.last = self.horizon.end();
    }
}

fn every(ms: u64) -> Interval {
    let mut it = interval(Duration::from_millis(ms.max(1)));
    it.set_missed_tick_behavior(MissedTickBehavior::Delay);
    it
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use audit::note::Signer;
    use audit::{AuditSettings, Author, Log, Notice};
    use domain::{SystemClock, Timestamp};
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_sign_of_life_is_due_by_the_clock_and_after_so_many_entries() {
        let folder = tempfile::tempdir().unwrap();
        let settings = AuditSettings { reserve_bytes: 0, stall_ms: 60_000, ..AuditSettings::default() };
        let author = Author { node: "n".to_owned(), boot: "b".to_owned() };
        let signer = Signer::from_seed("portcullis/n", &[1; 32]).unwrap();
        let (log, _) =
            Log::open(&folder.path().join("audit"), settings, signer, author, Arc::new(SystemClock::new())).unwrap();
        let mut beats = Beats::of(every(86_400_000), log.horizon());
        beats.due().await;
        for _ in 0..2 {
            for _ in 0..SIGN_EVERY {
                let _ = log.note(&Notice::control("scan", Timestamp::from_seconds(0)));
            }
            log.durable_up_to(log.appended()).await.unwrap();
            assert!(beats.due().now_or_never().is_none(), "one entry too early");
            let _ = log.note(&Notice::control("scan", Timestamp::from_seconds(0)));
            beats.due().await;
        }
    }
}
