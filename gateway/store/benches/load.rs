//! How long a gateway with 100,000 keys takes to know them all, and what following the log costs.
#![expect(clippy::unwrap_used, reason = "a bench has a reader and no caller")]

use std::collections::BTreeMap;
use std::hint::black_box;

use authn::KeyringBuilder;
use criterion::{Criterion, criterion_group, criterion_main};
use domain::{Change, KeyRecord, KeySecret, Tenant, Timestamp};
use identity::Registry;
use store::Sqlite;
use tokio::runtime::Runtime;

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
const KEYS: u64 = 100_000;

fn tenant(number: u64) -> Change {
    let id = format!("tenant-{number}");
    Change::Tenant(Tenant { id: id.parse().unwrap(), name: id, tiers: BTreeMap::new(), created: NOW, suspended: None })
}

fn key(number: u64) -> Change {
    let id: domain::KeyId = format!("key_{number:016}").parse().unwrap();
    // Digests are evenly spread; these must be too.
    let mut digest = [0; 32];
    for (at, part) in (1..).zip(digest.chunks_exact_mut(8)) {
        part.copy_from_slice(&(number + at * KEYS).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23).to_be_bytes());
    }
    Change::Key(Box::new(KeyRecord {
        lineage: id.founds(),
        id,
        api: "novastraxis".parse().unwrap(),
        tenant: format!("tenant-{}", number / 100).parse().unwrap(),
        name: format!("key number {number}"),
        owner: None,
        secret: KeySecret::Minted { digest, pepper: 1 },
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
    }))
}

fn bench_load(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.db");
    let store = runtime.block_on(async {
        let store = Sqlite::open(&path).await.unwrap();
        let tenants: Vec<Change> = (0..=KEYS / 100).map(tenant).collect();
        let seen = store.publish(0, &tenants, &[]).await.unwrap();
        store.publish(seen, &(0..KEYS).map(key).collect::<Vec<_>>(), &[]).await.unwrap();
        store
    });
    let mut group = criterion.benchmark_group("a store of 100,000 keys");
    group.sample_size(10);
    group.bench_function("opened and loaded into a ring", |it| {
        it.iter(|| {
            runtime.block_on(async {
                let store = Sqlite::open(&path).await.unwrap();
                let mut builder = KeyringBuilder::new();
                store.load(&mut |change| builder.add(change)).await.unwrap();
                store.close().await;
                black_box(builder.finish())
            })
        });
    });
    let version = runtime.block_on(store.version()).unwrap();
    group.sample_size(100);
    group.bench_function("asked for news when there is none", |it| {
        it.iter(|| runtime.block_on(store.changes_since(version)).unwrap());
    });
    group.bench_function("asked for the last change", |it| {
        it.iter(|| runtime.block_on(store.changes_since(version - 1)).unwrap());
    });
    group.finish();
}

criterion_group!(benches, bench_load);
criterion_main!(benches);
