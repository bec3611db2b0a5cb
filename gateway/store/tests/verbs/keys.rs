//! The life of a key.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::{KeyId, KeySecret, Overlap, Version, keyformat};
use identity::{
    CreateKeyError, Follower, ImportKey, ImportKeyError, KeyFilter, KeyKind, KeyState, NewKey, NotHonoured, Page,
    PlainKey, Registry, RevokeKeyError, RotateKeyError, Settings, Unfit,
};

use crate::desk::{DAY, NOW, acme, desk, desk_with, new};

#[tokio::test]
async fn a_key_is_shown_once_and_kept_as_a_digest() {
    let desk = desk().await;
    let asked = NewKey {
        scopes: ["network", "compute", "network"].map(|it| it.parse().unwrap()).into(),
        tier: Some("enterprise".parse().unwrap()),
        ip_allow: vec!["192.0.2.9/24".parse().unwrap()],
        expires: Some(NOW + DAY),
        ..new("  ci  ")
    };
    let issued = desk.identity.create_key(&asked, &desk.terms).await.unwrap();
    assert_eq!(keyformat::prefix(issued.secret.reveal()), Some("nsx_live_"), "the first prefix is that of new keys");
    let kept = desk.key(&issued.record.id).await;
    assert_eq!(kept, issued.record);
    assert_eq!((kept.name.as_str(), kept.owner.as_deref()), ("ci", None));
    assert_eq!(kept.scopes.iter().map(ToString::to_string).collect::<Vec<_>>(), ["compute", "network"]);
    assert_eq!(kept.ip_allow[0].to_string(), "192.0.2.0/24");
    assert_eq!(kept.lineage.as_str(), kept.id.as_str());
    assert!(!format!("{issued:?}").contains(issued.secret.reveal()));
}

#[tokio::test]
async fn nothing_in_the_database_opens_anything() {
    let desk = desk().await;
    let key = desk.made("ci").await;
    let access = NewKey::new("cloudnx".parse().unwrap(), acme(), "s3");
    let access = desk.identity.create_key(&access, &desk.terms).await.unwrap();
    desk.store.close().await;
    let file = std::fs::read(desk.folder.path().join("control.db")).unwrap();
    let holds = |text: &str| file.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(holds(key.record.id.as_str()), "the file is the one that was written");
    assert!(!holds(key.secret.reveal()) && !holds(access.secret.reveal()));
    assert!(!holds(key.secret.reveal().trim_start_matches("nsx_live_")));
}

#[tokio::test]
async fn a_key_may_do_nothing_until_it_is_said_what() {
    let desk = desk().await;
    let record = desk.made("bare").await.record;
    assert!(record.scopes.is_empty() && record.ip_allow.is_empty() && record.expires.is_none());
    assert_eq!(record.tier.as_str(), "standard");
}

#[tokio::test]
async fn an_access_key_has_a_public_and_a_secret_half() {
    let desk = desk().await;
    let asked = NewKey::new("cloudnx".parse().unwrap(), acme(), "s3");
    let issued = desk.identity.create_key(&asked, &desk.terms).await.unwrap();
    let KeySecret::AccessKey { access_key_id, sealed } = &issued.record.secret else { panic!() };
    assert!(access_key_id.starts_with("AKID") && access_key_id.len() == 20);
    assert_eq!(issued.secret.reveal().len(), 40);
    assert!(!String::from_utf8_lossy(sealed).contains(issued.secret.reveal()));
    assert_eq!(desk.key(&issued.record.id).await, issued.record);
}

