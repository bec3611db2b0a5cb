//! Tenants: made, suspended, resumed.

use std::collections::BTreeMap;

use domain::Change;
use identity::{ChangeTenantError, CreateTenantError, NewTenant, News, Page, Registry, Unfit};

use crate::desk::{DAY, NOW, acme, desk};

#[tokio::test]
async fn a_tenant_is_suspended_and_resumed_and_followers_hear_of_it() {
    let desk = desk().await;
    let seen = desk.store.version().await.unwrap();
    let suspended = desk.identity.suspend_tenant(&acme()).await.unwrap();
    assert_eq!(suspended.suspended, Some(NOW));
    desk.clock.advance(DAY);
    assert_eq!(desk.identity.suspend_tenant(&acme()).await.unwrap(), suspended, "since when stays what it was");
    assert_eq!(desk.store.changes_since(seen).await.unwrap(), News::Changes(seen + 1, vec![Change::Tenant(suspended)]));
    assert_eq!(desk.identity.resume_tenant(&acme()).await.unwrap().suspended, None);
    let unknown = desk.identity.suspend_tenant(&"nobody".parse().unwrap()).await;
    assert!(matches!(unknown, Err(ChangeTenantError::Unknown(_))));
}

#[tokio::test]
async fn a_tenant_id_is_never_used_twice_and_is_drawn_where_none_is_given() {
    let desk = desk().await;
    let taken = NewTenant { id: Some(acme()), name: "Acme".to_owned(), ..NewTenant::default() };
    let again = desk.identity.create_tenant(&taken, &desk.terms).await;
    assert!(matches!(again, Err(CreateTenantError::Taken(_))));
    let drawn = |name: &str| NewTenant { name: name.to_owned(), ..NewTenant::default() };
    let one = desk.identity.create_tenant(&drawn("Globex"), &desk.terms).await.unwrap();
    let two = desk.identity.create_tenant(&drawn("Initech"), &desk.terms).await.unwrap();
    let namesake = desk.identity.create_tenant(&drawn("Globex"), &desk.terms).await;
    assert!(matches!(namesake, Err(CreateTenantError::NameTaken { id, .. }) if id == one.id));
    assert!(one.id != two.id && one.id.as_str().starts_with("tnt_"));
    assert_eq!(desk.identity.list_tenants(&Page::default()).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_tier_of_a_tenant_must_be_one_of_the_api() {
    let desk = desk().await;
    let (api, gold, top) = ("novastraxis".parse().unwrap(), "gold".parse().unwrap(), "enterprise".parse().unwrap());
    let bad = desk.identity.set_tier(&acme(), &api, Some(&gold), &desk.terms).await;
    assert!(matches!(bad, Err(ChangeTenantError::Unfit(Unfit::UnknownTier(..)))));
    let raised = desk.identity.set_tier(&acme(), &api, Some(&top), &desk.terms).await.unwrap();
    assert_eq!(raised.tiers, BTreeMap::from([(api.clone(), top)]));
    let lowered = desk.identity.set_tier(&acme(), &api, None, &desk.terms).await.unwrap();
    assert!(lowered.tiers.is_empty());
}
