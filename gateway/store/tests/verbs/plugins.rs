//! Plugins that tenants have bound: who has which, how many, and what is revoked for good.

use identity::{ChangePluginError, NewPlugin, Plugin, PluginQuota, PushPluginError, Unfit};

use crate::desk::{Desk, desk};

const QUOTA: PluginQuota = PluginQuota { per_tenant: 3, per_api: 2 };

fn new(tenant: &str, name: &str, digest: &str) -> NewPlugin {
    NewPlugin {
        tenant: tenant.parse().unwrap(),
        api: "novastraxis".parse().unwrap(),
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        digest: digest.to_owned(),
        manifest: "[plugin]".to_owned(),
        config: "{}".to_owned(),
        asks: "kv".to_owned(),
    }
}

async fn push(desk: &Desk, new: &NewPlugin) -> Result<Plugin, PushPluginError> {
    desk.identity.push_plugin(new, QUOTA, &desk.terms).await
}

async fn names(desk: &Desk, tenant: &str) -> Vec<String> {
    let all = desk.identity.plugins(Some(&tenant.parse().unwrap())).await.unwrap();
    all.into_iter().map(|it| it.name).collect()
}

#[tokio::test]
async fn a_plugin_takes_the_place_of_the_one_of_its_name_and_is_seen_by_its_tenant_alone() {
    let desk = desk().await;
    desk.tenant("globex").await;
    let one = push(&desk, &new("acme", "a", "d1")).await.unwrap();
    let other = push(&desk, &new("globex", "a", "d1")).await.unwrap();
    let two = push(&desk, &new("acme", "a", "d2")).await.unwrap();
    assert_eq!((two.id == one.id, two.revision, two.created), (true, 2, one.created));
    assert_ne!(other.id, one.id);
    assert_eq!((names(&desk, "acme").await, names(&desk, "globex").await.len()), (vec!["a".to_owned()], 1));
    let version = desk.identity.registry().version().await.unwrap();
    assert_eq!(push(&desk, &new("acme", "a", "d2")).await.unwrap(), two);
    assert_eq!(desk.identity.registry().version().await.unwrap(), version, "the same again changes nothing");
    desk.identity.remove_plugin(&two.id).await.unwrap();
    assert!(names(&desk, "acme").await.is_empty());
    assert!(matches!(desk.identity.remove_plugin(&two.id).await, Err(ChangePluginError::Unknown(_))));
}

#[tokio::test]
async fn plugins_run_in_the_order_in_which_they_were_first_pushed() {
    let desk = desk().await;
    for (name, digest) in [("c", "d1"), ("a", "d1"), ("c", "d2")] {
        desk.clock.advance(std::time::Duration::from_secs(1));
        push(&desk, &new("acme", name, digest)).await.unwrap();
    }
    assert_eq!(names(&desk, "acme").await, ["c", "a"]);
}

#[tokio::test]
async fn nobody_has_more_plugins_than_they_may_or_one_where_there_is_nothing() {
    let desk = desk().await;
    for name in ["a", "b"] {
        push(&desk, &new("acme", name, "d1")).await.unwrap();
    }
    assert!(matches!(push(&desk, &new("acme", "c", "d1")).await, Err(PushPluginError::ApiFull(_, 2))));
    push(&desk, &new("acme", "b", "d2")).await.unwrap();
    let elsewhere = |name: &str| NewPlugin { api: "cloudnx".parse().unwrap(), ..new("acme", name, "d1") };
    push(&desk, &elsewhere("c")).await.unwrap();
    assert!(matches!(push(&desk, &elsewhere("d")).await, Err(PushPluginError::TenantFull(_, 3))));
    assert!(matches!(push(&desk, &new("nobody", "a", "d1")).await, Err(PushPluginError::UnknownTenant(_))));
    let unknown = NewPlugin { api: "none".parse().unwrap(), ..new("acme", "a", "d1") };
    assert!(matches!(push(&desk, &unknown).await, Err(PushPluginError::Unfit(Unfit::UnknownApi(..)))));
}

#[tokio::test]
async fn a_component_that_was_revoked_is_revoked_for_everybody_and_for_good() {
    let desk = desk().await;
    desk.tenant("globex").await;
    let one = push(&desk, &new("acme", "a", "bad")).await.unwrap();
    for (name, digest) in [("b", "bad"), ("c", "good")] {
        desk.clock.advance(std::time::Duration::from_secs(1));
        push(&desk, &new("globex", name, digest)).await.unwrap();
    }
    let ended = desk.identity.revoke_plugin(&one.id).await.unwrap();
    let tenants: std::collections::BTreeSet<_> = ended.iter().map(|it| it.tenant.as_str()).collect();
    assert_eq!((ended.len(), tenants), (2, ["acme", "globex"].into()));
    let revoked = |all: Vec<Plugin>| all.iter().map(|it| it.revoked.is_some()).collect::<Vec<_>>();
    assert_eq!(revoked(desk.identity.plugins(None).await.unwrap()), [true, true, false]);
    assert_eq!(desk.identity.revoked_components().await.unwrap().into_iter().collect::<Vec<_>>(), ["bad"]);
    push(&desk, &new("acme", "a", "better")).await.unwrap();
    desk.identity.remove_plugin(&one.id).await.unwrap();
    for tenant in ["acme", "globex"] {
        assert!(matches!(push(&desk, &new(tenant, "d", "bad")).await, Err(PushPluginError::Revoked(_))), "{tenant}");
    }
}

#[tokio::test]
async fn every_step_of_a_plugin_is_entered_and_so_is_what_was_refused() {
    let desk = desk().await;
    let one = push(&desk, &new("acme", "a", "d1")).await.unwrap();
    push(&desk, &new("acme", "a", "d2")).await.unwrap();
    desk.identity.revoke_plugin(&one.id).await.unwrap();
    push(&desk, &new("acme", "a", "d2")).await.unwrap_err();
    desk.identity.remove_plugin(&one.id).await.unwrap();
    let deeds = desk.identity.registry().deeds().await.unwrap();
    let of_plugins = deeds.iter().map(|it| &it.1).filter(|it| it.class == domain::DeedClass::Plugin);
    let told: Vec<_> = of_plugins.map(|it| (it.action.as_str(), it.refused.is_some(), it.tenant.is_some())).collect();
    let expected = ["install", "update", "revoke", "install", "remove"];
    assert_eq!(told, expected.iter().enumerate().map(|(at, it)| (*it, at == 3, true)).collect::<Vec<_>>());
    let update = deeds.iter().map(|it| &it.1).find(|it| it.action == "update").unwrap();
    assert_eq!((update.facts["digest_before"].as_str(), update.facts["asks"].as_str()), ("d1", "kv"));
}
