//! People: who is let in and who is not, and that nobody learns why.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use domain::{Change, Deed, DeedClass, KeySecret, Record, Timestamp};
use identity::{
    Authenticated, ChangePersonError, CreatePersonError, Enrolment, FactorError, NewPerson, Page, Person, Registry,
    SignIn, SignInError, Terms, WeakPassword,
};

use crate::desk::{Desk, ISSUER, acme, api, desk};

pub(crate) const PASSWORD: &str = "correct horse";

/// An API with roles.
pub(crate) fn terms() -> Terms {
    let role = |name: &str, scopes: &[&str]| {
        (name.parse().unwrap(), scopes.iter().map(|it| it.parse().unwrap()).collect::<Vec<_>>())
    };
    let roles = [role("owner", &["compute", "data", "network"]), role("viewer", &["data"])].into();
    Terms::new([identity::ApiTerms { roles, ..api("cloudnx", &[]) }])
}

impl Desk {
    pub(crate) async fn person(&self, name: &str) -> Person {
        self.person_in(name, &[("acme", &["viewer"])]).await
    }

    pub(crate) async fn person_in(&self, name: &str, roles: &[(&str, &[&str])]) -> Person {
        let roles: BTreeMap<_, _> = roles
            .iter()
            .map(|(tenant, roles)| (tenant.parse().unwrap(), roles.iter().map(|it| it.parse().unwrap()).collect()))
            .collect();
        let new =
            NewPerson { name: name.to_owned(), password: Some(PASSWORD.to_owned()), roles, ..NewPerson::default() };
        self.identity.create_person(&new, &terms()).await.unwrap()
    }

    pub(crate) async fn signed_in(&self, name: &str) -> Authenticated {
        match self.identity.sign_in(name, PASSWORD, None).await.unwrap() {
            SignIn::Done(who) => who,
            SignIn::CodeWanted(_) => panic!("a code is wanted"),
        }
    }

    pub(crate) async fn deeds_of(&self, class: DeedClass) -> Vec<Deed> {
        self.store.deeds().await.unwrap().into_iter().map(|it| it.1).filter(|it| it.class == class).collect()
    }

    pub(crate) fn now(&self) -> Timestamp {
        domain::Clock::now(&*self.clock).wall
    }

    /// A second factor of somebody: its secret, and the recovery codes.
    pub(crate) async fn enrolled(&self, user: &str) -> (Vec<u8>, Vec<String>) {
        let enrolment = self.identity.enrol_factor(user, "Portcullis").await.unwrap();
        let secret = secret_of(&enrolment);
        assert!(enrolment.uri.reveal().ends_with(&format!("?secret={}&issuer=Portcullis", enrolment.secret.reveal())));
        let codes = self.identity.confirm_factor(user, &code(&secret, self.now())).await.unwrap();
        // The code that confirmed it is used up.
        self.clock.advance(Duration::from_mins(1));
        (secret, codes.iter().map(|it| it.reveal().to_owned()).collect())
    }
}