#[tokio::test]
async fn what_the_api_does_not_know_is_refused_by_name() {
    let desk = desk().await;
    let refused = async |asked: NewKey| match desk.identity.create_key(&asked, &desk.terms).await {
        Err(CreateKeyError::Unfit(unfit)) => unfit,
        other => panic!("{other:?}"),
    };
    let scope = NewKey { scopes: vec!["compue".parse().unwrap()], ..new("a") };
    assert!(matches!(refused(scope).await, Unfit::UnknownScope(..)));
    let tier = NewKey { tier: Some("gold".parse().unwrap()), ..new("a") };
    assert!(matches!(refused(tier).await, Unfit::UnknownTier(..)));
    let api = NewKey { api: "nova".parse().unwrap(), ..new("a") };
    assert!(matches!(refused(api).await, Unfit::UnknownApi(..)));
    let kind = NewKey { kind: Some(KeyKind::AccessKey), ..new("a") };
    assert!(matches!(refused(kind).await, Unfit::KindNotTaken(..)));
    assert_eq!(refused(NewKey { expires: Some(NOW), ..new("a") }).await, Unfit::Expired(NOW));
    assert!(matches!(refused(new(" \n")).await, Unfit::Name(_)));
    assert!(desk.identity.list_keys(&KeyFilter::default(), &Page::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_key_belongs_to_a_tenant_that_exists() {
    let desk = desk().await;
    let asked = NewKey { tenant: "nobody".parse().unwrap(), ..new("a") };
    let refused = desk.identity.create_key(&asked, &desk.terms).await.unwrap_err();
    assert!(matches!(&refused, CreateKeyError::UnknownTenant(id) if id.as_str() == "nobody"), "{refused}");
}

#[tokio::test]
async fn a_name_is_held_while_its_key_works() {
    let desk = desk().await;
    let first = desk.made("ci").await.record;
    let again = desk.identity.create_key(&new("ci"), &desk.terms).await;
    assert!(matches!(again, Err(CreateKeyError::NameTaken(..))));
    let twins = desk.identity.create_keys(&[new("x"), new("x")], &desk.terms).await;
    assert!(matches!(twins, Err(CreateKeyError::NameTaken(..))));
    let elsewhere = NewKey::new("cloudnx".parse().unwrap(), acme(), "ci");
    desk.identity.create_key(&elsewhere, &desk.terms).await.unwrap();
    desk.identity.revoke_key(&first.id).await.unwrap();
    desk.made("ci").await;
}

#[tokio::test]
async fn a_tenant_has_only_so_many_working_keys() {
    let desk = desk_with(Settings { keys_per_tenant: 2.try_into().unwrap(), ..Settings::default() }).await;
    let first = desk.made("a").await.record;
    desk.made("b").await;
    let third = desk.identity.create_key(&new("c"), &desk.terms).await.unwrap_err();
    assert!(matches!(third, CreateKeyError::TooMany(_, 2, 2)), "{third}");
    desk.tenant("globex").await;
    let other = NewKey { tenant: "globex".parse().unwrap(), ..new("c") };
    desk.identity.create_key(&other, &desk.terms).await.unwrap();
    let successor = desk.identity.rotate_key(&first.id, None, &desk.terms).await.unwrap();
    assert!(desk.identity.create_key(&new("c"), &desk.terms).await.is_err(), "a key and its successor are one");
    desk.identity.revoke_key(&first.id).await.unwrap();
    assert!(desk.identity.create_key(&new("c"), &desk.terms).await.is_err());
    desk.identity.revoke_key(&successor.record.id).await.unwrap();
    desk.made("c").await;
}

#[tokio::test]
async fn many_keys_are_made_whole_or_not_at_all() {
    let desk = desk().await;
    let bad = NewKey { tenant: "nobody".parse().unwrap(), ..new("z") };
    assert!(desk.identity.create_keys(&[new("a"), bad], &desk.terms).await.is_err());
    let batch: Vec<NewKey> = (0..100).map(|it| new(&format!("key {it}"))).collect();
    let issued = desk.identity.create_keys(&batch, &desk.terms).await.unwrap();
    let shown: HashSet<&str> = issued.iter().map(|it| it.secret.reveal()).collect();
    assert_eq!(shown.len(), 100);
    assert_eq!(desk.ring().await.len(), 100);
}

#[tokio::test]
async fn a_rotated_key_works_until_its_overlap_is_over() {
    let desk = desk().await;
    let asked = NewKey { scopes: vec!["data".parse().unwrap()], expires: Some(NOW + DAY * 90), ..new("ci") };
    let old = desk.identity.create_key(&asked, &desk.terms).await.unwrap().record;
    desk.clock.advance(DAY * 10);
    let issued = desk.identity.rotate_key(&old.id, None, &desk.terms).await.unwrap();
    let (old, next) = (desk.key(&old.id).await, desk.key(&issued.record.id).await);
    assert_eq!(next, issued.record);
    assert_eq!((&next.lineage, next.rotated_from.as_ref()), (&old.lineage, Some(&old.id)));
    assert_eq!((&next.name, &next.scopes, &next.tier, &next.tenant), (&old.name, &old.scopes, &old.tier, &old.tenant));
    assert_eq!(next.expires, Some(NOW + DAY * 100), "as long a life as the old one had");
    assert_eq!(old.overlap, Some(Overlap { since: NOW + DAY * 10, until: NOW + DAY * 11 }));
    assert_eq!((desk.state(&old), desk.state(&next)), (KeyState::Retiring, KeyState::Active));
    desk.clock.advance(DAY);
    assert_eq!((desk.state(&old), desk.state(&next)), (KeyState::Replaced, KeyState::Active));
}

#[tokio::test]
async fn a_leaked_key_stops_at_once() {
    let desk = desk().await;
    let old = desk.made("ci").await.record;
    desk.identity.rotate_key(&old.id, Some(Duration::ZERO), &desk.terms).await.unwrap();
    assert_eq!(desk.state(&desk.key(&old.id).await), KeyState::Replaced);
}

#[tokio::test]
async fn a_key_that_takes_the_place_of_a_bound_one_is_bound_as_it_was() {
    let desk = desk().await;
    let bound: Option<domain::Bound> = "bucket=photos".parse().ok();
    let asked = NewKey { bound: bound.clone(), ..NewKey::new("cloudnx".parse().unwrap(), acme(), "photos") };
    let first = desk.identity.create_key(&asked, &desk.terms).await.unwrap().record;
    assert_eq!(desk.key(&first.id).await.bound, bound);
    let next = desk.identity.rotate_key(&first.id, None, &desk.terms).await.unwrap().record;
    assert_eq!(desk.key(&next.id).await.bound, bound);
    desk.identity.revoke_key(&next.id).await.unwrap();
    assert_eq!(desk.key(&next.id).await.bound, bound, "it is bound when it is dead");
}

#[tokio::test]
async fn only_a_key_that_works_and_was_not_rotated_is_rotated() {
    let desk = desk().await;
    let rotate = async |id: &KeyId| desk.identity.rotate_key(id, None, &desk.terms).await;
    let (twice, dead) = (desk.made("a").await.record, desk.made("b").await.record);
    let brief = NewKey { expires: Some(NOW + DAY), ..new("c") };
    let brief = desk.identity.create_key(&brief, &desk.terms).await.unwrap().record;
    rotate(&twice.id).await.unwrap();
    assert!(matches!(rotate(&twice.id).await, Err(RotateKeyError::Rotated(_))));
    desk.identity.revoke_key(&dead.id).await.unwrap();
    assert!(matches!(rotate(&dead.id).await, Err(RotateKeyError::Dead(_, "revoked"))));
    desk.clock.advance(DAY);
    assert!(matches!(rotate(&brief.id).await, Err(RotateKeyError::Dead(_, "expired"))));
    assert!(matches!(rotate(&"key_none".parse().unwrap()).await, Err(RotateKeyError::Unknown(_))));
}

#[tokio::test]
async fn an_imported_key_is_followed_by_one_of_our_own_and_an_access_key_by_another() {
    let desk = desk().await;
    let key = ImportKey { new: new("old"), key: PlainKey::plain("nsx_live_a1b2c3d4e5f6") };
    let imported = desk.identity.import_keys(&[key], &desk.terms).await.unwrap().remove(0);
    let next = desk.identity.rotate_key(&imported.id, None, &desk.terms).await.unwrap();
    assert!(matches!(next.record.secret, KeySecret::Minted { .. }));
    assert_eq!(keyformat::prefix(next.secret.reveal()), Some("nsx_live_"));
    let access = NewKey::new("cloudnx".parse().unwrap(), acme(), "s3");
    let access = desk.identity.create_key(&access, &desk.terms).await.unwrap().record;
    let next = desk.identity.rotate_key(&access.id, None, &desk.terms).await.unwrap().record;
    assert!(matches!(next.secret, KeySecret::AccessKey { .. }));
    assert_ne!(next.secret, access.secret);
}

#[tokio::test]
async fn revoking_twice_is_revoking_once() {
    let desk = desk().await;
    let record = desk.made("ci").await.record;
    let first = desk.identity.revoke_key(&record.id).await.unwrap();
    assert_eq!(first.revoked, Some(NOW));
    let version = desk.store.version().await.unwrap();
    desk.clock.advance(DAY);
    assert_eq!(desk.identity.revoke_key(&record.id).await.unwrap(), first);
    assert_eq!(desk.store.version().await.unwrap(), version, "nothing changed, so nothing is published");
    let unknown = desk.identity.revoke_key(&"key_none".parse().unwrap()).await;
    assert!(matches!(unknown, Err(RevokeKeyError::Unknown(_))));
}

#[tokio::test]
async fn keys_made_elsewhere_are_taken_in_once() {
    let desk = desk().await;
    let plain = |name: &str, key: &str| ImportKey { new: new(name), key: PlainKey::plain(key) };
    let import = async |keys: &[ImportKey]| desk.identity.import_keys(keys, &desk.terms).await;
    let first = import(&[plain("a", "nsx_live_a1b2c3d4"), plain("b", "sk-0123456789abcdef")]).await.unwrap();
    assert!(first.iter().all(|it| matches!(it.secret, KeySecret::Imported { .. })));
    let known = import(&[plain("c", "nsx_live_zzzzzzzz"), plain("d", "sk-0123456789abcdef")]).await;
    assert!(matches!(&known, Err(ImportKeyError::Known(2, id)) if *id == first[1].id), "{known:?}");
    let twice = import(&[plain("c", "nsx_live_zzzzzzzz"), plain("d", "nsx_live_zzzzzzzz")]).await;
    assert!(matches!(twice, Err(ImportKeyError::Repeated(2))));
    let short = import(&[plain("c", "tooshort")]).await;
    assert!(matches!(short, Err(ImportKeyError::Create(CreateKeyError::Unfit(Unfit::Import(1, _))))));
    assert_eq!(desk.ring().await.len(), 2);
    assert!(!format!("{:?}", plain("x", "canary-canary-canary")).contains("canary"));
}

#[tokio::test]
async fn a_key_under_a_newer_pepper_never_goes_back() {
    let desk = desk().await;
    let record = desk.made("ci").await.record;
    let under = |pepper, byte| KeySecret::Minted { digest: [byte; 32], pepper };
    let renew = async |secret: KeySecret| {
        desk.identity.renew_digests(&[(record.id.clone(), secret)]).await.unwrap();
        desk.key(&record.id).await.secret
    };
    assert_eq!(renew(under(2, 2)).await, under(2, 2));
    assert_eq!(renew(under(1, 1)).await, under(2, 2));
    assert_eq!(renew(KeySecret::Imported { digest: [3; 32], pepper: 3 }).await, under(2, 2));
    desk.identity.renew_digests(&[("key_gone".parse().unwrap(), under(9, 9))]).await.unwrap();
}

/// A gateway that acts by nothing, and notes what it was to act by.
#[derive(Default)]
struct Deaf(AtomicU64);

#[async_trait]
impl Follower for Deaf {
    async fn honours(&self, version: Version) -> Result<(), NotHonoured> {
        self.0.store(version, Ordering::Relaxed);
        Err(NotHonoured)
    }
}

#[tokio::test]
async fn nobody_is_told_that_a_key_is_revoked_before_the_gateway_that_runs_acts_by_it() {
    let desk = desk().await;
    let made = desk.made("ci").await.record.id;
    let gateway = Arc::new(Deaf::default());
    let followed = desk.identity.clone().followed_by(Arc::clone(&gateway) as _);
    let told = followed.revoke_key(&made).await.unwrap_err().to_string();
    assert!(told.contains("waiting for the running gateway") && told.contains("it is done and kept"), "{told}");
    assert_eq!(gateway.0.load(Ordering::Relaxed), desk.store.version().await.unwrap());
    assert!(desk.key(&made).await.revoked.is_some());
}

#[tokio::test]
async fn of_a_key_that_was_found_where_none_should_be_it_is_entered_how() {
    let desk = desk().await;
    let made = desk.made("ci").await.record.id;
    desk.identity.revoke_leaked_key(&made, "command").await.unwrap();
    let deeds = desk.store.deeds().await.unwrap();
    let deed = &deeds.last().unwrap().1;
    assert_eq!((deed.action.as_str(), deed.target.as_deref()), ("revoke", Some(made.as_str())));
    assert_eq!((deed.facts["why"].as_str(), deed.facts["found_by"].as_str()), ("leaked", "command"));
}
