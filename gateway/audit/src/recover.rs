//! Where an existing log ends, and whether it is the one that its last checkpoint speaks of.

mod amiss;
mod drafts;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use memchr::memmem::Finder;

use amiss::Amiss;

use crate::cbor::{self, Identity};
use crate::derived::beneath;
use crate::note::{BadNote, Checkpoint, Signer};
use crate::notice::{Before, CONTROL, STOP};
use crate::sequencer::Sequencer;
use crate::tag::Tags;
use crate::tree::{FULL, Hash, Levels, Tile, bundle_path};
use crate::unsaid::{Findings, Unsaid};
use crate::wal::{self, Frames, Wal};
use crate::{UnderWay, disk, sequencer};

/// What was found at the end of an existing log; what starts have found before and no entry says yet is among it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The number of the next entry.
    pub next: u64,
    /// How many bytes of entries that were never finished were cut off.
    pub torn: u64,
    /// How many whole entries were among them, after what was not whole. After a power cut they were never certain; where a
    /// byte before them was changed they were, and the file as it was found is kept.
    pub beyond: u64,
    /// How many bytes between entries belonged to none and were passed over: somebody has put them there.
    pub inserted: u64,
    /// How the run before ended.
    pub before: Before,
    /// Requests that it sent on and never entered.
    pub lost: Vec<UnderWay>,
    /// How many entries it could not write before its end, as far as it could say so.
    pub unwritten: u64,
    /// Nothing outside of it said how much of it was signed for.
    pub unanchored: bool,
    /// Tiles that were damaged, and were made anew from what is beneath them.
    pub mended: Vec<String>,
}

/// Why a log cannot be gone on with. Nothing of it was changed.
#[derive(Debug, thiserror::Error)]
pub enum Unrecoverable {
    /// A file cannot be used.
    #[error("`{path}`: {cause}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The last checkpoint cannot be read, or is not ours.
    #[error("the checkpoint {0}")]
    Note(#[from] BadNote),
    /// A file that must be there is not, or is not whole.
    #[error("`{path}` is missing or damaged", path = .0.display())]
    Damaged(PathBuf),
    /// There are fewer entries than were signed for.
    #[error("the checkpoint speaks of {stated} entries, and there are {found}")]
    Short {
        /// As many as the checkpoint says.
        stated: u64,
        /// As many as there are.
        found: u64,
    },
    /// The entries are not those that were signed for.
    #[error("the entries are not those that the checkpoint of {0} speaks of")]
    Forked(u64),
    /// An older copy, or another log: more was signed for than its checkpoint covers.
    #[error(
        "{anchored} entries were signed for, as `{path}` says, and its checkpoint covers {stated}: it is an older copy or another log; where a copy was put back on purpose, take that file away and keep it elsewhere", path = .path.display()
    )]
    Behind {
        /// What says so.
        path: PathBuf,
        /// As many as it says.
        anchored: u64,
        /// As many as the checkpoint of the log covers.
        stated: u64,
    },
}

impl Unrecoverable {
    /// What to do with such a log, where the cause does not say it.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Behind { .. } | Self::Io { .. } => "",
            Self::Damaged(path) if is_tile(path) => {
                "; what it is made of is not there: put it back from a copy, or ask `portcullis audit doctor --fix`"
            }
            Self::Note(_) | Self::Damaged(_) | Self::Short { .. } | Self::Forked(_) => {
                "; move the log away and keep it as evidence"
            }
        }
    }
}

/// Whether a path is that of a tile, which can be made anew of what is beneath it.
fn is_tile(path: &Path) -> bool {
    let has = |name: &str| path.components().any(|it| it.as_os_str() == name);
    has("tile") && !has("entries")
}

