//! Keys that were made elsewhere, as they are written to standard input.

use std::io::{BufRead, IsTerminal as _};

use anyhow::{Context as _, bail};
use identity::{ImportKey, NewKey, PlainKey};

/// Keys from standard input, so that they are in no process list and no shell history.
pub(super) fn read_keys(new: &NewKey) -> anyhow::Result<Vec<ImportKey>> {
    let input = std::io::stdin();
    if input.is_terminal() {
        bail!("write the keys to standard input, one a line");
    }
    keys_of(input.lock(), new)
}

fn keys_of(input: impl BufRead, new: &NewKey) -> anyhow::Result<Vec<ImportKey>> {
    let mut keys = Vec::new();
    for (number, line) in input.lines().enumerate() {
        let line = line?;
        let key = match line.trim().strip_prefix("sha256:") {
            _ if line.trim().is_empty() => continue,
            Some(digest) => {
                let mut bytes = [0; 32];
                hex::decode_to_slice(digest, &mut bytes)
                    .with_context(|| format!("line {}: a digest is 64 hexadecimal digits", number + 1))?;
                PlainKey::Sha256(bytes)
            }
            None => PlainKey::plain(line.trim()),
        };
        let name = if number == 0 { new.name.clone() } else { format!("{}-{}", new.name, number + 1) };
        keys.push(ImportKey { new: NewKey { name, ..new.clone() }, key });
    }
    if keys.is_empty() {
        bail!("there is no key on standard input: write them one a line");
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_of_nothing_is_a_mistake() {
        let new = NewKey::new("one".parse().unwrap(), "t".parse().unwrap(), "a");
        assert!(keys_of(&b"\n \n"[..], &new).is_err());
        assert_eq!(keys_of(&b"0123456789abcdef0\n"[..], &new).unwrap().len(), 1);
    }
}
