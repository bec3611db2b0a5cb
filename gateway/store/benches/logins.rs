//! How many sign-ins a second there can be: a password hashed and a change written for each.
#![expect(clippy::unwrap_used, reason = "a bench has a reader and no caller")]

use std::sync::Arc;

use authn::{MasterKey, Peppers, Secrets, SystemRandom};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use domain::{FixedClock, Timestamp};
use futures::future::join_all;
use identity::{Identity, NewPerson, NewTenant, Settings, Terms};
use store::Sqlite;
use tokio::runtime::Runtime;

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
const PASSWORD: &str = "correct horse";

/// How many sign in at once: as many as the pool takes a turn of on a small machine.
const AT_ONCE: usize = 8;

fn bench_logins(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let identity = runtime.block_on(async {
        let store = Sqlite::open(&folder.path().join("control.db")).await.unwrap();
        let secrets = Secrets::new(Peppers::new([(1, [7; 32])]).unwrap(), MasterKey::from_bytes([9; 32]).unwrap());
        let clock = Arc::new(FixedClock::at(NOW));
        let identity =
            Identity::new(Arc::new(store), Arc::new(secrets), Arc::new(SystemRandom), clock, Settings::default());
        let terms = Terms::new([]);
        let tenant = NewTenant { name: "acme".to_owned(), ..NewTenant::default() };
        identity.create_tenant(&tenant, &terms).await.unwrap();
        for number in 0..AT_ONCE {
            let new = NewPerson {
                name: format!("ann-{number}"),
                password: Some(PASSWORD.to_owned()),
                ..NewPerson::default()
            };
            identity.create_person(&new, &terms).await.unwrap();
        }
        identity
    });
    let names: Vec<String> = (0..AT_ONCE).map(|it| format!("ann-{it}")).collect();
    let mut group = criterion.benchmark_group("signing in");
    group.sample_size(10);
    group.throughput(Throughput::Elements(AT_ONCE as u64));
    for (what, password) in [("with the right password", PASSWORD), ("with a wrong one", "wrong horse")] {
        group.bench_function(what, |it| {
            it.iter(|| runtime.block_on(join_all(names.iter().map(|name| identity.sign_in(name, password, None)))));
        });
    }
    group.finish();
}

criterion_group!(benches, bench_logins);
criterion_main!(benches);
