//! Grants among keys, and what is kept beside both.

use std::time::Duration;

use domain::{Change, Grant, GrantKind, KeyRecord, KeySecret, Record};
use identity::{KeyFilter, News, Page, PublishFault, Sought};

use super::{Fresh, NOW, full, ids, key, loaded, made, publish, tenant};

fn grant(number: u8) -> KeyRecord {
    let granted = Grant {
        kind: GrantKind::Consent,
        client: Some("client \u{1f}1\u{1e}".to_owned()),
        authenticated: Some(NOW),
        methods: vec!["pwd".to_owned(), "otp".to_owned()],
    };
    KeyRecord { secret: KeySecret::Granted(granted), owner: Some("user_1".to_owned()), ..full(number) }
}

pub(crate) async fn grants_are_kept_among_keys_and_listed_apart(on: Fresh) {
    let lasting = KeyRecord { revoked: None, expires: None, overlap: None, ..grant(2) };
    let all = [Change::Tenant(tenant("acme")), made(&key(1)), made(&lasting)];
    let version = publish(&on, &all).await;
    assert_eq!(loaded(&on).await, (version, all.to_vec()));
    let page = Page::default();
    assert_eq!(ids(&on, &KeyFilter::default(), &page).await, ["key_1"]);
    assert_eq!(ids(&on, &KeyFilter { grants: true, ..KeyFilter::default() }, &page).await, ["key_2"]);
    let owned = |owner: &str| KeyFilter { grants: true, owner: Some(owner.to_owned()), ..KeyFilter::default() };
    assert_eq!(ids(&on, &owned("user_1"), &page).await, ["key_2"]);
    assert_eq!(ids(&on, &owned("user_2"), &page).await, [""; 0]);
    assert_eq!(on.count_lineages(&tenant("acme").id, NOW).await.unwrap(), 1);
    assert_eq!(on.named(&KeyFilter::default(), &lasting.name, NOW).await.unwrap(), None);
}

fn record(kind: &'static str, id: &str, tenant: Option<&str>, email: &str) -> Record {
    Record {
        kind,
        id: id.to_owned(),
        tenant: tenant.map(|it| it.parse().unwrap()),
        found_by: vec![("email", email.to_owned())],
        until: None,
        text: format!("{{\"id\":\"{id}\"}}"),
    }
}

fn kept(record: Record) -> Change {
    Change::Record(Box::new(record))
}

async fn found(on: &Fresh, sought: Sought<'_>) -> Vec<String> {
    on.records(&sought).await.unwrap()
}

pub(crate) async fn records_are_found_by_id_tenant_and_name(on: Fresh) {
    let before = publish(&on, &[Change::Tenant(tenant("acme")), Change::Tenant(tenant("umbra"))]).await;
    let ann = record("user", "u1", Some("acme"), "ann@example.com");
    let other = record("client", "u1", Some("umbra"), "ann@example.com");
    let bob = record("user", "u2", Some("umbra"), "bob@example.com");
    let version = publish(&on, &[kept(ann.clone()), kept(other), kept(bob.clone())]).await;
    assert_eq!(version, before + 3);
    assert_eq!(on.record("user", "u1").await.unwrap(), Some(ann.text.clone()));
    assert_eq!(on.record("user", "u3").await.unwrap(), None);
    let users = |by, tenant, after: Option<&str>| Sought {
        kind: "user",
        tenant,
        by,
        page: Page { after: after.map(str::to_owned), limit: 10 },
    };
    let umbra = tenant("umbra").id;
    assert_eq!(found(&on, users(None, None, None)).await, [ann.text.clone(), bob.text.clone()]);
    assert_eq!(found(&on, users(None, None, Some("u1"))).await, std::slice::from_ref(&bob.text));
    assert_eq!(found(&on, users(None, Some(&umbra), None)).await, std::slice::from_ref(&bob.text));
    assert_eq!(
        found(&on, users(Some(("email", "ann@example.com")), None, None)).await,
        std::slice::from_ref(&ann.text)
    );
    assert_eq!(found(&on, users(Some(("email", "ann@example.com")), Some(&umbra), None)).await, [""; 0]);
    // Under another name, and then gone.
    publish(&on, &[kept(Record { found_by: vec![("email", "ann@example.org".to_owned())], ..ann.clone() })]).await;
    assert_eq!(found(&on, users(Some(("email", "ann@example.com")), None, None)).await, [""; 0]);
    assert_eq!(found(&on, users(Some(("email", "ann@example.org")), None, None)).await, [ann.text]);
    publish(&on, &[Change::RecordGone("user", "u1".to_owned())]).await;
    assert_eq!(found(&on, users(None, None, None)).await, [bob.text]);
    // Nobody follows records, and their numbers are skipped.
    let newest = on.version().await.unwrap();
    assert_eq!(on.changes_since(before).await.unwrap(), News::Changes(newest, vec![]));
    assert!(matches!(on.publish(version, &[], &[]).await, Err(PublishFault::Stale)));
}

pub(crate) async fn what_has_had_its_time_is_swept_and_the_end_of_a_grant_is_news(on: Fresh) {
    let ended = |revoked, expires| KeyRecord { revoked, expires, overlap: None, ..grant(2) };
    let day = Duration::from_hours(24);
    let code = Record { until: Some(NOW), ..record("code", "c1", None, "x") };
    let all = [
        Change::Tenant(tenant("acme")),
        made(&KeyRecord { revoked: Some(NOW), ..key(1) }),
        made(&ended(Some(NOW), None)),
        kept(code),
    ];
    let version = publish(&on, &all).await;
    assert!(!on.sweep(NOW).await.unwrap(), "nothing is left of what has had its time");
    assert!(on.record("code", "c1").await.unwrap().is_some());
    assert_eq!(on.version().await.unwrap(), version);
    on.sweep(NOW + day + Duration::from_nanos(1)).await.unwrap();
    assert_eq!(on.record("code", "c1").await.unwrap(), None);
    assert_eq!(on.key(&key(2).id).await.unwrap(), None);
    // A key is kept for as long as anybody may ask what became of it.
    assert!(on.key(&key(1).id).await.unwrap().is_some());
    let newest = on.version().await.unwrap();
    assert_eq!(on.changes_since(version).await.unwrap(), News::Changes(newest, vec![Change::KeyGone(key(2).id)]));
    // However much there is, all of it goes, a part at a time.
    let code = |number| kept(Record { until: Some(NOW), ..record("code", &format!("c{number}"), None, "x") });
    publish(&on, &(0..1200).map(code).collect::<Vec<_>>()).await;
    let (mut parts, later) = (1, NOW + Duration::from_nanos(1));
    while on.sweep(later).await.unwrap() {
        parts += 1;
    }
    assert!((2..10).contains(&parts), "{parts}");
    for number in [0, 599, 1199] {
        assert_eq!(on.record("code", &format!("c{number}")).await.unwrap(), None);
    }
}
