//! Files that somebody names on the command line.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// How long a note, a key or a proof may be: they have some kilobytes.
const LONGEST: u64 = 1 << 20;

/// The text of a file that is to hold a note, a key or a proof.
pub(super) fn short_text(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = File::open(file)?.take(LONGEST + 1).read_to_string(&mut text)?;
    anyhow::ensure!(read as u64 <= LONGEST, "is longer than any note, key or proof");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_not_read_for_ever() {
        let refused = short_text(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(refused.to_string(), "is longer than any note, key or proof");
        let short = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(short.path(), "a key").unwrap();
        assert_eq!(short_text(short.path()).unwrap(), "a key");
    }
}
