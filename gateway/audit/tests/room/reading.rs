//! Questions to a log: by index and by reading everything the answer is the same, and who follows it misses nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::handmade::{encode, frame, open};
use audit::{Filter, Found, Notice, Query, Tail, Way, tree};
use domain::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

/// One segment that is whole, and a little of the next.
const COUNT: u64 = 65_536 + 700;

/// When entry `number` came in: a second after the one before, but every seventh long before it ended.
fn time(number: u64) -> Timestamp {
    let seconds = i64::try_from(number).unwrap();
    Timestamp::from_seconds(if number.is_multiple_of(7) { seconds - 3_000 } else { seconds })
}

fn entry(number: u64) -> Vec<u8> {
    let outcome = match number % 1000 {
        0 => "abort",
        it if it < 100 => "refuse",
        _ => "permit",
    };
    let mut entry = json!({
        "boot": "00", "node": "test", "node_seq": number, "schema": 1, "time": time(number).nanos(),
        "class": if number.is_multiple_of(50) { "request.cut_off" } else { "request.completed" },
        "request": {
            "id": format!("{number:032x}"),
            "api": if number.is_multiple_of(3) { "nova" } else { "nexus" },
            "operation": if number.is_multiple_of(5) { "list" } else { "make" },
        },
        "decision": { "outcome": outcome },
    });
    let key = format!("key_{}", number % 1013);
    // Of a deed the key is what it was done to.
    if number.is_multiple_of(29) {
        entry["key"] = key.into();
        entry["actor"] = format!("usr_{}", number % 5).into();
    } else {
        entry["auth"] = json!({ "key": key });
    }
    if !number.is_multiple_of(11) {
        entry["tenant"] = format!("tenant-{}", number % 97).into();
    }
    let mut bytes = Vec::new();
    encode(&entry, &mut bytes);
    bytes
}

/// A log as it is once everything in whole bundles was sealed.
fn log_of(numbers: std::ops::Range<u64>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("wal")).unwrap();
    let sealed = numbers.end / 256 * 256;
    let (mut bundle, mut frames) = (Vec::new(), Vec::new());
    for number in numbers {
        let entry = entry(number);
        if sealed <= number {
            frame(number, &entry, &mut frames);
            continue;
        }
        bundle.extend_from_slice(&u16::try_from(entry.len()).unwrap().to_be_bytes());
        bundle.extend_from_slice(&entry);
        if number % 256 == 255 {
            let path = folder.path().join("tile/entries").join(tree::path_of(number / 256));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, std::mem::take(&mut bundle)).unwrap();
        }
    }
    fs::write(wal(folder.path(), sealed), frames).unwrap();
    folder
}

fn wal(log: &Path, first: u64) -> PathBuf {
    log.join(format!("wal/{first:020}.wal"))
}

/// A log that all tests read and none changes.
static LOG: LazyLock<TempDir> = LazyLock::new(|| log_of(0..COUNT));

fn numbers(found: impl IntoIterator<Item = Found>) -> Vec<u64> {
    found.into_iter().map(|it| it.seq).collect()
}

fn ask(log: &Path, first: u64, filter: &Filter, way: Way) -> Vec<u64> {
    numbers(Query::new(log, first, filter.clone(), way).unwrap().map(Result::unwrap))
}

/// From the beginning and from the end.
#[track_caller]
fn check(log: &Path, filter: &Filter, expected: &[u64]) {
    assert_eq!(ask(log, 0, filter, Way::Index), expected, "{filter:?}");
    for count in [0, 1, 3, expected.len() + 1] {
        let last = Query::new(log, 0, filter.clone(), Way::Index).unwrap().last(count).unwrap();
        let from = expected.len().saturating_sub(count);
        assert_eq!(numbers(last), expected[from..], "the last {count} of {filter:?}");
    }
    // Page by page, the newest first, and now and then no further than two bundles at a time.
    for (count, looks) in [(1 + expected.len() / 3, usize::MAX), (expected.len() + 1, 2)] {
        let (mut seen, mut before, mut pages) = (Vec::new(), u64::MAX, 0);
        loop {
            let mut left = looks;
            let go_on = || {
                left -= 1;
                left > 0
            };
            let query = Query::new(log, 0, filter.clone(), Way::Index).unwrap().before(before);
            let page = query.newest(count, |_| true, go_on).unwrap();
            seen.extend(numbers(page.found));
            pages += 1;
            let Some(rest) = page.rest else { break };
            assert!(rest < before && pages < 1000, "{filter:?} stands still at {rest}");
            before = rest;
        }
        seen.reverse();
        assert_eq!(seen, expected, "{filter:?} in pages of {count}");
    }
}

