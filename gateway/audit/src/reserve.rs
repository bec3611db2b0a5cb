//! Space that is kept for the moment when there is none left.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use crate::disk;

/// A file that takes up space, to be given up so that what was begun can be finished.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    bytes: u64,
    held: bool,
}

impl Reserve {
    /// In the folder of a log. Nothing is held yet.
    pub(crate) fn in_log(log: &Path, bytes: u64) -> Self {
        Self { path: log.join("reserve"), bytes, held: false }
    }

    /// Takes the space, if there is as much.
    pub(crate) fn hold(&mut self) -> io::Result<()> {
        if self.held || self.bytes == 0 {
            self.held = true;
            return Ok(());
        }
        let file = disk::open_own(&self.path, OpenOptions::new().write(true).create(true).truncate(false))?;
        let taken = match fallocate(&file, FallocateFlags::empty(), 0, self.bytes) {
            // A file system that cannot promise space is written to without a promise.
            Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
            other => other.and_then(|()| rustix::fs::ftruncate(&file, self.bytes)),
        };
        if let Err(cause) = taken {
            drop(file);
            // What it took so far is of no use, and others may need it.
            let _ = fs::remove_file(&self.path);
            return Err(cause.into());
        }
        self.held = true;
        Ok(())
    }

    /// Whether what is held is there; also where nothing is.
    pub(crate) fn is_whole(&self) -> bool {
        let there = || fs::symlink_metadata(&self.path).is_ok_and(|it| it.is_file() && it.len() == self.bytes);
        !self.held || self.bytes == 0 || there()
    }

    /// Takes the space again that somebody else has given up. Where that cannot be it goes on being missed.
    pub(crate) fn take_anew(&mut self) -> io::Result<()> {
        self.held = false;
        let taken = self.hold();
        self.held = true;
        taken
    }

    /// Gives the space up. Says whether there was any.
    pub(crate) fn spend(&mut self) -> bool {
        std::mem::take(&mut self.held) && self.bytes > 0 && fs::remove_file(&self.path).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn space_is_taken_and_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut reserve = Reserve::in_log(folder.path(), 1 << 20);
        assert!(!reserve.spend());
        reserve.hold().unwrap();
        reserve.hold().unwrap();
        let taken = fs::metadata(folder.path().join("reserve")).unwrap();
        assert!(taken.len() == 1 << 20 && taken.blocks() * 512 >= 1 << 20, "the space is not taken");
        assert!(reserve.spend() && !reserve.spend());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_others_took_away_is_missed_until_it_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reserve");
        let mut reserve = Reserve::in_log(folder.path(), 1 << 20);
        reserve.hold().unwrap();
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        for _ in 0..2 {
            assert!(!reserve.is_whole());
            reserve.take_anew().unwrap_err();
        }
        fs::remove_dir(&path).unwrap();
        reserve.take_anew().unwrap();
        assert!(reserve.is_whole());
        // Space of somebody else is none that can be given up.
        fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(!reserve.is_whole());
    }

    #[test]
    fn what_cannot_be_had_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut reserve = Reserve::in_log(folder.path(), 1 << 60);
        reserve.hold().unwrap_err();
        assert!(!reserve.spend());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
