//! What was let in in a session that began at a provider, once that says that nobody is there any more.

use std::time::Duration;

use domain::{Change, Clock as _, DeedClass, KeyId, Record};
use identity::{
    Allowed, Brought, Client, ClientAuth, EndedOutside, KeyState, LeftOutside, NewProvider, Provider, RefreshError,
    Registry as _, Shown,
};
use serde_json::{Value, json};

use crate::clients::app;
use crate::codes::{BACK, VERIFIER, allowed};
use crate::desk::{Desk, ISSUER, desk};
use crate::held::terms_with;
use crate::providers::new;

const HOUR: Duration = Duration::from_hours(1);

/// What an application was given in a session.
struct LetIn {
    cookie: String,
    session: String,
    grant: KeyId,
    refresh: Shown,
}

impl Desk {
    async fn lets_in(&self, client: &Client, cookie: String) -> LetIn {
        let session = self.identity.browser_session(&cookie, ISSUER).await.unwrap().unwrap();
        let allowed = Allowed { session: Some(session.id.clone()), ..allowed(client, &session.user) };
        let code = self.identity.give_code(&allowed).await.unwrap();
        let brought = Brought { code: code.reveal(), redirect_uri: Some(BACK), verifier: Some(VERIFIER), key: None };
        let terms = terms_with(&[("viewer", &["compute"])]);
        let redeemed = self.identity.redeem_code(brought, client, &terms).await.unwrap();
        LetIn { cookie, session: session.id, grant: redeemed.grant.id, refresh: redeemed.refresh.unwrap() }
    }

    /// Somebody comes from the provider, and lets an application in.
    async fn comes_and_lets_in(&self, provider: &Provider, who: (&str, Option<&str>), client: &Client) -> LetIn {
        let cookie = self.comes(provider, who, &json!({ "groups": ["ops"] })).await.unwrap();
        self.lets_in(client, cookie).await
    }

    /// An hour later: nobody came back, and what has had its time is forgotten.
    async fn an_hour_passes(&self, sessions: &[&LetIn]) {
        self.clock.advance(HOUR);
        while self.store.sweep(self.clock.now().wall).await.unwrap() {}
        for it in sessions {
            assert_eq!(self.store.record("browser_session", &it.session).await.unwrap(), None);
        }
    }

    async fn goes_on(&self, it: &LetIn) -> bool {
        self.state(&self.key(&it.grant).await) == KeyState::Active
    }
}

#[tokio::test]
async fn what_was_let_in_ends_with_what_the_provider_says_though_the_session_has_lapsed() {
    let desk = desk().await;
    let client = desk.client(&app(ClientAuth::None)).await.client;
    let provider = desk.connect(new()).await;
    for (number, (called, subject, session)) in [
        (Some("s1"), Some("ann"), None),
        (Some("s1"), None, Some("s1")),
        (Some("s1"), Some("ann"), Some("s1")),
        (None, Some("ann"), Some("s1")),
    ]
    .into_iter()
    .enumerate()
    {
        let ann = desk.comes_and_lets_in(&provider, ("ann", called), &client).await;
        let bob = desk.comes_and_lets_in(&provider, ("bob", Some("s2")), &client).await;
        desk.an_hour_passes(&[&ann, &bob]).await;
        let tell = async |subject, session, jti: &str| {
            let left = LeftOutside { subject, session, jti, ends: desk.clock.now().wall + HOUR };
            desk.identity.end_outside(&provider, left).await.unwrap()
        };
        let others = tell(Some("bob"), Some("s1"), &format!("not theirs {number}")).await;
        assert!(others == EndedOutside::Sessions(0) && desk.goes_on(&ann).await && desk.goes_on(&bob).await);
        assert_eq!(tell(subject, session, &format!("{number}")).await, EndedOutside::Sessions(0));
        assert!(!desk.goes_on(&ann).await && desk.goes_on(&bob).await, "{called:?} {subject:?} {session:?}");
        let refused = desk.identity.refresh(ann.refresh.reveal(), Some(&client.id), &client.api).await;
        assert!(matches!(refused, Err(RefreshError::Ended)), "{refused:?}");
        let deeds = desk.deeds_of(DeedClass::SessionEnd).await;
        assert!(deeds.iter().any(|it| it.target.as_deref() == Some(ann.grant.as_str())), "it is entered");
    }
    // Signed in anew in that browser since, with a password or from there: what the first session let in is its own still.
    let ann = desk.comes_and_lets_in(&provider, ("ann", Some("s1")), &client).await;
    let anew = desk.comes_and_lets_in(&provider, ("ann", Some("s3")), &client).await;
    desk.identity.supersede_browser_session(&ann.cookie, &anew.cookie).await.unwrap();
    let left = LeftOutside { subject: None, session: Some("s1"), jti: "anew", ends: desk.clock.now().wall + HOUR };
    assert_eq!(desk.identity.end_outside(&provider, left).await.unwrap(), EndedOutside::Sessions(0));
    assert!(!desk.goes_on(&ann).await && desk.goes_on(&anew).await);
}

