//! What is old enough goes, and everything that is left is verified and proved as before; what goes without a word is missed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::handmade::log_of;
use crate::sample::{open_as, signer};
use audit::{
    Age, AuditSettings, Broken, Due, Entries, Filter, Format, Grounds, HoldName, Log, Notice, Proof, Pruned, Pruning,
    Query, ReadError, RetentionSettings, Unproven, Unpruned, Verified, Wanted, Way, export, holds, place_hold,
    prove_entry, prove_growth, prune, release_hold, verify, verify_entry, verify_growth,
};
use audit::{Before, Hold};
use domain::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

/// How many entries a gateway wrote long ago, one in a hundred seconds, and one of `LONGER` of a class that is kept longer.
pub(crate) const OLD: u64 = 2000;
const EVERY: i64 = 100;
const LONGER: u64 = 97;

/// For a day, 864 entries, and for ten.
pub(crate) fn policy() -> RetentionSettings {
    RetentionSettings::of_days(1, 10).unwrap()
}

/// When entry `number` is a day old and a second.
fn day_after(number: u64) -> Timestamp {
    Timestamp::from_seconds(i64::try_from(number).unwrap() * EVERY + 86_401)
}

fn after_days(days: i64) -> Timestamp {
    Timestamp::from_seconds(days * 86_400)
}

fn settings() -> AuditSettings {
    AuditSettings { reserve_bytes: 0, checkpoint_ms: 1, sync_ms: 1, flush_ms: 1, ..AuditSettings::default() }
}

