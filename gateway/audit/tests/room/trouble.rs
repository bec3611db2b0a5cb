//! What happens to the files beneath a running log is noticed, and mended where nothing is lost.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use audit::cosignature::{keep_cosigned, place_cosigned};
use audit::{
    AuditSettings, Entries, Grounds, Hold, Lifetime, Log, Notice, OpenError, UnderWay, Verified, is_being_written,
    newest, place_hold, verify, view,
};
use domain::{Clock as _, SystemClock, Tick, Timestamp};
use tempfile::TempDir;

use crate::sample::{open_as, signer};

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// How long noticing and mending may take on a busy machine.
const SOON: Duration = Duration::from_secs(20);

pub(crate) fn open(folder: &Path, boot: &str) -> Log {
    let settings = AuditSettings { checkpoint_ms: 10, reserve_bytes: 1 << 16, ..AuditSettings::default() };
    let (log, found) = open_as(folder, settings, boot).unwrap();
    let _ = log.note(&Notice::start(NOW, found.before, found.torn));
    log
}

#[track_caller]
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let clock = SystemClock::new();
    while !holds() {
        assert!(clock.tick().since(Tick::default()) < SOON, "{what} did not come");
        std::thread::yield_now();
    }
}

/// A running log of 600 entries, all of them signed for.
pub(crate) fn running() -> (TempDir, PathBuf, Log) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit");
    let open = open(&log, "00");
    for number in 0..599 {
        let _ = open.note(&Notice::new("heartbeat", NOW).with("number", number));
    }
    until("a checkpoint of all", || signed(&log) == Some(600));
    (folder, log, open)
}

pub(crate) fn verified(log: &Path) -> Verified {
    let found = verify(log, &Grounds::only(signer().verifier())).unwrap();
    assert!(found.faults.is_empty(), "{:?}", found.faults);
    found
}

/// How many entries the newest checkpoint speaks of.
fn signed(log: &Path) -> Option<u64> {
    fs::read_to_string(log.join("checkpoint")).ok()?.lines().nth(1)?.parse().ok()
}

pub(crate) fn wal(log: &Path) -> PathBuf {
    fs::read_dir(log.join("wal")).unwrap().map(|it| it.unwrap().path()).max().unwrap()
}

/// What the log says was put back.
pub(crate) fn restored(log: &Path) -> Vec<String> {
    said(log, "restored", "what")
}

/// What a field of its entries of this action says.
pub(crate) fn said(log: &Path, action: &str, field: &str) -> Vec<String> {
    // Where older ones are missing, those of the newest file.
    let files = fs::read_dir(log.join("wal")).into_iter().flatten().map(|it| it.unwrap().path());
    let newest = files.filter_map(|it| it.file_name()?.to_str()?.strip_suffix(".wal")?.parse().ok()).max();
    let all = [0, newest.unwrap_or(0)].into_iter().flat_map(|first| Entries::from(log, first).map_while(Result::ok));
    let all: BTreeMap<u64, Vec<u8>> = all.collect();
    let entries = all.values().map(|bytes| view(bytes).unwrap());
    let told = entries.filter(|it| it.get("action").is_some_and(|it| it == action));
    told.map(|it| it.get(field).unwrap().as_str().unwrap().to_owned()).collect()
}

/// Meddles with a running log, and holds it to losing nothing.
#[track_caller]
fn survives(meddle: impl FnOnce(&Path), what: &str) {
    let (_folder, log, open) = running();
    meddle(&log);
    until("what was missing", || {
        let whole = Entries::from(&log, 0).all(|it| it.is_ok());
        whole && restored(&log).iter().any(|it| it.contains(what)) && open.writable().is_ok()
    });
    let _ = open.note(&Notice::new("heartbeat", NOW).with("number", 599));
    drop(open);
    assert_eq!((verified(&log).entries, verified(&log).signed), (602, 602));
    drop(self::open(&log, "01"));
    let numbers = Entries::from(&log, 0).filter_map(|it| view(&it.unwrap().1).unwrap().get("number")?.as_u64());
    assert!(numbers.eq(0..=599), "an entry is missing");
}

#[test]
fn a_write_ahead_file_that_is_removed_is_written_again() {
    survives(|log| fs::remove_file(wal(log)).unwrap(), "write-ahead");
}

