//! Entries on their way out: none is left out, none is out of order, whatever becomes of receivers and processes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use audit::sinks::{From, Lines, Opened, Outbox, Told, Turn, Wants};
use audit::{AuditSettings, Notice, OnHold, ReadError};
use domain::{Tick, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

use crate::retention::{good, old_log, step_by};
use crate::sample::{append, entry, open, open_with};

fn wants(entries: usize) -> Wants {
    Wants { lines: Lines::Json, classes: BTreeSet::new(), entries }
}

fn opened(log: &Path, wants: Wants, end: u64) -> Outbox {
    let (outbox, opened) = Outbox::open(log, "it", wants, From::Beginning, end).unwrap();
    assert_eq!(opened, Opened::Good);
    outbox
}

fn numbers(lines: &[u8]) -> Vec<u64> {
    let lines = std::str::from_utf8(lines).unwrap().lines();
    lines.map(|it| serde_json::from_str::<Value>(it).unwrap()["seq"].as_u64().unwrap()).collect()
}

/// What becomes of one delivery.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Accepted,
    /// It never arrives.
    Lost,
    /// It is accepted, and the process dies before it has taken note of that.
    Unheard,
    /// The process dies before it is sent.
    Killed,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_cursor_never_passes_what_was_accepted_and_nothing_is_missed(
        fates in prop::collection::vec(
            prop::sample::select(vec![Fate::Accepted, Fate::Lost, Fate::Unheard, Fate::Killed]), 0..40),
        size in 1_usize..9,
        ends in prop::collection::vec(0_u64..300, 1..8),
    ) {
        let folder = tempfile::tempdir().unwrap();
        append(folder.path(), 300);
        let mut outbox = opened(folder.path(), wants(size * 7), 300);
        // What the receiver has, folded: doubles are dropped, and what is new must be the next.
        let mut received = 0_u64;
        for (at, fate) in fates.iter().enumerate() {
            let end = ends[at % ends.len()].max(outbox.next());
            prop_assert!(outbox.next() <= received);
            let Some(batch) = outbox.batch(end).unwrap() else { continue };
            let numbers = numbers(&batch.lines);
            prop_assert!(numbers.len() <= size * 7 && numbers.iter().all(|it| *it < end));
            if matches!(fate, Fate::Accepted | Fate::Unheard) {
                for it in numbers {
                    prop_assert!(it <= received, "an entry was left out");
                    received = received.max(it + 1);
                }
            }
            match fate {
                Fate::Accepted => outbox.accepted(&batch).unwrap(),
                Fate::Lost => {}
                Fate::Unheard | Fate::Killed => outbox = opened(folder.path(), wants(size * 7), 300),
            }
        }
        prop_assert!(outbox.next() <= received);
    }
}

#[test]
fn who_reads_on_where_they_were_misses_nothing_of_entries_that_are_cut_in_two_by_it() {
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), 1);
    let mut outbox = opened(folder.path(), wants(7), 1);
    let (mut received, mut written) = (Vec::new(), 1);
    for count in [60, 1, 0, 40] {
        let (log, _) =
            open_with(folder.path(), AuditSettings { reserve_bytes: 0, ..AuditSettings::default() }).unwrap();
        for number in 0..count {
            let _ = log.append(&entry(&format!("/{}", "a".repeat(30_000 + number * 500))));
        }
        drop(log);
        written += count as u64;
        while let Some(batch) = outbox.batch(written).unwrap() {
            received.extend(numbers(&batch.lines));
            outbox.accepted(&batch).unwrap();
        }
    }
    assert_eq!(received, (0..102).collect::<Vec<u64>>());
}

