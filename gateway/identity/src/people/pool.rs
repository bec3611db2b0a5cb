//! Hashing passwords: slow on purpose, and therefore a few at a time, on threads that nobody else waits for and that run
//! where nobody else has anything to do.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::password::{Hash, SALT, Scratch};

/// How many wait for each that is hashed. At 25 ms each that is less than a second, and whoever comes then is told to come
/// back.
const QUEUE: usize = 16;

/// For how long a password is hashed with what others leave of the cores: many times what it takes where they leave some.
const PATIENCE: Duration = Duration::from_millis(500);

/// As many passwords wait to be judged as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as many passwords wait to be judged as may")]
pub struct TooBusy;

/// Where passwords are hashed.
pub(crate) struct Passwords {
    /// Those that are being hashed.
    turns: Arc<Semaphore>,
    /// The threads that give way. One that was not waited for any longer keeps its place until it is done, so that there
    /// are never more, and whoever finds none knows that the cores are taken.
    modest: Arc<Semaphore>,
    /// Those that are being hashed, and those that wait.
    places: Semaphore,
    hashed: AtomicU64,
    spare: Arc<Spare>,
    patience: Duration,
}

/// The memory of those who have had their turn, for those to come: of the time that a hash takes, having 19 MiB given and
/// taken away again would be a part, and while that is done the other threads wait for memory too.
#[derive(Default)]
struct Spare(Mutex<Vec<Scratch>>);

/// How a thread hashes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// With what others leave.
    Modest,
    /// As one among all.
    Ordinary,
}

/// What is done with a password.
struct Job<F> {
    password: Zeroizing<Vec<u8>>,
    work: F,
}

impl Passwords {
    /// For so many at once.
    pub(crate) fn new(at_once: NonZeroU32) -> Self {
        Self::patient(at_once, PATIENCE)
    }

    fn patient(at_once: NonZeroU32, patience: Duration) -> Self {
        let at_once = usize::try_from(at_once.get()).unwrap_or(1).min(Semaphore::MAX_PERMITS);
        Self {
            turns: Arc::new(Semaphore::new(at_once)),
            modest: Arc::new(Semaphore::new(at_once)),
            places: Semaphore::new(at_once.saturating_mul(QUEUE + 1).min(Semaphore::MAX_PERMITS)),
            hashed: AtomicU64::default(),
            spare: Arc::default(),
            patience,
        }
    }

    /// How many were hashed so far.
    pub(crate) fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    /// The hash of a password, with this salt.
    pub(crate) async fn hash(&self, password: &str, salt: [u8; SALT]) -> Result<Hash, TooBusy> {
        self.work(password, move |it, scratch| Hash::of(it, salt, scratch)).await
    }

    /// Whether a password is the one that was hashed. Where nothing was, the work is the same, and the answer no.
    pub(crate) async fn verify(&self, password: &str, kept: Option<&str>) -> Result<bool, TooBusy> {
        let kept = kept.and_then(Hash::read).unwrap_or_else(Hash::nobodys);
        self.work(password, move |it, scratch| kept.holds(it, scratch)).await
    }

    /// First by a thread that gives way. Where others leave it nothing for too long, once more by one that does not: else
    /// nobody could sign in while every core is busy.
    async fn work<T, F>(&self, password: &str, work: F) -> Result<T, TooBusy>
    where
        T: Send + 'static,
        F: Fn(&[u8], &mut Scratch) -> T + Send + Sync + 'static,
    {
        let _place = self.places.try_acquire().map_err(|_| TooBusy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| TooBusy)?;
        self.hashed.fetch_add(1, Ordering::Relaxed);
        let job = Arc::new(Job { password: Zeroizing::new(password.as_bytes().to_vec()), work });
        if let Ok(modest) = Arc::clone(&self.modest).try_acquire_owned()
            && let Ok(done) = timeout(self.patience, self.begin(&job, modest, Pace::Modest)?).await
        {
            return done.map_err(|_| TooBusy);
        }
        self.begin(&job, turn, Pace::Ordinary)?.await.map_err(|_| TooBusy)
    }

