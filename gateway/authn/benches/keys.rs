//! What it costs to know who is asking, at 100,000 and at a million keys, and to take in a change.
#![expect(clippy::unwrap_used, reason = "a bench has a reader and no caller")]

use std::collections::BTreeMap;
use std::hint::black_box;

use authn::{AuthRules, KeyRules, Keyring, KeyringBuilder, MasterKey, Peppers, Secrets, authenticate};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use domain::{
    ApiName, Arrival, Change, KeyRecord, Moment, NormalPath, PathMode, RequestId, Source, Tenant, Tick, Timestamp,
    Vault, keyformat,
};
use http::{HeaderMap, HeaderValue, Method, header};

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

fn secrets() -> Secrets {
    Secrets::new(Peppers::new([(1, [7; 32])]).unwrap(), MasterKey::from_bytes([9; 32]).unwrap())
}

fn key(number: u32) -> String {
    let mut bits = [0; 32];
    // Spread, so that neighbours in number are no neighbours in text.
    bits[..8].copy_from_slice(&u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    keyformat::write("nsx_live_", &mut bits)
}

fn record(number: u32, secrets: &Secrets) -> KeyRecord {
    let id: domain::KeyId = format!("key_{number:016}").parse().unwrap();
    KeyRecord {
        lineage: id.founds(),
        id,
        api: "novastraxis".parse().unwrap(),
        tenant: format!("tenant-{}", number / 100).parse().unwrap(),
        name: "bench".to_owned(),
        owner: None,
        secret: secrets.keep_minted(&key(number)),
        scopes: ["compute", "data", "network"].map(|it| it.parse().unwrap()).into(),
        tier: "standard".parse().unwrap(),
        ip_allow: Vec::new(),
        bound: None,
        created: NOW,
        expires: None,
        rotated_from: None,
        overlap: None,
        revoked: None,
        suspended: None,
        last_used: None,
    }
}

fn tenant(number: u32) -> Tenant {
    let id = format!("tenant-{number}");
    Tenant { id: id.parse().unwrap(), name: id, tiers: BTreeMap::new(), created: NOW, suspended: None }
}

fn ring(keys: u32, secrets: &Secrets) -> Keyring {
    let mut builder = KeyringBuilder::new();
    for number in 0..=keys / 100 {
        builder.add(Change::Tenant(tenant(number)));
    }
    for number in 0..keys {
        builder.add(Change::Key(Box::new(record(number, secrets))));
    }
    builder.finish()
}

fn arrival(key: &str) -> Arrival {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("api.novastraxis.com"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("bench"));
    headers.insert(header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}")).unwrap());
    Arrival {
        id: RequestId::from_bytes([1; 16]),
        at: Moment { wall: NOW, tick: Tick::default() },
        source: Source { address: "192.0.2.7".parse().unwrap(), tls: true },
        method: Method::GET,
        host: "api.novastraxis.com".to_owned(),
        target: "/v2/compute/instances?page=2&per_page=100".to_owned(),
        path: NormalPath::parse("/v2/compute/instances", PathMode::Api).unwrap(),
        headers,
    }
}

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|it| it.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

fn bench_key_check(criterion: &mut Criterion) {
    let secrets = secrets();
    let (api, prefixes): (ApiName, _) = ("novastraxis".parse().unwrap(), ["nsx_live_".to_owned()]);
    let keys = Some(KeyRules { prefixes: &prefixes, imported: false });
    let rules = AuthRules {
        api: &api,
        keys,
        signatures: None,
        tokens: None,
        tenant_header: None,
        sessions: None,
        anonymous: false,
    };
    for (size, name) in [(100_000, "100k"), (1_000_000, "1M")] {
        let before = resident();
        let ring = ring(size, &secrets);
        let each = resident().saturating_sub(before) / usize::try_from(size).unwrap();
        let mut group = criterion.benchmark_group(format!("key check at {name} keys ({each} bytes each)"));
        let check = |arrival: &Arrival| authenticate(&rules, black_box(arrival), None, &ring, &secrets);
        let hot = arrival(&key(4711));
        assert!(check(&hot).unwrap().is_some());
        group.bench_function("one key, hot", |it| it.iter(|| check(&hot)));
        let many: Vec<Arrival> = (0..20_000).map(|it| arrival(&key(it * 7919 % size))).collect();
        assert!(many.iter().all(|it| check(it).unwrap().is_some()));
        let mut next = many.iter().cycle();
        group.bench_function("20,000 keys at random", |it| it.iter(|| check(next.next().unwrap())));
        let unknown = arrival(&key(size + 1));
        group.bench_function("an unknown key", |it| it.iter(|| check(&unknown)));
        let mut typed = key(4711);
        typed.replace_range(20..21, "-");
        let typed = arrival(&typed);
        group.bench_function("a mistyped key", |it| it.iter(|| check(&typed)));
        group.finish();
    }
}

fn bench_changes(criterion: &mut Criterion) {
    let secrets = secrets();
    let ring = ring(100_000, &secrets);
    let revoked = Change::Key(Box::new(KeyRecord { revoked: Some(NOW), ..record(4711, &secrets) }));
    let added = Change::Key(Box::new(record(100_001, &secrets)));
    let suspended = Change::Tenant(Tenant { suspended: Some(NOW), ..tenant(47) });
    let mut group = criterion.benchmark_group("a change to 100k keys");
    for (name, change) in [("a key revoked", revoked), ("a key made", added), ("a tenant suspended", suspended)] {
        let apply = |it: Change| ring.apply([it]);
        group.bench_function(name, |it| it.iter_batched(|| change.clone(), apply, BatchSize::LargeInput));
    }
    group.bench_function("uses collected", |it| it.iter(|| ring.used_since(NOW)));
    group.finish();
}

criterion_group!(benches, bench_key_check, bench_changes);
criterion_main!(benches);
