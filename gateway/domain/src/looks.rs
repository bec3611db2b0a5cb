//! What is known by its looks to be nobody else's business: numbers of cards and of people, and the secrets of access keys.
//!
//! What is entered and what is looked for among entries go by the same looks.

mod numbers;

use std::ops::Range;

pub use numbers::{Numbers, numbers_in};

/// How many digits of Base64 the secret half of an access key has.
const SECRET: usize = 40;

/// How often at least a drawn one with slashes in it goes over from small letters to large ones, or to others, and back: one
/// of a hundred does so less often. Paths with identifiers in them may do so as often, but then no large letters follow each
/// other, as they do in all but one of thirty drawn ones.
const CHANGES: usize = 18;
const LARGE_PAIRS: usize = 2;

/// Where a text holds the secret of an access key that has slashes in it, which in a path look like any others.
pub fn slashed_secret(text: &str) -> Option<Range<usize>> {
    if text.len() < SECRET {
        return None;
    }
    let bytes = text.as_bytes();
    let begins = |at: usize| at.checked_sub(1).and_then(|it| bytes.get(it)).is_none_or(|it| !is_digit(*it));
    let ends = |at: usize| bytes.get(at).is_none_or(|it| !is_digit(*it));
    (0..=bytes.len() - SECRET)
        .map(|start| start..start + SECRET)
        .find(|it| begins(it.start) && ends(it.end) && bytes.get(it.clone()).is_some_and(is_drawn))
}

/// Whether a byte is a digit of Base64, but for the slash.
fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+'
}

fn is_drawn(bytes: &[u8]) -> bool {
    let class = |it: &u8| (it.is_ascii_lowercase(), it.is_ascii_uppercase());
    let changes = || bytes.iter().zip(bytes.iter().skip(1)).filter(|(one, next)| class(one) != class(next)).count();
    let large = || {
        bytes
            .iter()
            .zip(bytes.iter().skip(1))
            .filter(|(one, next)| [one, next].iter().all(|it| it.is_ascii_uppercase()))
    };
    let has = |is: fn(&u8) -> bool| bytes.iter().any(is);
    bytes.iter().all(|it| is_digit(*it) || *it == b'/')
        && has(|it| *it == b'/')
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && CHANGES <= changes()
        && LARGE_PAIRS <= large().count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_secret_is_found_among_the_parts_of_a_path_and_paths_are_not() {
        let secret = "VqMg9JvRlLp6xAaCC9P/cjh0B47ron4PPkaSYVj5";
        assert_eq!(slashed_secret(secret), Some(0..40));
        assert_eq!(slashed_secret(&format!("/compute/{secret}/x")), Some(9..49));
        assert_eq!(slashed_secret(&format!("/compute/{secret}A/x")), None, "longer");
        for path in [
            "/v2/Projects/TeamAlpha/Reports2026/Q3Final",
            "/photos/2026/07/IMG_20260731_235959_HDR/a",
            "/objects/2fd4e1c67a2d28fced849ee1bb76e739/1b93eb12",
            "/v2/MyNewDataSetOfUsers/AbcDefGhi/0a1b2c3d4e5f6a7b8c/x",
            "/AWSLogs/111122223333/CloudTrail/in-mum/2026/07/31/x.json.gz",
        ] {
            assert_eq!(slashed_secret(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn it_never_fails(text in "[0-9A-Za-z+/]{0,120}|\\PC{0,120}") {
            let _ = slashed_secret(&text);
        }
    }
}
