//! Connections to providers elsewhere: who is let in by what they say, and what ends with it.

use std::time::Duration;

use domain::{Clock as _, DeedClass, RoleName, Timestamp};
use identity::{
    ChangeProviderError, CreateProviderError, EndedOutside, EnterError, LeftOutside, LinkError, NewKey, NewProvider,
    OutsideUser, Provider, RoleRule, UnfitProvider,
};
use serde_json::{Map, Value, json};

use crate::desk::{Desk, ISSUER, acme, desk};
use crate::people::terms;

const MINUTE: Duration = Duration::from_mins(1);

fn roles(names: &[&str]) -> Vec<RoleName> {
    names.iter().map(|it| it.parse().unwrap()).collect()
}

fn rule(value: &str, names: &[&str]) -> RoleRule {
    RoleRule { claim: "groups".to_owned(), value: value.to_owned(), roles: roles(names) }
}

pub(crate) fn new() -> NewProvider {
    NewProvider {
        tenant: acme(),
        name: "Acme Login".to_owned(),
        issuer: "https://login.example.com".to_owned(),
        client: "portcullis".to_owned(),
        secret: "a canary of a secret".to_owned().into(),
        algs: Vec::new(),
        ca: None,
        private: false,
        scopes: Vec::new(),
        domains: vec!["Example.com".to_owned()],
        rules: vec![rule("ops", &["viewer"]), rule("admins", &["owner"])],
        set_by: None,
        makes_users: true,
    }
}

fn claims(said: &Value) -> Map<String, Value> {
    said.as_object().unwrap().clone()
}

impl Desk {
    pub(crate) async fn connect(&self, new: NewProvider) -> Provider {
        self.identity.create_provider(&new, &terms()).await.unwrap()
    }

    fn moment(&self) -> Timestamp {
        self.clock.now().wall
    }

    /// Somebody comes of whom this is said: the cookie.
    pub(crate) async fn comes(
        &self,
        provider: &Provider,
        (subject, session): (&str, Option<&str>),
        said: &Value,
    ) -> Result<String, EnterError> {
        let (claims, methods) = (claims(said), vec!["pwd".to_owned()]);
        let authenticated = Some(self.moment());
        let who = OutsideUser {
            issuer: ISSUER,
            subject,
            session,
            authenticated,
            methods,
            claims: &claims,
            id_token: "a.b.c",
        };
        Ok(self.identity.enter_outside(provider, &who, &terms()).await?.reveal().to_owned())
    }

    async fn user_of(&self, cookie: &str) -> Option<String> {
        self.identity.browser_session(cookie, ISSUER).await.unwrap().map(|it| it.user)
    }

    async fn roles_of(&self, user: &str) -> Vec<String> {
        let all = self.identity.memberships(user).await.unwrap();
        all.into_iter().flat_map(|it| it.roles).map(|it| it.to_string()).collect()
    }
}

#[tokio::test]
async fn a_tenant_has_one_connection_and_its_secret_is_kept_sealed() {
    let desk = desk().await;
    let provider = desk.connect(new()).await;
    assert_eq!(
        (provider.scopes.join(" "), provider.domains.join(" ")),
        ("openid profile email".into(), "example.com".into())
    );
    assert_eq!(&**desk.identity.provider_secret(&provider).unwrap(), b"a canary of a secret");
    let kept = desk.identity.provider(&provider.id).await.unwrap().unwrap();
    assert_eq!(kept, provider);
    assert!(!serde_json::to_string(&kept).unwrap().contains("canary"));
    let again = desk.identity.create_provider(&new(), &terms()).await;
    assert!(matches!(again, Err(CreateProviderError::Taken(..))));
    let deeds = serde_json::to_string(&desk.deeds_of(DeedClass::Identity).await).unwrap();
    assert!(deeds.contains(&provider.id) && !deeds.contains("canary"), "{deeds}");
}

