//! The log as its callers see it: nothing lost, nothing torn, nothing doubled, and nothing changed unseen.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use audit::note::Signer;
use audit::{
    AuditSettings, Before, Broken, DecisionSection, Entries, Entry, Grounds, Notice, OpenError, Unrecoverable,
    Verified, verify, view,
};
use domain::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::sample::{append, copy, entry, open, open_with, signer};

fn verified(folder: &Path) -> Result<Verified, Broken> {
    let found = verify(folder, &Grounds::only(signer().verifier())).unwrap();
    let fault = found.faults.iter().find(|it| !matches!(it, Broken::NoStart(_) | Broken::NoEnd { .. })).cloned();
    fault.map_or(Ok(found), Err)
}

fn paths(folder: &Path) -> Vec<String> {
    let entries = Entries::from(folder, 0).map(|it| view(&it.unwrap().1).unwrap());
    entries.map(|it| it["request"]["path"].as_str().unwrap().to_owned()).collect()
}

/// A log of so many entries, closed.
fn log_of(count: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), count);
    folder
}

fn wal(folder: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = fs::read_dir(folder.join("wal")).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    files.pop().unwrap()
}

#[test]
fn entries_of_many_threads_are_all_there_and_signed_for() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                (0..250).for_each(|_| {
                    let _ = log.append(&entry("/a\nb"));
                });
            });
        }
    });
    assert_eq!(log.appended(), 1000);
    drop(log);
    let found = verified(folder.path()).unwrap();
    assert_eq!((found.entries, found.signed), (1000, 1000));
}

#[test]
fn a_restart_goes_on_where_the_last_whole_entry_ended() {
    let folder = log_of(1);
    fs::OpenOptions::new()
        .append(true)
        .open(wal(folder.path()))
        .unwrap()
        .write_all(b"\x10\0\0\0half an entry")
        .unwrap();
    let (log, recovered) = open(folder.path()).unwrap();
    assert_eq!((recovered.next, recovered.torn), (1, 17));
    log.append(&entry("/again"));
    drop(log);
    assert_eq!(verified(folder.path()).unwrap().entries, 2);
    assert_eq!(paths(folder.path()), ["/0", "/again"]);
}

#[test]
fn many_restarts_and_write_ahead_files_make_one_log() {
    let folder = tempfile::tempdir().unwrap();
    let count = 80_000;
    for entries in [count, 0, 300, 1] {
        let (log, recovered) = open(folder.path()).unwrap();
        assert_eq!(recovered.torn, 0);
        (0..entries).for_each(|it| {
            let _ = log.append(&entry(&format!("/{it}")));
        });
    }
    let found = verified(folder.path()).unwrap();
    assert_eq!((found.entries, found.signed), (80_301, 80_301));
    let first: u64 = wal(folder.path()).file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert!(first > 0 && first.is_multiple_of(256), "one write-ahead file for everything");
    assert_eq!(fs::read_dir(folder.path().join("wal")).unwrap().count(), 1, "a sealed file was not removed");
    assert_eq!(paths(folder.path())[79_999], "/79999");
    let from: Vec<u64> = Entries::from(folder.path(), 80_299).map(|it| it.unwrap().0).collect();
    assert_eq!(from, [80_299, 80_300]);
}

#[test]
fn the_end_of_the_run_before_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::from_seconds(1);
    for (stops, expected) in
        [(true, Before::Nothing), (false, Before::Stop), (true, Before::Crash), (false, Before::Stop)]
    {
        let (log, recovered) = open(folder.path()).unwrap();
        assert_eq!(recovered.before, expected);
        log.note(&Notice::start(now, recovered.before, 0));
        log.append(&entry("/"));
        if stops {
            log.note(&Notice::stop(now));
            // What was still being answered.
            log.append(&entry("/late"));
        }
    }
    let views: Vec<_> = Entries::from(folder.path(), 0).map(|it| view(&it.unwrap().1).unwrap()).collect();
    assert_eq!((&views[0]["action"], &views[0]["before"]), (&"start".into(), &"nothing".into()));
    assert_eq!((&views[2]["action"], &views[2]["node_seq"]), (&"stop".into(), &2.into()));
    assert_eq!(verified(folder.path()).unwrap().entries, views.len() as u64);
}

#[test]
fn an_end_right_before_another_write_ahead_file_is_no_crash() {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::from_seconds(1);
    let detail = "x".repeat(50_000);
    let whole = entry("/");
    let wide = Entry { decision: DecisionSection { detail: Some(&detail), ..whole.decision }, ..whole };
    // All of it is written at once, when the log is closed.
    let patient = AuditSettings { sync_ms: 600_000, flush_ms: 600_000, ..AuditSettings::default() };
    let (log, _) = open_with(folder.path(), patient).unwrap();
    // More than a write-ahead file takes, with the end as the last of a bundle.
    for _ in 0..511 {
        let _ = log.append(&wide);
    }
    log.note(&Notice::stop(now));
    drop(log);
    let (log, recovered) = open(folder.path()).unwrap();
    drop(log);
    assert_eq!(recovered.before, Before::Stop);
    let (_, recovered) = open(folder.path()).unwrap();
    let first: u64 = wal(folder.path()).file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert_eq!((recovered.before, recovered.next, first), (Before::Stop, 512, 512), "it is not what it should show");
}

