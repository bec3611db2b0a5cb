//! Whoever writes lines on this machine: a thread of its own, because a write may take as long as it likes. Nobody waits for
//! it at the end of the process.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::sync::mpsc;

use tokio::sync::oneshot;

use super::file::Rotated;

/// Lines, the number of their first entry, and who wants to know what became of them.
type Job = (Vec<u8>, u64, oneshot::Sender<io::Result<()>>);

/// Hands lines to the thread.
#[derive(Debug)]
pub(super) struct Clerk(mpsc::Sender<Job>);

impl Clerk {
    /// One who writes to a file.
    pub(super) fn of_file(mut file: Rotated) -> io::Result<Self> {
        Self::start(move |lines, first| file.append(lines, first))
    }

    /// One who writes to standard output.
    pub(super) fn of_stdout() -> io::Result<Self> {
        // Not by way of the standard library's buffer: what is accepted has left the process.
        let mut out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
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
        Ok(Self(jobs))
    }

    /// Has lines written, and waits until they are.
    pub(super) async fn write(&self, lines: Vec<u8>, first: u64) -> io::Result<()> {
        let (told, written) = oneshot::channel();
        let gone = || io::Error::other("the thread that writes has ended");
        self.0.send((lines, first, told)).map_err(|_| gone())?;
        written.await.map_err(|_| gone())?
    }
}