#[test]
fn a_write_ahead_file_that_is_replaced_is_written_again() {
    let replace = |log: &Path| {
        let file = wal(log);
        let bytes = fs::read(&file).unwrap();
        fs::write(log.join("copy"), &bytes[..bytes.len() / 2]).unwrap();
        fs::rename(log.join("copy"), &file).unwrap();
    };
    survives(replace, "write-ahead");
}

#[test]
fn a_write_ahead_file_that_is_cut_is_written_again() {
    let cut = |log: &Path| fs::OpenOptions::new().write(true).open(wal(log)).unwrap().set_len(10).unwrap();
    survives(cut, "write-ahead");
}

#[test]
fn a_write_ahead_file_that_others_write_to_is_written_again() {
    let append = |log: &Path| {
        let mut file = fs::OpenOptions::new().append(true).open(wal(log)).unwrap();
        file.write_all(b"rubbish").unwrap();
    };
    survives(append, "write-ahead");
    let change = |log: &Path| {
        let file = fs::OpenOptions::new().write(true).open(wal(log)).unwrap();
        file.write_all_at(b"x", 5_000).unwrap();
    };
    survives(change, "write-ahead");
}

#[test]
fn what_others_write_into_a_file_that_grows_is_noticed() {
    let (_folder, log, open) = running();
    let file = fs::OpenOptions::new().write(true).open(wal(&log)).unwrap();
    file.write_all_at(b"x", 5_000).unwrap();
    drop(file);
    until("what was changed", || {
        let _ = open.note(&Notice::new("heartbeat", NOW).with("number", 0));
        restored(&log).iter().any(|it| it.contains("write-ahead")) && open.writable().is_ok()
    });
    drop(open);
    assert_eq!(verified(&log).signed, verified(&log).entries);
}

#[test]
fn a_file_that_nobody_wrote_ahead_misleads_no_reader() {
    let (_folder, log, open) = running();
    let stray = log.join("wal/00000000000000009984.wal");
    fs::write(&stray, "rubbish").unwrap();
    until("the stray file", || !stray.exists() && restored(&log).iter().any(|it| it.ends_with("9984.wal")));
    drop(open);
    assert_eq!(verified(&log).signed, verified(&log).entries);
    drop(self::open(&log, "01"));
}

#[test]
fn a_checkpoint_that_is_removed_or_changed_is_signed_again() {
    let (_folder, log, open) = running();
    fs::remove_file(log.join("checkpoint")).unwrap();
    until("another checkpoint", || signed(&log).is_some_and(|it| 600 <= it) && open.writable().is_ok());
    // One letter of it, in place.
    let (path, whole) = (log.join("checkpoint"), restored(&log).len());
    let mut other = fs::read(&path).unwrap();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&path, &other).unwrap();
    until("the right one", || fs::read(&path).unwrap() != other && restored(&log).len() == whole + 1);
    drop(open);
    assert_eq!(verified(&log).signed, verified(&log).entries);
}

#[test]
fn a_folder_that_is_replaced_stops_the_log_until_it_is_back() {
    let (folder, log, open) = running();
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(&log, &elsewhere).unwrap();
    until("the missing folder", || open.trouble().is_some_and(|it| it.contains("folder")));
    assert!(open.writable().is_err());
    assert!(!log.join("wal").exists(), "a second log was begun");
    let _ = fs::remove_dir_all(&log);
    fs::rename(&elsewhere, &log).unwrap();
    until("the folder", || open.writable().is_ok() && restored(&log).len() == 1);
    drop(open);
    assert_eq!(verified(&log).signed, verified(&log).entries);
}

#[test]
fn nobody_makes_the_folder_of_a_log_that_was_moved_away() {
    let (folder, log, open) = running();
    let (note, stated) = newest(&log).unwrap();
    let (home, elsewhere) = (open.home(), folder.path().join("elsewhere"));
    assert_eq!(home.folder().unwrap(), log);
    fs::rename(&log, &elsewhere).unwrap();
    assert!(home.folder().is_err());
    let hold = Hold { tenant: None, actor: "a".to_owned(), since: NOW };
    assert!(place_cosigned(&log, &note).is_err() && keep_cosigned(&log, &note, stated.size).is_err());
    assert!(Lifetime::default().put(&log).is_err() && place_hold(&log, &"case".parse().unwrap(), &hold).is_err());
    assert!(!log.exists());
    // Another one in its place is not ours.
    fs::create_dir(&log).unwrap();
    assert!(home.folder().is_err());
    until("the missing folder", || open.trouble().is_some_and(|it| it.contains("folder")));
    assert_eq!(fs::read_dir(&log).unwrap().count(), 0);
    fs::remove_dir(&log).unwrap();
    fs::rename(&elsewhere, &log).unwrap();
    until("the folder", || open.writable().is_ok());
    assert_eq!(home.folder().unwrap(), log);
}

