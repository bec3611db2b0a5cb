//! Passkeys: what an authenticator has signed lets its user in once, and a copy of it nobody.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::DeedClass;
use identity::{
    Authenticated, Ceremony, FactorError, NewPasskey, Party, Passkey, RegisterPasskeyError, RemovePasskeyError,
    ShownPasskey, SignInError,
};

use crate::desk::{Desk, ISSUER, desk};
use crate::people::PASSWORD;

const PARTY: Party<'static> = Party { origin: "https://api.example.com" };
const COOKIE: &str = "cookie";

/// An authenticator with one passkey of one user.
struct Authenticator {
    pair: EcdsaKeyPair,
    id: Vec<u8>,
    user: String,
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Authenticator {
    fn of(user: &str, id: u8) -> Self {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
        Self { pair, id: vec![id; 16], user: user.to_owned() }
    }

    fn says(flags: u8, counter: u32) -> Vec<u8> {
        let host = digest(&SHA256, PARTY.host().as_bytes());
        [host.as_ref(), &[flags], &counter.to_be_bytes()].concat()
    }

    fn page(kind: &str, challenge: &str) -> Vec<u8> {
        format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{}"}}"#, PARTY.origin).into_bytes()
    }

    async fn register(&self, desk: &Desk, name: &str) -> Result<Passkey, RegisterPasskeyError> {
        let challenge = desk.identity.passkey_challenge(Ceremony::Register(&self.user), COOKIE);
        self.register_by(desk, name, &challenge, COOKIE).await
    }

    async fn register_by(
        &self,
        desk: &Desk,
        name: &str,
        challenge: &str,
        cookie: &str,
    ) -> Result<Passkey, RegisterPasskeyError> {
        let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        let said = [&Self::says(0x45, 0)[..], &[0; 16], &length, &self.id].concat();
        let key: PublicKeyX509Der<'_> = self.pair.public_key().as_der().unwrap();
        let new = NewPasskey {
            name,
            client_data: &text(&Self::page("webauthn.create", challenge)),
            authenticator_data: &text(&said),
            key: &text(key.as_ref()),
            algorithm: -7,
        };
        desk.identity.register_passkey(&self.user, &new, (PARTY, cookie)).await
    }

    async fn sign_in(&self, desk: &Desk, counter: u32) -> Result<Authenticated, SignInError> {
        let challenge = desk.identity.passkey_challenge(Ceremony::SignIn, COOKIE);
        self.sign_in_by(desk, counter, &challenge, COOKIE).await
    }

    async fn sign_in_by(
        &self,
        desk: &Desk,
        counter: u32,
        challenge: &str,
        cookie: &str,
    ) -> Result<Authenticated, SignInError> {
        let (said, page) = (Self::says(5, counter), Self::page("webauthn.get", challenge));
        let message = [&said, digest(&SHA256, &page).as_ref()].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &message).unwrap();
        let shown = ShownPasskey {
            credential: &text(&self.id),
            client_data: &text(&page),
            authenticator_data: &text(&said),
            signature: &text(signature.as_ref()),
            user_handle: &text(self.user.as_bytes()),
        };
        desk.identity.sign_in_with_passkey(&shown, (PARTY, cookie)).await
    }
}

#[tokio::test]
async fn a_passkey_lets_its_user_in_past_a_lock_and_a_copy_nobody() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    let phone = Authenticator::of(&ann.id, 1);
    let made = phone.register(&desk, " Phone ").await.unwrap();
    assert_eq!((made.name.as_str(), made.last_used), ("Phone", None));
    for _ in 0..10 {
        let _ = desk.identity.sign_in("ann", "wrong", None).await;
    }
    assert!(matches!(desk.identity.sign_in("ann", PASSWORD, None).await, Err(SignInError::Wrong)));
    let who = phone.sign_in(&desk, 3).await.unwrap();
    assert_eq!(who.user(), ann.id);
    let cookie = desk.identity.begin_browser_session(&who, ISSUER).await.unwrap();
    let session = desk.identity.browser_session(cookie.reveal(), ISSUER).await.unwrap().unwrap();
    assert_eq!(session.methods, ["hwk", "mfa"]);
    assert_eq!(desk.deeds_of(DeedClass::Lockout).await.last().unwrap().action, "release");
    for counter in [3, 2, 0] {
        assert!(matches!(phone.sign_in(&desk, counter).await, Err(SignInError::Wrong)), "{counter}");
    }
    let refused = desk.deeds_of(DeedClass::Identity).await;
    assert_eq!(refused.iter().filter(|it| it.action == "use_passkey" && it.refused.is_some()).count(), 3);
    assert!(phone.sign_in(&desk, 4).await.is_ok());
    desk.identity.suspend_person(&ann.id).await.unwrap();
    assert!(matches!(phone.sign_in(&desk, 5).await, Err(SignInError::Wrong)));
}

