//! What is said of a log: which entry is wrong, who stands for which of them, and that one fault hides no other.

use std::fs;
use std::path::Path;
use std::time::Duration;

use audit::cosignature::{Cosigner, Quorum, keep_cosigned, place_cosigned};
use audit::note::Checkpoint;
use audit::{AuditSettings, Before, Broken, Grounds, Log, Notice, Verdict, Verified, newest, verify};
use domain::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::sample::{entry, open_as, signer};

const THEN: Timestamp = Timestamp::from_seconds(1_000);

fn cosigner(seed: u8) -> Cosigner {
    Cosigner::from_seed("witness.example", &[seed; 32]).unwrap()
}

pub(crate) fn grounds() -> Grounds {
    Grounds::only(signer().verifier())
}

/// One run of a gateway: its beginning, so many requests, and its end.
pub(crate) fn run(folder: &Path, boot: &str, requests: usize, before: Before) {
    let (log, _) = open_as(folder, AuditSettings::default(), boot).unwrap();
    log.note(&Notice::start(THEN, before, 0));
    append(&log, requests);
    log.note(&Notice::stop(THEN));
}

fn append(log: &Log, requests: usize) {
    (0..requests).for_each(|it| {
        let _ = log.append(&entry(&format!("/{it}")));
    });
}

/// A log of 700 entries in one run.
pub(crate) fn whole() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "00", 698, Before::Nothing);
    folder
}

pub(crate) fn told(folder: &Path, grounds: &Grounds) -> Verified {
    verify(folder, grounds).unwrap()
}

#[track_caller]
pub(crate) fn faults(folder: &Path, grounds: &Grounds, expected: &[&str]) {
    let found = told(folder, grounds);
    let says: Vec<String> = found.faults.iter().map(ToString::to_string).collect();
    assert_eq!(says.len(), expected.len(), "{says:#?}");
    for (says, expected) in says.iter().zip(expected) {
        assert!(says.contains(expected), "{says:#?}");
    }
}

/// Changes a byte of the entry with this number, in its bundle.
pub(crate) fn alter(folder: &Path, seq: usize) {
    let file = folder.join(format!("tile/entries/{:03}", seq / 256));
    let mut bytes = fs::read(&file).unwrap();
    let mut at = 0;
    for _ in 0..seq % 256 {
        at += 2 + usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    }
    let status = bytes[at..].windows(6).position(|it| it == b"status").unwrap();
    bytes[at + status + 8] ^= 1;
    fs::write(file, bytes).unwrap();
}

/// Leaves in the write-ahead file only what is in no whole bundle, as after a day of use.
pub(crate) fn seal(folder: &Path) {
    let (file, later) = (folder.join("wal/00000000000000000000.wal"), folder.join("wal/00000000000000000512.wal"));
    let bytes = fs::read(&file).unwrap();
    let mut at = 0;
    for _ in 0..512 {
        at += 28 + usize::try_from(u32::from_le_bytes(*bytes[at..].first_chunk().unwrap())).unwrap();
    }
    fs::write(later, &bytes[at..]).unwrap();
    fs::remove_file(file).unwrap();
}

/// Cosigns the newest checkpoint, and puts it in place.
fn witness(folder: &Path, by: &[&Cosigner], now: Timestamp) -> String {
    let (note, stated) = newest(folder).unwrap();
    let text = signer().verifier().open(&note).unwrap().to_owned();
    let cosigned = by.iter().fold(note, |note, it| note + &it.cosign(&text, now));
    place_cosigned(folder, &cosigned).unwrap();
    keep_cosigned(folder, &cosigned, stated.size).unwrap();
    cosigned
}

#[test]
fn every_entry_that_was_changed_is_named_and_none_that_was_not() {
    let folder = whole();
    let good = told(folder.path(), &grounds());
    assert_eq!((good.entries, good.signed, good.witnessed, good.first_bad()), (700, 700, None, None));
    assert_eq!(good.signed_at, Some(THEN));
    for seq in [3, 255, 256, 400] {
        alter(folder.path(), seq);
    }
    let found = told(folder.path(), &grounds());
    let named: Vec<Option<u64>> = found.faults.iter().map(Broken::entry).collect();
    assert_eq!(named, [Some(3), Some(255), Some(256), Some(400)], "{found:#?}");
    assert!(found.faults.iter().all(|it| matches!(it, Broken::Altered { .. })), "{found:#?}");
    assert_eq!(found.first_bad(), Some(3));
    let judged = [Verdict::Integrity, Verdict::AppendOnly, Verdict::Completeness].map(|it| found.is_good(it));
    assert_eq!(judged, [false, true, true]);
}

