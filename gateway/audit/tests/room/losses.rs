//! Whatever file of a running log others take away or change is noticed: put back where what it held is held elsewhere, and
//! said where not, until it is back.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use audit::cosignature::{Cosigner, keep_cosigned, place_cosigned};
use audit::{
    Age, AuditSettings, Author, Hold, HoldName, Log, Notice, RetentionSettings, UnderWay, newest, place_hold, prune,
    release_hold,
};
use domain::SystemClock;
use tempfile::TempDir;

use crate::rotation::{rotated, signer as of_seed};
use crate::sample::signer;
use crate::trouble::{NOW, open, restored, running, said, until, verified};

const PATIENCE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// A running log of 600 entries, of which the first 512 are in bundles alone.
async fn sealed() -> (TempDir, PathBuf, Log) {
    let (folder, log, open) = running();
    seal(&log, &open).await;
    (folder, log, open)
}

async fn seal(log: &Path, open: &Log) {
    open.seal(PATIENCE).await.unwrap();
    until("the end of the write-ahead file", || fs::read_dir(log.join("wal")).unwrap().count() == 1);
}

/// What another program does that puts a file in the place of one.
fn replace(file: &Path, bytes: &[u8]) {
    let copy = file.with_file_name("a.copy");
    fs::write(&copy, bytes).unwrap();
    fs::rename(copy, file).unwrap();
}

/// Meddles with a file that can be made anew, and holds the log to having it again.
#[track_caller]
fn is_put_back(log: &Path, open: &Log, name: &str, meddle: impl FnOnce(&Path)) {
    let (file, times) = (log.join(name), restored(log).len());
    let before = fs::read(&file).unwrap();
    meddle(&file);
    until(name, || restored(log).len() == times + 1);
    assert_eq!(restored(log).last().unwrap(), name);
    assert!(fs::read(&file).unwrap() == before, "`{name}` is another one");
    assert!(open.writable().is_ok() && open.missing().is_none(), "{:?}", open.missing());
}

/// Meddles with a file that nobody has once more, holds the log to saying so, and puts it back.
#[track_caller]
fn is_said(log: &Path, open: &Log, name: &str, meddle: impl FnOnce(&Path)) {
    let file = log.join(name);
    let before = fs::read(&file).unwrap();
    meddle(&file);
    until(name, || open.missing().is_some_and(|it| it.contains(name)));
    until("the entry", || said(log, "missing", "file").last().is_some_and(|it| it == name));
    assert!(open.writable().is_ok(), "entries go on");
    replace(&file, &before);
    until("its return", || open.missing().is_none() && restored(log).last().is_some_and(|it| it == name));
}

fn request() -> UnderWay {
    let [id, api, operation] = ["req_1", "novastraxis", "createThing"].map(str::to_owned);
    UnderWay { id, time: NOW, api, operation, tenant: None, key: None }
}

