//! Entries as files: what stands in them, and whether a changed one is told from a good one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::handmade::{encode, frame, log_of, put};
use crate::sample::{open_as, signer};
use audit::note::{Signer, Verifier};
use audit::{
    AuditSettings, BadLine, Doubtful, Filter, Format, Manifest, Notice, Proof, Wanted, Way, export, manifest_of,
    verify_export,
};
use domain::{Deed, DeedClass, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// A request of one of two tenants.
fn request(number: usize) -> Value {
    json!({
        "class": "request.completed",
        "tenant": if number.is_multiple_of(3) { "acme" } else { "other" },
        "request": { "id": format!("{number:032x}"), "method": "GET", "host": "api.example", "path": "/a",
            "source": "192.0.2.7", "tls": true, "api": "nova", "operation": "list" },
        "auth": { "key": "key_1", "method": "api_key" },
        "decision": { "outcome": if number.is_multiple_of(5) { "refuse" } else { "permit" } },
        "status": 200, "bytes_in": 0, "bytes_out": 12, "duration_us": 1500,
    })
}

fn requests(count: usize) -> TempDir {
    log_of(&(0..count).map(request).collect::<Vec<_>>())
}

/// An export in a folder of its own.
fn exported(log: &Path, format: Format, filter: &Filter) -> (TempDir, PathBuf, Manifest) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export");
    let wanted =
        Wanted { format, filter: filter.clone(), first: 0, way: Way::Index, reader: "ann", file: "export", now: NOW };
    let mut out = fs::File::create(&file).unwrap();
    let manifest = export(log, &wanted, &mut out).unwrap();
    fs::write(manifest_of(&file), serde_json::to_vec_pretty(&manifest).unwrap()).unwrap();
    (folder, file, manifest)
}

fn text(log: &Path, format: Format) -> String {
    let (_folder, file, _) = exported(log, format, &Filter::default());
    fs::read_to_string(file).unwrap()
}

fn acme() -> Filter {
    Filter { tenant: Some("acme".to_owned()), ..Filter::default() }
}

fn key() -> Verifier {
    signer().verifier()
}

#[test]
fn a_whole_export_is_proved_by_the_root_and_a_part_by_its_hashes() {
    let log = requests(700);
    let (_folder, file, manifest) = exported(log.path(), Format::Json, &Filter::default());
    assert_eq!((manifest.proof, manifest.read.count, manifest.tree_size), (Proof::Root, 700, 700));
    assert!(verify_export(&file, &key()).unwrap().whole);
    let (_folder, file, manifest) = exported(log.path(), Format::Json, &acme());
    assert_eq!((manifest.proof, manifest.read.count), (Proof::Inclusion, 234));
    assert_eq!((manifest.totals.outcome["permit"], manifest.totals.outcome["refuse"]), (187, 47));
    assert_eq!(manifest.totals.class["request.completed"], 234);
    let checked = verify_export(&file, &key()).unwrap();
    assert!(!checked.whole && checked.manifest == manifest);
    let lines = fs::read_to_string(&file).unwrap();
    assert_eq!(lines.lines().count(), 234);
    assert!(!lines.contains("other"), "an entry of another tenant");
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["seq"], &first["tenant"], &first["time"]),
        (&json!(0), &json!("acme"), &json!("1970-01-01T00:00:00Z"))
    );
}

#[test]
fn what_is_not_signed_for_is_left_out_and_counted() {
    let log = requests(5);
    let newest = fs::read(log.path().join("checkpoint")).unwrap();
    let more = requests(9);
    fs::copy(more.path().join(format!("wal/{:020}.wal", 0)), log.path().join(format!("wal/{:020}.wal", 0))).unwrap();
    fs::write(log.path().join("checkpoint"), newest).unwrap();
    let (_folder, file, manifest) = exported(log.path(), Format::Json, &Filter::default());
    assert_eq!((manifest.read.end, manifest.unsigned, manifest.proof), (5, 4, Proof::Root));
    assert!(verify_export(&file, &key()).is_ok());
    fs::remove_file(log.path().join("checkpoint")).unwrap();
    let wanted =
        Wanted { format: Format::Csv, filter: acme(), first: 0, way: Way::Scan, reader: "", file: "", now: NOW };
    assert!(export(log.path(), &wanted, &mut Vec::new()).is_err(), "nothing is signed for");
}

