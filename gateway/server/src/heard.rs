//! How far a running gateway has followed its registry, for commands: none says that it is done before the gateway acts by it.
//!
//! It is in a file of the data folder that the gateway locks for as long as it runs, and that holds nothing else.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::Version;
use identity::{Follower, NotHonoured};
use tokio::time::{interval, timeout};

/// How long a command waits for the gateway: many times as long as it takes where nothing is wrong.
const PATIENCE: Duration = Duration::from_secs(3);

/// How many bytes the file has: two numbers, the least byte first.
const SAID: usize = 16;

/// How often a command looks.
const LOOK: Duration = Duration::from_millis(5);

/// The gateway's own side: it has followed up to what it says here.
#[derive(Debug)]
pub(crate) struct Heard {
    file: File,
    looks: AtomicU64,
}

/// What a gateway has said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said {
    /// It acts by whatever was published up to this version.
    version: Version,
    /// How many times it has looked at the registry and found it to be its own.
    looks: u64,
}

impl Heard {
    /// Says from now on how far this gateway has come.
    pub(crate) fn open(data: &Path, version: Version) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(place(data))?;
        // What a command has said before that is nothing to this run.
        file.lock()?;
        let heard = Self { file, looks: AtomicU64::new(0) };
        heard.up_to(version)?;
        Ok(heard)
    }

    /// It has looked once more, and acts by whatever was published up to this version.
    pub(crate) fn up_to(&self, version: Version) -> io::Result<()> {
        let looks = self.looks.fetch_add(1, Ordering::Relaxed) + 1;
        let mut said = [0; SAID];
        let (one, other) = said.split_at_mut(SAID / 2);
        one.copy_from_slice(&version.to_le_bytes());
        other.copy_from_slice(&looks.to_le_bytes());
        self.file.write_all_at(&said, 0)
    }
}

/// The gateway that runs beside a command, if one does.
#[derive(Debug)]
pub(crate) struct Running(PathBuf);

impl Running {
    pub(crate) fn beside(data: &Path) -> Self {
        Self(place(data))
    }

    /// How far the gateway has come; nothing where none runs.
    fn heard(&self) -> io::Result<Option<Said>> {
        let file = match File::open(&self.0) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        match file.try_lock_shared() {
            Ok(()) => return Ok(None),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(cause)) => return Err(cause),
        }
        let mut said = [0; SAID];
        match file.read_exact_at(&mut said, 0) {
            // It has just begun, and reads the registry after this was published.
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let (numbers, _) = said.as_chunks::<8>();
        Ok(match numbers {
            [version, looks] => Some(Said { version: u64::from_le_bytes(*version), looks: u64::from_le_bytes(*looks) }),
            _ => None,
        })
    }
}

#[async_trait]
impl Follower for Running {
    async fn honours(&self, version: Version) -> Result<(), NotHonoured> {
        let followed = async {
            let mut look = interval(LOOK);
            let mut least = None;
            loop {
                look.tick().await;
                match self.heard() {
                    Ok(Some(heard)) if heard.version < version => least = Some(0),
                    // It may have come so far before this was published, in another registry: that it has looked since
                    // says that this is the one. A look may be under way, which began before.
                    Ok(Some(heard)) if heard.looks < *least.get_or_insert(heard.looks + 2) => {}
                    Ok(_) => return Ok(()),
                    Err(cause) => {
                        tracing::debug!(%cause, "nobody can say whether a gateway runs");
                        return Err(NotHonoured);
                    }
                }
            }
        };
        timeout(PATIENCE, followed).await.unwrap_or(Err(NotHonoured))
    }
}

fn place(data: &Path) -> PathBuf {
    data.join("followed")
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_version_that_it_had_come_to_before_counts_once_it_has_looked_since() {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::beside(folder.path());
        let gateway = Heard::open(folder.path(), 9).unwrap();
        assert_eq!(
            running.honours(6).await,
            Err(NotHonoured),
            "the registry may be an older one, which it does not follow"
        );
        let (honoured, ()) = tokio::join!(running.honours(6), async {
            for _ in 0..2 {
                sleep(LOOK * 3).await;
                gateway.up_to(9).unwrap();
            }
        });
        assert_eq!(honoured, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_publishes_waits_for_the_gateway_that_runs_and_for_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::beside(folder.path());
        assert_eq!(running.honours(7).await, Ok(()), "none has ever run");
        let gateway = Heard::open(folder.path(), 6).unwrap();
        assert_eq!(running.honours(7).await, Err(NotHonoured));
        let (honoured, ()) = tokio::join!(running.honours(7), async {
            sleep(LOOK * 3).await;
            gateway.up_to(7).unwrap();
        });
        assert_eq!(honoured, Ok(()));
        drop(gateway);
        assert_eq!(running.honours(8).await, Ok(()), "none runs any more");
    }
}