#[test]
fn a_tile_that_was_changed_is_told_from_an_entry_that_was() {
    let folder = whole();
    let tile = folder.path().join("tile/0/001");
    let mut bytes = fs::read(&tile).unwrap();
    bytes[40] ^= 1;
    fs::write(&tile, &bytes).unwrap();
    faults(folder.path(), &grounds(), &["tile `tile/0/001` is not that of entries 256 to 511"]);
    bytes.truncate(100);
    fs::write(&tile, &bytes).unwrap();
    faults(folder.path(), &grounds(), &["tile `tile/0/001` is not that of entries 256 to 511"]);
    // Then nothing says which of the two it was that was changed.
    fs::remove_file(&tile).unwrap();
    alter(folder.path(), 300);
    faults(folder.path(), &grounds(), &["the entries up to 700 are not those of the checkpoint `checkpoint`"]);
}

/// The files of a log that are not whole.
const EDGE: [(&str, &str); 3] = [
    ("tile/entries/002.p/188", "bundle `tile/entries/002.p/188` does not hold entries 512 to 699"),
    ("tile/0/002.p/188", "tile `tile/0/002.p/188` is not that of entries 512 to 699"),
    ("tile/1/000.p/2", "tile `tile/1/000.p/2` is not that of entries 0 to 511"),
];

#[test]
fn a_tile_of_the_newest_checkpoint_that_is_not_whole_is_held_to_it_and_named() {
    let folder = whole();
    for (name, says) in EDGE {
        let file = folder.path().join(name);
        let bytes = fs::read(&file).unwrap();
        let mut flipped = bytes.clone();
        flipped[45] ^= 1;
        for changed in [flipped, vec![0; bytes.len()], bytes[..33].to_vec(), [&*bytes, b"0"].concat()] {
            fs::write(&file, changed).unwrap();
            faults(folder.path(), &grounds(), &[says]);
        }
        // After a power cut it may be empty, and a gateway that goes on takes it away.
        fs::write(&file, "").unwrap();
        faults(folder.path(), &grounds(), &[]);
        fs::remove_file(&file).unwrap();
        faults(folder.path(), &grounds(), &[]);
        fs::write(&file, bytes).unwrap();
    }
    // Those of no checkpoint that is the newest say nothing.
    fs::write(folder.path().join("tile/0/002.p/20"), "x").unwrap();
    faults(folder.path(), &grounds(), &[]);
}

#[test]
fn a_bundle_that_cannot_be_read_hides_no_other_fault() {
    let folder = whole();
    seal(folder.path());
    let file = folder.path().join("tile/entries/000");
    let mut bytes = fs::read(&file).unwrap();
    // The length of the third entry.
    let mut at = 0;
    for _ in 0..2 {
        at += 2 + usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    }
    bytes[at] ^= 1;
    fs::write(&file, bytes).unwrap();
    alter(folder.path(), 300);
    faults(
        folder.path(),
        &grounds(),
        &[
            "entry 2 cannot be read: `tile/entries/000` is missing or damaged",
            "entry 300 is not the one that was signed for",
        ],
    );
}

#[test]
fn a_bundle_that_is_gone_hides_no_other_fault() {
    let folder = whole();
    seal(folder.path());
    fs::remove_file(folder.path().join("tile/entries/000")).unwrap();
    alter(folder.path(), 300);
    let expected = ["entry 0 cannot be read: `tile/entries/000` is missing", "entry 300 is not the one"];
    faults(folder.path(), &grounds(), &expected);
    assert_eq!(told(folder.path(), &grounds()).entries, 700);
}

#[test]
fn of_what_is_not_what_was_signed_for_no_proof_is_made() {
    let folder = whole();
    seal(folder.path());
    alter(folder.path(), 300);
    let refused = audit::prove_entry(folder.path(), 300).unwrap_err();
    assert!(matches!(refused, audit::Unproven::Altered(300)), "{refused}");
    assert!(audit::prove_entry(folder.path(), 301).is_ok());
    let found = |seq| audit::Query::new(folder.path(), seq, audit::Filter::default(), audit::Way::Scan).unwrap().next();
    let altered = found(300).unwrap().unwrap();
    assert!(audit::hold_to_newest(folder.path(), &[altered]).is_err());
    assert!(audit::hold_to_newest(folder.path(), &[found(301).unwrap().unwrap()]).is_ok());
}

