//! What every backend must keep of its promises, whatever it is made of.

mod records;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{
    Change, Deed, DeedClass, KeyId, KeyRecord, KeySecret, Overlap, Tenant, Timestamp, TokenKey, TokenKeyAlg,
    TokenKeyStage, Version,
};
use identity::{DeedNumbers, KeyFilter, News, Page, PublishFault, Registry, SecretsChanged};

pub(crate) use records::*;

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// A fresh, empty backend that outlives the call.
pub(crate) type Fresh = Arc<dyn Registry>;

pub(crate) fn tenant(id: &str) -> Tenant {
    Tenant { id: id.parse().unwrap(), name: id.to_uppercase(), tiers: BTreeMap::new(), created: NOW, suspended: None }
}

pub(crate) fn key(number: u8) -> KeyRecord {
    let id: KeyId = format!("key_{number}").parse().unwrap();
    KeyRecord {
        lineage: id.founds(),
        id,
        api: "novastraxis".parse().unwrap(),
        tenant: "acme".parse().unwrap(),
        name: format!("key number {number}"),
        owner: None,
        secret: KeySecret::Minted { digest: [number; 32], pepper: 1 },
        scopes: Vec::new(),
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

/// A key that uses everything a key can have.
fn full(number: u8) -> KeyRecord {
    KeyRecord {
        owner: Some("Zoë's \"ci\"; DROP TABLE keys".to_owned()),
        secret: KeySecret::Imported { digest: [number; 32], pepper: u16::MAX },
        scopes: ["compute", "data:read"].map(|it| it.parse().unwrap()).into(),
        ip_allow: ["192.0.2.0/24", "2001:db8::/32"].map(|it| it.parse().unwrap()).into(),
        bound: None,
        expires: Some(NOW + Duration::from_nanos(1)),
        overlap: Some(Overlap { since: NOW + Duration::from_nanos(5), until: NOW + Duration::from_nanos(2) }),
        revoked: Some(NOW + Duration::from_nanos(3)),
        suspended: Some(NOW + Duration::from_nanos(6)),
        last_used: Some(NOW + Duration::from_nanos(4)),
        ..key(number)
    }
}

fn made(key: &KeyRecord) -> Change {
    Change::Key(Box::new(key.clone()))
}

async fn publish(on: &Fresh, changes: &[Change]) -> Version {
    let seen = on.version().await.unwrap();
    on.publish(seen, changes, &[]).await.unwrap()
}

async fn loaded(on: &Fresh) -> (Version, Vec<Change>) {
    let mut all = Vec::new();
    let version = on.load(&mut |it| all.push(it)).await.unwrap();
    (version, all)
}

async fn ids(on: &Fresh, filter: &KeyFilter, page: &Page<KeyId>) -> Vec<String> {
    on.keys(filter, page).await.unwrap().iter().map(|it| it.id.to_string()).collect()
}

pub(crate) async fn what_was_published_is_read_back_unchanged(on: Fresh) {
    let mut acme = tenant("acme");
    acme.tiers.insert("novastraxis".parse().unwrap(), "enterprise".parse().unwrap());
    acme.tiers.insert("cloudnx".parse().unwrap(), "starter".parse().unwrap());
    acme.suspended = Some(NOW);
    let access =
        KeyRecord { secret: KeySecret::AccessKey { access_key_id: "AKID".into(), sealed: vec![0, 255, 7] }, ..key(3) };
    let rotated = KeyRecord { rotated_from: Some(key(1).id), lineage: key(1).lineage, ..key(4) };
    let all = [Change::Tenant(acme.clone()), made(&key(1)), made(&full(2)), made(&access), made(&rotated)];
    let version = publish(&on, &all).await;
    assert_eq!(loaded(&on).await, (version, all.to_vec()));
    assert_eq!(on.tenant(&acme.id).await.unwrap(), Some(acme));
    assert_eq!(on.key(&full(2).id).await.unwrap(), Some(full(2)));
    for record in [full(2), access] {
        assert_eq!(on.holder(&record.secret).await.unwrap(), Some(record.id));
    }
}

pub(crate) async fn thousands_of_keys_are_loaded_in_the_order_of_making(on: Fresh) {
    let many: Vec<Change> = (0..3_u16)
        .map(|it| Change::Tenant(tenant(&format!("tenant-{it}"))))
        .chain((0..2_000_u16).map(|it| {
            let id: KeyId = format!("key_{it}").parse().unwrap();
            let secret = KeySecret::Minted { digest: it.to_be_bytes().repeat(16).try_into().unwrap(), pepper: 1 };
            let tenant = format!("tenant-{}", it % 3).parse().unwrap();
            made(&KeyRecord { lineage: id.founds(), id, secret, tenant, ..full(1) })
        }))
        .collect();
    let version = publish(&on, &many).await;
    assert_eq!(loaded(&on).await, (version, many));
}

pub(crate) async fn what_is_not_there_is_not_found(on: Fresh) {
    assert_eq!(on.version().await.unwrap(), 0);
    assert_eq!(loaded(&on).await, (0, vec![]));
    assert_eq!(on.tenant(&tenant("acme").id).await.unwrap(), None);
    assert_eq!(on.tenant_called("nobody").await.unwrap(), None);
    assert_eq!(on.key(&key(1).id).await.unwrap(), None);
    assert_eq!(on.holder(&key(1).secret).await.unwrap(), None);
    assert_eq!(on.tenants(&Page::default()).await.unwrap(), []);
    assert_eq!(ids(&on, &KeyFilter::default(), &Page::default()).await, [""; 0]);
    assert_eq!(on.changes_since(0).await.unwrap(), News::Changes(0, vec![]));
}

pub(crate) async fn a_change_that_was_decided_on_an_old_version_is_refused_whole(on: Fresh) {
    let seen = publish(&on, &[Change::Tenant(tenant("acme"))]).await;
    on.publish(seen, &[made(&key(1))], &[]).await.unwrap();
    let late = on.publish(seen, &[made(&key(2)), Change::Tenant(tenant("globex"))], &[]).await;
    assert!(matches!(late, Err(PublishFault::Stale)));
    assert_eq!(on.key(&key(2).id).await.unwrap(), None);
    assert_eq!(on.tenant(&tenant("globex").id).await.unwrap(), None);
}

pub(crate) async fn a_change_that_cannot_be_written_leaves_nothing_behind(on: Fresh) {
    let seen = publish(&on, &[Change::Tenant(tenant("acme")), made(&key(1))]).await;
    let homeless = KeyRecord { tenant: "nobody".parse().unwrap(), ..key(3) };
    let twin = KeyRecord { secret: key(1).secret, ..key(3) };
    for bad in [homeless, twin] {
        let refused = on.publish(seen, &[made(&key(2)), made(&bad)], &[]).await;
        assert!(matches!(refused, Err(PublishFault::Store(_))), "{bad:?}");
    }
    assert_eq!(on.version().await.unwrap(), seen);
    assert_eq!(on.key(&key(2).id).await.unwrap(), None);
}

pub(crate) async fn a_follower_sees_each_change_once_and_as_it_is_now(on: Fresh) {
    let first = publish(&on, &[Change::Tenant(tenant("acme")), made(&key(1)), made(&key(2))]).await;
    assert_eq!(on.changes_since(first).await.unwrap(), News::Changes(first, vec![]));
    let revoked = KeyRecord { revoked: Some(NOW), ..key(1) };
    publish(&on, &[made(&KeyRecord { name: "renamed".to_owned(), ..key(1) })]).await;
    publish(&on, &[made(&revoked)]).await;
    let suspended = Tenant { suspended: Some(NOW), ..tenant("acme") };
    let last = publish(&on, &[Change::Tenant(suspended.clone())]).await;
    let expected = vec![Change::Tenant(suspended), made(&revoked)];
    assert_eq!(on.changes_since(first).await.unwrap(), News::Changes(last, expected));
}

pub(crate) async fn a_follower_of_another_store_is_told_to_begin_again(on: Fresh) {
    let last = publish(&on, &[Change::Tenant(tenant("acme"))]).await;
    assert_eq!(on.changes_since(last + 1).await.unwrap(), News::Rewritten);
}

pub(crate) async fn lists_keep_the_order_of_making_from_page_to_page(on: Fresh) {
    let globex = KeyRecord { tenant: "globex".parse().unwrap(), ..key(4) };
    let other = KeyRecord { api: "cloudnx".parse().unwrap(), ..key(5) };
    let tenants = [Change::Tenant(tenant("globex")), Change::Tenant(tenant("acme"))];
    publish(&on, &tenants).await;
    publish(&on, &[made(&key(9)), made(&key(3)), made(&globex), made(&other), made(&key(1))]).await;

    let page = |after: Option<u8>, limit| Page { after: after.map(|it| key(it).id), limit };
    let (all, acme) = (KeyFilter::default(), KeyFilter { tenant: Some(key(1).tenant), ..KeyFilter::default() });
    let narrow = KeyFilter { api: Some(key(1).api), ..acme.clone() };
    assert_eq!(ids(&on, &all, &page(None, 3)).await, ["key_9", "key_3", "key_4"]);
    assert_eq!(ids(&on, &all, &page(Some(4), 3)).await, ["key_5", "key_1"]);
    assert_eq!(ids(&on, &acme, &page(Some(9), 9)).await, ["key_3", "key_5", "key_1"]);
    assert_eq!(ids(&on, &narrow, &page(None, 9)).await, ["key_9", "key_3", "key_1"]);
    assert_eq!(ids(&on, &all, &page(Some(77), 9)).await, [""; 0]);
    let read = on.tenants(&Page { after: Some(tenant("globex").id), limit: 5 }).await.unwrap();
    assert_eq!(read, [tenant("acme")]);
}

pub(crate) async fn only_keys_that_work_hold_a_name_and_a_place(on: Fresh) {
    let acme = KeyFilter { tenant: Some(key(1).tenant), api: Some(key(1).api), ..KeyFilter::default() };
    let successor = KeyRecord { lineage: key(1).lineage, ..key(2) };
    let named = |number: u8| KeyRecord { name: "same".to_owned(), ..key(number) };
    publish(&on, &[Change::Tenant(tenant("acme")), made(&key(1)), made(&successor)]).await;
    assert_eq!(on.count_lineages(&key(1).tenant, NOW).await.unwrap(), 1, "a key and its successor are one");
    let dead = [
        KeyRecord { revoked: Some(NOW), ..named(3) },
        KeyRecord { expires: Some(NOW), ..named(4) },
        KeyRecord { overlap: Some(Overlap { since: NOW, until: NOW }), ..named(5) },
    ];
    publish(&on, &dead.each_ref().map(made)).await;
    assert_eq!(on.named(&acme, "same", NOW).await.unwrap(), None);
    assert_eq!(on.count_lineages(&key(1).tenant, NOW).await.unwrap(), 1);
    let before = NOW - Duration::from_nanos(1);
    assert_eq!(on.named(&acme, "same", before).await.unwrap().map(|it| it.id), Some(key(5).id));
    assert_eq!(on.count_lineages(&key(1).tenant, before).await.unwrap(), 3);
    let elsewhere = KeyFilter { api: Some("cloudnx".parse().unwrap()), ..acme };
    assert_eq!(on.named(&elsewhere, "same", before).await.unwrap(), None);
}

pub(crate) async fn a_use_never_goes_back_and_is_no_change(on: Fresh) {
    let version = publish(&on, &[Change::Tenant(tenant("acme")), made(&key(1)), made(&key(2))]).await;
    let later = NOW + Duration::from_secs(30);
    on.note_uses(&[(key(1).id, later), (key(2).id, NOW), (key(77).id, NOW)]).await.unwrap();
    on.note_uses(&[(key(1).id, NOW)]).await.unwrap();
    assert_eq!(on.key(&key(1).id).await.unwrap().unwrap().last_used, Some(later));
    assert_eq!(on.version().await.unwrap(), version);
    // Whoever read the key before the use and changes it now must not undo the use.
    publish(&on, &[made(&KeyRecord { revoked: Some(NOW), ..key(1) })]).await;
    assert_eq!(on.key(&key(1).id).await.unwrap().unwrap().last_used, Some(later));
}

pub(crate) async fn other_secrets_are_noticed(on: Fresh) {
    let mark = |name: &str, value: u8| (name.to_owned(), [value; 32]);
    let first = [mark("pepper.v1", 1), mark("master.key", 2)];
    on.remember_marks(&first).await.unwrap();
    on.remember_marks(&first).await.unwrap();
    publish(&on, &[Change::Tenant(tenant("acme")), made(&key(1))]).await;
    for (marks, named) in [
        (vec![mark("pepper.v1", 9), mark("master.key", 2)], "pepper.v1"),
        (vec![mark("pepper.v1", 1), mark("master.key", 9)], "master.key"),
    ] {
        let found = on.remember_marks(&marks).await;
        assert!(matches!(&found, Err(SecretsChanged::Other(name)) if name == named), "{found:?}");
    }
    on.remember_marks(&[mark("pepper.v2", 3), mark("pepper.v1", 1), mark("master.key", 2)]).await.unwrap();
    let second = [mark("pepper.v2", 3), mark("master.key", 2)];
    let found = on.remember_marks(&second).await;
    assert!(matches!(&found, Err(SecretsChanged::Missing(name)) if name == "pepper.v1"), "{found:?}");
    let moved = KeyRecord { secret: KeySecret::Minted { digest: [8; 32], pepper: 2 }, ..key(1) };
    publish(&on, &[made(&moved)]).await;
    on.remember_marks(&second).await.unwrap();
    let found = on.remember_marks(&[mark("pepper.v2", 3)]).await;
    assert!(matches!(&found, Err(SecretsChanged::Missing(name)) if name == "master.key"), "{found:?}");
}

pub(crate) async fn deeds_are_kept_with_their_change_and_until_they_are_forgotten(on: Fresh) {
    let deed =
        |action: &str| Deed::new(DeedClass::Key, action, "os:test", NOW).of(&key(1).tenant).with("name", "\"é\"");
    let acme = [Change::Tenant(tenant("acme"))];
    let seen = on.publish(0, &acme, &[deed("one"), deed("two")]).await.unwrap();
    let late = on.publish(0, &[made(&key(1))], &[deed("never")]).await;
    assert!(matches!(late, Err(PublishFault::Stale)));
    let homeless = KeyRecord { tenant: "nobody".parse().unwrap(), ..key(3) };
    on.publish(seen, &[made(&homeless)], &[deed("never")]).await.unwrap_err();
    on.keep_deeds(&[deed("three").refused("no")]).await.unwrap();
    let kept = on.deeds().await.unwrap();
    let deeds: Vec<Deed> = kept.iter().map(|it| it.1.clone()).collect();
    assert_eq!(deeds, [deed("one"), deed("two"), deed("three").refused("no")]);
    on.forget_deeds(kept[1].0).await.unwrap();
    assert_eq!(on.deeds().await.unwrap(), kept[2..]);
    on.forget_deeds(kept[2].0).await.unwrap();
    on.keep_deeds(&[deed("four")]).await.unwrap();
    assert!(kept[2].0 < on.deeds().await.unwrap()[0].0, "a number is never used again");
    assert_eq!(on.version().await.unwrap(), seen, "a deed is no change");
}

pub(crate) async fn deeds_are_numbered_on_from_what_was_entered_of_a_newer_registry(on: Fresh) {
    let deed = |action: &str| Deed::new(DeedClass::Key, action, "os:test", NOW);
    let numbers = async || -> Vec<u64> { on.deeds().await.unwrap().iter().map(|it| it.0).collect() };
    assert_eq!(on.deed_numbers().await.unwrap().newest, 0);
    on.number_deeds_after(7).await.unwrap();
    assert_eq!((on.deed_numbers().await.unwrap().newest, numbers().await), (7, vec![]));
    on.keep_deeds(&[deed("one"), deed("two"), deed("three")]).await.unwrap();
    assert_eq!((on.deed_numbers().await.unwrap().newest, numbers().await), (10, vec![8, 9, 10]));
    assert_eq!(on.deed_numbers().await.unwrap().waiting, Some(8));
    on.forget_deeds(8).await.unwrap();
    // Not where they are after it already, and where they are not all of them, though some were.
    for (after, kept) in [(8, [9, 10]), (5, [9, 10]), (9, [10, 11]), (40, [41, 42])] {
        on.number_deeds_after(after).await.unwrap();
        assert_eq!(numbers().await, kept);
    }
    let actions: Vec<String> = on.deeds().await.unwrap().into_iter().map(|it| it.1.action).collect();
    assert_eq!(actions, ["two", "three"]);
    on.forget_deeds(42).await.unwrap();
    assert_eq!(on.deed_numbers().await.unwrap(), DeedNumbers { newest: 42, waiting: None });
    on.keep_deeds(&[deed("four")]).await.unwrap();
    assert_eq!(numbers().await, [43]);
}

pub(crate) async fn keys_that_sign_tokens_are_kept_followed_and_one_at_a_time(on: Fresh) {
    let token_key = |kid: &str, stage: TokenKeyStage| TokenKey {
        kid: kid.to_owned(),
        alg: if kid == "one" { TokenKeyAlg::Rs256 } else { TokenKeyAlg::EdDsa },
        public: vec![0x1e, 0x1f, 0],
        sealed: matches!(stage, TokenKeyStage::Published { .. } | TokenKeyStage::InUse { .. }).then(|| vec![9; 40]),
        published: NOW,
        stage,
    };
    let change = |key: &TokenKey| Change::TokenKey(Box::new(key.clone()));
    let used = token_key("one", TokenKeyStage::InUse { since: NOW });
    let next = token_key("two", TokenKeyStage::Published { due: NOW + Duration::from_nanos(1) });
    let seen = publish(&on, &[Change::Tenant(tenant("acme")), change(&used), change(&next)]).await;
    assert_eq!(on.token_keys().await.unwrap(), [used.clone(), next.clone()]);
    assert_eq!(on.changes_since(1).await.unwrap(), News::Changes(3, vec![change(&used), change(&next)]));
    let mut loaded = Vec::new();
    assert_eq!(on.load(&mut |it| loaded.push(it)).await.unwrap(), seen);
    assert_eq!(loaded, [Change::Tenant(tenant("acme")), change(&used), change(&next)]);
    // Two cannot sign at once.
    let both = token_key("two", TokenKeyStage::InUse { since: NOW });
    assert!(matches!(on.publish(seen, &[change(&both)], &[]).await, Err(PublishFault::Store(_))));
    let over = token_key("one", TokenKeyStage::Superseded { since: NOW });
    let seen = on.publish(seen, &[change(&over), change(&both)], &[]).await.unwrap();
    assert_eq!(on.changes_since(3).await.unwrap(), News::Changes(seen, vec![change(&over), change(&both)]));
    assert_eq!(on.token_keys().await.unwrap(), [over, both]);
}

pub(crate) async fn of_many_that_write_at_once_each_gets_through_alone(on: Fresh) {
    publish(&on, &[Change::Tenant(tenant("acme"))]).await;
    let writers = (0..16_u8).map(|number| {
        let on = Arc::clone(&on);
        tokio::spawn(async move {
            loop {
                let seen = on.version().await.unwrap();
                match on.publish(seen, &[made(&key(number))], &[]).await {
                    Ok(version) => return version,
                    Err(PublishFault::Stale) => {}
                    Err(PublishFault::Store(fault)) => panic!("{fault}"),
                }
            }
        })
    });
    let mut versions = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        versions.push(writer.await.unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (2..18).collect::<Vec<Version>>());
}
