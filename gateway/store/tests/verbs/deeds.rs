//! What was done is kept with what it changed, refusals and idle repetitions too, and nothing secret is in it.

use domain::{Deed, DeedClass};
use identity::{NewKey, Registry};

use crate::desk::{Desk, acme, desk, new};

async fn deeds(desk: &Desk) -> Vec<Deed> {
    desk.store.deeds().await.unwrap().into_iter().map(|it| it.1).collect()
}

async fn last(desk: &Desk) -> Deed {
    deeds(desk).await.pop().unwrap()
}

#[tokio::test]
async fn every_verb_leaves_a_deed_whether_it_changed_something_or_not() {
    let desk = desk().await;
    let made = desk.made("ci").await;
    let deed = last(&desk).await;
    assert_eq!((deed.class, deed.action.as_str(), deed.actor.as_str()), (DeedClass::Key, "create", "os:test"));
    assert_eq!((deed.tenant, deed.target), (Some(acme()), Some(made.record.id.to_string())));
    assert_eq!((deed.facts["api"].as_str(), deed.facts["kind"].as_str()), ("novastraxis", "minted"));
    let rotated = desk.identity.rotate_key(&made.record.id, None, &desk.terms).await.unwrap();
    let deed = last(&desk).await;
    assert_eq!((deed.action.as_str(), deed.target), ("rotate", Some(rotated.record.id.to_string())));
    assert_eq!(deed.facts["rotated_from"], made.record.id.to_string());
    for changed in ["true", "false"] {
        desk.identity.revoke_key(&made.record.id).await.unwrap();
        let deed = last(&desk).await;
        assert_eq!((deed.action.as_str(), deed.facts["changed"].as_str()), ("revoke", changed));
        desk.identity.suspend_tenant(&acme()).await.unwrap();
        let deed = last(&desk).await;
        assert_eq!((deed.class, deed.facts["changed"].as_str()), (DeedClass::Tenant, changed));
    }
    assert_eq!(deeds(&desk).await.len(), 7, "the tenant was made first");
    let told = serde_json::to_string(&deeds(&desk).await).unwrap();
    for secret in [made.secret.reveal(), rotated.secret.reveal()] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[tokio::test]
async fn what_is_forgotten_stands_nowhere_any_more() {
    let desk = desk().await;
    let stands = || {
        let files = std::fs::read_dir(desk.folder.path()).unwrap().map(|it| it.unwrap().path());
        files.filter(|it| std::fs::read(it).unwrap().windows(17).any(|it| it == b"alice@example.com")).count()
    };
    desk.identity.keep_deed(DeedClass::Erasure, "erase", |it| it.of(&acme()).on("alice@example.com")).await.unwrap();
    assert!(stands() > 0);
    let (newest, _) = desk.store.deeds().await.unwrap().pop().unwrap();
    desk.store.forget_deeds(newest).await.unwrap();
    assert_eq!(stands(), 0);
}

#[tokio::test]
async fn no_name_of_a_key_is_in_a_deed_done_or_refused() {
    let desk = desk().await;
    let _ = desk.made("alice-laptop").await;
    let again = desk.identity.create_key(&new("alice-laptop"), &desk.terms).await.unwrap_err();
    assert!(again.to_string().contains("alice-laptop"), "whoever asks is told");
    assert!(last(&desk).await.refused.is_some());
    let unfit = NewKey { owner: Some("alice\nb".to_owned()), ..new("ci") };
    desk.identity.create_key(&unfit, &desk.terms).await.unwrap_err();
    let told = serde_json::to_string(&deeds(&desk).await).unwrap();
    assert!(!told.contains("alice"), "{told}");
}

#[tokio::test]
async fn a_refusal_is_kept_with_its_reason() {
    let desk = desk().await;
    let nobody = NewKey { tenant: "nobody".parse().unwrap(), ..new("ci") };
    let refused = desk.identity.create_key(&nobody, &desk.terms).await.unwrap_err();
    assert_eq!(last(&desk).await.refused, Some(refused.to_string()));
    let unknown = "key_none".parse().unwrap();
    desk.identity.revoke_key(&unknown).await.unwrap_err();
    let deed = last(&desk).await;
    assert_eq!((deed.action.as_str(), deed.target.as_deref()), ("revoke", Some("key_none")));
    assert!(deed.refused.is_some() && desk.identity.rotate_key(&unknown, None, &desk.terms).await.is_err());
    assert_eq!(last(&desk).await.action, "rotate");
}
