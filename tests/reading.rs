//! Reading the log as its people do: asking it, following it, taking it away, and proving what was taken.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use acceptance::{Key, Request, Running, World, program, python_alone, until};
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const LIST: &str = "/v2/compute/instances";

/// How long a line may take that is sure to come.
const SOON: Duration = Duration::from_secs(20);

/// Two tenants that asked, one of them in vain as well.
struct Asked {
    world: World,
    one: Key,
    other: Key,
    permitted: String,
    refused: String,
}

fn asked() -> Asked {
    let world = World::start();
    let one = world.key("novastraxis", &["compute"]);
    let other = world.key_with("novastraxis", &world.new_tenant("second"), &["network"], &[]);
    let ask = |key: &Key, status| {
        let answer = world.ask(&Request::get(NSX, LIST).bearer(&key.text)).expect(status);
        let id = answer.says("x-request-id").to_owned();
        let _ = world.gateway.entries().of(&id);
        id.rsplit('_').next().unwrap_or_default().to_owned()
    };
    let (permitted, refused) = (ask(&one, 200), ask(&other, 403));
    let nobody = world.ask(&Request::get(NSX, LIST).bearer("nsx_live_nobodyhasthiskey")).expect(401);
    let _ = world.gateway.entries().of(nobody.says("x-request-id"));
    Asked { world, one, other, permitted, refused }
}

/// The ids of the requests that an answer shows.
#[track_caller]
fn requests(world: &World, words: &[&str]) -> Vec<String> {
    let told = world.gateway.command(&[&["audit", "query", "--output", "json"], words].concat());
    assert!(told.code < 2, "{told:?}");
    let entries = told.out.lines().map(|it| serde_json::from_str::<Value>(it).expect("an entry"));
    entries.filter_map(|it| it["request"]["id"].as_str().map(str::to_owned)).collect()
}

#[test]
fn entries_are_found_by_each_field_and_by_when_they_came() {
    let Asked { world, one, other, permitted, refused } = asked();
    for (words, expected) in [
        (&["--request", &permitted][..], &permitted),
        (&["--request", &format!("req_{refused}")], &refused),
        (&["--tenant", &one.tenant], &permitted),
        (&["--tenant", &other.tenant], &refused),
        (&["--key", &other.id], &refused),
        (&["--actor", &other.id], &refused),
        (&["--outcome", "permit"], &permitted),
        (&["--api", "novastraxis", "--outcome", "permit"], &permitted),
        (&["--operation", "listInstances", "--tenant", &other.tenant], &refused),
        (&["--class", "request.completed", "--key", &one.id], &permitted),
        (&["--tenant", &one.tenant, "--class", "request.completed", "--since", "15m", "--last", "1"], &permitted),
        (&["--tenant", &one.tenant, "--scan"], &permitted),
    ] {
        assert_eq!(requests(&world, words), [expected.as_str()], "{words:?}");
    }
    assert_eq!(requests(&world, &["--class", "request.completed", "--last", "2"]).len(), 2);
    for nothing in [&["--until", "15m"][..], &["--since", "2100-01-01T00:00:00Z"], &["--key", "key_nobody"]] {
        assert!(requests(&world, nothing).is_empty(), "{nothing:?}");
        assert_eq!(world.gateway.command(&[&["audit", "query"], nothing].concat()).code, 1, "{nothing:?}");
    }
    assert_eq!(world.gateway.command(&["audit", "query", "--since", "yesterday"]).code, 2);
    // Who did it is another question than what it was done to.
    let deeds = |words: &[&str]| {
        let told =
            world.gateway.command(&[&["audit", "query", "--class", "key.change", "--output", "json"], words].concat());
        told.out.lines().map(|it| serde_json::from_str::<Value>(it).expect("an entry")).collect::<Vec<_>>()
    };
    let made = deeds(&["--key", &one.id]);
    let actor = made[0]["actor"].as_str().expect("who made it");
    assert_eq!(deeds(&["--actor", actor, "--tenant", &one.tenant]), made);
    assert!(deeds(&["--actor", &one.id]).is_empty());
    let control = world.gateway.command(&["audit", "query", "--class", "audit.control"]);
    assert!(control.out.contains("audit.control") && control.out.contains("action=start"), "{control:?}");
}

