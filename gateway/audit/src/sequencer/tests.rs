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
