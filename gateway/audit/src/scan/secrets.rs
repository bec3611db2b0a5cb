//! How credentials are known by their looks. Every rule goes over a text once.

use std::borrow::Cow;
use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{keyformat, looks};
use percent_encoding::percent_decode_str;

use super::Kind;

/// The rules themselves: who has looked by others begins anew.
const RULES: &str = "4";

/// How many letters and digits must follow a beginning before it is more than a word; and of a key, which may have been made
/// elsewhere.
const FOLLOWED: usize = 12;
const KEY: usize = 7;

/// How many letters and digits the secret half of an access key has, and how often at least they go from small to large, or
/// to digits, and back. One of 30,000 drawn ones changes less often; names do. Paths change more often than names.
const SECRET: usize = 40;
const CHANGES: usize = 12;
const CHANGES_OF_PATH: usize = 16;

/// How many hexadecimal digits a signature has.
const SIGNATURE: usize = 64;

/// How many times over a text may be percent-encoded that is looked into.
const SPELLINGS: usize = 4;

/// How many bytes of a cookie or a password are looked at.
const ENOUGH: usize = 512;

/// What to look for: what keys begin with, and the cookies that hold sessions. The other kinds look alike everywhere.
#[derive(Debug)]
pub struct Shapes {
    beginnings: AhoCorasick,
    kinds: Vec<Kind>,
    digest: String,
}

impl Shapes {
    /// Of the APIs that are fronted.
    pub fn new(prefixes: &[String], cookies: &[String]) -> Result<Self, BuildError> {
        let mut patterns: Vec<(String, Kind)> = vec![
            ("whsec_".to_owned(), Kind::WebhookSecret),
            ("private key-----".to_owned(), Kind::PrivateKey),
            ("bearer ".to_owned(), Kind::Authorization),
            ("basic ".to_owned(), Kind::Authorization),
            ("signature=".to_owned(), Kind::Signature),
            (keyformat::CLIENT_SECRET.to_owned(), Kind::ApiKey),
        ];
        patterns.extend(prefixes.iter().map(|it| (it.clone(), Kind::ApiKey)));
        patterns.extend(cookies.iter().map(|it| (format!("{it}="), Kind::Session)));
        patterns.sort();
        patterns.dedup();
        let named: Vec<String> = patterns.iter().map(|(text, kind)| format!("{} {text}", kind.as_str())).collect();
        let digest = hex::encode(digest(&SHA256, format!("{RULES}\n{}\n", named.join("\n")).as_bytes()));
        let (texts, kinds): (Vec<String>, Vec<Kind>) = patterns.into_iter().unzip();
        let mut builder = AhoCorasick::builder();
        let beginnings = builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA)).build(texts)?;
        Ok(Self { beginnings, kinds, digest })
    }

    /// Tells these from others.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// What a text holds, as it is and with each percent-encoding taken away that it has.
    pub(super) fn kinds_in(&self, text: &str) -> BTreeSet<Kind> {
        let mut kinds = self.kinds_as_spelled(text);
        let mut spelled = Cow::Borrowed(text);
        for _ in 0..SPELLINGS {
            if !spelled.contains('%') {
                break;
            }
            spelled = Cow::Owned(percent_decode_str(&spelled).decode_utf8_lossy().into_owned());
            kinds.append(&mut self.kinds_as_spelled(&spelled));
        }
        kinds
    }

    fn kinds_as_spelled(&self, text: &str) -> BTreeSet<Kind> {
        let mut kinds = BTreeSet::new();
        for found in self.beginnings.find_overlapping_iter(text) {
            let kind = self.kinds.get(found.pattern().as_usize()).copied();
            let (before, rest) = text.split_at_checked(found.end()).unwrap_or_default();
            kinds.extend(kind.filter(|it| !kinds.contains(it) && goes_on(*it, before, rest)));
        }
        if text.contains("eyJ") && words(text, |it| is_token(it) || it == b'.').any(has_three_parts) {
            kinds.insert(Kind::Token);
        }
        // With the two digits of Base64 that are no letters, and without: they stand in paths as well.
        let spelled = |it| is_token(it) || matches!(it, b'+' | b'/');
        if SECRET <= text.len() && (words(text, spelled).any(is_drawn) || words(text, is_token).any(is_drawn)) {
            kinds.insert(Kind::AccessKeySecret);
        }
        if looks::slashed_secret(text).is_some() {
            kinds.insert(Kind::AccessKeySecret);
        }
        let numbers = looks::numbers_in(text);
        kinds.extend(numbers.card.then_some(Kind::Pan).into_iter().chain(numbers.person.then_some(Kind::Ssn)));
        kinds
    }
}

