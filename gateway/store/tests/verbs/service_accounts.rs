//! Service accounts: their keys may do no more than they, stop with them, and end with them.

use domain::{Change, DeedClass, KeyRecord, KeySecret, Scope};
use identity::{
    ChangeServiceAccountError, CreateKeyError, CreateServiceAccountError, Issued, KeyState, NewKey, NewServiceAccount,
    Page, RotateKeyError, Rotation, ServiceAccount, Terms, Unfit,
};

use crate::desk::{DAY, Desk, acme, api, desk};

/// An API with roles whose keys are shown, and one whose keys sign.
fn terms() -> Terms {
    let role = |name: &str, scopes: &[&str]| {
        (name.parse().unwrap(), scopes.iter().map(|it| it.parse().unwrap()).collect::<Vec<_>>())
    };
    let with_roles = |it| {
        let roles = [role("owner", &["compute", "data", "network"]), role("viewer", &["data"])].into();
        identity::ApiTerms { roles, ..it }
    };
    Terms::new([with_roles(api("novastraxis", &["nsx_live_"])), with_roles(api("cloudnx", &[]))])
}

fn new(name: &str, roles: &[&str]) -> NewServiceAccount {
    NewServiceAccount {
        api: "novastraxis".parse().unwrap(),
        tenant: acme(),
        name: name.to_owned(),
        roles: roles.iter().map(|it| it.parse().unwrap()).collect(),
        permissions: Vec::new(),
        workloads: Vec::new(),
    }
}

impl Desk {
    async fn account(&self, name: &str, roles: &[&str]) -> ServiceAccount {
        self.identity.create_service_account(&new(name, roles), &terms()).await.unwrap()
    }

    async fn key_of(&self, account: &ServiceAccount, name: &str, scopes: &[&str]) -> Result<Issued, CreateKeyError> {
        let scopes = scopes.iter().map(|it| it.parse().unwrap()).collect();
        let new = NewKey {
            owner: Some(account.id.clone()),
            scopes,
            ..NewKey::new(account.api.clone(), account.tenant.clone(), name)
        };
        self.identity.create_key(&new, &terms()).await
    }
}

fn words(scopes: &[Scope]) -> Vec<&str> {
    scopes.iter().map(Scope::as_str).collect()
}

#[tokio::test]
async fn a_key_of_a_service_account_is_cut_to_what_the_account_may_do() {
    let desk = desk().await;
    let viewer = desk.account("reports", &["viewer", "viewer"]).await;
    assert!(viewer.id.starts_with("sa_") && viewer.roles.len() == 1, "{viewer:?}");
    let key = desk.key_of(&viewer, "a", &["compute", "data"]).await.unwrap().record;
    assert_eq!(words(&key.scopes), ["data"]);
    assert_eq!(words(&desk.key(&key.id).await.scopes), ["data"], "and is kept so");
    let wide = NewServiceAccount { permissions: vec!["network".parse().unwrap()], ..new("wide", &["viewer"]) };
    let wide = desk.identity.create_service_account(&wide, &terms()).await.unwrap();
    let key = desk.key_of(&wide, "b", &["compute", "data", "network"]).await.unwrap().record;
    assert_eq!(words(&key.scopes), ["data", "network"]);
    let bare = desk.account("bare", &[]).await;
    assert!(desk.key_of(&bare, "c", &["data"]).await.unwrap().record.scopes.is_empty());
}

#[tokio::test]
async fn no_key_is_made_for_an_account_of_another_tenant_another_api_or_nobody() {
    let desk = desk().await;
    desk.tenant("globex").await;
    let account = desk.account("reports", &["owner"]).await;
    for (api, tenant, owner) in [
        ("novastraxis", "globex", account.id.as_str()),
        ("cloudnx", "acme", &account.id),
        ("novastraxis", "acme", "sa_nobody"),
        ("cloudnx", "acme", "iam_nobody"),
    ] {
        let new = NewKey {
            owner: Some(owner.to_owned()),
            ..NewKey::new(api.parse().unwrap(), tenant.parse().unwrap(), "stolen")
        };
        let told = desk.identity.create_key(&new, &terms()).await;
        assert!(matches!(told, Err(CreateKeyError::UnknownOwner(..))), "{api} {tenant} {owner}: {told:?}");
    }
    desk.identity.suspend_service_account(&account.id).await.unwrap();
    let told = desk.key_of(&account, "late", &["data"]).await;
    assert!(matches!(told, Err(CreateKeyError::SuspendedOwner(_))), "{told:?}");
}