#[tokio::test]
async fn what_was_lost_is_said_by_every_start_until_that_is_certain() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit");
    let request = UnderWay {
        id: "a1".to_owned(),
        time: NOW,
        api: "api".to_owned(),
        operation: "operation".to_owned(),
        tenant: None,
        key: None,
    };
    let settings = || AuditSettings { reserve_bytes: 0, ..AuditSettings::default() };
    let (dead, _) = open_as(&log, settings(), "00").unwrap();
    let _ = dead.send_on(&request).await.unwrap();
    drop(dead);
    // One start after another dies before it has said so.
    for boot in ["01", "02"] {
        let (_, found) = open_as(&log, settings(), boot).unwrap();
        assert_eq!(found.lost, std::slice::from_ref(&request));
    }
    let (said, found) = open_as(&log, settings(), "03").unwrap();
    said.note_lost(&found.lost);
    drop(said);
    assert_eq!(open_as(&log, settings(), "04").unwrap().1.lost, []);
    let lost = Entries::from(&log, 0).filter(|it| view(&it.as_ref().unwrap().1).unwrap()["class"] == "request.lost");
    assert_eq!(lost.count(), 1);
}

#[test]
fn a_lock_that_is_removed_or_replaced_is_put_back_and_lets_no_other_in() {
    let (_folder, log, open) = running();
    let lock = log.join("LOCK");
    for meddle in [(|lock| fs::remove_file(lock).unwrap()) as fn(&Path), |lock| {
        fs::remove_file(lock).unwrap();
        fs::write(lock, "").unwrap();
    }] {
        let times = restored(&log).len();
        meddle(&lock);
        let second = open_as(&log, AuditSettings::default(), "01");
        assert!(matches!(second, Err(OpenError::Taken(_))), "a second one writes");
        assert!(is_being_written(&log).unwrap());
        until("the lock", || restored(&log).len() == times + 1 && open.writable().is_ok());
        assert!(lock.exists());
    }
    drop(open);
    assert!(!is_being_written(&log).unwrap());
    assert_eq!(verified(&log).signed, verified(&log).entries);
}

#[test]
fn a_lock_that_somebody_else_has_stops_the_log_until_they_let_go_of_it() {
    let (_folder, log, open) = running();
    let draft = log.join("LOCK.theirs");
    let theirs = fs::File::create(&draft).unwrap();
    theirs.try_lock().unwrap();
    fs::rename(draft, log.join("LOCK")).unwrap();
    until("the missing lock", || open.writable().is_err());
    assert!(open.trouble().unwrap().contains("lock"), "{:?}", open.trouble());
    drop(theirs);
    until("the lock", || open.writable().is_ok());
    drop(open);
    assert_eq!(verified(&log).signed, verified(&log).entries);
}

#[test]
fn what_a_process_left_that_died_over_its_files_goes_with_the_next_start() {
    let (_folder, log, open) = running();
    drop(open);
    let drafts = [
        "wal/00000000000000000512.wal.new",
        "checkpoints/512.note.new",
        "minimum.new",
        "index/000000000.7-ThreadId(9).new",
        "tile/entries/001.new",
        "tile/entries/002.p/87.new",
        "tile/0/002.new",
        "tile/0/002.p/87.new",
        "tile/1/000.p/2.new",
    ];
    for name in drafts {
        fs::create_dir_all(log.join(name).parent().unwrap()).unwrap();
        fs::write(log.join(name), "half of it").unwrap();
    }
    let kept = log.join("wal/00000000000000000512.wal.stray");
    fs::write(&kept, "evidence").unwrap();
    drop(self::open(&log, "01"));
    let left: Vec<_> = drafts.into_iter().filter(|it| log.join(it).exists()).collect();
    assert!(left.is_empty() && kept.exists(), "{left:?}");
    assert_eq!(verified(&log).signed, verified(&log).entries);
}