#[tokio::test]
async fn what_cannot_be_a_connection_is_none() {
    let desk = desk().await;
    for issuer in ["http://127.0.0.1:1", "http://login.example.com", "https://a.example?x", "https://a.example#x", "x"]
    {
        let made = desk.identity.create_provider(&NewProvider { issuer: issuer.to_owned(), ..new() }, &terms()).await;
        assert!(matches!(made, Err(CreateProviderError::UnfitProvider(UnfitProvider::Issuer(_)))), "{issuer}");
    }
    for (bad, why) in [
        (NewProvider { client: String::new(), ..new() }, UnfitProvider::Client),
        (NewProvider { secret: String::new().into(), ..new() }, UnfitProvider::Secret),
        (NewProvider { secret: "a\nb".to_owned().into(), ..new() }, UnfitProvider::Secret),
        (NewProvider { domains: vec!["example".to_owned()], ..new() }, UnfitProvider::Domain("example".to_owned())),
        (NewProvider { scopes: vec!["a b".to_owned()], ..new() }, UnfitProvider::Scope("a b".to_owned())),
        (NewProvider { rules: vec![rule("x", &[])], ..new() }, UnfitProvider::Rule),
        (
            NewProvider { domains: vec!["a.example".to_owned(); 1], rules: vec![rule("x", &["viewer"]); 51], ..new() },
            UnfitProvider::TooMany,
        ),
    ] {
        let made = desk.identity.create_provider(&bad, &terms()).await;
        assert!(matches!(made, Err(CreateProviderError::UnfitProvider(it)) if it == why), "{why}");
    }
    let unknown = NewProvider { rules: vec![rule("x", &["king"])], ..new() };
    assert!(matches!(desk.identity.create_provider(&unknown, &terms()).await, Err(CreateProviderError::Role(_))));
    let nowhere = NewProvider { tenant: "nobody".parse().unwrap(), ..new() };
    let made = desk.identity.create_provider(&nowhere, &terms()).await;
    assert!(matches!(made, Err(CreateProviderError::UnknownTenant(_))));
}

#[tokio::test]
async fn an_account_is_one_user_whatever_address_it_is_said_to_have_and_its_roles_are_those_of_now() {
    let desk = desk().await;
    let local = desk.person("ann@example.com").await;
    let provider = desk.connect(new()).await;
    let said = json!({ "email": "ann@example.com", "email_verified": true, "groups": ["ops"], "name": "Ann" });
    let cookie = desk.comes(&provider, ("sub-1", None), &said).await.unwrap();
    let user = desk.user_of(&cookie).await.unwrap();
    assert_ne!(user, local.id);
    let made = desk.identity.person(&user).await.unwrap().unwrap();
    assert_eq!((made.email, made.display.as_deref(), made.name), (None, Some("Ann"), user.clone()));
    assert_eq!(desk.roles_of(&user).await, ["viewer"]);
    let again = desk.comes(&provider, ("sub-1", None), &json!({ "groups": "admins" })).await.unwrap();
    assert_eq!(
        (desk.user_of(&again).await, desk.roles_of(&user).await),
        (Some(user.clone()), vec!["owner".to_owned()])
    );
    // They are the last who may do everything, and what is said of them does not change that.
    let demoted = desk.comes(&provider, ("sub-1", None), &json!({ "groups": ["ops"] })).await;
    assert!(matches!(demoted, Err(EnterError::LastOwner)));
    desk.person_in("root", &[("acme", &["owner"])]).await;
    // Whom nothing gives a role any more is not let in, and the keys that they held are over.
    let new = NewKey {
        owner: Some(user.clone()),
        scopes: vec!["data".parse().unwrap()],
        ..NewKey::new("cloudnx".parse().unwrap(), acme(), "theirs")
    };
    let held = desk.identity.create_key(&new, &terms()).await.unwrap().record.id;
    assert!(desk.key(&held).await.revoked.is_none());
    for _ in 0..2 {
        let nothing = desk.comes(&provider, ("sub-1", None), &json!({ "groups": [] })).await;
        assert!(matches!(nothing, Err(EnterError::NoRole)));
        assert_eq!(desk.roles_of(&user).await, Vec::<String>::new());
        assert!(desk.key(&held).await.revoked.is_some());
    }
    let stranger = desk.comes(&provider, ("sub-9", None), &json!({ "groups": [] })).await;
    assert!(matches!(stranger, Err(EnterError::NoRole)));
    desk.comes(&provider, ("sub-1", None), &json!({ "groups": ["ops"] })).await.unwrap();
    desk.identity.suspend_person(&user).await.unwrap();
    let suspended = desk.comes(&provider, ("sub-1", None), &json!({ "groups": ["ops"] })).await;
    assert!(matches!(suspended, Err(EnterError::Suspended)));
    for (said, kept) in [
        (json!({ "email": "zoe@example.com", "email_verified": true, "groups": "ops" }), Some("zoe@example.com")),
        (json!({ "email": "yan@example.com", "email_verified": false, "groups": "ops" }), None),
        (json!({ "email": "yan@example.com", "email_verified": "true", "groups": "ops" }), None),
        (json!({ "email": "xi@elsewhere.example", "email_verified": true, "groups": "ops" }), None),
        (json!({ "email": "zoe@example.com", "email_verified": true, "groups": "ops" }), None),
    ] {
        let cookie = desk.comes(&provider, (&format!("sub-{said}-{kept:?}"), None), &said).await.unwrap();
        let user = desk.user_of(&cookie).await.unwrap();
        assert_eq!(desk.identity.person(&user).await.unwrap().unwrap().email.as_deref(), kept, "{said}");
    }
}

