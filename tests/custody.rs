//! What the gateway must keep beside its log: what becomes of it is said, undone where it can be, and never passed over.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use acceptance::{Key, Request, World, until};
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const SOON: Duration = Duration::from_mins(1);

fn subjects(world: &World) -> PathBuf {
    world.gateway.data().join("secrets/subjects")
}

/// A service account of this name asks something, with a key of its own. Gives its id.
fn ask(world: &World, tenant: &str, name: &str) -> String {
    let words = ["service-accounts", "create", "--api", "novastraxis", "--tenant", tenant, "--name", name];
    let made = world.gateway.json(&[&words[..], &["--roles", "member"]].concat());
    let id = made["id"].as_str().expect("an id").to_owned();
    let key: Key = world.key_with("novastraxis", tenant, &["compute"], &["--owner", &id]);
    let _ = world.ask(&Request::get(NSX, "/v2/compute/instances").bearer(&key.text)).expect(200);
    id
}

/// The entries that say this of the log itself, the newest last.
fn controls(world: &World, action: &str) -> Vec<Value> {
    let mut entries = world.gateway.entries().whole();
    entries.retain(|it| it["class"] == "audit.control" && it["action"] == action);
    entries
}

/// What the doctor finds wrong.
fn faults(world: &World) -> Vec<String> {
    let told = world.gateway.command(&["audit", "doctor", "--output", "json"]);
    let told: Value = serde_json::from_str(&told.out).expect("findings");
    let findings = told["findings"].as_array().expect("a list").iter();
    let faults = findings.filter(|it| it["state"] == "fault");
    faults.map(|it| it["what"].as_str().expect("a name").to_owned()).collect()
}

/// Tries to start, which must be refused in these words.
#[track_caller]
fn refused(world: &World, words: &str) {
    let refused = world.gateway.command(&["serve"]);
    assert!(refused.code != 0 && refused.errors.contains(words), "{refused:?}");
}

#[test]
fn a_start_says_that_keys_of_people_are_gone() {
    let mut world = World::start();
    let tenant = world.tenant("novastraxis");
    for name in ["alice", "bob"] {
        let _ = ask(&world, &tenant, name);
    }
    assert!(world.gateway.stop().success());
    let said = |world: &World| controls(world, "start").last().map(|it| it["subjects"].clone());
    let whole = fs::read_to_string(subjects(&world)).expect("keys");
    let first = whole.split_inclusive('\n').next().expect("a key");
    let cut: String = whole.chars().take(whole.len() - 20).collect();
    for lacking in ["", first, &cut] {
        fs::write(subjects(&world), lacking).expect("fewer keys");
        assert_eq!(faults(&world), ["subjects"]);
        world.gateway.start_again();
        assert_eq!(said(&world), Some("missing".into()), "{lacking}");
        assert!(world.gateway.process().log().contains("nobody can read what they have sealed"));
        assert!(world.gateway.stop().success());
        fs::write(subjects(&world), &whole).expect("the keys");
        world.gateway.start_again();
        assert_eq!(said(&world), Some(Value::Null));
        assert!(world.gateway.stop().success());
    }
}

#[test]
fn keys_of_people_that_are_written_over_beneath_a_running_gateway_are_put_back() {
    let world = World::start();
    let tenant = world.tenant("novastraxis");
    let _ = ask(&world, &tenant, "alice");
    let older = fs::read(subjects(&world)).expect("keys");
    let _ = ask(&world, &tenant, "bob");
    let mut whole = fs::read(subjects(&world)).expect("keys");
    for (bytes, times) in [(&b""[..], 1), (b"garbage\n", 2), (&older, 3)] {
        fs::write(subjects(&world), bytes).expect("something else");
        until("the keys to be back", SOON, || (fs::read(subjects(&world)).ok()? == whole).then_some(()));
        until("the entry", SOON, || (controls(&world, "restored").len() == times).then_some(()));
    }
    // Whoever comes just then is neither refused nor forgotten.
    fs::write(subjects(&world), "").expect("nothing");
    let _ = ask(&world, &tenant, "eve");
    let now = fs::read(subjects(&world)).expect("keys");
    assert!(now.starts_with(&whole) && now.len() > whole.len());
    whole = now;
    until("the entry", SOON, || (controls(&world, "restored").len() == 4).then_some(()));
    assert_eq!((fs::read(subjects(&world)).expect("keys"), world.gateway.ask_admin("/readyz").status), (whole, 200));
}

