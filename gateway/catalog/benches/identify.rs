//! What the catalog costs each request, and what it costs a start.

#![expect(clippy::expect_used, reason = "a bench without its subject has nothing to measure")]

use std::hint::black_box;
use std::path::PathBuf;

use catalog::Catalog;
use criterion::{Criterion, criterion_group, criterion_main};
use domain::{Arrival, Moment, NormalPath, PathMode, RequestId, Source, Tick, Told};
use http::{HeaderMap, StatusCode};

fn arrival(method: &str, target: &str) -> Arrival {
    let path = target.split('?').next().unwrap_or_default();
    Arrival {
        id: RequestId::from_bytes([7; 16]),
        at: Moment { wall: domain::Timestamp::from_seconds(1_795_000_000), tick: Tick::default() },
        source: Source { address: [192, 0, 2, 1].into(), tls: true },
        method: method.parse().expect("a method"),
        host: "api.novastraxis.com".to_owned(),
        path: NormalPath::parse(path, PathMode::Api).expect("a path"),
        target: target.to_owned(),
        headers: HeaderMap::new(),
    }
}

fn requests(criterion: &mut Criterion) {
    let dir = PathBuf::from("../../policies/apis");
    let catalog = Catalog::load(&dir).expect("the profiles that ship are good");
    let host = catalog.host("api.novastraxis.com").expect("a host");
    let list = arrival("GET", "/v2/compute/instances?region=eu-1&per_page=50");
    let one = arrival("DELETE", "/v2/compute/instances/nsx-i-8f3a2b");

    criterion.bench_function("identify, no parameter", |it| it.iter(|| catalog.identify(host, black_box(&list))));
    criterion.bench_function("identify, one parameter", |it| it.iter(|| catalog.identify(host, black_box(&one))));
    let call = catalog.identify(host, &list).expect("an operation");
    criterion.bench_function("validate head, two of five parameters", |it| {
        it.iter(|| catalog.validate_head(black_box(&call), &list));
    });
    criterion.bench_function("notices", |it| it.iter(|| catalog.notices(black_box(&call), list.at.wall).is_some()));
    criterion.bench_function("profile, dialect and upstream", |it| {
        it.iter(|| {
            black_box(catalog.profile(black_box(&call)));
            black_box(catalog.dialect(black_box(&call)));
            black_box(catalog.upstream(black_box(&call)));
        });
    });
    let told = Told::new("over_limit", "too many requests");
    criterion.bench_function("word a refusal", |it| {
        it.iter(|| host.dialect().word_about("", StatusCode::TOO_MANY_REQUESTS, black_box(&told), &list.id));
    });
    criterion.bench_function("load the five profiles", |it| it.iter(|| Catalog::load(black_box(&dir)).is_ok()));
}

criterion_group!(benches, requests);
criterion_main!(benches);
