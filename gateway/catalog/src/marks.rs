//! Secrets where none belongs: in an address, which is logged on its way.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, BuildError};
use domain::{keyformat, looks};
use percent_encoding::percent_decode_str;

use crate::profile::Profile;

/// How other secrets begin that can be told from names: those of webhooks, private keys, and what belongs into a query.
const OTHERS: [&str; 8] =
    ["whsec_", "-----BEGIN ", "signature=", "token=", "secret=", "password=", "session=", "api_key="];

/// How a header begins that shows a credential, and how long that is at least.
const SCHEMES: [&str; 2] = ["basic ", "bearer "];
const SHORTEST_SHOWN: usize = 8;

/// How a token begins: `{"` in Base64. Shorter words that begin so are words.
const TOKEN: &str = "eyJ";
const SHORTEST_TOKEN: usize = 16;

/// How long the secret of an access key is. It begins like nothing in particular, and is kept sealed, so that a text can
/// be told from it by its form alone.
const SECRET: usize = 40;

/// How often it goes over from lower-case letters, upper-case ones and digits to others of these, at least. Of random ones
/// less than one in a million does so less often (24 times on average); digests in hexadecimal have no upper case.
const MIXED: usize = 10;

/// How many digits the number of a person has, which is the shortest that is not told.
const SHORTEST_NUMBER: usize = 9;

/// How many times over an address may be percent-encoded that is looked into: once is usual, twice a mistake.
const SPELLINGS: usize = 4;

/// What the keys of every API begin with, and where a text says so.
#[derive(Clone, Debug)]
pub(crate) struct KeyMarks {
    keys: AhoCorasick,
    /// The same and other secrets, in whichever case: in another one it opens nothing, and yet tells most of itself.
    secrets: AhoCorasick,
    /// There are access keys, whose secrets begin like nothing in particular.
    access_keys: bool,
}

impl KeyMarks {
    pub(crate) fn of(profiles: &[Profile]) -> Result<Self, BuildError> {
        let keys = profiles.iter().filter_map(|it| it.credentials.api_key.as_ref());
        let prefixes = keys.flat_map(|it| &it.prefixes).map(String::as_str);
        let prefixes: Vec<&str> = prefixes.chain([keyformat::CLIENT_SECRET]).collect();
        let others = prefixes.iter().copied().chain(OTHERS);
        let secrets = AhoCorasickBuilder::new().ascii_case_insensitive(true).build(others)?;
        let access_keys = profiles.iter().any(|it| it.credentials.sigv4.is_some());
        Ok(Self { keys: AhoCorasick::new(prefixes)?, secrets, access_keys })
    }

    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.is_among(spelled(text).as_bytes())
    }

    pub(crate) fn is_among(&self, bytes: &[u8]) -> bool {
        // What is shorter than any key can be is a name that happens to begin like one.
        let long = |from: usize| {
            let rest = bytes.get(from..).unwrap_or_default();
            *keyformat::IMPORTED_LEN.start() <= rest.iter().take_while(|it| is_of_word(**it)).count()
        };
        self.keys.find_overlapping_iter(bytes).any(|it| long(it.start()))
    }

    pub(crate) fn taken_out<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let spelled = spelled(text);
        let marked = self.secrets.find(&*spelled).map(|it| it.start());
        let found = marked.into_iter().chain(token(&spelled)).chain(shown(&spelled)).min();
        let found = found.and_then(|it| spelled.get(..it));
        let left = found.map_or(Cow::Borrowed(text), |before| Cow::Owned(format!("{before}[key]")));
        let left = if self.access_keys { without_secrets(left) } else { left };
        without_numbers(left)
    }
}

/// Whether it stands inside one part of an address or of a header.
fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"/?&=#,;\"".contains(&byte)
}

/// Where a token begins, if there is one.
fn token(text: &str) -> Option<usize> {
    let is_part = |it: &u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_');
    let bytes = text.as_bytes();
    // Most texts are short, and what searches long ones costs more to set up than looking at each place does.
    let mut found = bytes.windows(TOKEN.len()).enumerate().filter(|(_, it)| *it == TOKEN.as_bytes());
    let begins = |at: usize| !at.checked_sub(1).and_then(|it| bytes.get(it)).is_some_and(u8::is_ascii_alphanumeric);
    let long = |at: usize| bytes.get(at..at + SHORTEST_TOKEN).is_some_and(|it| it.iter().all(is_part));
    found.find(|(at, _)| begins(*at) && long(*at)).map(|(at, _)| at)
}

/// Where a header begins that shows a credential, if there is one: what follows is no word, because words have no digits.
fn shown(text: &str) -> Option<usize> {
    if !text.contains(' ') {
        return None;
    }
    let small = text.to_ascii_lowercase();
    let is_part = |it: &u8| it.is_ascii_alphanumeric() || b"-._~+/=".contains(it);
    let shows = |end: usize| {
        let rest = small.as_bytes().get(end..).unwrap_or_default();
        let word = rest.get(..rest.iter().take_while(|it| is_part(it)).count()).unwrap_or_default();
        SHORTEST_SHOWN <= word.len() && word.iter().any(|it| it.is_ascii_digit() || *it == b'=')
    };
    let found = SCHEMES
        .iter()
        .filter_map(|scheme| small.match_indices(scheme).find(|(at, _)| shows(at + scheme.len())).map(|(at, _)| at));
    found.min()
}