#[test]
fn who_was_erased_stays_so_though_an_older_copy_of_the_keys_is_put_back() {
    let mut world = World::start();
    let (tenant, other) = (world.tenant("novastraxis"), world.new_tenant("globex"));
    let [alice, _] = [&tenant, &other].map(|it| ask(&world, it, "alice"));
    let older = fs::read_to_string(subjects(&world)).expect("keys");
    let erased = world.gateway.command(&["audit", "erase", "--tenant", &tenant, "--subject", &alice]);
    assert_eq!(erased.code, 0, "{erased:?}");
    assert_eq!(world.gateway.command(&["audit", "hold", "--name", "matter"]).code, 0);
    assert!(world.gateway.stop().success());
    let left = fs::read_to_string(subjects(&world)).expect("keys");
    // Whose deed it was is lost with it: what is destroyed once more nobody has asked for.
    let (before, asked) = left.split_once(",\"asked\":").expect("whose deed it was");
    let left = format!("{before}{}", asked.split_once('}').expect("its end").1);
    fs::write(subjects(&world), &older).expect("an older copy");
    assert_eq!(faults(&world), ["subjects"]);
    // A legal hold comes first; the start says it all the same.
    world.gateway.start_again();
    let undone = |world: &World| controls(world, "start").last().map(|it| it["undone"].clone());
    assert_eq!((undone(&world), fs::read_to_string(subjects(&world)).expect("keys")), (Some(1.into()), older));
    assert_eq!(world.gateway.command(&["audit", "hold", "--name", "matter", "--release"]).code, 0);
    world.gateway.restart();
    assert_eq!((undone(&world), fs::read_to_string(subjects(&world)).expect("keys")), (Some(1.into()), left));
    let entries = world.gateway.entries().of_kind(2, |it| it["class"] == "subject.erased");
    let said: Vec<_> = entries.iter().map(|it| (it["action"].clone(), it["facts"]["key"].clone())).collect();
    assert_eq!(said, [(json!("erase"), said[0].1.clone()), (json!("erase_again"), said[0].1.clone())]);
    assert_eq!(faults(&world), Vec::<String>::new());
    world.gateway.restart();
    assert_eq!(undone(&world), Some(Value::Null));
    world.gateway.entries().assert_sound();
}

