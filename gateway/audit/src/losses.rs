//! Files of a log that somebody else removes, replaces or changes while it is written: put back as far as what they held
//! is held elsewhere, and otherwise said until they are back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use domain::Tick;

use crate::changes::Changes;
use crate::derived::{Derived, Held};
use crate::kept::Kept;
use crate::minimum::{advance, minimum};
use crate::note::Verifier;
use crate::reserve::Reserve;
use crate::round::Round;
use crate::sequencer::Sequencer;
use crate::succession::Keys;
use crate::tree::{FULL, Tile};
use crate::{InFlight, disk, wal};

/// How many files are looked at each time: entries wait meanwhile.
const AT_ONCE: usize = 256;

/// What became of a file that somebody else touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is what it was; or it is not ours, or was to go.
    Whole,
    /// It was missing or another one, and is what it was again.
    Restored,
    /// It is missing or another one.
    Missing,
}

/// Who holds what files of the log can be made anew from.
#[derive(Debug)]
pub(crate) struct Holders<'a> {
    pub(crate) sequencer: &'a Sequencer,
    pub(crate) reserve: &'a mut Reserve,
    pub(crate) in_flight: &'a InFlight,
    /// Nothing was written ahead since the last time.
    pub(crate) quiet: bool,
    pub(crate) now: Tick,
}

/// What is known of such files.
#[derive(Debug)]
pub(crate) struct Losses {
    log: PathBuf,
    changes: Changes,
    /// Those that are to be looked at.
    touched: BTreeSet<PathBuf>,
    missing: BTreeSet<PathBuf>,
    /// What was there before anybody listened.
    round: Round,
    /// Which one each folder was when it was first listened to.
    folders: BTreeMap<PathBuf, (u64, u64)>,
    /// Where the log begins.
    minimum: u64,
    /// Somebody else has written to the write-ahead file, or may have.
    suspect: bool,
    /// The keys that its checkpoints are signed with, those before the one in use among them.
    keys: Keys,
}

impl Losses {
    /// Begins to look out for them.
    pub(crate) fn of(log: &Path, size: u64, key: &Verifier) -> io::Result<Self> {
        let mut it = Self {
            log: log.to_owned(),
            changes: Changes::of(log, size)?,
            touched: BTreeSet::new(),
            missing: BTreeSet::new(),
            round: Round::default(),
            folders: BTreeMap::new(),
            minimum: minimum(log)?,
            suspect: false,
            keys: Keys::of_log(log, key).map_err(io::Error::other)?,
        };
        it.know_folders();
        Ok(it)
    }

    /// Whether the write-ahead file is to be looked through, since the last time.
    pub(crate) fn take_suspect(&mut self) -> bool {
        std::mem::take(&mut self.suspect)
    }

    /// Which files are missing, in the operator's words.
    pub(crate) fn missing(&self) -> Option<String> {
        let (first, count) = (self.missing.first()?.display(), self.missing.len());
        Some(format!("{count} files are missing or others, `{first}` among them: put them back, or verify"))
    }

    /// Looks at what others have touched since, and again at what was missing. Gives what is news of either.
    pub(crate) fn look(&mut self, holders: &mut Holders<'_>) -> io::Result<Vec<(PathBuf, Fate)>> {
        let touched = self.changes.take(holders.quiet)?;
        if touched.overflown {
            tracing::error!("more happened to files of the audit log than could be followed: have it verified");
        }
        self.touched.extend(touched.names);
        if !self.touched.contains(Path::new(MINIMUM)) && !self.missing.contains(Path::new(MINIMUM)) {
            self.minimum = minimum(&self.log)?.max(self.minimum);
        }
        let mut news = Vec::new();
        for path in self.missing.iter().take(AT_ONCE).cloned().collect::<Vec<_>>() {
            if self.fate(&path, holders) != Fate::Missing {
                self.missing.remove(&path);
                news.push((path, Fate::Restored));
            }
        }
        let size = holders.sequencer.size();
        let mut doubted: Vec<PathBuf> = std::iter::from_fn(|| self.touched.pop_first()).take(AT_ONCE).collect();
        // What is not in whole bundles yet is held by the write-ahead file.
        doubted.extend(self.round.next(holders.sequencer.ahead_from(), self.minimum, holders.now));
        for path in doubted {
            match self.fate(&path, holders) {
                Fate::Missing if self.missing.insert(path.clone()) => news.push((path, Fate::Missing)),
                Fate::Restored => news.push((path, Fate::Restored)),
                Fate::Missing | Fate::Whole => {}
            }
        }
        self.touched.extend(self.changes.follow(size)?);
        self.know_folders();
        Ok(news)
    }

