//! What a key of ours looks like: `<prefix>`, 43 base62 digits of 256 random bits, 6 base62 digits of a checksum.
//!
//! The checksum (CRC-32 over all that stands before it) turns away typos before any hash and lets a scanner of leaked
//! secrets be certain. It proves nothing: anyone can compute it.

use std::borrow::Cow;

use crate::Random;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BODY: usize = 43;
const CHECKSUM: usize = 6;

/// How long what stands before a key may be, in bytes.
const PREFIX: std::ops::RangeInclusive<usize> = 3..=32;

/// What the secrets of OAuth clients begin with. They open no API: only the issuer takes them.
pub const CLIENT_SECRET: &str = "pcs_live_";

/// Writes a key whose body says `bits`. They are all zero afterwards.
pub fn write(prefix: &str, bits: &mut [u8; 32]) -> String {
    let mut key = String::with_capacity(prefix.len() + BODY + CHECKSUM);
    key.push_str(prefix);
    for _ in 0..BODY {
        // Long division by 62: the remainder is the next digit, least significant first.
        let digit = bits.iter_mut().fold(0_u32, |carry, byte| {
            let value = carry << 8 | u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            value % 62
        });
        key.push(base62(digit));
    }
    key.extend(checksum(&key));
    key
}

/// The prefix of a key whose form and checksum are ours, whoever made it.
pub fn prefix(key: &str) -> Option<&str> {
    // A token is ten times as long and would be summed up for nothing.
    if PREFIX.end() + BODY + CHECKSUM < key.len() {
        return None;
    }
    let (signed, sum) = key.split_at_checked(key.len().checked_sub(CHECKSUM)?)?;
    let (prefix, body) = signed.split_at_checked(signed.len().checked_sub(BODY)?)?;
    // Every key is read to its end, so that the loop has no branch and goes over many bytes at a time.
    let digits = body.bytes().fold(true, |so_far, it| so_far & it.is_ascii_alphanumeric());
    (digits && checksum(signed).eq(sum.chars())).then_some(prefix)
}

/// The same words with `[key]` in the place of every key of ours: what was typed where a name belongs may be one.
pub fn without_keys(text: &str) -> Cow<'_, str> {
    let mut left = Cow::Borrowed(text);
    if BODY + CHECKSUM < text.len() {
        let words = text.split(|it: char| !(it.is_ascii_alphanumeric() || matches!(it, '-' | '_')));
        for key in words.filter(|it| prefix(it).is_some_and(is_prefix)) {
            left = Cow::Owned(left.replace(key, "[key]"));
        }
    }
    left
}

/// Whether `text` can stand before a key: 3 to 32 letters, digits, `-` and `_`, the last of them no letter or digit.
pub fn is_prefix(text: &str) -> bool {
    PREFIX.contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'))
        && text.ends_with(['-', '_'])
}

/// How long a key may be that was made elsewhere: a shorter one could be guessed, a longer one costs too much to hash.
/// Held at import and again at use, because of a key that came as a digest nobody knows the length.
pub const IMPORTED_LEN: std::ops::RangeInclusive<usize> = 16..=512;

/// Whether `text` can stand in an `Authorization` header as one word: visible ASCII without commas.
pub fn fits_header(text: &str) -> bool {
    // Read to its end as above: a token is long, and going byte by byte would cost more than finding whose it is.
    let misfit = |it: u8| u8::from(b'~' - b'!' < it.wrapping_sub(b'!')) | u8::from(it == b',');
    text.bytes().fold(0, |so_far, it| so_far | misfit(it)) == 0
}

/// Whether `text` would be read as an access token: exactly two dots.
pub fn looks_like_token(text: &str) -> bool {
    // Counted in single bytes, a piece at a time that none overflows with, because many of them are added in one step.
    let dots = |piece: &[u8]| piece.iter().fold(0, |so_far: u8, it| so_far.wrapping_add(u8::from(*it == b'.')));
    text.as_bytes().chunks(128).map(|it| usize::from(dots(it))).sum::<usize>() == 2
}

/// `len` random base62 digits after `prefix`: an id that nobody can foresee and that is no secret.
pub fn draw_id(prefix: &str, len: usize, random: &dyn Random) -> String {
    draw(prefix, len, DIGITS, random)
}