#[test]
fn what_was_carried_out_just_before_a_crash_is_entered_as_done() {
    let mut world = World::start();
    let tenant = world.tenant("novastraxis");
    let alice = ask(&world, &tenant, "alice");
    assert!(world.gateway.stop().success());
    let _ = world.gateway.command(&["audit", "erase", "--tenant", &tenant, "--subject", &alice]);
    let _ = world.gateway.command(&["audit", "hold", "--name", "matter"]);
    // As a run leaves it that is killed once both are done, and before it has entered them.
    let all = "SELECT json_group_array(json_object('number', number, 'deed', json(deed))) FROM deeds";
    let deeds: Value = serde_json::from_str(&sql(&world.gateway.data().join("portcullis.db"), all)).expect("deeds");
    let of = |class: &str| {
        let all = deeds.as_array().expect("a list").iter();
        all.clone().find(|it| it["deed"]["class"] == class).expect("the deed").clone()
    };
    let (erasure, hold) = (of("subject.erased"), of("legal_hold.change"));
    let key: Value = serde_json::from_str(&fs::read_to_string(subjects(&world)).expect("keys")).expect("one key");
    let asked = json!({ "number": erasure["number"], "time": erasure["deed"]["time"] });
    let line = json!({ "erased": key["id"], "asked": asked });
    fs::write(subjects(&world), format!("{line}\n")).expect("the key is gone");
    let holds = world.gateway.data().join("audit/holds");
    fs::create_dir(&holds).expect("a folder");
    let placed = json!({ "actor": hold["deed"]["actor"], "since": hold["deed"]["time"] });
    fs::write(holds.join("matter"), placed.to_string()).expect("the hold");
    world.gateway.start_again();
    let entered = |class: &str| world.gateway.entries().of_kind(1, |it| it["class"] == class).remove(0);
    let erased = entered("subject.erased");
    assert_eq!((&erased["outcome"], &erased["facts"]["key"]), (&json!("done"), &key["id"]), "{erased:#}");
    assert_eq!(entered("legal_hold.change")["outcome"], "done");
    world.gateway.entries().assert_sound();
}

#[test]
fn no_other_key_goes_on_with_a_log_whose_own_is_missing() {
    let mut world = World::start();
    assert!(world.gateway.stop().success());
    let secrets = world.gateway.data().join("secrets");
    let (key, kept) = (secrets.join("audit.key"), world.folder().join("kept"));
    fs::rename(&key, &kept).expect("the key");
    for anchored in [true, false] {
        refused(&world, "the key that signed this log is missing: put it back");
        assert!(faults(&world).contains(&"signing key".to_owned()));
        assert!(!key.exists(), "another one was drawn");
        if anchored {
            fs::rename(secrets.join("audit.newest"), world.folder().join("newest")).expect("what was signed for");
        }
    }
    fs::rename(world.folder().join("newest"), secrets.join("audit.newest")).expect("what was signed for");
    fs::write(&key, "ab".repeat(32)).expect("another key");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("the rights to it");
    refused(&world, "the key that signed this log is another one");
    fs::rename(&kept, &key).expect("the key");
    world.gateway.start_again();
    world.gateway.entries().assert_sound();
}

#[test]
fn what_others_may_read_or_change_is_not_started_with() {
    let mut world = World::start();
    let _ = ask(&world, &world.tenant("novastraxis"), "alice");
    assert!(world.gateway.stop().success());
    let data = world.gateway.data();
    for (name, mode, right) in [
        ("", 0o777, 0o700),
        ("secrets", 0o750, 0o700),
        ("portcullis.db", 0o666, 0o600),
        ("secrets/subjects", 0o640, 0o600),
    ] {
        let path = data.join(name);
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("its rights");
        refused(&world, &format!("has mode {mode:o}"));
        refused(&world, &format!("chmod {right:o}"));
        assert!(faults(&world).contains(&"secrets".to_owned()), "{name}");
        assert_eq!(world.gateway.command(&["audit", "doctor", "--fix"]).code, 0, "{name}");
        assert_eq!(fs::metadata(&path).expect("it").permissions().mode() & 0o777, right, "{name}");
    }
    world.gateway.start_again();
}

