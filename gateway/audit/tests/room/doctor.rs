//! What the doctor finds amiss, and what can be made anew of it.

use std::fs;
use std::path::Path;

use audit::{Examined, OpenError, SoleWriter, Unproven, examine};

use crate::retention::{good, old_log, step_by};

/// Files that can be missing or damaged, and what is said then.
fn found(folder: &Path) -> (Vec<String>, Vec<String>, Option<u64>) {
    let Examined { bundles, tiles, broken_chain, .. } = examine(folder).unwrap();
    (bundles, tiles, broken_chain)
}

/// Makes anew what can be.
pub(crate) fn mend(log: &Path) -> Result<u64, Unproven> {
    audit::mend(&SoleWriter::take(log).unwrap().unwrap())
}

#[test]
fn who_mends_a_log_and_who_writes_it_keep_each_other_out() {
    let log = old_log();
    let writer = SoleWriter::take(log.path()).unwrap().unwrap();
    assert!(matches!(crate::sample::open(log.path()), Err(OpenError::Taken(_))));
    assert!(SoleWriter::take(log.path()).unwrap().is_none());
    assert_eq!(audit::mend(&writer).unwrap(), 0);
    drop(writer);
    let running = crate::sample::open(log.path()).unwrap();
    assert!(SoleWriter::take(log.path()).unwrap().is_none());
    drop(running);
    assert!(SoleWriter::take(log.path()).unwrap().is_some());
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

#[test]
fn a_tile_with_one_other_bit_is_blamed_by_all_who_look_and_made_anew() {
    let folder = crate::verify::whole();
    let log = folder.path();
    crate::verify::seal(log);
    let name = "tile/0/001";
    let whole = fs::read(log.join(name)).unwrap();
    let flip = || {
        let mut bytes = whole.clone();
        bytes[100] ^= 1;
        fs::write(log.join(name), bytes).unwrap();
    };
    let read = || fs::read(log.join(name)).unwrap();
    flip();
    let it = examine(log).unwrap();
    assert_eq!((it.tiles.as_slice(), it.unlike), (&[name.to_owned()][..], false));
    let query = |seq| audit::Query::new(log, seq, audit::Filter::default(), audit::Way::Scan).unwrap().next().unwrap();
    for seq in [258, 260] {
        let refused = audit::prove_entry(log, seq).unwrap_err();
        assert!(matches!(&refused, Unproven::Tile(it) if it == name), "{refused}");
        let refused = audit::hold_to_newest(log, &[query(seq).unwrap()]).unwrap_err();
        assert!(matches!(&refused, Unproven::Tile(it) if it == name), "{refused}");
    }
    assert_eq!(mend(log).unwrap(), 1);
    assert!(read() == whole && audit::prove_entry(log, 260).is_ok());
    // A start makes it anew, whether bits of it are others, it is cut, or gone.
    for damage in 0..3 {
        match damage {
            0 => flip(),
            1 => fs::write(log.join(name), &whole[..100]).unwrap(),
            _ => fs::remove_file(log.join(name)).unwrap(),
        }
        let (open, found) = crate::sample::open(log).unwrap();
        assert_eq!(found.mended, [name]);
        drop(open);
        assert!(read() == whole);
    }
    // Not where the entries are others: nothing is derived from those, and no tile is blamed.
    crate::verify::alter(log, 300);
    let it = examine(log).unwrap();
    assert_eq!((it.tiles.as_slice(), it.unlike), (&[][..], true));
    let refused = audit::prove_entry(log, 300).unwrap_err();
    assert!(matches!(refused, Unproven::Altered(300)), "{refused}");
    flip();
    assert!(crate::sample::open(log).is_err() && mend(log).is_ok());
    assert!(read() != whole);
    fs::remove_file(log.join(name)).unwrap();
    assert!(matches!(mend(log), Err(Unproven::Unlike)));
}

#[test]
fn deeds_that_were_never_entered_are_remarked_upon() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path();
    let then = domain::Timestamp::from_seconds(1_790_000_000);
    let (open, found) = crate::sample::open_as(log, audit::AuditSettings::default(), "00").unwrap();
    let _ = open.note(&audit::Notice::start(then, found.before, 0));
    let deed = domain::Deed::new(domain::DeedClass::Tenant, "create", "os:root", then);
    // What was entered before a crash comes again.
    for number in [3, 4, 5, 4, 5, 7, 8, 11] {
        let _ = open.note(&audit::Notice::deed(number, &deed));
    }
    let _ = open.note(&audit::Notice::stop(then));
    drop(open);
    assert_eq!(audit::LastSaid::of(log).unwrap().deed, Some(11));
    let told = crate::verify::told(log, &crate::verify::grounds());
    let says =
        |seq, first, last| format!("before entry {seq} deeds {first} to {last} of the registry were never entered");
    assert_eq!((told.faults.len(), told.remarks), (0, vec![says(6, 6, 6), says(8, 9, 10)]));
}
