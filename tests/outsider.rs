//! The log as somebody reads it who has none of our code: a verifier of its own, made from the description of the format.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use acceptance::{Commanded, Request, Witness, World, name_witnesses, python_alone, until};
use serde_json::Value;

const NSX: &str = "api.novastraxis.com";

/// A world that has served more requests than a bundle holds, each of them witnessed, and has ended.
fn ended() -> (World, Witness) {
    let mut world =
        World::with(|settings, _| settings.more.push_str("[limits.shield]\nrate = 100000\nburst = 100000\n"));
    let witness = Witness::of(&world, "witness");
    name_witnesses(&mut world, &[(&witness.url, &witness.vkey)], "");
    let mut connection = world.gateway.door().secure(NSX);
    for number in 0..300 {
        let path = format!("/v2/compute/instances/{number}");
        let _ = connection.ask(&Request::get(NSX, &path));
    }
    until("the requests to be witnessed", Duration::from_mins(1), || {
        (world.gateway.metric("portcullis_audit_witnessed_size", &[]) >= 303.0).then_some(())
    });
    assert!(world.gateway.stop().success());
    (world, witness)
}

/// What both verifiers say of a log, our own first.
fn both(world: &World, log: &Path, witness: &str) -> [Commanded; 2] {
    let vkey = std::fs::read_to_string(world.gateway.entries().folder().join("vkey")).expect("a key");
    let (log, vkey) = (log.display().to_string(), vkey.trim());
    let theirs = python_alone("verify_log.py", &[&log, vkey, witness]);
    let words = ["audit", "verify", &log, "--vkey", vkey, "--witness", witness, "--output", "json"];
    [world.gateway.command(&words), theirs]
}

/// What each of them says first of a log that is not good.
#[track_caller]
fn refusals(world: &World, log: &Path, witness: &str) -> [String; 2] {
    let [ours, theirs] = both(world, log, witness);
    assert_eq!((ours.code, theirs.code), (1, 1), "{ours:?} {theirs:?}");
    let [ours, theirs] = [ours.out, theirs.errors];
    let ours: Value = serde_json::from_str(&ours).expect("a verdict");
    [ours["fault"].as_str().expect("a fault").to_owned(), theirs]
}

/// What is known of a log that is good; none may accept what the other finds wrong.
#[track_caller]
fn verdict(world: &World, log: &Path, witness: &str) -> Option<Value> {
    let [ours, theirs] = both(world, log, witness);
    // What is not witnessed yet is not wrong.
    assert_eq!(theirs.code == 0, ours.code == 0 || ours.code == 6, "{theirs:?} {ours:?}");
    assert!(theirs.code == 0 || theirs.errors.starts_with("wrong: "), "{theirs:?}");
    (theirs.code == 0).then(|| {
        let (ours, theirs): (Value, _) = (serde_json::from_str(&ours.out).expect("a verdict"), theirs.json());
        for field in ["entries", "signed", "witnessed", "root"] {
            assert_eq!(ours[field], theirs[field], "{ours} {theirs}");
        }
        ours
    })
}

/// The widest of the tiles of a kind that are not whole, named from the folder of the log.
fn begun(log: &Path, kind: &str) -> String {
    let found = std::fs::read_dir(log.join("tile").join(kind)).expect("a folder of tiles").flatten();
    let wide = found.map(|it| it.path()).max().expect("a tile that is not whole");
    wide.strip_prefix(log).expect("a file of the log").display().to_string()
}

/// Puts a copy of the log where one may have been before.
fn copied(log: &Path, copy: &Path) {
    let _ = std::fs::remove_dir_all(copy);
    let done = Command::new("cp").arg("-r").arg(log).arg(copy).status();
    assert!(done.is_ok_and(|it| it.success()), "the log cannot be copied");
}