#[test]
fn a_deed_that_was_taken_away_before_it_was_entered_is_missed() {
    let mut world = World::start();
    let _ = world.new_tenant("before");
    world.gateway.catch_up();
    assert!(world.gateway.stop().success());
    for name in ["one", "two", "three", "four"] {
        assert_eq!(world.gateway.command(&["tenants", "create", "--name", name]).code, 0);
    }
    // The first of them and the third.
    let script = "import sqlite3, sys\n\
        with sqlite3.connect(sys.argv[1]) as db:\n    \
        numbers = [it for it, in db.execute('SELECT number FROM deeds ORDER BY number')]\n    \
        db.executemany('DELETE FROM deeds WHERE number = ?', [(numbers[0],), (numbers[2],)])\n";
    let done = Command::new("python3").args(["-c", script]).arg(world.gateway.data().join("portcullis.db")).status();
    assert!(done.is_ok_and(|it| it.success()));
    world.gateway.start_again();
    let gaps = until("both gaps", SOON, || Some(controls(&world, "gap")).filter(|it| it.len() == 2));
    let numbers = |it: &Value| (it["first"].as_u64().expect("a number"), it["end"].as_u64().expect("a number"));
    let [first, second] = [numbers(&gaps[0]), numbers(&gaps[1])];
    assert_eq!((first.1, second), (first.0 + 1, (first.0 + 2, first.0 + 3)), "{gaps:#?}");
    let verified = world.gateway.command(&["audit", "verify"]);
    assert!(
        verified.out.contains("were never entered") || verified.errors.contains("were never entered"),
        "{verified:?}"
    );
    // Said once, and nothing else is missing.
    world.gateway.crash();
    world.gateway.catch_up();
    assert_eq!(controls(&world, "gap").len(), 2);
    world.gateway.entries().assert_sound();
}

/// Puts the files of a database in the place of another.
fn put_back(copy: &Path, at: &Path) {
    for name in ["portcullis.db", "portcullis.db-wal", "portcullis.db-shm"] {
        let (from, to) = (copy.join(name), at.join(name));
        let _ = fs::remove_file(&to);
        if from.exists() {
            let _ = fs::copy(&from, &to).expect("a copy");
        }
    }
}

/// Leaves at the end of the newest write-ahead file what a crash leaves there. Says how many bytes that is.
fn torn(files: &Path) -> usize {
    let all = fs::read_dir(files).expect("a folder").map(|it| it.expect("a file").path());
    let newest = all.filter(|it| it.extension().is_some_and(|it| it == "wal")).max().expect("a file");
    let half = b"half an entry";
    let mut file = fs::OpenOptions::new().append(true).open(newest).expect("the file");
    std::io::Write::write_all(&mut file, half).expect("an end");
    half.len()
}

/// What a key is answered.
fn listed(world: &World, key: &Key) -> u16 {
    world.ask(&Request::get(NSX, "/v2/compute/instances").bearer(&key.text)).status
}

/// Revokes a key, and keeps the database of before that in a folder.
fn revoked_after_a_copy(world: &mut World, key: &Key) -> PathBuf {
    let older = world.folder().join("older");
    fs::create_dir(&older).expect("a folder");
    assert!(world.gateway.stop().success());
    put_back(&world.gateway.data(), &older);
    world.gateway.start_again();
    assert_eq!(world.gateway.command(&["api-keys", "revoke", &key.id]).code, 0);
    world.gateway.catch_up();
    assert_eq!(listed(world, key), 401);
    older
}

