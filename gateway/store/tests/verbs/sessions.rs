//! Sessions of an API: begun anew at each sign-in, renewed without branching, and over when somebody says so.

use std::sync::Arc;
use std::time::Duration;

use domain::{ApiName, DeedClass, GrantKind, KeySecret};
use identity::{BeginSessionError, Page, RefreshError, Registry as _, Session};

use crate::desk::{Desk, ISSUER, acme, desk};
use crate::people::terms;

impl Desk {
    pub(crate) async fn session(&self, name: &str) -> Session {
        let (terms, who) = (terms(), self.signed_in(name).await);
        self.identity.begin_session(&who, terms.of(&cloudnx()).unwrap(), None).await.unwrap()
    }

    async fn alive(&self) -> usize {
        self.identity.sessions(&cloudnx(), &acme(), None, &Page::default()).await.unwrap().len()
    }
}

fn cloudnx() -> ApiName {
    "cloudnx".parse().unwrap()
}

#[tokio::test]
async fn a_session_is_a_grant_of_its_user_with_the_scopes_of_their_roles_and_never_the_same_twice() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    let (one, two) = (desk.session("ann").await, desk.session("ann").await);
    assert_ne!(one.grant.id, two.grant.id);
    assert_ne!(one.refresh.reveal(), two.refresh.reveal());
    let grant = desk.key(&one.grant.id).await;
    let KeySecret::Granted(what) = &grant.secret else { panic!() };
    assert_eq!((what.kind, &what.methods), (GrantKind::Session, &vec!["pwd".to_owned()]));
    assert_eq!((grant.owner.as_ref(), &grant.tenant, grant.scopes[0].as_str()), (Some(&ann.id), &acme(), "data"));
    assert_eq!(desk.deeds_of(DeedClass::SessionStart).await.len(), 2);
}

