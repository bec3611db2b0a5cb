//! The file of keys. Lines are added to it; what a failed call leaves in doubt, and what others have done to it, is written
//! anew from memory, into another file, before anything more is promised.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::disk;
use crate::watch::Left;

/// The lines, and the file that has them.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    /// All of them: what others do to the file takes none away.
    text: Zeroizing<Vec<u8>>,
    /// Nothing where they are to be written into another file first.
    open: Option<Open>,
    /// Others have done something to the file, and nobody was told yet.
    astray: bool,
    /// How many times the file became another one.
    turn: u64,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// A sync has failed: what came before it is clean in the eyes of the system, and on no disk perhaps.
    in_doubt: bool,
    /// How the file was when it was last read, and whether it was so the time before as well: what is written within one
    /// tick of the clock of files leaves no other trace.
    seen: Option<Stamp>,
    settled: bool,
}

/// What changes with whatever is done to a file: its length, and when content and names of it were changed.
type Stamp = (u64, (i64, i64), (i64, i64));

/// What is to be synced while others go on.
pub(super) struct Unsynced {
    file: File,
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
        Ok(Self { path: path.to_owned(), text, open: None, astray: false, turn: 0 })
    }

    /// All of them.
    pub(super) fn all(&self) -> &[u8] {
        &self.text
    }

    /// One more line.
    pub(super) fn add(&mut self, line: &[u8]) -> io::Result<()> {
        self.go_on();
        let before = self.text.len();
        let Some(open) = &mut self.open else {
            extend(&mut self.text, line);
            let written = self.write_anew();
            if written.is_err() {
                self.text.truncate(before);
            }
            return written.map(drop);
        };
        if let Err(cause) = open.file.write_all(line) {
            // Half a line would make the next one unreadable.
            open.in_doubt = open.file.set_len(before as u64).is_err();
            return Err(cause);
        }
        extend(&mut self.text, line);
        Ok(())
    }

    /// Writes others in the place of some lines, for good. Where that fails they are all there still.
    pub(super) fn replace(&mut self, with: impl Fn(&[u8]) -> Option<Vec<u8>>) -> io::Result<()> {
        let mut kept = Zeroizing::new(Vec::with_capacity(self.text.len()));
        for line in self.text.split_inclusive(|it| *it == b'\n') {
            match with(line) {
                Some(other) => extend(&mut kept, &other),
                None => extend(&mut kept, line),
            }
        }
        // Nobody knows which file lies there after a failure: all that was in the older one is written into a third.
        self.open = None;
        let all = std::mem::replace(&mut self.text, kept);
        let written = self.write_anew().and_then(|old| old.map_or(Ok(()), overwrite));
        if written.is_err() {
            self.open = None;
            self.text = all;
        }
        written
    }

    /// What is to be synced; nothing where all of it is certain by now.
    pub(super) fn unsynced(&mut self) -> io::Result<Option<Unsynced>> {
        self.go_on();
        match &self.open {
            None => self.write_anew().map(|_| None),
            Some(open) => Ok(Some(Unsynced { file: open.file.try_clone()?, turn: self.turn })),
        }
    }

    /// Takes in what became of a sync.
    pub(super) fn synced(&mut self, unsynced: &Unsynced, done: bool) {
        if let Some(open) = &mut self.open
            && unsynced.turn == self.turn
            && !done
        {
            open.in_doubt = true;
        }
    }

    /// Puts the file back where others have taken it away, replaced it or written to it. Says whether they have, since it was
    /// last asked.
    pub(super) fn look(&mut self) -> io::Result<bool> {
        if !self.is_as_written() {
            self.open = None;
            self.astray = true;
        }
        if self.astray && self.open.is_none() {
            // It may have been an older copy, with the key of somebody who was erased.
            self.write_anew()?.map_or(Ok(()), overwrite)?;
        }
        Ok(std::mem::take(&mut self.astray))
    }

    /// Whether the file is where it was written, and as long.
    fn is_in_place(&self) -> bool {
        let length = self.text.len() as u64;
        self.open.as_ref().is_none_or(|it| Left::open(&it.file, &self.path, length).is_ok_and(|it| it.holds_exactly()))
    }

    /// The same, and whether it holds what was written. It is read only where something has become of it since the last time.
    fn is_as_written(&mut self) -> bool {
        let in_place = self.is_in_place();
        let Some(open) = self.open.as_mut().filter(|it| !it.in_doubt) else { return true };
        // Before it is read, so that what comes after is seen the next time.
        let Some(stamp) = stamp(&self.path).filter(|_| in_place) else { return false };
        let same = open.seen.replace(stamp) == Some(stamp);
        if same && open.settled {
            return true;
        }
        open.settled = same;
        let found = disk::read(&self.path).map(|it| it.map(Zeroizing::new));
        found.is_ok_and(|it| it.as_ref().is_some_and(|it| **it == *self.text))
    }

    /// Gives a file up that is in doubt, or that nobody will find.
    fn go_on(&mut self) {
        if !self.is_in_place() {
            self.open = None;
            self.astray = true;
        } else if self.open.as_ref().is_some_and(|it| it.in_doubt) {
            self.open = None;
        }
    }

    /// Puts what should be there into another file, for good, and goes on with that. Gives the one that lay there.
    fn write_anew(&mut self) -> io::Result<Option<File>> {
        let old = disk::open_own(&self.path, OpenOptions::new().write(true)).ok();
        disk::put_durably(&self.path, &self.text)?;
        let file = disk::open_own(&self.path, OpenOptions::new().append(true).read(true))?;
        self.open = Some(Open { file, in_doubt: false, seen: None, settled: false });
        self.turn += 1;
        Ok(old)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let it = fs::metadata(path).ok()?;
    Some((it.len(), (it.mtime(), it.mtime_nsec()), (it.ctime(), it.ctime_nsec())))
}

