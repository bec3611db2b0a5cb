//! OAuth clients: what may ask for tokens, until it is suspended or gone.

use std::time::Duration;

use domain::{GrantKind, KeySecret, keyformat};
use identity::{
    ChangeClientError, Client, ClientAuth, ClientGrant, CreateClientError, KeyState, MadeClient, NewClient, Page,
    UnfitClient,
};

use crate::desk::{DAY, Desk, NOW, acme, desk};

const BACK: &str = "https://app.example/cb";

pub(crate) fn service() -> NewClient {
    NewClient {
        api: "novastraxis".parse().unwrap(),
        tenant: acme(),
        name: "reports".to_owned(),
        method: ClientAuth::ClientSecretBasic,
        grants: vec![ClientGrant::ClientCredentials],
        redirect_uris: Vec::new(),
        post_logout_uris: Vec::new(),
        scopes: ["data", "compute", "data"].map(|it| it.parse().unwrap()).into(),
        keys: None,
        proves_possession: false,
    }
}

pub(crate) fn app(method: ClientAuth) -> NewClient {
    NewClient {
        method,
        grants: vec![ClientGrant::AuthorizationCode, ClientGrant::RefreshToken],
        redirect_uris: vec![BACK.to_owned()],
        scopes: ["openid", "compute"].map(|it| it.parse().unwrap()).into(),
        ..service()
    }
}

impl Desk {
    pub(crate) async fn client(&self, new: &NewClient) -> MadeClient {
        self.identity.create_client(new, &self.terms).await.unwrap()
    }

    async fn again(&self, client: &Client) -> Client {
        self.identity.client(&client.id).await.unwrap().unwrap()
    }

    fn opens(&self, client: &Client, secret: &str) -> bool {
        self.identity.is_secret_of(client, secret, domain::Clock::now(&*self.clock).wall).unwrap()
    }
}

#[tokio::test]
async fn a_secret_is_shown_once_and_known_again_by_its_own_client_alone() {
    let desk = desk().await;
    let (one, other) = (desk.client(&service()).await, desk.client(&service()).await);
    let secret = one.secret.as_ref().unwrap().reveal();
    assert_eq!(keyformat::prefix(secret), Some(keyformat::CLIENT_SECRET), "scanners of leaks know it");
    let kept = desk.again(&one.client).await;
    assert_eq!(kept, one.client);
    assert!(desk.opens(&kept, secret) && !desk.opens(&kept, "guess") && !desk.opens(&kept, ""));
    assert!(!desk.opens(&other.client, secret), "nor does what is kept of one open for another");
    assert!(!format!("{one:?}").contains(secret));
    desk.store.close().await;
    let file = std::fs::read(desk.folder.path().join("control.db")).unwrap();
    let holds = |text: &str| file.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(holds(&one.client.id) && !holds(secret));
}

#[tokio::test]
async fn a_client_has_a_grant_of_its_own_with_what_it_may_do_by_itself() {
    let desk = desk().await;
    let scopes = ["compute", "openid"].map(|it| it.parse().unwrap()).into();
    let client = desk.client(&NewClient { scopes, ..service() }).await.client;
    let grant = desk.key(&client.grant).await;
    let KeySecret::Granted(what) = &grant.secret else { panic!() };
    assert_eq!((what.kind, what.client.as_ref()), (GrantKind::Client, Some(&client.id)));
    assert_eq!((grant.owner.as_deref(), grant.expires, grant.tenant.as_str()), (None, None, "acme"));
    assert_eq!(grant.scopes.iter().map(ToString::to_string).collect::<Vec<_>>(), ["compute"]);
    assert!(desk.ring().await.by_id(&client.grant).is_some());
}

#[tokio::test]
async fn a_rotated_secret_works_until_its_overlap_is_over_and_with_none_it_stops_at_once() {
    let desk = desk().await;
    let made = desk.client(&service()).await;
    let (id, first) = (made.client.id.clone(), made.secret.unwrap());
    let (client, second) = desk.identity.rotate_client_secret(&id, Some(DAY)).await.unwrap();
    assert!(desk.opens(&client, first.reveal()) && desk.opens(&client, second.reveal()));
    assert_eq!(client.retiring_secrets(NOW), [NOW + DAY]);
    desk.clock.advance(DAY);
    assert!(!desk.opens(&client, first.reveal()) && desk.opens(&client, second.reveal()));
    let (client, third) = desk.identity.rotate_client_secret(&id, Some(Duration::ZERO)).await.unwrap();
    assert!(!desk.opens(&client, second.reveal()) && desk.opens(&client, third.reveal()));
    let public = desk.client(&app(ClientAuth::None)).await;
    assert!(public.secret.is_none());
    let refused = desk.identity.rotate_client_secret(&public.client.id, None).await.unwrap_err();
    assert!(matches!(refused, ChangeClientError::NoSecret(..)), "{refused}");
}

