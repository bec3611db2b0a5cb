//! What a question to a log of 10,000,000 entries costs. It takes 5 GiB of the folder for temporary files.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a bench has a reader and no caller"
)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use audit::note::Signer;
use audit::{
    AuditSettings, AuthSection, Author, DecisionSection, Entry, Filter, LimitSection, Log, Outcome, Query,
    RequestSection, UpstreamSection, Way,
};
use criterion::{Criterion, criterion_group, criterion_main};
use domain::{Clock as _, SystemClock, Timestamp};
use tokio::runtime::Runtime;

/// About as many as a day has at 115 a second.
const ENTRIES: u64 = 10_000_000;
const PER_SECOND: u64 = 115;
const START: i64 = 1_790_000_000;
const TENANTS: u64 = 1_000;

/// Spreads numbers, so that neighbours have nothing in common.
fn mixed(number: u64) -> u64 {
    let mixed = (number ^ number >> 31).wrapping_mul(0x7fb5_d329_728e_a185);
    (mixed ^ mixed >> 27).wrapping_mul(0x81da_def4_bc2d_d44d) >> 7
}

fn id(number: u64) -> String {
    format!("{:016x}{:016x}", mixed(number), mixed(number ^ 0x5555))
}

/// Tenants are not alike: a tenth of them makes most of the requests.
fn tenant(number: u64) -> u64 {
    let mixed = mixed(number ^ 0xabcd);
    if mixed.is_multiple_of(10) { mixed / 10 % TENANTS } else { mixed / 10 % (TENANTS / 10) }
}

fn append(log: &Log, number: u64) {
    let (id, tenant) = (id(number), tenant(number));
    let (name, key) = (format!("tenant_{tenant:012x}"), format!("key_{:016x}", tenant * 5 + mixed(number) % 5));
    let operation = format!("operation{}", mixed(number ^ 0x77) % 130);
    let outcome = match mixed(number ^ 0x99) % 1000 {
        0 => Outcome::Abort,
        1..5 => Outcome::Fail,
        5..60 => Outcome::Refuse,
        _ => Outcome::Permit,
    };
    let seconds = i64::try_from(number / PER_SECOND).unwrap();
    let _ = log.append(&Entry {
        schema: 1,
        class: "request.completed",
        strict: false,
        time: Timestamp::from_seconds(START + seconds),
        tenant: Some(&name),
        request: RequestSection {
            id: &id,
            method: "GET",
            host: "api.novastraxis.com",
            path: Some("/v2/compute/instances/i-0123456789abcdef"),
            source: Some("192.0.2.17"),
            tls: true,
            secured: None,
            labels: &[],
            reads: None,
            redacted: &[],
            api: Some(["novastraxis", "cloudnexus", "cloudnx", "novastack"][usize::try_from(tenant % 4).unwrap()]),
            operation: Some(&operation),
            trace: None,
        },
        auth: Some(AuthSection { key: &key, method: Some("api_key"), repeated: false }),
        sealed: None,
        limit: Some(LimitSection { tier: "standard", remaining: 3332 }),
        decision: DecisionSection {
            outcome,
            step: None,
            reason: None,
            detail: None,
            blame: None,
            policies: &["starter.compute".into()],
            bundle: Some("8d719c7a3d268d719c7a3d268d719c7a3d268d719c7a3d268d719c7a3d268d71"),
        },
        plugins: &[],
        upstream: Some(UpstreamSection { peer: "10.0.0.7:9101", status: Some(200), secured: None }),
        status: Some(200),
        bytes_in: 0,
        bytes_out: 4711,
        duration_us: 1500,
    });
}

fn fill(folder: &Path, entries: u64) {
    let runtime = Runtime::new().unwrap();
    let signer = Signer::from_seed("portcullis/bench", &[1; 32]).unwrap();
    let author = Author { node: "bench".to_owned(), boot: "6d1f0c1e2a3b4c5d6d1f0c1e2a3b4c5d".to_owned() };
    let (log, _) = Log::open(folder, AuditSettings::default(), signer, author, Arc::new(SystemClock::new())).unwrap();
    for number in 0..entries {
        append(&log, number);
        if number.is_multiple_of(1_000) {
            runtime.block_on(log.room());
        }
    }
}

