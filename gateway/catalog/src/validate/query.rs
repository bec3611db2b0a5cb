//! The parameters of a raw query, each decoded once.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Name and value of every parameter; a name without `=` has an empty value.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|it| !it.is_empty()).map(|it| it.split_once('=').unwrap_or((it, "")))
}

/// The names that can be read.
pub(crate) fn names(query: &str) -> impl Iterator<Item = Cow<'_, str>> {
    pairs(query).filter_map(|(name, _)| decode(name))
}

/// A name or value as `application/x-www-form-urlencoded` means it; `None` where an encoding is broken or is not UTF-8.
pub(crate) fn decode(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.bytes().any(|it| matches!(it, b'%' | b'+')) {
        return Some(Cow::Borrowed(raw));
    }
    let whole = raw.split('%').skip(1).all(|it| it.as_bytes().first_chunk::<2>().is_some_and(|it| is_hex(*it)));
    let spaced = raw.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?.into_owned();
    whole.then_some(Cow::Owned(decoded))
}

fn is_hex(digits: [u8; 2]) -> bool {
    digits.iter().all(u8::is_ascii_hexdigit)
}