#[tokio::test]
async fn what_was_signed_is_taken_once_in_one_browser_for_five_minutes() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    let phone = Authenticator::of(&ann.id, 1);
    let challenge = desk.identity.passkey_challenge(Ceremony::Register(&ann.id), COOKIE);
    let wrong = |it: Result<Passkey, RegisterPasskeyError>| matches!(it, Err(RegisterPasskeyError::Wrong));
    assert!(wrong(phone.register_by(&desk, "Phone", &challenge, "another").await));
    let for_signing_in = desk.identity.passkey_challenge(Ceremony::SignIn, COOKIE);
    assert!(wrong(phone.register_by(&desk, "Phone", &for_signing_in, COOKIE).await));
    phone.register_by(&desk, "Phone", &challenge, COOKIE).await.unwrap();
    assert!(wrong(Authenticator::of(&ann.id, 2).register_by(&desk, "Other", &challenge, COOKIE).await));
    // Those that do not count are held to what they sign alone.
    let challenge = desk.identity.passkey_challenge(Ceremony::SignIn, COOKIE);
    let gone = |it: Result<Authenticated, SignInError>| matches!(it, Err(SignInError::Gone));
    assert!(gone(phone.sign_in_by(&desk, 0, &challenge, "another").await));
    assert!(phone.sign_in_by(&desk, 0, &challenge, COOKIE).await.is_ok());
    assert!(gone(phone.sign_in_by(&desk, 0, &challenge, COOKIE).await));
    let late = desk.identity.passkey_challenge(Ceremony::SignIn, COOKIE);
    desk.clock.advance(Duration::from_mins(5));
    assert!(gone(phone.sign_in_by(&desk, 0, &late, COOKIE).await));
    let stranger = Authenticator { id: vec![1; 16], ..Authenticator::of(&ann.id, 9) };
    assert!(matches!(stranger.sign_in(&desk, 1).await, Err(SignInError::Wrong)), "another key of the same id");
}

#[tokio::test]
async fn who_was_believed_by_a_passkey_begins_nothing_by_it_once_that_is_gone_or_their_password_another() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    for (number, how) in [(1, "removed"), (2, "taken away"), (3, "password")] {
        let phone = Authenticator::of(&ann.id, number);
        let made = phone.register(&desk, how).await.unwrap();
        let who = phone.sign_in(&desk, 1).await.unwrap();
        assert!(desk.begins(&who).await, "{how}");
        match how {
            "removed" => desk.identity.remove_passkey(&ann.id, &made.id).await.unwrap(),
            "taken away" => desk.identity.remove_factor(&ann.id, None).await.unwrap(),
            _ => drop(desk.identity.set_password(&ann.id, "another horse", None).await.unwrap()),
        }
        assert!(!desk.begins(&who).await, "{how}");
    }
}

#[tokio::test]
async fn a_user_has_ten_passkeys_and_removes_their_own_and_an_operator_all_of_them() {
    let desk = desk().await;
    let (ann, bob) = (desk.person("ann").await, desk.person("bob").await);
    let mut made = Vec::new();
    for number in 1..=10 {
        made.push(Authenticator::of(&ann.id, number).register(&desk, &number.to_string()).await.unwrap());
    }
    let more = Authenticator::of(&ann.id, 11).register(&desk, "11").await;
    assert!(matches!(more, Err(RegisterPasskeyError::TooMany)));
    let taken = Authenticator::of(&bob.id, 1).register(&desk, "stolen").await;
    assert!(matches!(taken, Err(RegisterPasskeyError::Taken)));
    let nameless = Authenticator::of(&bob.id, 12).register(&desk, " ").await;
    assert!(matches!(nameless, Err(RegisterPasskeyError::Unfit(_))));
    let foreign = desk.identity.remove_passkey(&bob.id, &made[0].id).await;
    assert!(matches!(foreign, Err(RemovePasskeyError::Unknown)));
    desk.identity.remove_passkey(&ann.id, &made[0].id).await.unwrap();
    assert_eq!(desk.identity.passkeys_of(&ann.id).await.unwrap().len(), 9);
    desk.identity.remove_factor(&ann.id, None).await.unwrap();
    assert!(desk.identity.passkeys_of(&ann.id).await.unwrap().is_empty());
    assert!(matches!(desk.identity.remove_factor(&ann.id, None).await, Err(FactorError::Missing)));
    let phone = Authenticator::of(&bob.id, 1);
    phone.register(&desk, "Phone").await.unwrap();
    desk.identity.delete_person(&bob.id).await.unwrap();
    assert!(matches!(phone.sign_in(&desk, 1).await, Err(SignInError::Wrong)));
    assert!(desk.identity.passkeys_of(&bob.id).await.unwrap().is_empty());
}
