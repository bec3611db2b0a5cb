//! A database of its own and the verbs over it.

use std::sync::Arc;
use std::time::Duration;

use authn::{Keyring, MasterKey, Peppers, Secrets, SystemRandom};
use domain::{
    Arrival, Clock, FixedClock, KeyId, KeyRecord, Moment, NormalPath, PathMode, RequestId, Source, Tenant, TenantId,
    Tick, Timestamp,
};
use identity::{ApiTerms, Identity, KeyState, NewKey, NewTenant, Registry, Settings};
use store::Sqlite;

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
pub(crate) const ISSUER: &str = "https://api.novastraxis.com";
pub(crate) const DAY: Duration = Duration::from_hours(24);

pub(crate) struct Desk {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Arc<Sqlite>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) identity: Identity,
    pub(crate) terms: identity::Terms,
}

pub(crate) fn secrets() -> Secrets {
    Secrets::new(Peppers::new([(1, [7; 32])]).unwrap(), MasterKey::from_bytes([9; 32]).unwrap())
}

pub(crate) fn api(name: &str, prefixes: &[&str]) -> ApiTerms {
    ApiTerms {
        api: name.parse().unwrap(),
        prefixes: prefixes.iter().map(|it| (*it).to_owned()).collect(),
        imported: true,
        access_keys: prefixes.is_empty(),
        scopes: ["compute", "data", "network"].map(|it| it.parse().unwrap()).into(),
        tiers: ["standard", "enterprise"].map(|it| it.parse().unwrap()).into(),
        default_tier: "standard".parse().unwrap(),
        counted_by: domain::CountedBy::Lineage,
        roles: std::collections::BTreeMap::new(),
        grants: identity::ClientGrant::ALL.to_vec(),
        bucket_keys: None,
    }
}

pub(crate) async fn desk() -> Desk {
    desk_with(Settings::default()).await
}

pub(crate) async fn desk_with(settings: Settings) -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Sqlite::open(&folder.path().join("control.db")).await.unwrap());
    let clock = Arc::new(FixedClock::at(NOW));
    let registry: Arc<dyn Registry> = store.clone();
    let identity = Identity::new(registry, Arc::new(secrets()), Arc::new(SystemRandom), clock.clone(), settings)
        .acting_for("os:test");
    let terms = identity::Terms::new([api("novastraxis", &["nsx_live_", "nsx_old_"]), api("cloudnx", &[])]);
    let desk = Desk { folder, store, clock, identity, terms };
    desk.tenant("acme").await;
    desk
}

impl Desk {
    pub(crate) async fn tenant(&self, id: &str) -> Tenant {
        let new = NewTenant { id: Some(id.parse().unwrap()), name: id.to_owned(), ..NewTenant::default() };
        self.identity.create_tenant(&new, &self.terms).await.unwrap()
    }

    pub(crate) async fn made(&self, name: &str) -> identity::Issued {
        self.identity.create_key(&new(name), &self.terms).await.unwrap()
    }

    pub(crate) async fn key(&self, id: &KeyId) -> KeyRecord {
        self.identity.key(id).await.unwrap().unwrap()
    }

    pub(crate) fn state(&self, record: &KeyRecord) -> KeyState {
        KeyState::of(record, self.clock.now().wall)
    }

    pub(crate) async fn ring(&self) -> Keyring {
        let mut builder = authn::KeyringBuilder::new();
        self.store.load(&mut |it| builder.add(it)).await.unwrap();
        builder.finish()
    }
}

pub(crate) fn new(name: &str) -> NewKey {
    NewKey::new("novastraxis".parse().unwrap(), acme(), name)
}

pub(crate) fn acme() -> TenantId {
    "acme".parse().unwrap()
}

/// A request that shows this as its bearer.
pub(crate) fn showing(bearer: &str, at: Timestamp) -> Arrival {
    let shown = format!("Bearer {bearer}").parse().unwrap();
    Arrival {
        id: RequestId::from_bytes([1; 16]),
        at: Moment { wall: at, tick: Tick::default() },
        source: Source { address: [192, 0, 2, 7].into(), tls: true },
        method: http::Method::GET,
        host: "api.novastraxis.com".to_owned(),
        target: "/v2/compute/instances".to_owned(),
        path: NormalPath::parse("/v2/compute/instances", PathMode::Api).unwrap(),
        headers: [(http::header::AUTHORIZATION, shown)].into_iter().collect(),
    }
}
