//! The signatures of changes that a gateway goes on remembering after it was stopped and started again.
//!
//! One file of the data folder says how the gateway before this one ended: while one runs it says so, and one that is stopped in
//! order leaves what it remembers. Where it could not, nobody knows what was sent before.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use pipeline::Gateway;

/// What the file says while a gateway runs.
const RUNS: &str = "runs\n";

/// What the file begins with where one was stopped in order.
const STOPPED: &str = "stopped\n";

/// What is known of the signatures that the gateway before this one has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Before {
    /// There was none.
    Nothing,
    /// These.
    Known(String),
    /// It did not end in order, and whatever it had seen is forgotten.
    Forgotten,
}

/// Where they are written down.
pub(super) struct Remembering(PathBuf);

impl Remembering {
    fn beneath(data: &Path) -> Self {
        Self(data.join("signatures"))
    }

    /// Has a gateway that runs from now on with this data go on as the one before it.
    pub(super) fn go_on(data: &Path, gateway: &Gateway) -> anyhow::Result<Self> {
        let file = Self::beneath(data);
        match file.begin().context("the signatures of changes that were seen cannot be read")? {
            Before::Nothing => {}
            Before::Known(left) => gateway.go_on_from(Some(&left)),
            Before::Forgotten => gateway.go_on_from(None),
        }
        Ok(file)
    }

    /// What was known when this gateway began.
    fn begin(&self) -> io::Result<Before> {
        let before = match fs::read_to_string(&self.0) {
            Ok(text) => text.strip_prefix(STOPPED).map_or(Before::Forgotten, |it| Before::Known(it.to_owned())),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Before::Nothing,
            Err(cause) if cause.kind() == ErrorKind::InvalidData => Before::Forgotten,
            Err(cause) => return Err(cause),
        };
        self.write(RUNS)?;
        Ok(before)
    }

    /// This is what is known when it ends.
    pub(super) fn end(&self, known: &str) -> io::Result<()> {
        self.write(&format!("{STOPPED}{known}"))
    }

    /// In the place of what was there, whole or not at all.
    fn write(&self, text: &str) -> io::Result<()> {
        let beside = self.0.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &self.0)?;
        // Else a power cut could bring back what one that was stopped in order had left, and what was sent since would count
        // as never seen.
        self.0.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_stopped_in_order_leaves_what_it_knows_and_any_other_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = Remembering::beneath(folder.path());
        assert_eq!(file.begin().unwrap(), Before::Nothing);
        file.end("a 1\nb 2\n").unwrap();
        assert_eq!(file.begin().unwrap(), Before::Known("a 1\nb 2\n".to_owned()));
        // Neither one that was killed nor one that wrote half of a file.
        assert_eq!(file.begin().unwrap(), Before::Forgotten);
        for damaged in [&b""[..], b"stopp", b"\xff\xfe"] {
            fs::write(&file.0, damaged).unwrap();
            assert_eq!(file.begin().unwrap(), Before::Forgotten, "{damaged:?}");
        }
    }
}
