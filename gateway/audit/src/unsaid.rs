//! What the entry with which the next run begins is to say, kept beside the anchor until that is on the disk: how many
//! entries a run has lost, and what starts have found of the log and put right.
//!
//! A start puts the log right before it can enter anything, and may be refused after that, or die: what it found would be
//! found by nobody else.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::disk;

/// What starts have found of a log, and no entry says yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Findings {
    pub(crate) torn: u64,
    pub(crate) beyond: u64,
    pub(crate) inserted: u64,
    pub(crate) unanchored: bool,
    pub(crate) mended: Vec<String>,
}

/// Where it is kept; nowhere where there is no anchor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsaid(Option<PathBuf>);

impl Unsaid {
    pub(crate) fn beside(anchor: Option<&Path>) -> Self {
        Self(anchor.map(Path::to_owned))
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        self.0.as_ref().map(|it| it.with_extension(name))
    }

    /// How many entries runs before have lost at their ends, as they said.
    pub(crate) fn lost(&self) -> u64 {
        let read = || String::from_utf8(disk::read(&self.file("unwritten")?).ok()??).ok()?.trim_end().parse().ok();
        read().unwrap_or_default()
    }

    /// Adds so many. The folder of the log is what could not be written.
    pub(crate) fn lose(&self, lost: u64) {
        let Some(file) = self.file("unwritten") else { return };
        let all = self.lost().saturating_add(lost);
        if let Err(cause) = disk::put_durably(&file, format!("{all}\n").as_bytes()) {
            tracing::error!(%cause, "the next start will not know how many entries were lost");
        }
    }

    /// What starts before have found.
    pub(crate) fn found(&self) -> Findings {
        let read = || serde_json::from_slice(&disk::read(&self.file("found")?).ok()??).ok();
        read().unwrap_or_default()
    }

    /// Keeps what this start has found, before it puts that right. Gives it with what those before have found. A disk that
    /// is full keeps nobody from going on.
    pub(crate) fn find(&self, found: Findings) -> Findings {
        let before = self.found();
        let all = found.and(&before);
        if all != before
            && let Some(file) = self.file("found")
        {
            let kept = serde_json::to_vec(&all).map_err(io::Error::from).and_then(|it| disk::put_durably(&file, &it));
            if let Err(cause) = kept.or_else(|cause| disk::forgo(&file, cause)) {
                tracing::error!(%cause, "should this start be refused, the next one will not know what it has found");
            }
        }
        all
    }

    /// Forgets all of it, once an entry that says it is on the disk.
    pub(crate) fn forget(&self) {
        for name in ["unwritten", "found"] {
            let _ = self.file(name).map(fs::remove_file);
        }
    }
}

impl Findings {
    /// With what was found before. What one start has counted and could not put right, the next one counts again: so the
    /// greater count, and not both.
    fn and(mut self, before: &Self) -> Self {
        self.torn = self.torn.max(before.torn);
        self.beyond = self.beyond.max(before.beyond);
        self.inserted = self.inserted.max(before.inserted);
        self.unanchored |= before.unanchored;
        let others: Vec<_> = before.mended.iter().filter(|it| !self.mended.contains(it)).cloned().collect();
        self.mended.extend(others);
        self
    }
}