#[test]
fn who_follows_the_log_sees_what_happens_after_and_ends_when_told() {
    let Asked { world, one, .. } = asked();
    let tail = |name: &str, words: &[&str]| {
        let mut command = Command::new(program("portcullis"));
        command
            .args(["audit", "tail", "--output", "json", "--class", "request.completed"])
            .args(words)
            .arg("--config")
            .arg(world.gateway.settings());
        Running::start(name, world.folder(), &mut command)
    };
    let read = |tail: &mut Running| serde_json::from_str::<Value>(&tail.line(SOON)).expect("an entry");
    let mut all = tail("tail-all", &["-n", "2"]);
    let mut own = tail("tail-own", &["-n", "1", "--tenant", &one.tenant]);
    let (first, second) = (read(&mut all), read(&mut all));
    assert!(first["seq"].as_u64() < second["seq"].as_u64(), "{first:#} {second:#}");
    assert_eq!(read(&mut own)["tenant"], one.tenant.as_str());
    let stranger = world.ask(&Request::get(NSX, "/v2/nowhere")).expect(404);
    let answer = world.ask(&Request::get(NSX, LIST).bearer(&one.text)).expect(200);
    for (follower, expected) in [(&mut all, &[&stranger, &answer][..]), (&mut own, &[&answer])] {
        for it in expected {
            let seen = read(follower);
            let id = seen["request"]["id"].as_str().expect("an id of a request");
            assert!(it.says("x-request-id").ends_with(id), "{seen:#}");
        }
    }
    for mut follower in [all, own] {
        assert!(follower.stop(SOON).success(), "an end that was asked for is no failure");
    }
    // What each has followed is entered as well as what was there when it began.
    let looks = world.gateway.entries().of_kind(4, |it| it["class"] == "audit.read" && it["action"] == "tail");
    for begun in looks.iter().filter(|it| it["facts"]["first"] == "0") {
        let (asked, end) = (&begun["facts"]["query_digest"], &begun["facts"]["end"]);
        let goes_on = |it: &&Value| it["facts"]["query_digest"] == *asked && it["facts"]["first"] == *end;
        assert_eq!(looks.iter().filter(goes_on).count(), 1, "{looks:#?}");
    }
}

/// Exports into a folder of the world, and gives the file.
#[track_caller]
fn export(world: &World, name: &str, words: &[&str]) -> (PathBuf, Value) {
    let file = world.folder().join(name);
    let to = file.display().to_string();
    let manifest = world.gateway.json(&[&["audit", "export", "--to", &to], words].concat());
    (file, manifest)
}

#[track_caller]
fn check(world: &World, file: &Path) -> i32 {
    let vkey = std::fs::read_to_string(world.gateway.entries().folder().join("vkey")).expect("a key");
    let file = file.display().to_string();
    world.gateway.command(&["audit", "check-export", &file, "--vkey", vkey.trim()]).code
}

#[test]
fn exports_hold_what_was_asked_for_and_prove_it_without_the_log() {
    let Asked { mut world, one, other, permitted, refused } = asked();
    assert!(world.gateway.stop().success());
    let (whole, manifest) = export(&world, "whole.jsonl", &["--format", "json"]);
    assert_eq!((&manifest["proof"], &manifest["unsigned"]), (&"root".into(), &0.into()), "{manifest:#}");
    assert_eq!(manifest["read"]["count"], manifest["tree_size"], "{manifest:#}");
    assert_eq!(check(&world, &whole), 0);
    // What is cut for a tenant holds nothing of another one, in any form.
    for format in ["json", "ocsf", "csv"] {
        let name = format!("cut.{format}");
        let (cut, manifest) = export(&world, &name, &["--format", format, "--tenant", &one.tenant]);
        let text = std::fs::read_to_string(&cut).expect("the export");
        assert!(text.contains(&permitted), "{text}");
        for foreign in [&other.tenant, &other.id, &refused] {
            assert!(!text.contains(foreign.as_str()) && !manifest.to_string().contains(foreign.as_str()), "{text}");
        }
        assert_eq!(manifest["totals"]["class"]["request.completed"], 1, "{manifest:#}");
        assert_eq!(check(&world, &cut), if format == "json" { 0 } else { 2 }, "{format}");
    }
    // The log may go: the export is its own proof. One that was changed is none.
    let cut = world.folder().join("cut.json");
    std::fs::rename(world.gateway.entries().folder().join("tile"), world.folder().join("gone")).expect("a log");
    assert_eq!(check(&world, &cut), 0);
    let text = std::fs::read_to_string(&cut).expect("the export");
    std::fs::write(&cut, text.replace("\"status\":200", "\"status\":403")).expect("a file of the test");
    assert_eq!(check(&world, &cut), 1);
    let again = world.gateway.command(&["audit", "export", "--format", "csv", "--to", &whole.display().to_string()]);
    assert_eq!(again.code, 2, "an export was written over: {again:?}");
}

#[test]
fn an_export_of_a_log_that_grows_says_what_it_left_out() {
    let Asked { world, .. } = asked();
    let signed = until("everything to be signed for", SOON, || {
        let name = format!("export-{}", world.folder().read_dir().expect("a folder").count());
        let (file, manifest) = export(&world, &name, &["--format", "json"]);
        assert_eq!(check(&world, &file), 0, "{manifest:#}");
        (manifest["unsigned"] == 0).then_some(manifest)
    });
    assert!(signed["totals"]["outcome"]["refuse"].as_u64() >= Some(2), "{signed:#}");
    assert!(signed["totals"]["class"]["request.completed"].as_u64() >= Some(3), "{signed:#}");
}

