use super::*;

/// A log that nobody has written to yet, and two bytes for each entry of it.
fn sequencer(log: &Path) -> Sequencer {
    std::fs::create_dir(wal::folder(log)).unwrap();
    let signer = Signer::from_seed("node/log", &[7; 32]).unwrap();
    let wal = Wal::new(wal::open(log, 0).unwrap(), 0, 0);
    Sequencer::resume(log, (signer, None), Levels::default(), wal, 0)
}

#[test]
fn what_was_written_holds_before_the_tiles_over_it_are_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut sequencer = sequencer(folder.path());
    let whole = FULL as u64 * FULL as u64;
    for it in 0..whole + 300 {
        sequencer.add(&[&[tree::LEAF], &it.to_be_bytes()[..]].concat());
        // Around the entry that makes a tile of the second level whole.
        if [whole - 2, whole - 1, whole, whole + 255, whole + 299].contains(&it) {
            sequencer.write().unwrap();
            assert!(sequencer.holds_what_was_written(), "after {} entries", it + 1);
        }
    }
    sequencer.sync().unwrap();
    sequencer.settle().unwrap();
    assert!(sequencer.holds_what_was_written());

    let path = wal::path(folder.path(), 0);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1_000_000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(!sequencer.holds_what_was_written());
}

#[test]
fn what_was_perhaps_never_certain_is_written_again_where_it_lies_and_what_is_damaged_is_made_anew() {
    use std::os::unix::fs::MetadataExt as _;

    let folder = tempfile::tempdir().unwrap();
    let (log, signer) = (folder.path(), Signer::from_seed("node/log", &[7; 32]).unwrap());
    let mut written = sequencer(log);
    let add = |to: &mut Sequencer, count: u32| (0..count).for_each(|it| to.add(&it.to_be_bytes()));
    add(&mut written, 500);
    written.sync().unwrap();
    written.settle().unwrap();
    written.state(true).unwrap();
    add(&mut written, 400);
    written.sync().unwrap();
    written.settle().unwrap();
    let (tiles, bundle) = (["tile/0/000", "tile/0/001", "tile/entries/001"], log.join("tile/entries/002"));
    drop(written);
    std::fs::write(&bundle, b"half of it").unwrap();
    let ahead = wal::path(log, 0);
    let long_ago = std::fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
    let look = |path: &Path| {
        let found = path.metadata().unwrap();
        (found.ino(), found.mtime() == 0)
    };
    let mut left = Vec::new();
    for path in tiles.iter().map(|it| log.join(it)).chain([ahead]) {
        File::options().write(true).open(&path).unwrap().set_times(long_ago).unwrap();
        assert!(look(&path).1);
        left.push((look(&path).0, path));
    }

    let (found, recovered) = crate::recover::recover(log, signer, None).unwrap();
    assert_eq!((found.size(), recovered.torn), (900, 0));
    assert!(found.holds_what_was_written());
    for (node, path) in left {
        assert_eq!(look(&path), (node, false), "{}", path.display());
    }
    assert_eq!(entries(&std::fs::read(bundle).unwrap()).count(), FULL);
}

#[test]
fn nothing_is_signed_for_that_is_not_certain_however_long_its_file_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut sequencer = sequencer(folder.path());
    sequencer.follow_after(1);
    let add = |to: &mut Sequencer, count: u32| (0..count).for_each(|it| to.add(&it.to_be_bytes()));
    add(&mut sequencer, 300);
    sequencer.sync().unwrap();
    add(&mut sequencer, 5);
    sequencer.write().unwrap();
    sequencer.settle().unwrap();
    assert_eq!((sequencer.stated, sequencer.wal.first), (0, 0), "five of them are in no file for certain");
    sequencer.sync().unwrap();
    sequencer.settle().unwrap();
    assert_eq!((sequencer.stated, sequencer.wal.first), (305, 256));
}

#[test]
fn whatever_fails_while_a_write_ahead_file_is_put_back_the_next_start_goes_on_with_every_entry() {
    let ahead = |log: &Path| wal::path(log, 0);
    // What keeps a file from being put in place: a folder where its draft is made.
    let in_its_way = |path: &Path| path.with_added_extension("new");
    for fails in [None, Some("checkpoint"), Some("checkpoints/600.note"), Some("wal/00000000000000000000.wal")] {
        let folder = tempfile::tempdir().unwrap();
        let (log, signer) = (folder.path(), Signer::from_seed("node/log", &[7; 32]).unwrap());
        let mut written = sequencer(log);
        let add = |to: &mut Sequencer, numbers: std::ops::Range<u32>| numbers.for_each(|it| to.add(&it.to_be_bytes()));
        add(&mut written, 0..100);
        written.sync().unwrap();
        written.settle().unwrap();
        written.state(true).unwrap();
        add(&mut written, 100..600);
        written.sync().unwrap();
        written.settle().unwrap();
        std::fs::remove_file(ahead(log)).unwrap();
        let obstacle = fails.map(|it| in_its_way(&log.join(it)));
        if let Some(it) = &obstacle {
            std::fs::create_dir(it).unwrap();
        }
        assert_eq!(written.restore().is_err(), fails.is_some(), "{fails:?}");
        if let Some(it) = &obstacle {
            std::fs::remove_dir(it).unwrap();
        }
        if !ahead(log).exists() {
            written.restore().unwrap();
        }
        // Killed here, it leaves nothing else.
        drop(written);
        let (found, _) = crate::recover::recover(log, signer, None).unwrap();
        assert_eq!(found.size(), 600, "{fails:?}");
        assert!(found.holds_what_was_written(), "{fails:?}");
    }
}

#[test]
fn what_was_changed_in_a_bundle_is_not_written_ahead_as_ours() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path();
    let mut written = sequencer(log);
    (0..600_u32).for_each(|it| written.add(&it.to_be_bytes()));
    written.sync().unwrap();
    written.settle().unwrap();
    let bundle = log.join("tile/entries/001");
    let whole = std::fs::read(&bundle).unwrap();
    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1;
    std::fs::write(&bundle, other).unwrap();
    std::fs::remove_file(wal::path(log, 0)).unwrap();
    let refused = written.restore().unwrap_err().to_string();
    assert!(refused.contains("tile/entries/001") && !wal::path(log, 0).exists(), "{refused}");
    std::fs::write(&bundle, whole).unwrap();
    written.restore().unwrap();
    assert!(written.holds_what_was_written() && written.astray().is_none());
}