#[tokio::test]
async fn who_waits_is_told_when_the_entry_is_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let patient = AuditSettings { sync_ms: 600_000, flush_ms: 600_000, ..AuditSettings::default() };
    let (log, _) = open_with(folder.path(), patient).unwrap();
    let number = log.append(&entry("/1"));
    assert_eq!((number, log.durable()), (1, 0));
    log.durable_up_to(number).await.unwrap();
    assert_eq!(log.durable(), 1);
    assert_eq!(paths(copy(folder.path()).path()), ["/1"], "it is not in the file");
}

#[test]
fn an_entry_that_no_bundle_could_hold_is_cut_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path()).unwrap();
    let policies: Vec<Arc<str>> =
        (0..5_000).map(|it| format!("a policy with a long name, number {it}").into()).collect();
    let detail = "é".repeat(40_000);
    let whole = entry("/1");
    let decision = DecisionSection { detail: Some(&detail), policies: &policies, ..whole.decision };
    log.append(&Entry { decision, ..whole });
    drop(log);
    assert_eq!(verified(folder.path()).unwrap().entries, 1);
    let (_, bytes) = Entries::from(folder.path(), 0).next().unwrap().unwrap();
    let kept = view(&bytes).unwrap();
    assert_eq!((&kept["decision"]["cut"], &kept["request"]["path"]), (&true.into(), &"/1".into()));
    assert!(bytes.len() < audit::MAX_ENTRY && kept["decision"]["policies"][0].is_string());
}

#[test]
fn a_second_writer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path()).unwrap();
    assert!(matches!(open(folder.path()), Err(OpenError::Taken(_))));
}

#[test]
fn wherever_the_machine_went_down_what_was_signed_for_is_there_or_missed() {
    // Signed for at every sync, and killed without an end.
    let folder = tempfile::tempdir().unwrap();
    let (log, _) =
        open_with(folder.path(), AuditSettings { checkpoint_ms: 0, sync_ms: 0, ..Default::default() }).unwrap();
    (0..20).for_each(|it| {
        let _ = log.append(&entry(&format!("/{it}")));
    });
    while !verified(folder.path()).is_ok_and(|it| it.signed == 20) || log.durable() < 20 {
        std::thread::yield_now();
    }
    let dead = copy(folder.path());
    let whole = fs::read(wal(dead.path())).unwrap();
    let (checkpoint, none) = (fs::read(dead.path().join("checkpoint")).unwrap(), dead.path().join("checkpoint"));
    let ends = [0, 1, 4, 11, 12, 13, whole.len() - 1, whole.len()];
    for length in (0..whole.len()).step_by(83).chain(ends) {
        let cut = copy(dead.path());
        fs::write(wal(cut.path()), &whole[..length]).unwrap();
        if length < whole.len() {
            let refused = open(cut.path()).unwrap_err();
            let short =
                matches!(refused, OpenError::Unrecoverable { cause: Unrecoverable::Short { stated: 20, .. }, .. });
            assert!(short, "{length}: {refused}");
            assert_eq!(fs::read(wal(cut.path())).unwrap().len(), length, "the evidence was changed");
            assert!(matches!(verified(cut.path()), Err(Broken::Short { signed: 20, .. })), "{length}");
            // The same without what was signed: then nobody can know, and what is whole is gone on with.
            fs::remove_file(cut.path().join("checkpoint")).unwrap();
            let _ = fs::remove_dir_all(cut.path().join("checkpoints"));
        }
        let (log, recovered) = open(cut.path()).unwrap();
        assert!(recovered.next < 20 || length == whole.len());
        log.append(&entry("/next"));
        drop(log);
        let expected: Vec<String> =
            (0..recovered.next).map(|it| format!("/{it}")).chain(["/next".to_owned()]).collect();
        assert_eq!(paths(cut.path()), expected, "{length}");
        assert_eq!(verified(cut.path()).unwrap().entries, recovered.next + 1, "{length}");
    }
    fs::write(none, checkpoint).unwrap();
    drop(log);
}