#[test]
fn what_a_start_makes_anew_is_remarked_upon_and_no_fault() {
    let folder = whole();
    fs::remove_file(folder.path().join("tile/entries/000")).unwrap();
    fs::write(folder.path().join("tile/entries/001"), "").unwrap();
    fs::remove_file(folder.path().join("tile/0/001")).unwrap();
    let found = told(folder.path(), &grounds());
    assert_eq!(found.faults, []);
    let named = ["tile/entries/000", "tile/entries/001", "tile/0/001"];
    assert_eq!(found.remarks.len(), named.len(), "{:?}", found.remarks);
    assert!(named.iter().all(|name| found.remarks.iter().any(|it| it.contains(name))), "{:?}", found.remarks);
}

#[test]
fn a_newest_checkpoint_that_is_gone_is_a_fault_and_an_older_one_in_its_place_is_told() {
    let folder = whole();
    let newest = folder.path().join("checkpoint");
    let older = fs::read(&newest).unwrap();
    run(folder.path(), "01", 5, Before::Stop);
    assert_eq!(told(folder.path(), &grounds()).remarks, Vec::<String>::new());
    fs::write(&newest, older).unwrap();
    let found = told(folder.path(), &grounds());
    assert!(found.faults.is_empty() && found.remarks[0].contains("older than `checkpoints/707.note`"), "{found:?}");
    fs::remove_file(&newest).unwrap();
    faults(folder.path(), &grounds(), &["`checkpoint` is missing, and there are others"]);
}

#[test]
fn of_many_faults_the_first_are_told_and_the_rest_are_counted() {
    let folder = whole();
    (100..200).for_each(|it| alter(folder.path(), it));
    let found = told(folder.path(), &grounds());
    assert_eq!((found.faults.len(), found.more_faults, found.first_bad()), (32, 68, Some(100)));
}

#[test]
fn a_checkpoint_that_was_kept_elsewhere_must_be_the_beginning() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "00", 10, Before::Nothing);
    let (older, _) = newest(folder.path()).unwrap();
    let copy = whole();
    run(folder.path(), "01", 20, Before::Stop);
    let (newer, _) = newest(folder.path()).unwrap();
    let kept = |note: &str| Grounds { kept: vec![("mine".to_owned(), note.to_owned())], ..grounds() };
    faults(folder.path(), &kept(&older), &[]);
    faults(folder.path(), &kept(&newer), &[]);
    // Another log of the same name and key: whole, signed, and not the one that was kept.
    let (other, _) = newest(copy.path()).unwrap();
    faults(folder.path(), &kept(&other), &["700 entries are signed for, and there are 34"]);
    faults(copy.path(), &kept(&newer), &["checkpoint `mine` of 34 entries is not the beginning of this log"]);
    let stated = Checkpoint::parse(&newer).unwrap();
    let forked = signer().sign(&Checkpoint { root: [7; 32], ..stated.clone() }.text());
    faults(folder.path(), &kept(&forked), &["checkpoints `checkpoint` and `mine` are of 34 entries, and of two logs"]);
    let foreign = signer().sign(&Checkpoint { origin: "another".to_owned(), ..stated }.text());
    faults(folder.path(), &kept(&foreign), &["checkpoint `mine` is that of another log, `another`"]);
    faults(folder.path(), &kept("no note"), &["checkpoint `mine` is not a signed note"]);
}

#[test]
fn what_is_witnessed_is_told_from_what_is_only_signed() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "00", 10, Before::Nothing);
    witness(folder.path(), &[&cosigner(1), &cosigner(2)], Timestamp::from_seconds(2_000));
    run(folder.path(), "01", 20, Before::Stop);
    let of = |seeds: &[u8], needed| Grounds {
        quorum: Some(Quorum::new(seeds.iter().map(|it| cosigner(*it).witness()).collect(), needed).unwrap()),
        ..grounds()
    };
    let found = told(folder.path(), &of(&[1], 1));
    assert_eq!((found.entries, found.signed, found.witnessed), (34, 34, Some(12)));
    assert_eq!(found.witnessed_at, Some(Timestamp::from_seconds(2_000)));
    assert_eq!(told(folder.path(), &of(&[1, 2, 3], 2)).witnessed, Some(12));
    assert_eq!(told(folder.path(), &of(&[1, 3], 2)).witnessed, Some(0));
    assert_eq!(told(folder.path(), &of(&[3], 1)).witnessed, Some(0));
    // A line that the witness did not write.
    let (note, _) = newest(folder.path()).unwrap();
    place_cosigned(folder.path(), &(note + &cosigner(1).cosign("another text\n", THEN))).unwrap();
    let forged = "checkpoint `checkpoint.cosigned` has a signature by `witness.example` that does not hold";
    faults(folder.path(), &of(&[1], 1), &[forged]);
    assert_eq!(told(folder.path(), &of(&[1], 1)).witnessed, Some(12), "what was kept is still good");
    // What somebody stood for counts only as far as it is this log.
    let stranger = Checkpoint { origin: "portcullis/test".to_owned(), size: 20, root: [7; 32] }.text();
    let note = signer().sign(&stranger) + &cosigner(1).cosign(&stranger, THEN);
    place_cosigned(folder.path(), &note).unwrap();
    assert_eq!(told(folder.path(), &of(&[1], 1)).witnessed, Some(12));
    faults(folder.path(), &of(&[1], 1), &["checkpoint `checkpoint.cosigned` of 20 entries is not the beginning"]);
}