fn base32(text: &str) -> Vec<u8> {
    let digit = |it: u8| if it.is_ascii_digit() { it - b'2' + 26 } else { it - b'A' };
    let bits: Vec<u8> = text.bytes().flat_map(|it| (0..5).rev().map(move |bit| digit(it) >> bit & 1)).collect();
    bits.chunks_exact(8).map(|it| it.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

/// What an authenticator makes its codes from.
pub(crate) fn secret_of(enrolment: &Enrolment) -> Vec<u8> {
    base32(enrolment.secret.reveal())
}

pub(crate) fn code(secret: &[u8], at: Timestamp) -> String {
    let mac = sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret), &(at.seconds() / 30).to_be_bytes());
    let from = usize::from(mac.as_ref()[19] & 15);
    let number = u32::from_be_bytes(mac.as_ref()[from..from + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

#[tokio::test]
async fn a_user_signs_in_by_name_or_address_however_it_is_capitalised_and_nobody_else_has_either() {
    let desk = desk().await;
    let new = NewPerson {
        name: "Ann".to_owned(),
        email: Some("ann@example.com".to_owned()),
        password: Some(PASSWORD.to_owned()),
        roles: [(acme(), vec!["viewer".parse().unwrap()])].into(),
        ..NewPerson::default()
    };
    let ann = desk.identity.create_person(&new, &terms()).await.unwrap();
    for name in ["ann", "ANN ", "Ann@Example.com"] {
        assert_eq!(desk.signed_in(name).await.user(), ann.id);
        let again = NewPerson { name: name.to_owned(), ..NewPerson::default() };
        let told = desk.identity.create_person(&again, &terms()).await;
        assert!(matches!(told, Err(CreatePersonError::Taken(_))), "{told:?}");
    }
    assert_eq!(desk.identity.people(Some(&acme()), &Page::default()).await.unwrap(), std::slice::from_ref(&ann));
    desk.tenant("globex").await;
    assert_eq!(desk.identity.people(Some(&"globex".parse().unwrap()), &Page::default()).await.unwrap(), []);
    let member = &desk.identity.memberships(&ann.id).await.unwrap()[0];
    assert_eq!((&member.tenant, member.roles[0].as_str()), (&acme(), "viewer"));
    let told = serde_json::to_string(&desk.store.deeds().await.unwrap().into_iter().map(|it| it.1).collect::<Vec<_>>());
    let told = told.unwrap();
    assert!(!told.to_lowercase().contains("ann") && !told.contains(PASSWORD), "{told}");
}

#[tokio::test]
async fn whatever_is_wrong_the_answer_and_the_work_are_the_same() {
    let desk = desk().await;
    let [_, locked, suspended] = [desk.person("ann").await, desk.person("bob").await, desk.person("eve").await];
    let bare = NewPerson { name: "zoe".to_owned(), ..NewPerson::default() };
    desk.identity.create_person(&bare, &terms()).await.unwrap();
    desk.identity.suspend_person(&suspended.id).await.unwrap();
    for _ in 0..10 {
        assert!(desk.identity.sign_in("bob", "wrong", None).await.is_err());
    }
    assert_eq!(desk.deeds_of(DeedClass::Lockout).await[0].target, Some(locked.id));
    for (name, password) in
        [("nobody", PASSWORD), ("ann", "wrong"), ("bob", PASSWORD), ("bob", "wrong"), ("eve", PASSWORD), ("zoe", "")]
    {
        let (hashed, version) = (desk.identity.passwords_hashed(), desk.store.version().await.unwrap());
        let told = desk.identity.sign_in(name, password, None).await;
        assert!(matches!(told, Err(SignInError::Wrong)), "{name}: {told:?}");
        assert_eq!(desk.identity.passwords_hashed() - hashed, 1, "{name}");
        assert_eq!(desk.store.version().await.unwrap() - version, 1, "{name}");
    }
}

#[tokio::test]
async fn ten_wrong_passwords_lock_for_half_an_hour_and_setting_it_anew_lets_in() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    for _ in 0..10 {
        assert!(desk.identity.sign_in("ann", "wrong", None).await.is_err());
    }
    assert!(desk.identity.sign_in("ann", PASSWORD, None).await.is_err());
    desk.clock.advance(Duration::from_mins(30));
    let _ = desk.signed_in("ann").await;
    for _ in 0..10 {
        assert!(desk.identity.sign_in("ann", "wrong", None).await.is_err());
    }
    desk.identity.set_password(&ann.id, "another horse", None).await.unwrap();
    assert!(desk.identity.sign_in("ann", "another horse", None).await.is_ok());
    let actions: Vec<String> = desk.deeds_of(DeedClass::Lockout).await.into_iter().map(|it| it.action).collect();
    assert_eq!(actions, ["lock", "release", "lock", "release"]);
}

#[tokio::test]
async fn who_confirms_a_second_factor_leaves_nothing_that_began_without_it() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    let session = desk.session("ann").await;
    let browser = desk.identity.begin_browser_session(&desk.signed_in("ann").await, ISSUER).await.unwrap();
    let enrolment = desk.identity.enrol_factor(&ann.id, "Portcullis").await.unwrap();
    let wrong = desk.identity.confirm_factor(&ann.id, "000000").await;
    assert!(matches!(wrong, Err(FactorError::Wrong)), "{wrong:?}");
    assert!(desk.key(&session.grant.id).await.revoked.is_none());
    let code = code(&secret_of(&enrolment), desk.now());
    let before = (vec!["pwd".to_owned()], desk.now());
    let (_, who) = desk.identity.step_up(&ann.id, &code, before, &session.grant.id).await.unwrap();
    assert!(desk.key(&session.grant.id).await.revoked.is_some());
    assert!(desk.identity.browser_session(browser.reveal(), ISSUER).await.unwrap().is_none());
    let terms = terms();
    let next = desk.identity.begin_session(&who, terms.of(&"cloudnx".parse().unwrap()).unwrap(), None).await.unwrap();
    let KeySecret::Granted(grant) = &next.grant.secret else { panic!() };
    assert_eq!(grant.methods, ["pwd", "otp", "mfa"]);
}

#[tokio::test]
async fn what_is_typed_in_the_place_of_an_id_is_in_no_entry() {
    let desk = desk().await;
    let (ghost, identity) = ("ghost@example.com", &desk.identity);
    assert!(identity.end_tokens_of_person(ghost).await.is_err());
    assert!(identity.suspend_person(ghost).await.is_err());
    assert!(identity.set_password(ghost, "another horse", None).await.is_err());
    assert!(identity.set_roles(ghost, &acme(), &[], &terms()).await.is_err());
    assert!(identity.delete_person(ghost).await.is_err());
    assert!(identity.link_outside("idp_1", "sub", ghost).await.is_err());
    let told = serde_json::to_string(&desk.store.deeds().await.unwrap().into_iter().map(|it| it.1).collect::<Vec<_>>());
    assert!(!told.unwrap().contains("ghost"));
}

#[tokio::test]
async fn who_has_a_second_factor_is_asked_for_it_and_locked_out_by_nobody() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    let (secret, _) = desk.enrolled(&ann.id).await;
    let SignIn::CodeWanted(halfway) = desk.identity.sign_in("ann", PASSWORD, None).await.unwrap() else {
        panic!("the password alone lets in")
    };
    for _ in 0..12 {
        assert!(desk.identity.sign_in("ann", "wrong", None).await.is_err());
    }
    let shown = desk.identity.await_code(&halfway).await.unwrap();
    let now = desk.now();
    let who = desk.identity.show_code(shown.reveal(), &code(&secret, now)).await.unwrap();
    assert_eq!(who.user(), ann.id);
    let again = desk.identity.show_code(shown.reveal(), &code(&secret, now)).await;
    assert!(matches!(again, Err(SignInError::Gone)), "{again:?}");
    // The same code, with the password shown anew.
    let replayed = desk.identity.sign_in("ann", PASSWORD, Some(&code(&secret, now))).await;
    assert!(matches!(replayed, Err(SignInError::Wrong)), "{replayed:?}");
    desk.clock.advance(Duration::from_secs(30));
    let done = desk.identity.sign_in("ann", PASSWORD, Some(&code(&secret, desk.now()))).await.unwrap();
    assert!(matches!(done, SignIn::Done(_)));
}

