//! How each line is bound to the one before it.
//!
//! A line is `{"seq":N,"prev":"<digest>","entry":{..}}`. The digest of a line is the SHA-256 of its bytes without the
//! line feed; `prev` is the digest of line N-1, and 64 zeros for line 0.

use std::io::{self, BufRead};

use aws_lc_rs::digest::{SHA256, digest};
use serde::de::IgnoredAny;

/// The digest of one line, in lower-case hexadecimal.
pub(crate) type Link = [u8; 64];

/// What line 0 names as the line before it.
pub(crate) const FIRST: Link = [b'0'; 64];

/// The digest of a line's bytes.
pub(crate) fn link(line: &[u8]) -> Link {
    let mut out = FIRST;
    // INVARIANT: a SHA-256 is 32 bytes, so its hexadecimal form fills the 64 exactly.
    let _ = hex::encode_to_slice(digest(&SHA256, line).as_ref(), &mut out);
    out
}

/// Writes line `seq` around the bytes of an entry, and gives its digest.
pub(crate) fn write_line(out: &mut Vec<u8>, seq: u64, prev: &Link, entry: &[u8]) -> Link {
    let start = out.len();
    out.extend_from_slice(b"{\"seq\":");
    out.extend_from_slice(seq.to_string().as_bytes());
    out.extend_from_slice(b",\"prev\":\"");
    out.extend_from_slice(prev);
    out.extend_from_slice(b"\",\"entry\":");
    out.extend_from_slice(entry);
    out.push(b'}');
    let link = link(out.get(start..).unwrap_or_default());
    out.push(b'\n');
    link
}

/// The number and the named predecessor of a line, if it has the form of one.
pub(crate) fn read_line(line: &[u8]) -> Option<(u64, &[u8])> {
    let rest = line.strip_prefix(b"{\"seq\":")?;
    let digits = rest.iter().take_while(|it| it.is_ascii_digit()).count();
    let (number, rest) = rest.split_at_checked(digits)?;
    let (prev, rest) = rest.strip_prefix(b",\"prev\":\"")?.split_at_checked(64)?;
    // One document and no more: a line feed that was changed would otherwise make one line of two.
    let whole = rest.starts_with(b"\",\"entry\":{") && serde_json::from_slice::<IgnoredAny>(line).is_ok();
    let seq = std::str::from_utf8(number).ok()?.parse().ok()?;
    whole.then_some((seq, prev))
}

/// A log whose every line follows from the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many lines it has.
    pub lines: u64,
    /// The digest of the last line, in hexadecimal: what the next line will name.
    pub head: String,
}

/// The first thing that is wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The file could not be read.
    #[error("log cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A line that no log wrote.
    #[error("line {0} is not an entry")]
    NotAnEntry(u64),
    /// A line is missing, repeated or out of place.
    #[error("line {at} has number {found}")]
    OutOfOrder {
        /// Where it stands, from 0.
        at: u64,
        /// The number it bears.
        found: u64,
    },
    /// The line before this one was changed.
    #[error("line {0} does not follow from the line before it")]
    NotLinked(u64),
}

/// Reads a whole log and checks every link.
pub fn verify(mut log: impl BufRead) -> Result<Verified, Broken> {
    let mut prev = FIRST;
    let mut line = Vec::new();
    for at in 0.. {
        line.clear();
        if log.read_until(b'\n', &mut line)? == 0 {
            return Ok(Verified { lines: at, head: String::from_utf8_lossy(&prev).into_owned() });
        }
        let bytes = line.strip_suffix(b"\n").ok_or(Broken::NotAnEntry(at))?;
        let (seq, named) = read_line(bytes).ok_or(Broken::NotAnEntry(at))?;
        if seq != at {
            return Err(Broken::OutOfOrder { at, found: seq });
        }
        if named != prev {
            return Err(Broken::NotLinked(at));
        }
        prev = link(bytes);
    }
    Err(Broken::NotAnEntry(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(entries: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        entries
            .iter()
            .enumerate()
            .fold(FIRST, |prev, (seq, entry)| write_line(&mut out, seq as u64, &prev, entry.as_bytes()));
        out
    }

    #[test]
    fn an_untouched_log_verifies() {
        let log = written(&["{}", "{\"a\":1}", "{}"]);
        assert_eq!(verify(log.as_slice()).unwrap().lines, 3);
        assert_eq!(verify(&b""[..]).unwrap().lines, 0);
    }

    #[test]
    fn a_swapped_a_missing_and_a_repeated_line_are_each_named() {
        let log = String::from_utf8(written(&["{}", "{\"a\":1}", "{\"a\":2}"])).unwrap();
        let lines: Vec<&str> = log.split_inclusive('\n').collect();
        for (order, at) in [(vec![0, 2, 1], 1), (vec![0, 2], 1), (vec![1, 2], 0), (vec![0, 0, 1], 1)] {
            let changed: String = order.iter().map(|it| lines[*it]).collect();
            assert!(matches!(verify(changed.as_bytes()), Err(Broken::OutOfOrder { at: it, .. }) if it == at));
        }
    }

    proptest! {
        #[test]
        fn any_changed_bit_of_any_line_but_the_last_is_found(byte in 0_usize..200, bit in 0_u8..8) {
            let mut log = written(&["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"]);
            let last = log.iter().rposition(|it| *it == b'{').unwrap() - 80;
            let at = byte % last;
            log[at] ^= 1 << bit;
            prop_assert!(verify(log.as_slice()).is_err());
        }
    }
}
