//! Guessing passwords: slower and slower, whoever the name is of, and counted wherever they are shown.

use acceptance::{Answer, World};
use serde_json::json;

use crate::{HASHED, sign_in, signed_in, told};

/// Asks with a wrong password until none is judged any more.
#[track_caller]
fn slowed_down(world: &World, name: &str) -> Answer {
    let mut all = (0..20).map(|_| world.ask(&sign_in(name, "wrong")));
    all.find(|it| it.status == 429).expect("somebody is told to wait")
}

#[test]
fn each_wrong_password_has_the_next_wait_longer_whether_there_is_such_a_user_or_not() {
    // However busy the machine is, some wait is longer than what the test takes.
    let more = "[limits.shield]\nfailures = 1000\nlongest_delay = \"10m\"\n[people]\nlockout = \"0s\"\n";
    let world = World::with(|settings, _| settings.more += more);
    let ann = world.user("ann", &world.tenant("cloudnx"), "viewer");
    for name in [&ann.name, "nobody@example.com"] {
        for _ in 0..3 {
            let _ = world.ask(&sign_in(name, "wrong")).expect(401);
        }
    }
    let slow = |name: &str| {
        let told = slowed_down(&world, name);
        let wait: u64 = told.says("retry-after").parse().expect("seconds");
        assert!((1..=600).contains(&wait), "{told}");
        (told.says("refusal-reason").to_owned(), told.text())
    };
    let (known, unknown) = (slow(&ann.name), slow("nobody@example.com"));
    assert_eq!(known, unknown);
    assert_eq!(known.0, "too_many_tries");
    // The right one waits like all others, and is not even looked at; however the name is spelt.
    let before = world.gateway.metric(HASHED, &[]);
    for name in [ann.name.as_str(), "ANN@Example.com", "nobody@example.com"] {
        let _ = world.ask(&sign_in(name, &ann.password)).expect(429);
    }
    assert!((world.gateway.metric(HASHED, &[]) - before).abs() < f64::EPSILON);
    // Nobody else waits.
    let bob = world.user("bob", &world.tenant("cloudnx"), "viewer");
    let _ = world.ask(&sign_in(&bob.name, &bob.password)).expect(200);
}

#[test]
fn a_stranger_who_guesses_shuts_nobody_out_where_nobody_is_to_be_locked_out() {
    let more = "[limits.shield]\nfailures = 1000\nlongest_delay = \"0s\"\n[people]\nlockout = \"0s\"\n";
    let world = World::with(|settings, _| settings.more += more);
    let ann = world.user("ann", &world.tenant("cloudnx"), "viewer");
    for _ in 0..30 {
        let _ = world.ask(&sign_in(&ann.name, "wrong")).expect(401);
    }
    let _ = world.ask(&sign_in(&ann.name, &ann.password)).expect(200);
}

#[test]
fn a_stolen_session_is_no_way_round_the_lock() {
    let more = "[limits.shield]\nfailures = 1000\nlongest_delay = \"0s\"\n";
    let world = World::with(|settings, _| settings.more += more);
    let ann = world.user("ann", &world.tenant("cloudnx"), "viewer");
    let browser = signed_in(&world, &ann);
    for guess in 0..10 {
        let body = json!({ "current_password": format!("guess {guess}"), "new_password": "another horse" });
        let _ = world.ask(&browser.change("POST", "/auth/password").json(&body)).expect(401);
    }
    let locked = told(&world.ask(&sign_in(&ann.name, &ann.password)).expect(401));
    assert_eq!(locked, told(&world.ask(&sign_in("nobody@example.com", "wrong")).expect(401)));
    let right = json!({ "current_password": ann.password, "new_password": "another horse" });
    let _ = world.ask(&browser.change("POST", "/auth/password").json(&right)).expect(401);
}

#[test]
fn a_password_that_is_guessed_in_a_session_has_the_next_wait_as_at_the_sign_in() {
    let more = "[limits.shield]\nfailures = 1000\nlongest_delay = \"10m\"\n[people]\nlockout = \"0s\"\n";
    let world = World::with(|settings, _| settings.more += more);
    let ann = world.user("ann", &world.tenant("cloudnx"), "viewer");
    let browser = signed_in(&world, &ann);
    let guess = || {
        let body = json!({ "current_password": "wrong" });
        world.ask(&browser.change("POST", "/auth/mfa").json(&body)).status
    };
    assert!((0..20).any(|_| guess() == 429), "nobody is told to wait");
    let _ = world.ask(&sign_in(&ann.name, &ann.password)).expect(429);
}
