//! The file of keys. Lines are added to it; what a failed call leaves in doubt is written anew, into another file, before
//! anything more is promised.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::disk;
use crate::watch::Left;

/// The lines, and what of them is certain.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    state: State,
    /// How many times the file became another one.
    turn: u64,
}

#[derive(Debug)]
enum State {
    Open(Open),
    /// These are to be written into another file first.
    Anew(Zeroizing<Vec<u8>>),
}

#[derive(Debug)]
struct Open {
    file: File,
    /// How many bytes are on the disk for certain.
    certain: u64,
    /// What comes after those.
    fresh: Zeroizing<Vec<u8>>,
    /// A sync has failed: what came after those is clean in the eyes of the system, and on no disk perhaps.
    in_doubt: bool,
}

/// What is to be synced while others go on.
pub(super) struct Unsynced {
    file: File,
    fresh: usize,
    turn: u64,
}

impl Unsynced {
    /// Waits for the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl Lines {
    /// These, which were found at the path. What whoever wrote them could not make certain may be on no disk, so that they
    /// are written anew at first.
    pub(super) fn found(path: &Path, text: Zeroizing<Vec<u8>>) -> io::Result<Self> {
        // Who may not write there learns it now.
        drop(disk::open_own(path, OpenOptions::new().create(true).append(true))?);
        Ok(Self { path: path.to_owned(), state: State::Anew(text), turn: 0 })
    }

    /// One more line.
    pub(super) fn add(&mut self, line: &[u8]) -> io::Result<()> {
        self.go_on()?;
        match &mut self.state {
            State::Anew(text) => {
                let before = text.len();
                text.extend_from_slice(line);
                let written = self.write_anew();
                if let State::Anew(text) = &mut self.state {
                    text.truncate(before);
                }
                written.map(drop)
            }
            State::Open(open) => {
                let length = open.certain + open.fresh.len() as u64;
                if let Err(cause) = open.file.write_all(line) {
                    // Half a line would make the next one unreadable.
                    open.in_doubt = open.file.set_len(length).is_err();
                    return Err(cause);
                }
                open.fresh.extend_from_slice(line);
                Ok(())
            }
        }
    }

    /// Leaves out some lines, for good, and adds one that says so. Where that fails they are all there still.
    pub(super) fn replace(&mut self, leave_out: impl Fn(&[u8]) -> bool, said: &[u8]) -> io::Result<()> {
        let all = match &self.state {
            State::Open(open) => open.all()?,
            State::Anew(text) => text.clone(),
        };
        let lines = all.split_inclusive(|it| *it == b'\n').filter(|it| !leave_out(it)).chain([said]);
        let kept = Zeroizing::new(lines.flatten().copied().collect::<Vec<u8>>());
        // Nobody knows which file lies there after a failure: all that was in the older one is written into a third.
        self.state = State::Anew(kept);
        let written = self.write_anew().and_then(|old| old.map_or(Ok(()), overwrite));
        if written.is_err() {
            self.state = State::Anew(all);
        }
        written
    }

    /// What is to be synced; nothing where all of it is certain by now.
    pub(super) fn unsynced(&mut self) -> io::Result<Option<Unsynced>> {
        self.go_on()?;
        match &self.state {
            State::Anew(_) => self.write_anew().map(|_| None),
            State::Open(open) => {
                let file = open.file.try_clone()?;
                Ok(Some(Unsynced { file, fresh: open.fresh.len(), turn: self.turn }))
            }
        }
    }

    /// Takes in what became of a sync.
    pub(super) fn synced(&mut self, unsynced: &Unsynced, done: bool) {
        if let State::Open(open) = &mut self.state
            && unsynced.turn == self.turn
        {
            if done {
                open.certain += unsynced.fresh as u64;
                drop(open.fresh.drain(..unsynced.fresh));
            } else {
                open.in_doubt = true;
            }
        }
    }

    /// Whether the file is where it was written, as long as it was written.
    pub(super) fn is_in_place(&self) -> bool {
        match &self.state {
            State::Anew(_) => true,
            State::Open(open) => {
                let length = open.certain + open.fresh.len() as u64;
                Left::open(&open.file, &self.path, length).is_ok_and(|it| it.holds())
            }
        }
    }

    /// Writes into the place of a file that is gone, or another one, what it held.
    pub(super) fn put_back(&mut self) -> io::Result<()> {
        if let State::Open(open) = &self.state {
            self.state = State::Anew(open.all()?);
        }
        self.write_anew().map(drop)
    }

