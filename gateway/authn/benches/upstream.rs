//! What it costs to tell an API behind who calls, with a token that is there or one that has to be made.
#![expect(clippy::unwrap_used, reason = "a bench has a reader and no caller")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use authn::SystemRandom;
use authn::upstream::{About, IdentityKey, IdentityTokens};
use criterion::{Criterion, criterion_group, criterion_main};
use domain::{ApiName, AuthMethod, Caller, Standing, Timestamp, Upstream};

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

fn caller() -> Caller {
    let standing = Standing {
        key: "key_0123456789abcdef".parse().unwrap(),
        lineage: "key_0123456789abcdef".parse().unwrap(),
        owner: Some("svc_0123456789abcdef".to_owned()),
        tenant: "tn_0123456789abcdef".parse().unwrap(),
        scopes: ["compute", "data", "network"].map(|it| it.parse().unwrap()).into(),
        tier: "standard".parse().unwrap(),
        tenant_tier: None,
        expires: None,
        suspended: false,
        bound: None,
        grant: None,
    };
    Caller { standing: Arc::new(standing), method: AuthMethod::ApiKey, in_allowlist: true, retires: None, token: None }
}

fn tokens(criterion: &mut Criterion) {
    let tokens =
        IdentityTokens::new(IdentityKey::from_seed(&[7; 32]).unwrap(), &[], "portcullis/bench".to_owned()).unwrap();
    let api: ApiName = "novastraxis".parse().unwrap();
    let upstream = Upstream { host: "10.0.0.7".to_owned(), port: 9101, tls: false };
    let caller = caller();
    let about = About { caller: &caller, api: &api, upstream: &upstream };
    let ask = |about: &About<'_>, now| tokens.word(black_box(about), now, &SystemRandom).unwrap();
    let mut group = criterion.benchmark_group(format!("identity token, {} bytes", ask(&about, NOW).token.len()));
    group.bench_function("kept", |it| it.iter(|| ask(&about, NOW)));
    let mut now = NOW;
    group.bench_function("made", |it| {
        it.iter(|| {
            now = now + Duration::from_secs(30);
            ask(&about, now)
        });
    });
    group.finish();
}

criterion_group!(benches, tokens);
criterion_main!(benches);
