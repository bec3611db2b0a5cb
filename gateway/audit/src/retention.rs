//! How long entries stay: bundles that are old enough go, what is to be kept longer stays with its proofs, and the log says
//! so itself.
//!
//! In this order, so that a process may die anywhere in between: what is kept is on the disk; the entry that says what goes
//! is signed for; the log begins later from now on; the bundles go. Hashes stay, so that every other proof goes on holding.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::Timestamp;

use crate::field::{Fact, Field, facts};
use crate::kept::{self, Kept};
use crate::minimum::{advance, minimum};
use crate::note::{BadNote, Checkpoint};
use crate::prove::{self, Unproven};
use crate::recover::read_bundle;
use crate::tree::{self, FULL, Tile, bundle_path};
use crate::{LEAP, Lifetime, Log, Notice, RetentionSettings, disk, hold, index, wal};

/// The class of the entry that says what was pruned.
pub(crate) const PRUNED: &str = "retention.pruned";

/// What such an entry says went: bundles of entries, or entries that had been kept longer.
pub(crate) const ENTRIES: &str = "entries";
pub(crate) const KEPT: &str = "kept";

/// How many bundles go at once at most, so that the memory and the time of one step are bounded.
const STEP: u64 = 256;

/// Classes that are kept longer; one that ends with a dot stands for all that begin with it.
const LONGER: [&str; 14] = [
    "audit.control",
    "config.",
    "group.change",
    "identity.change",
    "key.change",
    "legal_hold.",
    "plugin.change",
    "posture.",
    "retention.",
    "review.",
    "role.change",
    "subject.erased",
    "tenant.change",
    "waiver.",
];

/// Why nothing was pruned.
#[derive(Debug, thiserror::Error)]
pub enum Unpruned {
    /// A file cannot be read or written.
    #[error("`{path}`: {cause}", path = .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Somebody wants everything kept.
    #[error("the legal hold `{0}` is in force")]
    Held(String),
    /// What is not what was signed for is evidence, and stays.
    #[error("entry {0} is not what was signed for, and stays with all that come after it")]
    Evidence(u64),
    /// What is to be kept longer cannot be proved.
    #[error(transparent)]
    Unproven(#[from] Unproven),
    /// The checkpoint cannot be read.
    #[error("the checkpoint {0}")]
    Note(#[from] BadNote),
    /// The entry that says so is not signed for in time. Nothing went.
    #[error("the entry that says what is pruned cannot be signed for now")]
    Unsaid,
}

/// By what it is told how old entries are.
#[derive(Clone, Copy, Debug)]
pub struct Age<'a> {
    now: Timestamp,
    life: Option<&'a Lifetime>,
}

/// Before what entries are old: a time that they say, and a number.
#[derive(Clone, Copy)]
struct Line {
    time: Timestamp,
    seq: u64,
}

impl<'a> Age<'a> {
    /// By the wall clock alone, for somebody who says that it is right.
    pub fn by_clock(now: Timestamp) -> Self {
        Self { now, life: None }
    }

    /// By the wall clock, but of nothing that was not seen to grow so old.
    pub fn for_certain(now: Timestamp, life: &'a Lifetime) -> Self {
        Self { now, life: Some(life) }
    }

    fn line(&self, age: Duration) -> Line {
        Line { time: self.now - age, seq: self.life.map_or(u64::MAX, |it| it.as_old_as(age)) }
    }

    fn as_str(&self) -> &'static str {
        if self.life.is_some() { "certain" } else { "clock" }
    }
}

impl Line {
    /// Whether an entry of this number and time is before it.
    fn is_past(self, seq: u64, time: Timestamp) -> bool {
        seq < self.seq && time < self.time
    }
}

/// What is old enough to go now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The first entry.
    pub first: u64,
    /// The entry after the last one.
    pub end: u64,
    /// Those of them that are kept longer.
    kept: Vec<(u64, Vec<u8>)>,
}

/// What went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The first entry.
    pub first: u64,
    /// The entry after the last one.
    pub end: u64,
    /// How many of them are kept longer.
    pub kept: u64,
}

/// What is about to go: what is kept of it is on the disk, and nothing else has happened yet.
#[derive(Debug)]
pub struct Pruning {
    log: PathBuf,
    policy: String,
    what: &'static str,
    age: &'static str,
    pruned: Pruned,
}

