//! The one thread that writes: it takes what was handed over, and brings it to the disk, whatever stands in its way.

mod look;

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use domain::{Clock, Tick};
use tokio::sync::watch;

use crate::Notice;
use crate::losses::Losses;
use crate::reserve::Reserve;
use crate::sequencer::Sequencer;
use crate::shared::{Pending, Shared};
use crate::watch::{Astray, Locks, Vigil};

/// How long the writer waits before it tries a failed write again.
const RETRY: Duration = Duration::from_millis(200);

/// How often it is said that the log cannot be written, for the same reason.
const AGAIN: Duration = Duration::from_secs(10);

/// How often the writer looks whether everything is where it was written.
const LOOK: Duration = Duration::from_millis(500);

/// What an entry says was restored where the file of subjects' keys was gone or another one.
const SUBJECTS: &str = "the keys that seal what entries say of people";

/// What an entry says was restored where a sync had failed behind everybody's back.
const UNSYNCED: &str = "bundles and tiles whose sync had failed";

/// How often one of the checkpoints is kept.
const KEEP: Duration = Duration::from_mins(1);

pub(crate) struct Writer {
    shared: Arc<Shared>,
    sequencer: Sequencer,
    clock: Arc<dyn Clock>,
    told: watch::Sender<u64>,
    /// When entries were last synced, when a checkpoint was last signed, and when one was last kept: the first of a run is.
    synced: Tick,
    stated: Tick,
    kept: Option<Tick>,
    /// When the disk was last looked at.
    looked: Tick,
    held: Held,
    /// Nothing where the system does not say what happens to files.
    losses: Option<Losses>,
    /// The disk was full, and the reserve is not back yet.
    low: bool,
    /// Why the log cannot be written, and when that was last said.
    said: Option<(String, Tick)>,
    /// The file of subjects' keys is gone, and cannot be put back.
    unsealed: bool,
}

/// What the writer holds on to in the folder of the log.
pub(crate) struct Held {
    vigil: Vigil,
    reserve: Reserve,
}

impl Held {
    pub(crate) fn over(log: &Path, locks: Locks, reserve_bytes: u64) -> io::Result<Self> {
        Ok(Self { vigil: Vigil::over(log, locks)?, reserve: Reserve::in_log(log, reserve_bytes) })
    }
}

/// What is wanted of what was taken.
struct Wanted {
    /// It is the last time.
    closed: bool,
    /// Somebody waits for it.
    urgent: bool,
    /// How many times somebody asked for the log to be sealed.
    seals: u64,
}

/// The process is ending and the log cannot be written.
struct GivenUp;

impl Writer {
    /// A disk that is full already is begun on all the same: it is told, and nothing is taken until there is space.
    pub(crate) fn new(
        shared: Arc<Shared>,
        sequencer: Sequencer,
        clock: Arc<dyn Clock>,
        told: watch::Sender<u64>,
        mut held: Held,
    ) -> Self {
        let now = clock.tick();
        let low = held.reserve.hold().inspect_err(|cause| shared.fail(&cause.to_string())).is_err();
        let losses = Losses::of(sequencer.log(), sequencer.size(), &sequencer.key());
        let losses = losses.inspect_err(|cause| tracing::warn!(%cause, "files of the log are not watched")).ok();
        Self {
            shared,
            sequencer,
            clock,
            told,
            synced: now,
            stated: now,
            kept: None,
            looked: now,
            held,
            losses,
            low,
            said: None,
            unsealed: false,
        }
    }

