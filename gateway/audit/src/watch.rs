//! Noticing that what was written is no longer where it was written.
//!
//! A file that is deleted or replaced beneath a process can be written to for ever, and nobody would read it.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};

use crate::disk;

/// What is not as it was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Astray {
    /// Another folder is where that of the log was, or none.
    Folder,
    /// The lock, so that somebody else may be writing.
    Lock,
    /// The write-ahead file is gone, another one, or holds something else than what was written.
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
            Self::WriteAhead => "the write-ahead file was replaced, removed, cut or written to",
            Self::Checkpoint => "the checkpoint was replaced, removed or changed",
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

    /// Whether it still is there, and no longer than that.
    pub(crate) fn holds_exactly(&self) -> bool {
        self.holds() && fs::metadata(&self.path).is_ok_and(|it| self.length == it.len())
    }

    /// Whether it still is there.
    pub(crate) fn holds(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|it| identity(&it) == self.identity && self.length <= it.len())
    }
}

/// The folder of a log, for those who write something beside the entries: nothing is put into another one.
#[derive(Clone, Debug)]
pub struct Home(Left);

impl Home {
    pub(crate) fn of(log: &Path) -> io::Result<Self> {
        Left::at(log).map(Self)
    }

    /// Where it is, as long as it is the one that was opened.
    pub fn folder(&self) -> io::Result<&Path> {
        let gone = || io::Error::other(Astray::Folder.as_str());
        if self.0.holds() { Ok(&self.0.path) } else { Err(gone()) }
    }
}

/// Who may write in a folder: the folder itself is locked, which nobody can take away, and a file in it, which those ask who
/// know of no other lock.
#[derive(Debug)]
pub(crate) struct Locks {
    _folder: File,
    file: File,
    path: PathBuf,
}

impl Locks {
    /// Takes both; nothing where another process has one.
    pub(crate) fn take(log: &Path) -> io::Result<Option<Self>> {
        let path = log.join("LOCK");
        let Some(folder) = disk::hold(File::open(log)?)? else { return Ok(None) };
        Ok(disk::lock(&path)?.map(|file| Self { _folder: folder, file, path }))
    }

    /// Takes the file anew that lies where ours was, or makes it. As long as the folder is ours nobody has written meanwhile,
    /// unless they have this file.
    fn retake(&mut self) -> io::Result<()> {
        self.file = disk::lock(&self.path)?.ok_or_else(|| io::Error::from(io::ErrorKind::WouldBlock))?;
        Ok(())
    }
}

/// Whether some process writes this log now. One that died does not: its lock went with it.
pub fn is_being_written(log: &Path) -> io::Result<bool> {
    // The folder too, because somebody may have taken the file away.
    Ok(disk::is_held(log)? || disk::is_held(&log.join("LOCK"))?)
}

/// The right to write into the folder of a log while no gateway does: as long as this is held none begins to.
#[derive(Debug)]
pub struct SoleWriter {
    log: PathBuf,
    _locks: Locks,
}

impl SoleWriter {
    /// Takes it; nothing where another process writes the log.
    pub fn take(log: &Path) -> io::Result<Option<Self>> {
        let Some(locks) = Locks::take(log)? else { return Ok(None) };
        // A gateway that runs for another account must be able to take it after this.
        let owner = fs::metadata(log)?;
        let _ = fchown(&locks.file, Some(owner.uid()), Some(owner.gid()));
        Ok(Some(Self { log: log.to_owned(), _locks: locks }))
    }

    /// The folder of the log.
    pub fn folder(&self) -> &Path {
        &self.log
    }
}

/// The folder of a log and its lock, and what was last found amiss.
#[derive(Debug)]
pub(crate) struct Vigil {
    folder: Left,
    lock: Left,
    locks: Locks,
    pub(crate) astray: Option<Astray>,
}

impl Vigil {
    pub(crate) fn over(log: &Path, locks: Locks) -> io::Result<Self> {
        let lock = Left::open(&locks.file, &locks.path, 0)?;
        Ok(Self { folder: Left::at(log)?, lock, locks, astray: None })
    }

    /// Takes the lock again, where it alone is missing and nobody else has it.
    pub(crate) fn take_again(&mut self) -> io::Result<()> {
        self.locks.retake()?;
        self.lock = Left::open(&self.locks.file, &self.locks.path, 0)?;
        Ok(())
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
