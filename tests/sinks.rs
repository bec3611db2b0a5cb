//! Entries leave the house as they are written: each at least once, in order, and without keeping anybody waiting.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acceptance::{Request, Running, World, python_served, until};
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const SOON: Duration = Duration::from_mins(1);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Starts a gateway again whose settings have these rows too.
fn name(world: &mut World, rows: &str) {
    let file = world.gateway.settings().to_owned();
    let text = std::fs::read_to_string(&file).expect("settings");
    std::fs::write(&file, format!("{text}\n{rows}")).expect("settings");
    world.gateway.restart();
}

fn ask(world: &World, count: usize) {
    let mut connection = world.gateway.door().secure(NSX);
    for number in 0..count {
        let _ = connection.ask(&Request::get(NSX, &format!("/v2/nothing/{number}")));
    }
}

/// The whole lines of some files, the torn end of the last left out.
fn lines(files: &[PathBuf]) -> Vec<Value> {
    let mut lines = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let whole = text.split_inclusive('\n').filter(|it| it.ends_with('\n'));
        lines.extend(whole.map(|it| serde_json::from_str::<Value>(it).expect("a line of JSON")));
    }
    lines
}

fn identity(entry: &Value) -> String {
    format!("{}/{}/{}", entry["node"], entry["boot"], entry["node_seq"])
}

/// What a receiver has once it has dropped what it had already. Nothing may come before what is before it.
#[track_caller]
fn folded(lines: Vec<Value>) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::new();
    for mut line in lines {
        let seq = usize::try_from(line["seq"].as_u64().expect("a number")).expect("a small number");
        assert!(line["raw"].is_string(), "{line}");
        line.as_object_mut().expect("an entry").remove("raw");
        if let Some(known) = kept.get(seq) {
            assert_eq!((identity(known), known), (identity(&line), &line), "another entry");
        } else {
            assert_eq!(kept.len(), seq, "an entry was left out");
            kept.push(line);
        }
    }
    kept
}

/// Waits until a receiver has every entry that is there now; they are those of the log.
#[track_caller]
fn until_all(world: &World, files: impl Fn() -> Vec<PathBuf>) -> Vec<Value> {
    let log = world.gateway.entries().whole();
    let have = until("every entry to arrive", SOON, || {
        let before = files();
        let read = lines(&before);
        // What is put aside while it is read may be met under no name.
        let still = files() == before;
        still.then(|| folded(read)).filter(|it| log.len() <= it.len())
    });
    for (sent, entry) in have.iter().zip(&log) {
        assert_eq!(identity(sent), identity(entry));
        if sent["sealed"].is_null() {
            assert_eq!(sent, entry);
        } else {
            // Whoever may read the log is shown what is sealed there; it does not leave the house.
            let request = &sent["request"];
            assert!(request["path"].is_null() && request["source"].is_null(), "{sent}");
        }
    }
    have
}

/// The files of a receiver, in order.
fn rotated(path: &Path) -> Vec<PathBuf> {
    let own = format!("{}.", path.file_name().and_then(|it| it.to_str()).expect("a name"));
    let found = std::fs::read_dir(path.parent().expect("a folder")).expect("a folder").flatten();
    let is_own = |it: &PathBuf| it.file_name().and_then(|it| it.to_str()).is_some_and(|it| it.starts_with(&own));
    let mut files: Vec<PathBuf> = found.map(|it| it.path()).filter(is_own).collect();
    files.sort();
    files.push(path.to_owned());
    files
}

