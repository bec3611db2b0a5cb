//! What one decision costs while a million counters are active, and what one counter weighs.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a bench has a reader and no caller")]

use std::fs;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use domain::{ApiName, CountedBy, Moment, RateRule, Tick, Tier, Timestamp};
use http::HeaderMap;
use limits::{Counter, HeaderNames, Limiter, LimitsSettings};

const ACTIVE: usize = 1_000_000;

fn tier(rules: &[(&str, u32, u64)]) -> Arc<Tier> {
    let rule = |&(name, limit, window): &(&str, u32, u64)| RateRule {
        name: name.to_owned(),
        limit: NonZeroU32::new(limit).unwrap(),
        window: Duration::from_secs(window),
    };
    Arc::new(Tier { name: "t".parse().unwrap(), rules: rules.iter().map(rule).collect() })
}

fn moment(nanos: u64) -> Moment {
    let wall = Timestamp::from_seconds(1_800_000_000) + Duration::from_nanos(nanos);
    Moment { wall, tick: Tick::from_nanos(nanos) }
}

fn resident() -> usize {
    let pages: usize = fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

struct Crowd {
    limiter: Limiter,
    api: ApiName,
    active: usize,
    next: usize,
    now: u64,
}

impl Crowd {
    fn new(active: usize, tier: &Arc<Tier>) -> Self {
        let settings = LimitsSettings {
            counters: NonZeroU32::try_from(u32::try_from(2 * active).unwrap()).unwrap(),
            ..LimitsSettings::default()
        };
        let mut crowd =
            Self { limiter: Limiter::new(&settings), api: "novastraxis".parse().unwrap(), active, next: 0, now: 0 };
        let before = resident();
        (0..2 * active).for_each(|_| crowd.ask(tier));
        let bytes = (resident() - before) / active;
        eprintln!("{active} counters with {} rules: {bytes} bytes each, key included", tier.rules.len());
        crowd
    }

    /// The next caller, far away in memory from the last, 20 us later.
    fn ask(&mut self, tier: &Arc<Tier>) {
        self.next = (self.next + 617_629) % self.active;
        self.now += 20_000;
        // Made here, not looked up: reading a million ids would be half of what is measured.
        let mut id = *b"lin_0000000000000000";
        id[4..].iter_mut().rev().fold(self.next, |left, digit| {
            *digit = b'0' + u8::try_from(left % 10).unwrap();
            left / 10
        });
        let id = std::str::from_utf8(&id).unwrap();
        let counter = Counter { api: &self.api, by: CountedBy::Lineage, tenant: "acme", id };
        black_box(self.limiter.admit(tier, counter, moment(self.now))).ok();
    }
}

fn decision(c: &mut Criterion) {
    let one = tier(&[("minute", 1000, 60)]);
    let two = tier(&[("sustained", 1000, 60), ("burst", 333, 10)]);
    for (name, tier) in [("two rules", &two), ("one rule", &one)] {
        let mut crowd = Crowd::new(ACTIVE, tier);
        c.bench_function(&format!("{name}, 1,000,000 active at random"), |b| b.iter(|| crowd.ask(tier)));
    }
    let mut crowd = Crowd::new(1, &two);
    c.bench_function("two rules, one caller", |b| b.iter(|| crowd.ask(&two)));
    let counter = Counter { api: &crowd.api, by: CountedBy::Lineage, tenant: "acme", id: "refused" };
    let strict = tier(&[("minute", 1, 60), ("burst", 1, 10)]);
    let ask = || crowd.limiter.admit(&strict, counter, moment(crowd.now));
    ask().unwrap();
    c.bench_function("a refusal", |b| b.iter(|| black_box(ask()).is_err()));
    let (allowance, names) = (crowd.limiter.admit(&two, counter, moment(0)).unwrap(), HeaderNames::default());
    c.bench_function("five headers", |b| {
        b.iter_batched_ref(
            || HeaderMap::with_capacity(32),
            |headers| allowance.write(&names, headers),
            BatchSize::SmallInput,
        );
    });
}

fn shield(c: &mut Criterion) {
    let limiter = Limiter::new(&LimitsSettings::default());
    let mut now = 0;
    c.bench_function("shield, 100,000 addresses", |b| {
        b.iter(|| {
            now += 1_000u64;
            let source = std::net::Ipv4Addr::from(u32::try_from(now * 617_629 % 100_000).unwrap());
            black_box(limiter.shield(source.into(), Tick::from_nanos(now)))
        });
    });
}

criterion_group!(benches, decision, shield);
criterion_main!(benches);
