//! The binaries under test, started as anybody would start them and ended by their own id.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::until;

/// Where a binary of this workspace was built: beside the test that asks.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the path of this test");
    let beside = own.parent().and_then(Path::parent).expect("a test lies in `deps`").join(name);
    assert!(
        beside.is_file(),
        "`{}` is not built: `make test` builds it, or `cargo build -p server -p cloud`",
        beside.display()
    );
    beside
}

/// A process of ours. It does not outlive this value.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
    lines: Receiver<String>,
    /// Held open: a program may take the end of its input as a sign that nobody needs it any more.
    _input: Option<ChildStdin>,
}

impl Running {
    /// Starts a command. What it says to standard error goes to `<folder>/<name>.log`.
    #[track_caller]
    pub fn start(name: &str, folder: &Path, command: &mut Command) -> Self {
        let log = folder.join(format!("{name}.log"));
        let errors = File::options().create(true).append(true).open(&log).expect("a log in the test's own folder");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let input = child.stdin.take();
        let output = child.stdout.take().expect("a pipe was asked for");
        let (told, lines) = channel();
        // Reads to the end, so that the process never waits for a full pipe. Nobody need listen.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = told.send(line);
            }
        });
        Self { name: name.to_owned(), child, log, lines, _input: input }
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line it says, waited for at most `within`.
    #[track_caller]
    pub fn line(&mut self, within: Duration) -> String {
        let line = self.line_if_any(within);
        line.unwrap_or_else(|| {
            panic!("{} ended with {:?}; its log:\n{}", self.name, self.child.wait().ok(), self.log())
        })
    }

    /// The same; nothing where it ends without one.
    #[track_caller]
    pub fn line_if_any(&mut self, within: Duration) -> Option<String> {
        match self.lines.recv_timeout(within) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("{} said nothing for {within:?}; its log:\n{}", self.name, self.log())
            }
        }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours")
    }

    /// What it has said to standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal such as `TERM` or `HUP`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(sent.is_ok_and(|it| it.success()), "cannot send {name} to {}", self.name);
    }

    /// Lets it write nothing more to any file, as if its disk were full; or lets it again.
    #[track_caller]
    pub fn starve(&self, starve: bool) {
        let size = if starve { "--fsize=1:unlimited" } else { "--fsize=unlimited:unlimited" };
        let set = Command::new("prlimit").arg(size).arg("--pid").arg(self.id().to_string()).status();
        assert!(set.is_ok_and(|it| it.success()), "the limits of {} cannot be set", self.name);
    }

    /// Asks it to end, and waits until it has.
    #[track_caller]
    pub fn stop(&mut self, within: Duration) -> ExitStatus {
        self.signal("TERM");
        until(&format!("{} to end", self.name), within, || self.child.try_wait().expect("a child of ours"))
    }

    /// Ends it without asking, as a machine that loses power would.
    pub fn kill(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    #[expect(clippy::print_stderr, reason = "the report of a failed test shows what the process said")]
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.char_indices().rev().nth(4_000).map_or(0, |(at, _)| at);
            eprintln!("the end of the log of {}:\n{}", self.name, log.get(from..).unwrap_or_default());
        }
    }
}
