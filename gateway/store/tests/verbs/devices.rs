//! Devices: one code for them and one for their users, each good once, in time, and for nobody else.

use std::sync::Arc;
use std::time::Duration;

use domain::{DeedClass, KeySecret, Scope};
use identity::{
    BeginDeviceError, BegunDevice, BrowserSession, Client, ClientAuth, ClientGrant, DEVICE_LIFETIME, DeviceAnswer,
    DeviceError, KeyState, Lapsed, NewClient, Shown,
};

use crate::clients::{app, service};
use crate::desk::{Desk, ISSUER, NOW, desk};
use crate::held::terms_with;

const HERE: &str = "192.0.2.7";

fn command_line() -> NewClient {
    let grants = vec![ClientGrant::DeviceCode, ClientGrant::RefreshToken];
    NewClient { grants, redirect_uris: Vec::new(), ..app(ClientAuth::None) }
}

fn scopes() -> Vec<Scope> {
    ["compute", "openid"].map(|it| it.parse().unwrap()).into()
}

impl Desk {
    async fn begin(&self, client: &Client) -> BegunDevice {
        self.identity.begin_device(client, &scopes(), HERE.parse().unwrap()).await.unwrap()
    }

    async fn allow(&self, client: &Client, begun: &BegunDevice, user: &str) -> bool {
        let Some(asking) = self.identity.asking_device(begun.user.reveal()).await.unwrap() else { return false };
        let (_, session) = self.at_a_browser(user).await;
        self.identity.answer_device(&asking.id, client, (&session, &DeviceAnswer::Allowed(scopes()))).await.unwrap()
    }

    /// A user signs in at a browser: what it shows, and the session.
    pub(crate) async fn at_a_browser(&self, user: &str) -> (Shown, BrowserSession) {
        let who = self.signed_in(&self.identity.person(user).await.unwrap().unwrap().name).await;
        let shown = self.identity.begin_browser_session(&who, ISSUER).await.unwrap();
        let session = self.identity.browser_session(shown.reveal(), ISSUER).await.unwrap().unwrap();
        (shown, session)
    }
}

#[tokio::test]
async fn a_device_is_let_in_once_its_user_has_typed_its_code_and_allowed_it() {
    let desk = desk().await;
    let client = desk.client(&command_line()).await.client;
    let user = desk.person("ann").await.id;
    let begun = desk.begin(&client).await;
    let code = begun.device.reveal();
    let redeem = async || desk.identity.redeem_device(code, &client, None, &desk.terms).await;
    assert!(matches!(redeem().await, Err(DeviceError::Waiting)));
    let asking = desk.identity.asking_device(&begun.user.reveal().to_lowercase()).await.unwrap().unwrap();
    assert_eq!((asking.client.as_str(), asking.source.to_string().as_str()), (client.id.as_str(), HERE));
    assert_eq!((asking.scopes, asking.since), (scopes(), NOW));
    assert!(desk.allow(&client, &begun, &user).await);
    assert!(!desk.allow(&client, &begun, &user).await, "it is answered once");
    let deeds = desk.deeds_of(DeedClass::Identity).await;
    assert!(deeds.iter().any(|it| it.action == "allow_device" && it.facts["user"] == user), "{deeds:?}");
    let redeemed = redeem().await.unwrap();
    let grant = desk.key(&redeemed.grant.id).await;
    let KeySecret::Granted(what) = &grant.secret else { panic!() };
    assert_eq!((what.client.as_ref(), grant.owner.as_ref()), (Some(&client.id), Some(&user)));
    let refresh = redeemed.refresh.unwrap();
    assert!(desk.identity.refresh(refresh.reveal(), Some(&client.id), &client.api).await.is_ok());
    assert!(matches!(redeem().await, Err(DeviceError::Unknown)), "it is good once");
    assert_eq!(desk.state(&grant), KeyState::Active);
}

#[tokio::test]
async fn of_many_who_bring_the_code_of_a_device_at_once_one_is_let_in() {
    let desk = desk().await;
    let client = desk.client(&command_line()).await.client;
    let user = desk.person("ann").await.id;
    let begun = desk.begin(&client).await;
    assert!(desk.allow(&client, &begun, &user).await);
    let desk = Arc::new((desk, client, begun));
    let asked = (0..10).map(|_| {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            let (desk, client, begun) = &*desk;
            desk.identity.redeem_device(begun.device.reveal(), client, None, &desk.terms).await.is_ok()
        })
    });
    let mut let_in = 0;
    for it in asked.collect::<Vec<_>>() {
        let_in += usize::from(it.await.unwrap());
    }
    assert_eq!(let_in, 1);
}