#[test]
fn what_was_changed_moved_doubled_or_taken_out_is_named() {
    let folder = log_of(600);
    let bundle = folder.path().join("tile/entries/001");
    let bytes = fs::read(&bundle).unwrap();
    let split = |bytes: &[u8]| {
        let (mut entries, mut rest) = (Vec::new(), bytes);
        while let Some((length, _)) = rest.split_first_chunk::<2>() {
            let (one, after) = rest.split_at(2 + usize::from(u16::from_be_bytes(*length)));
            entries.push(one.to_vec());
            rest = after;
        }
        entries
    };
    let all = split(&bytes);
    assert_eq!(all.len(), 256);
    let changed = |with: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut entries = all.clone();
        with(&mut entries);
        fs::write(&bundle, entries.concat()).unwrap();
        let broken = verified(folder.path()).unwrap_err().to_string();
        fs::write(&bundle, &bytes).unwrap();
        broken
    };
    assert!(changed(&|it| it.swap(3, 4)).contains("entry 259 is not the one that was signed for"));
    assert!(
        changed(&|it| it[4] = it[3].clone())
            .contains("entry 260 is not the one that was signed for in checkpoint `checkpoint`")
    );
    let status = |it: &mut Vec<Vec<u8>>| {
        let at = it[9].windows(6).position(|it| it == b"status").unwrap();
        it[9][at + 8] ^= 1;
    };
    let told = changed(&status);
    assert!(told.contains("entry 265 is not the one that was signed for"), "{told}");
    // One bundle less than there were, and what comes after it is found in no file.
    fs::remove_file(&bundle).unwrap();
    fs::write(wal(folder.path()), []).unwrap();
    assert!(matches!(verified(folder.path()), Err(Broken::Unreadable { seq: 256, .. })));
    let all = verify(folder.path(), &Grounds::only(signer().verifier())).unwrap().faults;
    assert!(all.iter().any(|it| matches!(it, Broken::Short { signed: 600, found: 512, .. })), "{all:?}");
}

#[test]
fn a_log_whose_beginning_or_whose_word_went_missing_is_not_begun_anew() {
    let refused = |gone: &[&str]| {
        let folder = log_of(300);
        for it in gone {
            let path = folder.path().join(it);
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        let refused = open(folder.path()).unwrap_err();
        assert!(
            matches!(refused, OpenError::Unrecoverable { cause: Unrecoverable::Damaged(_), .. }),
            "{gone:?}: {refused}"
        );
    };
    refused(&["wal"]);
    refused(&["checkpoint"]);
    refused(&["checkpoint", "wal"]);
    refused(&["checkpoint", "checkpoints", "wal"]);
}

#[test]
fn a_write_ahead_file_that_was_only_begun_is_none() {
    let folder = log_of(300);
    // As a process leaves it that dies while it begins another one.
    fs::write(folder.path().join("wal/00000000000000000256.new"), b"half").unwrap();
    let (log, recovered) = open(folder.path()).unwrap();
    assert_eq!((recovered.next, recovered.torn), (300, 0));
    log.append(&entry("/next"));
    drop(log);
    assert_eq!(verified(folder.path()).unwrap().entries, 301);
}

#[test]
fn tiles_and_bundles_that_a_power_cut_left_in_part_are_whole_once_the_log_is_open() {
    let folder = log_of(600);
    for file in ["tile/0/000", "tile/entries/001"] {
        let path = folder.path().join(file);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    }
    let _log = open(folder.path()).unwrap();
    assert_eq!(verified(folder.path()).unwrap().entries, 600);
    assert!(audit::prove_entry(folder.path(), 300).is_ok());
}

#[test]
fn two_checkpoints_of_one_size_and_one_of_another_key_are_found() {
    let folder = log_of(3);
    let note = fs::read_to_string(folder.path().join("checkpoint")).unwrap();
    let stated = audit::note::Checkpoint::parse(signer().verifier().open(&note).unwrap()).unwrap();
    let other = audit::note::Checkpoint { root: [9; 32], ..stated.clone() };
    let forked = folder.path().join("checkpoints/x.note");
    fs::write(&forked, signer().sign(&other.text())).unwrap();
    assert!(matches!(verified(folder.path()), Err(Broken::Fork { size: 3, .. })));
    let stranger = Signer::from_seed("portcullis/test", &[2; 32]).unwrap();
    fs::write(&forked, stranger.sign(&stated.text())).unwrap();
    assert!(matches!(verified(folder.path()), Err(Broken::Note { .. })));
    fs::write(folder.path().join("checkpoint"), stranger.sign(&stated.text())).unwrap();
    let refused = open(folder.path()).unwrap_err();
    assert!(matches!(refused, OpenError::Unrecoverable { cause: Unrecoverable::Note(_), .. }), "{refused}");
}

#[test]
fn the_log_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = log_of(300);
    let mut folders = vec![folder.path().to_owned()];
    while let Some(next) = folders.pop() {
        for found in fs::read_dir(next).unwrap() {
            let path = found.unwrap().path();
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
            folders.extend(path.is_dir().then_some(path));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_changed_bit_of_what_was_signed_for_is_found(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let folder = log_of(300);
        let files = ["checkpoint", "tile/entries/000", "tile/0/000"].map(|it| folder.path().join(it));
        let file = [files.as_slice(), &[wal(folder.path())]].concat()[which.index(4)].clone();
        let mut bytes = fs::read(&file).unwrap();
        let at = at.index(bytes.len());
        // What is in bundles is no longer read from the write-ahead file.
        let ahead = file.extension().is_some();
        bytes[at] ^= 1 << bit;
        fs::write(&file, bytes).unwrap();
        let found = verified(folder.path());
        // A bundle that cannot be taken apart any more is made anew from the write-ahead file, and that is said.
        let said = found.as_ref().map_or(true, |it| !it.remarks.is_empty());
        prop_assert!(said || ahead, "{:?} {}", found, file.display());
        if ahead {
            prop_assert!(found.is_err() || open(folder.path()).is_err());
        }
    }
}
