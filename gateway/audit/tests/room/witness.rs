//! Cosignatures, and the witness that makes them: it never stands for two logs of one name.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::path::Path;

use audit::cosignature::{BadQuorum, Cosigner, Quorum, WitnessKey, lines_of};
use audit::note::{BadNote, Checkpoint, Signer, Verifier};
use audit::tree::{Hash, Levels, consistency, leaf, node};
use audit::witness::{BadWitness, MAX_QUESTION, Uncosigned, Witness};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;
use proptest::prelude::*;

const NAME: &str = "portcullis/test";
const NOW: Timestamp = Timestamp::from_seconds(1_679_315_147);

fn signer() -> Signer {
    Signer::from_seed(NAME, &[1; 32]).unwrap()
}

fn cosigner(seed: u8) -> Cosigner {
    Cosigner::from_seed(&format!("witness.example/{seed}"), &[seed; 32]).unwrap()
}

fn note(size: u64, root: Hash) -> String {
    signer().sign(&Checkpoint { origin: NAME.to_owned(), size, root }.text())
}

/// A log that can be forked: its entries are numbers.
fn root(entries: &[u8]) -> Hash {
    let mut levels = Levels::default();
    for it in entries {
        levels.push(leaf(&[*it]), |_, _| {});
    }
    levels.root()
}

fn path(entries: &[u8], old: usize) -> Vec<Hash> {
    fn over(entries: &[u8]) -> Hash {
        match entries {
            [one] => leaf(&[*one]),
            more => {
                let (left, right) = more.split_at(more.len() / 2);
                node(&over(left), &over(right))
            }
        }
    }
    let mut subtree = |level: u32, index: u64| {
        let first = usize::try_from(index << level).unwrap();
        Ok::<_, Infallible>(over(entries.get(first..first + (1 << level)).unwrap()))
    };
    consistency(old as u64, entries.len() as u64, &mut subtree).unwrap()
}

/// What a witness is asked about the growth of a log from `old` entries.
fn question(entries: &[u8], old: usize) -> String {
    let path: String = path(entries, old).iter().map(|it| STANDARD.encode(it) + "\n").collect();
    format!("old {old}\n{path}\n{}", note(entries.len() as u64, root(entries)))
}

fn open(folder: &Path) -> Witness {
    Witness::open(folder, cosigner(9), &[signer().verifier()]).unwrap()
}

#[test]
fn a_cosignature_holds_for_one_text_one_moment_and_one_key() {
    let (plain, key) = (note(3, [7; 32]), cosigner(9).witness());
    let line = cosigner(9).cosign(signer().verifier().open(&plain).unwrap(), NOW);
    let cosigned = format!("{plain}{line}");
    assert_eq!(key.cosigned(&cosigned), Ok(NOW));
    assert_eq!(key.to_string().parse::<WitnessKey>().as_ref(), Ok(&key));
    assert!(signer().verifier().open(&cosigned).is_ok(), "the log's own signature is passed over");
    assert_eq!(key.cosigned(&plain), Err(BadNote::Unsigned(key.name().to_owned())));
    assert_eq!(cosigner(8).witness().cosigned(&cosigned), Err(BadNote::Unsigned("witness.example/8".to_owned())));
    // The key of a log is no key of a witness, nor the other way round.
    assert!(signer().verifier().to_string().parse::<WitnessKey>().is_err());
    assert!(key.to_string().parse::<Verifier>().is_err());
    // One bit of the time is as good as one of the text.
    let bytes = STANDARD.decode(line.trim_end().rsplit(' ').next().unwrap()).unwrap();
    assert_eq!(bytes.get(4..12), Some(&1_679_315_147_u64.to_be_bytes()[..]));
    for at in 4..bytes.len() {
        let mut changed = bytes.clone();
        *changed.get_mut(at).unwrap() ^= 1;
        let forged = format!("{plain}\u{2014} {} {}\n", key.name(), STANDARD.encode(changed));
        assert_eq!(key.cosigned(&forged), Err(BadNote::Forged(key.name().to_owned())), "{at}");
    }
    let other = format!("{}{line}", note(4, [7; 32]));
    assert_eq!(key.cosigned(&other), Err(BadNote::Forged(key.name().to_owned())));
}

