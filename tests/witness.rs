//! A log that others stand for: cut, replaced or written anew, it is found out by somebody who has none of its keys.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use acceptance::{Answer, Commanded, Connection, Request, Witness, World, name_witnesses, until};
use serde_json::Value;

const NSX: &str = "api.novastraxis.com";
const SOON: Duration = Duration::from_mins(1);

/// Whether it is ready as far as its witnesses go, and what is said of them.
fn said(world: &World) -> (bool, String) {
    let body: Value = serde_json::from_slice(&world.gateway.ask_admin("/readyz").body).expect("the conditions");
    let conditions = body["conditions"].as_array().expect("a list");
    let own = conditions.iter().find(|it| it["name"] == "witnesses").expect("the condition `witnesses`");
    (own["ok"] == true, own["detail"].as_str().unwrap_or_default().to_owned())
}

fn ask(world: &World, count: usize) {
    let mut connection = world.gateway.door().secure(NSX);
    for number in 0..count {
        let _ = connection.ask(&Request::get(NSX, &format!("/v2/compute/instances/{number}")));
    }
}

/// Verifies the log, or the one that is named first, as somebody who has its files: asked in the gateway's name, the log
/// would grow by what is entered of it.
fn verify(world: &World, words: &[&str]) -> (Commanded, Value) {
    let own = world.gateway.entries().folder().display().to_string();
    let log: &[&str] = if words.first().is_some_and(|it| it.starts_with("--")) { &[&own] } else { &[] };
    let told = world.gateway.command(&[&["audit", "verify", "--output", "json"], log, words].concat());
    let verdict = serde_json::from_str(&told.out).unwrap_or_default();
    (told, verdict)
}

/// Waits until all that is there is witnessed, and at least so much is.
fn until_witnessed(world: &World, vkey: &str, least: u64) -> Value {
    until("everything to be witnessed", SOON, || {
        let (told, verdict) = verify(world, &["--witness", vkey]);
        assert!(told.code == 0 || told.code == 6, "{told:?}");
        let all = verdict["witnessed"] == verdict["entries"] && verdict["witnessed"].as_u64() >= Some(least);
        (told.code == 0 && all).then_some(verdict)
    })
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-r").arg(from.join(".")).arg(to).status();
    assert!(done.is_ok_and(|it| it.success()), "the log cannot be copied");
}

#[test]
fn what_others_stand_for_is_told_from_what_only_the_gateway_says() {
    let mut world = World::start();
    ask(&world, 3);
    let mut witness = Witness::of(&world, "witness");
    name_witnesses(&mut world, &[(&witness.url, &witness.vkey)], "");
    ask(&world, 5);
    let verdict = until_witnessed(&world, &witness.vkey, 11);
    assert_eq!(verdict["ranges"]["signed"]["count"], 0, "{verdict}");
    assert!(said(&world).0, "{:?}", said(&world));
    let size = |world: &World| world.gateway.metric("portcullis_audit_witnessed_size", &[]);
    until("the meters to say so", SOON, || (size(&world) >= 11.0).then_some(()));
    assert!(world.gateway.metric("portcullis_audit_witnessed_age_seconds", &[]) < 60.0);

    let words = world.gateway.command(&["audit", "verify"]);
    assert!(words.code == 0 && words.out.contains("witnessed: "), "{words:?}");
    let folder = world.gateway.entries().folder().display().to_string();
    let words = world.gateway.command(&["audit", "verify", &folder]);
    assert!(words.code == 0 && words.out.contains("no witness was named"), "{words:?}");
    let verdict = until("all of it to be witnessed again", SOON, || {
        let (fresh, verdict) = verify(&world, &["--witness", &witness.vkey, "--max-age", "3600"]);
        (fresh.code == 0).then_some(verdict)
    });
    assert_eq!(verdict["verdicts"]["freshness"], "good", "{verdict}");
    // A witness whose word nobody gave.
    let other = Witness::of(&world, "other");
    let (told, verdict) = verify(&world, &["--witness", &other.vkey]);
    assert_eq!((told.code, &verdict["witnessed"]), (6, &0.into()), "{told:?}");
    let (told, _) = verify(&world, &["--witness", &other.vkey, "--witness", &witness.vkey, "--quorum", "2"]);
    assert_eq!(told.code, 6, "{told:?}");
    // Asked by hand, it says so too; and one that answers with another key than its own is not believed.
    let asked = world.gateway.json(&["audit", "witness"]);
    assert_eq!((&asked["ok"], &asked["witnesses"][0]["ok"]), (&true.into(), &true.into()), "{asked}");
    let forged = world.gateway.command(&["audit", "witness", "--url", &other.url, "--vkey", &witness.vkey]);
    assert!(forged.code == 1 && forged.errors.contains("is not signed by"), "{forged:?}");

    // What is printed is the note as it is, to be kept and held against the log later.
    let printed = world.gateway.command(&["audit", "witness"]);
    assert!(printed.code == 0 && printed.errors.contains("stands for it since"), "{printed:?}");
    let looks = world.gateway.entries().of_kind(3, |it| it["class"] == "audit.read" && it["action"] == "witness");
    assert!(
        looks.iter().all(|it| it["facts"]["witnesses"] == "portcullis-witness" && it["actor"].is_string()),
        "{looks:#?}"
    );
    let kept = world.folder().join("kept");
    std::fs::write(&kept, printed.out).expect("a file of the test");
    let (told, verdict) = verify(&world, &["--witness", &witness.vkey, "--checkpoint", &kept.display().to_string()]);
    assert_eq!((told.code == 1, &verdict["verdicts"]["integrity"]), (false, &"good".into()), "{told:?}");

    // It knows after a restart what it knew before.
    let before = std::fs::read_to_string(witness.checkpoint()).expect("a checkpoint");
    assert!(witness.process.stop(SOON).success());
    let mut again = Witness::of(&world, "witness");
    assert_eq!(again.vkey, witness.vkey);
    assert_eq!(std::fs::read_to_string(again.checkpoint()).expect("a checkpoint"), before);
    assert!(again.process.stop(SOON).success());
}