#[tokio::test]
async fn while_an_account_is_locked_the_right_password_looks_like_any_other() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    let (secret, _) = desk.enrolled(&ann.id).await;
    for _ in 0..10 {
        assert!(desk.identity.sign_in("ann", "wrong", None).await.is_err());
    }
    let wrong = |told: Result<SignIn, SignInError>| assert!(matches!(told, Err(SignInError::Wrong)), "{told:?}");
    for password in [PASSWORD, "wrong"] {
        wrong(desk.identity.sign_in("ann", password, None).await);
        for _ in 0..7 {
            wrong(desk.identity.sign_in("ann", password, Some("000000")).await);
        }
    }
    desk.clock.advance(Duration::from_mins(5));
    let both = desk.identity.sign_in("ann", PASSWORD, Some(&code(&secret, desk.now()))).await.unwrap();
    assert!(matches!(both, SignIn::Done(_)), "{both:?}");
}

#[tokio::test]
async fn a_recovery_code_is_good_once_and_none_is_kept() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    let (_, codes) = desk.enrolled(&ann.id).await;
    assert_eq!(codes.len(), 10);
    let (first, second) = codes[0].split_at(6);
    let spelled = format!("{}-{second}", first.to_lowercase());
    assert!(desk.identity.sign_in("ann", PASSWORD, Some(&spelled)).await.is_ok());
    assert!(desk.identity.sign_in("ann", PASSWORD, Some(&codes[0])).await.is_err());
    assert!(desk.identity.sign_in("ann", PASSWORD, Some(&codes[1])).await.is_ok());
    let kept = desk.store.record("user", &ann.id).await.unwrap().unwrap();
    assert!(codes.iter().all(|it| !kept.contains(it.as_str())) && !kept.contains(PASSWORD));
    let wrong = desk.identity.remove_factor(&ann.id, Some("000000")).await;
    assert!(matches!(wrong, Err(FactorError::Wrong)), "{wrong:?}");
    desk.identity.remove_factor(&ann.id, None).await.unwrap();
    let _ = desk.signed_in("ann").await;
}