fn which(wanted: impl Fn(u64) -> bool) -> Vec<u64> {
    (0..COUNT).filter(|it| wanted(*it)).collect()
}

fn said(text: &str) -> Option<String> {
    text.to_owned().into()
}

#[test]
fn each_field_finds_its_entries_and_no_others() {
    let log = LOG.path();
    let none = Filter::default;
    check(log, &Filter { request: Some(format!("{:032x}", 12_345)), ..none() }, &[12_345]);
    check(log, &Filter { request: Some(format!("{:032x}", COUNT - 1)), ..none() }, &[COUNT - 1]);
    check(log, &Filter { request: said("none"), ..none() }, &[]);
    check(log, &Filter { tenant: said("tenant-7"), ..none() }, &which(|it| it % 97 == 7 && it % 11 != 0));
    check(log, &Filter { key: said("key_9"), ..none() }, &which(|it| it % 1013 == 9));
    check(log, &Filter { actor: said("key_9"), ..none() }, &which(|it| it % 1013 == 9 && it % 29 != 0));
    check(log, &Filter { actor: said("usr_3"), ..none() }, &which(|it| it % 29 == 0 && it % 5 == 3));
    let both = Filter { actor: said("usr_3"), tenant: said("tenant-7"), ..none() };
    check(log, &both, &which(|it| it % 29 == 0 && it % 5 == 3 && it % 97 == 7 && it % 11 != 0));
    check(log, &Filter { api: said("nova"), ..none() }, &which(|it| it % 3 == 0));
    check(log, &Filter { operation: said("list"), ..none() }, &which(|it| it % 5 == 0));
    check(log, &Filter { outcome: said("abort"), ..none() }, &which(|it| it % 1000 == 0));
    check(log, &Filter { class: said("request.cut_off"), ..none() }, &which(|it| it % 50 == 0));
    // The value of one field is not that of another.
    check(log, &Filter { tenant: said("nova"), ..none() }, &[]);
}

#[test]
fn fields_and_times_together_find_what_all_of_them_admit() {
    let log = LOG.path();
    let rare = Filter {
        api: said("nova"),
        operation: said("list"),
        outcome: said("abort"),
        tenant: said("tenant-30"),
        ..Filter::default()
    };
    check(log, &rare, &which(|it| it % 15 == 0 && it % 1000 == 0 && it % 97 == 30 && it % 11 != 0));
    let (since, until) = (Timestamp::from_seconds(40_000), Timestamp::from_seconds(40_100));
    let during = |it: &u64| since <= time(*it) && time(*it) < until;
    let filter = Filter { since: Some(since), until: Some(until), ..Filter::default() };
    // Among them are those that were entered 3,000 entries later than others of their time.
    let expected = which(|it| during(&it));
    assert!(expected.iter().any(|it| 43_000 <= *it) && expected.iter().any(|it| *it < 40_100));
    check(log, &filter, &expected);
    check(
        log,
        &Filter { tenant: said("tenant-7"), ..filter },
        &which(|it| during(&it) && it % 97 == 7 && it % 11 != 0),
    );
    let later = Timestamp::from_seconds(66_000);
    check(log, &Filter { since: Some(later), ..Filter::default() }, &which(|it| later <= time(it)));
}

#[test]
fn a_question_may_begin_and_end_at_a_number() {
    let tenth = Filter { key: said("key_9"), ..Filter::default() };
    for way in [Way::Index, Way::Scan] {
        assert_eq!(ask(LOG.path(), 65_000, &tenth, way), which(|it| it % 1013 == 9 && 65_000 <= it));
        let part = Query::new(LOG.path(), 2_000, tenth.clone(), way).unwrap().before(4_061);
        assert_eq!(part.range(), 2_000..4_061);
        assert_eq!(numbers(part.map(Result::unwrap)), [2_035, 3_048]);
        let last = Query::new(LOG.path(), 2_000, tenth.clone(), way).unwrap().before(4_061).last(9).unwrap();
        assert_eq!(numbers(last), [2_035, 3_048]);
    }
    assert!(ask(LOG.path(), COUNT + 5, &Filter::default(), Way::Index).is_empty());
}