/// The gateway itself does not start with less than it signed for, until somebody takes away what says so.
#[track_caller]
fn refused_until_it_is_meant(world: &World) {
    let refused = world.gateway.command(&["serve"]);
    assert!(refused.code != 0 && refused.errors.contains("entries were signed for"), "{refused:?}");
    let doctor = world.gateway.command(&["audit", "doctor"]);
    assert!(doctor.code == 1 && doctor.out.contains("entries were signed for"), "{doctor:?}");
    std::fs::remove_file(world.gateway.data().join("secrets/audit.newest")).expect("what says so");
}

#[test]
fn an_older_copy_of_the_log_is_found_out() {
    let mut world = World::start();
    let witness = Witness::of(&world, "witness");
    name_witnesses(&mut world, &[(&witness.url, &witness.vkey)], "");
    ask(&world, 3);
    until_witnessed(&world, &witness.vkey, 6);
    assert!(world.gateway.stop().success());
    let (log, older) = (world.gateway.entries().folder().to_owned(), world.folder().join("older"));
    copy(&log, &older);
    world.gateway.start_again();
    ask(&world, 300);
    until_witnessed(&world, &witness.vkey, 300);
    // Who was away for a while is no log that was cut.
    assert!(!witness.process.log().contains("WARN"), "{}", witness.process.log());
    assert!(world.gateway.stop().success());

    // Over the newer one, as a backup is played back: what was kept there gives it away.
    let newer = world.folder().join("newer");
    copy(&log, &newer);
    std::fs::remove_dir_all(newer.join("wal")).expect("the end of the newer log");
    std::fs::remove_dir_all(newer.join("tile")).expect("the entries of the newer log");
    copy(&older, &newer);
    let (told, verdict) = verify(&world, &[&newer.display().to_string(), "--witness", &witness.vkey]);
    assert_eq!((told.code, &verdict["verdicts"]["append_only"]), (1, &"broken".into()), "{told:?}");

    // In its place, it is a whole log by itself; only who kept a checkpoint elsewhere can tell.
    std::fs::remove_dir_all(&log).expect("the newer log");
    copy(&older, &log);
    let kept = witness.checkpoint().display().to_string();
    let (told, verdict) = verify(&world, &["--witness", &witness.vkey, "--checkpoint", &kept]);
    assert_eq!((told.code, &verdict["verdicts"]["append_only"]), (1, &"broken".into()), "{told:?}");
    assert!(
        verdict["fault"].as_str().is_some_and(|it| it.contains("entries are signed for, and there are")),
        "{told:?}"
    );
    let asked = world.gateway.command(&["audit", "witness"]);
    assert!(asked.code == 1 && asked.errors.contains("its end was cut off"), "{asked:?}");

    refused_until_it_is_meant(&world);
    world.gateway.start_again();
    let mut starts = world.gateway.entries().whole().into_iter().filter(|it| it["action"] == "start");
    assert_eq!(starts.next_back().map(|it| it["anchor"].clone()), Some("missing".into()));
    let detail = until("the gateway to be told", SOON, || Some(said(&world)).filter(|(ok, _)| !ok)).1;
    assert!(detail.contains("its end was cut off"), "{detail}");
    assert_eq!(world.gateway.ask_admin("/readyz").status, 503);
    let doctor = world.gateway.command(&["audit", "doctor"]);
    let told = doctor.out.lines().find(|it| it.contains("witnesses")).unwrap_or_default();
    assert!(doctor.code == 1 && told.contains("fault") && told.contains("its end was cut off"), "{doctor:?}");
    let counted = || world.gateway.metric("portcullis_audit_witness_failures_total", &["reason=\"cut\""]) >= 1.0;
    until("it to be counted", SOON, || counted().then_some(()));
    let said = || world.gateway.process().log().contains("the audit log is not the one that was witnessed");
    until("it to be said", SOON, || said().then_some(()));
}