/// A new access key id: 20 upper-case letters and digits.
pub fn draw_access_key_id(random: &dyn Random) -> String {
    draw("AKID", 16, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", random)
}

fn draw(prefix: &str, len: usize, digits: &[u8], random: &dyn Random) -> String {
    // Bytes from the largest multiple of the base upward are drawn again, else the first digits would come up more often.
    let fair = 256 - 256 % digits.len();
    let mut text = String::with_capacity(prefix.len() + len);
    text.push_str(prefix);
    while text.len() < prefix.len() + len {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        let drawn = bytes.iter().map(|it| usize::from(*it)).filter(|it| *it < fair);
        let left = prefix.len() + len - text.len();
        text.extend(drawn.filter_map(|it| digits.get(it % digits.len())).map(|it| char::from(*it)).take(left));
    }
    text
}

fn checksum(signed: &str) -> impl Iterator<Item = char> + use<> {
    let mut left = crc32fast::hash(signed.as_bytes());
    (0..CHECKSUM).map(move |_| {
        let digit = left % 62;
        left /= 62;
        base62(digit)
    })
}

fn base62(digit: u32) -> char {
    usize::try_from(digit).ok().and_then(|it| DIGITS.get(it)).copied().map_or('0', char::from)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;

    /// Every byte differs from the last; good enough for telling ids apart.
    struct Counter(AtomicU64);

    impl Random for Counter {
        fn fill(&self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).to_be_bytes()[0];
            }
        }
    }

    #[test]
    fn a_key_is_its_prefix_and_49_digits() {
        let mut bits = [0xff; 32];
        let key = write("nsx_live_", &mut bits);
        assert_eq!(key.len(), "nsx_live_".len() + 49);
        assert_eq!(prefix(&key), Some("nsx_live_"));
        assert_eq!(bits, [0; 32], "the bits are gone once they are written");
    }

    #[test]
    fn the_form_never_changes() {
        let key = write("nx_live_sk_", &mut std::array::from_fn(|it| u8::try_from(it).unwrap()));
        assert_eq!(key, "nx_live_sk_flDIBkGwcRKRL9GXCgaFM3UNu2jQTCljt7CJTlUa3006DBin3");
    }

    #[test]
    fn the_largest_number_is_told_from_its_neighbours() {
        let mut below = [0xff; 32];
        below[31] = 0xfe;
        assert_ne!(write("a_", &mut [0xff; 32]), write("a_", &mut below));
    }

    #[test]
    fn what_is_not_of_our_form_has_no_prefix() {
        for bad in ["", "nsx_live_", "nsx_live_a1b2c3d4e5f6", &"x".repeat(49), &"é".repeat(40), &"-".repeat(60)] {
            assert_eq!(prefix(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_word_fits_a_header_and_is_a_token_by_its_dots_wherever_they_are() {
        for (at, len) in [(0, 3), (127, 300), (128, 300), (255, 256), (0, 8000)] {
            let mut text = "x".repeat(len);
            text.replace_range(at..=at, ".");
            assert!(fits_header(&text) && !looks_like_token(&text));
            text.replace_range(len - 1.., if at == len - 1 { ".." } else { "." });
            assert!(looks_like_token(&text), "{at} of {len}");
            for bad in [" ", ",", "\t", "\u{7f}", "\0"] {
                text.replace_range(len / 2..=len / 2, bad);
                assert!(!fits_header(&text), "{bad:?}");
            }
        }
        assert!(fits_header("!~") && !fits_header("\u{e9}"));
        // As many as a byte has no room for.
        assert!(!looks_like_token(&".".repeat(258)));
    }

    #[test]
    fn what_is_too_long_for_a_key_is_none_whatever_its_checksum() {
        assert!(prefix(&write(&"p".repeat(32), &mut [7; 32])).is_some());
        assert_eq!(prefix(&write(&"p".repeat(33), &mut [7; 32])), None);
    }

    #[test]
    fn a_key_among_words_is_taken_out_and_nothing_else_is() {
        let (one, other) = (write("nsx_live_", &mut [7; 32]), write("nx_live_sk_", &mut [8; 32]));
        assert_eq!(without_keys(&one), "[key]");
        let text = format!("there is no key `{one}`, nor {other}/x");
        assert_eq!(without_keys(&text), "there is no key `[key]`, nor [key]/x");
        for harmless in ["", "nsx_live_", "nsx_live_a1b2c3d4e5f6", &format!("{one}1"), &"x".repeat(200), "\u{e9}"] {
            assert!(matches!(without_keys(harmless), Cow::Borrowed(it) if it == harmless), "{harmless}");
        }
    }

    #[test]
    fn a_prefix_ends_where_the_key_begins() {
        for good in ["nsx_live_", "nx_live_sk_", "ab-"] {
            assert!(is_prefix(good), "{good}");
        }
        for bad in ["", "_", "nsx", "nsx live_", "é__", &"x_".repeat(17)] {
            assert!(!is_prefix(bad), "{bad}");
        }
    }

    #[test]
    fn ids_have_the_length_asked_for_and_do_not_repeat() {
        let random = Counter(AtomicU64::new(1));
        let ids: HashSet<String> = (0..1000).map(|_| draw_id("key_", 16, &random)).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|it| it.len() == 20 && it.starts_with("key_")));
        let access = draw_access_key_id(&random);
        assert!(
            access.len() == 20 && access.bytes().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit()),
            "{access}"
        );
    }

    proptest! {
        #[test]
        fn any_flipped_byte_is_noticed(bits: [u8; 32], at in 0_usize..58, flip in 1_u8..128) {
            let key = write("nsx_live_", &mut bits.clone());
            let mut bytes = key.clone().into_bytes();
            bytes[at] ^= flip;
            // Flipping the seven low bits of ASCII leaves ASCII.
            prop_assert_eq!(prefix(std::str::from_utf8(&bytes).unwrap()), None);
            prop_assert_eq!(prefix(&key), Some("nsx_live_"));
        }

        #[test]
        fn reading_never_panics(text in "\\PC{0,80}") {
            let _ = prefix(&text);
        }
    }
}
