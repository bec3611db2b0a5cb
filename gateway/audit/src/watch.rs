//! Noticing that what was written is no longer where it was written.
//!
//! A file that is deleted or replaced beneath a process can be written to for ever, and nobody would read it.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What is not as it was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Astray {
    /// Another folder is where that of the log was, or none.
    Folder,
    /// The lock, so that somebody else may be writing.
    Lock,
    /// The write-ahead file is gone, another one, or shorter than what was written.
    WriteAhead,
    /// The newest checkpoint.
    Checkpoint,
}

impl Astray {
    /// As entries and operators read it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Folder => "the folder of the log was replaced or removed",
            Self::Lock => "the lock of the log was replaced or removed",
            Self::WriteAhead => "the write-ahead file was replaced, removed or cut",
            Self::Checkpoint => "the checkpoint was replaced, removed or cut",
        }
    }
}

/// A file as it was left: which one it is, and how long it must be at least.
#[derive(Clone, Debug)]
pub(crate) struct Left {
    path: PathBuf,
    identity: (u64, u64),
    length: u64,
}

impl Left {
    /// What is at this path now.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            identity: identity(&found),
            length: if found.is_dir() { 0 } else { found.len() },
        })
    }

    /// The file that is open here, which must be at this path and have this many bytes.
    pub(crate) fn open(file: &File, path: &Path, length: u64) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(&file.metadata()?), length })
    }

    /// Whether it still is there.
    pub(crate) fn holds(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|it| identity(&it) == self.identity && self.length <= it.len())
    }
}

/// The folder of a log and its lock, and what was last found amiss.
#[derive(Debug)]
pub(crate) struct Vigil {
    folder: Left,
    lock: Left,
    pub(crate) astray: Option<Astray>,
}

impl Vigil {
    pub(crate) fn over(log: &Path, lock: &File) -> io::Result<Self> {
        Ok(Self { folder: Left::at(log)?, lock: Left::open(lock, &log.join("LOCK"), 0)?, astray: None })
    }

    /// Whether this process is still the one that writes where it began to.
    pub(crate) fn look(&self) -> Option<Astray> {
        if !self.folder.holds() {
            Some(Astray::Folder)
        } else if !self.lock.holds() {
            Some(Astray::Lock)
        } else {
            None
        }
    }
}

fn identity(of: &Metadata) -> (u64, u64) {
    (of.dev(), of.ino())
}
