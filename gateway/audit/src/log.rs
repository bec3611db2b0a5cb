//! The writer, and the memory between it and the requests.
//!
//! Request tasks hand over finished bytes; one thread numbers, hashes, writes and syncs them, many at a time. A failed
//! write keeps its bytes and is tried again, and until it succeeds the log says that it is not writable.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::{Clock, Tick};
use tokio::sync::{Notify, watch};

use crate::note::Signer;
use crate::recover::{Recovered, Unrecoverable, recover};
use crate::sequencer::Sequencer;
use crate::{AuditSettings, Control, Entry, disk};

/// How long the writer waits before it tries a failed write again.
const RETRY: Duration = Duration::from_millis(200);

/// How often one of the checkpoints is kept.
const KEEP: Duration = Duration::from_mins(1);

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or its lock cannot be used.
    #[error("audit log `{path}` cannot be opened: {cause}", path = .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Another process is writing it.
    #[error("audit log `{path}` is being written by another process", path = .0.display())]
    Taken(PathBuf),
    /// What is there cannot be gone on with.
    #[error("audit log `{path}`: {cause}; move it away and keep it as evidence", path = .path.display())]
    Unrecoverable {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        cause: Unrecoverable,
    },
}

/// The log cannot take entries now: what needs one must be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written")]
pub struct Unwritable;

/// The append-only log. Dropping it writes, syncs and signs what is left.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    durable: watch::Receiver<u64>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    pending: Mutex<Pending>,
    wake: Condvar,
    room: Notify,
    writable: AtomicBool,
    settings: AuditSettings,
}