#[tokio::test]
async fn who_has_roles_in_several_tenants_says_which() {
    let desk = desk().await;
    desk.tenant("globex").await;
    desk.person_in("ann", &[("acme", &["viewer"]), ("globex", &["owner"])]).await;
    desk.person_in("bob", &[]).await;
    let (terms, ann, bob) = (terms(), desk.signed_in("ann").await, desk.signed_in("bob").await);
    let begin = async |who, tenant: Option<&str>| {
        let tenant = tenant.map(|it| it.parse().unwrap());
        desk.identity.begin_session(who, terms.of(&cloudnx()).unwrap(), tenant.as_ref()).await
    };
    assert!(matches!(begin(&ann, None).await, Err(BeginSessionError::Which)));
    assert_eq!(begin(&ann, Some("globex")).await.unwrap().grant.scopes.len(), 3);
    assert!(matches!(begin(&ann, Some("nowhere")).await, Err(BeginSessionError::NoRole)));
    assert!(matches!(begin(&bob, None).await, Err(BeginSessionError::NoRole)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_at_once_get_one_successor() {
    let desk = Arc::new(desk().await);
    desk.person("ann").await;
    let session = desk.session("ann").await;
    let first = session.refresh.reveal().to_owned();
    let turns = (0..50).map(|_| {
        let (desk, first) = (Arc::clone(&desk), first.clone());
        tokio::spawn(
            async move { desk.identity.refresh(&first, None, &cloudnx()).await.unwrap().token.reveal().to_owned() },
        )
    });
    let mut successors = std::collections::BTreeSet::new();
    for turn in turns.collect::<Vec<_>>() {
        successors.insert(turn.await.unwrap());
    }
    assert_eq!(successors.len(), 1);
    assert!(!successors.contains(&first));
    let successor = successors.pop_first().unwrap();
    assert_eq!(desk.identity.refresh(&successor, None, &cloudnx()).await.unwrap().grant.id, session.grant.id);
}

#[tokio::test]
async fn a_token_from_before_ends_the_session_once_its_grace_is_over() {
    let desk = desk().await;
    desk.person("ann").await;
    let session = desk.session("ann").await;
    let first = session.refresh.reveal();
    let second = desk.identity.refresh(first, None, &cloudnx()).await.unwrap().token;
    desk.clock.advance(Duration::from_secs(29));
    assert_eq!(desk.identity.refresh(first, None, &cloudnx()).await.unwrap().token.reveal(), second.reveal());
    desk.clock.advance(Duration::from_secs(1));
    assert!(matches!(desk.identity.refresh(first, None, &cloudnx()).await, Err(RefreshError::Reused)));
    assert!(matches!(desk.identity.refresh(second.reveal(), None, &cloudnx()).await, Err(RefreshError::Ended)));
    assert!(desk.key(&session.grant.id).await.revoked.is_some());
    let ends = desk.deeds_of(DeedClass::SessionEnd).await;
    assert_eq!((ends.len(), ends[0].action.as_str()), (1, "reuse"));
}

#[tokio::test]
async fn whoever_asks_twice_within_half_a_minute_is_given_the_end_of_the_chain_however_far_it_is_by_then() {
    let desk = desk().await;
    desk.person("ann").await;
    let session = desk.session("ann").await;
    let first = session.refresh.reveal();
    let turn = async |text: &str| desk.identity.refresh(text, None, &cloudnx()).await.map(|it| it.token);
    let second = turn(first).await.unwrap();
    desk.clock.advance(Duration::from_secs(10));
    let third = turn(second.reveal()).await.unwrap();
    for old in [first, second.reveal()] {
        assert_eq!(turn(old).await.unwrap().reveal(), third.reveal(), "there is one end");
    }
    desk.clock.advance(Duration::from_secs(19));
    assert_eq!(turn(first).await.unwrap().reveal(), third.reveal());
    desk.clock.advance(Duration::from_secs(1));
    // The second was used ten seconds later than the first.
    assert_eq!(turn(second.reveal()).await.unwrap().reveal(), third.reveal());
    assert!(matches!(turn(first).await, Err(RefreshError::Reused)));
    assert!(matches!(turn(third.reveal()).await, Err(RefreshError::Ended)));
}

#[tokio::test]
async fn however_fast_a_chain_turns_nobody_who_asked_twice_ends_it() {
    let desk = desk().await;
    desk.person("ann").await;
    let session = desk.session("ann").await;
    let first = session.refresh.reveal().to_owned();
    let mut last = first.clone();
    for _ in 0..80 {
        last = desk.identity.refresh(&last, None, &cloudnx()).await.unwrap().token.reveal().to_owned();
    }
    assert_eq!(desk.identity.refresh(&first, None, &cloudnx()).await.unwrap().token.reveal(), last);
    desk.clock.advance(Duration::from_secs(30));
    let next = desk.identity.refresh(&last, None, &cloudnx()).await.unwrap().token;
    assert_ne!(next.reveal(), last, "it turns again");
}

#[tokio::test]
async fn nobody_signs_in_to_a_tenant_that_is_suspended_nor_goes_on_there_until_it_is_resumed() {
    let desk = desk().await;
    desk.tenant("globex").await;
    desk.person_in("ann", &[("acme", &["viewer"]), ("globex", &["viewer"])]).await;
    let (terms, ann) = (terms(), desk.signed_in("ann").await);
    let begin = async |tenant: Option<&str>| {
        let tenant = tenant.map(|it| it.parse().unwrap());
        desk.identity.begin_session(&ann, terms.of(&cloudnx()).unwrap(), tenant.as_ref()).await
    };
    let session = begin(Some("acme")).await.unwrap();
    desk.identity.suspend_tenant(&acme()).await.unwrap();
    assert!(matches!(begin(Some("acme")).await, Err(BeginSessionError::NoRole)), "as if they had no role there");
    assert_eq!(begin(None).await.unwrap().grant.tenant.as_str(), "globex", "the other one goes on");
    let text = session.refresh.reveal();
    let refused = desk.identity.refresh(text, None, &cloudnx()).await;
    assert!(matches!(refused, Err(RefreshError::Ended)), "{refused:?}");
    desk.identity.resume_tenant(&acme()).await.unwrap();
    assert!(desk.identity.refresh(text, None, &cloudnx()).await.is_ok(), "nothing was used up");
}

#[tokio::test]
async fn who_leaves_everywhere_leaves_nothing_behind_and_nobody_else_does() {
    let desk = desk().await;
    desk.tenant("globex").await;
    let ann = desk.person_in("ann", &[("acme", &["viewer"]), ("globex", &["viewer"])]).await;
    desk.person("bob").await;
    let (terms, who) = (terms(), desk.signed_in("ann").await);
    let globex = "globex".parse().unwrap();
    for tenant in [&acme(), &acme(), &globex] {
        desk.identity.begin_session(&who, terms.of(&cloudnx()).unwrap(), Some(tenant)).await.unwrap();
    }
    let browser = desk.identity.begin_browser_session(&who, ISSUER).await.unwrap();
    let _ = desk.session("bob").await;
    // Where the provider of one tenant has said who somebody is, that tenant is everywhere.
    assert_eq!(desk.identity.leave_everywhere(&ann.id, Some(&globex)).await.unwrap(), 1);
    assert_eq!(desk.alive().await, 3);
    assert!(desk.identity.browser_session(browser.reveal(), ISSUER).await.unwrap().is_some());
    let elsewhere = desk.identity.browser_session(browser.reveal(), "https://api.cloudnexus.io").await.unwrap();
    assert!(elsewhere.is_none(), "what was begun at one issuer is nobody's at the other");
    assert_eq!(desk.identity.leave_everywhere(&ann.id, None).await.unwrap(), 2);
    assert_eq!(desk.alive().await, 1, "bob stays");
    assert!(desk.identity.browser_session(browser.reveal(), ISSUER).await.unwrap().is_none());
    let left = desk.deeds_of(DeedClass::SessionEnd).await;
    assert_eq!(
        left.iter().filter(|it| it.action == "leave_everywhere" && it.target == Some(ann.id.clone())).count(),
        2
    );
}

#[tokio::test]
async fn a_token_of_a_session_is_no_clients_and_dies_with_it() {
    let desk = desk().await;
    desk.person("ann").await;
    let session = desk.session("ann").await;
    let text = session.refresh.reveal();
    assert!(matches!(desk.identity.refresh(text, Some("cli_x"), &cloudnx()).await, Err(RefreshError::OtherClient)));
    let mut forged = text.to_owned();
    forged.replace_range(text.len() - 1.., if text.ends_with('A') { "B" } else { "A" });
    assert!(matches!(desk.identity.refresh(&forged, None, &cloudnx()).await, Err(RefreshError::Unknown)));
    desk.identity.sign_out(&forged).await.unwrap();
    assert_eq!(desk.alive().await, 1, "whoever cannot show it ends nothing");
    desk.identity.sign_out(text).await.unwrap();
    assert!(matches!(desk.identity.refresh(text, None, &cloudnx()).await, Err(RefreshError::Ended)));
    assert_eq!(desk.alive().await, 0);
    // Thirty days are all there is, however often it is renewed.
    let session = desk.session("ann").await;
    desk.clock.advance(Duration::from_hours(30 * 24));
    assert!(matches!(
        desk.identity.refresh(session.refresh.reveal(), None, &cloudnx()).await,
        Err(RefreshError::Ended)
    ));
}

#[tokio::test]
async fn a_session_is_ended_in_its_own_tenant_and_by_whatever_ends_what_it_stands_on() {
    let desk = desk().await;
    desk.tenant("globex").await;
    desk.person_in("bob", &[("acme", &["owner"])]).await;
    let ann = desk.person("ann").await;
    let session = desk.session("ann").await;
    let (other, id) = ("globex".parse().unwrap(), &session.grant.id);
    assert!(!desk.identity.end_session(&cloudnx(), &other, id).await.unwrap());
    assert_eq!(desk.identity.sessions(&cloudnx(), &other, None, &Page::default()).await.unwrap(), []);
    assert!(desk.identity.end_session(&cloudnx(), &acme(), id).await.unwrap());
    assert!(!desk.identity.end_session(&cloudnx(), &acme(), id).await.unwrap(), "once");
    for end in 0..4 {
        let _ = (desk.session("ann").await, desk.session("ann").await);
        assert_eq!(desk.alive().await, 2);
        match end {
            0 => desk.identity.set_password(&ann.id, crate::people::PASSWORD, None).await.unwrap(),
            1 => {
                let roles = ["owner".parse().unwrap()];
                desk.identity.set_roles(&ann.id, &acme(), &roles, &terms()).await.unwrap()
            }
            2 => {
                let suspended = desk.identity.suspend_person(&ann.id).await.unwrap();
                let _ = desk.identity.resume_person(&ann.id).await.unwrap();
                suspended
            }
            _ => desk.identity.delete_person(&ann.id).await.unwrap(),
        };
        assert_eq!(desk.alive().await, 0, "{end}");
    }
}

#[tokio::test]
async fn the_fifty_first_session_ends_the_first() {
    let desk = desk().await;
    desk.person("ann").await;
    let who = desk.signed_in("ann").await;
    let terms = terms();
    let mut sessions = Vec::new();
    for _ in 0..51 {
        sessions.push(desk.identity.begin_session(&who, terms.of(&cloudnx()).unwrap(), None).await.unwrap());
    }
    assert_eq!(desk.alive().await, 50);
    // Nothing of it is kept for a while, as of others that have ended.
    assert!(desk.identity.registry().key(&sessions[0].grant.id).await.unwrap().is_none());
    assert!(desk.store.record("refresh", sessions[0].grant.id.as_str()).await.unwrap().is_none());
    assert!(desk.key(&sessions[1].grant.id).await.revoked.is_none());
}

#[tokio::test]
async fn shown_to_another_api_it_is_not_turned() {
    let desk = desk().await;
    desk.person("ann").await;
    let session = desk.session("ann").await;
    let text = session.refresh.reveal();
    let elsewhere = desk.identity.refresh(text, None, &"novastraxis".parse().unwrap()).await;
    assert!(matches!(elsewhere, Err(RefreshError::OtherApi)), "{elsewhere:?}");
    desk.clock.advance(Duration::from_mins(1));
    assert!(desk.identity.refresh(text, None, &cloudnx()).await.is_ok(), "it was used up elsewhere");
}