#[test]
fn events_are_those_of_the_published_schema() {
    let Asked { mut world, .. } = asked();
    // Whatever callers send, and however it is broken.
    for line in
        ["PROPFIND /x HTTP/1.1", "BREW / HTTP/1.1", "=cmd|calc", "? ? ?", "GET /\u{1b}[2J HTTP/1.1", "GET", "\0"]
    {
        let mut connection = world.gateway.door().secure(NSX);
        connection.send(format!("{line}\r\nHost: {NSX}\r\n\r\n").as_bytes());
        connection.finish();
        drop(connection.rest());
    }
    assert!(world.gateway.stop().success());
    let (file, manifest) = export(&world, "events", &["--format", "ocsf"]);
    let told = python_alone("check_ocsf.py", &[&file.display().to_string()]);
    assert_eq!(told.code, 0, "{told:?}");
    assert_eq!(told.json()["lines"], manifest["read"]["count"]);
    // Entries of every class there will be, as the room's own test writes them.
    let every = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/audit/tests/fixtures/events.ocsf.jsonl");
    let told = python_alone("check_ocsf.py", &[&every.display().to_string()]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.json()["classes"].as_array().is_some_and(|it| it.len() >= 7), "{told:?}");
}

#[test]
fn an_entry_says_how_its_request_came_and_what_of_it_is_not_entered() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]).text;
    let request = |target: &str| Request::get("api.novastraxis.com", target).bearer(&key);
    for (target, redacted) in [
        ("/v2/compute/instances".to_owned(), Value::Null),
        ("/v2/compute/instances?limit=5".to_owned(), json!(["query"])),
        (format!("/v2/compute/instances/{key}"), json!(["path"])),
        (format!("/v2/compute/instances/{key}?a=b"), json!(["path", "query"])),
    ] {
        let answer = world.ask(&request(&target));
        let entry = world.gateway.entries().of(answer.header("x-request-id").expect("an id"));
        assert_eq!(entry["request"]["redacted"], redacted, "{entry}");
        assert_eq!(entry["request"]["tls_version"], "TLSv1.3", "{entry}");
        assert!(entry["request"]["cipher"].as_str().is_some_and(|it| it.starts_with("TLS13_")), "{entry}");
    }
    let plain = world.gateway.door().plain().ask(&request("/v2/compute/instances"));
    let entry = world.gateway.entries().of(plain.header("x-request-id").expect("an id"));
    assert_eq!((&entry["request"]["tls"], &entry["request"]["tls_version"]), (&json!(false), &Value::Null), "{entry}");
}

#[test]
fn what_was_changed_since_it_was_signed_for_is_not_shown() {
    let world = World::with(|settings, _| settings.more.push_str("[limits.shield]\nrate = 1000000\nburst = 1000000\n"));
    let mut connection = world.gateway.door().secure(NSX);
    for _ in 0..300 {
        assert_eq!(connection.ask(&Request::get(NSX, "/v2/nowhere")).status, 404);
    }
    let _ = world.gateway.json(&["audit", "seal"]);
    let copy = world.folder().join("copy");
    let done = Command::new("cp").arg("-r").arg(world.gateway.data().join("audit")).arg(&copy).status();
    assert!(done.is_ok_and(|it| it.success()), "the log cannot be copied");
    let copied = copy.display().to_string();
    let query = || world.gateway.command(&["audit", "query", "--log", &copied, "--class", "request.completed"]);
    let sound = query();
    assert_eq!((sound.code, sound.out.lines().count()), (0, 300), "{sound:?}");

    let bundle = copy.join("tile/entries/000");
    let mut bytes = std::fs::read(&bundle).expect("a whole bundle");
    let at = bytes.windows(7).position(|it| it == b"nowhere").expect("the path of a request");
    bytes[at] = b'k';
    std::fs::write(&bundle, bytes).expect("a file of the test");
    let altered = query();
    assert_eq!((altered.code, altered.out.lines().count()), (2, 299), "{altered:?}");
    assert!(!altered.out.contains("/v2/kowhere"), "{altered:?}");
    assert!(altered.errors.contains("is not the one that was signed for"), "{altered:?}");

    // Without what entries are held to they are shown, and that is said.
    std::fs::remove_file(copy.join("tile/0/000")).expect("a whole tile");
    let doubtful = query();
    assert_eq!((doubtful.code, doubtful.out.lines().count()), (2, 300), "{doubtful:?}");
    assert!(doubtful.errors.contains("tile"), "{doubtful:?}");
}
