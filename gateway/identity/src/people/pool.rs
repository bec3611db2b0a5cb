//! Hashing passwords: slow on purpose, and therefore a few at a time, on threads that nobody else waits for.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::password::{Hash, SALT};

/// How many wait for each that is hashed. At 25 ms each that is less than a second, and whoever comes then is told to come
/// back.
const QUEUE: usize = 16;

/// As many passwords wait to be judged as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as many passwords wait to be judged as may")]
pub struct TooBusy;

/// Where passwords are hashed.
pub(crate) struct Passwords {
    /// Those that are being hashed.
    turns: Arc<Semaphore>,
    /// Those, and those that wait.
    places: Semaphore,
    hashed: Arc<AtomicU64>,
}

impl Passwords {
    /// For so many at once.
    pub(crate) fn new(at_once: NonZeroU32) -> Self {
        let at_once = usize::try_from(at_once.get()).unwrap_or(1);
        Self {
            turns: Arc::new(Semaphore::new(at_once)),
            places: Semaphore::new(at_once.saturating_mul(QUEUE + 1).min(Semaphore::MAX_PERMITS)),
            hashed: Arc::default(),
        }
    }

    /// How many were hashed so far.
    pub(crate) fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    /// The hash of a password, with this salt.
    pub(crate) async fn hash(&self, password: &str, salt: [u8; SALT]) -> Result<Hash, TooBusy> {
        self.work(password, move |it| Hash::of(it, salt)).await
    }

    /// Whether a password is the one that was hashed. Where nothing was, the work is the same, and the answer no.
    pub(crate) async fn verify(&self, password: &str, kept: Option<&str>) -> Result<bool, TooBusy> {
        let kept = kept.and_then(Hash::read).unwrap_or_else(Hash::nobodys);
        self.work(password, move |it| kept.holds(it)).await
    }

    async fn work<T: Send + 'static>(
        &self,
        password: &str,
        work: impl FnOnce(&[u8]) -> T + Send + 'static,
    ) -> Result<T, TooBusy> {
        let _place = self.places.try_acquire().map_err(|_| TooBusy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| TooBusy)?;
        let (password, hashed) = (Zeroizing::new(password.as_bytes().to_vec()), Arc::clone(&self.hashed));
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            hashed.fetch_add(1, Ordering::Relaxed);
            work(&password)
        });
        done.await.map_err(|_| TooBusy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_finds_the_queue_full_is_told_so_at_once() {
        let pool = Passwords::new(NonZeroU32::MIN);
        let _all = pool.places.acquire_many(17).await.unwrap();
        assert_eq!(pool.verify("x", None).await, Err(TooBusy));
        assert_eq!(pool.hashed(), 0);
    }

    #[tokio::test]
    async fn nobodys_password_costs_as_much_and_is_wrong() {
        let pool = Passwords::new(NonZeroU32::MIN);
        let kept = pool.hash("correct horse", [7; SALT]).await.unwrap().to_string();
        assert_eq!(pool.verify("correct horse", Some(&kept)).await, Ok(true));
        assert_eq!(pool.verify("correct horsf", Some(&kept)).await, Ok(false));
        assert_eq!(pool.verify("correct horse", None).await, Ok(false));
        assert_eq!(pool.verify("correct horse", Some("not a hash")).await, Ok(false));
        assert_eq!(pool.hashed(), 5);
    }
}