#[test]
fn entries_of_other_classes_are_passed_over_and_what_is_no_entry_is_not() {
    let folder = tempfile::tempdir().unwrap();
    {
        let (log, _) =
            open_with(folder.path(), AuditSettings { reserve_bytes: 0, ..AuditSettings::default() }).unwrap();
        for number in 0..20 {
            let _ = log.append(&entry(&format!("/{number}")));
            let _ = log.note(&Notice::new("heartbeat", Timestamp::from_seconds(number)));
        }
    }
    let classes = BTreeSet::from(["heartbeat".to_owned()]);
    let mut outbox = opened(folder.path(), Wants { classes, ..wants(500) }, 40);
    let batch = outbox.batch(40).unwrap().unwrap();
    assert_eq!(numbers(&batch.lines), (0..20).map(|it| it * 2 + 1).collect::<Vec<_>>());
    assert_eq!((batch.count, batch.range, batch.end()), (20, Some((1, 39)), 40));
    outbox.accepted(&batch).unwrap();
    assert_eq!(outbox.batch(40).unwrap(), None);
    let classes = BTreeSet::from(["key.change".to_owned()]);
    let nothing = opened(folder.path(), Wants { classes, ..wants(500) }, 40).batch(40);
    // The cursor of the other one is past them all.
    assert_eq!(nothing.unwrap(), None);
    std::fs::remove_file(folder.path().join("cursor/it")).unwrap();
    let classes = BTreeSet::from(["key.change".to_owned()]);
    let nothing = opened(folder.path(), Wants { classes, ..wants(500) }, 40).batch(40).unwrap().unwrap();
    assert_eq!((nothing.lines.len(), nothing.range, nothing.end(), nothing.is_news), (0, None, 40, false));
}

#[test]
fn each_line_carries_the_identity_of_its_entry() {
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), 3);
    for (lines, seq, identity) in [(Lines::Json, "/seq", ""), (Lines::Ocsf, "/metadata/uid", "/unmapped")] {
        let outbox = opened(folder.path(), Wants { lines, ..wants(2) }, 3);
        let batch = outbox.batch(3).unwrap().unwrap();
        let lines: Vec<Value> =
            std::str::from_utf8(&batch.lines).unwrap().lines().map(|it| serde_json::from_str(it).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        let labelled: Vec<_> = batch.each().collect();
        assert_eq!(labelled.len(), 2);
        for ((number, line), (label, bytes)) in (0_u64..).zip(&lines).zip(labelled) {
            assert_eq!(serde_json::from_slice::<Value>(bytes).unwrap(), *line);
            let boot = line.pointer(&format!("{identity}/boot")).and_then(Value::as_str).unwrap();
            let known = label.identity.as_deref().unwrap();
            assert!(known.ends_with(&format!("/{boot}/{number}")) && known.matches('/').count() == 2, "{known}");
            assert_eq!((label.seq, label.class.as_deref()), (number, Some("request.completed")));
            assert!(label.time.is_some());
        }
        for (number, line) in lines.iter().enumerate() {
            let shown = line.pointer(seq).unwrap().to_string();
            assert_eq!(shown.trim_matches('"'), number.to_string(), "{line}");
            assert!(line.pointer(&format!("{identity}/boot")).is_some(), "{line}");
            assert_eq!(line.pointer(&format!("{identity}/node_seq")), Some(&number.into()), "{line}");
        }
    }
}

#[test]
fn a_new_receiver_begins_where_it_is_told_to_and_stays_there() {
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), 10);
    let begun = |from, end| Outbox::open(folder.path(), "new", wants(500), from, end).unwrap().0.next();
    assert_eq!(begun(From::Beginning, 10), 0);
    assert_eq!(begun(From::Now, 7), 7);
    // Named again, nothing that came meanwhile is left out.
    assert_eq!(begun(From::Now, 10), 7);
    assert_eq!(begun(From::Beginning, 10), 7);
}

#[test]
fn who_was_never_given_what_was_pruned_begins_with_what_is_left() {
    let log = old_log();
    let end = good(log.path()).entries;
    let mut outbox = opened(log.path(), wants(10), end);
    let first = outbox.batch(end).unwrap().unwrap();
    outbox.accepted(&first).unwrap();
    step_by(log.path());
    let anew = Outbox::open(log.path(), "new", wants(10), From::Beginning, end).unwrap().0.batch(end).unwrap().unwrap();
    assert_eq!((anew.skipped, numbers(&anew.lines)[0]), (None, 768), "it was not there for what is gone");
    for (expected, skipped) in [(768..778, Some((10, 767))), (778..788, None)] {
        let batch = outbox.batch(end).unwrap().unwrap();
        assert_eq!(batch.skipped, skipped, "what it is not given is said, once");
        assert!(numbers(&batch.lines).into_iter().eq(expected));
        outbox.accepted(&batch).unwrap();
    }
}

