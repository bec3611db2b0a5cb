//! What the tests of this room share: an arrival, a key and what is kept of it.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::{
    Arrival, KeyRecord, KeySecret, Moment, NormalPath, PathMode, RequestId, Source, Tenant, Tick, Timestamp, Vault,
    keyformat,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::{MasterKey, Peppers, Secrets};

/// The moment at which every test takes place.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

pub(crate) fn secrets() -> Secrets {
    Secrets::new(Peppers::new([(1, [7; 32])]).unwrap(), MasterKey::from_bytes([9; 32]).unwrap())
}

pub(crate) fn arrival(target: &str, headers: &[(&str, &str)]) -> Arrival {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    }
    let path = target.split('?').next().unwrap_or_default();
    Arrival {
        id: RequestId::from_bytes([1; 16]),
        at: Moment { wall: NOW, tick: Tick::default() },
        source: Source { address: "192.0.2.7".parse().unwrap(), tls: true },
        method: Method::GET,
        host: "api.novastraxis.com".to_owned(),
        target: target.to_owned(),
        path: NormalPath::parse(path, PathMode::Api).unwrap(),
        headers: map,
    }
}

/// An arrival that shows this key.
pub(crate) fn showing(key: &str) -> Arrival {
    arrival("/v2/compute/instances", &[("authorization", &format!("Bearer {key}"))])
}

/// A key of our form; another seed, another key.
pub(crate) fn minted_key(prefix: &str, seed: u8) -> String {
    keyformat::write(prefix, &mut [seed; 32])
}

pub(crate) fn tenant(id: &str) -> Tenant {
    Tenant {
        id: id.parse().unwrap(),
        name: id.to_owned(),
        tiers: std::collections::BTreeMap::new(),
        created: NOW,
        suspended: None,
    }
}

/// What is kept of a key of `novastraxis` that belongs to `acme` and stands.
pub(crate) fn record(secret: KeySecret) -> KeyRecord {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = format!("key_{:016}", NEXT.fetch_add(1, Ordering::Relaxed));
    KeyRecord {
        id: id.parse().unwrap(),
        lineage: id.parse().unwrap(),
        api: "novastraxis".parse().unwrap(),
        tenant: "acme".parse().unwrap(),
        name: "ci".to_owned(),
        owner: None,
        secret,
        scopes: vec!["compute".parse().unwrap()],
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

/// What is kept of a key that the gateway made.
pub(crate) fn kept(key: &str) -> KeyRecord {
    record(secrets().keep_minted(key))
}
