//! Guessing passwords and codes: how often it is heard, and that nobody is shut out for good by it.

use std::time::Duration;

use domain::DeedClass;
use identity::{ChangePersonError, PeopleSettings, SignIn, SignInError};

use crate::desk::{DAY, desk};
use crate::people::{PASSWORD, code};

#[tokio::test]
async fn where_nobody_is_locked_out_a_stranger_who_guesses_for_days_shuts_nobody_out() {
    let settings = PeopleSettings { lockout: Duration::ZERO, ..PeopleSettings::default() };
    let desk = desk().await;
    let identity = desk.identity.clone().with_people(settings);
    desk.person("ann").await;
    for _ in 0..150 {
        assert!(identity.sign_in("ann", "wrong", None).await.is_err());
    }
    assert!(matches!(identity.sign_in("ann", PASSWORD, None).await, Ok(SignIn::Done(_))));
    assert_eq!(desk.deeds_of(DeedClass::Lockout).await, []);
}

#[tokio::test]
async fn however_often_a_stranger_locks_somebody_out_the_lock_ends_by_itself() {
    let desk = desk().await;
    desk.person("ann").await;
    for _ in 0..12 {
        for _ in 0..10 {
            assert!(desk.identity.sign_in("ann", "wrong", None).await.is_err());
        }
        assert!(desk.identity.sign_in("ann", PASSWORD, None).await.is_err());
        desk.clock.advance(Duration::from_mins(30));
    }
    // A hundred and twenty wrong ones in a row, and a password alone.
    let _ = desk.signed_in("ann").await;
}

#[tokio::test]
async fn a_password_that_is_guessed_in_a_session_counts_as_at_the_sign_in() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    for guess in 0..10 {
        let told = if guess % 2 == 0 {
            desk.identity.set_password(&ann.id, "another horse", Some("wrong")).await.map(drop)
        } else {
            desk.identity.prove_password(&ann.id, "wrong").await
        };
        assert!(matches!(told, Err(ChangePersonError::Wrong)), "{told:?}");
    }
    assert_eq!(desk.deeds_of(DeedClass::Lockout).await.len(), 1);
    assert!(matches!(desk.identity.sign_in("ann", PASSWORD, None).await, Err(SignInError::Wrong)));
    // While no guesses are judged there, none is here.
    let told = desk.identity.prove_password(&ann.id, PASSWORD).await;
    assert!(matches!(told, Err(ChangePersonError::Wrong)), "{told:?}");
    desk.clock.advance(Duration::from_mins(30));
    desk.identity.prove_password(&ann.id, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn five_wrong_codes_in_five_minutes_are_heard_and_no_more() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    let (secret, _) = desk.enrolled(&ann.id).await;
    for _ in 0..5 {
        let told = desk.identity.sign_in("ann", PASSWORD, Some("000000")).await;
        assert!(matches!(told, Err(SignInError::Wrong)), "{told:?}");
    }
    let told = desk.identity.sign_in("ann", PASSWORD, Some(&code(&secret, desk.now()))).await;
    assert!(matches!(told, Err(SignInError::TooOften(it)) if it == Duration::from_mins(5)), "{told:?}");
    desk.clock.advance(Duration::from_mins(5));
    assert!(desk.identity.sign_in("ann", PASSWORD, Some(&code(&secret, desk.now()))).await.is_ok());
}

#[tokio::test]
async fn who_has_the_password_and_guesses_codes_for_a_month_is_heard_a_few_times_a_day() {
    let desk = desk().await;
    let ann = desk.person("ann").await;
    let (secret, recovery) = desk.enrolled(&ann.id).await;
    let (begun, mut guesses) = (desk.now(), 0);
    while desk.now() < begun + DAY * 30 {
        match desk.identity.sign_in("ann", PASSWORD, Some("000000")).await {
            Err(SignInError::Wrong) => guesses += 1,
            Err(SignInError::TooOften(wait)) => desk.clock.advance(wait),
            other => panic!("{other:?}"),
        }
    }
    assert!((100..250).contains(&guesses), "{guesses}");
    let held = desk.deeds_of(DeedClass::Lockout).await;
    assert!(held.len() >= 20 && held.iter().all(|it| it.action == "hold_codes"), "{held:?}");
    // A recovery code is none that is guessed: whoever has one signs in meanwhile, and may change the password.
    let told = desk.identity.sign_in("ann", PASSWORD, Some("000000")).await;
    assert!(matches!(told, Err(SignInError::TooOften(_) | SignInError::Wrong)), "{told:?}");
    assert!(desk.identity.sign_in("ann", PASSWORD, Some(&recovery[0])).await.is_ok());
    // Whose it is signs in once a code is heard, and then it is as it was before.
    desk.clock.advance(DAY);
    assert!(desk.identity.sign_in("ann", PASSWORD, Some(&code(&secret, desk.now()))).await.is_ok());
    for _ in 0..5 {
        let _ = desk.identity.sign_in("ann", PASSWORD, Some("000000")).await;
    }
    let told = desk.identity.sign_in("ann", PASSWORD, Some("000000")).await;
    assert!(matches!(told, Err(SignInError::TooOften(it)) if it == Duration::from_mins(5)), "{told:?}");
}
