//! The writer, and the memory between it and the requests.
//!
//! Request tasks hand over finished bytes; one thread numbers, hashes, writes and syncs them, many at a time. A failed
//! write keeps its bytes and is tried again, and until it succeeds the log says that it is not writable.

use std::fs::{OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::Clock;
use tokio::sync::{Notify, watch};

use crate::note::Signer;
use crate::recover::{Recovered, Unrecoverable, recover};
use crate::writer::{Held, Writer};
use crate::{AuditSettings, Author, Entry, InFlight, Notice, Place, Subjects, UnderWay, disk};

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

/// The secrets of a log.
#[derive(Debug)]
pub struct Custody {
    /// Who signs it.
    pub signer: Signer,
    /// The keys of those whom its entries speak of.
    pub subjects: Subjects,
    /// Where the newest kept checkpoint lies once more, out of reach of whoever can change the folder of the log alone.
    pub anchor: Option<PathBuf>,
}

impl From<Signer> for Custody {
    /// Whoever is spoken of is forgotten when the process ends.
    fn from(signer: Signer) -> Self {
        Self { signer, subjects: Subjects::passing(), anchor: None }
    }
}

/// The log cannot take entries now: what needs one must be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written")]
pub struct Unwritable;

/// Strict operations are held: somebody who must be given entries has not accepted them for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("strict operations are held until a required receiver accepts entries")]
pub struct OnHold;

/// The append-only log. Dropping it writes, syncs and signs what is left.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    /// How many entries there were when it was opened.
    before: u64,
    durable: watch::Receiver<u64>,
    folder: PathBuf,
    writer: Option<JoinHandle<()>>,
}

/// What requests and the writer have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pending: Mutex<Pending>,
    pub(crate) wake: Condvar,
    pub(crate) room: Notify,
    writable: AtomicBool,
    pub(crate) settings: AuditSettings,
    author: Author,
    pub(crate) in_flight: InFlight,
    pub(crate) subjects: Subjects,
    /// How many entries of this run are signed for.
    pub(crate) signed: watch::Sender<u64>,
    /// How many times the log was sealed as somebody asked.
    pub(crate) sealed: watch::Sender<u64>,
    /// Why nothing is taken, in the operator's words.
    trouble: Mutex<Option<String>>,
    /// Whether strict operations are held, which each of them asks, and why.
    is_held: AtomicBool,
    held: Mutex<Option<String>>,
}

/// What has been handed over and not been taken by the writer yet.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Entries end to end.
    pub(crate) bytes: Vec<u8>,
    /// Where each of them ends.
    pub(crate) ends: Vec<usize>,
    appended: u64,
    /// Somebody waits until what is here is durable.
    pub(crate) urgent: bool,
    /// How many times somebody asked for the log to be sealed.
    pub(crate) seals: u64,
    pub(crate) closed: bool,
}