#[tokio::test]
async fn what_is_suspended_opens_nothing_until_it_is_resumed_whatever_its_tenant_is() {
    let desk = desk().await;
    let (account, other) = (desk.account("reports", &["owner"]).await, desk.account("other", &["owner"]).await);
    let key = desk.key_of(&account, "a", &["data"]).await.unwrap().record;
    let theirs = desk.key_of(&other, "b", &["data"]).await.unwrap().record;
    let suspended = async |it: &KeyRecord| desk.ring().await.by_id(&it.id).unwrap().standing().suspended;
    assert!(!suspended(&key).await);
    let held = desk.identity.suspend_service_account(&account.id).await.unwrap();
    assert_eq!((held.status(), desk.state(&desk.key(&key.id).await)), ("suspended", KeyState::Suspended));
    assert!(suspended(&key).await && !suspended(&theirs).await);
    let told = desk.identity.rotate_key(&key.id, None, &terms()).await;
    assert!(matches!(told, Err(RotateKeyError::Suspended(_))), "a way around it: {told:?}");
    // That its tenant is resumed is no reason to let it in.
    let ring = desk.ring().await;
    let tenant = desk.identity.suspend_tenant(&acme()).await.unwrap();
    let ring = ring.apply([Change::Tenant(tenant)]);
    let ring = ring.apply([Change::Tenant(desk.identity.resume_tenant(&acme()).await.unwrap())]);
    assert!(ring.by_id(&key.id).unwrap().standing().suspended);
    assert!(!ring.by_id(&theirs.id).unwrap().standing().suspended);
    desk.clock.advance(DAY);
    let again = desk.identity.suspend_service_account(&account.id).await.unwrap();
    assert_eq!(again.suspended, held.suspended, "twice is once");
    desk.identity.resume_service_account(&account.id).await.unwrap();
    assert!(!suspended(&key).await);
    assert_eq!(desk.state(&desk.key(&key.id).await), KeyState::Active);
}

#[tokio::test]
async fn other_roles_take_from_its_keys_and_give_them_nothing() {
    let desk = desk().await;
    let account = desk.account("reports", &["owner"]).await;
    let key = desk.key_of(&account, "a", &["compute", "data"]).await.unwrap().record;
    let roles = |it: &str| vec![it.parse().unwrap()];
    desk.identity.set_service_account_roles(&account.id, &roles("viewer"), &terms()).await.unwrap();
    assert_eq!(words(&desk.key(&key.id).await.scopes), ["data"]);
    desk.identity.set_service_account_roles(&account.id, &roles("owner"), &terms()).await.unwrap();
    assert_eq!(words(&desk.key(&key.id).await.scopes), ["data"]);
    let told = desk.identity.set_service_account_roles(&account.id, &roles("king"), &terms()).await;
    assert!(matches!(told, Err(ChangeServiceAccountError::Unfit(Unfit::UnknownRole(..)))), "{told:?}");
    let deeds = desk.deeds_of(DeedClass::Role).await;
    let said: Vec<_> = deeds.iter().map(|it| it.facts.get("roles").map(String::as_str)).collect();
    assert_eq!(said, [Some("owner"), Some("viewer"), Some("owner"), None]);
    assert!(deeds[3].refused.is_some() && deeds[1].facts["keys"] == "1", "{deeds:#?}");
}

#[tokio::test]
async fn whoever_is_deleted_leaves_no_key_that_opens_anything() {
    let desk = desk().await;
    let account = desk.account("reports", &["owner"]).await;
    let keys = [desk.key_of(&account, "a", &[]).await.unwrap(), desk.key_of(&account, "b", &[]).await.unwrap()];
    desk.identity.revoke_key(&keys[0].record.id).await.unwrap();
    desk.identity.delete_service_account(&account.id).await.unwrap();
    for key in &keys {
        assert_eq!(desk.state(&desk.key(&key.record.id).await), KeyState::Revoked);
    }
    assert_eq!(desk.identity.service_account(&account.id).await.unwrap(), None);
    let told = desk.identity.delete_service_account(&account.id).await;
    assert!(matches!(told, Err(ChangeServiceAccountError::Unknown(_))), "{told:?}");
    let told = desk.key_of(&account, "c", &[]).await;
    assert!(matches!(told, Err(CreateKeyError::UnknownOwner(..))), "{told:?}");
    let revoked = desk.deeds_of(DeedClass::Key).await.into_iter().filter(|it| it.action == "revoke");
    let of: Vec<_> = revoked.map(|it| (it.target.unwrap(), it.facts["owner"].clone())).collect();
    let [one, two] = keys.map(|it| it.record.id.to_string());
    assert_eq!(of, [(one, account.id.clone()), (two, account.id.clone())], "each once");
}

