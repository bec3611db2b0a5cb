//! Checkpoints that are kept grow fewer, and nobody misses those that go.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use audit::{Grounds, Lifetime, prove_growth, thin, verify, verify_growth};
use domain::Timestamp;

use crate::handmade::log_of;
use crate::sample::signer;
use serde_json::json;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

fn sizes(folder: &Path, end: &str) -> BTreeSet<u64> {
    let names = fs::read_dir(folder.join("checkpoints")).unwrap().map(|it| it.unwrap().file_name());
    names.filter_map(|it| it.to_str()?.strip_suffix(end)?.parse().ok()).collect()
}

/// A note of so many entries, written in this second after 1970.
fn note(folder: &Path, size: u64, at: u64, more: &str) {
    let text = format!("portcullis/test\n{size}\nroot\n{more}\n\u{2014} portcullis/test signature\n");
    for end in ["note", "cosigned"] {
        let path = folder.join(format!("checkpoints/{size}.{end}"));
        fs::write(&path, &text).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(at)).unwrap();
    }
}

/// So many days of a gateway that writes an entry a minute, from the first on, and keeps a checkpoint after each so many.
fn lived(folder: &Path, life: &mut Lifetime, first: u64, days: u64, every: u64) -> u64 {
    let minutes = days * DAY / MINUTE;
    life.begin(None, first, Timestamp::from_seconds(0));
    for minute in 1..=minutes {
        life.pass(Duration::from_secs(MINUTE), first + minute, Timestamp::from_seconds(0));
        if minute % every == 0 {
            note(folder, first + minute, (first + minute) * MINUTE, "");
        }
    }
    first + minutes
}

#[test]
fn the_older_the_fewer_and_never_the_first_of_a_start_the_newest_or_one_with_a_successor() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("checkpoints")).unwrap();
    let mut life = Lifetime::default();
    let first = lived(folder.path(), &mut life, 0, 8, 10);
    let (succeeded, second) = (3 * DAY / MINUTE + 30, first);
    note(folder.path(), succeeded, 3 * DAY + 30 * MINUTE, "successor k\n");
    let end = lived(folder.path(), &mut life, second, 94, 10);
    let before = sizes(folder.path(), ".note");
    let mut rounds = 0;
    while thin(folder.path(), &life).unwrap() > 0 {
        rounds += 1;
    }
    assert!(rounds > 1, "so many at once are too many");
    let left = sizes(folder.path(), ".note");
    assert_eq!(left, sizes(folder.path(), ".cosigned"), "what goes, goes with its witnesses");
    let within = |from: u64, to: u64| left.range(from + 1..=to).count() as u64;
    // Seconds ago, which are minutes of entries.
    let ago = |days: u64| end - days * DAY / MINUTE;
    assert_eq!(within(ago(2), end), 2 * 144, "all of two days");
    let hours = within(ago(30), ago(4));
    assert!((26 * 24..=26 * 25).contains(&hours), "one an hour: {hours}");
    let days = within(0, ago(93));
    assert!((9..=20).contains(&days), "one a day: {days}");
    for stays in [10, second + 10, succeeded, end] {
        assert!(left.contains(&stays) && before.contains(&stays), "{stays}");
    }
}

#[test]
fn a_leap_of_the_clock_and_files_that_were_copied_leave_some_of_each_time() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("checkpoints")).unwrap();
    let mut life = Lifetime::default();
    let end = lived(folder.path(), &mut life, 0, 1, 60);
    life.begin(None, end, Timestamp::from_seconds(i64::MAX));
    assert_eq!(thin(folder.path(), &life).unwrap(), 0, "nothing was seen to grow old");
    let end = lived(folder.path(), &mut life, end, 99, 60);
    for size in sizes(folder.path(), ".note") {
        note(folder.path(), size, 1_790_000_000, "");
    }
    while thin(folder.path(), &life).unwrap() > 0 {}
    let left = sizes(folder.path(), ".note");
    let day = DAY / MINUTE;
    for from in (0..end / day).map(|it| it * day) {
        assert!(left.range(from..from + 2 * day).next().is_some(), "{from}");
    }
}

#[test]
fn neither_verifier_nor_proof_misses_what_went() {
    let log = log_of(&[json!({ "class": "audit.control", "action": "start", "before": "nothing" })]);
    let mut life = Lifetime::default();
    life.begin(None, 0, Timestamp::from_seconds(0));
    for _ in 0..4 {
        crate::sample::append(log.path(), 3);
    }
    let kept = sizes(log.path(), ".note");
    let second = *kept.iter().nth(1).unwrap();
    let older = fs::read_to_string(log.path().join(format!("checkpoints/{second}.note"))).unwrap();
    life.pass(Duration::from_secs(DAY), *kept.last().unwrap(), Timestamp::from_seconds(0));
    life.pass(Duration::from_secs(2 * DAY), *kept.last().unwrap(), Timestamp::from_seconds(0));
    assert!(thin(log.path(), &life).unwrap() > 0);
    assert!(!sizes(log.path(), ".note").contains(&second));
    let grounds = Grounds { kept: vec![("older".to_owned(), older.clone())], ..Grounds::only(signer().verifier()) };
    let growth = prove_growth(log.path(), second).unwrap();
    assert!(verify_growth(&growth, &older, &[signer().verifier()]).is_ok());
    let faults = verify(log.path(), &grounds).unwrap().faults;
    let unthinned = log_of(&[json!({ "class": "audit.control", "action": "start", "before": "nothing" })]);
    for _ in 0..4 {
        crate::sample::append(unthinned.path(), 3);
    }
    let as_before = verify(unthinned.path(), &Grounds::only(signer().verifier())).unwrap().faults;
    assert_eq!(faults.len(), as_before.len(), "{faults:?}");
    // And it is gone on with.
    crate::sample::append(log.path(), 3);
}
