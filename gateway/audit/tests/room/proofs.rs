//! Proofs as files: good for whoever has the key, and for nothing else.

use std::fs;

use audit::note::{Checkpoint, Signer};
use audit::{Refuted, Unproven, prove_entry, prove_growth, verify_entry, verify_growth, view};

use crate::sample::{append, signer};

#[test]
fn every_entry_is_proved_and_the_proof_holds_the_entry() {
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), 700);
    let key = signer().verifier();
    for seq in [0, 1, 254, 255, 256, 511, 512, 698, 699] {
        let proof = prove_entry(folder.path(), seq).unwrap();
        let proven = verify_entry(&proof, &key).unwrap();
        assert_eq!((proven.seq, proven.checkpoint.size), (seq, 700));
        assert_eq!(view(&proven.entry).unwrap()["request"]["path"], format!("/{seq}"));
        assert!(proof.len() < 2048, "{}", proof.len());
        let stranger = Signer::from_seed("portcullis/test", &[2; 32]).unwrap().verifier();
        assert!(matches!(verify_entry(&proof, &stranger), Err(Refuted::Note(_))));
        let moved = proof.replace(&format!("index {seq}\n"), &format!("index {}\n", (seq + 1) % 700));
        assert!(matches!(verify_entry(&moved, &key), Err(Refuted::Proof(_))), "{seq}");
    }
    assert!(matches!(prove_entry(folder.path(), 700), Err(Unproven::Unsigned { asked: 701, signed: 700 })));
}

#[test]
fn an_older_checkpoint_is_the_beginning_of_a_newer_one_or_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut older = Vec::new();
    for count in [1, 299, 212, 500] {
        append(folder.path(), count);
        older.push(fs::read_to_string(folder.path().join("checkpoint")).unwrap());
    }
    let key = signer().verifier();
    for old in &older {
        let size = Checkpoint::parse(old).unwrap().size;
        let proof = prove_growth(folder.path(), size).unwrap();
        assert_eq!(verify_growth(&proof, old, std::slice::from_ref(&key)).unwrap().size, 1012);
        // A log that was rewritten, and signed again.
        let forged = Checkpoint { root: [7; 32], ..Checkpoint::parse(old).unwrap() };
        let refuted = verify_growth(&proof, &signer().sign(&forged.text()), std::slice::from_ref(&key));
        assert!(matches!(refuted, Err(Refuted::Proof(_))), "{refuted:?}");
    }
    // The proof is good, and of another one.
    let proof = prove_growth(folder.path(), 300).unwrap();
    let other = verify_growth(&proof, &older[0], std::slice::from_ref(&key));
    assert!(matches!(other, Err(Refuted::OtherOlder { proved: 300, shown: 1 })), "{other:?}");
    assert!(matches!(prove_growth(folder.path(), 1013), Err(Unproven::Unsigned { asked: 1013, signed: 1012 })));
}

#[test]
fn what_is_no_proof_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), 5);
    let key = signer().verifier();
    let proof = prove_entry(folder.path(), 2).unwrap();
    for (from, to) in
        [("@v1", "@v2"), ("index 2", "index 02"), ("extra ", "extra !"), ("\n\n", "\n"), ("index", "indes")]
    {
        assert!(verify_entry(&proof.replacen(from, to, 1), &key).is_err(), "{to}");
    }
    for at in 0..proof.len() {
        let mut bytes = proof.clone().into_bytes();
        bytes.truncate(at);
        let _ = String::from_utf8(bytes).map(|it| verify_entry(&it, &key).unwrap_err());
    }
}
