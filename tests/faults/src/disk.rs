//! What a power cut leaves of a folder.
//!
//! Certain is what was synced: the bytes of a file by a sync of the file, names by a sync of the folder they stand in.
//! Of all else chance decides: of each file how many of its last writes arrived, and how much of the last of them, or any
//! of them and not those before; of each folder how many of its last changes of names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Call, Dice, Done};

/// How sure it is that something arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sure {
    Certain,
    Open,
    /// A sync failed: the system takes it for written, and no later sync will write it.
    GivenUp,
}

/// A file, whatever its name: what it held at first, and what was done to it since.
#[derive(Debug, Default)]
struct Content {
    first: Vec<u8>,
    changes: Vec<(Sure, Change)>,
}

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

/// A change of names.
#[derive(Debug)]
struct Naming {
    certain: bool,
    path: PathBuf,
    what: Name,
}

#[derive(Debug)]
enum Name {
    File(usize),
    Folder,
    Rename(PathBuf),
    Gone,
}

/// A folder as it was, and what was done to it since.
#[derive(Debug)]
pub struct Disk {
    contents: Vec<Content>,
    /// The names as the process saw them.
    seen: BTreeMap<PathBuf, Option<usize>>,
    first: BTreeMap<PathBuf, Option<usize>>,
    namings: Vec<Naming>,
}

impl Disk {
    /// A folder before a process worked in it, all of it certain, and the calls of that process.
    #[track_caller]
    pub fn of(before: &Path, calls: &[Call]) -> Self {
        let mut disk =
            Self { contents: Vec::new(), seen: BTreeMap::new(), first: BTreeMap::new(), namings: Vec::new() };
        disk.read(before, Path::new(""));
        disk.first = disk.seen.clone();
        for call in calls {
            disk.take(call);
        }
        disk
    }

    #[track_caller]
    fn read(&mut self, root: &Path, within: &Path) {
        let Ok(found) = fs::read_dir(root.join(within)) else { return };
        for name in found.map(|it| it.expect("a name").file_name()) {
            let path = within.join(name);
            if root.join(&path).is_dir() {
                self.seen.insert(path.clone(), None);
                self.read(root, &path);
            } else {
                self.contents.push(Content { first: fs::read(root.join(&path)).expect("a file"), changes: Vec::new() });
                self.seen.insert(path, Some(self.contents.len() - 1));
            }
        }
    }

    fn take(&mut self, Call { path, done }: &Call) {
        let content = self.seen.get(path).copied().flatten();
        match (done, content.and_then(|it| self.contents.get_mut(it))) {
            (Done::Write(at, bytes), Some(content)) => content.change(Change::Write(*at, bytes.clone())),
            (Done::Truncate(length), Some(content)) => content.change(Change::Truncate(*length)),
            (Done::Sync, Some(content)) => content.settle(Sure::Certain),
            (Done::SyncFailed, Some(content)) => content.settle(Sure::GivenUp),
            (Done::Sync, None) => {
                let own = self.namings.iter_mut().filter(|it| it.path.parent() == Some(path));
                own.for_each(|it| it.certain = true);
            }
            (Done::Create, _) => {
                self.contents.push(Content::default());
                let content = self.contents.len() - 1;
                self.seen.insert(path.clone(), Some(content));
                self.name(path, Name::File(content));
            }
            (Done::Folder, _) => {
                self.seen.insert(path.clone(), None);
                self.name(path, Name::Folder);
            }
            (Done::Rename(to), _) => {
                if let Some(it) = self.seen.remove(path) {
                    self.seen.insert(to.clone(), it);
                }
                self.name(path, Name::Rename(to.clone()));
            }
            (Done::Unlink, _) => {
                self.seen.remove(path);
                self.name(path, Name::Gone);
            }
            // What has no name any more is nobody's.
            (Done::Write(..) | Done::Truncate(_) | Done::SyncFailed, None) => {}
        }
    }

    fn name(&mut self, path: &Path, what: Name) {
        self.namings.push(Naming { certain: false, path: path.to_owned(), what });
    }