    /// Writes until the log is closed. Gives how many entries are lost, because they could not be written before the end.
    pub(crate) fn run(mut self) -> u64 {
        let mut taken = Pending::default();
        let mut unsynced = 0;
        loop {
            taken.bytes.clear();
            taken.ends.clear();
            let Wanted { closed, urgent, seals } = self.collect(&mut taken, unsynced > 0);
            let mut begin = 0;
            for end in &taken.ends {
                self.sequencer.add(taken.bytes.get(begin..*end).unwrap_or_default());
                begin = *end;
            }
            unsynced += taken.ends.len() as u64;
            let urgent = urgent || closed || self.sequencer.is_in_doubt();
            if self.put(&mut unsynced, urgent, closed).and_then(|()| self.seal(seals)).is_err() {
                return unsynced + self.shared.pending().ends.len() as u64;
            }
            self.at_disk(|it| it.shared.in_flight.sweep(*it.told.borrow()));
            self.shared.room.notify_waiters();
            match closed {
                // What would be said from here on would not be written any more.
                true if self.shared.pending().ends.is_empty() => {
                    // Where that fails, the next start does it.
                    let _ = self.sequencer.end();
                    return 0;
                }
                true => {}
                false => self.at_disk(Self::look),
            }
            // Not before all is certain: the next round syncs.
            if unsynced == 0 && self.sequencer.is_in_doubt() && self.until_done(Sequencer::settle).is_err() {
                return unsynced + self.shared.pending().ends.len() as u64;
            }
        }
    }

    /// Writes what was taken; syncs and signs it where that is due.
    fn put(&mut self, unsynced: &mut u64, urgent: bool, closed: bool) -> Result<(), GivenUp> {
        self.until_done(Sequencer::write)?;
        let now = self.clock.tick();
        let settings = &self.shared.settings;
        let due = now.since(self.synced) >= Duration::from_millis(settings.sync_ms);
        let state = self.sequencer.is_ahead()
            && (closed || now.since(self.stated) >= Duration::from_millis(settings.checkpoint_ms));
        if *unsynced > 0 && (urgent || due || state) {
            let shared = Arc::clone(&self.shared);
            // What cannot be opened any more would be lost: the key is on the disk before what it sealed.
            self.until_done(|it| shared.subjects.sync().and_then(|()| it.sync()))?;
            self.synced = now;
            let count = std::mem::take(unsynced);
            self.told.send_modify(|it| *it += count);
            self.until_done(Sequencer::settle)?;
        }
        if state {
            let keep = closed || self.kept.is_none_or(|it| now.since(it) >= KEEP);
            self.until_done(|it| it.state(keep))?;
            self.stated = now;
            if keep {
                self.kept = Some(now);
            }
            // What is signed for is durable, and what is durable was synced just before.
            self.shared.signed.send_replace(*self.told.borrow());
        }
        Ok(())
    }

    /// Seals the log, where somebody has asked for that since the last time.
    fn seal(&mut self, seals: u64) -> Result<(), GivenUp> {
        if *self.shared.sealed.borrow() < seals {
            self.until_done(Sequencer::close)?;
            self.shared.signed.send_replace(*self.told.borrow());
            self.shared.sealed.send_replace(seals);
        }
        Ok(())
    }

