//! What the requests and the writer of a log have in common: entries on their way, and how the log stands.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Clock;
use tokio::sync::{Notify, Semaphore, watch};

use crate::stall::Stall;
use crate::tree::LEAF;
use crate::{AuditSettings, Author, InFlight, Notice, Subjects};

/// What requests and the writer have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pending: Mutex<Pending>,
    pub(crate) wake: Condvar,
    pub(crate) room: Notify,
    pub(crate) writable: AtomicBool,
    pub(crate) settings: AuditSettings,
    author: Author,
    pub(crate) in_flight: InFlight,
    pub(crate) subjects: Subjects,
    /// Whoever draws a key for a subject.
    pub(crate) drawing: Arc<Semaphore>,
    /// How many entries of this run are signed for.
    pub(crate) signed: watch::Sender<u64>,
    /// How many times the log was sealed as somebody asked.
    pub(crate) sealed: watch::Sender<u64>,
    /// Why nothing is taken, in the operator's words.
    pub(crate) trouble: Mutex<Option<String>>,
    /// Which files others have taken away, in the operator's words.
    pub(crate) missing: Mutex<Option<String>>,
    /// Whether strict operations are held, which each of them asks, and why.
    pub(crate) is_held: AtomicBool,
    pub(crate) held: Mutex<Option<String>>,
    /// How long the disk has been waited for.
    pub(crate) stall: Stall,
}

/// What has been handed over and not been taken by the writer yet.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Entries end to end, each after the byte that stands before it when it is hashed.
    pub(crate) bytes: Vec<u8>,
    /// Where each of them ends.
    pub(crate) ends: Vec<usize>,
    pub(crate) appended: u64,
    /// Somebody waits until what is here is durable.
    pub(crate) urgent: bool,
    /// How many times somebody asked for the log to be sealed.
    pub(crate) seals: u64,
    pub(crate) closed: bool,
}

impl Shared {
    pub(crate) fn new(settings: AuditSettings, author: Author, in_flight: InFlight, subjects: Subjects) -> Self {
        Self {
            pending: Mutex::default(),
            wake: Condvar::new(),
            room: Notify::new(),
            writable: AtomicBool::new(true),
            settings,
            author,
            in_flight,
            subjects,
            drawing: Arc::new(Semaphore::new(1)),
            signed: watch::Sender::new(0),
            sealed: watch::Sender::new(0),
            trouble: Mutex::default(),
            missing: Mutex::default(),
            is_held: AtomicBool::new(false),
            held: Mutex::default(),
            stall: Stall::default(),
        }
    }

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

    /// Treats a disk that does not answer as one that refuses, for as long as the log is written.
    pub(crate) fn watch(&self, clock: &dyn Clock) {
        let ms = self.settings.stall_ms;
        self.stall.watch(clock, Duration::from_millis(ms), || {
            self.fail(&format!("the disk has not answered for {ms} ms"));
            tracing::error!(ms, "the disk does not answer: the audit log cannot be written");
        });
    }

    pub(crate) fn note(&self, notice: &Notice) -> u64 {
        self.hand_over(|author, node_seq, out| notice.write(author, node_seq, out))
    }

    pub(crate) fn hand_over(&self, write: impl FnOnce(&Author, u64, &mut Vec<u8>)) -> u64 {
        let mut pending = self.pending();
        let node_seq = pending.appended;
        pending.bytes.push(LEAF);
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
