//! What users have let clients do, and that they may take it back.

use domain::{DeedClass, Scope};
use identity::{Allowed, Brought, Client, ClientAuth, RedeemError, Redeemed, Registry as _};

use crate::clients::app;
use crate::codes::{BACK, VERIFIER, allowed};
use crate::desk::{Desk, desk};

fn scopes(all: &[&str]) -> Vec<Scope> {
    all.iter().map(|it| it.parse().unwrap()).collect()
}

impl Desk {
    /// A user lets a client act for them, and it comes for what it may have.
    async fn let_in(&self, client: &Client, user: &str) -> Redeemed {
        let code = self.code_for(client, user).await;
        self.bring(client, &code).await.unwrap()
    }

    async fn code_for(&self, client: &Client, user: &str) -> String {
        let allowed: Allowed = allowed(client, user);
        self.identity.consent(user, client, &allowed.scopes).await.unwrap();
        self.identity.give_code(&allowed).await.unwrap().reveal().to_owned()
    }

    async fn bring(&self, client: &Client, code: &str) -> Result<Redeemed, RedeemError> {
        let brought = Brought { code, redirect_uri: Some(BACK), verifier: Some(VERIFIER), key: None };
        self.identity.redeem_code(brought, client, &self.terms).await
    }

    async fn remembers(&self, client: &Client, user: &str) -> bool {
        self.identity.has_consented(user, client, &scopes(&["compute"])).await.unwrap()
    }

    async fn lasts(&self, redeemed: &Redeemed) -> bool {
        self.key(&redeemed.grant.id).await.revoked.is_none()
    }
}

#[tokio::test]
async fn what_is_taken_back_from_a_client_is_over_and_it_has_to_ask_again_and_nothing_else_changes() {
    let desk = desk().await;
    let (ann, bob) = (desk.person("ann").await.id, desk.person("bob").await.id);
    let one = desk.client(&app(ClientAuth::None)).await.client;
    let other = desk.client(&app(ClientAuth::ClientSecretBasic)).await.client;
    let (taken, kept, of_bob) =
        (desk.let_in(&one, &ann).await, desk.let_in(&other, &ann).await, desk.let_in(&one, &bob).await);
    let on_its_way = desk.code_for(&one, &ann).await;
    let shown = desk.identity.consents_of(&ann, None).await.unwrap();
    assert_eq!(shown.len(), 2);
    assert!(shown.iter().all(|it| it.scopes == scopes(&["compute", "openid"])), "{shown:?}");
    assert_eq!(desk.identity.consents_of(&ann, Some(&"cloudnx".parse().unwrap())).await.unwrap(), []);
    assert_eq!(desk.identity.withdraw_consents(&ann, Some(&one.id)).await.unwrap(), 1);
    assert!(!desk.remembers(&one, &ann).await && !desk.lasts(&taken).await);
    assert!(desk.bring(&one, &on_its_way).await.is_err(), "what is on its way is good for nothing");
    assert!(desk.remembers(&other, &ann).await && desk.lasts(&kept).await);
    assert!(desk.remembers(&one, &bob).await && desk.lasts(&of_bob).await);
    let left = desk.identity.consents_of(&ann, None).await.unwrap();
    assert_eq!(left.iter().map(|it| it.client.id.as_str()).collect::<Vec<_>>(), [other.id.as_str()]);
    assert_eq!(desk.identity.withdraw_consents(&ann, Some(&one.id)).await.unwrap(), 0, "once");
    let deeds = desk.deeds_of(DeedClass::Identity).await;
    assert_eq!(deeds.iter().filter(|it| it.action == "withdraw_consent").count(), 1);
    assert_eq!(desk.identity.withdraw_consents(&ann, None).await.unwrap(), 1);
    assert!(desk.identity.consents_of(&ann, None).await.unwrap().is_empty() && !desk.lasts(&kept).await);
}

#[tokio::test]
async fn whoever_ends_the_tokens_of_a_user_or_a_client_ends_what_it_could_come_to_them_by_again() {
    let desk = desk().await;
    let (ann, bob) = (desk.person("ann").await.id, desk.person("bob").await.id);
    let one = desk.client(&app(ClientAuth::None)).await.client;
    let other = desk.client(&app(ClientAuth::None)).await.client;
    for (client, user) in [(&one, &ann), (&other, &ann), (&one, &bob), (&other, &bob)] {
        let _ = desk.let_in(client, user).await;
    }
    let on_its_way = desk.code_for(&one, &ann).await;
    desk.identity.end_tokens_of_person(&ann).await.unwrap();
    assert!(!desk.remembers(&one, &ann).await && !desk.remembers(&other, &ann).await);
    assert!(desk.bring(&one, &on_its_way).await.is_err());
    assert!(desk.remembers(&one, &bob).await && desk.remembers(&other, &bob).await);
    desk.identity.end_tokens_of_client(&one.id).await.unwrap();
    assert!(!desk.remembers(&one, &bob).await && desk.remembers(&other, &bob).await);
}

#[tokio::test]
async fn who_keeps_no_secret_on_the_machine_of_the_user_could_be_anybody_there() {
    let desk = desk().await;
    let public = desk.client(&app(ClientAuth::None)).await.client;
    let keeps = desk.client(&app(ClientAuth::ClientSecretBasic)).await.client;
    for local in ["http://127.0.0.1:7000/cb", "http://[::1]/cb", "http://localhost/cb"] {
        assert!(public.is_anybodys_at(local) && !keeps.is_anybodys_at(local), "{local}");
    }
    assert!(!public.is_anybodys_at(BACK));
}

#[tokio::test]
async fn the_fifty_first_time_that_a_user_lets_a_client_in_ends_the_first_and_nothing_of_others() {
    let desk = desk().await;
    let (ann, bob) = (desk.person("ann").await.id, desk.person("bob").await.id);
    let one = desk.client(&app(ClientAuth::None)).await.client;
    let other = desk.client(&app(ClientAuth::ClientSecretBasic)).await.client;
    let (of_other, of_bob) = (desk.let_in(&other, &ann).await, desk.let_in(&one, &bob).await);
    let mut all = Vec::new();
    for _ in 0..51 {
        all.push(desk.let_in(&one, &ann).await);
    }
    // Nothing of it is kept for a while, or whoever goes round and round would have as much kept as they like.
    let gone = all[0].grant.id.as_str();
    assert!(desk.identity.registry().key(&all[0].grant.id).await.unwrap().is_none());
    for kind in ["refresh", "session_grant"] {
        assert_eq!(desk.store.record(kind, gone).await.unwrap(), None, "{kind}");
    }
    assert!(desk.lasts(&all[1]).await && desk.lasts(&all[50]).await);
    assert!(desk.lasts(&of_other).await && desk.lasts(&of_bob).await);
    let ended = desk.deeds_of(DeedClass::SessionEnd).await;
    let crowded: Vec<_> = ended.iter().filter(|it| it.action == "crowded_out").collect();
    assert_eq!(crowded.len(), 1);
    assert_eq!(crowded[0].target.as_deref(), Some(all[0].grant.id.as_str()));
}