    /// Waits for entries, lets more gather, and takes them all.
    fn collect(&self, taken: &mut Pending, unsynced: bool) -> Wanted {
        let settings = &self.shared.settings;
        let mut pending = self.shared.pending();
        let sealed = *self.shared.sealed.borrow();
        while pending.bytes.is_empty() && !pending.closed && !(pending.urgent && unsynced) && pending.seals == sealed {
            let wait = match (unsynced, self.sequencer.is_ahead()) {
                (true, _) => Duration::from_millis(settings.sync_ms),
                (false, true) => Duration::from_millis(settings.checkpoint_ms).min(LOOK),
                (false, false) => LOOK,
            };
            let woken = self.shared.wake.wait_timeout(pending, wait);
            let (back, timeout) = woken.unwrap_or_else(PoisonError::into_inner);
            pending = back;
            if timeout.timed_out() {
                break;
            }
        }
        if !pending.closed && !pending.bytes.is_empty() {
            let gather = Duration::from_millis(settings.flush_ms);
            // Whoever waits is not kept waiting: more gather while the disk is busy with these.
            let woken = self.shared.wake.wait_timeout_while(pending, gather, |it| !it.urgent && !it.closed);
            pending = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        // The buffers change places, so that none is allocated anew.
        std::mem::swap(&mut pending.bytes, &mut taken.bytes);
        std::mem::swap(&mut pending.ends, &mut taken.ends);
        let urgent = std::mem::take(&mut pending.urgent) || sealed < pending.seals;
        Wanted { closed: pending.closed, urgent, seals: pending.seals }
    }

    /// Nothing is written where another folder took the place of ours: it would be the beginning of a second log.
    fn in_place(&mut self) -> io::Result<()> {
        let Some(astray) = self.held.vigil.look() else { return self.written_ahead() };
        self.held.vigil.astray = Some(astray);
        if astray == Astray::Lock && self.held.vigil.take_again().is_ok() {
            return Ok(());
        }
        Err(io::Error::other(astray.as_str()))
    }

    /// Nothing counts as written while somebody has taken the write-ahead file away or changed it, and it could not be put
    /// back: what is written into it then is in no file that a start would read.
    fn written_ahead(&mut self) -> io::Result<()> {
        if self.held.vigil.astray != Some(Astray::WriteAhead) {
            return Ok(());
        }
        self.shared.subjects.sync().and_then(|()| self.sequencer.restore())?;
        self.held.vigil.astray = None;
        self.restored(Astray::WriteAhead);
        Ok(())
    }

    /// Does what the disk may keep waiting for, and enters it where that was too long.
    fn at_disk<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let (shared, clock) = (Arc::clone(&self.shared), Arc::clone(&self.clock));
        let (done, long) = shared.stall.during(&*clock, || act(self));
        if let Some(long) = long {
            let ms = u64::try_from(long.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(ms, "the disk answers again");
            shared.note(&Notice::control("stalled", clock.now().wall).with("ms", ms));
        }
        done
    }

    /// Does one thing until it succeeds; when the process is ending, until it fails.
    fn until_done(&mut self, act: impl Fn(&mut Sequencer) -> io::Result<()>) -> Result<(), GivenUp> {
        while let Err(cause) = self.at_disk(|it| it.in_place().and_then(|()| act(&mut it.sequencer))) {
            self.shared.fail(&cause.to_string());
            self.say(&cause);
            if cause.kind() == io::ErrorKind::StorageFull && self.held.reserve.spend() {
                // Enough to finish what was begun, and to say so. Nothing new is taken until there is space again.
                self.low = true;
                self.shared.note(&Notice::control("disk_full", self.clock.now().wall));
                continue;
            }
            if self.shared.pending().closed {
                return Err(GivenUp);
            }
            std::thread::sleep(RETRY);
        }
        self.said = None;
        if self.sequencer.take_mended() {
            tracing::warn!("bundles and tiles whose sync had failed were written anew");
            self.shared.note(&Notice::control("restored", self.clock.now().wall).with("what", UNSYNCED));
        }
        if !self.low && self.held.vigil.astray.is_none() {
            self.shared.recover();
        }
        Ok(())
    }

    /// Says why the log cannot be written: when that begins, when it is for another reason, and now and then.
    fn say(&mut self, cause: &io::Error) {
        let (cause, now) = (cause.to_string(), self.clock.tick());
        if self.said.as_ref().is_none_or(|(said, at)| *said != cause || AGAIN <= now.since(*at)) {
            tracing::error!(cause, "audit log cannot be written");
            self.said = Some((cause, now));
        }
    }

    /// Fills the reserve again, once there is space.
    fn take_back(&mut self) {
        if self.low && self.held.reserve.hold().is_ok() {
            self.low = false;
            self.shared.note(&Notice::control("disk_free", self.clock.now().wall));
            if self.held.vigil.astray.is_none() {
                self.shared.recover();
            }
        }
    }
}