    /// Makes the folder anew as the power cut left it.
    #[track_caller]
    pub fn after_power_cut(&self, dice: &mut Dice, into: &Path) {
        let mut names = self.first.clone();
        for naming in self.arrived(dice) {
            let above = naming.path.parent().unwrap_or(Path::new(""));
            if !above.as_os_str().is_empty() && !names.contains_key(above) {
                continue;
            }
            match &naming.what {
                Name::File(content) => drop(names.insert(naming.path.clone(), Some(*content))),
                Name::Folder => drop(names.insert(naming.path.clone(), None)),
                Name::Gone => drop(names.remove(&naming.path)),
                Name::Rename(to) => {
                    if let Some(it) = names.remove(&naming.path) {
                        names.insert(to.clone(), it);
                    }
                }
            }
        }
        fs::create_dir_all(into).expect("a folder of the test");
        // Folders come before what is in them. What is in a folder that is gone went with it.
        for (path, content) in names {
            let path = into.join(path);
            match content.and_then(|it| self.contents.get(it)) {
                None => fs::create_dir(&path).expect("a folder of the test"),
                Some(content) if path.parent().is_some_and(Path::exists) => {
                    fs::write(&path, content.after_power_cut(dice)).expect("a file of the test");
                }
                Some(_) => {}
            }
        }
    }

    /// The changes of names that arrived: of each folder those that are certain, and so many of those after them.
    fn arrived(&self, dice: &mut Dice) -> Vec<&Naming> {
        let mut open: BTreeMap<Option<&Path>, u64> = BTreeMap::new();
        for naming in self.namings.iter().filter(|it| !it.certain) {
            *open.entry(naming.path.parent()).or_default() += 1;
        }
        let mood = dice.below(3);
        for count in open.values_mut() {
            *count = match mood {
                0 => 0,
                1 => *count,
                _ => dice.below(*count + 1),
            };
        }
        let mut arrived = Vec::new();
        for naming in &self.namings {
            let left = open.get_mut(&naming.path.parent()).filter(|it| !naming.certain && **it > 0);
            if naming.certain || left.map(|it| *it -= 1).is_some() {
                arrived.push(naming);
            }
        }
        arrived
    }
}

impl Content {
    fn change(&mut self, change: Change) {
        self.changes.push((Sure::Open, change));
    }

    fn settle(&mut self, sure: Sure) {
        self.changes.iter_mut().filter(|(it, _)| *it == Sure::Open).for_each(|(it, _)| *it = sure);
    }

    fn after_power_cut(&self, dice: &mut Dice) -> Vec<u8> {
        let unsure = self.changes.iter().filter(|(it, _)| *it != Sure::Certain).count() as u64;
        let (mood, mut left) = (dice.below(4), dice.below(unsure + 1));
        let mut bytes = self.first.clone();
        for (sure, change) in &self.changes {
            let last = left == 0;
            let arrives = match mood {
                _ if *sure == Sure::Certain => true,
                0 => false,
                1 => true,
                2 => dice.once_in(2),
                _ => {
                    left = left.saturating_sub(1);
                    !last
                }
            };
            match change {
                Change::Truncate(length) if arrives => bytes.resize(size(*length), 0),
                Change::Write(at, new) if arrives => put(&mut bytes, size(*at), new, new.len()),
                // The length may arrive and the bytes not, or some of them.
                Change::Write(at, new) if mood == 2 => {
                    put(&mut bytes, size(*at), new, size(dice.below(new.len() as u64)));
                }
                Change::Truncate(_) | Change::Write(..) => {}
            }
        }
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, new: &[u8], arrived: usize) {
    bytes.resize(bytes.len().max(at + new.len()), 0);
    let places = bytes.iter_mut().skip(at).zip(new);
    places.take(arrived).for_each(|(place, it)| *place = *it);
}

fn size(length: u64) -> usize {
    usize::try_from(length).expect("files of a test fit into memory")
}