#[test]
fn a_database_that_is_older_than_the_log_is_not_gone_on_with_until_somebody_means_it() {
    let mut world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let older = revoked_after_a_copy(&mut world, &key);
    let (data, newest) = (world.gateway.data(), world.folder().join("newest"));
    fs::create_dir(&newest).expect("a folder");
    assert!(world.gateway.stop().success());
    put_back(&data, &newest);

    let older_words = "the database is older than the audit log";
    for name in ["portcullis.db", "portcullis.db-wal", "portcullis.db-shm"] {
        let _ = fs::remove_file(data.join(name));
    }
    refused(&world, "the database is missing");
    for words in [&["api-keys", "list"][..], &["tenants", "create", "--name", "one"], &["audit", "query"]] {
        let told = world.gateway.command(words);
        assert!(told.code == 2 && told.errors.contains("the database is missing"), "{told:?}");
    }
    assert!(!data.join("portcullis.db").exists(), "an empty one would pass for the one that was lost");
    put_back(&older, &data);
    // Nor is anything changed in it: a start of its own would draw the key that is missing, and keep a deed of that.
    let database = data.join("portcullis.db");
    let counted = "SELECT (SELECT count(*) FROM token_keys) || ' ' || (SELECT count(*) FROM deeds)";
    assert_eq!(sql(&database, "DELETE FROM token_keys"), "");
    let before = sql(&database, counted);
    refused(&world, older_words);
    assert!(before.starts_with("0 ") && sql(&database, counted) == before, "{before}");
    put_back(&older, &data);
    // Each of these is a deed of its own, which would take the number of one that is missing.
    for _ in 0..6 {
        assert_eq!(faults(&world), ["deeds"]);
    }
    refused(&world, older_words);
    let dry = world.gateway.command(&["audit", "accept-database", "--dry-run"]);
    assert!(dry.code == 1 && dry.out.contains(&key.id) && dry.out.contains("action=revoke"), "{dry:?}");
    refused(&world, older_words);
    put_back(&newest, &data);
    world.gateway.start_again();
    assert_eq!((listed(&world, &key), faults(&world)), (401, Vec::<String>::new()));
    let running = world.gateway.command(&["audit", "accept-database"]);
    assert!(running.code == 2 && running.errors.contains("stop it first"), "{running:?}");
    assert!(world.gateway.stop().success());

    put_back(&older, &data);
    // What a start has found of the log that is refused after that, the next one says.
    let torn = torn(&data.join("audit/wal"));
    refused(&world, older_words);
    let accepted = world.gateway.command(&["audit", "accept-database", "--output", "json"]);
    let told: Value = serde_json::from_str(&accepted.out).expect("what is missing");
    let revoked = told["missing"].as_array().expect("a list").iter().any(|it| it["key"] == key.id.as_str());
    assert!(accepted.code == 0 && told["status"] == "accepted" && revoked, "{accepted:?}");
    let again = world.gateway.command(&["audit", "accept-database"]);
    assert!(again.code == 1 && again.out.contains("nothing to accept"), "{again:?}");
    // Before a gateway starts, somebody does again what was undone.
    assert_eq!(world.gateway.command(&["api-keys", "revoke", &key.id]).code, 0);
    world.gateway.start_again();
    world.gateway.catch_up();
    assert_eq!(listed(&world, &key), 401);
    let start = controls(&world, "start").pop().expect("an entry");
    assert_eq!((&start["torn"], &start["before"]), (&torn.into(), &"stop".into()), "{start:#}");
    let entered = until("the entry", SOON, || controls(&world, "accept_database").pop());
    assert!(entered["facts"]["last"].is_string() && entered["actor"].is_string(), "{entered:#}");
    assert_eq!((controls(&world, "gap").len(), faults(&world)), (0, Vec::new()));
    world.gateway.entries().assert_sound();
}

#[test]
fn a_database_that_is_replaced_beneath_a_running_gateway_brings_nothing_back() {
    let mut world = World::start();
    let (key, other) = (world.key("novastraxis", &["compute"]), world.key("novastraxis", &["compute"]));
    let older = revoked_after_a_copy(&mut world, &key);
    let (data, aside) = (world.gateway.data(), world.folder().join("aside"));
    fs::create_dir(&aside).expect("a folder");
    // Another file in its place: what commands do there would never come into force.
    fs::rename(data.join("portcullis.db"), aside.join("portcullis.db")).expect("the database");
    let _ = fs::copy(older.join("portcullis.db"), data.join("portcullis.db")).expect("an older one");
    until("it to be noticed", SOON, || (world.gateway.ask_admin("/readyz").status == 503).then_some(()));
    assert_eq!(listed(&world, &key), 401);
    assert!(world.gateway.process().log().contains("was taken away, or another file put in its place"));
    fs::rename(aside.join("portcullis.db"), data.join("portcullis.db")).expect("the database");
    until("it to be well", SOON, || (world.gateway.ask_admin("/readyz").status == 200).then_some(()));
    assert_eq!(listed(&world, &key), 401);

    // No command says that it is done where the gateway does not act by it.
    put_back(&older, &data);
    until("it to be noticed again", SOON, || (world.gateway.ask_admin("/readyz").status == 503).then_some(()));
    let told = world.gateway.command(&["api-keys", "revoke", &other.id]);
    assert!(told.code == 2 && listed(&world, &other) == 200, "{told:?}");
    assert_eq!(faults(&world), ["deeds"]);
}

