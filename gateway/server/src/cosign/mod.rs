//! Having the log witnessed: others are asked to stand for its newest checkpoint, so that it cannot be cut or written anew
//! without their being asked to lie.
//!
//! No request waits for it. A witness that is away is asked less often; one that accuses the log makes the gateway unready.

mod ask;
mod meters;
pub(crate) mod settings;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use admin::Condition;
use anyhow::Context as _;
use audit::Home;
use audit::cosignature::{self, Quorum, WitnessKey};
use audit::note::Checkpoint;
use domain::{Clock, Tick, Timestamp};
use pipeline::Gateway;

pub(crate) use ask::{Door, Unwitnessed, ask};
use meters::Meters;

use crate::settings::Settings;

/// How often witnesses are asked again about a log that has not grown, so that it shows how long nothing happened.
const QUIET: Duration = Duration::from_mins(1);

/// How often one of the cosigned checkpoints is kept.
const KEEP: Duration = Duration::from_mins(1);

/// How seldom a witness that fails is asked, at most.
const SELDOM: Duration = Duration::from_mins(5);

/// What is known of the witnesses of the log.
pub(crate) struct Cosigning {
    log: PathBuf,
    home: Home,
    clock: Arc<dyn Clock>,
    quorum: Quorum,
    every: Duration,
    doors: Vec<Door>,
    meters: Meters,
    standing: Mutex<Standing>,
}

/// How it stands, for whoever looks.
#[derive(Debug, Default)]
struct Standing {
    /// The newest checkpoint that has a quorum: its size, and since when.
    witnessed: Option<(u64, Timestamp)>,
    /// What each witness last accused the log of.
    accusations: Vec<Option<String>>,
}

/// What is remembered of one witness between two questions.
#[derive(Clone, Debug, Default)]
struct Acquaintance {
    /// As many entries as it stood for last.
    known: u64,
    failures: u32,
    /// When it may be asked again.
    due: Tick,
}

impl Cosigning {
    /// For the witnesses of the settings, if they name any.
    pub(crate) fn new(settings: &Settings, gateway: &Gateway) -> anyhow::Result<Option<Self>> {
        let Some(quorum) = settings.witnesses.quorum.clone() else { return Ok(None) };
        let named = &settings.witnesses.named;
        let doors = named.iter().map(|it| Door::of(&it.url, it.ca.as_deref())).collect::<anyhow::Result<_>>()?;
        let log = settings.data.join("audit");
        let last = cosignature::newest_cosigned(&log).context("the newest cosigned checkpoint")?;
        let witnessed = last.and_then(|note| {
            let at = quorum.witnessed(&note).ok()??;
            Some((Checkpoint::parse(&note).ok()?.size, at))
        });
        let meters = Meters::register(gateway.meters.registry(), Arc::clone(&gateway.clock))?;
        let accusations = vec![None; named.len()];
        let cosigning = Self {
            log,
            home: gateway.log.home(),
            clock: Arc::clone(&gateway.clock),
            quorum,
            every: settings.witnesses.every,
            doors,
            meters,
            standing: Mutex::new(Standing { witnessed, accusations }),
        };
        if let Some((size, at)) = witnessed {
            cosigning.meters.witnessed(size, at);
        }
        Ok(Some(cosigning))
    }

    /// Asks again and again, until it is dropped.
    pub(crate) async fn run(&self) {
        let mut known = vec![Acquaintance::default(); self.doors.len()];
        let (mut asked, mut kept, mut newest): (Option<(u64, Tick)>, Option<Tick>, u64) = (None, None, 0);
        loop {
            let now = self.clock.tick();
            if self.home.folder().is_ok()
                && let Ok((note, stated)) = audit::newest(&self.log)
                // An older one was put there by somebody beneath this process, which puts its own back: what it has signed
                // for is whole, and no witness is to be told that it was cut.
                && newest <= stated.size
            {
                newest = stated.size;
                let grown = asked.is_none_or(|(size, at)| size != stated.size || QUIET <= now.since(at));
                let missing = self.standing().witnessed.is_none_or(|(size, _)| size != stated.size);
                if (grown || missing) && self.round(&note, &stated, &mut known, &mut kept).await {
                    asked = Some((stated.size, now));
                }
            }
            tokio::time::sleep(self.every).await;
        }
    }