#[test]
fn an_older_checkpoint_that_somebody_puts_over_the_newest_accuses_the_log_of_nothing() {
    let mut world = World::start();
    let witness = Witness::of(&world, "witness");
    name_witnesses(&mut world, &[(&witness.url, &witness.vkey)], "");
    ask(&world, 5);
    let _ = until_witnessed(&world, &witness.vkey, 5);
    let newest = world.gateway.entries().folder().join("checkpoint");
    let older = std::fs::read(&newest).expect("a checkpoint");
    ask(&world, 5);
    let _ = until_witnessed(&world, &witness.vkey, 10);
    let restored = |entry: &Value| entry["action"] == "restored";
    until("the older one to be noticed, three times", SOON, || {
        // It lies there until the gateway looks, and witnesses are asked ten times as often.
        std::fs::write(&newest, &older).expect("the folder of the log");
        let entries = world.gateway.entries().whole();
        (entries.into_iter().filter(restored).count() >= 3).then_some(())
    });
    let failures = world.gateway.metric("portcullis_audit_witness_failures_total", &[]);
    assert_eq!((failures, said(&world).0), (0.0, true), "{:?}", said(&world));
    assert!(!witness.process.log().contains("not cosigned"), "{}", witness.process.log());
    world.gateway.entries().assert_sound();
}

#[test]
fn a_log_that_is_wiped_with_what_was_said_of_it_is_not_begun_anew_in_silence() {
    let mut world = World::start();
    let log = world.gateway.entries().folder().to_owned();
    let anchor = log.with_file_name("secrets").join("audit.newest");
    let started = |world: &World| {
        let mut starts = world.gateway.entries().whole().into_iter().filter(|it| it["action"] == "start");
        starts.next_back().map(|it| (it["before"].clone(), it.get("anchor").cloned()))
    };
    assert_eq!(started(&world), Some(("nothing".into(), None)));
    // With the first checkpoint, and not after a while.
    until("the newest checkpoint outside of the log", SOON, || anchor.exists().then_some(()));
    assert!(world.gateway.stop().success());
    std::fs::remove_dir_all(&log).expect("the log");
    std::fs::remove_file(&anchor).expect("what was said of it");
    world.gateway.start_again();
    assert_eq!(started(&world), Some(("nothing".into(), Some("missing".into()))));
}

#[test]
fn a_log_that_was_written_anew_with_its_own_key_is_refused() {
    let mut world = World::start();
    let witness = Witness::of(&world, "witness");
    name_witnesses(&mut world, &[(&witness.url, &witness.vkey)], "");
    ask(&world, 20);
    until_witnessed(&world, &witness.vkey, 23);
    let kept = std::fs::read_to_string(witness.checkpoint()).expect("a checkpoint");
    assert!(world.gateway.stop().success());
    std::fs::remove_dir_all(world.gateway.entries().folder()).expect("the log");
    refused_until_it_is_meant(&world);
    world.gateway.start_again();
    ask(&world, 60);
    let detail = until("the gateway to be told", SOON, || Some(said(&world).1).filter(|it| it.contains("rewritten")));
    assert!(detail.contains("portcullis-witness"), "{detail}");
    assert!(!world.gateway.entries().folder().join("checkpoint.cosigned").exists(), "somebody stood for it");
    assert!(std::fs::read_to_string(witness.checkpoint()).expect("a checkpoint").starts_with("portcullis/"));
    let last = std::fs::read_to_string(witness.checkpoint()).expect("a checkpoint");
    assert_eq!(size(&last).max(size(&kept)), size(&last));
    let file = witness.checkpoint().display().to_string();
    let (told, verdict) = verify(&world, &["--checkpoint", &file]);
    assert_eq!((told.code, &verdict["verdicts"]["append_only"]), (1, &"broken".into()), "{told:?}");
}

