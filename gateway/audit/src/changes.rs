//! What others do to the files of a log while it is written, as the system tells it.
//!
//! We put a file in place by giving a draft that lies beside it its name, and take one away by making it a draft again;
//! whatever else happens to a name was done by somebody else. Costs nothing for what is left alone, however much that is.
//! It proves nothing: whoever means to deceive can do as we do, and is found out by a verifier.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::disk::is_draft;
use crate::tree::{FULL, path_of};

/// How many bytes are read at once.
const BUFFER: usize = 16 * 1024;

/// The folders of a log in which everything stays, but for those of tiles and bundles.
const FOLDERS: [&str; 7] = ["", "tile", "tile/entries", "checkpoints", "kept", "holds", AHEAD];

/// Where write-ahead files are. The one that is written is open all the time: who closes one has written to it.
const AHEAD: &str = "wal";

/// The file that is written where it lies, and open all the time as well.
const WRITTEN: &str = "inflight";

/// How many files of one kind lie in one folder.
const PER_FOLDER: u64 = 1000;

/// What is heard of the folders of a log.
#[derive(Debug)]
pub(crate) struct Changes {
    log: PathBuf,
    queue: OwnedFd,
    /// What is listened to, by the number that the system gave it, and the other way round.
    names: BTreeMap<i32, PathBuf>,
    numbers: BTreeMap<PathBuf, i32>,
    /// Folders of tiles and bundles that were listened to before.
    known: BTreeSet<PathBuf>,
    /// First ends of renamings, of which the other was not heard yet.
    halves: Vec<Heard>,
    /// How many entries there were when folders were last looked for.
    size: u64,
}

/// What somebody else has touched.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    /// Names of files and folders, in the folder of the log.
    pub(crate) names: BTreeSet<PathBuf>,
    /// There was more than the system could keep for us.
    pub(crate) overflown: bool,
}

/// One thing that was heard.
#[derive(Clone, Debug)]
struct Heard {
    path: PathBuf,
    what: ReadFlags,
    /// The same for both ends of a renaming, otherwise nothing.
    cookie: u32,
}

impl Changes {
    /// Begins to listen to a log of so many entries.
    pub(crate) fn of(log: &Path, size: u64) -> io::Result<Self> {
        let queue = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let (names, numbers) = (BTreeMap::new(), BTreeMap::new());
        let (log, known) = (log.to_owned(), BTreeSet::new());
        let mut it = Self { log, queue, names, numbers, known, halves: Vec::new(), size: 0 };
        // What was done before we came is for others to find.
        let _ = it.follow(size)?;
        Ok(it)
    }

    /// Listens to the folders that have come since the last time. Gives what should be in those that are new, because nobody
    /// has listened since they were made.
    pub(crate) fn follow(&mut self, size: u64) -> io::Result<Vec<PathBuf>> {
        for folder in FOLDERS {
            self.listen(Path::new(folder))?;
        }
        let (mut before, mut whole, mut unheard) = (self.size, size, Vec::new());
        for level in 0..=u8::MAX {
            (before, whole) = (before / FULL as u64, whole / FULL as u64);
            if whole == 0 {
                break;
            }
            let kinds = [Some(format!("tile/{level}")), (level == 0).then(|| "tile/entries".to_owned())];
            for kind in kinds.into_iter().flatten() {
                for folder in before / PER_FOLDER..=(whole - 1) / PER_FOLDER {
                    if self.listen_within(Path::new(&kind), folder)? {
                        let those = folder * PER_FOLDER..whole.min((folder + 1) * PER_FOLDER);
                        unheard.extend(those.map(|it| Path::new(&kind).join(path_of(it))));
                    }
                }
            }
        }
        self.size = size;
        Ok(unheard)
    }

    /// Listens to one of the folders of tiles of a level, or of bundles, and to those above it. Says whether it is new.
    fn listen_within(&mut self, kind: &Path, folder: u64) -> io::Result<bool> {
        let within = path_of(folder * PER_FOLDER);
        let path = kind.join(Path::new(&within).parent().unwrap_or(Path::new("")));
        for it in path.ancestors().take_while(|it| it.starts_with(kind)) {
            self.listen(it)?;
        }
        Ok(self.numbers.contains_key(&path) && self.known.insert(path))
    }