#[test]
fn what_is_not_what_was_signed_for_does_not_leave_the_house() {
    let log = requests(700);
    // So that entries are read from bundles, as all but the newest are.
    let open = crate::handmade::open(log.path());
    tokio::runtime::Runtime::new().unwrap().block_on(open.seal(std::time::Duration::from_mins(1))).unwrap();
    drop(open);
    let file = log.path().join("tile/entries/001");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(6).position(|it| it == b"permit").unwrap();
    bytes[at..at + 6].copy_from_slice(b"refuse");
    fs::write(&file, bytes).unwrap();
    for format in [Format::Json, Format::Ocsf, Format::Csv] {
        for way in [Way::Index, Way::Scan] {
            let wanted =
                Wanted { format, filter: Filter::default(), first: 0, way, reader: "ann", file: "x", now: NOW };
            let refused = export(log.path(), &wanted, &mut Vec::new()).unwrap_err();
            assert!(matches!(refused, audit::ExportError::Altered(256..512)), "{refused}");
        }
    }
}

#[test]
fn a_changed_export_is_told_from_a_good_one() {
    let log = requests(40);
    for filter in [Filter::default(), acme()] {
        let (_folder, file, manifest) = exported(log.path(), Format::Json, &filter);
        let good = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = good.lines().collect();
        let refused = |text: &str| {
            fs::write(&file, text).unwrap();
            let refused = verify_export(&file, &key()).unwrap_err();
            fs::write(&file, &good).unwrap();
            refused
        };
        let without = |at: usize| {
            let kept: Vec<&str> = lines.iter().enumerate().filter(|(it, _)| *it != at).map(|(_, it)| *it).collect();
            kept.join("\n") + "\n"
        };
        let changed = good.replacen("\"status\":200", "\"status\":201", 1);
        assert!(matches!(refused(&changed), Doubtful::Line { line: 1, cause: BadLine::Differs }), "{filter:?}");
        let twice = good.replacen("\"status\":200", "\"status\":201,\"status\":200", 1);
        assert!(matches!(refused(&twice), Doubtful::Line { line: 1, cause: BadLine::Differs }), "{filter:?}");
        assert!(matches!(refused(&good.replacen("\"seq\":", "\"seq\":9", 1)), Doubtful::Line { line: 1, .. }));
        assert!(matches!(refused(&[lines[1], lines[0]].join("\n")), Doubtful::Line { .. }));
        let _ = refused(&without(0));
        let _ = refused(&without(lines.len() - 1));
        let _ = refused(&(good.clone() + lines[0] + "\n"));
        assert!(matches!(refused("nothing\n"), Doubtful::Line { line: 1, cause: BadLine::Malformed }));
        // The manifest is held to the file as well, and its checkpoint to the key.
        let meant = |change: &dyn Fn(&mut Manifest)| {
            let mut other = manifest.clone();
            change(&mut other);
            fs::write(manifest_of(&file), serde_json::to_vec(&other).unwrap()).unwrap();
            verify_export(&file, &key()).unwrap_err()
        };
        let stranger = Signer::from_seed("portcullis/test", &[2; 32]).unwrap();
        let forged = stranger.sign(key().open(&manifest.checkpoint).unwrap());
        assert!(matches!(meant(&|it| it.checkpoint.clone_from(&forged)), Doubtful::Note(_)));
        assert!(matches!(meant(&|it| it.tree_size += 1), Doubtful::Differs("tree_size")));
        assert!(matches!(meant(&|it| it.read.count += 1), Doubtful::Differs("count")));
        assert!(matches!(meant(&|it| it.totals.class.clear()), Doubtful::Differs("totals")));
        assert!(matches!(meant(&|it| it.sha256.clear()), Doubtful::Differs("sha256")));
        assert!(matches!(meant(&|it| it.form = 2), Doubtful::Manifest(_)));
        let nobody = Filter { tenant: Some("nobody".to_owned()), ..Filter::default() };
        assert!(matches!(meant(&|it| it.query = nobody.clone()), Doubtful::Line { line: 1, cause: BadLine::Unasked }));
    }
}