#[test]
fn a_quorum_is_as_many_different_witnesses_as_it_takes() {
    let text = note(3, [7; 32]);
    let body = signer().verifier().open(&text).unwrap().to_owned();
    let by = |seed: u8, at: i64| cosigner(seed).cosign(&body, Timestamp::from_seconds(at));
    let keys = || (1..=3).map(|it| cosigner(it).witness()).collect::<Vec<_>>();
    let two = Quorum::new(keys(), 2).unwrap();
    assert_eq!(two.witnessed(&text), Ok(None));
    // The same one twice is one.
    assert_eq!(two.witnessed(&format!("{text}{}{}", by(1, 10), by(1, 11))), Ok(None));
    assert_eq!(two.witnessed(&format!("{text}{}{}", by(1, 10), by(7, 11))), Ok(None));
    let all = format!("{text}{}{}{}", by(1, 10), by(2, 30), by(3, 20));
    assert_eq!(two.witnessed(&all), Ok(Some(Timestamp::from_seconds(20))));
    assert_eq!(Quorum::new(keys(), 1).unwrap().witnessed(&all), Ok(Some(Timestamp::from_seconds(30))));
    assert_eq!(Quorum::new(Vec::new(), 1), Err(BadQuorum::Nobody));
    assert_eq!(Quorum::new(keys(), 0), Err(BadQuorum::OutOfRange));
    assert_eq!(Quorum::new(keys(), 4), Err(BadQuorum::OutOfRange));
    let renamed = Cosigner::from_seed("another", &[1; 32]).unwrap().witness();
    assert_eq!(Quorum::new([keys(), vec![renamed]].concat(), 1), Err(BadQuorum::Twice));
}

#[test]
fn of_an_answer_only_the_lines_of_the_witness_that_was_asked_are_taken() {
    let text = note(3, [7; 32]);
    let body = signer().verifier().open(&text).unwrap().to_owned();
    let answer = format!("{}{}", cosigner(8).cosign(&body, NOW), cosigner(9).cosign(&body, NOW));
    let (lines, at) = lines_of(&cosigner(9).witness(), &text, &answer).unwrap();
    assert_eq!((lines, at), (cosigner(9).cosign(&body, NOW), NOW));
    for bad in ["", "hello", &cosigner(8).cosign(&body, NOW), &cosigner(9).cosign("another text\n", NOW)] {
        assert!(lines_of(&cosigner(9).witness(), &text, bad).is_err(), "{bad}");
    }
}

#[test]
fn a_log_that_grows_is_stood_for_and_every_other_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let witness = open(folder.path());
    let refuses = |body: &str| witness.cosign(body.as_bytes(), NOW).unwrap_err();
    let (entries, other) = ([0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 9, 9, 9, 9]);
    let first = entries.get(..3).unwrap();
    assert!(matches!(refuses(&question(first, 1)), Uncosigned::Conflict(0)));
    let line = witness.cosign(question(first, 0).as_bytes(), NOW).unwrap();
    assert_eq!(witness.key().cosigned(&format!("{}{line}", note(3, root(first)))), Ok(NOW));
    assert!(witness.cosign(question(first, 3).as_bytes(), NOW).is_ok(), "the same again is stood for again");
    assert!(matches!(refuses(&question(&entries, 0)), Uncosigned::Conflict(3)));
    assert!(matches!(refuses(&question(&[5, 6, 7], 3)), Uncosigned::Forked(3)), "another root at the same size");
    assert!(witness.cosign(question(&entries, 3).as_bytes(), NOW).is_ok());
    assert!(matches!(refuses(&question(&[other.as_slice(), &[1]].concat(), 7)), Uncosigned::Inconsistent(_)));
    assert!(matches!(refuses(&question(first, 3)), Uncosigned::Conflict(7)), "back to an older one");
    let strange = question(&entries, 7).replace(NAME, "another/log");
    assert!(matches!(refuses(&strange), Uncosigned::UnknownLog));
    let stranger = Signer::from_seed(NAME, &[2; 32]).unwrap();
    let forged = stranger.sign(&Checkpoint { origin: NAME.to_owned(), size: 7, root: root(&entries) }.text());
    assert!(matches!(refuses(&format!("old 7\n\n{forged}")), Uncosigned::Unsigned(_)));
    let changed = question(&entries, 7).replacen("\n7\n", "\n8\n", 1);
    assert!(matches!(refuses(&changed), Uncosigned::Unsigned(_)));
}