pub(crate) fn open(folder: &Path, boot: &str) -> Log {
    open_as(folder, settings(), boot).unwrap().0
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A log whose old entries are in bundles alone.
pub(crate) fn old_log() -> TempDir {
    let class = |it: u64| if it.is_multiple_of(LONGER) { "config.change" } else { "request.completed" };
    let mut entries: Vec<_> = (0..OLD)
        .map(|it| json!({ "class": class(it), "time": i64::try_from(it).unwrap() * EVERY * 1_000_000_000 }))
        .collect();
    entries[0] = json!({ "class": "audit.control", "action": "start", "before": "nothing", "time": 0 });
    let log = log_of(&entries);
    seal(log.path(), "01");
    log
}

/// A run that begins, says a little, and closes the write-ahead file.
pub(crate) fn seal(folder: &Path, boot: &str) {
    let log = open(folder, boot);
    log.note(&Notice::start(after_days(3), Before::Crash, 0));
    for _ in 0..300 {
        let _ = log.note(&Notice::new("heartbeat", after_days(3)));
    }
    block_on(log.seal(Duration::from_mins(1))).unwrap();
}

fn copy(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    assert!(Command::new("cp").arg("-r").arg(from.join(".")).arg(to.path()).status().unwrap().success());
    to
}

pub(crate) fn verified(folder: &Path) -> Verified {
    verify(folder, &Grounds::only(signer().verifier())).unwrap()
}

#[track_caller]
pub(crate) fn good(folder: &Path) -> Verified {
    let found = verified(folder);
    assert_eq!(found.faults, []);
    found
}

/// One step of a gateway that runs for it.
fn step(folder: &Path, boot: &str, now: Timestamp) -> Result<Option<Pruned>, Unpruned> {
    let log = open(folder, boot);
    log.note(&Notice::start(now, Before::Crash, 0));
    block_on(prune(&log, &policy(), "test", Age::by_clock(now), Duration::from_mins(1)))
}

/// The first 768 entries go.
pub(crate) fn step_by(folder: &Path) {
    let _ = step(folder, "02", day_after(1000)).unwrap();
}

fn seqs(query: Query) -> Vec<u64> {
    query.map(|it| it.unwrap().seq).collect()
}

fn bundle(folder: &Path, index: u64) -> PathBuf {
    folder.join(format!("tile/entries/{index:03}"))
}

/// Whether all that must be left is there, is proved, and can be asked for.
#[track_caller]
fn check(folder: &Path, end: u64) {
    let found = good(folder);
    let kept: Vec<u64> = (0..end).filter(|it| it.is_multiple_of(LONGER)).collect();
    let pruned = found.pruned.as_ref().map(|it| (it.minimum, it.kept));
    assert_eq!(pruned, (end > 0).then_some((end, kept.len() as u64)));
    let left: Vec<u64> = kept.iter().copied().chain(end..found.entries).collect();
    assert_eq!(seqs(Query::new(folder, 0, Filter::default(), Way::Scan).unwrap()), left);
    let last = Query::new(folder, 0, Filter::default(), Way::Index).unwrap().last(left.len() - 1).unwrap();
    assert_eq!(last.iter().map(|it| it.seq).collect::<Vec<_>>(), left[1..]);
    for seq in left.iter().filter(|it| **it < found.signed) {
        let proof = prove_entry(folder, *seq).unwrap();
        assert_eq!(verify_entry(&proof, &signer().verifier()).unwrap().seq, *seq);
    }
    for gone in (0..end).filter(|it| !it.is_multiple_of(LONGER)) {
        let refused = prove_entry(folder, gone).unwrap_err();
        assert!(matches!(refused, Unproven::Read(ReadError::Pruned { seq, .. }) if seq == gone), "{refused}");
    }
}

#[test]
fn an_entry_that_was_kept_is_found_without_reading_what_was_kept_of_other_ranges() {
    let log = old_log();
    for (boot, number) in ["02", "03", "04", "05"].into_iter().zip([300, 600, 1000, 1400]) {
        let _ = step(log.path(), boot, day_after(number)).unwrap().unwrap();
    }
    let mut files: Vec<_> = fs::read_dir(log.path().join("kept")).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 4);
    for (own, seq) in files.iter().zip([2 * LONGER, 5 * LONGER, 7 * LONGER, 8 * LONGER]) {
        let whole: Vec<_> = files.iter().map(|it| fs::read(it).unwrap()).collect();
        files.iter().filter(|it| *it != own).for_each(|it| fs::write(it, "damaged").unwrap());
        let asked = |first| Query::new(log.path(), first, Filter::default(), Way::Scan).unwrap().before(seq + 1);
        assert_eq!(seqs(asked(seq)), [seq]);
        let newest = asked(0).newest(1, |_| true, || true).unwrap();
        assert_eq!((newest.found[0].seq, newest.unread), (seq, Vec::new()));
        files.iter().zip(whole).for_each(|(it, bytes)| fs::write(it, bytes).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn wherever_it_is_pruned_what_is_left_is_verified_and_proved(
        first in 0..OLD, second in 0..OLD
    ) {
        let log = old_log();
        let older = fs::read_to_string(log.path().join("checkpoint")).unwrap();
        let mut reached = 0;
        for (boot, old) in [("02", first), ("03", second)] {
            let pruned = step(log.path(), boot, day_after(old)).unwrap();
            // Bundles all of whose entries are older, but never the newest one that is whole and sealed.
            let end = ((old + 1) / 256 * 256).max(reached);
            prop_assert_eq!(pruned.is_some(), reached < end);
            reached = end;
            check(log.path(), reached);
        }
        let size = audit::newest(log.path()).unwrap().1.size;
        let growth = prove_growth(log.path(), 2301).unwrap();
        prop_assert_eq!(verify_growth(&growth, &older, &[signer().verifier()]).unwrap().size, size);
    }
}

#[test]
fn a_process_may_die_between_any_two_steps() {
    let (log, now) = (old_log(), day_after(1000));
    let dead = |at: &str, folder: &Path| {
        let after = copy(folder);
        drop(open(after.path(), "99"));
        assert_eq!(verified(after.path()).faults, [], "{at}");
        let pruned = step(after.path(), "98", now).unwrap();
        assert!(at == "finished" || at == "swept in part" || pruned.is_some(), "{at}");
        check(after.path(), 768);
        for gone in 0..3 {
            assert!(!bundle(after.path(), gone).exists(), "{at}");
        }
    };
    let before = copy(log.path());
    let pruning = Pruning::ready(log.path(), &policy(), Age::by_clock(now)).unwrap().unwrap();
    dead("kept", log.path());
    let gateway = open(log.path(), "02");
    gateway.note(&Notice::start(now, Before::Crash, 0));
    let number = gateway.note(&pruning.notice("test", now));
    block_on(gateway.signed_up_to(number, Duration::from_mins(1))).unwrap();
    drop(gateway);
    dead("said", log.path());
    assert_eq!(pruning.finish().unwrap(), Pruned { first: 0, end: 768, kept: 8 });
    dead("finished", log.path());
    for index in 1..3 {
        fs::copy(bundle(before.path(), index), bundle(log.path(), index)).unwrap();
    }
    good(log.path());
    dead("swept in part", log.path());
}

#[test]
fn what_goes_without_a_word_is_missed() {
    let log = old_log();
    fs::remove_file(bundle(log.path(), 0)).unwrap();
    assert!(matches!(verified(log.path()).faults[..], [Broken::Unreadable { seq: 0, .. }]));
    // Saying that the log begins later is not enough.
    fs::write(log.path().join("minimum"), "256\n").unwrap();
    assert_eq!(verified(log.path()).faults, [Broken::Unsaid { first: 0, end: 256 }]);
    for sly in ["", "256", "+256\n", "257\n", "x\n"] {
        fs::write(log.path().join("minimum"), sly).unwrap();
        assert!(verified(log.path()).faults.contains(&Broken::Minimum), "{sly:?}");
    }
}

#[test]
fn of_what_was_pruned_nothing_more_may_go() {
    let log = old_log();
    step(log.path(), "02", day_after(1000)).unwrap().unwrap();
    let kept = log.path().join(format!("kept/{:020}", 0));
    let faults = |change: &dyn Fn(&Path)| {
        let after = copy(log.path());
        change(after.path());
        verified(after.path()).faults
    };
    let missing = Broken::KeptMissing { first: 0, end: 768, said: 8, found: 0 };
    assert_eq!(faults(&|it| fs::remove_file(it.join("kept").join(kept.file_name().unwrap())).unwrap()), [missing]);
    assert_eq!(
        faults(&|it| {
            fs::remove_file(bundle(it, 3)).unwrap();
            fs::write(it.join("minimum"), "1024\n").unwrap();
        }),
        [Broken::Unsaid { first: 768, end: 1024 }]
    );
    let tile = faults(&|it| fs::remove_file(it.join("tile/0/001")).unwrap());
    assert!(
        matches!(&tile[..], [.., Broken::Tile { path, .. }] | [Broken::Tile { path, .. }, ..] if path == "tile/0/001"),
        "{tile:?}"
    );
    let flipped = faults(&|it| {
        let mut bytes = fs::read(it.join("tile/0/001")).unwrap();
        bytes[77] ^= 1;
        fs::write(it.join("tile/0/001"), bytes).unwrap();
    });
    assert!(!flipped.is_empty());
    // Any entry in the kept file that is changed, and any that is left out.
    let text = fs::read_to_string(&kept).unwrap();
    let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
    document["entries"].as_array_mut().unwrap().pop();
    let short = document.to_string();
    let cut = faults(&|it| fs::write(it.join("kept").join(kept.file_name().unwrap()), &short).unwrap());
    assert_eq!(cut, [Broken::KeptMissing { first: 0, end: 768, said: 8, found: 7 }]);
    document["entries"][2]["seq"] = 195.into();
    let moved = document.to_string();
    let moved = faults(&|it| fs::write(it.join("kept").join(kept.file_name().unwrap()), &moved).unwrap());
    assert!(
        matches!(
            moved[..],
            [Broken::KeptMissing { .. }, Broken::Kept { seq: Some(195), .. }]
                | [Broken::Kept { .. }, Broken::KeptMissing { .. }]
        ),
        "{moved:?}"
    );
}

#[test]
fn what_was_kept_longer_goes_in_its_time() {
    let log = old_log();
    step(log.path(), "02", day_after(1000)).unwrap().unwrap();
    seal(log.path(), "03");
    assert_eq!(step(log.path(), "04", day_after(1000)).unwrap(), None);
    let later = after_days(12);
    // What is left of the first gateway, in one step; then what was kept of both.
    let pruned = step(log.path(), "05", later).unwrap().unwrap();
    assert_eq!(pruned.first, 768);
    check_kept(log.path(), 2);
    assert_eq!(step(log.path(), "06", later).unwrap().map(|it| (it.first, it.end)), Some((0, 768)));
    check_kept(log.path(), 1);
    assert_eq!(step(log.path(), "07", later).unwrap(), None);
    check_kept(log.path(), 1);
}

#[track_caller]
fn check_kept(folder: &Path, files: usize) {
    good(folder);
    assert_eq!(fs::read_dir(folder.join("kept")).unwrap().count(), files);
}

#[test]
fn what_is_not_what_was_signed_for_stays() {
    // Within an entry, and in the length of one.
    for place in [300 * 20, 1] {
        let log = old_log();
        let mut bytes = fs::read(bundle(log.path(), 1)).unwrap();
        bytes[place] ^= 1;
        fs::write(bundle(log.path(), 1), bytes).unwrap();
        let due = Due::now(log.path(), &policy(), Age::by_clock(day_after(1000)), 256).unwrap();
        assert_eq!((due.first, due.end, due.kept()), (0, 256, 3));
        step(log.path(), "02", day_after(1000)).unwrap().unwrap();
        let refused = Pruning::ready(log.path(), &policy(), Age::by_clock(day_after(1000))).unwrap_err();
        assert!(matches!(refused, Unpruned::Evidence(seq) if (256..512).contains(&seq)), "{refused}");
        assert!(bundle(log.path(), 1).exists());
    }
}

#[test]
fn nothing_goes_while_a_hold_is_in_force() {
    let log = old_log();
    let name = |it: &str| it.parse::<HoldName>().unwrap();
    let hold = Hold { tenant: Some("acme".to_owned()), actor: "os:test".to_owned(), since: after_days(3) };
    assert!(place_hold(log.path(), &name("case-1"), &hold).unwrap());
    // The same once more is no other one: who was interrupted has placed it.
    assert!(place_hold(log.path(), &name("case-1"), &hold).unwrap());
    for other in [Hold { actor: "os:bob".to_owned(), ..hold.clone() }, Hold { since: after_days(9), ..hold.clone() }] {
        assert!(!place_hold(log.path(), &name("case-1"), &other).unwrap());
    }
    place_hold(log.path(), &name("case-2"), &hold).unwrap();
    let refusal = |folder: &Path| Pruning::ready(folder, &policy(), Age::by_clock(day_after(1000))).unwrap_err();
    assert!(matches!(refusal(log.path()), Unpruned::Held(it) if it == "case-1"));
    let by = Hold { since: after_days(10), ..hold.clone() };
    let later = Hold { since: after_days(11), ..hold.clone() };
    assert!(!release_hold(log.path(), &name("case-0"), &by).unwrap());
    assert!(release_hold(log.path(), &name("case-1"), &by).unwrap());
    assert!(release_hold(log.path(), &name("case-1"), &by).unwrap(), "who was interrupted has ended it");
    assert!(!release_hold(log.path(), &name("case-1"), &later).unwrap());
    assert_eq!(holds(log.path()).unwrap().len(), 1);
    assert!(matches!(refusal(log.path()), Unpruned::Held(it) if it == "case-2"));
    assert_eq!(holds(log.path()).unwrap(), [("case-2".to_owned(), Some(hold.clone()))]);
    // One that nobody can read is one all the same.
    fs::write(log.path().join("holds/case-2"), "x").unwrap();
    assert!(matches!(refusal(log.path()), Unpruned::Held(_)));
    release_hold(log.path(), &name("case-2"), &by).unwrap();
    // Placed after everything was made ready, and in time.
    let pruning = Pruning::ready(log.path(), &policy(), Age::by_clock(day_after(1000))).unwrap().unwrap();
    place_hold(log.path(), &name("case-3"), &hold).unwrap();
    assert!(matches!(pruning.finish(), Err(Unpruned::Held(_))));
    assert!(bundle(log.path(), 0).exists());
    for bad in ["", "..", "A", "a/b", ".new", "a b", &"a".repeat(65)] {
        assert!(bad.parse::<HoldName>().is_err(), "{bad}");
    }
}

#[test]
fn an_export_says_that_the_beginning_was_pruned() {
    let log = old_log();
    step(log.path(), "02", day_after(1000)).unwrap().unwrap();
    let wanted = Wanted {
        format: Format::Json,
        filter: Filter::default(),
        first: 0,
        way: Way::Index,
        reader: "test",
        file: "it",
        now: after_days(3),
    };
    let mut out = Vec::new();
    let manifest = export(log.path(), &wanted, &mut out).unwrap();
    assert_eq!((manifest.minimum, manifest.proof), (768, Proof::Inclusion));
    assert_eq!(manifest.read.count, manifest.tree_size - 768 + 8);
    assert!(matches!(Entries::from(log.path(), 5).next(), Some(Err(ReadError::Pruned { seq: 5, minimum: 768 }))));
}

#[test]
fn days_that_make_no_sense_are_refused() {
    let read = |text| serde_json::from_str::<RetentionSettings>(text);
    assert_eq!(read("{}").unwrap(), RetentionSettings::default());
    assert_eq!(RetentionSettings::default(), RetentionSettings::of_days(396, 2192).unwrap());
    assert_eq!(read(r#"{"keep_days": 0}"#).unwrap().keep(), None);
    for bad in [
        r#"{"keep_days": 36501}"#,
        r#"{"keep_days": 10, "compliance_days": 9}"#,
        r#"{"keep": 1}"#,
        r#"{"keep_days": -1}"#,
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
    assert!(read(r#"{"keep_days": 10, "compliance_days": 0}"#).unwrap().longer().is_none());
    let log = old_log();
    let ever = RetentionSettings::of_days(0, 0).unwrap();
    assert!(Pruning::ready(log.path(), &ever, Age::by_clock(after_days(1_000))).unwrap().is_none());
}
