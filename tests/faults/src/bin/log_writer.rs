//! Writes a log and says which of its entries are certain, until it is killed: `log-writer FOLDER BOOT BATCHES LONG WAL`.
//!
//! As many batches as it is told, each of a few short entries, or of long ones in `LONG` batches; a write-ahead file of `WAL`
//! bytes is followed by another. After each it waits, as strict operations do, and says `certain N`.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a part of a test; what fails here must end it")]

use std::path::Path;
use std::sync::Arc;

use audit::note::Signer;
use audit::{AuditSettings, Author, DecisionSection, Entry, Notice, Outcome, RequestSection};
use domain::{SystemClock, Timestamp};
use faults::Dice;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, boot, batches, long_ones, wal_bytes] = words.as_slice() else { return };
    let (batches, long_ones) = (batches.parse().expect("a number"), long_ones.parse().expect("a number"));
    // Nothing is written but what is waited for, and signed for at once: then a plan hits the same call each time.
    let settings = AuditSettings {
        flush_ms: 600_000,
        sync_ms: 600_000,
        strict_wait_ms: 60_000,
        stall_ms: 60_000,
        checkpoint_ms: 0,
        reserve_bytes: 0,
        wal_bytes: wal_bytes.parse().expect("a number"),
        ..AuditSettings::default()
    };
    let signer = Signer::from_seed("portcullis/faults", &[1; 32]).expect("a name");
    let author = Author { node: "test".to_owned(), boot: boot.clone() };
    let opened = audit::Log::open(Path::new(folder), settings, signer, author, Arc::new(SystemClock::new()));
    let (log, recovered) = opened.expect("a log that can be gone on with");
    let mut last = log.note(&Notice::start(Timestamp::from_seconds(0), recovered.before, recovered.torn));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut dice = Dice::new(batches);
    let detail = "x".repeat(58_000);
    for batch in 0..batches {
        let is_long = batch < long_ones;
        for _ in 0..if is_long { 40 } else { 1 + dice.below(90) } {
            last = log.append(&entry(&format!("/{last}"), is_long.then_some(&detail)));
        }
        runtime.block_on(log.durable_up_to(last)).expect("a log that is written in the end");
        println!("certain {last}");
    }
    drop(log);
    println!("closed");
}

fn entry<'a>(path: &'a str, detail: Option<&'a str>) -> Entry<'a> {
    Entry {
        schema: 1,
        class: "request.completed",
        strict: true,
        time: Timestamp::from_seconds(0),
        tenant: None,
        request: RequestSection {
            id: "id",
            method: "POST",
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
            outcome: Outcome::Permit,
            step: None,
            reason: None,
            detail,
            blame: None,
            policies: &[],
            bundle: None,
        },
        plugins: &[],
        upstream: None,
        status: Some(201),
        bytes_in: 0,
        bytes_out: 0,
        duration_us: 1,
    }
}
