//! Logs that tests make.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use audit::note::Signer;
use audit::{AuditSettings, Author, DecisionSection, Entry, Log, OpenError, Outcome, Recovered, RequestSection};
use domain::{SystemClock, Timestamp};
use tempfile::TempDir;

/// Who signs them.
pub(crate) fn signer() -> Signer {
    Signer::from_seed("portcullis/test", &[1; 32]).unwrap()
}

/// Opens one for a run of this name.
pub(crate) fn open_as(folder: &Path, mut settings: AuditSettings, boot: &str) -> Result<(Log, Recovered), OpenError> {
    let author = Author { node: "test".to_owned(), boot: boot.to_owned() };
    // A busy machine is no disk that hangs.
    settings.stall_ms = 60_000;
    Log::open(folder, settings, signer(), author, Arc::new(SystemClock::new()))
}

/// Opens one for a run of its own.
pub(crate) fn open_with(folder: &Path, settings: AuditSettings) -> Result<(Log, Recovered), OpenError> {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    open_as(folder, settings, &format!("run-{}", RUNS.fetch_add(1, Ordering::Relaxed)))
}

/// Opens one for a run of its own, with settings as delivered.
pub(crate) fn open(folder: &Path) -> Result<(Log, Recovered), OpenError> {
    open_with(folder, AuditSettings { reserve_bytes: 0, ..AuditSettings::default() })
}

/// Lets a run write so many entries and end; the path of each is its number in the run.
pub(crate) fn append(folder: &Path, count: usize) {
    let (log, _) = open(folder).unwrap();
    for number in 0..count {
        let _ = log.append(&entry(&format!("/{number}")));
    }
}

/// One entry of a run.
pub(crate) fn entry(path: &str) -> Entry<'_> {
    Entry {
        schema: 1,
        class: "request.completed",
        strict: false,
        time: Timestamp::from_seconds(0),
        tenant: None,
        request: RequestSection {
            id: "id",
            method: "GET",
            host: "h",
            path: Some(path),
            source: Some("127.0.0.1"),
            tls: true,
            secured: None,
            labels: &[],
            reads: None,
            redacted: &[],
            api: None,
            operation: None,
            trace: None,
        },
        auth: None,
        sealed: None,
        limit: None,
        decision: DecisionSection {
            outcome: Outcome::Refuse,
            step: Some("identify"),
            reason: Some("not_found"),
            detail: None,
            blame: None,
            policies: &[],
            bundle: None,
        },
        plugins: &[],
        upstream: None,
        status: Some(404),
        bytes_in: 0,
        bytes_out: 0,
        duration_us: 1,
    }
}

/// A copy of a log.
pub(crate) fn copy(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    let done = Command::new("cp").arg("-r").arg(format!("{}/.", from.display())).arg(to.path()).status();
    assert!(done.unwrap().success());
    to
}