#[test]
fn a_file_has_every_entry_in_order_however_often_the_gateway_is_killed() {
    let mut world = World::start();
    let out = world.folder().join("out.jsonl");
    let row = "[[audit.sinks]]\nname = 'copy'\nkind = 'file'\nbatch_entries = 10\nrotate_bytes = 65536\n";
    name(&mut world, &format!("{row}path = '{}'\n", out.display()));
    let length = |out: &Path| rotated(out).iter().filter_map(|it| Some(it.metadata().ok()?.len())).sum::<u64>();
    for round in 0..4 {
        let before = length(&out);
        ask(&world, 150);
        // In the middle of it: some of what was just written has left, and not all of it has.
        until("something to leave", SOON, || (before < length(&out)).then_some(()));
        world.gateway.kill();
        if round % 2 == 0 {
            let torn = std::fs::read(&out).expect("a file");
            std::fs::write(&out, [&torn[..], br#"{"seq":"#].concat()).expect("a file");
        }
        world.gateway.start_again();
    }
    let entries = until_all(&world, || rotated(&out));
    // What was only in memory when it was killed was never in the log.
    assert!(entries.len() > 400, "{}", entries.len());
    let files = rotated(&out);
    assert!(files.len() > 3, "{files:?}");
    for file in &files {
        let found = std::fs::metadata(file).expect("a file");
        assert!(found.permissions().mode() & 0o777 == 0o600 && found.len() <= 65536, "{}", file.display());
    }
    // What it entered of that is entered once, and brought about nothing else.
    let told: Vec<&Value> = entries.iter().filter(|it| it["class"] == "sink.delivery").collect();
    assert!((1..=5).contains(&told.len()) && told.iter().all(|it| it["sink"] == "copy"), "{told:?}");
    world.gateway.entries().assert_sound();
}

/// Somebody who gathers entries, at an address that stays theirs.
struct Collector {
    folder: PathBuf,
    row: String,
    _process: Running,
}

impl Collector {
    fn of(world: &World, mood: &str, more: &str) -> Self {
        let folder = world.folder().join("collector");
        std::fs::create_dir(&folder).expect("a folder of the test");
        std::fs::write(folder.join("mood"), mood).expect("a mood");
        std::fs::write(folder.join("secret"), format!("{SECRET}\n")).expect("a secret");
        std::fs::set_permissions(folder.join("secret"), Permissions::from_mode(0o600)).expect("a mode");
        let tls = world.gateway.data().join("tls");
        let (certificate, key) = (tls.join("cert.pem"), tls.join("key.pem"));
        let words = [&folder, &certificate, &key].map(|it| it.display().to_string());
        let mut process = python_served(world, "collector.py", &[&words[0], &words[1], &words[2], SECRET]);
        let ready: Value = serde_json::from_str(&process.line(SOON)).expect("a ready line");
        let row = format!(
            "[[audit.sinks]]\nname = 'siem'\nkind = 'https'\nurl = 'https://localhost:{}/in'\nca = '{}'\nsecret_file = '{}'\n{more}",
            ready["port"],
            world.gateway.authority().display(),
            folder.join("secret").display()
        );
        Self { folder, row, _process: process }
    }

    fn mood(&self, mood: &str) {
        // In one piece: it is read at any time.
        std::fs::write(self.folder.join("new"), mood).expect("a mood");
        std::fs::rename(self.folder.join("new"), self.folder.join("mood")).expect("a mood");
    }

    fn received(&self) -> Vec<PathBuf> {
        vec![self.folder.join("received")]
    }

    fn asked(&self) -> Vec<Value> {
        lines(&[self.folder.join("asked")])
    }
}

fn metric(world: &World, name: &str, labels: &[&str]) -> f64 {
    world.gateway.metric(&format!("portcullis_audit_sink_{name}"), &[&["sink=\"siem\""], labels].concat())
}

#[test]
fn a_receiver_that_fails_for_a_while_is_given_all_of_it_in_order() {
    let mut world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let collector = Collector::of(&world, "503", "batch_entries = 100\n");
    name(&mut world, &collector.row);
    for _ in 0..3 {
        // Operations that wait for their entries, and do not wait for anybody else.
        let create = Request::post(NSX, "/v2/compute/instances").bearer(&key.text).json(&json!({}));
        let _ = world.ask(&create).expect(400);
    }
    ask(&world, 300);
    until("the receiver to be missed", SOON, || {
        (metric(&world, "deliveries_total", &["outcome=\"failed\""]) >= 2.0).then_some(())
    });
    assert!(metric(&world, "backlog_entries", &[]) >= 300.0);
    assert!(metric(&world, "lag_seconds", &[]) > 0.0);
    assert_eq!(world.gateway.ask_admin("/readyz").status, 200);
    world.gateway.crash();
    ask(&world, 50);
    collector.mood("200");
    let have = until_all(&world, || collector.received());
    assert!(have.len() > 350);
    let stands = until("its cursor to be kept", SOON, || {
        let stands = world.gateway.json(&["audit", "sinks"]);
        (stands[0]["next"].as_u64() >= Some(350)).then_some(stands)
    });
    assert!(stands[0]["sink"] == "siem" && stands[0]["backlog"].as_u64() < Some(100), "{stands}");
    let asked = collector.asked();
    assert!(asked.iter().all(|it| it["status"] == 503 || it["status"] == 200), "{asked:?}");
    assert!(asked.iter().all(|it| it["path"] == "/in" && it["content-type"] == "application/x-ndjson"), "{asked:?}");
    let given: Vec<&Value> = asked.iter().filter(|it| it["status"] == 200).collect();
    assert_eq!(given[0]["portcullis-batch"], "portcullis/0-99", "{given:?}");
    assert!(given[0]["webhook-id"].as_str().is_some_and(|it| it.starts_with("batch_")));
    until("nothing to be left", SOON, || (metric(&world, "backlog_entries", &[]) < 10.0).then_some(()));
    assert!(metric(&world, "deliveries_total", &["outcome=\"accepted\""]) >= 4.0);
}

#[test]
fn a_receiver_that_hangs_keeps_nobody_waiting() {
    let mut world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let collector = Collector::of(&world, "hang", "deadline_ms = 200\n");
    name(&mut world, &collector.row);
    until("it to be given up", SOON, || {
        (metric(&world, "deliveries_total", &["outcome=\"late\""]) >= 1.0).then_some(())
    });
    for _ in 0..50 {
        let _ = world.ask(&Request::get(NSX, "/v2/compute/instances").bearer(&key.text)).expect(200);
    }
    assert_eq!(world.gateway.ask_admin("/readyz").status, 200);
    // Nor does the end of the gateway.
    world.gateway.restart();
    collector.mood("200");
    let _ = until_all(&world, || collector.received());
}

#[test]
fn a_receiver_that_refuses_is_passed_nothing_over_and_no_redirect_is_followed() {
    let mut world = World::start();
    let collector = Collector::of(&world, "400", "");
    name(&mut world, &collector.row);
    for next in ["307", "401", "200"] {
        until("it to refuse", SOON, || {
            (metric(&world, "deliveries_total", &["outcome=\"refused\""]) >= 1.0).then_some(())
        });
        // It is asked seldom now; who has set it right need not wait.
        collector.mood(next);
        world.gateway.restart();
    }
    let _ = until_all(&world, || collector.received());
    let said = || world.gateway.process().log().contains("until somebody sets it right");
    until("it to be said", SOON, || said().then_some(()));
    let asked = collector.asked();
    assert!(asked.iter().all(|it| it["path"] == "/in"), "{asked:?}");
    let statuses: BTreeSet<u64> = asked.iter().filter_map(|it| it["status"].as_u64()).collect();
    assert_eq!(statuses, BTreeSet::from([200, 307, 400, 401]));
}

#[test]
fn what_is_wanted_is_on_standard_output_after_the_ready_line() {
    let mut world = World::start();
    let row = "[[audit.sinks]]\nname = 'out'\nkind = 'stdout'\nformat = 'ocsf'\nfrom = 'now'\n";
    name(&mut world, &format!("{row}classes = ['request.completed']\n"));
    // Read as the ready line was, from the same output.
    ask(&world, 20);
    let log = until("every entry", SOON, || Some(world.gateway.entries().all()).filter(|it| it.len() == 20));
    let wanted: Vec<String> = log.iter().map(|it| it["seq"].to_string()).collect();
    let told: Vec<Value> =
        (0..20).map(|_| serde_json::from_str(&world.gateway.line(SOON)).expect("an event")).collect();
    assert!(told.iter().all(|it| it["class_uid"] == 6003 && it["unmapped"]["boot"].is_string()), "{told:?}");
    let told: Vec<&str> = told.iter().filter_map(|it| it["metadata"]["uid"].as_str()).collect();
    assert_eq!(told, wanted);
}

#[test]
fn a_row_that_cannot_work_is_named_by_check() {
    let world = World::start();
    let file = world.gateway.settings().to_owned();
    let text = std::fs::read_to_string(&file).expect("settings");
    let line = text.lines().count() + 1;
    let row = "[[audit.sinks]]\nname = 'copy'\nkind = 'file'\npath = 'nowhere/out'\n";
    std::fs::write(&file, format!("{}\n{row}", text.trim_end())).expect("settings");
    let told = world.gateway.command(&["check"]);
    assert_eq!(told.code, 2, "{told:?}");
    let place = format!("portcullis.toml:{line}:1: [[audit.sinks]] `copy`:");
    assert!(told.errors.contains(&place) && told.errors.contains("is no folder"), "{told:?}");
}