#[tokio::test]
async fn nobody_is_given_more_than_the_one_has_for_whom_a_connection_was_set_up() {
    let desk = desk().await;
    let ann = desk.person_in("ann", &[("acme", &["viewer"])]).await;
    let beyond = NewProvider { set_by: Some(ann.id.clone()), ..new() };
    let made = desk.identity.create_provider(&beyond, &terms()).await;
    assert!(matches!(made, Err(CreateProviderError::Beyond(role, _)) if role.as_str() == "owner"));
    desk.identity.set_roles(&ann.id, &acme(), &roles(&["owner"]), &terms()).await.unwrap();
    desk.person_in("root", &[("acme", &["owner"])]).await;
    let provider = desk.connect(beyond).await;
    let said = json!({ "groups": ["ops", "admins"] });
    let cookie = desk.comes(&provider, ("sub-1", None), &said).await.unwrap();
    let user = desk.user_of(&cookie).await.unwrap();
    assert_eq!(desk.roles_of(&user).await, ["owner", "viewer"]);
    // They have less by now, and so has whoever comes.
    desk.identity.set_roles(&ann.id, &acme(), &roles(&["viewer"]), &terms()).await.unwrap();
    desk.comes(&provider, ("sub-1", None), &said).await.unwrap();
    assert_eq!(desk.roles_of(&user).await, ["viewer"]);
    // They may do nothing while they are suspended, and so may whoever comes; nor is another connection set up for them.
    desk.identity.suspend_person(&ann.id).await.unwrap();
    let nothing = desk.comes(&provider, ("sub-1", None), &said).await;
    assert!(matches!(nothing, Err(EnterError::NoRole)));
    assert_eq!(desk.roles_of(&user).await, Vec::<String>::new());
    desk.identity.delete_provider(&provider.id).await.unwrap();
    let rules = vec![rule("ops", &["viewer"])];
    let suspended = NewProvider { set_by: Some(ann.id.clone()), rules, ..new() };
    let made = desk.identity.create_provider(&suspended, &terms()).await;
    assert!(matches!(made, Err(CreateProviderError::Beyond(role, _)) if role.as_str() == "viewer"));
    desk.identity.resume_person(&ann.id).await.unwrap();
    let provider = desk.connect(suspended).await;
    assert!(desk.comes(&provider, ("sub-1", None), &said).await.is_ok());
}

