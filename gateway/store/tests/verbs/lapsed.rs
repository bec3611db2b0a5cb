//! What users have let clients do, brought once it is worth less than when it was allowed.

use domain::Scope;
use identity::{
    Allowed, Brought, Client, ClientAuth, ClientGrant, DeviceAnswer, DeviceError, KeyState, Lapsed, NewClient,
    RedeemError, Redeemed, RedeemedDevice, Terms,
};

use crate::clients::app;
use crate::codes::{BACK, VERIFIER, allowed};
use crate::desk::{Desk, desk};
use crate::held::terms_with;

fn scopes(all: &[&str]) -> Vec<Scope> {
    all.iter().map(|it| it.parse().unwrap()).collect()
}

/// A client that is let in by a code, and as a device.
async fn reports(desk: &Desk) -> Client {
    let grants = vec![ClientGrant::AuthorizationCode, ClientGrant::DeviceCode, ClientGrant::RefreshToken];
    desk.client(&NewClient { grants, ..app(ClientAuth::None) }).await.client
}

impl Desk {
    /// What becomes of a code by which a user has allowed this much.
    async fn by_code(
        &self,
        (client, user): (&Client, &str),
        all: &[&str],
        terms: &Terms,
    ) -> Result<Redeemed, RedeemError> {
        let allowed = Allowed { scopes: scopes(all), ..allowed(client, user) };
        let code = self.identity.give_code(&allowed).await.unwrap();
        let brought = Brought { code: code.reveal(), redirect_uri: Some(BACK), verifier: Some(VERIFIER), key: None };
        self.identity.redeem_code(brought, client, terms).await
    }

    /// The same of a device.
    async fn by_device(
        &self,
        (client, user): (&Client, &str),
        all: &[&str],
        terms: &Terms,
    ) -> Result<RedeemedDevice, DeviceError> {
        let begun = self.identity.begin_device(client, &scopes(all), "192.0.2.7".parse().unwrap()).await.unwrap();
        let asking = self.identity.asking_device(begun.user.reveal()).await.unwrap().unwrap();
        let (_, session) = self.at_a_browser(user).await;
        let answer = DeviceAnswer::Allowed(scopes(all));
        assert!(self.identity.answer_device(&asking.id, client, (&session, &answer)).await.unwrap());
        self.identity.redeem_device(begun.device.reveal(), client, None, terms).await
    }
}

#[tokio::test]
async fn what_a_user_lost_after_they_allowed_it_nobody_is_given() {
    let desk = desk().await;
    let client = reports(&desk).await;
    let ann = (&client, &*desk.person("ann").await.id);
    for (holds, allowed, left) in [
        (["compute"], ["compute", "openid"], &["compute", "openid"][..]),
        (["data"], ["compute", "openid"], &["openid"]),
        // Nor what the client may not have, though the user has it.
        (["data"], ["data", "openid"], &["openid"]),
    ] {
        let terms = terms_with(&[("viewer", &holds)]);
        let by_code = desk.by_code(ann, &allowed, &terms).await.unwrap().grant;
        let by_device = desk.by_device(ann, &allowed, &terms).await.unwrap().grant;
        assert_eq!((by_code.scopes, by_device.scopes), (scopes(left), scopes(left)), "{holds:?} {allowed:?}");
    }
    let terms = terms_with(&[("viewer", &["data"])]);
    let none = desk.by_code(ann, &["compute"], &terms).await;
    assert!(matches!(none, Err(RedeemError::Lapsed(Lapsed::Nothing))), "{none:?}");
    let none = desk.by_device(ann, &["compute"], &terms).await;
    assert!(matches!(none, Err(DeviceError::Lapsed(Lapsed::Nothing))), "{none:?}");
}

