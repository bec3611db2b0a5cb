//! A log whose key another takes over from.

use std::path::Path;
use std::sync::Arc;

use audit::note::{Signer, Verifier};
use audit::{AuditSettings, Author, Broken, Grounds, Log, Verified, prove_growth, verify, verify_growth};
use domain::SystemClock;

use crate::sample::entry;

const NAME: &str = "portcullis/test";

pub(crate) fn signer(seed: u8) -> Signer {
    Signer::from_seed(NAME, &[seed; 32]).unwrap()
}

/// A run that is signed by this key, which writes so many entries and ends.
fn run(folder: &Path, signer: Signer, boot: &str, count: usize) {
    let author = Author { node: "test".to_owned(), boot: boot.to_owned() };
    let settings = AuditSettings { reserve_bytes: 0, ..AuditSettings::default() };
    let (log, recovered) = Log::open(folder, settings, signer, author, Arc::new(SystemClock::new())).unwrap();
    let _ = log.note(&audit::Notice::start(domain::Timestamp::from_seconds(0), recovered.before, 0));
    for number in 0..count {
        let _ = log.append(&entry(&format!("/{number}")));
    }
    let _ = log.note(&audit::Notice::stop(domain::Timestamp::from_seconds(0)));
}

/// Three runs: by the first key, by both, by the second alone.
pub(crate) fn rotated(folder: &Path) {
    run(folder, signer(1), "a", 300);
    run(folder, signer(2).after(&[1; 32]).unwrap(), "b", 10);
    run(folder, signer(2), "c", 300);
}

fn verified_by(folder: &Path, key: &Verifier) -> Verified {
    verify(folder, &Grounds::only(key.clone())).unwrap()
}

#[test]
fn whoever_has_either_key_verifies_over_the_change() {
    let folder = tempfile::tempdir().unwrap();
    rotated(folder.path());
    for seed in [1, 2] {
        let found = verified_by(folder.path(), &signer(seed).verifier());
        assert!(found.faults.is_empty(), "{:?}", found.faults);
        assert_eq!((found.entries, found.signed), (616, 616));
        let keys: Vec<_> = found.keys.all().map(|(key, until)| (key.clone(), until.is_some())).collect();
        assert_eq!(keys, [(signer(1).verifier(), true), (signer(2).verifier(), false)]);
    }
    let strange = verified_by(folder.path(), &signer(3).verifier());
    assert!(strange.faults.iter().any(|it| matches!(it, Broken::Note { .. })), "{:?}", strange.faults);
}

#[test]
fn growth_over_the_change_is_proved_to_whoever_has_both_keys() {
    let folder = tempfile::tempdir().unwrap();
    rotated(folder.path());
    let older = std::fs::read_to_string(folder.path().join("checkpoints/302.note")).unwrap();
    let proof = prove_growth(folder.path(), 302).unwrap();
    let [old, new] = [1, 2].map(|it| signer(it).verifier());
    for keys in [[old.clone(), new.clone()], [new.clone(), old.clone()]] {
        assert_eq!(verify_growth(&proof, &older, &keys).unwrap().size, 616);
    }
    let says = |key: Verifier| verify_growth(&proof, &older, &[key]).unwrap_err().to_string();
    let (of_old, of_new) = (old.id_text(), new.id_text());
    assert_eq!(says(new), format!("the older checkpoint is not signed by `{NAME}+{of_new}`"));
    assert_eq!(says(old), format!("the newer checkpoint, which is in the proof, is not signed by `{NAME}+{of_old}`"));
}

#[test]
fn what_the_older_key_signs_alone_after_the_change_counts_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    rotated(folder.path());
    let newest = std::fs::read_to_string(folder.path().join("checkpoint")).unwrap();
    let text = signer(2).verifier().open(&newest).unwrap().to_owned();
    std::fs::write(folder.path().join("checkpoints/late.note"), signer(1).sign(&text)).unwrap();
    for seed in [1, 2] {
        let found = verified_by(folder.path(), &signer(seed).verifier());
        assert!(found.faults[0].to_string().contains("had taken over"), "{:?}", found.faults);
    }
}

#[test]
fn a_log_goes_on_only_with_its_own_key_or_one_that_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), signer(1), "a", 3);
    let author = || Author { node: "test".to_owned(), boot: "b".to_owned() };
    let open =
        |signer| Log::open(folder.path(), AuditSettings::default(), signer, author(), Arc::new(SystemClock::new()));
    assert!(open(signer(2)).is_err());
    assert!(open(signer(2).after(&[3; 32]).unwrap()).is_err());
    assert!(open(signer(2).after(&[1; 32]).unwrap()).is_ok());
}

#[test]
fn two_keys_that_took_over_from_one_are_told() {
    let folder = tempfile::tempdir().unwrap();
    rotated(folder.path());
    let thief = signer(9).after(&[1; 32]).unwrap();
    let note = std::fs::read_to_string(folder.path().join("checkpoints/302.note")).unwrap();
    let root = audit::note::Checkpoint::parse(signer(1).verifier().open(&note).unwrap()).unwrap().root;
    std::fs::write(folder.path().join("checkpoints/thief.note"), thief.checkpoint(302, root)).unwrap();
    let found = verified_by(folder.path(), &signer(1).verifier());
    assert!(found.faults.iter().any(|it| matches!(it, Broken::TwoHeirs(_))), "{:?}", found.faults);
}