#[test]
fn an_index_that_is_missing_damaged_or_of_another_segment_is_made_anew() {
    let folder = log_of(0..65_536);
    let (log, index) = (folder.path(), folder.path().join("index/000000000"));
    let filter = Filter { key: said("key_9"), ..Filter::default() };
    let expected: Vec<u64> = (0..65_536).filter(|it| it % 1013 == 9).collect();
    let _ = fs::remove_file(&index);
    assert_eq!(ask(log, 0, &filter, Way::Index), expected);
    let good = fs::read(&index).unwrap();
    for (bytes, what) in [
        (Vec::new(), "empty"),
        (good[..good.len() / 2].to_vec(), "cut off"),
        (good.iter().map(|it| it ^ 1).collect(), "changed"),
        (good[4096..].to_vec(), "begun too late"),
    ] {
        fs::write(&index, bytes).unwrap();
        assert_eq!(ask(log, 0, &filter, Way::Index), expected, "{what}");
        assert!(fs::read(&index).unwrap() == good, "{what}: it was not put in place");
    }
    let left: Vec<_> = fs::read_dir(log.join("index")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["000000000"], "a draft was left");
}

#[tokio::test]
async fn a_segment_that_became_whole_has_its_index_before_anybody_asks() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let node = "n".repeat(600);
    let notice = Notice::stop(Timestamp::from_seconds(1)).with("why", node);
    for _ in 0..85_000 {
        let _ = log.note(&notice);
    }
    // However much is written at once, the write-ahead file begins after the segment then.
    log.seal(std::time::Duration::from_mins(1)).await.unwrap();
    drop(log);
    assert!(folder.path().join("index/000000000").is_file());
    let class = Filter { class: said("audit.control"), ..Filter::default() };
    assert_eq!(ask(folder.path(), 65_000, &class, Way::Index).len(), 20_000);
}

#[test]
fn where_no_index_can_be_kept_entries_are_found_all_the_same() {
    let folder = log_of(0..65_536);
    let _ = fs::remove_dir_all(folder.path().join("index"));
    // No folder can be made where a file is.
    fs::write(folder.path().join("index"), b"").unwrap();
    let filter = Filter { outcome: said("abort"), ..Filter::default() };
    assert_eq!(ask(folder.path(), 0, &filter, Way::Index).len(), 66);
}

#[test]
fn a_log_without_its_write_ahead_file_is_read_as_far_as_its_bundles() {
    let folder = log_of(0..1_000);
    fs::remove_dir_all(folder.path().join("wal")).unwrap();
    for way in [Way::Index, Way::Scan] {
        assert_eq!(ask(folder.path(), 0, &Filter::default(), way), (0..768).collect::<Vec<u64>>());
    }
}

#[test]
fn what_cannot_be_read_ends_the_answer_with_an_error() {
    let folder = log_of(0..1_000);
    fs::write(folder.path().join("tile/entries/001"), b"nothing").unwrap();
    let filter = Filter { api: said("nova"), ..Filter::default() };
    let answer: Vec<_> = Query::new(folder.path(), 0, filter.clone(), Way::Index).unwrap().collect();
    assert!(answer.last().unwrap().is_err());
    assert!(answer.iter().flatten().map(|it| it.seq).eq((0..256).filter(|it| it % 3 == 0)));
    assert!(Query::new(folder.path(), 0, filter.clone(), Way::Index).unwrap().last(1_000).is_err());
    assert_eq!(numbers(Query::new(folder.path(), 0, filter, Way::Index).unwrap().last(2).unwrap()), [996, 999]);
}

#[test]
fn who_follows_a_log_sees_each_entry_once_through_rotations_and_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let mut tail = Tail::from(folder.path(), 0);
    assert_eq!(tail.poll(&Filter::default()).unwrap(), []);
    let mut seen = Vec::new();
    let mut log = open(folder.path());
    let mut next = 0;
    let notice = Notice::stop(Timestamp::from_seconds(1)).with("why", "n".repeat(1_000));
    // More than two write-ahead files, in portions of all sizes, with a restart between.
    for portion in [1, 2, 255, 300, 20_000, 1, 20_000, 7] {
        for _ in 0..portion {
            let _ = log.note(&notice);
            next += 1;
        }
        if portion == 300 {
            drop(log);
            log = open(folder.path());
        }
        seen.extend(numbers(tail.poll(&Filter::default()).unwrap()));
    }
    drop(log);
    seen.extend(numbers(tail.poll(&Filter::default()).unwrap()));
    assert!(seen.iter().copied().eq(0..next), "{} of {next}", seen.len());
    assert_eq!(tail.poll(&Filter::default()).unwrap(), []);
}