    /// Gives a file up that is in doubt, or that nobody will find.
    fn go_on(&mut self) -> io::Result<()> {
        if let State::Open(open) = &self.state
            && (open.in_doubt || !self.is_in_place())
        {
            self.state = State::Anew(open.all()?);
        }
        Ok(())
    }

    /// Puts what should be there into another file, for good, and goes on with that. Gives the one that lay there.
    fn write_anew(&mut self) -> io::Result<Option<File>> {
        let State::Anew(text) = &self.state else { return Ok(None) };
        let old = disk::open_own(&self.path, OpenOptions::new().write(true)).ok();
        disk::put_durably(&self.path, text)?;
        let file = disk::open_own(&self.path, OpenOptions::new().append(true).read(true))?;
        let open = Open { file, certain: text.len() as u64, fresh: Zeroizing::default(), in_doubt: false };
        self.state = State::Open(open);
        self.turn += 1;
        Ok(old)
    }
}

impl Open {
    /// All lines: those that are certain from the disk, and what comes after them from memory.
    fn all(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut all = Zeroizing::new(vec![0; usize::try_from(self.certain).map_err(io::Error::other)?]);
        self.file.read_exact_at(&mut all, 0)?;
        all.extend_from_slice(&self.fresh);
        Ok(all)
    }
}

/// Writes zeros over a file that has no name any more, so that what stood in it does not lie on the disk until its blocks
/// are used again. File systems that copy on write do as they like.
fn overwrite(mut file: File) -> io::Result<()> {
    let length = file.metadata()?.len();
    io::copy(&mut io::Read::take(io::repeat(0), length), &mut file)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn lines() -> (tempfile::TempDir, PathBuf, Lines) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("subjects");
        let lines = Lines::found(&path, Zeroizing::new(b"one\n".to_vec())).unwrap();
        (folder, path, lines)
    }

    #[test]
    fn after_a_failed_sync_what_was_added_is_written_into_another_file() {
        let (_folder, path, mut lines) = lines();
        lines.add(b"two\n").unwrap();
        let first = fs::metadata(&path).unwrap().ino();
        lines.add(b"three\n").unwrap();
        let unsynced = lines.unsynced().unwrap().unwrap();
        lines.synced(&unsynced, false);
        // What the system gave up is gone.
        OpenOptions::new().write(true).open(&path).unwrap().set_len(8).unwrap();
        assert!(lines.unsynced().unwrap().is_none(), "the file that failed is synced again");
        assert_ne!(fs::metadata(&path).unwrap().ino(), first);
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nthree\n");
        let unsynced = lines.unsynced().unwrap().unwrap();
        lines.add(b"four\n").unwrap();
        lines.synced(&unsynced, true);
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nthree\nfour\n");
    }

    #[test]
    fn what_is_gone_is_put_back_with_all_that_it_held() {
        let (folder, path, mut lines) = lines();
        lines.add(b"two\n").unwrap();
        assert!(lines.is_in_place());
        fs::remove_file(&path).unwrap();
        assert!(!lines.is_in_place());
        // Whoever adds does not add to what nobody will find.
        lines.add(b"three\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nthree\n");
        let other = folder.path().join("other");
        fs::write(&other, "somebody else's\n").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(!lines.is_in_place());
        lines.put_back().unwrap();
        assert!(lines.is_in_place());
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nthree\n");
    }

    #[test]
    fn where_lines_cannot_be_left_out_they_stay_and_later_ones_go_to_the_file_that_is_there() {
        let (folder, path, mut lines) = lines();
        lines.add(b"two\n").unwrap();
        // What is neither a file nor can be removed: nothing can be put in place.
        let draft = folder.path().join("subjects.new");
        fs::create_dir(&draft).unwrap();
        lines.replace(|it| it == b"one\n", b"no one\n").unwrap_err();
        lines.add(b"three\n").unwrap_err();
        // As if the file had been put in place, and only the folder not synced.
        fs::write(folder.path().join("other"), "two\n").unwrap();
        fs::rename(folder.path().join("other"), &path).unwrap();
        fs::remove_dir(&draft).unwrap();
        lines.add(b"four\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nfour\n");
        lines.replace(|it| it == b"one\n", b"no one\n").unwrap();
        lines.add(b"five\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two\nfour\nno one\nfive\n");
    }
}