#[tokio::test]
async fn who_is_linked_is_who_they_are_and_a_link_is_of_one_connection_alone() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    let provider = desk.connect(NewProvider { makes_users: false, rules: Vec::new(), ..new() }).await;
    let nothing = &json!({});
    assert!(matches!(desk.comes(&provider, ("sub-1", None), nothing).await, Err(EnterError::Unlinked)));
    desk.identity.link_outside(&provider.id, "sub-1", &ann.id).await.unwrap();
    let cookie = desk.comes(&provider, ("sub-1", None), nothing).await.unwrap();
    assert_eq!(desk.user_of(&cookie).await.as_deref(), Some(ann.id.as_str()));
    assert_eq!(desk.identity.browser_session(&cookie, ISSUER).await.unwrap().unwrap().tenant, Some(acme()));
    assert!(matches!(desk.comes(&provider, ("sub-2", None), nothing).await, Err(EnterError::Unlinked)));
    let bob = desk.person("bob").await;
    let taken = desk.identity.link_outside(&provider.id, "sub-1", &bob.id).await;
    assert!(matches!(taken, Err(LinkError::Taken)));
    let nobody = desk.identity.link_outside(&provider.id, "sub-3", "usr_nobody").await;
    assert!(matches!(nobody, Err(LinkError::UnknownUser(..))));
    desk.identity.unlink_outside(&provider.id, "sub-1").await.unwrap();
    assert!(matches!(desk.comes(&provider, ("sub-1", None), nothing).await, Err(EnterError::Unlinked)));
    // Another connection with the same issuer is another, and a deleted one leaves nothing behind.
    desk.identity.link_outside(&provider.id, "sub-1", &ann.id).await.unwrap();
    desk.identity.delete_provider(&provider.id).await.unwrap();
    assert!(desk.user_of(&cookie).await.is_none(), "what it let in is over");
    let closed = desk.comes(&provider, ("sub-1", None), nothing).await;
    assert!(matches!(closed, Err(EnterError::Closed)));
    let second = desk.connect(NewProvider { makes_users: false, rules: Vec::new(), ..new() }).await;
    assert!(matches!(desk.comes(&second, ("sub-1", None), nothing).await, Err(EnterError::Unlinked)));
}

#[tokio::test]
async fn who_has_left_has_left_and_is_told_of_once() {
    let desk = desk().await;
    let provider = desk.connect(new()).await;
    let said = &json!({ "groups": ["ops"] });
    let [one, two, unnamed, other] =
        [("ann", Some("s1")), ("ann", Some("s2")), ("ann", None), ("bob", Some("s3"))].map(|who| (who, said));
    let mut cookies = Vec::new();
    for (who, said) in [one, two, unnamed, other] {
        cookies.push(desk.comes(&provider, who, said).await.unwrap());
    }
    let there = async |cookies: &[String]| {
        let mut there = Vec::new();
        for it in cookies {
            there.push(desk.user_of(it).await.is_some());
        }
        there
    };
    let left = |subject, session, jti| {
        let ends = desk.moment() + MINUTE;
        LeftOutside { subject, session, jti, ends }
    };
    let tell = async |left: LeftOutside<'_>| desk.identity.end_outside(&provider, left).await.unwrap();
    assert_eq!(tell(left(Some("bob"), Some("s1"), "0")).await, EndedOutside::Sessions(0), "it is not theirs");
    assert_eq!(there(&cookies).await, [true; 4]);
    assert_eq!(tell(left(Some("ann"), Some("s1"), "1")).await, EndedOutside::Sessions(2));
    assert_eq!(there(&cookies).await, [false, true, false, true]);
    cookies[0] = desk.comes(&provider, ("ann", Some("s1")), said).await.unwrap();
    assert_eq!(tell(left(Some("ann"), Some("s1"), "1")).await, EndedOutside::Repeated);
    assert_eq!(there(&cookies).await, [true, true, false, true]);
    assert_eq!(tell(left(Some("ann"), None, "2")).await, EndedOutside::Sessions(2));
    assert_eq!(tell(left(None, Some("s3"), "3")).await, EndedOutside::Sessions(1));
    assert_eq!(there(&cookies).await, [false; 4]);
    let deeds = desk.deeds_of(DeedClass::SessionEnd).await;
    assert!(deeds.iter().any(|it| it.refused.is_some()), "a token that is shown again is entered");
    let unknown = desk.identity.suspend_provider("idp_none").await;
    assert!(matches!(unknown, Err(ChangeProviderError::Unknown(_))));
}