#[tokio::test]
async fn halfway_ends_after_five_minutes_and_with_the_password() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    let (secret, _) = desk.enrolled(&ann.id).await;
    for late in [true, false] {
        let SignIn::CodeWanted(halfway) = desk.identity.sign_in("ann", PASSWORD, None).await.unwrap() else { panic!() };
        let shown = desk.identity.await_code(&halfway).await.unwrap();
        if late {
            desk.clock.advance(Duration::from_mins(5));
        } else {
            desk.identity.set_password(&ann.id, "another horse", None).await.unwrap();
        }
        let told = desk.identity.show_code(shown.reveal(), &code(&secret, desk.now())).await;
        assert!(matches!(told, Err(SignInError::Gone)), "{told:?}");
    }
    let unknown = desk.identity.show_code("nothing of ours", "000000").await;
    assert!(matches!(unknown, Err(SignInError::Wrong)), "{unknown:?}");
}

#[tokio::test]
async fn a_password_that_was_hashed_for_less_is_hashed_anew_when_it_is_shown() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    let kept = async || -> serde_json::Value {
        serde_json::from_str(&desk.store.record("user", &ann.id).await.unwrap().unwrap()).unwrap()
    };
    let mut older = kept().await;
    let before = "$argon2id$v=19$m=1024,t=1,p=1$BwcHBwcHBwcHBwcHBwcHBw$H+kCztOX0N1GRLjhd1wSD129P6xI4stbBAmF0XOT6zg";
    older["password"] = before.into();
    let found_by = vec![("name", "ann".to_owned())];
    let (kind, id, text) = ("user", ann.id.clone(), older.to_string());
    let record = Record { kind, id, tenant: None, found_by, until: None, text };
    let version = desk.store.version().await.unwrap();
    desk.store.publish(version, &[Change::Record(Box::new(record))], &[]).await.unwrap();
    assert!(desk.identity.sign_in("ann", "wrong", None).await.is_err());
    assert_eq!(kept().await["password"], before);
    let _ = desk.signed_in("ann").await;
    let renewed = kept().await["password"].as_str().unwrap().to_owned();
    assert!(renewed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{renewed}");
    let _ = desk.signed_in("ann").await;
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it_and_must_be_a_good_one() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    let set = async |password: &str, current| desk.identity.set_password(&ann.id, password, current).await;
    assert!(matches!(set("another horse", Some("wrong")).await, Err(ChangePersonError::Wrong)));
    let weak = set("password1234", Some(PASSWORD)).await;
    assert!(matches!(weak, Err(ChangePersonError::Password(WeakPassword::Common))), "{weak:?}");
    set("another horse", Some(PASSWORD)).await.unwrap();
    assert!(desk.identity.sign_in("ann", PASSWORD, None).await.is_err());
    assert!(desk.identity.sign_in("ann", "another horse", None).await.is_ok());
}