/// Reads what is there and makes the sequencer that goes on with it.
pub(crate) fn recover(
    log: &Path,
    signer: Signer,
    anchor: Option<PathBuf>,
) -> Result<(Sequencer, Recovered), Unrecoverable> {
    if let Some(anchor) = &anchor {
        hold_to(anchor, log, &signer)?;
    }
    let found = go_on(log, (signer.clone(), anchor.clone()), &mut |tile| read_tile(log, tile));
    let (sequencer, recovered) = match found {
        // One flipped bit in a tile leads to another root as well, and what it is made of may still be there.
        Err(cause @ (Unrecoverable::Forked(_) | Unrecoverable::Damaged(_))) => {
            go_on_beneath(log, (signer, anchor)).ok_or(cause)?
        }
        other => other?,
    };
    if let Some(anchor) = sequencer.anchor().filter(|it| !it.exists()) {
        begin_anchor(anchor, log).map_err(|cause| Unrecoverable::Io { path: anchor.to_owned(), cause })?;
    }
    Ok((sequencer, recovered))
}

/// Goes on by what is beneath tiles instead of by those themselves, and makes anew those that say something else.
fn go_on_beneath(log: &Path, by: (Signer, Option<PathBuf>)) -> Option<(Sequencer, Recovered)> {
    let mut others = Vec::new();
    let (sequencer, mut recovered) = go_on(log, by, &mut |tile| {
        let there = read_tile(log, tile);
        let Some(anew) = beneath(log, tile) else { return there };
        if !there.is_ok_and(|it| it == anew) {
            others.push((tile.path(FULL), anew.concat()));
        }
        Ok(anew)
    })
    .ok()?;
    let mended = others.iter().map(|(name, _)| name.clone()).collect();
    let found = Findings { mended, ..Findings::default() };
    recovered.mended = Unsaid::beside(sequencer.anchor()).find(found).mended;
    for (name, bytes) in others {
        if let Err(cause) = disk::put_within(log, &log.join(&name), &bytes) {
            tracing::error!(%cause, name, "a damaged tile cannot be made anew");
            recovered.mended.retain(|it| *it != name);
        }
    }
    Some((sequencer, recovered))
}

fn go_on(
    log: &Path,
    (signer, anchor): (Signer, Option<PathBuf>),
    read: &mut dyn FnMut(Tile) -> Result<Vec<Hash>, Unrecoverable>,
) -> Result<(Sequencer, Recovered), Unrecoverable> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| Unrecoverable::Io { path, cause }
    };
    let stated = stated(log, &signer)?;
    let files = wal::files(log).map_err(failed(&wal::folder(log)))?;
    let first = match files.first() {
        Some((first, _)) => *first,
        None if stated.is_none() && !log.join("tile").exists() => 0,
        None => return Err(Unrecoverable::Damaged(wal::folder(log))),
    };
    let levels = Levels::resume(first, read)?;
    let wal = Wal::new(open(log, first)?, first, 0);
    let size = stated.as_ref().map_or(0, |it| it.size);
    let mut sequencer = Sequencer::resume(log, (signer, anchor), levels, wal, size);
    if size < first {
        return Err(Unrecoverable::Damaged(log.join("checkpoint")));
    }
    let mut read = Reading {
        same: size == first && (first == 0 || stated.as_ref().is_some_and(|it| it.root == sequencer.root())),
        stated,
        stopped: end_before(log, first),
        ..Reading::default()
    };
    for (at, file) in files.iter().enumerate() {
        read.file(file, at + 1 == files.len(), &mut sequencer)?;
    }
    let Reading { stated, same, torn, beyond, inserted, stopped, last, amiss } = read;
    let next = sequencer.size();
    let unanchored = stated.is_some() && sequencer.anchor().is_some_and(|it| !it.exists());
    if let Some(stated) = stated.filter(|_| !same) {
        return Err(Unrecoverable::Short { stated: stated.size, found: next });
    }
    let found = Findings { torn, beyond, inserted, unanchored, mended: Vec::new() };
    let Findings { torn: all_torn, beyond, inserted, unanchored, mended } =
        Unsaid::beside(sequencer.anchor()).find(found);
    drafts::sweep(log, first, next);
    amiss.into_iter().try_for_each(|it| it.put_in_order(log)).map_err(failed(&wal::folder(log)))?;
    sequencer.renew(&last, torn).map_err(failed(&wal::folder(log)))?;
    // What was not synced of tiles and bundles may be there in part: whoever reads them now finds them whole.
    sequencer.write_again();
    sequencer.settle().map_err(failed(log))?;
    let (before, lost) = (Before::of(next, stopped.is_some()), Vec::new());
    let recovered =
        Recovered { next, torn: all_torn, beyond, inserted, before, lost, unwritten: 0, unanchored, mended };
    Ok((sequencer, recovered))
}

