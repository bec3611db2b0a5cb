//! What becomes of somebody who was believed, once others have had their turn before anything has begun by it.

use identity::{Authenticated, BeginBrowserSessionError, BeginSessionError, FactorError, SignIn};

use crate::desk::{Desk, ISSUER, desk};
use crate::people::{PASSWORD, code, secret_of, terms};

impl Desk {
    /// Whether something begins by it: a session of an API, and one of a browser.
    pub(crate) async fn begins(&self, who: &Authenticated) -> bool {
        let terms = terms();
        let session = self.identity.begin_session(who, terms.of(&"cloudnx".parse().unwrap()).unwrap(), None).await;
        let browser = self.identity.begin_browser_session(who, ISSUER).await;
        assert_eq!(session.is_ok(), browser.is_ok(), "{session:?} {browser:?}");
        assert!(session.is_ok() || matches!(session, Err(BeginSessionError::Ended)), "{session:?}");
        assert!(browser.is_ok() || matches!(browser, Err(BeginBrowserSessionError::Ended)), "{browser:?}");
        session.is_ok()
    }
}

#[tokio::test]
async fn who_was_believed_before_their_password_or_factor_was_another_begins_nothing_by_it() {
    let desk = desk().await;
    for (name, how) in
        [("ann", "another password"), ("ben", "the same once more"), ("cat", "a factor"), ("dan", "suspended")]
    {
        let user = desk.person(name).await.id;
        let who = desk.signed_in(name).await;
        assert!(desk.begins(&who).await, "{how}");
        match how {
            "another password" => drop(desk.identity.set_password(&user, "another horse", None).await.unwrap()),
            "the same once more" => drop(desk.identity.set_password(&user, PASSWORD, None).await.unwrap()),
            "a factor" => drop(desk.enrolled(&user).await),
            _ => drop(desk.identity.suspend_person(&user).await.unwrap()),
        }
        assert!(!desk.begins(&who).await, "{how}");
    }
    // Who has shown both, and the factor is another by now or none.
    let eve = desk.person("eve").await.id;
    let (secret, _) = desk.enrolled(&eve).await;
    let shown = code(&secret, desk.now());
    let SignIn::Done(who) = desk.identity.sign_in("eve", PASSWORD, Some(&shown)).await.unwrap() else { panic!() };
    assert!(desk.begins(&who).await);
    desk.identity.remove_factor(&eve, None).await.unwrap();
    assert!(!desk.begins(&who).await);
    desk.enrolled(&eve).await;
    assert!(!desk.begins(&who).await);
}

#[tokio::test]
async fn who_changes_their_password_goes_on_by_that_until_it_is_another_again() {
    let desk = desk().await;
    let ann = desk.person("ann").await.id;
    let methods = vec!["pwd".to_owned()];
    let who = desk.identity.change_password(&ann, "another horse", PASSWORD, methods).await.unwrap();
    assert!(desk.begins(&who).await);
    desk.identity.set_password(&ann, PASSWORD, None).await.unwrap();
    assert!(!desk.begins(&who).await);
}

#[tokio::test]
async fn a_factor_is_confirmed_in_a_session_that_lasts_and_in_no_other() {
    let desk = desk().await;
    let ann = desk.person("ann").await.id;
    let session = desk.session("ann").await.grant.id;
    let enrolment = desk.identity.enrol_factor(&ann, "Portcullis").await.unwrap();
    desk.identity.set_password(&ann, "another horse", None).await.unwrap();
    let shown = code(&secret_of(&enrolment), desk.now());
    let before = (vec!["pwd".to_owned()], desk.now());
    let refused = desk.identity.step_up(&ann, &shown, before, &session).await;
    assert!(matches!(refused, Err(FactorError::Ended)), "{refused:?}");
    assert!(!desk.identity.person(&ann).await.unwrap().unwrap().second_factor);
}