    /// Remembers which folders they are that are listened to now. Those that are missing are not forgotten.
    fn know_folders(&mut self) {
        for folder in self.changes.folders() {
            if !self.folders.contains_key(folder)
                && let Some(identity) = identity(&self.log.join(folder))
            {
                self.folders.insert(folder.to_owned(), identity);
            }
        }
    }

    /// What became of one file; puts it back where that can be.
    fn fate(&mut self, name: &Path, holders: &mut Holders<'_>) -> Fate {
        let path = self.log.join(name);
        if let Some(known) = self.folders.get(name) {
            return if identity(&path) == Some(*known) { Fate::Whole } else { Fate::Missing };
        }
        let kind = Kind::of(name);
        // What it leads to lies where nobody listens.
        if kind.is_some() && path.is_symlink() {
            return Fate::Missing;
        }
        match kind {
            Some(Kind::Key) => key(&path, holders.sequencer),
            Some(Kind::Minimum) => self.beginning(),
            Some(Kind::InFlight) => put_back(holders.in_flight.is_at(&path), || holders.in_flight.put_back(&path)),
            Some(Kind::Reserve) => put_back(holders.reserve.is_whole(), || holders.reserve.take_anew()),
            Some(Kind::Note(size)) => sound(self.is_note(&path, size)),
            Some(Kind::Kept) => sound(self.is_kept(&path)),
            Some(Kind::Ahead(first)) => self.ahead(&path, first, holders.sequencer),
            Some(Kind::Hold) => sound(path.exists()),
            Some(Kind::Derived(Derived::Bundle(index))) => self.bundle(index, holders.sequencer),
            Some(Kind::Derived(Derived::Tile(tile))) => self.tile(tile, holders.sequencer),
            None => Fate::Whole,
        }
    }

    /// What says more than was pruned hides entries: whoever wrote it must be asked.
    fn beginning(&self) -> Fate {
        match minimum(&self.log) {
            Ok(it) if it == self.minimum => Fate::Whole,
            Ok(it) if self.minimum < it => Fate::Missing,
            Ok(_) | Err(_) => put_back(false, || advance(&self.log, self.minimum)),
        }
    }

    /// The one that is written is for the writer to look through. Those before it go, and none comes after it: whoever reads
    /// would take what is in it for entries.
    fn ahead(&mut self, path: &Path, first: u64, sequencer: &Sequencer) -> Fate {
        let own = sequencer.ahead_from();
        self.suspect |= first == own;
        if first <= own || !path.exists() {
            return Fate::Whole;
        }
        put_back(false, || fs::rename(path, path.with_extension("stray")))
    }

    fn is_note(&self, path: &Path, size: Option<u64>) -> bool {
        let note = disk::read(path).ok().flatten().and_then(|it| String::from_utf8(it).ok());
        let Some(note) = note else { return false };
        self.keys.open(&note).is_ok_and(|it| size.is_none_or(|size| it.size == size))
    }

    fn is_kept(&self, path: &Path) -> bool {
        let Ok(Some(kept)) = Kept::read(path) else { return false };
        self.keys.open(&kept.checkpoint).is_ok_and(|stated| kept.entries.iter().all(|it| it.is_proved_by(&stated)))
    }

    fn bundle(&self, index: u64, sequencer: &Sequencer) -> Fate {
        let end = index.saturating_add(1).saturating_mul(FULL as u64);
        if end <= self.minimum || sequencer.size() < end {
            return Fate::Whole;
        }
        self.derived(Derived::Bundle(index), sequencer)
    }

