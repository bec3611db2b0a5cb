//! How long entries stay: old ones go with a word in the log, unless somebody wants them kept, and all the rest is proved.
#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "what fails here must fail the test")]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use acceptance::{Request, World, python_alone, until};
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const SOON: Duration = Duration::from_secs(20);

/// How many entries the gateway wrote long before this test.
const OLD: u64 = 1000;

/// A gateway with a log that it began 500 days ago.
fn old() -> World {
    World::with(|_, folder| {
        let log = folder.join("data/audit").display().to_string();
        let seed = folder.join("data/secrets/audit.key");
        std::fs::create_dir_all(seed.parent().expect("a folder")).expect("a folder for secrets");
        for it in [seed.parent().expect("a folder"), &folder.join("data")] {
            std::fs::set_permissions(it, Permissions::from_mode(0o700)).expect("our own");
        }
        std::fs::write(&seed, "5e".repeat(32)).expect("a seed");
        std::fs::set_permissions(&seed, Permissions::from_mode(0o600)).expect("a secret");
        let seed = seed.display().to_string();
        let made = python_alone("old_log.py", &[&log, "portcullis", &OLD.to_string(), "500", &seed]);
        assert_eq!(made.code, 0, "{made:?}");
    })
}

/// What a command says, as JSON, and how it ended.
fn told(world: &World, words: &[&str]) -> (Value, i32) {
    let told = world.gateway.command(&[&["--output", "json"], words].concat());
    (serde_json::from_str(&told.out).unwrap_or_else(|_| panic!("{told:?}")), told.code)
}

/// Both verifiers, which must agree about a log that is good.
fn verified(world: &World) -> Value {
    let log = world.gateway.entries().folder().to_owned();
    let vkey = std::fs::read_to_string(log.join("vkey")).expect("a key");
    let theirs = python_alone("verify_log.py", &[&log.display().to_string(), vkey.trim()]);
    assert_eq!(theirs.code, 0, "{theirs:?}");
    let (ours, code) = told(world, &["audit", "verify", &log.display().to_string()]);
    assert_eq!((code, &ours["faults"]), (0, &json!([])), "{ours:#}");
    assert_eq!(ours["pruned"]["minimum"].as_u64().unwrap_or_default(), theirs.json()["minimum"], "{ours:#}");
    ours
}

/// Prunes whatever may go, and gives the first entry that is left.
fn pruned(world: &World) -> Value {
    let _ = told(world, &["audit", "seal"]);
    let first = |it: Value| it["first"].as_u64().filter(|first| 0 < *first).map(Value::from);
    // The file that was closed goes a moment after the checkpoint was signed. A gateway that has just begun may be the
    // first to look for what is old.
    until("old entries to be in bundles alone", SOON, || {
        let (due, _) = told(world, &["audit", "prune", "--dry-run", "--clock-is-right"]);
        (due["status"] == "due" || first(due).is_some()).then_some(())
    });
    let (gone, code) = told(world, &["audit", "prune", "--clock-is-right"]);
    assert!(code == 0 && ["done", "nothing"].iter().any(|it| gone["status"] == *it), "{gone:#}");
    until("old entries to go", SOON, || first(told(world, &["audit", "prune", "--dry-run"]).0))
}