#[test]
fn what_is_no_question_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let witness = open(folder.path());
    let good = question(&[1, 2, 3], 0);
    let hashes = |count: usize| (STANDARD.encode([7; 32]) + "\n").repeat(count);
    for bad in [
        String::new(),
        "old 0\n".to_owned(),
        good.replacen("old 0", "old 00", 1),
        good.replacen("old 0", "old +0", 1),
        good.replacen("old 0", "old 4", 1),
        good.replacen("old 0", "old 0\nAAAA", 1),
        good.replacen("old 0\n", &format!("old 0\n{}", hashes(64)), 1),
        good.replacen("\n3\n", "\n03\n", 1),
        format!("{good}{}", "\u{2014} x AAAAAAAA\n".repeat(MAX_QUESTION / 10)),
        good.replace("\n\n\u{2014}", "\n\u{2014}"),
    ] {
        assert!(matches!(witness.cosign(bad.as_bytes(), NOW), Err(Uncosigned::Malformed)), "{bad}");
    }
    assert!(matches!(witness.cosign(&[0xff; 10], NOW), Err(Uncosigned::Malformed)));
    assert!(witness.cosign(good.as_bytes(), NOW).is_ok());
}

#[test]
fn a_witness_whose_memory_is_damaged_or_shared_does_not_begin() {
    let folder = tempfile::tempdir().unwrap();
    let witness = open(folder.path());
    witness.cosign(question(&[1, 2, 3], 0).as_bytes(), NOW).unwrap();
    let again = Witness::open(folder.path(), cosigner(9), &[signer().verifier()]);
    assert!(matches!(again, Err(BadWitness::Taken(_))));
    drop(witness);
    let twice = Witness::open(folder.path(), cosigner(9), &[signer().verifier(), signer().verifier()]);
    assert!(matches!(twice, Err(BadWitness::Twice(_))));
    let kept = fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().path());
    let kept = kept.into_iter().find(|it| it.extension().is_some()).unwrap();
    fs::write(&kept, "").unwrap();
    let damaged = Witness::open(folder.path(), cosigner(9), &[signer().verifier()]);
    assert!(matches!(damaged, Err(BadWitness::Damaged { .. })));
}