#[test]
fn what_was_accepted_of_another_log_counts_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), 10);
    let mut outbox = opened(folder.path(), wants(500), 10);
    let batch = outbox.batch(10).unwrap().unwrap();
    outbox.accepted(&batch).unwrap();
    let again = |end| Outbox::open(folder.path(), "it", wants(500), From::Now, end).unwrap();
    assert_eq!((again(10).0.next(), again(10).1), (10, Opened::Good));
    // Its end is gone.
    assert_eq!((again(9).0.next(), again(9).1), (0, Opened::Anew));
    for lost in ["wal", "tile", "checkpoints", "checkpoint"] {
        let path = folder.path().join(lost);
        let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
    }
    append(folder.path(), 20);
    assert_eq!((again(20).0.next(), again(20).1), (0, Opened::Anew));
    std::fs::write(folder.path().join("cursor/it"), "").unwrap();
    assert_eq!((again(20).0.next(), again(20).1), (0, Opened::Anew));
}

#[test]
fn what_cannot_be_read_is_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), 3);
    let outbox = opened(folder.path(), wants(500), 3);
    for it in std::fs::read_dir(folder.path().join("wal")).unwrap() {
        std::fs::write(it.unwrap().path(), "").unwrap();
    }
    assert!(matches!(outbox.batch(3), Err(ReadError::Damaged { seq: 0, .. })));
}

#[test]
fn a_delivery_is_entered_and_its_entry_is_the_cause_of_no_other() {
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), 5);
    let minute = |it: u64| Tick::default() + Duration::from_mins(it);
    let mut notes = BTreeMap::new();
    for sink in ["one", "two"] {
        let (mut told, mut outbox) =
            (Told::default(), Outbox::open(folder.path(), sink, wants(500), From::Beginning, 5).unwrap().0);
        let mut end = 5;
        // Each round is a minute, in which nothing happens but what deliveries bring about.
        for round in 0..50_u64 {
            if let Some(batch) = outbox.batch(end).unwrap() {
                if round < 10 {
                    told.failed(&batch, outbox.next());
                } else {
                    outbox.accepted(&batch).unwrap();
                    told.accepted(&batch);
                }
            }
            if told.is_due(minute(round)) {
                *notes.entry(sink).or_insert(0) += 1;
                let settings = AuditSettings { reserve_bytes: 0, ..AuditSettings::default() };
                let (log, recovered) = open_with(folder.path(), settings).unwrap();
                let _ = log.note(&Told::notice(sink, outbox.next(), 0, None, Timestamp::from_seconds(0)));
                end = recovered.next + 1;
            }
            assert!(!told.is_due(minute(round)), "twice in a minute");
        }
        assert_eq!(outbox.next(), end);
    }
    // That it failed, and that it was made good.
    assert_eq!(notes, BTreeMap::from([("one", 2), ("two", 2)]));
}

#[test]
fn strict_operations_are_held_for_a_reason_and_entries_are_taken_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    {
        let (log, _) = open(folder.path()).unwrap();
        assert_eq!((log.may_be_strict(), log.held()), (Ok(()), None));
        log.hold(Some("`it` is away".to_owned()));
        assert_eq!((log.may_be_strict(), log.held()), (Err(OnHold), Some("`it` is away".to_owned())));
        assert_eq!(log.writable(), Ok(()));
        for turn in [Turn::Held, Turn::Released] {
            let _ = log.note(&Told::turn("it", 3, 4, turn, Timestamp::from_seconds(0)));
        }
        log.hold(None);
        assert_eq!((log.may_be_strict(), log.held()), (Ok(()), None));
    }
    let batch = opened(folder.path(), wants(500), 2).batch(2).unwrap().unwrap();
    assert!(!batch.is_news, "that it is entered brings about nothing else");
    let entries: Vec<Value> = batch.each().map(|(_, it)| serde_json::from_slice(it).unwrap()).collect();
    assert_eq!((&entries[0]["outcome"], &entries[1]["outcome"]), (&"held".into(), &"released".into()));
    assert!(entries.iter().all(|it| it["sink"] == "it" && it["acked"] == 3 && it["backlog"] == 4), "{entries:?}");
}

#[tokio::test]
async fn the_horizon_is_what_is_certain_and_counts_earlier_runs() {
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), 10);
    let (log, _) = open_with(folder.path(), AuditSettings { reserve_bytes: 0, ..AuditSettings::default() }).unwrap();
    let horizon = log.horizon();
    assert_eq!(horizon.end(), 10);
    horizon.reach(9).await;
    let _ = log.append(&entry("/"));
    horizon.reach(10).await;
    assert_eq!(horizon.end(), 11);
    drop(log);
    assert_eq!(horizon.end(), 11, "an end does not make it less");
}
