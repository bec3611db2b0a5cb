//! What an entry costs from the request to the disk, and what it costs to read, prove and verify a log.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a bench has a reader and no caller")]

use std::fs::{self, File};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use audit::note::Signer;
use audit::{
    AuditSettings, AuthSection, Author, DecisionSection, Entry, Grounds, LimitSection, Log, Outcome, RequestSection,
    Scan, Shapes, UpstreamSection, prove_entry, prove_growth, verify,
};
use criterion::measurement::{Measurement as _, WallTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use domain::{SystemClock, Timestamp};
use tokio::runtime::Runtime;

/// How many entries the log has that is verified.
const MANY: u64 = 200_000;

/// How many are handed over before anybody waits: what a busy second brings.
const BATCH: u64 = 20_000;

/// How many entries of 1.2 kB a write-ahead file has shortly before it is followed by another, at 16 MiB.
const TAIL: u64 = 12_000;

/// How many times as long a tail may be: a file grows to four times its length while the one before is made certain without
/// its own, and that one may have grown as long.
const LONGEST: u64 = 8;

fn signer() -> Signer {
    Signer::from_seed("portcullis/bench", &[1; 32]).unwrap()
}

fn open(folder: &Path) -> Log {
    open_with(folder, 1)
}

/// The same with write-ahead files that are so many times as long.
fn open_with(folder: &Path, times: u64) -> Log {
    let usual = AuditSettings::default();
    let settings = AuditSettings { strict_wait_ms: 60_000, wal_bytes: usual.wal_bytes * times, ..usual };
    let author = Author {
        node: "gateway-1.eu-west.example.net".to_owned(),
        boot: "0123456789abcdef0123456789abcdef".to_owned(),
    };
    Log::open(folder, settings, signer(), author, Arc::new(SystemClock::new())).unwrap().0
}

/// What a busy API writes of one request: 1.2 kB.
struct Request {
    path: String,
    policies: Vec<Arc<str>>,
}

impl Request {
    fn new() -> Self {
        let path = format!("/v2/compute/instances/{}", "i-0123456789abcdef/".repeat(20));
        let policies = (0..6).map(|it| format!("tenant-17/allow-operators-of-project-{it:04}").into()).collect();
        Self { path, policies }
    }

    fn entry(&self) -> Entry<'_> {
        Entry {
            schema: 1,
            class: "request.completed",
            strict: true,
            time: Timestamp::from_nanos(1_790_000_000_123_456_789),
            tenant: Some("tenant-17"),
            request: RequestSection {
                id: "req_0123456789abcdef0123456789abcdef",
                method: "POST",
                host: "api.novastraxis.com",
                path: Some(&self.path),
                source: Some("203.0.113.77"),
                tls: true,
                secured: None,
                labels: &[],
                reads: None,
                redacted: &[],
                api: Some("novastraxis"),
                operation: Some("createInstance"),
                trace: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
            },
            auth: Some(AuthSection { key: "key_0123456789abcdef", method: Some("api_key"), repeated: false }),
            sealed: None,
            limit: Some(LimitSection { tier: "enterprise", remaining: 998 }),
            decision: DecisionSection {
                outcome: Outcome::Permit,
                step: None,
                reason: None,
                detail: None,
                blame: None,
                policies: &self.policies,
                bundle: Some("sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
            },
            plugins: &[],
            upstream: Some(UpstreamSection { peer: "10.0.0.17:8443", status: Some(201), secured: None }),
            status: Some(201),
            bytes_in: 412,
            bytes_out: 1893,
            duration_us: 12_345,
        }
    }
}

fn fill(folder: &Path, count: u64) {
    let (log, request) = (open(folder), Request::new());
    for _ in 0..count {
        let _ = log.append(&request.entry());
    }
}

/// Says what all threads together need for one entry, which other work on the machine changes little.
fn tell_cpu(what: &str, work: impl FnOnce() -> u64) {
    // Hundredths of a second.
    let spent = || -> u64 {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(2);
        fields.map(|it| it.parse::<u64>().unwrap()).sum()
    };
    let before = spent();
    let entries = work();
    eprintln!("{what}: {} ns of CPU for each entry", (spent() - before) * 10_000_000 / entries.max(1));
}

fn append(c: &mut Criterion) {
    let (folder, runtime, request) = (tempfile::tempdir().unwrap(), Runtime::new().unwrap(), Request::new());
    let log = open(folder.path());
    let mut group = c.benchmark_group("append");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one entry of 1.2 kB, on the thread that answers", |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for first in (0..rounds).step_by(1_000) {
                let start = WallTime.start();
                let mut last = 0;
                for _ in first..rounds.min(first + 1_000) {
                    last = log.append(black_box(&request.entry()));
                }
                spent += WallTime.end(start);
                // Not timed: the disk takes them away, so that memory does not grow.
                runtime.block_on(log.durable_up_to(last)).unwrap();
            }
            spent
        });
    });
    group.finish();
}