#[test]
fn what_is_old_goes_and_the_rest_is_proved() {
    let mut world = old();
    let (nothing, code) = told(&world, &["audit", "prune", "--dry-run", "--clock-is-right"]);
    assert_eq!((code, &nothing["status"]), (0, &json!("nothing")), "{nothing:#}");
    // Not the newest whole bundle, and nothing that is not in one.
    assert_eq!(pruned(&world), 512);
    let ask = world.ask(&Request::get(NSX, "/v2/compute/instances").bearer("nsx_live_nobodyhasthiskey")).expect(401);
    let _ = world.gateway.entries().of(ask.says("x-request-id"));
    until("the entry that says so to be signed for", SOON, || (verified(&world)["pruned"]["kept"] == 6).then_some(()));
    let refused = world.gateway.command(&["audit", "prove", "5"]);
    assert!(refused.code == 2 && refused.errors.contains("entry 5 was pruned"), "{refused:?}");
    assert_eq!(world.gateway.command(&["audit", "prove", "300"]).code, 0);
    let changes = world.gateway.command(&["audit", "query", "--class", "config.change", "--output", "json"]);
    assert!(changes.errors.contains("entries before 512 were pruned"), "{changes:?}");
    assert!(changes.out.lines().count() >= 9, "{changes:?}");
    let said = world.gateway.command(&["audit", "query", "--class", "retention.pruned", "--output", "json"]);
    let said: Value = serde_json::from_str(said.out.trim()).expect("one entry");
    // Each hundredth entry is kept.
    assert_eq!((&said["first"], &said["end"], &said["kept"]), (&json!(0), &json!(512), &json!(6)), "{said:#}");
    assert!(said["actor"].as_str().is_some_and(|it| it.starts_with("os:") || it == "gateway"), "{said:#}");
    world.gateway.restart();
    verified(&world);
    world.gateway.crash();
    assert!(world.gateway.stop().success());
    assert_eq!(verified(&world)["pruned"]["minimum"], 512);
    // Whoever takes more away is found out.
    let log = world.gateway.entries().folder().to_owned();
    std::fs::remove_file(log.join("tile/entries/002")).expect("a bundle");
    std::fs::write(log.join("minimum"), "768\n").expect("a file of the test");
    let (verdict, code) = told(&world, &["audit", "verify", &log.display().to_string()]);
    let fault = verdict["fault"].as_str().unwrap_or_default();
    assert!(code == 1 && fault.contains("entries 512 to 767 are gone"), "{verdict:#}");
}

#[test]
fn nothing_goes_by_a_clock_that_may_be_wrong_however_often_it_is_started() {
    let mut world = old();
    let _ = told(&world, &["audit", "seal"]);
    for _ in 0..2 {
        world.gateway.restart();
        let (refused, code) = told(&world, &["audit", "prune"]);
        assert_eq!((code, &refused["status"]), (1, &json!("clock_in_doubt")), "{refused:#}");
        let (doctor, _) = told(&world, &["audit", "doctor"]);
        let findings = doctor["findings"].as_array().expect("findings");
        let warned: Vec<_> = findings.iter().filter(|it| it["state"] == "warning").map(|it| &it["what"]).collect();
        assert!(warned.contains(&&json!("clock")) && warned.contains(&&json!("retention")), "{doctor:#}");
    }
    let entries = |class: &str| {
        let told = world.gateway.command(&["audit", "query", "--class", class, "--output", "json"]);
        told.out.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok()).collect::<Vec<_>>()
    };
    let gaps = entries("audit.control").into_iter().filter(|it| it["action"] == "clock_gap").collect::<Vec<_>>();
    assert_eq!(gaps.len(), 1, "later runs begin where this one ended: {gaps:#?}");
    assert_eq!(gaps[0]["since"], "start");
    let held = until("what is held back to be entered", SOON, || entries("retention.held").pop());
    assert_eq!((&held["first"], &held["lived_days"]), (&json!(0), &json!(0)), "{held:#}");
    let measured = || (world.gateway.metric("portcullis_audit_retention_held", &[]) > 0.5).then_some(());
    until("what is held back to be measured", SOON, measured);
    // What the commands above have left in the log may fill another bundle.
    let left = pruned(&world).as_u64();
    assert!(matches!(left, Some(512 | 768)), "{left:?}");
    let (nothing, code) = told(&world, &["audit", "prune"]);
    assert_eq!((code, &nothing["status"]), (0, &json!("nothing")), "{nothing:#}");
    assert!(entries("retention.pruned").iter().all(|it| it["age"] == "clock"));
}