impl Due {
    /// What could go now of the log in this folder, of so many bundles at most.
    pub fn now(log: &Path, settings: &RetentionSettings, age: Age<'_>, most: u64) -> Result<Self, Unpruned> {
        let failed = at(log);
        let first = minimum(log).map_err(&failed)?;
        let mut due = Self { first, end: first, kept: Vec::new() };
        let Some(keep) = settings.keep() else { return Ok(due) };
        // What a write-ahead file still holds would be put back at the next start, and the newest bundle is watched.
        let sealed = wal::files(log).map_err(&failed)?.first().map_or(0, |(first, _)| first / FULL as u64);
        let signed = match prove::newest(log) {
            Err(Unproven::Unsigned { .. }) => return Ok(due),
            other => other?.1.size / FULL as u64,
        };
        let begin = first / FULL as u64;
        for index in (begin..sealed.saturating_sub(1).min(signed)).take(usize::try_from(most).unwrap_or(usize::MAX)) {
            match due.take(log, index, age.line(keep), settings.longer().map(|it| age.line(it))) {
                Ok(true) => {}
                Ok(false) => break,
                // What comes before it can go all the same.
                Err(Unpruned::Evidence(_)) if first < due.end => break,
                Err(cause) => return Err(cause),
            }
        }
        Ok(due)
    }

    /// Adds one bundle, if all of it is past this line.
    fn take(&mut self, log: &Path, index: u64, line: Line, longer: Option<Line>) -> Result<bool, Unpruned> {
        let (path, first) = (log.join(bundle_path(index, FULL)), index * FULL as u64);
        let bytes = disk::read(&path).map_err(at(&path))?.unwrap_or_default();
        let entries = read_bundle(&bytes).ok_or(Unpruned::Evidence(first))?;
        let tile = prove::tile(log, first + FULL as u64, Tile { level: 0, index })?;
        let mut kept = Vec::new();
        for ((seq, entry), told) in (first..).zip(entries).zip(tile) {
            let about = About::of(entry).filter(|_| tree::leaf(entry) == told).ok_or(Unpruned::Evidence(seq))?;
            if !line.is_past(seq, about.time) {
                return Ok(false);
            }
            if about.longer && longer.is_none_or(|it| !it.is_past(seq, about.time)) {
                kept.push((seq, entry.to_vec()));
            }
        }
        self.kept.append(&mut kept);
        self.end = first + FULL as u64;
        Ok(true)
    }

    /// How many of them are kept longer.
    pub fn kept(&self) -> u64 {
        self.kept.len() as u64
    }
}

/// What counts for how long an entry stays.
struct About {
    time: Timestamp,
    longer: bool,
}

impl About {
    fn of(entry: &[u8]) -> Option<Self> {
        let (mut time, mut longer) = (None, false);
        facts(entry, |fact| match fact {
            Fact::Time(it) => time = Some(Timestamp::from_nanos(it)),
            Fact::Says(Field::Class, class) => longer = is_kept_longer(class),
            Fact::Says(..) => {}
        })
        .ok()?;
        Some(Self { time: time?, longer })
    }
}

fn is_kept_longer(class: &str) -> bool {
    LONGER.iter().any(|it| if it.ends_with('.') { class.starts_with(it) } else { class == *it })
}

impl Pruning {
    /// Makes one step ready, if anything is old enough, and finishes one that was not finished.
    pub fn ready(log: &Path, settings: &RetentionSettings, age: Age<'_>) -> Result<Option<Self>, Unpruned> {
        let first = minimum(log).map_err(at(log))?;
        {
            let _turn = unheld(log)?;
            sweep(log, first).map_err(at(log))?;
        }
        let due = Due::now(log, settings, age, STEP)?;
        let (policy, told) = (settings.to_string(), age.as_str());
        if due.end == due.first {
            return Ok(past(log, first, settings, age)?.map(|pruned| Self {
                log: log.to_owned(),
                policy,
                what: KEPT,
                age: told,
                pruned,
            }));
        }
        let pruned = Pruned { first: due.first, end: due.end, kept: due.kept() };
        if !due.kept.is_empty() {
            let kept = Kept::prove(log, due.first, due.end, &due.kept)?;
            let stated = Checkpoint::parse(&kept.checkpoint)?;
            if let Some(other) = kept.entries.iter().find(|it| !it.is_proved_by(&stated)) {
                return Err(Unpruned::Evidence(other.seq));
            }
            kept.put(log).map_err(at(log))?;
        }
        Ok(Some(Self { log: log.to_owned(), policy, what: ENTRIES, age: told, pruned }))
    }

