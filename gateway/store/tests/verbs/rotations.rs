//! Keys that are rotated while they are used: nobody is refused who shows the old one in time or the new one at once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use authn::{AuthRules, KeyRules, Keyring};
use domain::{KeyId, Timestamp, Version};
use identity::{News, Registry as _};

use crate::desk::{Desk, NOW, desk, new, secrets, showing};

const ROTATIONS: u32 = 100;
const OVERLAP: Duration = Duration::from_hours(1);

/// The key that is let in with this text, if one is.
fn let_in(text: &str, ring: &Keyring, at: Timestamp, secrets: &authn::Secrets) -> Option<KeyId> {
    let (api, prefixes) = ("novastraxis".parse().unwrap(), ["nsx_live_".to_owned()]);
    let rules = AuthRules {
        api: &api,
        keys: Some(KeyRules { prefixes: &prefixes, imported: false }),
        signatures: None,
        tokens: None,
        tenant_header: None,
        sessions: None,
        anonymous: false,
    };
    let known = authn::authenticate(&rules, &showing(text, at), None, ring, secrets).ok().flatten();
    known.map(|(caller, _)| caller.standing.key.clone())
}

/// A ring that follows the registry as that of a gateway does.
struct Following {
    ring: RwLock<Arc<Keyring>>,
    seen: Mutex<Version>,
}

impl Following {
    async fn begin(desk: &Desk) -> Self {
        let seen = desk.store.version().await.unwrap();
        Self { ring: RwLock::new(Arc::new(desk.ring().await)), seen: Mutex::new(seen) }
    }

    async fn catch_up(&self, desk: &Desk) {
        let seen = *self.seen.lock().unwrap();
        let News::Changes(version, changes) = desk.store.changes_since(seen).await.unwrap() else {
            panic!("nobody has replaced the registry")
        };
        let next = self.ring().apply(changes);
        *self.ring.write().unwrap() = Arc::new(next);
        *self.seen.lock().unwrap() = version;
    }

    fn ring(&self) -> Arc<Keyring> {
        Arc::clone(&self.ring.read().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_rotations_under_load_refuse_nobody() {
    let desk = desk().await;
    let mut made = desk.identity.create_key(&new("ci"), &desk.terms).await.unwrap();
    let following = Arc::new(Following::begin(&desk).await);
    let first = made.secret.reveal().to_owned();
    // What clients have in hand: the key from before the last rotation, and the one since.
    let in_hand = Arc::new(Mutex::new([first.clone(), first.clone()]));
    let (over, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let served: [Arc<AtomicU64>; 2] = [(); 2].map(|()| Arc::default());
    let clients = served.clone().map(|served| {
        let (following, in_hand) = (Arc::clone(&following), Arc::clone(&in_hand));
        let (over, refused, secrets) = (Arc::clone(&over), Arc::clone(&refused), secrets());
        std::thread::spawn(move || {
            while !over.load(Ordering::Acquire) {
                let shown = in_hand.lock().unwrap().clone();
                for text in shown {
                    if let_in(&text, &following.ring(), NOW, &secrets).is_none() {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
                served.fetch_add(1, Ordering::Release);
            }
        })
    });
    for number in 0..ROTATIONS {
        made = desk.identity.rotate_key(&made.record.id, Some(OVERLAP), &desk.terms).await.unwrap();
        following.catch_up(&desk).await;
        let mut hand = in_hand.lock().unwrap().clone();
        hand.rotate_left(1);
        made.secret.reveal().clone_into(&mut hand[1]);
        *in_hand.lock().unwrap() = hand;
        // No rotation goes by that no client has seen.
        let before = served.each_ref().map(|it| it.load(Ordering::Acquire));
        while served.iter().zip(before).any(|(it, before)| it.load(Ordering::Acquire) < before + 2) {
            tokio::task::yield_now().await;
        }
        assert_eq!(refused.load(Ordering::Relaxed), 0, "rotation {number}");
    }
    over.store(true, Ordering::Release);
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(refused.load(Ordering::Relaxed), 0);
    // All are of one lineage, and once their overlap is over none but the last is let in.
    let (ring, secrets, last) = (following.ring(), secrets(), made.secret.reveal());
    assert_eq!(made.record.lineage.as_str(), desk.key(&made.record.id).await.lineage.as_str());
    assert!(let_in(&first, &ring, NOW, &secrets).is_some() && let_in(last, &ring, NOW, &secrets).is_some());
    let later = NOW + OVERLAP;
    let before = in_hand.lock().unwrap()[0].clone();
    for old in [&first, &before] {
        assert_eq!(let_in(old, &ring, later, &secrets), None);
    }
    assert_eq!(let_in(last, &ring, later, &secrets).as_ref(), Some(&made.record.id));
}

#[tokio::test]
async fn of_a_hundred_keys_that_are_replaced_at_once_each_is_refused_from_then_on() {
    let desk = desk().await;
    let mut made = desk.identity.create_key(&new("ci"), &desk.terms).await.unwrap();
    let (following, secrets) = (Following::begin(&desk).await, secrets());
    let mut gone = Vec::new();
    for _ in 0..ROTATIONS {
        let old = made.secret.reveal().to_owned();
        assert!(let_in(&old, &following.ring(), NOW, &secrets).is_some());
        made = desk.identity.rotate_key(&made.record.id, Some(Duration::ZERO), &desk.terms).await.unwrap();
        following.catch_up(&desk).await;
        gone.push(old);
        for old in [gone.first(), gone.last()].into_iter().flatten() {
            assert_eq!(let_in(old, &following.ring(), NOW, &secrets), None);
        }
        let next = let_in(made.secret.reveal(), &following.ring(), NOW, &secrets);
        assert_eq!(next.as_ref(), Some(&made.record.id));
    }
    assert!(gone.iter().all(|it| let_in(it, &following.ring(), NOW, &secrets).is_none()));
}