/// What write-ahead files say, as they are read one after another.
#[derive(Default)]
struct Reading {
    /// What the newest checkpoint says.
    stated: Option<Checkpoint>,
    /// The entries that it speaks of were found.
    same: bool,
    torn: u64,
    beyond: u64,
    inserted: u64,
    /// The run that said that it ends, if no other has begun since.
    stopped: Option<Vec<u8>>,
    last: Last,
    amiss: Vec<Amiss>,
}

impl Reading {
    /// Reads one, and goes on in it.
    fn file(
        &mut self,
        (number, path): &(u64, PathBuf),
        is_last: bool,
        sequencer: &mut Sequencer,
    ) -> Result<(), Unrecoverable> {
        let failed = |cause| Unrecoverable::Io { path: path.clone(), cause };
        let (number, tags) = (*number, sequencer.tags().clone());
        let mut bytes = disk::read(path).map_err(failed)?.unwrap_or_default();
        if sequencer.size() < number {
            return Err(Unrecoverable::Damaged(path.clone()));
        }
        let mut frames = Frames::ours(&bytes, &tags, number);
        let (mut next, mut certain) = (number, 0);
        while let Some((leaf, entry)) = frames.next() {
            // A file begins with what the one before it may end with.
            if next == sequencer.size() {
                sequencer.derive(leaf, entry);
                note_end(entry, &mut self.stopped);
            }
            if let Some(stated) = self.stated.as_ref().filter(|it| it.size == sequencer.size()) {
                if sequencer.root() != stated.root {
                    return Err(Unrecoverable::Forked(stated.size));
                }
                self.same = true;
                certain = bytes.len() - frames.torn();
            }
            next += 1;
        }
        let (rest, inserted) = (frames.torn(), frames.inserted().iter().map(|it| it.bytes).sum::<usize>());
        let anew = (!frames.is_in_order(number)).then(|| written_anew(&bytes, &tags, number));
        self.beyond = if is_last { frames.beyond() } else { 0 };
        self.amiss.extend(Amiss::of(path, &frames, anew.as_deref(), is_last, self.beyond));
        // Where entries are missing at the end of one that is followed by another, that one does not go on from it.
        let (torn, inserted) = if is_last { (rest, inserted) } else { (0, inserted + rest) };
        (self.torn, self.inserted) = (torn as u64, self.inserted + inserted as u64);
        bytes.truncate(bytes.len() - rest);
        sequencer.go_on(Wal::new(open(sequencer.log(), number)?, number, bytes.len() as u64));
        self.last = match anew {
            Some(frames) => Last { frames, certain: None },
            None => Last { frames: bytes, certain: Some(certain) },
        };
        Ok(())
    }
}

/// What is to be in the last write-ahead file.
#[derive(Default)]
pub(crate) struct Last {
    pub(crate) frames: Vec<u8>,
    /// How many bytes of it are on the disk for certain, because they were signed for, where all of it lies there as it is to
    /// be; nothing where it does not.
    pub(crate) certain: Option<usize>,
}

/// The frames of a file without what others have put between them, by the key that signs, numbered one after another.
fn written_anew(bytes: &[u8], tags: &Tags, first: u64) -> Vec<u8> {
    let mut anew = Vec::with_capacity(bytes.len());
    for (seq, (leaf, entry)) in (first..).zip(Frames::ours(bytes, tags, first)) {
        wal::frame(&mut anew, tags, (seq, &leaf), entry);
    }
    anew
}

/// The run that has said in the last whole bundle before the write-ahead files that it ends. The next file may begin right
/// after that.
fn end_before(log: &Path, first: u64) -> Option<Vec<u8>> {
    let index = (first / FULL as u64).checked_sub(1)?;
    let bytes = disk::read(&log.join(bundle_path(index, FULL))).ok()??;
    let mut stopped = None;
    sequencer::entries(&bytes).for_each(|entry| note_end(entry, &mut stopped));
    stopped
}