#[test]
fn an_entry_that_is_in_no_log_is_refused_however_it_is_dressed() {
    let log = requests(40);
    let (_folder, file, _) = exported(log.path(), Format::Json, &acme());
    // An entry of another log, with its own words and the hashes of the one it stands for.
    let other = log_of(
        &(0..40)
            .map(|it| {
                let mut it = request(it);
                it["status"] = json!(500);
                it
            })
            .collect::<Vec<_>>(),
    );
    let (_other, others, _) = exported(other.path(), Format::Json, &acme());
    fs::copy(others, &file).unwrap();
    assert!(matches!(verify_export(&file, &key()), Err(Doubtful::Line { line: 1, cause: BadLine::Proof(_) })));
}

#[test]
fn forms_without_the_bytes_prove_nothing_and_say_so() {
    let log = requests(3);
    for format in [Format::Csv, Format::Ocsf] {
        let (_folder, file, manifest) = exported(log.path(), format, &Filter::default());
        assert_eq!(manifest.proof, Proof::Nothing);
        assert!(matches!(verify_export(&file, &key()), Err(Doubtful::Unprovable)));
    }
}

/// What somebody sends who wants to be read by a person, a terminal or a program that computes.
const HOSTILE: [&str; 6] = [
    "=HYPERLINK(\"http://x\",\"y\")",
    "\u{1b}]0;owned\u{7}\u{1b}[2J",
    "\u{9b}31mred",
    "a\u{202e}gpj.exe",
    "line\r\n=1+1,\"x\"",
    "@SUM(1)\u{200b}\u{0}",
];

