//! Codes, and what comes of them: once, in time, for whom they were made, and never again.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{DeedClass, KeySecret};
use identity::{
    Allowed, Brought, Client, ClientAuth, Holder, KeyState, Lapsed, RedeemError, Redeemed, RefreshError, Renewal,
};

use crate::clients::{app, service};
use crate::desk::{Desk, NOW, acme, desk};

pub(crate) const BACK: &str = "https://app.example/cb";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

pub(crate) fn allowed(client: &Client, user: &str) -> Allowed {
    Allowed {
        client: client.id.clone(),
        redirect_uri: BACK.to_owned(),
        challenge: challenge(VERIFIER),
        nonce: Some("n".to_owned()),
        user: user.to_owned(),
        tenant: acme(),
        api: client.api.clone(),
        scopes: ["compute", "openid"].map(|it| it.parse().unwrap()).into(),
        authenticated: Some(NOW),
        methods: vec!["pwd".to_owned()],
        key: None,
        session: None,
    }
}

fn brought(code: &str) -> Brought<'_> {
    Brought { code, redirect_uri: Some(BACK), verifier: Some(VERIFIER), key: None }
}

impl Desk {
    async fn ann(&self) -> String {
        match self.identity.person_called("ann").await.unwrap() {
            Some(known) => known.id,
            None => self.person("ann").await.id,
        }
    }

    async fn code(&self, client: &Client) -> String {
        let allowed = allowed(client, &self.ann().await);
        self.identity.give_code(&allowed).await.unwrap().reveal().to_owned()
    }

    async fn redeem(&self, brought: Brought<'_>, client: &Client) -> Result<Redeemed, RedeemError> {
        self.identity.redeem_code(brought, client, &self.terms).await
    }
}

#[tokio::test]
async fn a_code_is_good_once_and_brings_a_grant_of_the_user_for_the_client() {
    let desk = desk().await;
    let client = desk.client(&app(ClientAuth::None)).await.client;
    let code = desk.code(&client).await;
    let redeemed = desk.redeem(brought(&code), &client).await.unwrap();
    let ann = desk.ann().await;
    assert_eq!(redeemed.allowed, allowed(&client, &ann));
    let grant = desk.key(&redeemed.grant.id).await;
    let KeySecret::Granted(what) = &grant.secret else { panic!() };
    assert_eq!((what.client.as_ref(), what.authenticated), (Some(&client.id), Some(NOW)));
    assert_eq!((grant.owner.as_deref(), grant.tenant.as_str()), (Some(ann.as_str()), "acme"));
    assert_eq!(grant.expires, Some(NOW + Duration::from_hours(720)));
    // However often the same user comes, the client has one allowance for them.
    let again = desk.redeem(brought(&desk.code(&client).await), &client).await.unwrap();
    assert_eq!(again.grant.lineage, grant.lineage);
    assert!(!format!("{redeemed:?}").contains(redeemed.refresh.as_ref().unwrap().reveal()));
}

#[tokio::test]
async fn who_brings_a_code_again_ends_what_came_of_it_at_once_and_later() {
    for later in [0, 30, 59, 90, 3600] {
        let desk = desk().await;
        let client = desk.client(&app(ClientAuth::None)).await.client;
        let code = desk.code(&client).await;
        let redeemed = desk.redeem(brought(&code), &client).await.unwrap();
        desk.clock.advance(Duration::from_secs(later));
        // Without the verifier too: whoever has the code has it from somebody.
        let again = Brought { verifier: None, ..brought(&code) };
        assert!(matches!(desk.redeem(again, &client).await, Err(RedeemError::Reused)), "after {later} s");
        assert_eq!(desk.state(&desk.key(&redeemed.grant.id).await), KeyState::Revoked, "after {later} s");
        let refresh = redeemed.refresh.unwrap();
        let refused = desk.identity.refresh(refresh.reveal(), Some(&client.id), &client.api).await;
        assert!(matches!(refused, Err(RefreshError::Ended)), "{refused:?}");
    }
}

#[tokio::test]
async fn who_brings_a_code_again_and_again_fills_no_log() {
    let desk = desk().await;
    let client = desk.client(&app(ClientAuth::None)).await.client;
    let code = desk.code(&client).await;
    let _ = desk.redeem(brought(&code), &client).await.unwrap();
    for _ in 0..120 {
        assert!(matches!(desk.redeem(brought(&code), &client).await, Err(RedeemError::Reused)));
    }
    let deeds = desk.deeds_of(DeedClass::SessionEnd).await;
    let times: Vec<&str> = deeds.iter().map(|it| it.facts["times"].as_str()).collect();
    assert_eq!(times, ["1", "10", "100"]);
}

