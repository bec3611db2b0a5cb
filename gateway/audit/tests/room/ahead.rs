//! What is said of write-ahead files in which something was changed, and of what is no file at all.

use std::fs;

use audit::{AuditSettings, Before, Entries};

use crate::sample::{copy, open_as};
use crate::verify::{alter, faults, grounds, run, seal, told, whole};

/// Where the entries of the only write-ahead file begin, each with its head.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let (mut all, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        all.push(at);
        at += 28 + usize::try_from(u32::from_le_bytes(*bytes[at..].first_chunk().unwrap())).unwrap();
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
    // Of the length each byte, of the part of the hash, of the tag, of the entry; and in two places, side by side too, and the last.
    for byte in [0, 1, 2, 3, 4, 11, 12, 27, 28, 60] {
        held(&[at[5] + byte], &[5]);
        held(&[at[5] + byte, at[30] + 20], &[5, 30]);
        held(&[at[5] + byte, at[6] + byte, at[58] + 20], &[5, 6, 58]);
    }
    // A cut end stays one.
    fs::write(&file, &good[..at[58] + 40]).unwrap();
    faults(folder.path(), &grounds(), &["59 entries are signed for, and there are 58: entry 58 is missing"]);
    let torn = [&*good, &good[..60]].concat();
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

/// What somebody may put between entries: nonsense, short and long, and what looks like the beginning of an entry.
fn rubbish(bytes: &[u8], at: &[usize]) -> Vec<Vec<u8>> {
    let head = bytes[at[7]..at[7] + 28].to_vec();
    vec![b"x".to_vec(), vec![0xa5; 100], vec![0; 70_000], head]
}

#[test]
fn what_was_put_between_entries_is_named_once_and_costs_none_of_them() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "00", 298, Before::Nothing);
    run(folder.path(), "01", 48, Before::Stop);
    let file = "wal/00000000000000000000.wal";
    let good = fs::read(folder.path().join(file)).unwrap();
    let at = frames(&good);
    for rubbish in rubbish(&good, &at) {
        for entry in [1, 256, 300, 349] {
            let log = copy(folder.path());
            let bytes = [&good[..at[entry]], &rubbish, &good[at[entry]..]].concat();
            fs::write(log.path().join(file), bytes).unwrap();
            let says = format!("{} bytes before entry {entry} in `{file}` were put there", rubbish.len());
            faults(log.path(), &grounds(), &[&says]);
            assert_eq!(told(log.path(), &grounds()).entries, 350);
            let (open, recovered) = open_as(log.path(), AuditSettings::default(), "02").unwrap();
            let found = (recovered.next, recovered.torn, recovered.inserted, recovered.before);
            assert_eq!(found, (350, 0, rubbish.len() as u64, Before::Stop));
            drop(open);
            faults(log.path(), &grounds(), &[]);
            let entries: Vec<Vec<u8>> = Entries::from(log.path(), 0).map(|it| it.unwrap().1).collect();
            let written: Vec<Vec<u8>> = Entries::from(folder.path(), 0).map(|it| it.unwrap().1).collect();
            assert!(entries == written, "an entry is another one");
        }
    }
}

#[test]
fn what_was_put_between_entries_that_are_not_signed_for_costs_none_of_them() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "00", 57, Before::Nothing);
    let file = folder.path().join("wal/00000000000000000000.wal");
    let good = fs::read(&file).unwrap();
    let at = frames(&good);
    for kept in ["checkpoint", "checkpoints"] {
        let _ = fs::remove_file(folder.path().join(kept));
        let _ = fs::remove_dir_all(folder.path().join(kept));
    }
    let held = |bytes: Vec<u8>, next: u64, (torn, beyond): (u64, u64), inserted: u64| {
        let log = copy(folder.path());
        let file = log.path().join("wal/00000000000000000000.wal");
        fs::write(&file, &bytes).unwrap();
        fs::write(file.with_extension("stray"), b"of an earlier time").unwrap();
        let remarks = told(log.path(), &grounds()).remarks.join("; ");
        assert_eq!(remarks.contains(&format!("{beyond} whole entries stand after")), beyond > 0, "{remarks}");
        let (_, recovered) = open_as(log.path(), AuditSettings::default(), "01").unwrap();
        let found = (recovered.next, recovered.torn, recovered.beyond, recovered.inserted);
        assert_eq!(found, (next, torn, beyond, inserted));
        let kept = |name: &str| fs::read(file.with_extension(name)).ok();
        assert_eq!(kept("1.stray"), (beyond + inserted > 0).then_some(bytes), "what was found is kept");
        assert_eq!((kept("stray"), kept("2.stray")), (Some(b"of an earlier time".to_vec()), None));
    };
    held([&good[..at[30]], b"rubbish", &good[at[30]..]].concat(), 59, (0, 0), 7);
    held(good[..at[30] + 5].to_vec(), 30, (5, 0), 0);
    // Where something is missing as well, or was changed, nobody knows whether what comes after it was ever certain.
    let (cut, rest) = ([&good[..at[30]], b"rubbish"].concat(), good[at[31]..].to_vec());
    let torn = 7 + rest.len() as u64;
    held([cut, rest].concat(), 30, (torn, 28), 0);
    let mut changed = good.clone();
    changed[at[30] + 60] ^= 1;
    held(changed, 30, ((good.len() - at[30]) as u64, 28), 0);
}
