//! Keys where no key belongs: in an address, which is logged on its way.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, BuildError};
use percent_encoding::percent_decode_str;

use crate::profile::Profile;

/// What the keys of every API begin with, and where a text says so.
#[derive(Clone, Debug)]
pub(crate) struct KeyMarks(AhoCorasick);

impl KeyMarks {
    pub(crate) fn of(profiles: &[Profile]) -> Result<Self, BuildError> {
        let keys = profiles.iter().filter_map(|it| it.credentials.api_key.as_ref());
        AhoCorasick::new(keys.flat_map(|it| &it.prefixes)).map(Self)
    }

    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.0.is_match(&*spelled(text))
    }

    pub(crate) fn is_among(&self, bytes: &[u8]) -> bool {
        self.0.is_match(bytes)
    }

    pub(crate) fn taken_out<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let spelled = spelled(text);
        let found = self.0.find(&*spelled).and_then(|it| spelled.get(..it.start()));
        found.map_or(Cow::Borrowed(text), |before| Cow::Owned(format!("{before}[key]")))
    }
}

fn spelled(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    percent_decode_str(text).decode_utf8_lossy()
}