impl Shared {
    pub(crate) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nothing is taken, for this reason.
    pub(crate) fn fail(&self, why: &str) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
        self.writable.store(false, Ordering::Release);
    }

    pub(crate) fn recover(&self) {
        if !self.writable.swap(true, Ordering::AcqRel) {
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    pub(crate) fn note(&self, notice: &Notice) -> u64 {
        self.hand_over(|author, node_seq, out| notice.write(author, node_seq, out))
    }

    fn hand_over(&self, write: impl FnOnce(&Author, u64, &mut Vec<u8>)) -> u64 {
        let mut pending = self.pending();
        let node_seq = pending.appended;
        write(&self.author, node_seq, &mut pending.bytes);
        let end = pending.bytes.len();
        pending.ends.push(end);
        pending.appended += 1;
        if pending.ends.len() == 1 {
            self.wake.notify_one();
        }
        node_seq + 1
    }
}

impl Log {
    /// Opens or makes the log in this folder, cuts a torn end, and starts the writer.
    pub fn open(
        folder: &Path,
        settings: AuditSettings,
        custody: impl Into<Custody>,
        author: Author,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Recovered), OpenError> {
        let Custody { signer, subjects, anchor } = custody.into();
        let failed = |cause| OpenError::Io { path: folder.to_owned(), cause };
        disk::make_folder_durably(folder).map_err(failed)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join("LOCK"));
        let lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Taken(folder.to_owned())),
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        let held = Held::over(folder, lock, settings.reserve_bytes).map_err(failed)?;
        let key = format!("{}\n", signer.verifier());
        let unrecoverable = |cause| OpenError::Unrecoverable { path: folder.to_owned(), cause };
        let (sequencer, mut recovered) = recover(folder, signer, anchor).map_err(unrecoverable)?;
        let (in_flight, lost) = InFlight::open(folder).map_err(|cause| failed(io::Error::other(cause)))?;
        recovered.lost = lost;
        disk::put_durably(&folder.join("vkey"), key.as_bytes()).map_err(failed)?;
        let shared = Arc::new(Shared {
            pending: Mutex::default(),
            wake: Condvar::new(),
            room: Notify::new(),
            writable: AtomicBool::new(true),
            settings,
            author,
            in_flight,
            subjects,
            signed: watch::Sender::new(0),
            sealed: watch::Sender::new(0),
            trouble: Mutex::default(),
            is_held: AtomicBool::new(false),
            held: Mutex::default(),
        });
        let (told, durable) = watch::channel(0);
        let writer = Writer::new(Arc::clone(&shared), sequencer, clock, told, held);
        let thread = std::thread::Builder::new().name("audit".to_owned());
        let writer = thread.spawn(move || writer.run()).map_err(failed)?;
        let (before, folder) = (recovered.next, folder.to_owned());
        Ok((Self { shared, before, durable, folder, writer: Some(writer) }, recovered))
    }

    /// Hands one entry over, and gives its number among those of this run, from 1. Never blocks and never drops;
    /// [`Log::room`] is where to wait first.
    pub fn append(&self, entry: &Entry<'_>) -> u64 {
        self.shared.hand_over(|author, node_seq, out| entry.write(author, node_seq, out))
    }

    /// Hands over an entry about something else than a request, as [`Log::append`] does.
    pub fn note(&self, notice: &Notice) -> u64 {
        self.shared.note(notice)
    }

    /// The keys of those whom entries speak of.
    pub fn subjects(&self) -> &Subjects {
        &self.shared.subjects
    }

    /// Notes that a request is about to be sent on, so that the next start knows of it should its entry never be written.
    pub fn send_on(&self, request: &UnderWay) -> Result<Place, Unwritable> {
        self.shared.in_flight.enter(request).map_err(|cause| {
            tracing::error!(%cause, "the table of requests in flight cannot be written");
            Unwritable
        })
    }

    /// Notes that the entry of such a request has been handed over.
    pub fn leave(&self, place: Place) {
        self.shared.in_flight.leave(place, self.appended(), self.durable());
    }

    /// Whether entries are reaching the disk.
    pub fn writable(&self) -> Result<(), Unwritable> {
        if self.shared.writable.load(Ordering::Acquire) { Ok(()) } else { Err(Unwritable) }
    }

    /// Why they are not, in the operator's words.
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Holds strict operations for this reason from now on, or lets them go on. Entries are taken all the same.
    pub fn hold(&self, why: Option<String>) {
        let mut held = self.shared.held.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.is_held.store(why.is_some(), Ordering::Relaxed);
        *held = why;
    }

    /// Whether a strict operation may go on.
    pub fn may_be_strict(&self) -> Result<(), OnHold> {
        if self.shared.is_held.load(Ordering::Relaxed) { Err(OnHold) } else { Ok(()) }
    }

    /// Why it may not, in the operator's words.
    pub fn held(&self) -> Option<String> {
        self.shared.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        let wait = Duration::from_millis(self.shared.settings.strict_wait_ms);
        reached(self.durable.clone(), number, wait).await
    }

    /// Waits until this many entries of this run are signed for, which comes after they are on the disk.
    pub async fn signed_up_to(&self, number: u64, patience: Duration) -> Result<(), Unwritable> {
        reached(self.shared.signed.subscribe(), number, patience).await
    }

    /// Closes the write-ahead file, if a whole bundle is in it, and signs a checkpoint that is kept. Waits until that is done.
    pub async fn seal(&self, patience: Duration) -> Result<(), Unwritable> {
        let number = {
            let mut pending = self.shared.pending();
            pending.seals += 1;
            self.shared.wake.notify_one();
            pending.seals
        };
        reached(self.shared.sealed.subscribe(), number, patience).await
    }

    /// Where it is kept.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many entries were handed over since this process started.
    pub fn appended(&self) -> u64 {
        self.shared.pending().appended
    }

    /// How many of them are on the disk for certain.
    pub fn durable(&self) -> u64 {
        *self.durable.borrow()
    }

    /// How far the whole log is on the disk for certain, for whoever follows it. Does not keep the log open.
    pub fn horizon(&self) -> Horizon {
        Horizon { before: self.before, durable: self.durable.clone() }
    }
}

/// How far a log is on the disk for certain, as it grows.
#[derive(Clone, Debug)]
pub struct Horizon {
    before: u64,
    durable: watch::Receiver<u64>,
}

impl Horizon {
    /// How many entries of the log are on the disk for certain, those of earlier runs among them.
    pub fn end(&self) -> u64 {
        self.before + *self.durable.borrow()
    }

    /// Waits until the entry of this number is. Never resolves once the log is closed without it.
    pub async fn reach(&self, seq: u64) {
        let mut durable = self.durable.clone();
        if durable.wait_for(|it| seq < self.before + *it).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Whether some process writes this log now. One that died does not: its lock went with it.
pub fn is_being_written(log: &Path) -> io::Result<bool> {
    let lock = match std::fs::File::open(log.join("LOCK")) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(cause)) => Err(cause),
    }
}

async fn reached(mut count: watch::Receiver<u64>, number: u64, patience: Duration) -> Result<(), Unwritable> {
    match tokio::time::timeout(patience, count.wait_for(|it| number <= *it)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Unwritable),
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