#[test]
fn an_end_that_was_cut_off_is_missed_where_somebody_stands_for_it() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "00", 10, Before::Nothing);
    let older = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp").arg("-r").arg(folder.path().join(".")).arg(older.path()).status();
    assert!(copied.unwrap().success());
    run(folder.path(), "01", 20, Before::Stop);
    let cosigned = witness(folder.path(), &[&cosigner(1)], THEN);
    // An older copy is a whole log by itself.
    faults(older.path(), &grounds(), &[]);
    let held = Grounds { kept: vec![("theirs".to_owned(), cosigned)], ..grounds() };
    faults(older.path(), &held, &["34 entries are signed for, and there are 12: entry 12 is missing"]);
    let copied = std::process::Command::new("cp").arg("-r").arg(older.path().join(".")).arg(folder.path()).status();
    assert!(copied.unwrap().success());
    assert_eq!(
        told(folder.path(), &grounds()).faults.len(),
        1,
        "copied over the newer one, it leaves what was kept there"
    );
}

#[test]
fn a_run_without_its_beginning_or_its_end_is_named() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "00", 3, Before::Nothing);
    run(folder.path(), "01", 3, Before::Stop);
    run(folder.path(), "02", 3, Before::Crash);
    faults(folder.path(), &grounds(), &[]);
    let (log, _) = open_as(folder.path(), AuditSettings::default(), "03").unwrap();
    log.append(&entry("/"));
    drop(log);
    run(folder.path(), "04", 1, Before::Stop);
    run(folder.path(), "05", 1, Before::Nothing);
    faults(
        folder.path(),
        &grounds(),
        &[
            "entry 15 is the first of its run, and does not say that it begins",
            "entry 16 says that what was before it ended with `stop`, which is not so",
            "entry 19 says that what was before it ended with `nothing`, which is not so",
        ],
    );
    assert!(!told(folder.path(), &grounds()).is_good(Verdict::Completeness));
}

#[test]
fn a_log_may_be_only_so_old_where_somebody_asks() {
    let folder = whole();
    let asked = |most, now, quorum| Grounds {
        freshness: Some((Duration::from_secs(most), Timestamp::from_seconds(now))),
        quorum,
        ..grounds()
    };
    let one = || Some(Quorum::new(vec![cosigner(1).witness()], 1).unwrap());
    faults(folder.path(), &asked(60, 1_060, None), &[]);
    faults(folder.path(), &asked(60, 1_061, None), &["nothing was signed since 1970-01-01T00:16:40Z"]);
    faults(folder.path(), &asked(60, 1_001, one()), &["nothing was witnessed ever"]);
    witness(folder.path(), &[&cosigner(1)], Timestamp::from_seconds(5_000));
    // A witness that was asked since says that nothing has happened.
    faults(folder.path(), &asked(60, 5_010, one()), &[]);
    faults(folder.path(), &asked(60, 5_061, one()), &["nothing was signed since", "nothing was witnessed since"]);
    // Whose clock is far ahead says nothing of how old the log is; a little ahead is usual.
    faults(folder.path(), &asked(60, 4_700, one()), &[]);
    let ahead = ["nothing was signed since", "what was witnessed bears a time that has not come yet"];
    faults(folder.path(), &asked(60, 4_699, one()), &ahead);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whichever_entries_are_changed_exactly_those_are_named(mut changed in prop::collection::btree_set(1_usize..511, 1..6)) {
        let folder = whole();
        for it in &changed {
            alter(folder.path(), *it);
        }
        let found = told(folder.path(), &grounds());
        for fault in &found.faults {
            let seq = usize::try_from(fault.entry().unwrap()).unwrap();
            prop_assert!(changed.remove(&seq), "{fault}");
        }
        prop_assert!(changed.is_empty(), "{changed:?} {:?}", found.faults);
    }
}