#[tokio::test]
async fn the_browser_of_the_issuer_is_known_until_it_idles_ends_or_the_password_changes() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    let begin = async || desk.identity.begin_browser_session(&desk.signed_in("ann").await, ISSUER).await.unwrap();
    let known = async |value: &str| desk.identity.browser_session(value, ISSUER).await.unwrap().map(|it| it.user);
    let first = begin().await;
    let second = begin().await;
    assert_ne!(first.reveal(), second.reveal());
    for _ in 0..3 {
        desk.clock.advance(Duration::from_mins(29));
        assert_eq!(known(first.reveal()).await, Some(ann.id.clone()));
    }
    assert_eq!(known(second.reveal()).await, None, "nobody came back for half an hour");
    assert_eq!(known("x").await, None);
    let third = begin().await;
    desk.identity.supersede_browser_session(first.reveal(), third.reveal()).await.unwrap();
    assert_eq!(known(first.reveal()).await, None);
    for _ in 0..25 {
        desk.clock.advance(Duration::from_mins(29));
        let _ = known(third.reveal()).await;
    }
    assert_eq!(known(third.reveal()).await, None, "twelve hours are over");
    let fourth = begin().await;
    desk.identity.set_password(&ann.id, "another horse", None).await.unwrap();
    assert_eq!(known(fourth.reveal()).await, None);
}

#[tokio::test]
async fn roles_are_those_of_an_api_in_a_tenant_that_there_is() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    let set = async |tenant: &str, role: &str| {
        let roles = [role.parse().unwrap()];
        desk.identity.set_roles(&ann.id, &tenant.parse().unwrap(), &roles, &terms()).await
    };
    let told = set("acme", "boss").await.unwrap_err().to_string();
    assert_eq!(told, "no API has a role `boss`; help: there are `owner`, `viewer`");
    assert_eq!(set("nowhere", "owner").await.unwrap_err().to_string(), "there is no tenant `nowhere`");
    set("acme", "owner").await.unwrap();
    assert_eq!(desk.identity.memberships(&ann.id).await.unwrap()[0].roles[0].as_str(), "owner");
    let last = desk.identity.set_roles(&ann.id, &acme(), &[], &terms()).await;
    assert!(matches!(last, Err(ChangePersonError::LastOwner(_))), "{last:?}");
    let last = desk.identity.delete_person(&ann.id).await;
    assert!(matches!(last, Err(ChangePersonError::LastOwner(_))), "{last:?}");
    desk.person_in("bob", &[("acme", &["owner"])]).await;
    desk.identity.set_roles(&ann.id, &acme(), &[], &terms()).await.unwrap();
    assert_eq!(desk.identity.memberships(&ann.id).await.unwrap(), []);
    desk.identity.delete_person(&ann.id).await.unwrap();
    assert_eq!(desk.identity.person(&ann.id).await.unwrap(), None);
}

#[tokio::test]
async fn who_is_taken_out_of_a_tenant_stays_where_else_they_belong_and_is_forgotten_where_they_belonged_nowhere_else() {
    let desk = desk().await;
    let globex: domain::TenantId = desk.tenant("globex").await.id;
    let ann = desk.person_in("ann", &[("acme", &["viewer"]), ("globex", &["viewer"])]).await;
    desk.identity.remove_person(&ann.id, &acme()).await.unwrap();
    let left: Vec<_> = desk.identity.memberships(&ann.id).await.unwrap().into_iter().map(|it| it.tenant).collect();
    assert_eq!(left, std::slice::from_ref(&globex));
    // Whoever asks a second time, for a tenant that they are not in by now, takes nothing from the other.
    let again = desk.identity.remove_person(&ann.id, &acme()).await;
    assert!(matches!(again, Err(ChangePersonError::Unknown(_))), "{again:?}");
    assert!(desk.identity.person(&ann.id).await.unwrap().is_some());
    desk.identity.remove_person(&ann.id, &globex).await.unwrap();
    assert_eq!(desk.identity.person(&ann.id).await.unwrap(), None);
}