#[test]
fn a_witness_that_was_away_while_a_key_took_over_goes_on_from_what_the_older_one_signed() {
    let folder = tempfile::tempdir().unwrap();
    let begin = |keys: &[Verifier]| Witness::open(folder.path(), cosigner(9), keys);
    let (older, newer) = (signer(), Signer::from_seed(NAME, &[2; 32]).unwrap());
    let (first, entries) = ([1, 2, 3], [1, 2, 3, 4, 5]);
    begin(&[older.verifier()]).unwrap().cosign(question(&first, 0).as_bytes(), NOW).unwrap();
    assert!(matches!(begin(&[newer.verifier()]), Err(BadWitness::Damaged { .. })));
    let both = begin(&[older.verifier(), newer.verifier()]).unwrap();
    let by_newer = |entries: &[u8], old| {
        let stated = Checkpoint { origin: NAME.to_owned(), size: entries.len() as u64, root: root(entries) };
        let (head, _) = question(entries, old)
            .split_once(
                "

",
            )
            .map(|(it, note)| (it.to_owned(), note.len()))
            .unwrap();
        format!(
            "{head}

{}",
            newer.sign(&stated.text())
        )
    };
    // Whoever has the older one, by whatever way, speaks for the log no more.
    let by_older = both.cosign(question(&entries, 3).as_bytes(), NOW).unwrap_err();
    assert!(matches!(by_older, Uncosigned::Unsigned(_)), "{by_older}");
    let forked = both.cosign(by_newer(&[1, 2, 9, 9, 9], 3).as_bytes(), NOW).unwrap_err();
    assert!(matches!(forked, Uncosigned::Inconsistent(_)), "{forked}");
    both.cosign(by_newer(&entries, 3).as_bytes(), NOW).unwrap();
    drop(both);
    // From then on the newer one is enough.
    let alone = begin(&[newer.verifier()]).unwrap();
    assert!(alone.cosign(by_newer(&entries, 5).as_bytes(), NOW).is_ok());
}

#[test]
fn of_two_forks_that_ask_at_once_one_is_stood_for() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let witness = open(folder.path());
        let forks = [question(&[1, 2, 3], 0), question(&[1, 2, 4], 0), question(&[1, 2, 5, 6], 0)];
        let stood_for = std::thread::scope(|scope| {
            let asked = forks.each_ref().map(|it| scope.spawn(|| witness.cosign(it.as_bytes(), NOW).is_ok()));
            asked.map(|it| usize::from(it.join().unwrap())).into_iter().sum::<usize>()
        });
        assert_eq!(stood_for, 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Logs that share a beginning and then differ ask in any order, with any older size; now and then the witness begins anew.
    #[test]
    fn whoever_asks_in_whatever_order_one_growing_log_is_stood_for(
        asked in prop::collection::vec((0_usize..3, 0_usize..20, 0_usize..20, any::<bool>(), any::<bool>()), 1..60),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let logs: Vec<Vec<u8>> = [20_u8, 5, 11].iter().map(|fork| {
            (0..20).map(|it| if it < *fork { it } else { it + fork }).collect()
        }).collect();
        let (mut witness, mut last) = (Some(open(folder.path())), 0);
        let mut stood_for: BTreeMap<u64, Hash> = BTreeMap::new();
        for (which, old, size, knows, restarts) in asked {
            if restarts {
                drop(witness.take());
            }
            let witness = witness.get_or_insert_with(|| open(folder.path()));
            let entries = logs.get(which).and_then(|it| it.get(..size)).unwrap();
            // Most of those who ask know where the witness stands.
            let old = if knows { usize::try_from(last).unwrap() } else { old };
            if size < old {
                continue;
            }
            if witness.cosign(question(entries, old).as_bytes(), NOW).is_ok() {
                let size = entries.len() as u64;
                prop_assert!(last <= size, "it went back from {last} to {size}");
                last = size;
                prop_assert_eq!(*stood_for.entry(size).or_insert(root(entries)), root(entries));
            }
        }
        // All that was ever stood for is the beginning of one log.
        let whole = logs.iter().any(|log| stood_for.iter().all(|(size, it)| root(log.get(..usize::try_from(*size).unwrap()).unwrap()) == *it));
        prop_assert!(whole);
    }

    #[test]
    fn no_bytes_make_a_witness_fail(body in "(old |[0-9]|\n|\u{2014} |\\PC){0,80}") {
        let folder = tempfile::tempdir().unwrap();
        prop_assert!(open(folder.path()).cosign(body.as_bytes(), NOW).is_err());
        let _ = cosigner(9).witness().cosigned(&body);
        let _ = body.parse::<WitnessKey>();
    }
}