/// A text with `[number]` in the place of each part that holds the number of a card or of a person.
fn without_numbers(text: Cow<'_, str>) -> Cow<'_, str> {
    let is_secret = |it: &str| looks::numbers_in(it) != looks::Numbers::default();
    // Most hold no number that is long enough.
    if text.bytes().filter(u8::is_ascii_digit).nth(SHORTEST_NUMBER - 1).is_none() || !is_secret(&spelled(&text)) {
        return text;
    }
    let spelled = spelled(&text);
    let parts = spelled.split_inclusive(['/', '?', '&', '=']);
    let told = parts.map(|it| {
        let part = it.trim_end_matches(['/', '?', '&', '=']);
        let end = it.get(part.len()..).unwrap_or_default();
        if is_secret(part) { format!("[number]{end}") } else { it.to_owned() }
    });
    Cow::Owned(told.collect())
}

/// A text without what has the form of the secret of an access key. Such a text may be something else, which is then not
/// told either: an object whose key has a part of just this length and mixture.
fn without_secrets(text: Cow<'_, str>) -> Cow<'_, str> {
    let text = match looks::slashed_secret(&spelled(&text)) {
        Some(it) => {
            let spelled = spelled(&text);
            let (before, after) =
                (spelled.get(..it.start).unwrap_or_default(), spelled.get(it.end..).unwrap_or_default());
            Cow::Owned(format!("{before}[key]{after}"))
        }
        None => text,
    };
    let told = {
        let spelled = spelled(&text);
        let parts = spelled.split(|it: char| !(it.is_ascii_alphanumeric() || it == '+'));
        let secrets: Vec<&str> = parts.filter(|it| is_like_secret(it)).collect();
        let told = secrets.iter().fold(String::new(), |told, it| {
            if told.is_empty() { spelled.replace(it, "[key]") } else { told.replace(it, "[key]") }
        });
        (!secrets.is_empty()).then_some(told)
    };
    told.map_or(text, Cow::Owned)
}

fn is_like_secret(text: &str) -> bool {
    if text.len() != SECRET {
        return false;
    }
    let kind = |it: u8| (it.is_ascii_lowercase(), it.is_ascii_uppercase());
    let changes = text.bytes().zip(text.bytes().skip(1)).filter(|(one, next)| kind(*one) != kind(*next)).count();
    let cases = text.bytes().any(|it| it.is_ascii_lowercase()) && text.bytes().any(|it| it.is_ascii_uppercase());
    cases && MIXED <= changes
}

/// A text without percent-encoding, also where what was encoded was encoded before.
fn spelled(text: &str) -> Cow<'_, str> {
    let mut spelled = Cow::Borrowed(text);
    for _ in 0..SPELLINGS {
        let Some(decoded) = Some(&spelled).filter(|it| it.contains('%')).map(|it| decoded(it)) else { break };
        if decoded == spelled {
            break;
        }
        spelled = Cow::Owned(decoded);
    }
    spelled
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, told: &str) {
        assert_eq!(without_secrets(Cow::Borrowed(text)), told);
    }

    #[test]
    fn what_is_like_a_secret_is_not_told_and_what_objects_are_called_is() {
        let secret = "wJalrXUtnFEMI7K7MDENGbPxRfiCYEXAMPLEKEY0";
        check(&format!("/compute/{secret}/x"), "/compute/[key]/x");
        check(&format!("/a?b={secret}&c={secret}"), "/a?b=[key]&c=[key]");
        check(&format!("/compute/{}/a%20b", secret.replace('J', "%4a")), "/compute/[key]/a b");
        for fine in [
            // SHA-1, in either case; SHA-256; a UUID; a ULID.
            "/objects/2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
            "/objects/2FD4E1C67A2D28FCED849EE1BB76E7391B93EB12",
            "/objects/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "/objects/123e4567-e89b-12d3-a456-426614174000",
            "/objects/01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "/reports/2026/07/Quarterly-Report-of-the-Northern-Region-v2.pdf",
            "/photos/IMG_20260731_235959_HDR_Panorama_Edited_Final.jpeg",
            "/backups/postgresproductionclusterprimarynode0001",
            "/backups/POSTGRESPRODUCTIONCLUSTERPRIMARYNODE0001",
            "/logs/AWSLogs/111122223333/CloudTrail/in-mum/2026/07/31/x.json.gz",
            "/v2/a%20b/c",
            &format!("/longer/{secret}A"),
        ] {
            check(fine, fine);
        }
    }

    proptest! {
        #[test]
        fn hardly_any_secret_is_told(secret in "[0-9A-Za-z]{40}") {
            prop_assert!(is_like_secret(&secret), "{}", secret);
        }
    }
}