#[tokio::test]
async fn a_client_that_is_suspended_or_gone_takes_its_grants_along_and_no_others() {
    let desk = desk().await;
    let one = desk.client(&service()).await.client;
    let two = desk.client(&service()).await.client;
    let other = desk.client(&service()).await.client;
    let suspended = desk.identity.suspend_client(&one.id).await.unwrap();
    assert_eq!(suspended.suspended, Some(NOW));
    desk.identity.delete_client(&two.id).await.unwrap();
    for client in [&one, &two] {
        assert_eq!(desk.state(&desk.key(&client.grant).await), KeyState::Revoked);
    }
    assert_eq!(desk.state(&desk.key(&other.grant).await), KeyState::Active);
    assert!(desk.identity.client(&two.id).await.unwrap().is_none());
    let listed = desk.identity.list_clients(Some(&acme()), &Page::default()).await.unwrap();
    assert_eq!(listed.iter().map(|it| &it.id).collect::<Vec<_>>(), [&one.id, &other.id]);
    let unknown = desk.identity.suspend_client("cli_nobody").await.unwrap_err();
    assert!(matches!(unknown, ChangeClientError::Unknown(_)));
}

#[tokio::test]
async fn a_client_that_is_resumed_asks_for_other_tokens_and_what_it_had_stays_ended() {
    let desk = desk().await;
    let client = desk.client(&service()).await.client;
    desk.identity.suspend_client(&client.id).await.unwrap();
    let resumed = desk.identity.resume_client(&client.id, &desk.terms).await.unwrap();
    assert_eq!((resumed.suspended, &resumed), (None, &desk.again(&client).await));
    let (was, is) = (desk.key(&client.grant).await, desk.key(&resumed.grant).await);
    assert_eq!((desk.state(&was), desk.state(&is)), (KeyState::Revoked, KeyState::Active));
    assert_eq!((was.lineage, was.scopes), (is.lineage, is.scopes), "what it has used stays counted");
    assert_eq!(desk.identity.resume_client(&client.id, &desk.terms).await.unwrap(), resumed);
    let unknown = desk.identity.resume_client("cli_nobody", &desk.terms).await.unwrap_err();
    assert!(matches!(unknown, ChangeClientError::Unknown(_)));
}

#[tokio::test]
async fn the_tokens_of_a_client_end_without_the_client_and_what_it_has_used_stays_counted() {
    let desk = desk().await;
    let client = desk.client(&service()).await.client;
    desk.identity.end_client_tokens(&client).await.unwrap();
    let after = desk.again(&client).await;
    assert_ne!(after.grant, client.grant);
    let (was, is) = (desk.key(&client.grant).await, desk.key(&after.grant).await);
    assert_eq!((desk.state(&was), desk.state(&is)), (KeyState::Revoked, KeyState::Active));
    assert_eq!((was.lineage, was.scopes), (is.lineage, is.scopes));
}

#[tokio::test]
async fn what_cannot_be_a_client_is_refused() {
    let desk = desk().await;
    let refused = async |new: NewClient| {
        let refused = desk.identity.create_client(&new, &desk.terms).await.unwrap_err();
        let CreateClientError::UnfitClient(why) = refused else { panic!("{refused}") };
        why
    };
    let idle = NewClient { grants: Vec::new(), ..service() };
    assert_eq!(refused(idle).await, UnfitClient::NoGrant);
    assert_eq!(refused(NewClient { method: ClientAuth::None, ..service() }).await, UnfitClient::PublicAlone);
    let alone = NewClient { grants: vec![ClientGrant::RefreshToken], ..service() };
    assert_eq!(refused(alone).await, UnfitClient::NothingToRefresh);
    let nowhere = NewClient { redirect_uris: Vec::new(), ..app(ClientAuth::None) };
    assert_eq!(refused(nowhere).await, UnfitClient::Redirects);
    let bad = "https://app.example/cb#x";
    let elsewhere = NewClient { redirect_uris: vec![bad.to_owned()], ..app(ClientAuth::None) };
    assert_eq!(refused(elsewhere).await, UnfitClient::Redirect(bad.to_owned()));
    assert_eq!(refused(NewClient { method: ClientAuth::PrivateKeyJwt, ..service() }).await, UnfitClient::Keys);
    assert_eq!(refused(NewClient { keys: Some("{}".to_owned()), ..service() }).await, UnfitClient::Keys);
    let nobody = NewClient { tenant: "nobody".parse().unwrap(), ..service() };
    let unknown = desk.identity.create_client(&nobody, &desk.terms).await.unwrap_err();
    assert!(matches!(unknown, CreateClientError::UnknownTenant(_)), "{unknown}");
    let strange = NewClient { scopes: vec!["everything".parse().unwrap()], ..service() };
    assert!(matches!(desk.identity.create_client(&strange, &desk.terms).await, Err(CreateClientError::Unfit(_))));
}

#[tokio::test]
async fn an_assertion_is_used_once_by_each_client_even_by_many_at_once() {
    let desk = desk().await;
    let (client, other) = (desk.client(&service()).await.client, desk.client(&service()).await.client);
    let ends = NOW + Duration::from_mins(1);
    let uses = (0..10).map(|_| {
        let (identity, one) = (desk.identity.clone(), client.clone());
        tokio::spawn(async move { identity.use_assertion(&one, "jti", ends).await.unwrap() })
    });
    let mut taken = 0;
    for it in uses.collect::<Vec<_>>() {
        taken += usize::from(it.await.unwrap());
    }
    assert_eq!(taken, 1);
    assert!(desk.identity.use_assertion(&client, "another", ends).await.unwrap());
    assert!(desk.identity.use_assertion(&other, "jti", ends).await.unwrap());
}