#[tokio::test]
async fn names_are_told_apart_and_no_deed_says_one() {
    let desk = desk().await;
    desk.tenant("globex").await;
    let account = desk.account("zanzibar", &["viewer"]).await;
    let told = desk.identity.create_service_account(&new(" zanzibar ", &[]), &terms()).await;
    assert!(matches!(told, Err(CreateServiceAccountError::NameTaken(..))), "{told:?}");
    for elsewhere in [
        NewServiceAccount { tenant: "globex".parse().unwrap(), ..new("zanzibar", &[]) },
        NewServiceAccount { api: "cloudnx".parse().unwrap(), ..new("zanzibar", &[]) },
    ] {
        let made = desk.identity.create_service_account(&elsewhere, &terms()).await.unwrap();
        assert_eq!(made.id.starts_with("iam_"), made.api.as_str() == "cloudnx");
    }
    for bad in [
        NewServiceAccount { tenant: "nobody".parse().unwrap(), ..new("a", &[]) },
        NewServiceAccount { permissions: vec!["fly".parse().unwrap()], ..new("a", &[]) },
        NewServiceAccount { workloads: vec!["https://a#b".parse().unwrap(); 21], ..new("a", &[]) },
        new("zanzibar\u{7}", &[]),
        new("a", &["king"]),
    ] {
        assert!(desk.identity.create_service_account(&bad, &terms()).await.is_err(), "{bad:?}");
    }
    let _ = desk.identity.suspend_service_account("zanzibar").await.unwrap_err();
    let _ = desk.identity.set_service_account_roles("zanzibar", &[], &terms()).await.unwrap_err();
    desk.identity.delete_service_account(&account.id).await.unwrap();
    let all = [desk.deeds_of(DeedClass::Identity).await, desk.deeds_of(DeedClass::Role).await].concat();
    assert!(!format!("{all:?}").contains("zanzibar"), "{all:#?}");
    assert_eq!(all.iter().filter(|it| it.refused.is_some()).count(), 8, "{all:#?}");
}

#[tokio::test]
async fn those_of_a_tenant_are_found_with_their_keys_and_none_of_another() {
    let desk = desk().await;
    let globex = desk.tenant("globex").await.id;
    let own = [desk.account("a", &[]).await, desk.account("b", &[]).await];
    let theirs = NewServiceAccount { tenant: globex.clone(), ..new("a", &[]) };
    let theirs = desk.identity.create_service_account(&theirs, &terms()).await.unwrap();
    let key = desk.key_of(&own[0], "k", &[]).await.unwrap().record;
    let api = "novastraxis".parse().unwrap();
    assert_eq!(desk.identity.service_accounts_at(&acme(), &api).await.unwrap(), own);
    assert_eq!(desk.identity.service_accounts_at(&globex, &api).await.unwrap(), std::slice::from_ref(&theirs));
    assert_eq!(desk.identity.service_accounts(None, &Page::default()).await.unwrap().len(), 3);
    assert_eq!(desk.identity.keys_of(&own[0].id).await.unwrap(), std::slice::from_ref(&key));
    assert_eq!(desk.identity.keys_at(&acme(), &api).await.unwrap(), [key]);
    assert!(desk.identity.keys_at(&globex, &api).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_key_is_current_then_overdue_and_rotating_while_it_overlaps() {
    let desk = desk().await;
    let account = desk.account("reports", &["owner"]).await;
    let key = desk.key_of(&account, "a", &[]).await.unwrap().record;
    let now = || domain::Clock::now(&*desk.clock).wall;
    assert_eq!(desk.identity.rotation_of(&key, now()), Some(Rotation::Current));
    desk.clock.advance(89 * DAY);
    assert_eq!(desk.identity.rotation_of(&key, now()), Some(Rotation::Current));
    desk.clock.advance(DAY);
    assert_eq!(desk.identity.rotation_of(&key, now()), Some(Rotation::Overdue));
    let next = desk.identity.rotate_key(&key.id, None, &terms()).await.unwrap().record;
    assert_eq!(next.owner.as_deref(), Some(account.id.as_str()), "it stays the account's");
    let old = desk.key(&key.id).await;
    assert_eq!(desk.identity.rotation_of(&old, now()), Some(Rotation::Rotating(now() + DAY)));
    assert_eq!(desk.identity.rotation_of(&next, now()), Some(Rotation::Current));
    desk.clock.advance(DAY);
    assert_eq!(desk.identity.rotation_of(&old, now()), None);
    assert!(Rotation::Current < Rotation::Rotating(now()) && Rotation::Rotating(now()) < Rotation::Overdue);
}

#[tokio::test]
async fn an_account_whose_keys_sign_has_keys_that_sign() {
    let desk = desk().await;
    let account = NewServiceAccount { api: "cloudnx".parse().unwrap(), ..new("ci", &["viewer"]) };
    let account = desk.identity.create_service_account(&account, &terms()).await.unwrap();
    let key = desk.key_of(&account, "k", &["data", "compute"]).await.unwrap().record;
    assert!(matches!(key.secret, KeySecret::AccessKey { .. }));
    assert_eq!(words(&key.scopes), ["data"]);
}