#[test]
fn what_is_hostile_is_kept_as_it_is_and_shown_as_what_it_is() {
    let entries: Vec<Value> = HOSTILE.iter().map(|it| json!({
        "class": "request.completed", "tenant": it, "request": { "id": "1", "path": it, "method": it, "source": it },
        "decision": { "outcome": "refuse", "detail": it },
    })).collect();
    let log = log_of(&entries);
    for format in [Format::Json, Format::Ocsf, Format::Csv] {
        let told = text(log.path(), format);
        let acts = |it: char| (it.is_control() && it != '\n' && it != '\r') || matches!(it, '\u{202e}' | '\u{200b}');
        assert!(!told.contains(acts), "{format:?}: {told}");
    }
    for (line, hostile) in text(log.path(), Format::Json).lines().zip(HOSTILE) {
        let read: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&read["tenant"], &read["request"]["path"]), (&json!(hostile), &json!(hostile)));
    }
    let table = text(log.path(), Format::Csv);
    assert_eq!(table.lines().count(), 1 + HOSTILE.len(), "a cell broke its line");
    assert!(table.split("\r\n").all(|it| !it.contains('\r') && !it.contains('\n')));
    assert!(table.contains("\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""), "{table}");
    assert!(table.contains(r"'@SUM(1)\u{200b}\u{0}"), "{table}");
}

#[test]
fn the_longest_entry_is_exported_and_proved() {
    let text_of_it = "\u{1}".repeat(60 * 1024 - 200);
    let log = log_of(&[json!({ "class": "note", "text": text_of_it }), request(0)]);
    for filter in [Filter::default(), Filter { class: Some("note".to_owned()), ..Filter::default() }] {
        let (_folder, file, _) = exported(log.path(), Format::Json, &filter);
        assert!(verify_export(&file, &key()).is_ok(), "{filter:?}");
    }
    for format in [Format::Ocsf, Format::Csv] {
        assert!(text(log.path(), format).contains(r"\u0001"));
    }
}

#[test]
fn bytes_that_are_no_entry_are_in_every_export() {
    let folder = tempfile::tempdir().unwrap();
    let mut good = Vec::new();
    encode(&json!({ "boot": "00", "class": "x", "node": "n", "node_seq": 0 }), &mut good);
    let mut frames = Vec::new();
    frame(0, &good, &mut frames);
    frame(1, b"\xff\xffno entry", &mut frames);
    put(folder.path(), &frames);
    let (_folder, file, manifest) = exported(folder.path(), Format::Json, &acme());
    assert_eq!((manifest.read.count, manifest.totals.class["none"]), (1, 1));
    assert!(verify_export(&file, &key()).is_ok());
    assert!(text(folder.path(), Format::Ocsf).contains("not_an_entry"));
    assert!(text(folder.path(), Format::Csv).contains("not_an_entry"));
}

/// Entries of every class that the table of OCSF classes knows but for deeds, of one that nobody knows, and refusals of several
/// kinds.
fn every_class() -> Vec<Value> {
    let mut refused = request(5);
    refused["decision"] =
        json!({ "outcome": "refuse", "step": "limit", "reason": "rate_limited", "detail": "tier `small`" });
    let mut stranger = request(5);
    stranger["decision"] = json!({ "outcome": "refuse", "step": "authenticate", "reason": "invalid_credential" });
    let mut nobody = stranger.clone();
    nobody.as_object_mut().unwrap().remove("auth");
    nobody["request"]["source"] = json!("unix:/run/socket");
    let bare = json!({ "class": "request.cut_off", "request": { "id": "9" }, "decision": { "outcome": "fail" } });
    vec![
        request(1),
        refused,
        stranger,
        nobody,
        bare,
        json!({ "class": "audit.control", "action": "start", "before": "crash", "torn": 3 }),
        json!({ "class": "audit.control", "action": "stop" }),
        json!({ "class": "audit.control", "action": "checkpoint" }),
        json!({ "class": "heartbeat", "requests_total": 7, "entries_total": 7 }),
        json!({ "class": "health.sample", "ready": true, "conditions": [{ "name": "keys", "ok": true }], "p99_us": 5000 }),
        json!({ "class": "retention.pruned", "range": [0, 255] }),
        json!({ "class": "config.snapshot", "digest": "ab", "facts": { "listener": { "tls": true } } }),
        json!({ "class": "config.change", "before": "ab", "after": "cd", "actor": "files", "outcome": "done" }),
        json!({ "class": "retention.held", "first": 0, "lived_days": 3 }),
        json!({ "class": "sink.delivery", "sink": "siem", "outcome": "failing", "reason": "late" }),
        json!({ "class": "plugin.fault", "plugin": "geo", "digest": "ab", "effect": "blocked", "cause": "07" }),
        json!({ "class": "plugin.fault", "plugin": "geo", "digest": "ab", "effect": "skipped", "cause": "08" }),
        json!({ "class": "nobody.knows", "depth": { "of": { "it": [1, { "x": null }] } }, "big": u64::MAX, "low": -5 }),
        json!({ "class": 7, "time": "not a number" }),
        json!({ "class": "request.completed", "request": { "id": "5", "method": "BREW", "host": "api.example", "path": "/a" } }),
        json!({ "class": "request.completed", "request": { "id": "6", "method": "=cmd|calc", "path": "" }, "status": 400 }),
    ]
}

/// A deed of every class, as those who do them keep it, and how its event names what it was done to.
fn every_deed() -> Vec<(Deed, &'static str)> {
    let acme = "acme".parse().unwrap();
    let deed = |class, action| Deed::new(class, action, "user_ann", NOW).of(&acme);
    vec![
        (deed(DeedClass::Tenant, "suspend").on("acme"), "/entity"),
        (deed(DeedClass::Key, "create").on("key_1").with("api", "nova"), "/entity"),
        (deed(DeedClass::Key, "revoke").on("key_1").refused("unknown_key"), "/entity"),
        (deed(DeedClass::Identity, "create_user").on("user_bob"), "/entity"),
        (deed(DeedClass::Identity, "enrol_factor").on("user_bob"), "/entity"),
        (deed(DeedClass::Role, "set").on("user_bob").with("roles", "admin"), "/entity"),
        (deed(DeedClass::Group, "create").on("team_1").with("roles", "reader"), "/group"),
        (deed(DeedClass::Group, "remove_member").on("team_1").with("user", "user_bob"), "/group"),
        (deed(DeedClass::Group, "change").on("team_1"), "/group"),
        (deed(DeedClass::SessionStart, "sign_in").on("grant_1").with("user", "user_bob"), "/user"),
        (deed(DeedClass::SessionStart, "sign_in").on("user_bob").with("kind", "browser"), "/user"),
        (deed(DeedClass::SessionEnd, "distrust").on("grant_1").with("account", "service_1"), "/user"),
        (deed(DeedClass::Lockout, "lock").on("user_bob").with("failures", 10), "/user"),
        (deed(DeedClass::Read, "query").with("first", 0), "/actor/user"),
        (deed(DeedClass::Erasure, "erase").with("key", "subject_1"), "/entity"),
        (deed(DeedClass::Hold, "place").on("case"), "/entity"),
        (deed(DeedClass::Plugin, "install").on("plugin_1").with("digest", "ab"), "/app"),
        (deed(DeedClass::Log, "scan").with("found", 0), "/app"),
    ]
}

#[test]
fn an_event_names_who_did_what_to_whom() {
    let deeds = every_deed();
    for class in DeedClass::ALL {
        assert!(deeds.iter().any(|(it, _)| it.class == class), "{class:?}");
    }
    let log = log_of(&[]);
    enter(log.path(), &deeds);
    let told = text(log.path(), Format::Ocsf);
    assert_eq!(told.lines().count(), deeds.len());
    for (line, (deed, subject)) in told.lines().zip(deeds) {
        let event: Value = serde_json::from_str(line).unwrap();
        let named = event.pointer(subject).unwrap_or_else(|| panic!("{line}"));
        assert!(named["uid"].is_string() || named["name"].is_string(), "{line}");
        assert!(!line.contains("unknown\""), "{line}");
        let (actor, unmapped) = (&event["actor"]["user"], &event["unmapped"]["actor"]);
        assert!([&actor["uid"], &actor["name"], unmapped].contains(&&json!("user_ann")), "{line}");
        assert!(unmapped.is_null() || subject == "/app", "{line}");
        // What it was done to is told once, and has a place of the schema.
        let target = deed.target.unwrap_or_default();
        assert!(line.contains(&target) && !event["unmapped"].to_string().contains(&format!("{target:?}")), "{line}");
    }
}

/// Enters deeds as a run of its own.
fn enter(log: &Path, deeds: &[(Deed, &str)]) {
    let (log, _) = open_as(log, AuditSettings { reserve_bytes: 0, ..AuditSettings::default() }, "01").unwrap();
    for (number, (deed, _)) in (1..).zip(deeds) {
        let _ = log.note(&Notice::deed(number, deed));
    }
}

/// The file is held to the published schema by `tests/reading.rs`, with a validator that is not ours.
#[test]
fn entries_of_every_class_are_the_events_that_are_held_to_the_schema() {
    let log = log_of(&every_class());
    enter(log.path(), &every_deed());
    let told = text(log.path(), Format::Ocsf);
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/events.ocsf.jsonl");
    let expected = fs::read_to_string(&kept).unwrap_or_default();
    let parsed = |text: &str| text.lines().map(|it| serde_json::from_str::<Value>(it).unwrap()).collect::<Vec<_>>();
    if parsed(&told) != parsed(&expected) {
        fs::write(kept.with_extension("new"), &told).unwrap();
        assert_eq!(parsed(&told), parsed(&expected), "what it is now lies beside it, as `.new`");
    }
}

/// Every class that is written by this word in the sources of the gateway, but for tests.
fn written(folder: &Path, classes: &mut std::collections::BTreeSet<String>) {
    for path in fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()) {
        if path.is_dir() && path.file_name().is_some_and(|it| it != "tests") {
            written(&path, classes);
        } else if path.extension().is_some_and(|it| it == "rs") && path.file_stem().is_some_and(|it| it != "tests") {
            let text = fs::read_to_string(&path).unwrap();
            let own = text.split("#[cfg(test)]").next().unwrap();
            let named = own.split("Notice::new(\"").skip(1).filter_map(|it| it.split('"').next());
            classes.extend(named.map(str::to_owned));
        }
    }
}

#[test]
fn every_class_that_the_gateway_writes_is_a_known_one() {
    let mut classes = std::collections::BTreeSet::new();
    written(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut classes);
    assert!(classes.len() > 5, "{classes:?}");
    for class in classes {
        assert!(audit::CLASSES.contains(&class.as_str()), "{class}");
    }
}
