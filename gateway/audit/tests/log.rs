//! The log as its callers see it: nothing lost, nothing torn, nothing doubled.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use audit::{AuditSettings, DecisionSection, Entry, Log, OpenError, Outcome, RequestSection, verify};
use domain::{SystemClock, Timestamp};

fn open(folder: &Path) -> Result<(Log, audit::Recovered), OpenError> {
    Log::open(folder, AuditSettings::default(), Arc::new(SystemClock::new()))
}

fn entry(path: &str) -> Entry<'_> {
    Entry {
        schema: 1,
        class: "request.completed",
        node: "test",
        boot: "00",
        time: Timestamp::from_seconds(0),
        tenant: None,
        request: RequestSection {
            id: "id",
            method: "GET",
            host: "h",
            path,
            source: "127.0.0.1",
            tls: true,
            api: None,
            operation: None,
            trace: None,
        },
        auth: None,
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
        upstream: None,
        status: Some(404),
        bytes_in: 0,
        bytes_out: 0,
        duration_us: 1,
    }
}

fn verified(folder: &Path) -> u64 {
    verify(fs::read(folder.join("entries.jsonl")).unwrap().as_slice()).unwrap().lines
}

#[test]
fn entries_of_many_threads_are_all_there_and_chained() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..250).for_each(|_| log.append(&entry("/a\nb"))));
        }
    });
    assert_eq!(log.appended(), 1000);
    drop(log);
    assert_eq!(verified(folder.path()), 1000);
}

#[test]
fn a_restart_goes_on_where_the_last_whole_line_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path()).unwrap();
    log.append(&entry("/1"));
    drop(log);
    let path = folder.path().join("entries.jsonl");
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"seq\":1,\"prev\":\"ab").unwrap();

    let (log, recovered) = open(folder.path()).unwrap();
    assert_eq!((recovered.next, recovered.torn), (1, 19));
    log.append(&entry("/2"));
    drop(log);
    assert_eq!(verified(folder.path()), 2);
}

#[test]
fn a_second_writer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path()).unwrap();
    assert!(matches!(open(folder.path()), Err(OpenError::Taken(_))));
}

#[test]
fn a_file_that_is_no_log_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entries.jsonl");
    fs::write(&path, "something else\n").unwrap();
    assert!(matches!(open(folder.path()), Err(OpenError::NotALog(_))));
    assert_eq!(fs::read(&path).unwrap(), b"something else\n");
}

#[test]
fn the_log_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let _log = open(folder.path()).unwrap();
    let mode = fs::metadata(folder.path().join("entries.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
