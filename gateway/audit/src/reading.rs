//! What is entered about somebody who read entries.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// Who read what: enough to ask for the same again, and nothing that it answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The user of the operating system.
    pub reader: String,
    /// The SHA-256 over what was asked for, as a filter is written in JSON, in hexadecimal.
    pub query_digest: String,
    /// The first number that was looked at.
    pub first: u64,
    /// The number after that of the last.
    pub end: u64,
    /// How many entries were shown.
    pub count: u64,
}

/// What is to be entered about a question that was answered.
pub fn read_of(reader: &str, asked: &impl Serialize, range: &std::ops::Range<u64>, count: u64) -> Reading {
    let asked = serde_json::to_vec(asked).unwrap_or_default();
    let query_digest = hex::encode(digest(&SHA256, &asked));
    Reading { reader: reader.to_owned(), query_digest, first: range.start, end: range.end, count }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Filter;

    #[test]
    fn a_digest_tells_questions_apart_and_does_not_hold_them() {
        let read = |tenant: &str| {
            let filter = Filter { tenant: Some(tenant.to_owned()), ..Filter::default() };
            read_of("ann", &filter, &(3..9), 2)
        };
        let one = read("acme");
        assert_eq!(one, read("acme"));
        assert_ne!(one.query_digest, read("other").query_digest);
        // What `printf '{"tenant":"acme"}' | sha256sum` says.
        assert_eq!(one.query_digest, hex::encode(digest(&SHA256, br#"{"tenant":"acme"}"#)));
        assert_eq!((one.first, one.end, one.count), (3, 9, 2));
    }
}