/// Whether what begins like a secret goes on like one. Looks at a bounded part.
fn goes_on(kind: Kind, before: &str, rest: &str) -> bool {
    let bytes = rest.as_bytes();
    let long = |fits: fn(u8) -> bool, count: usize| bytes.get(..count).is_some_and(|it| it.iter().all(|it| fits(*it)));
    match kind {
        Kind::ApiKey => long(is_token, KEY),
        Kind::WebhookSecret => long(|it| is_token(it) || is_base64(it), FOLLOWED),
        Kind::Signature => long(|it| it.is_ascii_hexdigit(), SIGNATURE),
        Kind::Session => long(|it| it.is_ascii_graphic() && !matches!(it, b';' | b',' | b'"'), FOLLOWED),
        Kind::Authorization if is_basic(before) => holds_password(bytes),
        Kind::Authorization => {
            let shown = bytes.get(..ENOUGH.min(bytes.len())).unwrap_or_default();
            let length =
                shown.iter().take_while(|it| is_token(**it) || matches!(**it, b'.' | b'~' | b'+' | b'/')).count();
            // Words have no digits.
            FOLLOWED <= length && shown.iter().take(length).any(u8::is_ascii_digit)
        }
        Kind::PrivateKey => true,
        Kind::Pan | Kind::Ssn | Kind::AccessKeySecret | Kind::Token => false,
    }
}

fn is_basic(before: &str) -> bool {
    let tail = before.len().checked_sub("basic ".len()).and_then(|it| before.get(it..));
    tail.is_some_and(|it| it.eq_ignore_ascii_case("basic "))
}

/// Whether what follows is a name and a password in Base64 (RFC 7617).
fn holds_password(bytes: &[u8]) -> bool {
    let length = bytes.iter().take(ENOUGH).take_while(|it| is_base64(**it)).count();
    let whole = bytes.get(..length - length % 4).unwrap_or_default();
    8 <= whole.len() && STANDARD.decode(whole).is_ok_and(|it| it.contains(&b':') && it.is_ascii())
}

/// Whether a word has three parts with a dot between them, the first of which begins as an object of JSON does in Base64.
fn has_three_parts(word: &str) -> bool {
    let mut parts = [""; 3];
    word.split('.').any(|part| {
        let [_, second, third] = parts;
        parts = [second, third, part];
        second.contains("eyJ") && parts.iter().all(|it| 8 <= it.len())
    })
}

/// Whether a word looks like forty digits that were drawn.
fn is_drawn(word: &str) -> bool {
    // What begins with a slash is a path, of which each part is looked at by itself.
    if word.len() != SECRET || word.starts_with('/') || word.contains(['-', '_']) {
        return false;
    }
    let bytes = word.as_bytes();
    let class = |it: &u8| (it.is_ascii_lowercase(), it.is_ascii_uppercase());
    let changes = bytes.iter().zip(bytes.iter().skip(1)).filter(|(one, other)| class(one) != class(other)).count();
    let least = if word.contains('/') { CHANGES_OF_PATH } else { CHANGES };
    least <= changes && bytes.iter().any(u8::is_ascii_lowercase) && bytes.iter().any(u8::is_ascii_uppercase)
}

/// The longest runs of these bytes.
fn words(text: &str, is_part: impl Fn(u8) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |it: char| !u8::try_from(it).is_ok_and(|it| it.is_ascii() && is_part(it)))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}