/// What a statement gives in the database of a gateway that does not run.
fn sql(database: &Path, statement: &str) -> String {
    let script = "import sqlite3, sys\n\
        it = sqlite3.connect(sys.argv[1], timeout=30)\n\
        print(*(row[0] for row in it.execute(sys.argv[2])), end='')\n\
        it.commit()\n";
    let told = Command::new("python3").args(["-c", script]).arg(database).arg(statement).output().expect("an answer");
    assert!(told.status.success(), "{told:?}");
    String::from_utf8_lossy(&told.stdout).into_owned()
}

/// Writes one database over another where that lies, as a program for copies of databases does.
fn restore_in_place(from: &Path, over: &Path) {
    let script = "import sqlite3, sys\n\
        sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2], timeout=30))\n";
    let done = Command::new("python3").args(["-c", script]).args([from, over]).status();
    assert!(done.is_ok_and(|it| it.success()), "the database cannot be restored");
}

#[test]
fn an_older_database_that_is_restored_in_place_is_not_gone_on_with_however_much_is_done_in_it() {
    let mut world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let older = revoked_after_a_copy(&mut world, &key);
    let (newest, database) = (world.folder().join("newest.db"), world.gateway.data().join("portcullis.db"));
    restore_in_place(&database, &newest);
    restore_in_place(&older.join("portcullis.db"), &database);
    until("it to be noticed", SOON, || (world.gateway.ask_admin("/readyz").status == 503).then_some(()));
    // Deeds of their own, as many as are missing and more.
    for _ in 0..4 {
        let _ = world.gateway.command(&["audit", "query", "--last", "1"]);
    }
    let made = world.gateway.command(&["tenants", "create", "--name", "one"]);
    assert!(made.code == 2, "{made:?}");
    assert_eq!((world.gateway.ask_admin("/readyz").status, listed(&world, &key)), (503, 401));
    assert_eq!(faults(&world), ["deeds"]);
    restore_in_place(&newest, &database);
    until("it to be well", SOON, || (world.gateway.ask_admin("/readyz").status == 200).then_some(()));
    assert_eq!((listed(&world, &key), faults(&world)), (401, Vec::new()));
    world.gateway.entries().assert_sound();
}

#[test]
fn a_secret_that_is_taken_away_beneath_a_running_gateway_is_missed_at_once() {
    let world = World::start();
    let secrets = world.gateway.data().join("secrets");
    for (times, name) in ["master.key", "audit.key", "identity.key", "pepper.v1"].into_iter().enumerate() {
        let file = secrets.join(name);
        let kept = world.folder().join("kept");
        fs::rename(&file, &kept).expect("a secret");
        let told =
            until("it to be missed", SOON, || Some(world.gateway.ask_admin("/readyz")).filter(|it| it.status == 503));
        let name = file.strip_prefix(world.gateway.data()).expect("within").display().to_string();
        assert!(told.text().contains(&name), "{told}");
        assert!(!file.exists(), "another one was drawn");
        fs::rename(&kept, &file).expect("the secret");
        until("all to be well", SOON, || (world.gateway.ask_admin("/readyz").status == 200).then_some(()));
        let entered =
            until("the entries", SOON, || Some(controls(&world, "restored")).filter(|it| it.len() == times + 1));
        assert_eq!((controls(&world, "missing").len(), &entered[times]["what"]), (times + 1, &json!(name)));
    }
    world.gateway.entries().assert_sound();
}