#[test]
fn who_follows_a_log_waits_for_what_is_written_in_part() {
    use std::io::Write as _;
    let (folder, other) = (log_of(0..3), log_of(0..5));
    let (before, after) = (fs::read(wal(folder.path(), 0)).unwrap(), fs::read(wal(other.path(), 0)).unwrap());
    let mut tail = Tail::from(folder.path(), 2);
    assert_eq!(numbers(tail.poll(&Filter::default()).unwrap()), [2]);
    let mut writer = fs::OpenOptions::new().append(true).open(wal(folder.path(), 0)).unwrap();
    for byte in &after[before.len()..after.len() - 1] {
        writer.write_all(&[*byte]).unwrap();
        let seen = numbers(tail.poll(&Filter::default()).unwrap());
        assert!(seen.is_empty() || seen == [3], "{seen:?}");
    }
    writer.write_all(&after[after.len() - 1..]).unwrap();
    let aborted = Filter { outcome: said("abort"), ..Filter::default() };
    assert_eq!(tail.poll(&aborted).unwrap(), [], "4 was no abort");
    assert_eq!(tail.poll(&Filter::default()).unwrap(), [], "4 was passed over");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn an_index_answers_as_a_reading_of_everything_does(
        fields in (prop::option::of(0..120_u64), prop::option::of(0..1100_u64), prop::option::of(0..3_usize), prop::option::of(0..4_usize)),
        actor in prop::option::of(0..1100_u64),
        times in (prop::option::of(-4_000..70_000_i64), prop::option::of(-4_000..70_000_i64)), first in 0..70_000_u64,
    ) {
        let (tenant, key, api, outcome) = fields;
        let filter = Filter {
            tenant: tenant.map(|it| format!("tenant-{it}")),
            key: key.map(|it| format!("key_{it}")),
            actor: actor.map(|it| if it < 6 { format!("usr_{it}") } else { format!("key_{it}") }),
            api: api.map(|it| ["nova", "nexus", "none"][it].to_owned()),
            outcome: outcome.map(|it| ["permit", "refuse", "abort", "fail"][it].to_owned()),
            since: times.0.map(Timestamp::from_seconds),
            until: times.1.map(Timestamp::from_seconds),
            ..Filter::default()
        };
        let all = ask(LOG.path(), first, &filter, Way::Scan);
        prop_assert_eq!(&ask(LOG.path(), first, &filter, Way::Index), &all);
        let last = Query::new(LOG.path(), first, filter, Way::Index).unwrap().last(5).unwrap();
        prop_assert_eq!(&numbers(last), &all[all.len().saturating_sub(5)..]);
    }
}

#[test]
fn a_bundle_that_cannot_be_read_hides_none_but_its_own_entries_from_who_lists_them() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path();
    crate::sample::append(log, 1000);
    crate::verify::seal(log);
    fs::write(log.join("tile/entries/001"), "another").unwrap();
    for way in [Way::Index, Way::Scan] {
        let mut end = u64::MAX;
        let (mut seen, mut unread) = (Vec::new(), std::collections::BTreeSet::new());
        loop {
            let query = Query::new(log, 0, Filter::default(), way).unwrap().before(end);
            let newest = query.newest(100, |_| true, || true).unwrap();
            seen.extend(newest.found.iter().map(|it| it.seq));
            unread.extend(newest.unread.iter().map(|it| (it.start, it.end)));
            let Some(rest) = newest.rest else { break };
            assert!(rest < end, "a page comes no further");
            end = rest;
        }
        seen.reverse();
        let all = Query::new(log, 0, Filter::default(), way).unwrap().range().end;
        assert!(seen.iter().copied().eq((0..256).chain(512..all)), "{seen:?}");
        assert_eq!(unread.into_iter().collect::<Vec<_>>(), [(256, 512)]);
    }
}
