//! Notes against another implementation of them.

use audit::note::{BadNote, Checkpoint, Signer, Verifier};
use proptest::prelude::*;
use signed_note::{Note, StandardVerifier, VerifierList};

const NAME: &str = "portcullis.example/log";

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: NAME.to_owned(), size: 42, root: [7; 32] }
}

#[test]
fn what_is_signed_here_is_read_there_and_its_key_is_theirs() {
    let signer = Signer::from_seed(NAME, &[1; 32]).unwrap();
    let note = signer.sign(&checkpoint().text());
    let key = signer.verifier().to_string();
    let theirs = StandardVerifier::new(&key).unwrap();
    let read = Note::from_bytes(note.as_bytes()).unwrap();
    let (good, strange) = read.verify(&VerifierList::new(vec![Box::new(theirs)])).unwrap();
    assert_eq!((good.len(), strange.len()), (1, 0));
    let text = key.parse::<Verifier>().unwrap().open(&note).unwrap();
    assert_eq!(Checkpoint::parse(text), Ok(checkpoint()));
    let cosigned = format!("{note}\u{2014} witness.example/w AAAAAAECAwQ=\n");
    assert!(signer.verifier().open(&cosigned).is_ok(), "a line of somebody else is passed over");
}

#[test]
fn a_note_of_another_key_or_another_text_is_refused() {
    let (signer, other) = (Signer::from_seed(NAME, &[1; 32]).unwrap(), Signer::from_seed(NAME, &[2; 32]).unwrap());
    let note = signer.sign(&checkpoint().text());
    assert_eq!(other.verifier().open(&note), Err(BadNote::Unsigned(NAME.to_owned())));
    let changed = note.replace("\n42\n", "\n43\n");
    assert_eq!(signer.verifier().open(&changed), Err(BadNote::Forged(NAME.to_owned())));
    for bad in ["", "a", "a\n", "a\n\n", "a\n\nb\n", "a\n\n\u{2014} x\n", "a\n\n\u{2014} x !\n"] {
        assert_eq!(signer.verifier().open(bad), Err(BadNote::Malformed), "{bad:?}");
    }
    for bad in
        ["", "a", "a+b", "a+00000000+AAAA", "a b+00000000+AQ==", &signer.verifier().to_string().replace('+', "-")]
    {
        assert!(bad.parse::<Verifier>().is_err(), "{bad}");
    }
    assert!(Signer::from_seed("a b", &[1; 32]).is_none() && Signer::from_seed("", &[1; 32]).is_none());
}

#[test]
fn a_checkpoint_has_one_spelling() {
    let text = checkpoint().text();
    assert_eq!(Checkpoint::parse(&format!("{text}extension\n")), Ok(checkpoint()));
    for (from, to) in [("42", "042"), ("42", "+42"), ("42", "-1"), ("42", ""), ("BwcH", "BwcH!"), (NAME, "")] {
        assert!(Checkpoint::parse(&text.replacen(from, to, 1)).is_err(), "{to:?} for {from:?}");
    }
}

proptest! {
    #[test]
    fn no_changed_byte_of_a_note_is_passed_over(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let signer = Signer::from_seed(NAME, &[1; 32]).unwrap();
        let note = signer.sign(&checkpoint().text());
        let mut bytes = note.into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(signer.verifier().open(&changed).is_err(), "{}", changed);
        }
    }

    #[test]
    fn no_text_makes_the_reader_fail(note in "(\\PC|\n|\u{2014} ){0,60}", key in "\\PC{0,40}") {
        let _ = Signer::from_seed(NAME, &[1; 32]).unwrap().verifier().open(&note);
        let _ = key.parse::<Verifier>();
        let _ = Checkpoint::parse(&note);
    }
}