#[tokio::test]
async fn a_code_is_good_with_all_that_it_was_made_for_and_with_nothing_else() {
    let desk = desk().await;
    let client = desk.client(&app(ClientAuth::None)).await.client;
    let other = desk.client(&app(ClientAuth::None)).await.client;
    let code = desk.code(&client).await;
    let good = brought(&code);
    let plain = challenge(VERIFIER);
    for bad in [
        Brought { verifier: None, ..good },
        Brought { verifier: Some(&plain), ..good },
        Brought { verifier: Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"), ..good },
        Brought { verifier: Some("short"), ..good },
    ] {
        assert!(matches!(desk.redeem(bad, &client).await, Err(RedeemError::Verifier)));
    }
    for place in [None, Some("https://app.example/cb/"), Some("https://evil.example/cb")] {
        let bad = Brought { redirect_uri: place, ..good };
        assert!(matches!(desk.redeem(bad, &client).await, Err(RedeemError::OtherPlace)));
    }
    assert!(matches!(desk.redeem(good, &other).await, Err(RedeemError::OtherClient)));
    assert!(matches!(desk.redeem(brought("guess"), &client).await, Err(RedeemError::Unknown)));
    desk.clock.advance(Duration::from_secs(59));
    assert!(desk.redeem(good, &client).await.is_ok(), "nobody else has used it up");
    let late = desk.code(&client).await;
    desk.clock.advance(Duration::from_mins(1));
    assert!(matches!(desk.redeem(brought(&late), &client).await, Err(RedeemError::Expired)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_bring_one_code_at_once_nobody_is_left_with_anything() {
    let desk = Arc::new(desk().await);
    let client = desk.client(&app(ClientAuth::None)).await.client;
    let code = desk.code(&client).await;
    let many: Vec<_> = (0..20)
        .map(|_| {
            let (desk, client, code) = (Arc::clone(&desk), client.clone(), code.clone());
            tokio::spawn(async move { desk.redeem(brought(&code), &client).await })
        })
        .collect();
    let mut grants = Vec::new();
    for it in many {
        grants.extend(it.await.unwrap().ok().map(|it| it.grant));
    }
    let [grant] = grants.as_slice() else { panic!("{grants:?}") };
    assert_eq!(desk.state(&desk.key(&grant.id).await), KeyState::Revoked);
}

#[tokio::test]
async fn refresh_tokens_are_their_own_clients_and_turn_only_where_no_secret_is_kept() {
    let desk = desk().await;
    for (method, turns) in [(ClientAuth::None, true), (ClientAuth::ClientSecretBasic, false)] {
        let client = desk.client(&app(method)).await.client;
        let redeemed = desk.redeem(brought(&desk.code(&client).await), &client).await.unwrap();
        let first = redeemed.refresh.unwrap();
        for other in [None, Some("cli_other")] {
            let refused = desk.identity.refresh(first.reveal(), other, &client.api).await;
            assert!(matches!(refused, Err(RefreshError::OtherClient)), "{refused:?}");
        }
        assert!(desk.identity.refreshes(first.reveal(), &client.id).await.unwrap().is_some());
        let next = desk.identity.refresh(first.reveal(), Some(&client.id), &client.api).await.unwrap().token;
        assert_eq!(next.reveal() != first.reveal(), turns, "{:?}", Renewal::Turning);
        let known = desk.identity.refreshes(first.reveal(), &client.id).await.unwrap();
        assert_eq!(known.is_some(), !turns, "what was turned is told of no more");
        desk.clock.advance(Duration::from_secs(31));
        let again = desk.identity.refresh(first.reveal(), Some(&client.id), &client.api).await;
        assert_eq!(matches!(again, Err(RefreshError::Reused)), turns, "{again:?}");
        assert!(desk.identity.refreshes(next.reveal(), "cli_other").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_code_of_somebody_who_may_not_sign_in_any_more_is_good_for_nothing() {
    let desk = desk().await;
    let client = desk.client(&app(ClientAuth::None)).await.client;
    let code = desk.code(&client).await;
    desk.identity.suspend_person(&desk.ann().await).await.unwrap();
    assert!(matches!(desk.redeem(brought(&code), &client).await, Err(RedeemError::Lapsed(Lapsed::Left))));
}

#[tokio::test]
async fn a_client_that_ends_takes_what_users_have_allowed_it_along() {
    let desk = desk().await;
    let client = desk.client(&app(ClientAuth::None)).await.client;
    let redeemed = desk.redeem(brought(&desk.code(&client).await), &client).await.unwrap();
    desk.identity.suspend_client(&client.id).await.unwrap();
    assert_eq!(desk.state(&desk.key(&redeemed.grant.id).await), KeyState::Revoked);
}

#[tokio::test]
async fn what_waits_is_had_by_its_own_name_by_whom_it_is_for_and_taken_once() {
    let desk = desk().await;
    let ten = Duration::from_mins(10);
    let handle = desk.identity.keep_waiting("pushed", "cli_1", "text", ten).await.unwrap();
    let (handle, identity) = (handle.reveal(), &desk.identity);
    assert_eq!(identity.waiting("pushed", "cli_1", handle).await.unwrap().as_deref(), Some("text"));
    for (what, whose, name) in [("asked", "cli_1", handle), ("pushed", "cli_2", handle), ("pushed", "cli_1", "guess")] {
        assert_eq!(identity.take_waiting(what, whose, name).await.unwrap(), None);
    }
    assert_eq!(identity.take_waiting("pushed", "cli_1", handle).await.unwrap().as_deref(), Some("text"));
    assert_eq!(identity.take_waiting("pushed", "cli_1", handle).await.unwrap(), None);
    let late = identity.keep_waiting("pushed", "cli_1", "text", ten).await.unwrap();
    desk.clock.advance(ten);
    assert_eq!(identity.waiting("pushed", "cli_1", late.reveal()).await.unwrap(), None);
}

#[tokio::test]
async fn a_consent_is_remembered_for_its_user_its_client_and_its_scopes() {
    let desk = desk().await;
    let (one, other) = (desk.client(&service()).await.client, desk.client(&service()).await.client);
    let scopes = |all: &[&str]| all.iter().map(|it| it.parse().unwrap()).collect::<Vec<_>>();
    let has = async |user: &str, client: &Client, all: &[&str]| {
        desk.identity.has_consented(user, client, &scopes(all)).await.unwrap()
    };
    assert!(!has("usr_ann", &one, &["compute"]).await);
    desk.identity.consent("usr_ann", &one, &scopes(&["compute"])).await.unwrap();
    desk.identity.consent("usr_ann", &one, &scopes(&["openid"])).await.unwrap();
    assert!(has("usr_ann", &one, &["openid", "compute"]).await);
    assert!(!has("usr_ann", &one, &["compute", "data"]).await);
    assert!(!has("usr_bob", &one, &["compute"]).await && !has("usr_ann", &other, &["compute"]).await);
}

#[tokio::test]
async fn what_is_bound_to_a_key_is_of_no_use_without_it() {
    let desk = desk().await;
    let client = desk.client(&app(ClientAuth::None)).await.client;
    let named = Allowed { key: Some("mine".to_owned()), ..allowed(&client, &desk.ann().await) };
    let code = desk.identity.give_code(&named).await.unwrap().reveal().to_owned();
    for key in [None, Some("another")] {
        let refused = desk.redeem(Brought { key, ..brought(&code) }, &client).await;
        assert!(matches!(refused, Err(RedeemError::OtherKey)), "{refused:?}");
    }
    let redeemed = desk.redeem(Brought { key: Some("mine"), ..brought(&code) }, &client).await.unwrap();
    let refresh = redeemed.refresh.unwrap();
    let shown = async |key| {
        desk.identity.refresh_for(refresh.reveal(), Holder { client: Some(&client.id), key }, &client.api, &[]).await
    };
    for key in [None, Some("another")] {
        let refused = shown(key).await;
        assert!(matches!(refused, Err(RefreshError::OtherKey)), "{refused:?}");
    }
    assert!(shown(Some("mine")).await.is_ok());
    // Whoever keeps a secret shows with that who they are, and may come with another key.
    let keeps = desk.client(&app(ClientAuth::ClientSecretBasic)).await.client;
    let code = desk.code(&keeps).await;
    let redeemed = desk.redeem(Brought { key: Some("mine"), ..brought(&code) }, &keeps).await.unwrap();
    let holder = Holder { client: Some(&keeps.id), key: Some("another") };
    assert!(desk.identity.refresh_for(redeemed.refresh.unwrap().reveal(), holder, &keeps.api, &[]).await.is_ok());
}

#[tokio::test]
async fn who_asks_for_more_than_was_allowed_is_told_so_and_has_used_nothing_up() {
    let desk = desk().await;
    let client = desk.client(&app(ClientAuth::None)).await.client;
    let code = desk.code(&client).await;
    let redeemed = desk.redeem(brought(&code), &client).await.unwrap();
    let first = redeemed.refresh.unwrap();
    let ask = async |shown: &str, asked: &[&str]| {
        let asked: Vec<_> = asked.iter().map(|it| it.parse().unwrap()).collect();
        let holder = Holder { client: Some(&client.id), key: None };
        desk.identity.refresh_for(shown, holder, &client.api, &asked).await
    };
    let beyond = ask(first.reveal(), &["openid", "data"]).await;
    assert!(matches!(beyond, Err(RefreshError::Beyond)), "{beyond:?}");
    desk.clock.advance(Duration::from_mins(1));
    let second = ask(first.reveal(), &["openid"]).await.unwrap().token;
    // Whoever shows one from before is a thief or was robbed, whatever they ask for.
    desk.clock.advance(Duration::from_mins(1));
    let stolen = ask(first.reveal(), &["data"]).await;
    assert!(matches!(stolen, Err(RefreshError::Reused)), "{stolen:?}");
    assert!(matches!(ask(second.reveal(), &[]).await, Err(RefreshError::Ended)));
}