    fn tile(&self, tile: Tile, sequencer: &Sequencer) -> Fate {
        let span = (0..=tile.level).fold(1_u64, |span, _| span.saturating_mul(FULL as u64));
        if sequencer.size() < tile.index.saturating_add(1).saturating_mul(span) {
            return Fate::Whole;
        }
        self.derived(Derived::Tile(tile), sequencer)
    }

    fn derived(&self, derived: Derived, sequencer: &Sequencer) -> Fate {
        match derived.held(&self.log, sequencer.told(derived.tile())) {
            Some(Held::InPlace(_)) => Fate::Whole,
            Some(Held::Elsewhere(bytes)) => {
                put_back(false, || disk::put_within(&self.log, &self.log.join(derived.name()), &bytes))
            }
            None => Fate::Missing,
        }
    }
}

/// The file that says where the log begins.
const MINIMUM: &str = "minimum";

/// Which file of a log a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Key,
    Minimum,
    InFlight,
    Reserve,
    /// A checkpoint that others stand for, or one that is kept, of this size.
    Note(Option<u64>),
    Kept,
    Hold,
    /// The write-ahead file that begins with this entry.
    Ahead(u64),
    Derived(Derived),
}

impl Kind {
    /// Nothing for what the log does without.
    fn of(name: &Path) -> Option<Self> {
        let name = name.to_str()?;
        match name.split_once('/') {
            None => match name {
                "vkey" => Some(Self::Key),
                MINIMUM => Some(Self::Minimum),
                "inflight" => Some(Self::InFlight),
                "reserve" => Some(Self::Reserve),
                "checkpoint.cosigned" => Some(Self::Note(None)),
                _ => None,
            },
            Some(("checkpoints", note)) => {
                let size = note.strip_suffix(".note").or_else(|| note.strip_suffix(".cosigned"))?;
                Some(Self::Note(Some(size.parse().ok()?)))
            }
            Some(("kept", first)) => first.parse::<u64>().ok().map(|_| Self::Kept),
            Some(("wal", file)) => Some(Self::Ahead(wal::first_of(file)?)),
            Some(("holds", hold)) => (!hold.contains('.')).then_some(Self::Hold),
            Some(_) => Derived::at(Path::new(name)).map(Self::Derived),
        }
    }
}

fn key(path: &Path, sequencer: &Sequencer) -> Fate {
    let key = sequencer.key_line();
    let whole = disk::read(path).is_ok_and(|it| it.is_some_and(|it| it == key.as_bytes()));
    put_back(whole, || disk::put_durably(path, key.as_bytes()))
}

fn sound(whole: bool) -> Fate {
    if whole { Fate::Whole } else { Fate::Missing }
}

fn put_back(whole: bool, put: impl FnOnce() -> io::Result<()>) -> Fate {
    match whole {
        true => Fate::Whole,
        false if put().is_ok() => Fate::Restored,
        false => Fate::Missing,
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|it| (it.dev(), it.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_one_kind_of_file_or_of_none() {
        let kind = |name: &str| Kind::of(Path::new(name));
        assert_eq!(kind("tile/entries/x001/x234/067"), Some(Kind::Derived(Derived::Bundle(1_234_067))));
        assert_eq!(kind("tile/2/005"), Some(Kind::Derived(Derived::Tile(Tile { level: 2, index: 5 }))));
        assert_eq!(kind("checkpoints/600.note"), Some(Kind::Note(Some(600))));
        assert_eq!(kind("checkpoint.cosigned"), Some(Kind::Note(None)));
        assert_eq!(kind("wal/00000000000000000512.wal"), Some(Kind::Ahead(512)));
        for name in [
            "wal/512.wal",
            "tile/entries/5",
            "tile/entries/x001",
            "tile/0/x01/000",
            "holds/a.b",
            "kept/a",
            "index/0",
            "LOCK",
        ] {
            assert_eq!(kind(name), None, "{name}");
        }
    }
}
