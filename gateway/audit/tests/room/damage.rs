//! Whatever stands on the disk or in a text: nothing panics, and what was signed for is never taken for good where it is
//! not what it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use audit::note::{Checkpoint, Verifier};
use audit::{
    Broken, Entries, Filter, Grounds, Query, Verified, Way, prove_entry, prove_growth, verify, verify_entry,
    verify_growth, view,
};
use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::TempDir;

use crate::sample::{append, entry, open, signer};

/// Every file of a log.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What there is, where nothing is wrong with it but that its runs do not say how they begin and end.
fn verified(folder: &Path, key: &Verifier) -> Option<Verified> {
    let found = verify(folder, &Grounds::only(key.clone())).ok()?;
    let told = |it: &Broken| matches!(it, Broken::NoStart(_) | Broken::NoEnd { .. });
    found.faults.iter().all(told).then_some(found)
}

fn read(root: &Path) -> Files {
    let (mut files, mut folders) = (Files::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn lay(files: &Files) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

/// A log of 300 entries, and the same when it had 40 and when it had 280.
struct Grown {
    stages: [Files; 3],
    entries: Vec<Vec<u8>>,
    proof: String,
    growth: String,
}

fn grown() -> &'static Grown {
    static GROWN: OnceLock<Grown> = OnceLock::new();
    GROWN.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let stages = [40, 240, 20].map(|count| {
            append(folder.path(), count);
            read(folder.path())
        });
        let entries = Entries::from(folder.path(), 0).map(|it| it.unwrap().1).collect();
        let (proof, growth) = (prove_entry(folder.path(), 150).unwrap(), prove_growth(folder.path(), 40).unwrap());
        Grown { stages, entries, proof, growth }
    })
}

/// Reads a log in all ways there are. Whoever says that it is good has the entries that were signed for.
fn look(folder: &Path) -> Option<Verified> {
    let (key, entries) = (signer().verifier(), &grown().entries);
    let found = verified(folder, &key);
    if let Some(found) = &found {
        let signed = usize::try_from(found.signed).unwrap();
        let read: Vec<Vec<u8>> = Entries::from(folder, 0).take(signed).map(|it| it.unwrap().1).collect();
        assert_eq!(read, entries[..signed], "good, and not what was signed for");
    }
    let _ = Query::new(folder, 0, Filter::default(), Way::Index).and_then(|it| it.last(5));
    for seq in [0, 39, 150, 299] {
        let proven = prove_entry(folder, seq).ok().and_then(|it| verify_entry(&it, &key).ok());
        if let Some(proven) = proven {
            assert_eq!(proven.entry, entries[usize::try_from(seq).unwrap()], "proven, and not what was signed for");
        }
    }
    let _ = prove_growth(folder, 40);
    found
}

/// Looks at a log, goes on with it where that is possible, and looks again.
fn hold(files: &Files) {
    let folder = lay(files);
    let _ = look(folder.path());
    let Ok((log, recovered)) = open(folder.path()) else { return };
    let _ = log.append(&entry("/next"));
    drop(log);
    let next = usize::try_from(recovered.next).unwrap();
    let Some(found) = verified(folder.path(), &signer().verifier()) else { return };
    let read: Vec<Vec<u8>> = Entries::from(folder.path(), 0).map(|it| it.unwrap().1).collect();
    // Now everything is signed for: what was there before, and one more.
    assert_eq!((read.len(), found.signed), (next + 1, recovered.next + 1));
    assert_eq!(read[..next], grown().entries[..next], "gone on with, and not what was signed for");
}

/// The whole log with one file changed.
fn with(file: Index, change: impl FnOnce(&mut Vec<u8>)) -> Files {
    let mut files = grown().stages[2].clone();
    let name = file.get(&files.keys().cloned().collect::<Vec<_>>()).clone();
    change(files.get_mut(&name).unwrap());
    files
}

