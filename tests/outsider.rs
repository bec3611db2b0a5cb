//! The log as somebody reads it who has none of our code: a verifier of its own, made from the description of the format.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::path::Path;
use std::process::Command;

use acceptance::{Request, World, python_alone};
use serde_json::Value;

const NSX: &str = "api.novastraxis.com";

/// A world that has served more requests than a bundle holds, and has ended.
fn ended() -> World {
    let mut world =
        World::with(|settings, _| settings.more.push_str("[limits.shield]\nrate = 100000\nburst = 100000\n"));
    let mut connection = world.gateway.door().secure(NSX);
    for number in 0..300 {
        let path = format!("/v2/compute/instances/{number}");
        let _ = connection.ask(&Request::get(NSX, &path));
    }
    assert!(world.gateway.stop().success());
    world
}

/// What both verifiers say of a log: none may accept what the other finds wrong.
#[track_caller]
fn verdict(world: &World, log: &Path) -> Option<Value> {
    let vkey = std::fs::read_to_string(world.gateway.entries().folder().join("vkey")).expect("a key");
    let (log, vkey) = (log.display().to_string(), vkey.trim());
    let theirs = python_alone("verify_log.py", &[&log, vkey]);
    let ours = world.gateway.command(&["audit", "verify", &log, "--vkey", vkey, "--output", "json"]);
    assert_eq!(theirs.code == 0, ours.code == 0, "{theirs:?} {ours:?}");
    assert!(theirs.code == 0 || theirs.errors.starts_with("wrong: "), "{theirs:?}");
    (ours.code == 0).then(|| {
        let (ours, theirs) = (ours.json(), theirs.json());
        for field in ["entries", "signed", "root"] {
            assert_eq!(ours[field], theirs[field], "{ours} {theirs}");
        }
        ours
    })
}

#[test]
fn another_verifier_made_from_the_description_agrees_about_good_logs_and_bad_ones() {
    let world = ended();
    let log = world.gateway.entries().folder().to_owned();
    let good = verdict(&world, &log).expect("a good log");
    assert_eq!(good["entries"], 302, "{good}");
    let copy = world.folder().join("copy");
    for (file, place) in
        [("tile/entries/000", 77), ("tile/entries/000", 40_000), ("checkpoint", 3), ("checkpoint", 130)]
    {
        let _ = std::fs::remove_dir_all(&copy);
        let done = Command::new("cp").arg("-r").arg(&log).arg(&copy).status();
        assert!(done.is_ok_and(|it| it.success()), "the log cannot be copied");
        let mut bytes = std::fs::read(copy.join(file)).expect("a file of the log");
        bytes[place] ^= 4;
        std::fs::write(copy.join(file), bytes).expect("a file of the test");
        assert_eq!(verdict(&world, &copy), None, "{file} at {place}");
    }
}