#[tokio::test]
async fn a_device_is_not_let_in_late_or_denied_or_in_the_place_of_another_or_for_who_left() {
    let desk = desk().await;
    let (client, other) = (desk.client(&command_line()).await.client, desk.client(&command_line()).await.client);
    let user = desk.person("ann").await.id;
    let ask = async |begun: &BegunDevice, client: &Client| {
        desk.identity.redeem_device(begun.device.reveal(), client, None, &desk.terms).await.unwrap_err()
    };
    let denied = desk.begin(&client).await;
    let asking = desk.identity.asking_device(denied.user.reveal()).await.unwrap().unwrap();
    let (_, session) = desk.at_a_browser(&user).await;
    assert!(!desk.identity.answer_device(&asking.id, &other, (&session, &DeviceAnswer::Denied)).await.unwrap());
    assert!(desk.identity.answer_device(&asking.id, &client, (&session, &DeviceAnswer::Denied)).await.unwrap());
    assert!(matches!(ask(&denied, &client).await, DeviceError::Denied));
    let late = desk.begin(&client).await;
    let allowed = desk.begin(&client).await;
    assert!(desk.allow(&client, &allowed, &user).await);
    assert!(matches!(ask(&allowed, &other).await, DeviceError::OtherClient));
    desk.identity.suspend_person(&user).await.unwrap();
    assert!(matches!(ask(&allowed, &client).await, DeviceError::Lapsed(Lapsed::Left)));
    desk.clock.advance(DEVICE_LIFETIME);
    assert!(matches!(ask(&late, &client).await, DeviceError::Expired));
    assert!(matches!(ask(&allowed, &client).await, DeviceError::Expired), "an answer does not make it last");
    assert_eq!(desk.identity.asking_device(late.user.reveal()).await.unwrap(), None);
    let nobody = desk.identity.redeem_device("nothing", &client, None, &desk.terms).await;
    assert!(matches!(nobody, Err(DeviceError::Unknown)));
}

#[tokio::test]
async fn neither_code_of_a_device_is_kept_or_printed() {
    let desk = desk().await;
    let client = desk.client(&command_line()).await.client;
    let begun = desk.begin(&client).await;
    let bare = begun.user.reveal().replace('-', "");
    let printed = format!("{begun:?}");
    assert!(!printed.contains(&bare) && !printed.contains(begun.device.reveal()));
    desk.store.close().await;
    let file = std::fs::read(desk.folder.path().join("control.db")).unwrap();
    let holds = |text: &str| file.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(holds("user_code"));
    for secret in [begun.device.reveal(), begun.user.reveal(), &bare] {
        assert!(!holds(secret));
    }
}

#[tokio::test]
async fn no_more_devices_of_a_client_wait_than_keep_a_code_from_being_guessed() {
    let desk = desk().await;
    let client = desk.client(&command_line()).await.client;
    for _ in 0..1000 {
        desk.begin(&client).await;
    }
    let more = desk.identity.begin_device(&client, &scopes(), HERE.parse().unwrap()).await;
    assert!(matches!(more, Err(BeginDeviceError::TooMany)), "{more:?}");
    desk.clock.advance(DEVICE_LIFETIME + Duration::from_secs(1));
    desk.begin(&client).await;
}

#[tokio::test]
async fn only_a_client_that_users_let_in_is_given_what_is_refreshed() {
    let desk = desk().await;
    let grants = vec![ClientGrant::DeviceCode, ClientGrant::ClientCredentials];
    let both = desk.client(&NewClient { grants, ..service() }).await.client;
    assert!(both.may(ClientGrant::DeviceCode) && !both.may(ClientGrant::RefreshToken));
    let begun = desk.begin(&both).await;
    let user = desk.person("ann").await.id;
    assert!(desk.allow(&both, &begun, &user).await);
    let terms = terms_with(&[("viewer", &["compute"])]);
    let redeemed = desk.identity.redeem_device(begun.device.reveal(), &both, None, &terms).await.unwrap();
    assert!(redeemed.refresh.is_none());
}