#[tokio::test]
async fn what_was_let_in_by_a_connection_ends_with_it_though_the_session_has_lapsed() {
    let desk = desk().await;
    let client = desk.client(&app(ClientAuth::None)).await.client;
    let provider = desk.connect(new()).await;
    let ann = desk.comes_and_lets_in(&provider, ("ann", None), &client).await;
    let local = desk.person("ben").await.id;
    let (cookie, _) = desk.at_a_browser(&local).await;
    let ben = desk.lets_in(&client, cookie.reveal().to_owned()).await;
    desk.an_hour_passes(&[&ann, &ben]).await;
    desk.identity.suspend_provider(&provider.id).await.unwrap();
    assert!(!desk.goes_on(&ann).await && desk.goes_on(&ben).await);
    desk.identity.resume_provider(&provider.id).await.unwrap();
    let ann = desk.comes_and_lets_in(&provider, ("ann", None), &client).await;
    desk.an_hour_passes(&[&ann]).await;
    desk.identity.delete_provider(&provider.id).await.unwrap();
    assert!(!desk.goes_on(&ann).await && desk.goes_on(&ben).await);
}

#[tokio::test]
async fn who_is_unlinked_leaves_nothing_that_the_link_let_in_and_nobody_else_does() {
    let desk = desk().await;
    let client = desk.client(&app(ClientAuth::None)).await.client;
    let provider = desk.connect(NewProvider { makes_users: false, rules: Vec::new(), ..new() }).await;
    for (subject, name) in [("sub-1", "ann"), ("sub-2", "ben")] {
        let user = desk.person(name).await.id;
        desk.identity.link_outside(&provider.id, subject, &user).await.unwrap();
    }
    let lapsed = desk.comes_and_lets_in(&provider, ("sub-1", Some("s1")), &client).await;
    desk.an_hour_passes(&[&lapsed]).await;
    let ann = desk.comes_and_lets_in(&provider, ("sub-1", Some("s2")), &client).await;
    let ben = desk.comes_and_lets_in(&provider, ("sub-2", Some("s3")), &client).await;
    let here = desk.identity.person_called("ann").await.unwrap().unwrap().id;
    let (cookie, _) = desk.at_a_browser(&here).await;
    let by_password = desk.lets_in(&client, cookie.reveal().to_owned()).await;
    desk.identity.unlink_outside(&provider.id, "sub-1").await.unwrap();
    assert!(!desk.goes_on(&lapsed).await && !desk.goes_on(&ann).await);
    assert!(desk.identity.browser_session(&ann.cookie, ISSUER).await.unwrap().is_none());
    assert!(desk.goes_on(&ben).await && desk.goes_on(&by_password).await);
    assert!(desk.identity.browser_session(&ben.cookie, ISSUER).await.unwrap().is_some());
    assert!(desk.identity.browser_session(&by_password.cookie, ISSUER).await.unwrap().is_some());
    desk.identity.unlink_outside(&provider.id, "nobody").await.unwrap();
}

#[tokio::test]
async fn what_was_let_in_before_it_was_kept_where_ends_with_its_session_still() {
    let desk = desk().await;
    let client = desk.client(&app(ClientAuth::None)).await.client;
    let provider = desk.connect(new()).await;
    let ann = desk.comes_and_lets_in(&provider, ("ann", None), &client).await;
    let (kind, id) = ("session_grant", ann.grant.as_str());
    let mut older: Value = serde_json::from_str(&desk.store.record(kind, id).await.unwrap().unwrap()).unwrap();
    assert!(older.as_object_mut().unwrap().remove("known").is_some());
    let found_by = vec![("session", ann.session.clone())];
    let record = Record { kind, id: id.to_owned(), tenant: None, found_by, until: None, text: older.to_string() };
    let version = desk.store.version().await.unwrap();
    desk.store.publish(version, &[Change::Record(Box::new(record))], &[]).await.unwrap();
    desk.identity.sign_out_browser(&ann.cookie).await.unwrap();
    assert!(!desk.goes_on(&ann).await);
}
