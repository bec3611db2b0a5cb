//! Several that change the same things at once, and those who follow them.

use std::sync::Arc;

use authn::{Keyring, SystemRandom};
use domain::{Change, Deed, KeyId, KeyRecord, KeySecret, Tenant, TenantId, Timestamp, Version};
use identity::{
    CreateKeyError, DeedNumbers, Identity, KeyFilter, News, Page, PublishFault, Registry, RotateKeyError,
    SecretsChanged, Settings, Sought, StoreFault,
};
use store::Sqlite;

use crate::desk::{Desk, NOW, desk, new, secrets};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_applies_changes_has_the_ring_of_one_that_loads() {
    let desk = desk().await;
    let (mut version, mut ring) = (0, Keyring::default());
    let mut rotated = None;
    for round in 0..12_u8 {
        let made = desk.made(&format!("key {round}")).await.record;
        if round % 3 == 0 {
            desk.identity.revoke_key(&made.id).await.unwrap();
        } else if round % 3 == 1 {
            rotated = Some(desk.identity.rotate_key(&made.id, None, &desk.terms).await.unwrap());
        }
        let News::Changes(upto, changes) = desk.store.changes_since(version).await.unwrap() else { panic!() };
        version = upto;
        ring = ring.apply(changes);
    }
    assert_eq!(ring.len(), desk.ring().await.len());
    assert_eq!(ring.len(), 16);
    assert!(rotated.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_that_make_keys_at_once_lose_none() {
    let desk = desk().await;
    let path = desk.folder.path().join("control.db");
    let other = Arc::new(Sqlite::open(&path).await.unwrap());
    let identity =
        Identity::new(other, Arc::new(secrets()), Arc::new(SystemRandom), desk.clock.clone(), Settings::default());
    let make = async |identity: &Identity, who: &str| {
        for it in 0..20 {
            identity.create_key(&new(&format!("{who} {it}")), &desk.terms).await.unwrap();
        }
    };
    tokio::join!(make(&desk.identity, "command"), make(&identity, "office"));
    assert_eq!(desk.ring().await.len(), 40);
    let News::Changes(version, changes) = desk.store.changes_since(0).await.unwrap() else { panic!() };
    assert_eq!((version, changes.len()), (41, 41));
}

/// A registry in which somebody else always publishes between reading and writing, a given number of times.
struct Raced {
    store: Arc<Sqlite>,
    left: std::sync::atomic::AtomicU32,
    rival: KeyRecord,
}

#[async_trait::async_trait]
impl Registry for Raced {
    async fn version(&self) -> Result<Version, StoreFault> {
        self.store.version().await
    }
    async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>, StoreFault> {
        self.store.tenant(id).await
    }

    async fn tenant_called(&self, name: &str) -> Result<Option<TenantId>, StoreFault> {
        self.store.tenant_called(name).await
    }
    async fn tenants(&self, page: &Page<TenantId>) -> Result<Vec<Tenant>, StoreFault> {
        self.store.tenants(page).await
    }
    async fn key(&self, id: &KeyId) -> Result<Option<KeyRecord>, StoreFault> {
        self.store.key(id).await
    }
    async fn keys(&self, filter: &KeyFilter, page: &Page<KeyId>) -> Result<Vec<KeyRecord>, StoreFault> {
        self.store.keys(filter, page).await
    }
    async fn count_lineages(&self, tenant: &TenantId, now: Timestamp) -> Result<u64, StoreFault> {
        self.store.count_lineages(tenant, now).await
    }
    async fn named(&self, filter: &KeyFilter, name: &str, now: Timestamp) -> Result<Option<KeyRecord>, StoreFault> {
        self.store.named(filter, name, now).await
    }
    async fn holder(&self, secret: &KeySecret) -> Result<Option<KeyId>, StoreFault> {
        self.store.holder(secret).await
    }
    async fn token_keys(&self) -> Result<Vec<domain::TokenKey>, StoreFault> {
        self.store.token_keys().await
    }
    async fn record(&self, kind: &str, id: &str) -> Result<Option<String>, StoreFault> {
        self.store.record(kind, id).await
    }

    async fn records(&self, sought: &Sought<'_>) -> Result<Vec<String>, StoreFault> {
        self.store.records(sought).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<bool, StoreFault> {
        self.store.sweep(now).await
    }

    async fn publish(&self, seen: Version, changes: &[Change], deeds: &[Deed]) -> Result<Version, PublishFault> {
        use std::sync::atomic::Ordering::Relaxed;
        if self.left.fetch_update(Relaxed, Relaxed, |it| it.checked_sub(1)).is_ok() {
            let now = self.store.version().await?;
            self.store.publish(now, &[Change::Key(Box::new(self.rival.clone()))], &[]).await?;
        }
        self.store.publish(seen, changes, deeds).await
    }
    async fn keep_deeds(&self, deeds: &[Deed]) -> Result<(), StoreFault> {
        self.store.keep_deeds(deeds).await
    }
    async fn deeds(&self) -> Result<Vec<(u64, Deed)>, StoreFault> {
        self.store.deeds().await
    }
    async fn forget_deeds(&self, upto: u64) -> Result<(), StoreFault> {
        self.store.forget_deeds(upto).await
    }
    async fn deed_numbers(&self) -> Result<DeedNumbers, StoreFault> {
        self.store.deed_numbers().await
    }
    async fn number_deeds_after(&self, number: u64) -> Result<(), StoreFault> {
        self.store.number_deeds_after(number).await
    }
    async fn load(&self, take: &mut (dyn FnMut(Change) + Send)) -> Result<Version, StoreFault> {
        self.store.load(take).await
    }
    async fn changes_since(&self, version: Version) -> Result<News, StoreFault> {
        self.store.changes_since(version).await
    }
    async fn note_uses(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreFault> {
        self.store.note_uses(uses).await
    }
    async fn remember_marks(&self, marks: &[(String, domain::Digest)]) -> Result<(), SecretsChanged> {
        self.store.remember_marks(marks).await
    }
}

fn raced(desk: &Desk, times: u32, rival: KeyRecord) -> Identity {
    let registry = Raced { store: Arc::clone(&desk.store), left: times.into(), rival };
    let (vault, random) = (Arc::new(secrets()), Arc::new(SystemRandom));
    Identity::new(Arc::new(registry), vault, random, desk.clock.clone(), Settings::default())
}

#[tokio::test]
async fn a_verb_that_was_overtaken_decides_again_on_what_is_now() {
    let desk = desk().await;
    let rival = desk.made("rival").await.record;
    let later = KeyRecord { name: "renamed".to_owned(), ..rival.clone() };
    raced(&desk, 3, later).create_key(&new("mine"), &desk.terms).await.unwrap();
    assert_eq!(desk.ring().await.len(), 2);

    // A key that is revoked while it is being rotated is not brought back to life.
    let revoked = KeyRecord { revoked: Some(NOW), ..rival.clone() };
    let refused = raced(&desk, 1, revoked).rotate_key(&rival.id, None, &desk.terms).await;
    assert!(matches!(refused, Err(RotateKeyError::Dead(..))), "{refused:?}");
    assert_eq!(desk.key(&rival.id).await.revoked, Some(NOW));
}

#[tokio::test]
async fn a_verb_that_is_overtaken_for_ever_gives_up() {
    let desk = desk().await;
    let rival = desk.made("rival").await.record;
    let gave_up = raced(&desk, u32::MAX, rival).create_key(&new("mine"), &desk.terms).await;
    assert!(matches!(gave_up, Err(CreateKeyError::Store(_))), "{gave_up:?}");
}
