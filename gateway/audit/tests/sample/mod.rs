//! Logs that tests make.
#![expect(clippy::unwrap_used, reason = "what fails here must fail the test")]

use std::path::Path;
use std::sync::Arc;

use audit::note::Signer;
use audit::{AuditSettings, DecisionSection, Entry, Log, OpenError, Outcome, Recovered, RequestSection};
use domain::{SystemClock, Timestamp};

/// Who signs them.
pub(crate) fn signer() -> Signer {
    Signer::from_seed("portcullis/test", &[1; 32]).unwrap()
}

/// Opens one, with settings as delivered.
pub(crate) fn open(folder: &Path) -> Result<(Log, Recovered), OpenError> {
    Log::open(folder, AuditSettings::default(), signer(), Arc::new(SystemClock::new()))
}

/// Lets a run of its own write so many entries and end; the path of each is its number in the run.
pub(crate) fn append(folder: &Path, boot: &str, count: usize) {
    let (log, _) = open(folder).unwrap();
    for number in 0..count {
        let _ = log.append(&entry(boot, &format!("/{number}")));
    }
}

/// One entry of a run.
pub(crate) fn entry<'a>(boot: &'a str, path: &'a str) -> Entry<'a> {
    Entry {
        schema: 1,
        class: "request.completed",
        strict: false,
        node: "test",
        boot,
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