#[derive(Debug, Default)]
struct Pending {
    /// Entries end to end.
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    appended: u64,
    /// Somebody waits until what is here is durable.
    urgent: bool,
    closed: bool,
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Opens or makes the log in this folder, cuts a torn end, and starts the writer.
    pub fn open(
        folder: &Path,
        settings: AuditSettings,
        signer: Signer,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Recovered), OpenError> {
        let failed = |cause| OpenError::Io { path: folder.to_owned(), cause };
        disk::make_folder_durably(folder).map_err(failed)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join("LOCK"));
        let lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Taken(folder.to_owned())),
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        let key = format!("{}\n", signer.verifier());
        let unrecoverable = |cause| OpenError::Unrecoverable { path: folder.to_owned(), cause };
        let (sequencer, recovered) = recover(folder, signer).map_err(unrecoverable)?;
        disk::put_durably(&folder.join("vkey"), key.as_bytes()).map_err(failed)?;
        let shared = Arc::new(Shared {
            pending: Mutex::default(),
            wake: Condvar::new(),
            room: Notify::new(),
            writable: AtomicBool::new(true),
            settings,
        });
        let (told, durable) = watch::channel(0);
        let now = clock.tick();
        let writer = Writer {
            shared: Arc::clone(&shared),
            sequencer,
            clock,
            told,
            synced: now,
            stated: now,
            kept: now,
            _lock: lock,
        };
        let thread = std::thread::Builder::new().name("audit".to_owned());
        let writer = thread.spawn(move || writer.run()).map_err(failed)?;
        Ok((Self { shared, durable, writer: Some(writer) }, recovered))
    }

    /// Hands one entry over, and gives its number among those of this run, from 1. Never blocks and never drops;
    /// [`Log::room`] is where to wait first.
    pub fn append(&self, entry: &Entry<'_>) -> u64 {
        self.hand_over(|node_seq, out| entry.write(node_seq, out))
    }

    /// Hands over an entry of the log about itself, as [`Log::append`] does.
    pub fn control(&self, control: &Control<'_>) -> u64 {
        self.hand_over(|node_seq, out| control.write(node_seq, out))
    }

    fn hand_over(&self, write: impl FnOnce(u64, &mut Vec<u8>)) -> u64 {
        let mut pending = self.shared.pending();
        let node_seq = pending.appended;
        write(node_seq, &mut pending.bytes);
        let end = pending.bytes.len();
        pending.ends.push(end);
        pending.appended += 1;
        if pending.ends.len() == 1 {
            self.shared.wake.notify_one();
        }
        node_seq + 1
    }

    /// Whether entries are reaching the disk.
    pub fn writable(&self) -> Result<(), Unwritable> {
        if self.shared.writable.load(Ordering::Acquire) { Ok(()) } else { Err(Unwritable) }
    }

    /// Waits until the entries in memory are below their bound.
    pub async fn room(&self) {
        while self.shared.pending().bytes.len() > self.shared.settings.backlog_bytes {
            let woken = self.shared.room.notified();
            if self.shared.pending().bytes.len() > self.shared.settings.backlog_bytes {
                woken.await;
            }
        }
    }

    /// Waits until this many entries of this run are on the disk for certain, for as long as the settings say.
    pub async fn durable_up_to(&self, number: u64) -> Result<(), Unwritable> {
        {
            let mut pending = self.shared.pending();
            pending.urgent = true;
            self.shared.wake.notify_one();
        }
        let mut durable = self.durable.clone();
        let wait = Duration::from_millis(self.shared.settings.strict_wait_ms);
        match tokio::time::timeout(wait, durable.wait_for(|it| number <= *it)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Unwritable),
        }
    }

    /// How many entries were handed over since this process started.
    pub fn appended(&self) -> u64 {
        self.shared.pending().appended
    }

    /// How many of them are on the disk for certain.
    pub fn durable(&self) -> u64 {
        *self.durable.borrow()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.pending().closed = true;
        self.shared.wake.notify_one();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

struct Writer {
    shared: Arc<Shared>,
    sequencer: Sequencer,
    clock: Arc<dyn Clock>,
    told: watch::Sender<u64>,
    /// When entries were last synced, when a checkpoint was last signed, and when one was last kept.
    synced: Tick,
    stated: Tick,
    kept: Tick,
    _lock: File,
}

/// The process is ending and the log cannot be written.
struct GivenUp;

impl Writer {
    fn run(mut self) {
        let mut taken = Pending::default();
        let mut unsynced = 0;
        loop {
            taken.bytes.clear();
            taken.ends.clear();
            let (closed, urgent) = self.collect(&mut taken, unsynced > 0);
            let mut begin = 0;
            for end in &taken.ends {
                self.sequencer.add(taken.bytes.get(begin..*end).unwrap_or_default());
                begin = *end;
            }
            unsynced += taken.ends.len() as u64;
            if self.put(&mut unsynced, urgent || closed, closed).is_err() {
                let lost = unsynced + self.shared.pending().ends.len() as u64;
                tracing::error!(lost, "the audit log could not be written before the end: entries are lost");
                return;
            }
            self.shared.room.notify_waiters();
            if closed {
                return;
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
            self.until_done(Sequencer::sync)?;
            self.synced = now;
            let count = std::mem::take(unsynced);
            self.told.send_modify(|it| *it += count);
            self.until_done(Sequencer::settle)?;
        }
        if state {
            let keep = closed || now.since(self.kept) >= KEEP;
            self.until_done(|it| it.state(keep))?;
            self.stated = now;
            if keep {
                self.kept = now;
            }
        }
        Ok(())
    }

    /// Waits for entries, lets more gather, and takes them all. Says whether it is the last time, and whether somebody
    /// waits for them.
    fn collect(&self, taken: &mut Pending, unsynced: bool) -> (bool, bool) {
        let settings = &self.shared.settings;
        let mut pending = self.shared.pending();
        while pending.bytes.is_empty() && !pending.closed && !(pending.urgent && unsynced) {
            let wait = match (unsynced, self.sequencer.is_ahead()) {
                (true, _) => Some(settings.sync_ms),
                (false, true) => Some(settings.checkpoint_ms),
                (false, false) => None,
            };
            let Some(wait) = wait else {
                pending = self.shared.wake.wait(pending).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let woken = self.shared.wake.wait_timeout(pending, Duration::from_millis(wait));
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
        (pending.closed, std::mem::take(&mut pending.urgent))
    }

    /// Does one thing until it succeeds; when the process is ending, until it fails.
    fn until_done(&mut self, act: impl Fn(&mut Sequencer) -> io::Result<()>) -> Result<(), GivenUp> {
        while let Err(cause) = act(&mut self.sequencer) {
            self.shared.writable.store(false, Ordering::Release);
            tracing::error!(%cause, "audit log cannot be written");
            if self.shared.pending().closed {
                return Err(GivenUp);
            }
            std::thread::sleep(RETRY);
        }
        self.shared.writable.store(true, Ordering::Release);
        Ok(())
    }
}
