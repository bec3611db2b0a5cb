//! Keys in a text that was found where none should be: a paste, a commit, a ticket.
//!
//! Keys that the gateway made are found by prefix and checksum wherever they stand; an access key where both its halves
//! stand in the text; a key that was made elsewhere where it is a word of its own. Nothing that is said of them repeats them.

use std::collections::HashSet;
use std::sync::Arc;

use domain::keyformat;

use crate::{Entry, Keyring, Secrets};

/// How many base62 digits follow the prefix of a key.
const DIGITS: usize = 49;

/// How long an access key id is.
const ACCESS_KEY_ID: usize = 20;

/// A secret in a text.
#[derive(Clone, Debug)]
pub struct Leaked {
    /// The line on which it ends, counted from one.
    pub line: usize,
    /// What it is.
    pub what: LeakedWhat,
}

/// What was found.
#[derive(Clone, Debug)]
pub enum LeakedWhat {
    /// A key of ours, or one that was taken in here.
    Key(Arc<Entry>),
    /// Its form is that of our keys, and nobody here has it: it was made by another gateway, or is made up.
    Unknown,
    /// Its form is that of the secrets of OAuth clients. Whose it is only the client could tell.
    ClientSecret,
}

/// Every secret of ours in a text, each once. `prefixes` are what keys begin with.
pub fn leaked(text: &str, prefixes: &[&str], keyring: &Keyring, secrets: &Secrets) -> Vec<Leaked> {
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for (line, number) in text.lines().zip(1..) {
        for (prefix, at) in prefixes.iter().flat_map(|it| line.match_indices(it).map(|(at, _)| (*it, at))) {
            let Some(key) = line.get(at..at + prefix.len() + DIGITS) else { continue };
            if keyformat::prefix(key) == Some(prefix) && seen.insert(key) {
                let own = keyring.find_minted(key, secrets.peppers());
                let known = own.or_else(|| keyring.find_imported(key, secrets.peppers()));
                let what = known.map_or(LeakedWhat::Unknown, |it| LeakedWhat::Key(Arc::clone(it)));
                found.push(Leaked { line: number, what });
            }
        }
        let secret = keyformat::CLIENT_SECRET;
        for (at, _) in line.match_indices(secret) {
            let whole = line.get(at..at + secret.len() + DIGITS);
            if whole.is_some_and(|it| keyformat::prefix(it) == Some(secret) && seen.insert(it)) {
                found.push(Leaked { line: number, what: LeakedWhat::ClientSecret });
            }
        }
        for word in words(line).filter(|it| keyformat::IMPORTED_LEN.contains(&it.len())) {
            if let Some(entry) = keyring.find_imported(word, secrets.peppers()).filter(|_| seen.insert(word)) {
                found.push(Leaked { line: number, what: LeakedWhat::Key(Arc::clone(entry)) });
            }
        }
        for id in line.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| it.len() == ACCESS_KEY_ID) {
            let entry = keyring.access_key(id).filter(|_| seen.insert(id));
            let both = entry.and_then(|it| Some((it, beside(it, text, secrets)?)));
            found.extend(both.map(|(it, line)| Leaked { line, what: LeakedWhat::Key(Arc::clone(it)) }));
        }
    }
    found
}

/// The line on which the secret half of an access key stands.
fn beside(entry: &Entry, text: &str, secrets: &Secrets) -> Option<usize> {
    let (id, sealed) = entry.access_key()?;
    let secret = secrets.master().unseal(id, sealed).ok()?;
    text.lines().position(|it| it.contains(secret.as_str())).map(|it| it + 1)
}

/// What stands between spaces and quotes, and what of it stands behind `=` or `:`.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let parted = line.split(|it: char| it.is_whitespace() || matches!(it, '"' | '\'' | '`' | ',' | ';'));
    parted.flat_map(|it| [Some(it), it.split_once(['=', ':']).map(|(_, value)| value)]).flatten()
}

#[cfg(test)]
mod tests {
    use domain::{Imported, KeyRecord, Vault as _};

    use super::*;
    use crate::testing::{kept, minted_key, record, secrets, tenant};

    const PREFIXES: [&str; 2] = ["nsx_live_", "nx_live_sk_"];
    const ID: &str = "AKIDEXAMPLEEXAMPLE22";
    const SECRET: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00";
    const ELSEWHERE: &str = "a-key-of-before-2019";

    fn found(text: &str, records: Vec<KeyRecord>) -> Vec<(usize, Option<String>)> {
        let ring = Keyring::build([tenant("acme")], records);
        let found = leaked(text, &PREFIXES, &ring, &secrets());
        let told = format!("{found:?}");
        assert!(![SECRET, ELSEWHERE, &minted_key("nsx_live_", 1)].iter().any(|it| told.contains(it)), "{told}");
        let id = |what: &LeakedWhat| if let LeakedWhat::Key(it) = what { Some(it.id().to_string()) } else { None };
        found.iter().map(|it| (it.line, id(&it.what))).collect()
    }

    #[test]
    fn a_key_is_found_wherever_it_stands_and_told_once() {
        let key = minted_key("nsx_live_", 1);
        let own = kept(&key);
        let id = Some(own.id.to_string());
        for text in [
            key.clone(),
            format!("a\nexport TOKEN='{key}' # mine"),
            format!("x\n{{\"token\":\"{key}\"}}"),
            format!("\nhttps://a.example/?k={key}&b"),
            format!("one\n\u{fc}token_{key}_and\n{key}"),
        ] {
            let line = text.lines().position(|it| it.contains(&key)).unwrap() + 1;
            assert_eq!(found(&text, vec![own.clone()]), [(line, id.clone())], "{text}");
        }
        let mut typo = key;
        let other = if typo.as_bytes()[20] == b'a' { "b" } else { "a" };
        typo.replace_range(20..21, other);
        assert_eq!(found(&typo, vec![own.clone()]), [], "its checksum does not hold");
        assert_eq!(found(&minted_key("nsx_live_", 2), vec![own]), [(1, None)], "of our form, and nobody's");
        assert_eq!(found(&minted_key("pcs_live_", 3), Vec::new()), [(1, None)]);
    }

    #[test]
    fn of_an_access_key_both_halves_and_of_a_key_from_elsewhere_the_whole_word() {
        let access = record(secrets().keep_access_key(ID, SECRET).unwrap());
        let id = Some(access.id.to_string());
        assert_eq!(found(&format!("id = {ID}\nsecret = {SECRET}"), vec![access.clone()]), [(2, id)]);
        assert_eq!(found(&format!("id = {ID}"), vec![access]), [], "its id is no secret");
        let old = record(secrets().keep_imported(Imported::Plain(ELSEWHERE)));
        let id = Some(old.id.to_string());
        for text in [ELSEWHERE.to_owned(), format!("key: \"{ELSEWHERE}\""), format!("KEY={ELSEWHERE}")] {
            assert_eq!(found(&text, vec![old.clone()]), [(1, id.clone())], "{text}");
        }
        assert_eq!(found(&format!("{ELSEWHERE}0"), vec![old]), []);
    }
}