#[tokio::test]
async fn a_device_ends_with_the_session_in_which_it_was_let_in_and_is_not_let_in_after_it() {
    let desk = desk().await;
    let (client, ann) = (reports(&desk).await, desk.person("ann").await.id);
    let terms = terms_with(&[("viewer", &["compute"])]);
    let (browser, session) = desk.at_a_browser(&ann).await;
    let (_, other) = desk.at_a_browser(&ann).await;
    let mut begun = Vec::new();
    for session in [&session, &session, &other, &other] {
        let device = desk.identity.begin_device(&client, &scopes(&["compute"]), "192.0.2.7".parse().unwrap()).await;
        let device = device.unwrap();
        let asking = desk.identity.asking_device(device.user.reveal()).await.unwrap().unwrap();
        let answer = DeviceAnswer::Allowed(scopes(&["compute"]));
        assert!(desk.identity.answer_device(&asking.id, &client, (session, &answer)).await.unwrap());
        begun.push(device.device);
    }
    let bring = async |it: usize| desk.identity.redeem_device(begun[it].reveal(), &client, None, &terms).await;
    let (let_in, kept) = (bring(0).await.unwrap(), bring(2).await.unwrap());
    // They have signed in anew in that browser since, and sign out then.
    let (anew, _) = desk.at_a_browser(&ann).await;
    desk.identity.supersede_browser_session(browser.reveal(), anew.reveal()).await.unwrap();
    assert_eq!(desk.state(&desk.key(&let_in.grant.id).await), KeyState::Active);
    desk.identity.sign_out_browser(anew.reveal()).await.unwrap();
    let late = bring(1).await;
    assert!(matches!(late, Err(DeviceError::Lapsed(Lapsed::Left))), "{late:?}");
    assert_eq!(desk.state(&desk.key(&let_in.grant.id).await), KeyState::Revoked);
    // Where somebody else signs in in the same browser, it ends at once.
    let (browser, session) = desk.at_a_browser(&ann).await;
    let device =
        desk.identity.begin_device(&client, &scopes(&["compute"]), "192.0.2.7".parse().unwrap()).await.unwrap();
    let asking = desk.identity.asking_device(device.user.reveal()).await.unwrap().unwrap();
    let answer = DeviceAnswer::Allowed(scopes(&["compute"]));
    assert!(desk.identity.answer_device(&asking.id, &client, (&session, &answer)).await.unwrap());
    let shared = desk.identity.redeem_device(device.device.reveal(), &client, None, &terms).await.unwrap();
    let ben = desk.person("ben").await.id;
    let (other, _) = desk.at_a_browser(&ben).await;
    desk.identity.supersede_browser_session(browser.reveal(), other.reveal()).await.unwrap();
    assert_eq!(desk.state(&desk.key(&shared.grant.id).await), KeyState::Revoked);
    // What was let in in another browser goes on, until they leave everywhere.
    assert_eq!(desk.state(&desk.key(&kept.grant.id).await), KeyState::Active);
    desk.identity.leave_everywhere(&ann, None).await.unwrap();
    let late = bring(3).await;
    assert!(matches!(late, Err(DeviceError::Lapsed(Lapsed::Left))), "{late:?}");
    assert_eq!(desk.state(&desk.key(&kept.grant.id).await), KeyState::Revoked);
}

#[tokio::test]
async fn a_client_that_ends_between_showing_who_it_is_and_its_turn_is_given_nothing() {
    let desk = desk().await;
    let ann = desk.person("ann").await.id;
    let terms = terms_with(&[("viewer", &["compute"])]);
    for how in ["suspended", "deleted", "its tenant"] {
        let client = reports(&desk).await;
        match how {
            "suspended" => drop(desk.identity.suspend_client(&client.id).await.unwrap()),
            "deleted" => drop(desk.identity.delete_client(&client.id).await.unwrap()),
            _ => drop(desk.identity.suspend_tenant(&client.tenant).await.unwrap()),
        }
        let by_code = desk.by_code((&client, &ann), &["compute"], &terms).await;
        assert!(matches!(by_code, Err(RedeemError::Lapsed(Lapsed::NoClient))), "{how}: {by_code:?}");
        let by_device = desk.by_device((&client, &ann), &["compute"], &terms).await;
        assert!(matches!(by_device, Err(DeviceError::Lapsed(Lapsed::NoClient))), "{how}: {by_device:?}");
    }
}