    /// The folders that are listened to.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.numbers.keys().map(PathBuf::as_path)
    }

    /// Listens to one folder, if it is there and not listened to.
    fn listen(&mut self, folder: &Path) -> io::Result<()> {
        if self.numbers.contains_key(folder) {
            return Ok(());
        }
        let mut what = WatchFlags::DELETE | WatchFlags::MOVE | WatchFlags::MODIFY | WatchFlags::ONLYDIR;
        if [AHEAD, ""].map(Path::new).contains(&folder) {
            what |= WatchFlags::CLOSE_WRITE;
        }
        match inotify::add_watch(&self.queue, self.log.join(folder), what) {
            Ok(number) => {
                self.names.insert(number, folder.to_owned());
                self.numbers.insert(folder.to_owned(), number);
                Ok(())
            }
            Err(Errno::NOENT) => Ok(()),
            Err(cause) => Err(cause.into()),
        }
    }

    /// What others have touched since the last time. `quiet` says that no write-ahead file was written since.
    pub(crate) fn take(&mut self, quiet: bool) -> io::Result<Touched> {
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut reader = Reader::new(&self.queue, &mut buffer);
        let (mut heard, mut gone, mut overflown) = (Vec::new(), Vec::new(), false);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                Err(cause) => return Err(cause.into()),
            };
            overflown |= event.events().contains(ReadFlags::QUEUE_OVERFLOW);
            if event.events().contains(ReadFlags::IGNORED) {
                gone.push(event.wd());
            }
            if let (Some(folder), Some(name)) = (self.names.get(&event.wd()), event.file_name()) {
                let path = folder.join(OsStr::from_bytes(name.to_bytes()));
                heard.push(Heard { path, what: event.events(), cookie: event.cookie() });
            }
        }
        let (whole, halves) = without_halves(heard);
        let mut heard = std::mem::replace(&mut self.halves, halves);
        heard.extend(whole);
        let names = of_others(&heard, quiet);
        let away = heard.iter().filter(|it| it.what.contains(ReadFlags::MOVED_FROM | ReadFlags::ISDIR));
        gone.extend(away.filter_map(|it| self.numbers.get(&it.path).copied()));
        for number in gone {
            self.forget(number);
        }
        Ok(Touched { names, overflown })
    }

    /// A folder that comes in the place of this one is listened to anew.
    fn forget(&mut self, number: i32) {
        if let Some(folder) = self.names.remove(&number) {
            self.numbers.remove(&folder);
            self.size = 0;
        }
    }
}

/// What was heard but for first ends of renamings whose other end is under way still, and those. What somebody else does at
/// the same moment may stand between the two.
fn without_halves(heard: Vec<Heard>) -> (Vec<Heard>, Vec<Heard>) {
    let there = heard.iter().filter(|it| it.what.contains(ReadFlags::MOVED_TO)).map(|it| it.cookie);
    let there: BTreeSet<u32> = there.collect();
    heard.into_iter().partition(|it| !it.what.contains(ReadFlags::MOVED_FROM) || there.contains(&it.cookie))
}

/// The names that were touched otherwise than we do it.
fn of_others(heard: &[Heard], quiet: bool) -> BTreeSet<PathBuf> {
    let of_draft = heard.iter().filter(|it| it.cookie != 0 && is_draft(&it.path));
    let ours: BTreeSet<u32> = of_draft.map(|it| it.cookie).collect();
    let others = heard.iter().filter(|it| !is_draft(&it.path) && !ours.contains(&it.cookie) && !is_usual(it, quiet));
    others.map(|it| it.path.clone()).collect()
}