/// What is asked in a round, and for how many from the end.
type Question = Box<dyn Fn(u64) -> (Filter, Option<usize>)>;

/// The questions, each other ones in each round.
fn questions(entries: u64) -> Vec<(&'static str, Question)> {
    let named = |it: u64| Some(format!("tenant_{it:012x}"));
    let last = i64::try_from(entries / PER_SECOND).unwrap();
    vec![
        (
            "a request by its id",
            Box::new(move |round| (Filter { request: Some(id(mixed(round) % entries)), ..Filter::default() }, None)),
        ),
        (
            "a request that there is not",
            Box::new(|round| (Filter { request: Some(id(u64::MAX - round)), ..Filter::default() }, None)),
        ),
        (
            "a tenant's last 100",
            Box::new(move |round| (Filter { tenant: named(mixed(round) % TENANTS), ..Filter::default() }, Some(100))),
        ),
        (
            "a rare combination",
            Box::new(move |round| {
                let operation = Some(format!("operation{}", mixed(round ^ 1) % 130));
                let outcome = Some("abort".to_owned());
                (Filter { tenant: named(mixed(round) % 100), operation, outcome, ..Filter::default() }, None)
            }),
        ),
        (
            "the refusals of a tenant within ten minutes",
            Box::new(move |round| {
                let since = START + i64::try_from(mixed(round) % 0xffff_ffff).unwrap() % (last - 600).max(1);
                let filter = Filter {
                    tenant: named(mixed(round) % 100),
                    outcome: Some("refuse".to_owned()),
                    since: Some(Timestamp::from_seconds(since)),
                    until: Some(Timestamp::from_seconds(since + 600)),
                    ..Filter::default()
                };
                (filter, None)
            }),
        ),
        (
            "everything within a minute",
            Box::new(move |round| {
                let since = START + i64::try_from(mixed(round) % 0xffff_ffff).unwrap() % (last - 60).max(1);
                let (since, until) = (Timestamp::from_seconds(since), Timestamp::from_seconds(since + 60));
                (Filter { since: Some(since), until: Some(until), ..Filter::default() }, None)
            }),
        ),
    ]
}

fn answer(log: &Path, (filter, last): (Filter, Option<usize>)) -> usize {
    let query = Query::new(log, 0, filter, Way::Index).unwrap();
    match last {
        Some(count) => query.last(count).unwrap().len(),
        None => query.map(Result::unwrap).count(),
    }
}

fn bench_query(criterion: &mut Criterion) {
    let (entries, clock) = (ENTRIES, SystemClock::new());
    let folder = tempfile::tempdir().unwrap();
    let start = clock.tick();
    fill(folder.path(), entries);
    eprintln!("{entries} entries appended in {:?}", clock.tick().since(start));
    let start = clock.tick();
    let nobody = Filter { tenant: Some("nobody".to_owned()), ..Filter::default() };
    assert_eq!(answer(folder.path(), (nobody, None)), 0);
    eprintln!("the first question of all, and the indexes that were missing: {:?}", clock.tick().since(start));
    let mut group = criterion.benchmark_group(format!("a log of {entries} entries"));
    group.sample_size(10);
    for (name, question) in questions(entries) {
        let mut found = 0;
        let mut took: Vec<Duration> = (0..200)
            .map(|round| {
                let start = clock.tick();
                found += answer(folder.path(), question(round));
                clock.tick().since(start)
            })
            .collect();
        took.sort_unstable();
        eprintln!("{name}: p50 {:?}, p95 {:?}, most {:?}; {found} entries in 200", took[100], took[190], took[199]);
        let mut round = 1_000;
        group.bench_function(name, |it| {
            it.iter(|| {
                round += 1;
                black_box(answer(folder.path(), question(round)))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench_query);
criterion_main!(benches);
