//! Secrets where none belongs: in an address, which is logged on its way.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, BuildError};
use percent_encoding::percent_decode_str;

use crate::profile::Profile;

/// How other secrets begin that can be told from names: those of webhooks, and private keys.
const OTHERS: [&str; 2] = ["whsec_", "-----BEGIN "];

/// How a token begins: `{"` in Base64. Shorter words that begin so are words.
const TOKEN: &str = "eyJ";
const SHORTEST_TOKEN: usize = 16;

/// What the keys of every API begin with, and where a text says so.
#[derive(Clone, Debug)]
pub(crate) struct KeyMarks {
    keys: AhoCorasick,
    /// The same and other secrets.
    secrets: AhoCorasick,
}

impl KeyMarks {
    pub(crate) fn of(profiles: &[Profile]) -> Result<Self, BuildError> {
        let keys = profiles.iter().filter_map(|it| it.credentials.api_key.as_ref());
        let prefixes: Vec<&str> = keys.flat_map(|it| &it.prefixes).map(String::as_str).collect();
        let secrets = AhoCorasick::new(prefixes.iter().copied().chain(OTHERS))?;
        Ok(Self { keys: AhoCorasick::new(prefixes)?, secrets })
    }

    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.keys.is_match(&*spelled(text))
    }

    pub(crate) fn is_among(&self, bytes: &[u8]) -> bool {
        self.keys.is_match(bytes)
    }

    pub(crate) fn taken_out<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let spelled = spelled(text);
        let marked = self.secrets.find(&*spelled).map(|it| it.start());
        let found = marked.into_iter().chain(token(&spelled)).min().and_then(|it| spelled.get(..it));
        found.map_or(Cow::Borrowed(text), |before| Cow::Owned(format!("{before}[key]")))
    }
}

/// Where a token begins, if there is one.
fn token(text: &str) -> Option<usize> {
    let is_part = |it: &u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_');
    let (mut found, bytes) = (text.match_indices(TOKEN), text.as_bytes());
    let begins = |at: usize| !at.checked_sub(1).and_then(|it| bytes.get(it)).is_some_and(u8::is_ascii_alphanumeric);
    let long = |at: usize| bytes.get(at..at + SHORTEST_TOKEN).is_some_and(|it| it.iter().all(is_part));
    found.find(|(at, _)| begins(*at) && long(*at)).map(|(at, _)| at)
}

fn spelled(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    percent_decode_str(text).decode_utf8_lossy()
}
