//! One-time passwords by the clock (RFC 6238): six digits of HMAC-SHA-1 over the half minute.
//!
//! Written here over the library that does the other cryptography: it is forty lines, and the crates that offer it bring a
//! second HMAC with them.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use domain::Timestamp;

/// How long one is good, in seconds.
const STEP: i64 = 30;

/// How many steps a clock may be off, either way.
const SLACK: i64 = 1;

/// How long a secret is, in bytes: as long as what SHA-1 makes of it (RFC 4226 section 4, R6).
pub(super) const SECRET: usize = 20;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The step that a code is of, if it is one of those around this moment and later than the last that was taken.
pub(super) fn step_of(code: &str, secret: &[u8], last: Option<i64>, now: Timestamp) -> Option<i64> {
    let current = now.seconds().div_euclid(STEP);
    let mut found = None;
    // All are tried, whichever it is.
    for step in current - SLACK..=current + SLACK {
        let same = verify_slices_are_equal(code_at(step, secret).as_bytes(), code.as_bytes()).is_ok();
        if same && last.is_none_or(|it| it < step) {
            found = Some(step);
        }
    }
    found
}

/// The code of one step.
pub(super) fn code_at(step: i64, secret: &[u8]) -> String {
    let mac = sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret), &step.to_be_bytes());
    let bytes = mac.as_ref();
    let at = usize::from(bytes.last().copied().unwrap_or_default() & 0x0f);
    let chosen = bytes.get(at..at + 4).and_then(|it| it.try_into().ok()).map_or(0, u32::from_be_bytes);
    format!("{:06}", (chosen & 0x7fff_ffff) % 1_000_000)
}

/// Base32 without padding, as authenticators read it.
pub(super) fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while 5 <= bits {
            bits -= 5;
            text.push(digit(held >> bits));
        }
    }
    if 0 < bits {
        text.push(digit(held << (5 - bits)));
    }
    text
}

fn digit(value: u32) -> char {
    usize::try_from(value & 31).ok().and_then(|it| ALPHABET.get(it)).copied().map_or('A', char::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of the RFC's vectors, and of RFC 4226's.
    const SHARED: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_the_rfcs() {
        // RFC 6238 appendix B, the last six of its eight digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_at(seconds / STEP, SHARED), code, "{seconds}");
        }
        // RFC 4226 appendix D.
        let expected =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        assert_eq!((0..10).map(|it| code_at(it, SHARED)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_code_is_good_for_one_step_either_way_and_once() {
        let now = Timestamp::from_seconds(1_790_000_010);
        let current = 1_790_000_010 / STEP;
        let check = |step: i64, last, expected| {
            assert_eq!(step_of(&code_at(step, SHARED), SHARED, last, now), expected, "{}", step - current);
        };
        for step in current - 1..=current + 1 {
            check(step, None, Some(step));
            check(step, Some(step), None);
            check(step, Some(step - 1), Some(step));
        }
        check(current - 2, None, None);
        check(current + 2, None, None);
        for bad in ["", "12345", "1234567", "abcdef"] {
            assert_eq!(step_of(bad, SHARED, None, now), None);
        }
    }

    #[test]
    fn base32_is_that_of_rfc_4648() {
        for (plain, text) in
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("foobar", "MZXW6YTBOI")]
        {
            assert_eq!(base32(plain.as_bytes()), text);
        }
    }
}