fn size(note: &str) -> u64 {
    note.lines().nth(1).and_then(|it| it.parse().ok()).expect("a size")
}

#[test]
fn a_witness_answers_as_the_protocol_says() {
    let mut world = World::start();
    let witness = Witness::of(&world, "witness");
    let address: SocketAddr = witness.url.trim_start_matches("http://").parse().expect("an address");
    let post = |body: &str| -> Answer {
        let request = Request::post("witness", "/add-checkpoint").header("Connection", "close");
        Connection::to(address).ask(&request.body("text/plain", body))
    };
    let question = |world: &World, since: u64| -> String {
        let proof = world.gateway.json(&["audit", "prove", "--since", &since.to_string()]);
        proof["proof"].as_str().expect("a text").to_owned()
    };
    assert!(world.gateway.stop().success());
    let first = question(&world, 0);
    let known = size(first.trim_start_matches("old 0\n\n"));
    assert!(post(&first).expect(200).text().starts_with("\u{2014} portcullis-witness "));
    let told = post(&first).expect(409);
    assert_eq!((told.says("content-type"), told.text()), ("text/x.tlog.size", format!("{known}\n")));
    let again = question(&world, known);
    let _ = post(&again).expect(200);
    let _ = post("hello").expect(400);
    let _ = post(&again.replacen("old ", "old 9", 1)).expect(400);
    let _ = post(&format!("{again}{}", "\u{2014} x AAAAAAAA\n".repeat(2_000))).expect(400);
    let _ = post(&again.replace("portcullis/portcullis\n", "another\n")).expect(404);
    let _ = post(&again.replace("\u{2014} portcullis/portcullis ", "\u{2014} another ")).expect(403);
    let _ = post(&again.replacen(&format!("\n{known}\n"), &format!("\n{}\n", known + 1), 1)).expect(403);
    let get = Request::get("witness", "/add-checkpoint").header("Connection", "close");
    let _ = Connection::to(address).ask(&get).expect(404);

    world.gateway.start_again();
    ask(&world, 3);
    assert!(world.gateway.stop().success());
    let grown = question(&world, known);
    let hash = grown.lines().nth(1).expect("a hash");
    let _ = post(&grown.replacen(hash, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 1)).expect(422);
    let _ = post(&grown).expect(200);
    let _ = post(&again).expect(409);
    until("what was refused to be written down", SOON, || witness.process.log().contains("not cosigned").then_some(()));
}

#[test]
fn a_witness_that_is_away_keeps_nobody_waiting() {
    let mut world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let witness = Witness::of(&world, "witness");
    // Nobody listens there; and somebody listens here who never says anything.
    let gone = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = format!("http://{}", mute.local_addr().expect("its address"));
    let (one, two) = (Witness::of(&world, "one"), Witness::of(&world, "two"));
    let named = [(&*witness.url, &*witness.vkey), (&*format!("http://{gone}"), &*one.vkey), (&*silent, &*two.vkey)];
    name_witnesses(&mut world, &named, "quorum = 1\n");
    for _ in 0..20 {
        let _ = world.ask(&Request::get(NSX, "/v2/compute/instances").bearer(&key.text)).expect(200);
    }
    let failures = |reason: &str| {
        world.gateway.metric("portcullis_audit_witness_failures_total", &[&format!("reason=\"{reason}\"")])
    };
    until("the witness that is gone to be missed", SOON, || (failures("unreachable") >= 1.0).then_some(()));
    until("the silent one to be given up", SOON, || (failures("late") >= 1.0).then_some(()));
    // One of three is a quorum here, and a witness that is away accuses nobody.
    let verdict = until_witnessed(&world, &witness.vkey, 20);
    assert_eq!(verdict["ok"], true, "{verdict}");
    assert_eq!(world.gateway.ask_admin("/readyz").status, 200);
    world.gateway.entries().assert_sound();
}
