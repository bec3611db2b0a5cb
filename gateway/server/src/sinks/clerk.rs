//! Whoever writes lines on this machine: a thread of its own, because a write may take as long as it likes. Nobody waits for
//! it at the end of the process, and nobody for longer than is said before: what is written after all may come twice.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::file::Rotated;

/// Lines, the number of their first entry, and who wants to know what became of them.
type Job = (Vec<u8>, u64, oneshot::Sender<io::Result<()>>);

/// Hands lines to the thread, one batch at a time.
#[derive(Debug)]
pub(super) struct Clerk {
    jobs: mpsc::Sender<Job>,
    /// What is being written still, although nobody waited any longer.
    late: Option<oneshot::Receiver<io::Result<()>>>,
}

/// Why lines were not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwritten {
    /// Nobody knows yet whether they will be.
    #[error("nothing has taken what was written for {0:?}")]
    Late(Duration),
    /// What the system said.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Clerk {
    /// One who writes to a file.
    pub(super) fn of_file(mut file: Rotated) -> io::Result<Self> {
        Self::start(move |lines, first| file.append(lines, first))
    }

    /// One who writes to standard output.
    pub(super) fn of_stdout() -> io::Result<Self> {
        // Not by way of the standard library's buffer: what is accepted has left the process.
        Self::of_output(File::from(io::stdout().as_fd().try_clone_to_owned()?))
    }

    fn of_output(mut out: File) -> io::Result<Self> {
        let mut torn = false;
        Self::start(move |lines, _| {
            // What a failed write left of a line is not made into one with what follows.
            let begun = if torn { out.write_all(b"\n") } else { Ok(()) };
            let written = begun.and_then(|()| out.write_all(lines));
            torn = written.is_err();
            written
        })
    }

    fn start(mut write: impl FnMut(&[u8], u64) -> io::Result<()> + Send + 'static) -> io::Result<Self> {
        let (jobs, taken) = mpsc::channel::<Job>();
        std::thread::Builder::new().name("sink".to_owned()).spawn(move || {
            for (lines, first, told) in taken {
                // Nobody may be left to tell; then it is written again by the next run.
                let _ = told.send(write(&lines, first));
            }
        })?;
        Ok(Self { jobs, late: None })
    }

    /// Has lines written, and waits so long until they are. While earlier ones are being written none are added to them.
    pub(super) async fn write(&mut self, lines: &[u8], first: u64, patience: Duration) -> Result<(), Unwritten> {
        if let Some(late) = self.late.take() {
            self.wait(late, patience).await?;
        }
        let (told, written) = oneshot::channel();
        let gone = || io::Error::other("the thread that writes has ended");
        self.jobs.send((lines.to_owned(), first, told)).map_err(|_| gone())?;
        self.wait(written, patience).await
    }

    async fn wait(
        &mut self,
        mut written: oneshot::Receiver<io::Result<()>>,
        patience: Duration,
    ) -> Result<(), Unwritten> {
        if let Ok(done) = timeout(patience, &mut written).await {
            return Ok(done.map_err(|_| io::Error::other("the thread that writes has ended"))??);
        }
        self.late = Some(written);
        Err(Unwritten::Late(patience))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[tokio::test]
    async fn what_nobody_reads_is_said_and_goes_on_once_somebody_does() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut clerk = Clerk::of_output(File::from(std::os::fd::OwnedFd::from(writer))).unwrap();
        // More than a pipe holds.
        let lines = vec![b'x'; 1 << 20];
        for _ in 0..3 {
            let said = clerk.write(&lines, 0, Duration::from_millis(1)).await.unwrap_err();
            assert!(matches!(said, Unwritten::Late(_)), "{said}");
        }
        let read = tokio::task::spawn_blocking(move || {
            let mut read = Vec::new();
            reader.read_to_end(&mut read).map(|_| read)
        });
        clerk.write(b"end", 1, Duration::from_mins(1)).await.unwrap();
        drop(clerk);
        let read = read.await.unwrap().unwrap();
        assert_eq!((read.len(), read.ends_with(b"end")), (lines.len() + 3, true), "lines that were late were added to");
    }
}