    /// Asks everybody whose turn it is about one checkpoint, and puts what they said in place once they are enough. Says
    /// whether they were.
    async fn round(
        &self,
        note: &str,
        stated: &Checkpoint,
        known: &mut [Acquaintance],
        kept: &mut Option<Tick>,
    ) -> bool {
        let now = self.clock.tick();
        let questions = self.doors.iter().zip(self.quorum.witnesses()).zip(known.iter_mut()).enumerate();
        let questions = questions.map(async |(at, ((door, key), witness))| {
            if now < witness.due {
                return None;
            }
            let answer = ask((door, key), &self.log, note, &mut witness.known, &*self.clock).await;
            self.take_in(at, key, witness, answer)
        });
        let lines: String = futures::future::join_all(questions).await.into_iter().flatten().collect();
        let cosigned = format!("{note}{lines}");
        let Ok(Some(at)) = self.quorum.witnessed(&cosigned) else { return false };
        let keep = kept.is_none_or(|it| KEEP <= now.since(it));
        match self.put(cosigned, stated.size, keep).await {
            Ok(()) => {
                *kept = if keep { Some(now) } else { *kept };
                self.meters.witnessed(stated.size, at);
                self.standing().witnessed = Some((stated.size, at));
                true
            }
            Err(cause) => {
                tracing::error!(%cause, "a cosigned checkpoint cannot be written");
                false
            }
        }
    }

    /// Waits for the disk on a thread of its own.
    async fn put(&self, cosigned: String, size: u64, keep: bool) -> std::io::Result<()> {
        let home = self.home.clone();
        let put = tokio::task::spawn_blocking(move || {
            // Another one that took its place is not ours to write into.
            let log = home.folder()?;
            if keep {
                cosignature::keep_cosigned(log, &cosigned, size)?;
            }
            cosignature::place_cosigned(log, &cosigned)
        });
        put.await.map_err(std::io::Error::other)?
    }

    /// What one witness said: its lines, or nothing and a while of silence.
    fn take_in(
        &self,
        at: usize,
        key: &WitnessKey,
        witness: &mut Acquaintance,
        answer: Result<(String, Timestamp), Unwitnessed>,
    ) -> Option<String> {
        let mut standing = self.standing();
        let accusation = standing.accusations.get_mut(at)?;
        match answer {
            Ok((lines, _)) => {
                *accusation = None;
                witness.failures = 0;
                Some(lines)
            }
            Err(cause) => {
                self.meters.failed(cause.reason());
                let name = key.name();
                if cause.accuses() {
                    tracing::error!(witness = name, %cause, "the audit log is not the one that was witnessed");
                    *accusation = Some(format!("`{name}` {cause}"));
                } else {
                    tracing::warn!(witness = name, %cause, "the audit log was not witnessed");
                }
                witness.due = self.clock.tick() + pause(self.every, witness.failures);
                witness.failures = witness.failures.saturating_add(1);
                None
            }
        }
    }

    /// Whether anybody accuses the log. That nobody answers is no reason to turn requests away.
    pub(crate) fn condition(&self) -> Condition {
        let standing = self.standing();
        let accusations: Vec<&str> = standing.accusations.iter().flatten().map(String::as_str).collect();
        let detail = match standing.witnessed {
            _ if !accusations.is_empty() => accusations.join("; "),
            Some((size, at)) => {
                format!("{size} entries, {} s ago", self.clock.now().wall.since(at).as_secs())
            }
            None => "nothing was witnessed yet".to_owned(),
        };
        Condition { name: "witnesses", ok: accusations.is_empty(), detail }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a witness is left alone that failed so many times before: twice as long each time.
fn pause(every: Duration, failures: u32) -> Duration {
    every.saturating_mul(2_u32.saturating_pow(failures)).min(SELDOM.max(every))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_is_left_alone_twice_as_long_each_time_and_never_for_good() {
        let every = Duration::from_secs(10);
        let pauses: Vec<u64> = [0, 1, 2, 4, 5, 6, 1000].iter().map(|it| pause(every, *it).as_secs()).collect();
        assert_eq!(pauses, [10, 20, 40, 160, 300, 300, 300]);
        assert_eq!(pause(Duration::from_hours(1), 3), Duration::from_hours(1));
    }
}