fn durable(c: &mut Criterion) {
    let (folder, runtime, request) = (tempfile::tempdir().unwrap(), Runtime::new().unwrap(), Request::new());
    let log = Arc::new(open(folder.path()));
    let mut group = c.benchmark_group("durable");
    group.throughput(Throughput::Elements(BATCH)).sample_size(20);
    group.bench_function("20,000 entries, and nobody waits but for the last", |b| {
        b.iter(|| {
            for _ in 0..BATCH {
                let _ = log.append(&request.entry());
            }
            runtime.block_on(log.durable_up_to(log.appended())).unwrap();
        });
    });
    tell_cpu("append and durable", || {
        let first = log.appended();
        for _ in 0..10 * BATCH {
            let _ = log.append(&request.entry());
        }
        runtime.block_on(log.durable_up_to(log.appended())).unwrap();
        log.appended() - first
    });
    group.bench_function("20,000 entries, of which 512 at a time are waited for", |b| {
        b.iter(|| {
            let waiters: Vec<_> = (0..512)
                .map(|number| {
                    let log = Arc::clone(&log);
                    runtime.spawn(async move {
                        let request = Request::new();
                        for _ in (number..BATCH).step_by(512) {
                            let last = log.append(&request.entry());
                            log.durable_up_to(last).await.unwrap();
                        }
                    })
                })
                .collect();
            for waiter in waiters {
                runtime.block_on(waiter).unwrap();
            }
        });
    });
    group.finish();
}

fn read(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), MANY);
    let grounds = Grounds::only(signer().verifier());
    tell_cpu("verify", || (0..5).map(|_| verify(folder.path(), &grounds).unwrap().entries).sum());
    let mut group = c.benchmark_group("a log of 200,000 entries");
    group.bench_function("proof of an entry", |b| b.iter(|| prove_entry(folder.path(), black_box(123_456)).unwrap()));
    group.bench_function("proof of growth", |b| b.iter(|| prove_growth(folder.path(), black_box(123_456)).unwrap()));
    group.throughput(Throughput::Elements(MANY)).sample_size(10);
    group.bench_function("verify", |b| b.iter(|| verify(folder.path(), &grounds).unwrap()));
    let shapes = Shapes::new(&["nsx_live_".to_owned()], &["cnx_access".to_owned()]).unwrap();
    group.bench_function("scan", |b| {
        b.iter(|| {
            let mut scan = Scan::begin(folder.path(), 0, &shapes, None).unwrap();
            while scan.step(4096) {}
            assert_eq!(scan.finish().total(), 0);
        });
    });
    group.finish();
}

/// Copies a folder onto the disk for certain, as a process that was killed leaves it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for it in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, own) = (it.path(), to.join(it.file_name()));
        if path.is_dir() {
            copy(&path, &own);
        } else if path.extension().is_none_or(|it| it != "new") {
            fs::copy(path, &own).unwrap();
            File::open(own).unwrap().sync_all().unwrap();
        }
    }
}

/// Writes so many entries, evenly within so many seconds, and leaves the log in another folder as a kill would. Gives how
/// long the write-ahead file is.
fn kill(folder: &Path, killed: &Path, (times, count): (u64, u64), seconds: u64) -> u64 {
    let (log, runtime, request) = (open_with(folder, times), Runtime::new().unwrap(), Request::new());
    for at in 0..count {
        let _ = log.append(&request.entry());
        if seconds > 0 && (at + 1) % (count / seconds) == 0 {
            runtime.block_on(log.durable_up_to(log.appended())).unwrap();
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    runtime.block_on(log.durable_up_to(log.appended())).unwrap();
    copy(log.folder(), killed);
    let wal: Vec<u64> =
        fs::read_dir(killed.join("wal")).unwrap().map(|it| it.unwrap().metadata().unwrap().len()).collect();
    assert_eq!(wal.len(), 1, "another file was begun");
    wal.iter().sum()
}

fn recovery(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let mut group = c.benchmark_group("open");
    group.sample_size(20);
    // What differs between the first and the last is the cost of bytes alone; the first two have as many of them.
    for (name, times, seconds) in [
        ("with a tail of 12,000 entries, after a kill", 1, 0),
        ("with such a tail and a checkpoint each second, after a kill", 1, 12),
        ("with the longest tail, of 96,000 entries, after a kill", LONGEST, 0),
    ] {
        let [log, killed, own] = ["log", "killed", "own"].map(|it| folder.path().join(it));
        let count = TAIL * times;
        group.throughput(Throughput::Bytes(kill(&log, &killed, (times, count), seconds)));
        group.bench_function(name, |b| {
            b.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    copy(&killed, &own);
                    let start = WallTime.start();
                    let log = open_with(&own, times);
                    spent += WallTime.end(start);
                    assert_eq!(log.horizon().end(), count);
                    drop(log);
                    fs::remove_dir_all(&own).unwrap();
                }
                spent
            });
        });
        for it in [log, killed] {
            fs::remove_dir_all(it).unwrap();
        }
    }
    group.finish();
}

criterion_group!(benches, append, durable, read, recovery);
criterion_main!(benches);