/// Adds to what must leave no trace: what grows where it lies leaves what it held behind.
fn extend(text: &mut Zeroizing<Vec<u8>>, more: &[u8]) {
    let length = text.len() + more.len();
    if text.capacity() < length {
        let mut larger = Zeroizing::new(Vec::with_capacity(length.saturating_mul(2)));
        larger.extend_from_slice(text);
        *text = larger;
    }
    text.extend_from_slice(more);
}

/// Writes zeros over a file that has no name any more, so that what stood in it does not lie on the disk until its blocks
/// are used again; one that has another name still is somebody's copy. File systems that copy on write do as they like.
fn overwrite(mut file: File) -> io::Result<()> {
    let found = file.metadata()?;
    if found.nlink() > 0 {
        return Ok(());
    }
    io::copy(&mut io::Read::take(io::repeat(0), found.len()), &mut file)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
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
        assert!(!lines.look().unwrap());
        fs::remove_file(&path).unwrap();
        // Whoever adds does not add to what nobody will find, and it is told all the same.
        lines.add(b"three\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nthree\n");
        assert!(lines.look().unwrap() && !lines.look().unwrap());
        let other = folder.path().join("other");
        fs::write(&other, "somebody else's\n").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(lines.look().unwrap() && !lines.look().unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nthree\n");
    }

    #[test]
    fn what_is_written_over_is_put_back_from_memory() {
        let (_folder, path, mut lines) = lines();
        lines.add(b"two\n").unwrap();
        let written = |bytes: &[u8]| {
            let mut file = OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
            file.write_all(bytes).unwrap();
        };
        for bytes in [&b""[..], b"garbage\n", b"one\n", b"one\nTWO\n", b"one\ntwo\nthree\n"] {
            for _ in 0..3 {
                assert!(!lines.look().unwrap());
            }
            written(bytes);
            assert!(lines.look().unwrap(), "{bytes:?}");
            assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\n");
        }
        // Whoever adds to one that was emptied adds to all that it held.
        written(b"");
        lines.add(b"three\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nthree\n");
    }

    #[test]
    fn what_lay_in_the_place_of_the_file_is_not_left_on_the_disk_but_where_it_is_a_copy() {
        let (folder, path, mut lines) = lines();
        lines.add(b"two\n").unwrap();
        let lay = |name: &str| {
            let other = folder.path().join(name);
            fs::write(&other, "older\n").unwrap();
            let open = File::open(&other).unwrap();
            (other, open)
        };
        let text = |mut it: &File| {
            let mut text = String::new();
            io::Read::read_to_string(&mut it, &mut text).unwrap();
            text
        };
        let (moved, file) = lay("moved");
        fs::rename(moved, &path).unwrap();
        assert!(lines.look().unwrap());
        assert_eq!(text(&file), "\0\0\0\0\0\0");
        let (linked, file) = lay("linked");
        fs::remove_file(&path).unwrap();
        fs::hard_link(&linked, &path).unwrap();
        assert!(lines.look().unwrap());
        assert_eq!(text(&file), "older\n");
    }

    fn no_one(line: &[u8]) -> Option<Vec<u8>> {
        (line == b"one\n").then(|| b"no one\n".to_vec())
    }

    #[test]
    fn where_lines_cannot_be_left_out_they_stay_and_later_ones_go_to_the_file_that_is_there() {
        let (folder, path, mut lines) = lines();
        lines.add(b"two\n").unwrap();
        // What is neither a file nor can be removed: nothing can be put in place.
        let draft = folder.path().join("subjects.new");
        fs::create_dir(&draft).unwrap();
        lines.replace(no_one).unwrap_err();
        lines.add(b"three\n").unwrap_err();
        // As if the file had been put in place, and only the folder not synced.
        fs::write(folder.path().join("other"), "two\n").unwrap();
        fs::rename(folder.path().join("other"), &path).unwrap();
        fs::remove_dir(&draft).unwrap();
        lines.add(b"four\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nfour\n");
        lines.replace(no_one).unwrap();
        lines.add(b"five\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"no one\ntwo\nfour\nfive\n");
    }
}
