//! What is said of write-ahead files in which something was changed, and of what is no file at all.

use std::fs;

use audit::{AuditSettings, Before};

use crate::sample::open_as;
use crate::verify::{alter, faults, grounds, run, seal, told, whole};

/// Where the entries of the only write-ahead file begin, each with its head.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let (mut all, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        all.push(at);
        at += 12 + usize::try_from(u32::from_le_bytes(*bytes[at..].first_chunk().unwrap())).unwrap();
    }
    all
}

#[test]
fn what_was_changed_in_a_write_ahead_file_is_named_and_hides_no_other_fault() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "00", 57, Before::Nothing);
    let file = folder.path().join("wal/00000000000000000000.wal");
    let good = fs::read(&file).unwrap();
    let at = frames(&good);
    let says = |seq| format!("entry {seq} in `wal/00000000000000000000.wal` was changed");
    let held = |changed: &[usize], named: &[u64]| {
        let mut bytes = good.clone();
        for it in changed {
            bytes[*it] ^= 1;
        }
        fs::write(&file, bytes).unwrap();
        let named: Vec<String> = named.iter().map(|it| says(*it)).collect();
        faults(folder.path(), &grounds(), &named.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(told(folder.path(), &grounds()).entries, 59);
    };
    held(&[], &[]);
    // Of the length each byte, of the part of the hash, of the entry; and in two places, side by side too, and the last.
    for byte in [0, 1, 2, 3, 4, 11, 12, 40] {
        held(&[at[5] + byte], &[5]);
        held(&[at[5] + byte, at[30] + 20], &[5, 30]);
        held(&[at[5] + byte, at[6] + byte, at[58] + 20], &[5, 6, 58]);
    }
    // A cut end stays one.
    fs::write(&file, &good[..at[58] + 30]).unwrap();
    faults(folder.path(), &grounds(), &["59 entries are signed for, and there are 58: entry 58 is missing"]);
    let torn = [&*good, &good[..50]].concat();
    fs::write(&file, torn).unwrap();
    faults(folder.path(), &grounds(), &[]);
}

#[test]
fn a_write_ahead_file_that_was_changed_before_what_only_it_has_is_not_good() {
    let folder = whole();
    let file = folder.path().join("wal/00000000000000000000.wal");
    let mut bytes = fs::read(&file).unwrap();
    let at = frames(&bytes)[100];
    bytes[at + 20] ^= 1;
    fs::write(&file, bytes).unwrap();
    faults(folder.path(), &grounds(), &["entry 100 in `wal/00000000000000000000.wal` was changed"]);
}

#[test]
fn what_is_no_file_is_a_fault_that_hides_no_other_and_keeps_nobody_waiting() {
    let folder = whole();
    seal(folder.path());
    alter(folder.path(), 300);
    fs::create_dir(folder.path().join("checkpoints/zz.note")).unwrap();
    let pipe = |name: &str| {
        let path = folder.path().join(name);
        let _ = fs::remove_file(&path);
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    pipe("checkpoints/y.note");
    pipe("tile/entries/000");
    let expected = [
        "checkpoint `checkpoints/y.note` is not a signed note",
        "checkpoint `checkpoints/zz.note` is not a signed note",
        "entry 0 cannot be read: `tile/entries/000` is missing or damaged",
        "entry 300 is not the one",
    ];
    faults(folder.path(), &grounds(), &expected);
    pipe("checkpoint");
    assert!(told(folder.path(), &grounds()).faults[0].to_string().contains("`checkpoint"));
}

#[test]
fn what_is_not_named_as_a_write_ahead_file_is_none() {
    let folder = whole();
    let good = folder.path().join("wal/00000000000000000000.wal");
    for name in ["x.wal", "300.wal"] {
        fs::copy(&good, folder.path().join("wal").join(name)).unwrap();
    }
    faults(folder.path(), &grounds(), &[]);
    assert_eq!(told(folder.path(), &grounds()).entries, 700);
    drop(open_as(folder.path(), AuditSettings::default(), "01").unwrap());
}

#[test]
fn without_its_tile_a_changed_entry_of_a_write_ahead_file_is_named_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "00", 57, Before::Nothing);
    fs::remove_dir_all(folder.path().join("tile")).unwrap();
    let file = folder.path().join("wal/00000000000000000000.wal");
    let mut bytes = fs::read(&file).unwrap();
    let at = frames(&bytes);
    for entry in [5, 30] {
        bytes[at[entry] + 20] ^= 1;
    }
    fs::write(&file, bytes).unwrap();
    let expected = ["the entries up to 59 are not those of", "entry 5 in `wal/", "entry 30 in `wal/"];
    faults(folder.path(), &grounds(), &expected);
}
