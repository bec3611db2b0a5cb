//! What is entered by the clock: signs of life, how the gateway is, how it is configured.

use std::time::Duration;

use admin::Posts as _;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{Office, told};
use crate::diary::{Occasion, Steps};
use crate::health::Health;

impl Office {
    /// Enters what is due until told to stop, and steps of the clock.
    pub(super) async fn keep_diary(&self, mut stopped: watch::Receiver<bool>) {
        let audit = &self.settings.audit;
        // The first entry of this run says how many the run before has lost.
        if self.gateway.log.durable_up_to(1).await.is_ok() {
            self.gateway.log.forget_unwritten();
        }
        let mut beat = every(audit.heartbeat_ms);
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
                _ = beat.tick() => {
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

fn every(ms: u64) -> Interval {
    let mut it = interval(Duration::from_millis(ms.max(1)));
    it.set_missed_tick_behavior(MissedTickBehavior::Delay);
    it
}
