//! What is said outside of a log of how much of it was signed for.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use audit::{AuditSettings, Author, Custody, Log, Lost, Notice, OpenError, Recovered, Subjects, Unrecoverable};
use domain::{SystemClock, Timestamp};

use crate::sample::{copy, entry, signer};

/// Opens a log whose newest checkpoint lies once more in this file.
fn open_anchored(folder: &Path, anchor: &Path) -> Result<Log, OpenError> {
    open_found(folder, anchor).map(|(log, _)| log)
}

/// The same, with what was found.
fn open_found(folder: &Path, anchor: &Path) -> Result<(Log, Recovered), OpenError> {
    let author = Author { node: "test".to_owned(), boot: "b".to_owned() };
    let subjects = Subjects::open(&anchor.with_extension("subjects")).unwrap();
    let custody = Custody { signer: signer(), subjects, anchor: Some(anchor.to_owned()) };
    let settings = AuditSettings { reserve_bytes: 0, ..AuditSettings::default() };
    Log::open(folder, settings, custody, author, Arc::new(SystemClock::new()))
}

#[test]
fn a_log_with_less_than_was_signed_for_is_not_gone_on_with_whatever_its_folder_says() {
    let home = tempfile::tempdir().unwrap();
    let (folder, anchor) = (home.path().join("audit"), home.path().join("newest"));
    let fill = |count: usize| {
        let log = open_anchored(&folder, &anchor).unwrap();
        for _ in 0..count {
            let _ = log.append(&entry("/a"));
        }
    };
    fill(300);
    let older = copy(&folder);
    fill(10);
    let newer = copy(&folder);
    let refused = |what: &str| {
        let refused = open_anchored(&folder, &anchor).unwrap_err();
        let behind =
            matches!(refused, OpenError::Unrecoverable { cause: Unrecoverable::Behind { anchored: 310, .. }, .. });
        assert!(behind, "{what}: {refused}");
        fs::remove_dir_all(&folder).unwrap();
        fs::rename(copy(newer.path()).keep(), &folder).unwrap();
    };
    // As somebody leaves it who cannot sign, and wants it to be taken for one that was never signed.
    fs::remove_dir_all(folder.join("checkpoints")).unwrap();
    fs::remove_dir_all(folder.join("tile")).unwrap();
    fs::remove_file(folder.join("checkpoint")).unwrap();
    refused("unsigned");
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    refused("empty");
    fs::remove_dir_all(&folder).unwrap();
    fs::rename(older.keep(), &folder).unwrap();
    refused("older");
    drop(open_anchored(&folder, &anchor).unwrap());
    fs::write(&anchor, "nonsense").unwrap();
    assert!(open_anchored(&folder, &anchor).is_err());
    // Whoever puts an older copy back on purpose takes it away.
    fs::remove_file(&anchor).unwrap();
    drop(open_anchored(&folder, &anchor).unwrap());
    assert!(anchor.exists());
}

#[test]
fn how_many_entries_were_lost_at_the_end_is_one_figure_and_the_next_start_knows_it() {
    let home = tempfile::tempdir().unwrap();
    let (folder, anchor) = (home.path().join("audit"), home.path().join("newest"));
    let open = || open_found(&folder, &anchor).unwrap();
    let (log, found) = open();
    assert_eq!(found.unwritten, 0);
    let elsewhere = home.path().join("elsewhere");
    fs::rename(&folder, &elsewhere).unwrap();
    for _ in 0..3 {
        let _ = log.append(&entry("/"));
    }
    assert_eq!(log.close(), Err(Lost(3)));
    assert_eq!(log.close(), Ok(()), "counted once");
    drop(log);
    fs::rename(&elsewhere, &folder).unwrap();
    // Until it is entered for certain every start says it.
    assert_eq!(open().1.unwritten, 3);
    let (log, found) = open();
    assert_eq!(found.unwritten, 3);
    log.begin(&[Notice::start(Timestamp::from_seconds(0), found.before, found.torn)]);
    drop(log);
    assert_eq!(open().1.unwritten, 0);
}

#[test]
fn what_a_start_found_that_was_refused_the_next_one_says() {
    let home = tempfile::tempdir().unwrap();
    let (folder, anchor) = (home.path().join("audit"), home.path().join("newest"));
    let log = open_anchored(&folder, &anchor).unwrap();
    let _ = log.append(&entry("/"));
    drop(log);
    let wal = folder.join("wal/00000000000000000000.wal");
    let whole = fs::read(&wal).unwrap();
    fs::write(&wal, [&whole[..], b"rubbish"].concat()).unwrap();
    fs::remove_file(&anchor).unwrap();
    // What lies there refuses a start that has put the log right by then.
    let table = folder.join("inflight");
    fs::remove_file(&table).unwrap();
    fs::create_dir(&table).unwrap();
    assert!(matches!(open_found(&folder, &anchor), Err(OpenError::Io { .. })));
    assert!(fs::read(&wal).unwrap() == whole && anchor.exists());
    fs::remove_dir(&table).unwrap();
    let said = |it: &Recovered| (it.torn, it.unanchored);
    // Whoever has opened it may refuse as well, before anything is entered.
    let (log, found) = open_found(&folder, &anchor).unwrap();
    drop(log);
    assert_eq!(said(&found), (7, true));
    let (log, found) = open_found(&folder, &anchor).unwrap();
    assert_eq!(said(&found), (7, true));
    log.begin(&[Notice::start(Timestamp::from_seconds(0), found.before, found.torn)]);
    drop(log);
    assert_eq!(said(&open_found(&folder, &anchor).unwrap().1), (0, false));
}