fn remove(file: &Path) {
    fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn what_is_held_elsewhere_is_put_back() {
    let (_folder, log, open) = sealed().await;
    for name in ["vkey", "tile/0/000", "tile/0/001", "inflight", "reserve"] {
        is_put_back(&log, &open, name, remove);
    }
    let under_way = open.send_on(&request()).await.unwrap();
    is_put_back(&log, &open, "inflight", |file| fs::write(file, b"").unwrap());
    is_put_back(&log, &open, "inflight", |file| fs::write(file, vec![0; 1024]).unwrap());
    is_put_back(&log, &open, "inflight", remove);
    open.leave(under_way);
    for name in ["vkey", "tile/0/000"] {
        is_put_back(&log, &open, name, |file| replace(file, b"another"));
        is_put_back(&log, &open, name, |file| fs::write(file, b"another").unwrap());
    }
    drop(open);
    assert_eq!(verified(&log).signed, verified(&log).entries);
}

#[test]
fn a_bundle_that_a_write_ahead_file_still_holds_is_put_back() {
    let (_folder, log, open) = running();
    is_put_back(&log, &open, "tile/entries/000", remove);
    is_put_back(&log, &open, "tile/entries/001", |file| replace(file, b"another"));
    drop(open);
    assert_eq!(verified(&log).signed, verified(&log).entries);
}

#[tokio::test]
async fn what_is_held_nowhere_else_is_said_until_it_is_back() {
    let (_folder, log, open) = sealed().await;
    is_said(&log, &open, "tile/entries/000", remove);
    is_said(&log, &open, "tile/entries/001", |file| replace(file, b"another"));
    let elsewhere = log.with_extension("elsewhere");
    is_said(&log, &open, "tile/entries/001", |file| {
        fs::rename(file, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, file).unwrap();
    });
    is_said(&log, &open, "tile/entries/001", |file| fs::write(file, b"another").unwrap());
    let note = fs::read_dir(log.join("checkpoints")).unwrap().next().unwrap().unwrap().file_name();
    is_said(&log, &open, &format!("checkpoints/{}", note.to_str().unwrap()), remove);
    drop(open);
    assert_eq!(verified(&log).signed, verified(&log).entries);
}

#[tokio::test]
async fn a_checkpoint_that_witnesses_stand_for_is_known_again() {
    let (_folder, log, open) = sealed().await;
    let (note, stated) = newest(&log).unwrap();
    let witness = Cosigner::from_seed("witness.example", &[1; 32]).unwrap();
    let text = signer().verifier().open(&note).unwrap().to_owned();
    let cosigned = note + &witness.cosign(&text, NOW);
    place_cosigned(&log, &cosigned).unwrap();
    keep_cosigned(&log, &cosigned, stated.size).unwrap();
    for name in ["checkpoint.cosigned".to_owned(), format!("checkpoints/{}.cosigned", stated.size)] {
        for at in [3, 90] {
            is_said(&log, &open, &name, |file| {
                let mut bytes = fs::read(file).unwrap();
                bytes[at] ^= 1;
                fs::write(file, bytes).unwrap();
            });
        }
        is_said(&log, &open, &name, remove);
    }
    drop(open);
    assert_eq!(verified(&log).signed, verified(&log).entries);
}

#[test]
fn a_checkpoint_of_the_key_before_is_known_again() {
    let folder = tempfile::tempdir().unwrap();
    rotated(folder.path());
    let author = Author { node: "test".to_owned(), boot: "d".to_owned() };
    let settings = AuditSettings { checkpoint_ms: 10, reserve_bytes: 0, ..AuditSettings::default() };
    let clock = Arc::new(SystemClock::new());
    let (open, _) = Log::open(folder.path(), settings, of_seed(2), author, clock).unwrap();
    let notes = fs::read_dir(folder.path().join("checkpoints")).unwrap().flatten();
    let older = |it: &PathBuf| of_seed(2).verifier().open(&fs::read_to_string(it).unwrap()).is_err();
    let note = notes.map(|it| it.path()).find(older).unwrap();
    let name = note.strip_prefix(folder.path()).unwrap().to_str().unwrap();
    is_said(folder.path(), &open, name, |file| fs::write(file, "another").unwrap());
}

#[tokio::test]
async fn where_the_log_begins_is_nobody_elses_to_say() {
    let (_folder, log, open) = sealed().await;
    fs::write(log.join("minimum"), "512\n").unwrap();
    until("the end of the first bundles", || open.missing().is_some_and(|it| it.contains("minimum")));
    fs::remove_file(log.join("minimum")).unwrap();
    until("the beginning", || open.missing().is_none());
    assert_eq!(said(&log, "missing", "file"), ["minimum"]);
}

#[tokio::test]
async fn a_folder_that_is_moved_away_is_said_until_it_is_back() {
    let (folder, log, open) = sealed().await;
    // Once this is noticed, the folder is listened to.
    is_put_back(&log, &open, "tile/0/000", remove);
    let (tiles, elsewhere) = (log.join("tile/0"), folder.path().join("elsewhere"));
    fs::rename(&tiles, &elsewhere).unwrap();
    until("the missing folder", || open.missing().is_some_and(|it| it.contains("tile/0")));
    // The log goes on meanwhile, and makes a new one.
    until("the folder", || fs::remove_dir_all(&tiles).is_ok() && fs::rename(&elsewhere, &tiles).is_ok());
    until("its return", || open.missing().is_none() && restored(&log).last().is_some_and(|it| it == "tile/0"));
    is_put_back(&log, &open, "tile/0/000", remove);
    drop(open);
    drop(self::open(&log, "01"));
    assert_eq!(verified(&log).signed, verified(&log).entries);
}

#[tokio::test]
async fn what_the_log_does_itself_is_not_taken_for_that_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit");
    // So that these folders are listened to from the beginning.
    for it in ["holds", "kept"] {
        fs::create_dir_all(log.join(it)).unwrap();
    }
    let open = open(&log, "00");
    let fill = async || {
        for number in 0..900 {
            let _ = open.note(&Notice::new("heartbeat", NOW).with("number", number));
        }
        seal(&log, &open).await;
    };
    fill().await;
    let (name, hold) = ("case".parse::<HoldName>().unwrap(), Hold { tenant: None, actor: "a".to_owned(), since: NOW });
    assert!(place_hold(&log, &name, &hold).unwrap() && release_hold(&log, &name, &hold).unwrap());
    let settings = RetentionSettings::of_days(1, 30).unwrap();
    let pruned = prune(&open, &settings, "test", Age::by_clock(NOW + 2 * DAY), PATIENCE).await.unwrap().unwrap();
    assert!(pruned.end > 0 && pruned.kept > 0, "{pruned:?}");
    fill().await;
    while prune(&open, &settings, "test", Age::by_clock(NOW + 60 * DAY), PATIENCE).await.unwrap().is_some() {}
    assert_eq!(fs::read_dir(log.join("kept")).unwrap().count(), 0, "nothing kept has gone");
    // What is heard comes in the order in which it was done.
    is_put_back(&log, &open, "vkey", remove);
    assert!(place_hold(&log, &name, &hold).unwrap());
    is_said(&log, &open, "holds/case", remove);
    let files = (restored(&log), said(&log, "missing", "file"));
    assert_eq!(files, (vec!["vkey".to_owned(), "holds/case".to_owned()], vec!["holds/case".to_owned()]));
}

#[tokio::test]
async fn what_was_done_while_nobody_listened_is_found_on_the_round() {
    let (folder, log, open) = sealed().await;
    drop(open);
    let (bundle, other) = ("tile/entries/000", "tile/entries/001");
    let (whole, kept) = (fs::read(log.join(other)).unwrap(), folder.path().join("kept"));
    fs::rename(log.join(bundle), &kept).unwrap();
    let mut changed = whole.clone();
    changed[100] ^= 1;
    fs::write(log.join(other), changed).unwrap();
    let open = self::open(&log, "01");
    until("both to be missed", || said(&log, "missing", "file") == [bundle, other]);
    assert!(open.missing().is_some_and(|it| it.contains("2 files")) && open.writable().is_ok());
    fs::rename(&kept, log.join(bundle)).unwrap();
    fs::write(log.join(other), whole).unwrap();
    until("nothing to be missing", || open.missing().is_none());
    until("both to be said", || restored(&log) == [bundle, other]);
    drop(open);
    assert_eq!(verified(&log).signed, verified(&log).entries);
}