    /// On a thread of its own, which takes nothing to start beside a hash: those of the runtime do other things as well. It
    /// keeps its right to hash until it is done, also where whoever asked has hung up.
    fn begin<T, F>(
        &self,
        job: &Arc<Job<F>>,
        right: OwnedSemaphorePermit,
        pace: Pace,
    ) -> Result<oneshot::Receiver<T>, TooBusy>
    where
        T: Send + 'static,
        F: Fn(&[u8], &mut Scratch) -> T + Send + Sync + 'static,
    {
        let (job, spare) = (Arc::clone(job), Arc::clone(&self.spare));
        let (tell, told) = oneshot::channel();
        let run = move || {
            if pace == Pace::Modest {
                give_way();
            }
            let mut scratch = spare.take();
            let done = (job.work)(&job.password, &mut scratch);
            spare.give_back(scratch);
            drop(right);
            let _ = tell.send(done);
        };
        thread::Builder::new().name("password".to_owned()).spawn(run).map_err(|_| TooBusy)?;
        Ok(told)
    }
}

/// Has this thread run only where no other wants to, and make room at once for any that wakes up (`SCHED_IDLE`): one that is
/// merely less important (`nice`) is let finish its slice first, which is some milliseconds. Where the system does not have
/// it so, the thread is one like any other, and passwords are judged all the same.
fn give_way() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
}

impl Spare {
    fn take(&self) -> Scratch {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_back(&self, scratch: Scratch) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
    }
}

#[cfg(test)]
mod tests {
    use thread_priority::thread_schedule_policy;

    use super::*;

    const IDLE: ThreadSchedulePolicy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    const HOURS: Duration = Duration::from_hours(9);

    #[tokio::test]
    async fn whoever_finds_the_queue_full_is_told_so_at_once() {
        let pool = Passwords::new(NonZeroU32::MIN);
        let _all = pool.places.acquire_many(17).await.unwrap();
        assert_eq!(pool.verify("x", None).await, Err(TooBusy));
        assert_eq!(pool.hashed(), 0);
    }

    #[tokio::test]
    async fn nobodys_password_costs_as_much_and_is_wrong() {
        let pool = Passwords::patient(NonZeroU32::MIN, HOURS);
        let kept = pool.hash("correct horse", [7; SALT]).await.unwrap().to_string();
        assert_eq!(pool.verify("correct horse", Some(&kept)).await, Ok(true));
        assert_eq!(pool.verify("correct horsf", Some(&kept)).await, Ok(false));
        assert_eq!(pool.verify("correct horse", None).await, Ok(false));
        assert_eq!(pool.verify("correct horse", Some("not a hash")).await, Ok(false));
        assert_eq!(pool.hashed(), 5);
        assert_eq!(pool.spare.0.lock().unwrap().len(), 1, "one at a time, in the same memory");
    }

    #[tokio::test]
    async fn whoever_hashes_gives_way_to_every_other_thread() {
        let pool = Passwords::patient(NonZeroU32::MIN, HOURS);
        let policy = pool.work("x", |_, _| thread_schedule_policy().unwrap()).await.unwrap();
        assert_eq!(policy, IDLE);
        assert_ne!(thread_schedule_policy().unwrap(), policy, "and nobody else does");
    }

    #[tokio::test]
    async fn whoever_is_left_nothing_of_the_cores_is_judged_all_the_same() {
        let pool = Passwords::patient(NonZeroU32::MIN, Duration::ZERO);
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let held = Mutex::new(held);
        // What gives way gets no further until it is let go.
        let work = move |_: &[u8], _: &mut Scratch| {
            let policy = thread_schedule_policy().unwrap();
            if policy == IDLE {
                let _ = held.lock().unwrap().recv();
            }
            policy
        };
        assert_ne!(pool.work("x", work).await.unwrap(), IDLE);
        assert_eq!(pool.modest.available_permits(), 0);
        let policy = pool.work("y", |_, _| thread_schedule_policy().unwrap()).await.unwrap();
        assert_ne!(policy, IDLE, "nor does the next one wait");
        drop(let_go);
        let _again = pool.modest.acquire().await.unwrap();
        assert_eq!(pool.hashed(), 2);
    }
}
