//! What it costs to hold a request to its document. Promised: a head without parameters under 300 ns, a JSON body of
//! 2 kB at most 20 µs.

#![expect(clippy::expect_used, reason = "a bench without its subject has nothing to measure")]

use std::hint::black_box;
use std::path::PathBuf;

use catalog::Catalog;
use criterion::{Criterion, criterion_group, criterion_main};
use domain::{Arrival, Call, Moment, NormalPath, PathMode, RequestId, Source, Tick};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

fn asked(catalog: &Catalog, method: &str, host: &str, target: &str, length: usize) -> (Arrival, Call) {
    let mut headers = HeaderMap::new();
    if length > 0 {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let path = target.split('?').next().unwrap_or_default();
    let arrival = Arrival {
        id: RequestId::from_bytes([7; 16]),
        at: Moment { wall: domain::Timestamp::from_seconds(1_795_000_000), tick: Tick::default() },
        source: Source { address: [192, 0, 2, 1].into(), tls: true },
        method: method.parse().expect("a method"),
        host: host.to_owned(),
        path: NormalPath::parse(path, PathMode::Api).expect("a path"),
        target: target.to_owned(),
        headers,
    };
    let host = catalog.host(host).expect("a host");
    let call = catalog.identify(host, &arrival).expect("an operation");
    (arrival, call)
}

fn chat() -> String {
    let message = |n: usize| {
        let role = if n.is_multiple_of(2) { "user" } else { "assistant" };
        format!(r#"{{"role":"{role}","content":"{}"}}"#, "Say it again, but slower. ".repeat(6))
    };
    let messages: Vec<String> = (0..10).map(message).collect();
    format!(r#"{{"model":"nova-large","temperature":0.2,"stream":true,"messages":[{}]}}"#, messages.join(","))
}

fn requests(criterion: &mut Criterion) {
    let dir = PathBuf::from("../../policies/apis");
    let catalog = Catalog::load(&dir).expect("the profiles that ship are good");

    let (bare, call) = asked(&catalog, "GET", "api.novapai.ai", "/router/v1/account", 0);
    catalog.validate_head(&call, &bare).expect("a good head");
    criterion.bench_function("head, no parameters", |it| it.iter(|| catalog.validate_head(black_box(&call), &bare)));

    let (one, call) = asked(&catalog, "GET", "api.novapai.ai", "/router/v1/models/nova-large", 0);
    catalog.validate_head(&call, &one).expect("a good head");
    criterion.bench_function("head, a path parameter", |it| it.iter(|| catalog.validate_head(black_box(&call), &one)));

    let body = chat();
    let (post, call) = asked(&catalog, "POST", "api.novapai.ai", "/router/v1/chat/completions", body.len());
    catalog.validate_head(&call, &post).expect("a good head");
    catalog.validate_body(&call, &post, body.as_bytes()).expect("a good body");
    criterion.bench_function("head, a JSON body", |it| it.iter(|| catalog.validate_head(black_box(&call), &post)));
    criterion.bench_function(&format!("body, {} bytes", body.len()), |it| {
        it.iter(|| catalog.validate_body(black_box(&call), &post, black_box(body.as_bytes())));
    });
    let hostile = format!(r#"{{"model":"nova-large","messages":[{}]}}"#, vec!["0"; 32_000].join(","));
    criterion.bench_function(&format!("body, {} bytes of nothing but faults", hostile.len()), |it| {
        it.iter(|| catalog.validate_body(black_box(&call), &post, black_box(hostile.as_bytes())).is_err());
    });
    let bad = body.replace(r#""model":"nova-large""#, r#""model":7"#);
    criterion.bench_function("body, one fault to name", |it| {
        it.iter(|| catalog.validate_body(black_box(&call), &post, black_box(bad.as_bytes())).is_err());
    });
}

criterion_group!(benches, requests);
criterion_main!(benches);
