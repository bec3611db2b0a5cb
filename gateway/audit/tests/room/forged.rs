//! Whoever can write to the folder and has no key adds nothing that is signed for.

use std::fs;
use std::path::Path;

use audit::note::Signer;
use audit::{AuditSettings, Author, Entries, Log, Recovered, view};
use domain::SystemClock;
use serde_json::{Value, json};

use crate::handmade::{encode, frame, frame_by};
use crate::sample::{append, entry, open, signer};

/// The only write-ahead file of a short log.
fn ahead(log: &Path) -> std::path::PathBuf {
    log.join("wal/00000000000000000000.wal")
}

/// An entry that this run could have written next.
fn next_of(last: &Value, class: &str) -> Vec<u8> {
    let seq = last["node_seq"].as_u64().unwrap() + 1;
    let forged = json!({
        "action": "revoke", "boot": last["boot"], "class": class, "node": last["node"], "node_seq": seq, "schema": 1,
        "time": last["time"],
    });
    let mut bytes = Vec::new();
    encode(&forged, &mut bytes);
    bytes
}

fn views(log: &Path) -> Vec<Value> {
    Entries::from(log, 0).map(|it| view(&it.unwrap().1).unwrap()).collect()
}

/// Starts and ends a run, and gives what it found.
fn started(log: &Path) -> Recovered {
    let (running, found) = open(log).unwrap();
    drop(running);
    found
}

#[test]
fn what_somebody_adds_behind_the_end_is_no_entry_and_is_named_and_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), 3);
    let before = views(folder.path());
    let mut bytes = fs::read(ahead(folder.path())).unwrap();
    let good = bytes.len();
    let forged = next_of(before.last().unwrap(), "key.change");
    frame_by(2, before.len() as u64, &forged, &mut bytes);
    let found = bytes.clone();
    fs::write(ahead(folder.path()), &bytes).unwrap();
    let recovered = started(folder.path());
    assert_eq!((recovered.next, recovered.torn), (before.len() as u64, 0));
    assert_eq!(recovered.inserted, (bytes.len() - good) as u64);
    assert_eq!(views(folder.path())[..before.len()], before);
    assert!(views(folder.path()).iter().all(|it| it["class"] != "key.change"));
    assert_eq!(fs::read(ahead(folder.path()).with_extension("stray")).unwrap(), found, "the evidence");
}

#[test]
fn what_was_written_once_is_not_written_again_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), 3);
    let good = fs::read(ahead(folder.path())).unwrap();
    let count = views(folder.path()).len() as u64;
    fs::write(ahead(folder.path()), [&*good, &*good].concat()).unwrap();
    let recovered = started(folder.path());
    assert_eq!((recovered.next, recovered.inserted), (count, good.len() as u64));
}

#[test]
fn an_entry_that_was_written_anew_takes_no_place_and_those_after_it_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (seed, mut bytes) = (json!({ "boot": "00", "node": "test", "node_seq": 0, "time": 5 }), Vec::new());
    let mut all = vec![seed];
    for seq in 0..5 {
        let mine = next_of(all.last().unwrap(), "x");
        all.push(view(&mine).unwrap());
        // The third is another's.
        if seq == 2 { frame_by(2, seq, &mine, &mut bytes) } else { frame(seq, &mine, &mut bytes) }
    }
    fs::create_dir(folder.path().join("wal")).unwrap();
    fs::write(ahead(folder.path()), &bytes).unwrap();
    let recovered = started(folder.path());
    assert_eq!((recovered.next, recovered.torn), (4, 0));
    assert!(0 < recovered.inserted);
    let left: Vec<_> = views(folder.path()).iter().map(|it| it["node_seq"].clone()).collect();
    assert_eq!(left, [1, 2, 4, 5].map(Value::from));
    // They have other numbers now, and tags that say so.
    assert_eq!(started(folder.path()).inserted, 0);
}

#[test]
fn a_tag_that_was_changed_is_found_while_the_log_is_written() {
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), 3);
    let mut bytes = fs::read(ahead(folder.path())).unwrap();
    bytes[15] ^= 1;
    fs::write(ahead(folder.path()), &bytes).unwrap();
    let refused = open(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("the checkpoint speaks of"), "{refused}");
}

#[test]
fn what_the_key_before_has_written_is_ours_while_another_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), 300);
    let heir = || Signer::from_seed("portcullis/test", &[2; 32]).unwrap();
    let opened = |signer: Signer, boot: &str| {
        let author = Author { node: "test".to_owned(), boot: boot.to_owned() };
        let settings = AuditSettings { reserve_bytes: 0, stall_ms: 60_000, ..AuditSettings::default() };
        Log::open(folder.path(), settings, signer, author, std::sync::Arc::new(SystemClock::new()))
    };
    let (log, found) = opened(heir().after(&[1; 32]).unwrap(), "b").unwrap();
    let _ = log.append(&entry("/later"));
    drop(log);
    assert_eq!((found.next, found.inserted), (300, 0));
    let (log, found) = opened(heir(), "c").unwrap();
    drop(log);
    assert_eq!((found.next, found.inserted), (301, 0));
    assert!(opened(signer(), "d").is_err(), "the one before signs nothing any more");
}