/// Remembers the run that said that it ends, until another one begins.
fn note_end(entry: &[u8], stopped: &mut Option<Vec<u8>>) {
    static CLASS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(CONTROL));
    // A cheap look first: of many entries few are of this class, and few come after an end.
    let control = CLASS.find(entry).is_some();
    if !control && stopped.is_none() {
        return;
    }
    let Ok(Identity { boot, .. }) = cbor::identity(entry) else { return };
    if stopped.as_deref().is_some_and(|it| it != boot) {
        *stopped = None;
    }
    if control
        && let Ok(view) = cbor::view(entry)
        && view.get("class").is_some_and(|it| it == CONTROL)
        && view.get("action").is_some_and(|it| it == STOP)
    {
        *stopped = Some(boot.to_owned());
    }
}

fn open(log: &Path, first: u64) -> Result<std::fs::File, Unrecoverable> {
    let folder = wal::folder(log);
    disk::make_within(log, &folder)
        .and_then(|()| wal::open(log, first))
        .map_err(|cause| Unrecoverable::Io { path: folder, cause })
}

/// Says outside of the log how much of it is signed for.
fn begin_anchor(anchor: &Path, log: &Path) -> io::Result<()> {
    disk::read(&log.join("checkpoint"))?.map_or(Ok(()), |note| disk::put_durably(anchor, &note))
}

/// Holds the newest checkpoint to what was signed for as something outside of the log says. Whoever cannot sign can put no
/// other in its place than one that was signed before.
fn hold_to(anchor: &Path, log: &Path, signer: &Signer) -> Result<(), Unrecoverable> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| Unrecoverable::Io { path, cause }
    };
    let Some(bytes) = disk::read(anchor).map_err(failed(anchor))? else { return Ok(()) };
    let open = |bytes| {
        let note = String::from_utf8(bytes).map_err(|_| BadNote::Malformed)?;
        Checkpoint::parse(signer.open(&note)?)
    };
    let anchored = open(bytes).map_err(|cause| {
        let other = matches!(cause, BadNote::Unsigned(_));
        let help = if other { ": the key that signed this log is another one, put that back" } else { "" };
        failed(anchor)(io::Error::other(format!("{cause}{help}")))
    })?;
    let newest = disk::read(&log.join("checkpoint")).map_err(failed(log))?;
    let newest = newest.map(open).transpose()?;
    let behind = newest.as_ref().is_none_or(|it| it.size < anchored.size);
    if behind {
        let stated = newest.map_or(0, |it| it.size);
        return Err(Unrecoverable::Behind { path: anchor.to_owned(), anchored: anchored.size, stated });
    }
    let same = newest.filter(|it| it.size == anchored.size);
    if same.is_some_and(|it| it.root != anchored.root) { Err(Unrecoverable::Forked(anchored.size)) } else { Ok(()) }
}

/// What the last checkpoint says, if there is one.
fn stated(log: &Path, signer: &Signer) -> Result<Option<Checkpoint>, Unrecoverable> {
    let path = log.join("checkpoint");
    let read = disk::read(&path).map_err(|cause| Unrecoverable::Io { path, cause })?;
    let Some(bytes) = read else {
        // One that was kept says that there was a newest one.
        let kept = log.join("checkpoints");
        return if kept.exists() { Err(Unrecoverable::Damaged(kept)) } else { Ok(None) };
    };
    let note = String::from_utf8(bytes).map_err(|_| BadNote::Malformed)?;
    Ok(Some(Checkpoint::parse(signer.open(&note)?)?))
}

/// The hashes of a whole tile.
pub(crate) fn read_tile(log: &Path, tile: Tile) -> Result<Vec<Hash>, Unrecoverable> {
    let path = log.join(tile.path(FULL));
    let bytes = disk::read(&path).map_err(|cause| Unrecoverable::Io { path: path.clone(), cause })?.unwrap_or_default();
    let (hashes, rest) = bytes.as_chunks::<32>();
    if hashes.len() == FULL && rest.is_empty() { Ok(hashes.to_vec()) } else { Err(Unrecoverable::Damaged(path)) }
}

/// The entries of a whole bundle.
pub(crate) fn read_bundle(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let entries: Vec<&[u8]> = sequencer::entries(bytes).collect();
    let length: usize = entries.iter().map(|it| it.len() + 2).sum();
    (entries.len() == FULL && length == bytes.len()).then_some(entries)
}
