//! The writer, and the memory between it and the requests.
//!
//! Request tasks hand over finished bytes; one thread numbers, hashes, writes and syncs them, many at a time. A failed
//! write keeps its bytes and is tried again, and until it succeeds the log says that it is not writable.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::{Clock, Random};
use tokio::sync::watch;

use crate::note::Signer;
use crate::recover::{Recovered, Unrecoverable, recover};
use crate::shared::Shared;
use crate::unsaid::Unsaid;
use crate::watch::{Home, Locks};
use crate::writer::{Held, Writer};
use crate::{AuditSettings, Author, Entry, InFlight, Notice, Place, SubjectKey, Subjects, UnderWay, disk};

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
    #[error("audit log `{path}`: {cause}{advice}", path = .path.display(), advice = .cause.advice())]
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
    writer: Mutex<Option<JoinHandle<u64>>>,
    home: Home,
    unsaid: Unsaid,
    /// The last of the entries that say what is unsaid, by its number in this run; 0 where nothing says it, or it is forgotten.
    begun: AtomicU64,
}

/// The log could not be written before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} entries are lost: the audit log could not be written before the end")]
pub struct Lost(pub u64);

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
        let locks = Locks::take(folder).map_err(failed)?.ok_or_else(|| OpenError::Taken(folder.to_owned()))?;
        let home = Home::of(folder).map_err(failed)?;
        let unsaid = Unsaid::beside(anchor.as_deref());
        let held = Held::over(folder, locks, settings.reserve_bytes).map_err(failed)?;
        let key = format!("{}\n", signer.verifier());
        let unrecoverable = |cause| OpenError::Unrecoverable { path: folder.to_owned(), cause };
        let tags = signer.tags().clone();
        let (mut sequencer, mut recovered) = recover(folder, signer, anchor).map_err(unrecoverable)?;
        sequencer.follow_after(settings.wal_bytes);
        let bounds = (Duration::from_millis(settings.strict_wait_ms), settings.backlog_entries);
        let (in_flight, lost) =
            InFlight::open(folder, bounds, tags).map_err(|cause| failed(io::Error::other(cause)))?;
        recovered.lost = lost;
        recovered.unwritten = unsaid.lost();
        disk::put_durably(&folder.join("vkey"), key.as_bytes()).map_err(failed)?;
        let shared = Arc::new(Shared::new(settings, author, in_flight, subjects));
        let (told, durable) = watch::channel(0);
        let watched = (Arc::clone(&shared), Arc::clone(&clock));
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let _ = thread("audit-watch").spawn(move || watched.0.watch(&*watched.1)).map_err(failed)?;
        let writer = Writer::new(Arc::clone(&shared), sequencer, clock, told, held);
        let writer = thread("audit").spawn(move || writer.run()).map_err(failed)?;
        let (before, folder) = (recovered.next, folder.to_owned());
        let (writer, begun) = (Mutex::new(Some(writer)), AtomicU64::default());
        Ok((Self { shared, before, durable, folder, writer, home, unsaid, begun }, recovered))
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

    /// Hands over the entries with which a run begins, which say what runs and starts before have left unsaid. Until they are
    /// on the disk each start says it.
    pub fn begin(&self, notices: &[Notice]) {
        let number = notices.iter().map(|it| self.note(it)).last();
        self.begun.store(number.unwrap_or_default(), Ordering::Release);
    }

    /// The keys of those whom entries speak of.
    pub fn subjects(&self) -> &Subjects {
        &self.shared.subjects
    }

    /// The key that seals what entries say of somebody. Where one must be drawn, waits for the disk as long as the settings
    /// say.
    pub async fn subject(
        &self,
        tenant: &str,
        name: &str,
        random: &Arc<dyn Random>,
    ) -> Result<Arc<SubjectKey>, Unwritable> {
        if let Some(key) = self.shared.subjects.known(tenant, name) {
            return Ok(key);
        }
        let (shared, random) = (Arc::clone(&self.shared), Arc::clone(random));
        let (tenant, name) = (tenant.to_owned(), name.to_owned());
        let drawn = async {
            // One at a time: where the disk hangs, one thread does.
            let turn = Arc::clone(&self.shared.drawing).acquire_owned().await.map_err(io::Error::other)?;
            let draw = move || {
                let _turn = turn;
                shared.subjects.key(&tenant, &name, &*random)
            };
            tokio::task::spawn_blocking(draw).await.map_err(io::Error::other)?
        };
        let wait = Duration::from_millis(self.shared.settings.strict_wait_ms);
        let drawn = tokio::time::timeout(wait, drawn).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        drawn.map_err(|cause| {
            tracing::error!(%cause, "the key that seals what entries say of a caller cannot be kept");
            Unwritable
        })
    }

    /// Enters requests that the run before sent on and never entered. The next start names them again, should this process
    /// die before that is on the disk.
    pub fn note_lost(&self, requests: &[UnderWay]) {
        let number = requests.iter().map(|it| self.note(&it.notice())).last();
        self.shared.in_flight.said(number.unwrap_or_default());
    }

    /// Notes that a request is about to be sent on, so that the next start knows of it should its entry never be written.
    /// Waits for the disk as long as the settings say.
    pub async fn send_on(&self, request: &UnderWay) -> Result<Place, Unwritable> {
        self.shared.in_flight.enter(request).await.map_err(|cause| {
            tracing::error!(%cause, "the table of requests in flight cannot be written");
            Unwritable
        })
    }

    /// Notes that the entry of such a request has been handed over.
    pub fn leave(&self, place: Place) {
        self.shared.in_flight.leave(place, self.appended());
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

    /// Which files of it somebody has taken away or changed, in the operator's words. Entries reach the disk all the same.
    pub fn missing(&self) -> Option<String> {
        self.shared.missing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the entries that are not on the disk yet are below their bounds.
    pub async fn room(&self) {
        while !self.has_room() {
            let woken = self.shared.room.notified();
            if !self.has_room() {
                woken.await;
            }
        }
    }

    /// The same, for as long as the settings say: whoever is let in after that would wait for its end instead.
    pub async fn admit(&self) -> Result<(), Unwritable> {
        if self.has_room() {
            return Ok(());
        }
        let wait = Duration::from_millis(self.shared.settings.strict_wait_ms);
        tokio::time::timeout(wait, self.room()).await.map_err(|_| Unwritable)
    }

    fn has_room(&self) -> bool {
        let AuditSettings { backlog_bytes, backlog_entries, .. } = self.shared.settings;
        let durable = self.durable();
        let mut pending = self.shared.pending();
        if pending.bytes.len() <= backlog_bytes && pending.appended.saturating_sub(durable) <= backlog_entries {
            return true;
        }
        // Somebody waits for the disk, and not for more entries to gather.
        pending.urgent = true;
        self.shared.wake.notify_one();
        false
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

    /// Writes, syncs and signs what is left, and ends the writing: what is handed over after that goes nowhere.
    pub fn close(&self) -> Result<(), Lost> {
        self.shared.pending().closed = true;
        self.shared.wake.notify_one();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A writer that panicked has not said how many: what it did not make certain is lost.
        let lost = writer.map(|it| it.join().unwrap_or_else(|_| self.appended().saturating_sub(self.durable())));
        self.forget_unsaid();
        self.shared.stall.end();
        // What was handed over and not taken is counted once: whoever closes it again hears of what came since.
        let since = std::mem::take(&mut self.shared.pending().ends).len() as u64;
        match lost.unwrap_or(since) {
            0 => Ok(()),
            lost => {
                self.unsaid.lose(lost);
                Err(Lost(lost))
            }
        }
    }

    /// Waits, for as long as the settings say, until what [`Log::begin`] was given is on the disk, and forgets what was unsaid;
    /// else the end does.
    pub async fn forget_said(&self) {
        let begun = self.begun.load(Ordering::Acquire);
        if self.durable_up_to(begun).await.is_ok() {
            self.forget_unsaid();
        }
    }

    /// Once, because what this run leaves comes after it.
    fn forget_unsaid(&self) {
        let begun = self.begun.load(Ordering::Acquire);
        if (1..=self.durable()).contains(&begun) && self.begun.swap(0, Ordering::AcqRel) == begun {
            self.unsaid.forget();
        }
    }

    /// What tells the folder of this log from any other. Does not keep the log open.
    pub fn home(&self) -> Home {
        self.home.clone()
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

async fn reached(mut count: watch::Receiver<u64>, number: u64, patience: Duration) -> Result<(), Unwritable> {
    match tokio::time::timeout(patience, count.wait_for(|it| number <= *it)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Unwritable),
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Err(cause) = self.close() {
            tracing::error!(%cause, "the audit log was closed too early");
        }
    }
}