    /// The entry that says so. It must be signed for before the step is finished.
    pub fn notice(&self, actor: &str, now: Timestamp) -> Notice {
        let notice = Notice::new(PRUNED, now).with("what", self.what).with("policy", self.policy.as_str());
        let notice = notice
            .with("actor", actor)
            .with("age", self.age)
            .with("first", self.pruned.first)
            .with("end", self.pruned.end);
        if self.what == ENTRIES { notice.with("kept", self.pruned.kept) } else { notice }
    }

    /// Lets go of what the entry speaks of.
    pub fn finish(self) -> Result<Pruned, Unpruned> {
        let _turn = unheld(&self.log)?;
        let failed = at(&self.log);
        if self.what == KEPT {
            for (_, path) in kept::files(&self.log, self.pruned.end).map_err(&failed)? {
                disk::take_away(&path).map_err(at(&path))?;
            }
            return Ok(self.pruned);
        }
        advance(&self.log, self.pruned.end).map_err(&failed)?;
        sweep(&self.log, self.pruned.end).map_err(&failed)?;
        Ok(self.pruned)
    }
}

/// One step: makes it ready, enters it, waits until that is signed for, and finishes it. Nothing, where nothing is old
/// enough.
pub async fn prune(
    log: &Log,
    settings: &RetentionSettings,
    actor: &str,
    age: Age<'_>,
    patience: Duration,
) -> Result<Option<Pruned>, Unpruned> {
    let Some(pruning) = Pruning::ready(log.folder(), settings, age)? else { return Ok(None) };
    let number = log.note(&pruning.notice(actor, age.now));
    log.signed_up_to(number, patience).await.map_err(|_| Unpruned::Unsaid)?;
    pruning.finish().map(Some)
}

/// The first entry that is old by the clock, by a good deal, and that was not seen to grow so old; nothing where there is
/// none.
pub fn held_back(log: &Path, settings: &RetentionSettings, now: Timestamp) -> Result<Option<u64>, Unpruned> {
    // A gateway that is started anew now and then is behind the clock by a little.
    let due = Due::now(log, settings, Age::by_clock(now - LEAP), 1)?;
    Ok((due.first < due.end).then_some(due.first))
}

/// What was kept longer and is past even that, from the beginning on.
fn past(log: &Path, end: u64, settings: &RetentionSettings, age: Age<'_>) -> Result<Option<Pruned>, Unpruned> {
    let Some(longer) = settings.longer().filter(|_| settings.keep().is_some()) else { return Ok(None) };
    let (line, mut past) = (age.line(longer), None);
    for (first, path) in kept::files(log, end).map_err(at(log))? {
        let kept = Kept::read(&path).map_err(at(&path))?.ok_or(Unpruned::Evidence(first))?;
        let old = |entry: &kept::Proved| About::of(&entry.bytes()).is_some_and(|it| line.is_past(entry.seq, it.time));
        if !kept.entries.iter().all(old) {
            break;
        }
        past = Some(Pruned { first: 0, end: kept.end, kept: 0 });
    }
    Ok(past)
}

/// Removes what is left of bundles before this entry. The first goes first, so that those that are left are the last ones.
fn sweep(log: &Path, end: u64) -> io::Result<()> {
    let end_bundle = end / FULL as u64;
    let there = |index: &u64| log.join(bundle_path(*index, FULL)).exists();
    let left = (0..end_bundle).rev().take_while(there).last().unwrap_or(end_bundle);
    for index in left..end_bundle {
        let path = log.join(bundle_path(index, FULL));
        std::fs::remove_file(&path)?;
        // Goes once it is empty.
        let _ = path.parent().map(std::fs::remove_dir);
    }
    index::drop_before(log, end)
}

/// The turn to let something go, where no hold is in force: none comes to be until it is over.
fn unheld(log: &Path) -> Result<File, Unpruned> {
    let turn = hold::turn(log).map_err(at(log))?;
    match hold::holds(log).map_err(at(log))?.into_iter().next() {
        Some((name, _)) => Err(Unpruned::Held(name)),
        None => Ok(turn),
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> Unpruned {
    move |cause| Unpruned::Io { path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_that_are_kept_longer_are_told_from_others() {
        for class in ["audit.control", "config.change", "config.snapshot", "retention.pruned", "legal_hold.change"] {
            assert!(is_kept_longer(class), "{class}");
        }
        for class in ["request.completed", "audit.read", "audit.controls", "configuration", "heartbeat", "key.changes"]
        {
            assert!(!is_kept_longer(class), "{class}");
        }
    }
}
