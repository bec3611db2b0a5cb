//! What a decision costs, and what it costs with more policies.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to say")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use authz::{Authorizer, Fronted, PolicyKind, PolicySource, shipped_guardrails};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use domain::Standing;

#[path = "../src/sample.rs"]
mod sample;

/// The shipped guardrails, one permit that lets the caller read a thing, and as many others as make up the number.
fn sources(number: usize) -> Vec<PolicySource> {
    let mut text = String::from(
        "@id(\"reads\") permit (principal in Gw::Scope::\"things:read\", action in Example::Action::\"read\", resource)
         when { context.time.hour >= 8 && context.time.hour < 20 };\n",
    );
    for at in 1..number {
        let (scope, action) = (at % 500, if at % 3 == 0 { "delete" } else { "read" });
        let _ = writeln!(
            text,
            "@id(\"other{at}\") permit (principal in Gw::Scope::\"other:{scope}\", action in Example::Action::\"{action}\",
             resource) when {{ context.time.hour >= {} && context.source.tls }};",
            at % 24,
        );
    }
    // A file is at most 1 MiB; a policy never spans two.
    let policies: Vec<&str> = text.split_inclusive("};\n").collect();
    let kind = PolicyKind::Grant("example".parse().unwrap());
    let files = policies.chunks(1_000).enumerate().map(|(at, some)| PolicySource {
        file: format!("apis/example/{at}.cedar").into(),
        text: some.concat(),
        kind: kind.clone(),
        cases: None,
    });
    shipped_guardrails().into_iter().chain(files).collect()
}

fn authorizer(number: usize) -> (Arc<domain::Api>, Authorizer) {
    let api = sample::api();
    let fronted = Fronted { https_only: true, ..Fronted::new(Arc::clone(&api)) };
    (api, Authorizer::load(&[fronted], &sources(number)).unwrap())
}

fn decisions(criterion: &mut Criterion) {
    let (api, authorizer) = authorizer(100);
    let arrival = sample::arrival();
    let reads = sample::caller(sample::standing("t", &["things:read"]));
    let (get, delete) = (sample::call(&api, "getThing", &["x"]), sample::call(&api, "deleteThing", &["x"]));
    let mut group = criterion.benchmark_group("authorize");
    group.bench_function("refused by a missing scope", |it| {
        it.iter(|| authorizer.authorize(black_box(&delete), Some(black_box(&reads)), &arrival).unwrap_err());
    });
    group.bench_function("permitted, 100 policies", |it| {
        it.iter(|| authorizer.authorize(black_box(&get), Some(black_box(&reads)), &arrival).unwrap());
    });
    let ends = Standing { expires: Some("2030-01-01T00:00:00Z".parse().unwrap()), ..reads.standing.as_ref().clone() };
    let ends = sample::caller(ends);
    group.bench_function("permitted, a key that ends", |it| {
        it.iter(|| authorizer.authorize(black_box(&get), Some(black_box(&ends)), &arrival).unwrap());
    });
    group.bench_function("permitted, a credential never seen before", |it| {
        let unseen = || sample::caller(sample::standing("t", &["things:read"]));
        it.iter_batched_ref(
            unseen,
            |it| authorizer.authorize(&get, Some(it), &arrival).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("permitted, by Cedar's own authorizer", |it| {
        it.iter(|| authorizer.decide_by_stock(black_box(&get), Some(black_box(&reads)), &arrival).unwrap());
    });
    group.finish();
}

fn growth(criterion: &mut Criterion) {
    let arrival = sample::arrival();
    let reads = sample::caller(sample::standing("t", &["things:read"]));
    let mut group = criterion.benchmark_group("permitted, by number of policies");
    for number in [10, 100, 1_000, 10_000] {
        let (api, authorizer) = authorizer(number);
        let get = sample::call(&api, "getThing", &["x"]);
        group.bench_function(number.to_string(), |it| {
            it.iter(|| authorizer.authorize(black_box(&get), Some(black_box(&reads)), &arrival).unwrap());
        });
    }
    group.finish();
}

fn loading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load, by number of policies");
    group.sample_size(10);
    for number in [100, 1_000, 10_000] {
        let (api, sources) = (sample::api(), sources(number));
        group.bench_function(number.to_string(), |it| {
            it.iter(|| Authorizer::load(&[Fronted::new(Arc::clone(&api))], &sources).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, decisions, growth, loading);
criterion_main!(benches);
