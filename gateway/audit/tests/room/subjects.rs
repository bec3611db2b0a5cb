//! What the log says of the keys that seal, and what is found of a file that lacks some.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use audit::{Asked, AuditSettings, Author, Custody, LastSaid, Log, Notice, Shortfall, SubjectKeys, Subjects};
use domain::{Clock as _, Random, SystemClock, Timestamp};
use serde_json::json;

use crate::sample::signer;

/// Nobody's keys, each another one.
#[derive(Debug, Default)]
struct Counting(std::sync::atomic::AtomicU8);

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    }
}

fn now() -> Timestamp {
    SystemClock::new().now().wall
}

fn open(home: &Path) -> Log {
    let author = Author { node: "test".to_owned(), boot: "b".to_owned() };
    let subjects = Subjects::open(&home.join("subjects")).unwrap();
    let custody = Custody { signer: signer(), subjects, anchor: None };
    let settings = AuditSettings { reserve_bytes: 0, wal_bytes: 1 << 20, ..AuditSettings::default() };
    Log::open(&home.join("audit"), settings, custody, author, Arc::new(SystemClock::new())).unwrap().0
}

fn beat(log: &Log) {
    let _ = log.note(&Notice::new("heartbeat", now()).with("subjects", log.subjects().roll().said()));
}

/// What somebody has asked with a key.
fn sealed(log: &Log, key: &str) {
    let _ = log.note(&Notice::new("request.completed", now()).with("sealed", json!({ "key": key, "text": "" })));
}

fn erase(log: &Log, name: &str) -> String {
    let asked = Asked { number: 1, time: now() };
    let key = log.subjects().erase("acme", name, asked).unwrap().unwrap();
    let entry = Notice::new("subject.erased", now()).with("action", "erase").with("outcome", "done");
    let _ = log.note(&entry.with("facts", json!({ "key": key })));
    key
}

fn found(home: &Path) -> Shortfall {
    let log = home.join("audit");
    SubjectKeys::read(&home.join("subjects")).unwrap().held_to(&LastSaid::of(&log).unwrap(), &log).unwrap()
}

#[test]
fn where_no_sign_of_life_is_among_what_a_start_reads_that_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    beat(&log);
    // More than is looked through, and than the last write-ahead file has.
    for _ in 0..300 * 256 {
        let _ = log.note(&Notice::control("scan", now()));
    }
    drop(log);
    assert!(!LastSaid::of(&folder.path().join("audit")).unwrap().is_heard());
}

#[test]
fn a_file_of_keys_that_was_emptied_shortened_or_cut_is_found_by_the_signs_of_life() {
    let folder = tempfile::tempdir().unwrap();
    let (home, random) = (folder.path(), Counting::default());
    let file = home.join("subjects");
    let log = open(home);
    for name in ["ann", "bob", "eve"] {
        let _ = log.subjects().key("acme", name, &random).unwrap();
    }
    let _ = erase(&log, "bob");
    assert!(LastSaid::of(&home.join("audit")).unwrap().is_heard(), "there never was one");
    beat(&log);
    // Many say nothing of anybody since.
    for _ in 0..600 {
        let _ = log.note(&Notice::control("scan", now()));
    }
    drop(log);
    let whole = fs::read_to_string(&file).unwrap();
    assert!(LastSaid::of(&home.join("audit")).unwrap().is_heard());
    assert_eq!(found(home), Shortfall::default());
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let other = whole.replacen("\"id\":\"00", "\"id\":\"ff", 1);
    let cut: String = whole.chars().take(whole.len() - 20).collect();
    let lacking = ["", &lines[..2].concat(), &lines[1..].concat(), &cut, &other];
    for text in lacking {
        fs::write(&file, text).unwrap();
        assert!(found(home).is_lost, "{text}");
    }
    // What was drawn after the last sign of life is known by what it sealed.
    fs::write(&file, &whole).unwrap();
    let log = open(home);
    let late = log.subjects().key("acme", "late", &random).unwrap();
    sealed(&log, &late.seal(&[0; 16], "", "", None).unwrap().key);
    drop(log);
    assert_eq!(found(home), Shortfall::default());
    fs::write(&file, &whole).unwrap();
    assert!(found(home).is_lost);
}

#[test]
fn a_key_that_was_destroyed_and_is_there_again_is_found() {
    for says_so in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (home, random) = (folder.path(), Counting::default());
        let file = home.join("subjects");
        let log = open(home);
        for name in ["ann", "bob"] {
            let _ = log.subjects().key("acme", name, &random).unwrap();
        }
        drop(log);
        let older = fs::read(&file).unwrap();
        let log = open(home);
        beat(&log);
        let key = erase(&log, "bob");
        if says_so {
            beat(&log);
        }
        drop(log);
        assert_eq!(found(home), Shortfall::default());
        fs::write(&file, older).unwrap();
        let undone = HashSet::from([key]);
        assert_eq!(found(home), Shortfall { is_lost: false, undone: undone.clone() });
        let log = open(home);
        assert_eq!((log.subjects().erase_keys(&undone).unwrap(), log.subjects().erase_keys(&undone).unwrap()), (1, 0));
        assert!(log.subjects().known("acme", "ann").is_some() && log.subjects().known("acme", "bob").is_none());
        drop(log);
        assert_eq!(found(home), Shortfall::default());
    }
}
