//! The file, its writer, and the memory between them.
//!
//! Request tasks hand over finished bytes; one thread numbers, chains, writes and syncs them. A failed write keeps its
//! bytes and is tried again, and until it succeeds the log says that it is not writable.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::{Clock, Tick};
use tokio::sync::Notify;

use crate::chain::{self, Link};
use crate::recover::{Recovered, recover};
use crate::{AuditSettings, Entry};

/// How long the writer waits before it tries a failed write again.
const RETRY: Duration = Duration::from_millis(200);

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or file cannot be used.
    #[error("log `{path}` cannot be opened: {cause}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Another process is writing it.
    #[error("log `{path}` is being written by another process", path = .0.display())]
    Taken(PathBuf),
    /// Its end is not an entry, so that nothing can be bound to it.
    #[error("log `{path}` does not end in an entry: move it away and keep it as evidence", path = .0.display())]
    NotALog(PathBuf),
}

/// The log cannot take entries now: what needs one must be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written")]
pub struct Unwritable;

/// The append-only log. Dropping it writes and syncs what is left.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    pending: Mutex<Pending>,
    wake: Condvar,
    room: Notify,
    writable: AtomicBool,
    durable: AtomicU64,
    settings: AuditSettings,
}

#[derive(Debug, Default)]
struct Pending {
    /// Entries end to end.
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    appended: u64,
    closed: bool,
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Opens or makes `<folder>/entries.jsonl`, cuts a torn last line, and starts the writer.
    pub fn open(folder: &Path, settings: AuditSettings, clock: Arc<dyn Clock>) -> Result<(Self, Recovered), OpenError> {
        let path = folder.join("entries.jsonl");
        let failed = |cause| OpenError::Io { path: path.clone(), cause };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Taken(path)),
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        let (recovered, prev) = recover(&mut file).map_err(failed)?.ok_or(OpenError::NotALog(path.clone()))?;
        let shared = Arc::new(Shared {
            pending: Mutex::default(),
            wake: Condvar::new(),
            room: Notify::new(),
            writable: AtomicBool::new(true),
            durable: AtomicU64::new(0),
            settings,
        });
        let writer = Writer { shared: Arc::clone(&shared), file, clock, next: recovered.next, prev, synced: None };
        let thread = std::thread::Builder::new().name("audit".to_owned());
        let writer = thread.spawn(move || writer.run()).map_err(failed)?;
        Ok((Self { shared, writer: Some(writer) }, recovered))
    }

    /// Hands one entry over. Never blocks and never drops; [`Log::room`] is where to wait first.
    pub fn append(&self, entry: &Entry<'_>) {
        let mut pending = self.shared.pending();
        entry.write(&mut pending.bytes);
        let end = pending.bytes.len();
        pending.ends.push(end);
        pending.appended += 1;
        if pending.ends.len() == 1 {
            self.shared.wake.notify_one();
        }
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

    /// How many entries were handed over since this process started.
    pub fn appended(&self) -> u64 {
        self.shared.pending().appended
    }

    /// How many of them are on the disk for certain.
    pub fn durable(&self) -> u64 {
        self.shared.durable.load(Ordering::Acquire)
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
    file: File,
    clock: Arc<dyn Clock>,
    next: u64,
    prev: Link,
    synced: Option<Tick>,
}

impl Writer {
    fn run(mut self) {
        let (mut taken, mut lines) = (Pending::default(), Vec::new());
        let mut unsynced = 0;
        loop {
            taken.bytes.clear();
            taken.ends.clear();
            lines.clear();
            let closed = self.collect(&mut taken, unsynced > 0);
            let mut begin = 0;
            for end in &taken.ends {
                let entry = taken.bytes.get(begin..*end).unwrap_or_default();
                self.prev = chain::write_line(&mut lines, self.next, &self.prev, entry);
                self.next += 1;
                unsynced += 1;
                begin = *end;
            }
            if !self.until_done(|file| file.write_all(&lines)) {
                return self.give_up(unsynced);
            }
            let due = self
                .synced
                .is_none_or(|it| self.clock.tick().since(it) >= Duration::from_millis(self.shared.settings.sync_ms));
            if unsynced > 0 && (due || closed) {
                if !self.until_done(|file| file.sync_data()) {
                    return self.give_up(unsynced);
                }
                self.synced = Some(self.clock.tick());
                self.shared.durable.fetch_add(std::mem::take(&mut unsynced), Ordering::AcqRel);
            }
            self.shared.room.notify_waiters();
            if closed {
                return;
            }
        }
    }

    /// Waits for entries, lets more gather, and takes them all.
    fn collect(&self, taken: &mut Pending, unsynced: bool) -> bool {
        let mut pending = self.shared.pending();
        while pending.bytes.is_empty() && !pending.closed {
            if unsynced {
                let wait = Duration::from_millis(self.shared.settings.sync_ms);
                let woken = self.shared.wake.wait_timeout(pending, wait);
                let (back, timeout) = woken.unwrap_or_else(PoisonError::into_inner);
                pending = back;
                if timeout.timed_out() {
                    break;
                }
            } else {
                pending = self.shared.wake.wait(pending).unwrap_or_else(PoisonError::into_inner);
            }
        }
        if !pending.closed && !pending.bytes.is_empty() {
            drop(pending);
            std::thread::sleep(Duration::from_millis(self.shared.settings.flush_ms));
            pending = self.shared.pending();
        }
        // The buffers change places, so that none is allocated anew.
        std::mem::swap(&mut pending.bytes, &mut taken.bytes);
        std::mem::swap(&mut pending.ends, &mut taken.ends);
        pending.closed
    }

    /// Says what is lost because the process ends before the log could be written again.
    fn give_up(&self, unsynced: u64) {
        let lost = unsynced + self.shared.pending().ends.len() as u64;
        tracing::error!(lost, "the audit log could not be written before the end: entries are lost");
    }

    /// Does one thing to the file until it succeeds; when the process is ending, until it fails.
    fn until_done(&mut self, act: impl Fn(&mut File) -> io::Result<()>) -> bool {
        let Ok(start) = io::Seek::stream_position(&mut self.file) else { return false };
        loop {
            match act(&mut self.file) {
                Ok(()) => {
                    self.shared.writable.store(true, Ordering::Release);
                    return true;
                }
                Err(cause) => {
                    self.shared.writable.store(false, Ordering::Release);
                    tracing::error!(%cause, "audit log cannot be written");
                    if self.shared.pending().closed {
                        return false;
                    }
                    // A short write leaves half a line: go back and write the whole of it again.
                    let _ = self.file.set_len(start);
                    let _ = io::Seek::seek(&mut self.file, io::SeekFrom::Start(start));
                    std::thread::sleep(RETRY);
                }
            }
        }
    }
}