/// What we do otherwise, or what goes with something else that is heard of.
fn is_usual(Heard { path, what, .. }: &Heard, quiet: bool) -> bool {
    let written = what.contains(ReadFlags::MODIFY) && path == Path::new(WRITTEN);
    // All that was in such a folder went before it.
    let emptied = what.contains(ReadFlags::DELETE | ReadFlags::ISDIR);
    // As long as we write as well, only that somebody closes it tells theirs from ours.
    let ahead = !quiet && what.contains(ReadFlags::MODIFY) && path.starts_with(AHEAD);
    let partial = path.extension().is_some_and(|it| it == "p");
    written || emptied || ahead || partial
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(all: &[&str]) -> BTreeSet<PathBuf> {
        all.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn what_we_do_is_told_from_what_others_do() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path();
        for it in ["tile/0/x001", "tile/entries/x001", "kept"] {
            fs::create_dir_all(log.join(it)).unwrap();
        }
        for it in ["minimum", "vkey", "kept/1", "kept/2", "tile/0/000", "tile/0/x001/000", "tile/entries/007"] {
            crate::disk::put_durably(&log.join(it), b"1").unwrap();
        }
        let mut changes = Changes::of(log, 256 * 1001).unwrap();
        crate::disk::put_durably(&log.join("minimum"), b"2").unwrap();
        crate::disk::put(log, &log.join("tile/entries/x001/001"), b"2").unwrap();
        crate::disk::put(log, &log.join("tile/entries/x001/002.p/7"), b"2").unwrap();
        crate::disk::take_away(&log.join("kept/1")).unwrap();
        let mut ours = changes.take(true).unwrap();
        // The end of a renaming that was heard of in part.
        ours.names.append(&mut changes.take(true).unwrap().names);
        assert_eq!(ours, Touched::default());

        fs::remove_file(log.join("kept/2")).unwrap();
        fs::write(log.join("other"), "2").unwrap();
        fs::rename(log.join("other"), log.join("vkey")).unwrap();
        fs::write(log.join("tile/0/000"), "2").unwrap();
        fs::remove_file(log.join("tile/0/x001/000")).unwrap();
        fs::rename(log.join("tile/entries"), log.join("elsewhere")).unwrap();
        let expected = ["elsewhere", "kept/2", "other", "tile/0/000", "tile/0/x001/000", "tile/entries", "vkey"];
        assert_eq!(changes.take(true).unwrap().names, names(&expected));
        // What is made in its place is listened to as well.
        fs::create_dir(log.join("tile/entries")).unwrap();
        assert_eq!(changes.follow(256 * 1001).unwrap(), Vec::<PathBuf>::new());
        fs::write(log.join("tile/entries/000"), "2").unwrap();
        assert_eq!(changes.take(true).unwrap().names, names(&["tile/entries/000"]));
    }

    #[test]
    fn a_renaming_is_ours_whatever_others_do_between_its_ends_and_whenever_each_is_heard() {
        let of = |path: &str, what, cookie| Heard { path: path.into(), what, cookie };
        let all = [
            of("kept/1", ReadFlags::MOVED_FROM, 7),
            of("kept/2", ReadFlags::DELETE, 0),
            of("kept/1.new", ReadFlags::MOVED_TO, 7),
        ];
        for heard_at_first in 0..=all.len() {
            let (first, second) = all.split_at(heard_at_first);
            let (whole, halves) = without_halves(first.to_vec());
            let mut named = of_others(&whole, true);
            named.extend(of_others(&[halves, second.to_vec()].concat(), true));
            assert_eq!(named, names(&["kept/2"]), "{heard_at_first}");
        }
        // Whose other end never comes was taken out of the log.
        let (whole, halves) = without_halves(all[..1].to_vec());
        assert!(whole.is_empty());
        assert_eq!(of_others(&halves, true), names(&["kept/1"]));
    }

    #[test]
    fn who_writes_to_a_write_ahead_file_is_told_from_the_one_whose_it_is() {
        use std::io::Write as _;

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("wal/1");
        fs::create_dir(folder.path().join("wal")).unwrap();
        let append = || fs::OpenOptions::new().create(true).append(true).open(&file).unwrap();
        let (mut ours, mut theirs) = (append(), append());
        let mut changes = Changes::of(folder.path(), 0).unwrap();
        ours.write_all(b"1").unwrap();
        crate::disk::put_durably(&folder.path().join("wal/2"), b"1").unwrap();
        assert_eq!(changes.take(false).unwrap(), Touched::default());
        theirs.write_all(b"2").unwrap();
        assert_eq!(changes.take(true).unwrap().names, names(&["wal/1"]));
        ours.write_all(b"3").unwrap();
        drop(theirs);
        assert_eq!(changes.take(false).unwrap().names, names(&["wal/1"]));
    }
}
