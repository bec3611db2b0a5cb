//! What the doctor finds amiss, and what can be made anew of it.

use std::fs;
use std::path::Path;

use audit::{Examined, Unproven, examine, mend};

use crate::retention::{good, old_log, step_by};

/// Files that can be missing or damaged, and what is said then.
fn found(folder: &Path) -> (Vec<String>, Vec<String>, Option<u64>) {
    let Examined { bundles, tiles, broken_chain, .. } = examine(folder).unwrap();
    (bundles, tiles, broken_chain)
}

#[test]
fn a_log_that_is_whole_has_nothing_amiss() {
    let log = old_log();
    for _ in 0..2 {
        let it = examine(log.path()).unwrap();
        assert_eq!(found(log.path()), (vec![], vec![], None));
        assert_eq!((it.indexes, it.entries, it.signed), (vec![], it.signed, it.entries));
        assert!(it.newest.is_some() && it.bytes_a_day.is_some_and(|it| it > 0));
        // The same of one of which the beginning was pruned.
        step_by(log.path());
    }
    assert_eq!(examine(log.path()).unwrap().minimum, 768);
}

#[test]
fn tiles_are_made_anew_from_entries_and_from_the_hashes_of_pruned_ones() {
    let log = old_log();
    step_by(log.path());
    let tile = |name: &str| log.path().join("tile/0").join(name);
    let (missing, damaged) = (fs::read(tile("005")).unwrap(), fs::read(tile("006")).unwrap());
    fs::remove_file(tile("005")).unwrap();
    fs::write(tile("006"), &damaged[..100]).unwrap();
    assert_eq!(found(log.path()).1, ["tile/0/005", "tile/0/006"]);
    assert_eq!(mend(log.path()).unwrap(), 2);
    assert_eq!((fs::read(tile("005")).unwrap(), fs::read(tile("006")).unwrap()), (missing, damaged));
    good(log.path());
    // Nothing has the hashes of entries that were pruned but their tiles.
    fs::remove_file(tile("001")).unwrap();
    assert!(matches!(mend(log.path()), Err(Unproven::Tile(it)) if it == "tile/0/001"));
}

#[test]
fn no_tile_is_made_of_entries_that_were_not_signed_for() {
    let log = old_log();
    let bundle = log.path().join("tile/entries/002");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[300] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    fs::remove_file(log.path().join("tile/0/002")).unwrap();
    assert!(mend(log.path()).is_err());
    assert!(!log.path().join("tile/0/002").exists());
}

#[test]
fn bundles_that_are_gone_are_named() {
    let log = old_log();
    fs::remove_file(log.path().join("tile/entries/003")).unwrap();
    fs::write(log.path().join("tile/entries/004"), "x").unwrap();
    assert_eq!(found(log.path()).0, ["tile/entries/003", "tile/entries/004"]);
    // A file that begins after the one before it ends.
    let files = fs::read_dir(log.path().join("wal")).unwrap();
    let newest = files.map(|it| it.unwrap().path()).max().unwrap();
    fs::copy(&newest, log.path().join(format!("wal/{:020}.wal", 5000))).unwrap();
    assert_eq!(found(log.path()).2, Some(5000));
}

#[test]
fn what_a_write_ahead_file_has_is_made_anew_as_far_as_it_is_signed_for() {
    let folder = crate::verify::whole();
    let log = folder.path();
    for folder in ["tile/0", "tile/entries"] {
        fs::remove_dir_all(log.join(folder)).unwrap();
    }
    let it = examine(log).unwrap();
    assert_eq!(
        (it.tiles, it.derivable),
        (
            vec!["tile/0/000".to_owned(), "tile/0/001".to_owned()],
            vec!["tile/entries/000".to_owned(), "tile/entries/001".to_owned()],
        )
    );
    assert_eq!(mend(log).unwrap(), 4);
    let told = crate::verify::told(log, &crate::verify::grounds());
    assert!(told.faults.is_empty() && told.remarks.is_empty(), "{:?} {:?}", told.faults, told.remarks);
    let it = examine(log).unwrap();
    assert!(it.tiles.is_empty() && it.derivable.is_empty() && it.bundles.is_empty());
}

#[test]
fn silence_within_a_run_is_found_by_both_who_look() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path();
    let at = |seconds: i64| domain::Timestamp::from_seconds(1_790_000_000 + seconds);
    let (open, found) = crate::sample::open_as(log, audit::AuditSettings::default(), "00").unwrap();
    let _ = open.note(&audit::Notice::start(at(0), found.before, 0));
    for beat in (1..600).filter(|it| !(300..310).contains(it)) {
        let _ = open.note(&audit::Notice::new("heartbeat", at(10 * beat)));
    }
    let _ = open.note(&audit::Notice::stop(at(6000)));
    drop(open);
    let told = crate::verify::told(log, &crate::verify::grounds());
    let says = "between entries 299 and 300 the gateway gave no sign of life for 110 s";
    assert!(told.faults.is_empty(), "{:?}", told.faults);
    assert_eq!(told.remarks, [says]);
    let (first, count) = examine(log).unwrap().silences.unwrap();
    assert_eq!((first.to_string().as_str(), count), (says, 1));
}