#[test]
fn a_flipped_bit_in_any_byte_of_a_log_of_two_entries_is_found_or_means_nothing() {
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), 2);
    let (files, key) = (read(folder.path()), signer().verifier());
    let entries: Vec<_> = Entries::from(folder.path(), 0).map(|it| it.unwrap()).collect();
    let good = verified(folder.path(), &key).unwrap();
    for (name, bytes) in &files {
        let path = folder.path().join(name);
        for at in 0..bytes.len() {
            let bit = at % 8;
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            fs::write(&path, changed).unwrap();
            let found = verified(folder.path(), &key);
            // The rest means nothing: the key beside a log is there for convenience, the others are not of the log.
            let of_the_log = name.starts_with("wal") || name.starts_with("checkpoint");
            assert!(found.is_none() || !of_the_log, "{} bit {bit} of byte {at}: {found:?}", name.display());
            if let Some(found) = found {
                assert_eq!((found.entries, found.signed, found.root), (good.entries, good.signed, good.root));
                assert_eq!(Entries::from(folder.path(), 0).map(|it| it.unwrap()).collect::<Vec<_>>(), entries);
            }
        }
        fs::write(&path, bytes).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_flipped_bit_of_any_file_is_found_or_means_nothing(file in any::<Index>(), at in any::<Index>(), bit in 0_u8..8) {
        hold(&with(file, |bytes| if !bytes.is_empty() { let at = at.index(bytes.len()); bytes[at] ^= 1 << bit; }));
    }

    #[test]
    fn any_bytes_may_stand_in_any_file(file in any::<Index>(), bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        hold(&with(file, |it| *it = bytes));
    }

    #[test]
    fn any_bytes_may_stand_in_the_middle_of_any_file(
        file in any::<Index>(), at in any::<Index>(), gone in 0_usize..64, bytes in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        hold(&with(file, |it| {
            let at = at.index(it.len() + 1);
            it.splice(at..it.len().min(at + gone), bytes);
        }));
    }

    #[test]
    fn any_file_may_be_cut_off_or_gone(file in any::<Index>(), at in prop::option::of(any::<Index>())) {
        let mut files = grown().stages[2].clone();
        let name = file.get(&files.keys().cloned().collect::<Vec<_>>()).clone();
        match at {
            Some(at) => { let bytes = files.get_mut(&name).unwrap(); bytes.truncate(at.index(bytes.len() + 1)); }
            None => drop(files.remove(&name)),
        }
        hold(&files);
    }

    #[test]
    fn entries_may_change_places_or_be_doubled(bundle in any::<bool>(), one in any::<Index>(), other in any::<Index>(), swap in any::<bool>()) {
        let (mut files, key) = (grown().stages[2].clone(), signer().verifier());
        let newest = files.keys().rfind(|it| it.starts_with("wal")).unwrap().clone();
        let name = if bundle { PathBuf::from("tile/entries/000") } else { newest };
        let (head, size): (usize, fn(&[u8]) -> usize) = if bundle {
            (2, |it| usize::from(u16::from_be_bytes([it[0], it[1]])))
        } else {
            (28, |it| usize::try_from(u32::from_le_bytes([it[0], it[1], it[2], it[3]])).unwrap())
        };
        let (mut parts, mut rest) = (Vec::new(), files[&name].as_slice());
        while !rest.is_empty() {
            let (part, after) = rest.split_at(head + size(rest));
            parts.push(part.to_vec());
            rest = after;
        }
        let (one, other) = (one.index(parts.len()), other.index(parts.len()));
        prop_assume!(one != other);
        if swap { parts.swap(one, other) } else { parts[one] = parts[other].clone() }
        files.insert(name, parts.concat());
        hold(&files);
        // Of the write-ahead file alone what no bundle has is read.
        let folder = lay(&files);
        let unseen = !bundle && one < 256 && (other < 256 || !swap);
        prop_assert_eq!(verified(folder.path(), &key).is_some(), unseen);
        prop_assert!(bundle || open(folder.path()).is_err());
    }

    #[test]
    fn older_files_may_come_back_between_newer_ones(choices in prop::collection::vec(0_usize..4, 40)) {
        let stages = &grown().stages;
        let mut choices = choices.into_iter().cycle();
        // Each file as it was at any time, or not there at all.
        let of = |name: &PathBuf| choices.next().and_then(|it| Some((name.clone(), stages.get(it)?.get(name)?.clone())));
        hold(&stages[2].keys().filter_map(of).collect());
    }

    #[test]
    fn a_folder_that_was_restored_from_a_copy_is_an_older_log(stage in 0_usize..2) {
        // Nobody can tell, but whoever kept a newer checkpoint.
        let folder = lay(&grown().stages[stage]);
        prop_assert_eq!(look(folder.path()).map(|it| it.signed), Some([40, 280][stage]));
        prop_assert!(prove_growth(folder.path(), 300).is_err());
        // Where something of the newer one is left, the two do not go together.
        let newer = grown().stages[2][Path::new("checkpoint")].clone();
        fs::write(folder.path().join("checkpoint"), newer).unwrap();
        prop_assert!(look(folder.path()).is_none() && open(folder.path()).is_err());
    }

    #[test]
    fn any_text_may_be_a_proof_a_note_or_a_key(text in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let key = signer().verifier();
        prop_assert!(verify_entry(&text, &key).is_err() && verify_growth(&text, &text, std::slice::from_ref(&key)).is_err());
        prop_assert!(key.open(&text).is_err() && text.parse::<Verifier>().is_err());
        let _ = (Checkpoint::parse(&text), view(&bytes));
    }

    #[test]
    fn a_changed_proof_proves_what_it_did_or_nothing(at in any::<Index>(), gone in 0_usize..3, text in "[ -~\n]{0,3}", entry in any::<bool>()) {
        let (grown, key) = (grown(), signer().verifier());
        let mut proof = if entry { grown.proof.clone() } else { grown.growth.clone() };
        let at = (0..=at.index(proof.len() + 1)).rfind(|it| proof.is_char_boundary(*it)).unwrap();
        let end = (at + gone..=proof.len()).find(|it| proof.is_char_boundary(*it)).unwrap_or(proof.len());
        proof.replace_range(at..end, &text);
        if entry && let Ok(proven) = verify_entry(&proof, &key) {
            prop_assert_eq!((proven.seq, &proven.entry), (150, &grown.entries[150]));
        }
        let older = String::from_utf8(grown.stages[0][Path::new("checkpoint")].clone()).unwrap();
        if let Ok(newer) = verify_growth(&proof, &older, std::slice::from_ref(&key)) {
            prop_assert_eq!(newer.size, 300);
        }
    }
}