#[test]
fn another_verifier_made_from_the_description_agrees_about_good_logs_and_bad_ones() {
    let (world, witness) = ended();
    let log = world.gateway.entries().folder().to_owned();
    let good = verdict(&world, &log, &witness.vkey).expect("a good log");
    assert!(Some(303) <= good["witnessed"].as_u64() && good["witnessed"].as_u64() < good["entries"].as_u64(), "{good}");
    let end = std::fs::metadata(log.join("checkpoint.cosigned")).expect("a cosigned checkpoint").len();
    let cosignature = usize::try_from(end).expect("a short file") - 20;
    let copy = world.folder().join("copy");
    let [bundle, leaves, above] = ["entries/001.p", "0/001.p", "1/000.p"].map(|kind| begun(&log, kind));
    let ahead = std::fs::read_dir(log.join("wal")).expect("write-ahead files").flatten();
    let ahead = ahead.map(|it| it.path()).next().expect("a write-ahead file");
    let end = std::fs::metadata(&ahead).expect("a file").len();
    let ahead = ahead.strip_prefix(&log).expect("a file of the log").display().to_string();
    // What it begins with is in a bundle as well.
    let late = usize::try_from(end - 40).expect("a short file");
    for (file, place) in [
        (&*ahead, late),
        (&*bundle, 20),
        (&*leaves, 20),
        (&*above, 20),
        ("tile/entries/000", 77),
        ("tile/entries/000", 40_000),
        ("checkpoint", 3),
        ("checkpoint", 130),
        ("checkpoint.cosigned", 3),
        ("checkpoint.cosigned", cosignature),
    ] {
        copied(&log, &copy);
        let mut bytes = std::fs::read(copy.join(file)).expect("a file of the log");
        bytes[place] ^= 4;
        std::fs::write(copy.join(file), bytes).expect("a file of the test");
        assert_eq!(verdict(&world, &copy, &witness.vkey), None, "{file} at {place}");
    }
    // What a bundle has as well is the place to blame all the same: what comes after it in the file cannot be counted.
    let bytes = std::fs::read(log.join(&ahead)).expect("a file of the log");
    let length = u32::from_le_bytes(*bytes.first_chunk().expect("an entry"));
    let second = 28 + usize::try_from(length).expect("a short entry");
    for place in [second + 3, second + 5, second + 14, second + 40] {
        let mut bytes = bytes.clone();
        bytes[place] ^= 4;
        std::fs::write(log.join(&ahead), bytes).expect("a file of the test");
        let [ours, theirs] = refusals(&world, &log, &witness.vkey);
        let named = format!("entry 1 in `{ahead}` was changed");
        assert!(ours.contains(&named) && theirs.contains(&named), "{place}: {ours} {theirs}");
    }
    std::fs::write(log.join(&ahead), bytes).expect("a file of the test");
    // Nor what somebody has put between two entries.
    copied(&log, &copy);
    let mut bytes = std::fs::read(copy.join(&ahead)).expect("a file of the log");
    bytes.splice(second..second, *b"rubbish");
    std::fs::write(copy.join(&ahead), bytes).expect("a file of the test");
    assert_eq!(verdict(&world, &copy, &witness.vkey), None, "what was put between two entries");
    // What is no write-ahead file by its name is none, to both.
    for stray in ["x.wal", "2.wal"] {
        std::fs::copy(log.join(&ahead), log.join("wal").join(stray)).expect("a stray file");
    }
    assert_eq!(verdict(&world, &log, &witness.vkey), Some(good));
    // A pipe that nobody writes to keeps neither waiting.
    std::fs::remove_file(log.join("checkpoint.cosigned")).expect("a cosigned checkpoint");
    let made = Command::new("mkfifo").arg(log.join("checkpoint.cosigned")).status();
    assert!(made.is_ok_and(|it| it.success()), "a pipe");
    assert_eq!(verdict(&world, &log, &witness.vkey), None);
}

#[test]
fn either_key_verifies_a_log_over_the_change_of_its_key() {
    let mut world = World::start();
    let log = world.gateway.entries().folder().to_owned();
    let ask = |world: &World| {
        let answer = world.gateway.ask(&Request::get(NSX, "/v2/compute/instances"));
        assert_eq!(answer.status, 401);
    };
    ask(&world);
    let _ = world.gateway.json(&["audit", "seal"]);
    let told = world.gateway.json(&["audit", "rotate-key"]);
    let (older, newer) = (told["before"].as_str().expect("a key"), told["vkey"].as_str().expect("a key"));
    assert_eq!(told["status"], "begun");
    assert_ne!(older, newer);
    // Nothing is signed with it yet, and the log is as good as it was.
    let verified = world.gateway.command(&["audit", "verify"]);
    assert!(verified.code == 0 && verified.out.starts_with("good: "), "{verified:?}");
    // Not twice, and not finished before anybody could know of it.
    assert_eq!(world.gateway.command(&["audit", "rotate-key"]).code, 2);
    let early = world.gateway.command(&["audit", "rotate-key", "--finish"]);
    assert!(early.code == 2 && early.errors.contains("restart the gateway"), "{early:?}");
    world.gateway.restart();
    ask(&world);
    let _ = world.gateway.json(&["audit", "seal"]);
    assert_eq!(world.gateway.json(&["audit", "rotate-key", "--finish"])["status"], "finished");
    assert_eq!(world.gateway.command(&["audit", "rotate-key", "--finish"]).code, 2);
    world.gateway.restart();
    ask(&world);
    assert!(world.gateway.stop().success());
    let newest = std::fs::read_to_string(log.join("checkpoint")).expect("a checkpoint");
    assert_eq!(newest.matches('\u{2014}').count(), 1, "{newest}");
    for key in [older, newer] {
        let ours =
            world.gateway.command(&["audit", "verify", &log.display().to_string(), "--vkey", key, "--output", "json"]);
        let theirs = python_alone("verify_log.py", &[&log.display().to_string(), key]);
        assert_eq!((ours.code, theirs.code), (0, 0), "{ours:?} {theirs:?}");
        let ours: Value = serde_json::from_str(&ours.out).expect("a verdict");
        assert_eq!((&ours["root"], &ours["entries"]), (&theirs.json()["root"], &theirs.json()["entries"]));
        let keys: Vec<&str> =
            ours["keys"].as_array().expect("keys").iter().filter_map(|it| it["vkey"].as_str()).collect();
        assert_eq!(keys, [older, newer]);
    }
    let neither = world.gateway.command(&["audit", "prove"]);
    assert!(neither.errors.contains("SEQ") && neither.errors.contains("--since"), "{neither:?}");
    let changes: Vec<Value> = world
        .gateway
        .entries()
        .whole()
        .into_iter()
        .filter(|it| it["class"] == "key.change" && it["facts"]["kind"] == "audit_log")
        .collect();
    let actions: Vec<&str> = changes.iter().filter_map(|it| it["action"].as_str()).collect();
    assert_eq!(actions, ["rotate", "retire"], "{changes:?}");
}