#[test]
fn nothing_goes_while_somebody_wants_it_kept() {
    let world = old();
    let tenant = world.tenant("novastraxis");
    let (held, code) = told(&world, &["audit", "hold", "--name", "case-7", "--tenant", &tenant]);
    assert_eq!((code, &held["status"]), (0, &json!("in_force")), "{held:#}");
    let _ = told(&world, &["audit", "seal"]);
    let (refused, code) = told(&world, &["audit", "prune"]);
    assert_eq!((code, &refused["status"], &refused["holds"]), (1, &json!("held"), &json!(["case-7"])), "{refused:#}");
    let (refused, code) = told(&world, &["audit", "erase", "--tenant", &tenant, "--subject", "alice"]);
    assert_eq!((code, &refused["status"]), (1, &json!("refused")), "{refused:#}");
    let (none, code) = told(&world, &["audit", "hold", "--name", "case-8", "--release"]);
    assert_eq!((code, &none["status"]), (1, &json!("refused")), "{none:#}");
    let (released, code) = told(&world, &["audit", "hold", "--name", "case-7", "--release"]);
    assert_eq!((code, &released["status"]), (0, &json!("released")), "{released:#}");
    assert_eq!(pruned(&world), 512);
    let entered = world.gateway.command(&["audit", "query", "--class", "legal_hold.change", "--output", "json"]);
    let outcomes: Vec<String> = entered
        .out
        .lines()
        .filter_map(|it| serde_json::from_str::<Value>(it).ok())
        .map(|it| format!("{} {}", it["action"], it["outcome"]).replace('"', ""))
        .collect();
    assert_eq!(outcomes, ["place done", "release refused", "release done"]);
}

#[test]
fn the_doctor_says_what_is_amiss_and_makes_anew_what_it_can() {
    let mut world = old();
    let _ = pruned(&world);
    let states = |world: &World| {
        let (told, code) = told(world, &["audit", "doctor"]);
        let findings = told["findings"].as_array().cloned().unwrap_or_default();
        let sick = findings.iter().filter(|it| it["state"] == "fault").map(|it| it["what"].clone()).collect::<Vec<_>>();
        assert_eq!(code == 0, sick.is_empty(), "{told:#}");
        (sick, findings.len())
    };
    let (sick, looked_at) = states(&world);
    assert!(sick.is_empty() && 13 <= looked_at, "{sick:?} of {looked_at}");
    let refused = world.gateway.command(&["audit", "doctor", "--fix"]);
    assert!(refused.code == 2 && refused.errors.contains("stop it first"), "{refused:?}");
    assert!(world.gateway.stop().success());
    let log = world.gateway.entries().folder().to_owned();
    let secret = world.gateway.data().join("secrets/audit.key");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&secret, open).expect("a secret");
    std::fs::remove_file(log.join("tile/0/002")).expect("a tile");
    assert_eq!(states(&world).0, ["tiles", "secrets"]);
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&secret, closed).expect("a secret");
    assert_eq!(world.gateway.command(&["audit", "doctor", "--fix"]).code, 0);
    assert_eq!(states(&world).0, Vec::<Value>::new());
    verified(&world);
}

#[test]
fn a_sealed_checkpoint_can_be_kept_elsewhere() {
    let mut world = old();
    let kept = world.folder().join("kept.note");
    let seal = |world: &World| {
        let (sealed, code) = told(world, &["audit", "seal"]);
        assert_eq!(code, 0, "{sealed:#}");
        let size = sealed["size"].as_u64().expect("a size");
        let note = sealed["checkpoint"].as_str().expect("a note").to_owned();
        let beside = world.gateway.entries().folder().join(format!("checkpoints/{size}.note"));
        (size, note, beside)
    };
    let (size, note, _) = seal(&world);
    assert!(OLD < size);
    std::fs::write(&kept, note).expect("a file of the test");
    assert!(world.gateway.stop().success());
    // Without a gateway it is done by the command itself, in a run of its own.
    let (last, note, beside) = seal(&world);
    assert!(size < last && beside.is_file() && note.contains(&format!("\n{last}\n")), "{note}");
    let log = world.gateway.entries().folder().display().to_string();
    let goes_on = |kept: &Path| told(&world, &["audit", "verify", &log, "--checkpoint", &kept.display().to_string()]).1;
    assert_eq!(goes_on(&kept), 0);
    verified(&world);
}
