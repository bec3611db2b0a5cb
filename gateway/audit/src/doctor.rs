//! How a log stands, as far as its files say: whether all that must be there is there, and what can be derived anew.
//!
//! Believes nothing wrong and proves nothing right: whether entries are those that were signed for is for the verifier.

use std::path::Path;

use domain::Timestamp;

use crate::derived::Derived;
use crate::extent::{self, Extent};
use crate::field::{Fact, facts};
use crate::minimum::minimum;
use crate::note::Checkpoint;
use crate::prove::{self, Unproven};
use crate::read::{Entries, ReadError};
use crate::recover::{read_bundle, read_tile};
use crate::roots::{Next, Roots};
use crate::silence::{Listener, Silence};
use crate::tree::{self, FULL, Hash, Levels, Tile, bundle_path, push_entry, root_of};
use crate::wal::{self, Frames};
use crate::watch::SoleWriter;
use crate::{disk, index};

/// How many bundles tell how fast a log grows.
const RECENT: u64 = 16;

/// What was found of a log.
#[derive(Clone, Debug, Default)]
pub struct Examined {
    /// The first entry that was not pruned, and how many there are with those that were.
    pub minimum: u64,
    /// How many entries there are.
    pub entries: u64,
    /// How many of them the newest checkpoint covers.
    pub signed: u64,
    /// The first write-ahead file that does not go on where the one before it ends, or is torn with another after it.
    pub broken_chain: Option<u64>,
    /// Bundles that are missing or damaged.
    pub bundles: Vec<String>,
    /// Bundles that are missing or damaged while a write-ahead file still has their entries.
    pub derivable: Vec<String>,
    /// Where a run gave no sign of life for too long: the first such time, and how many there are.
    pub silences: Option<(Silence, u64)>,
    /// Tiles that are missing or damaged, or do not have the hashes of the entries that were signed for.
    pub tiles: Vec<String>,
    /// Entries, or hashes of pruned ones, are not those that were signed for.
    pub unlike: bool,
    /// Indexes that are missing or damaged, by their segments.
    pub indexes: Vec<u64>,
    /// What the newest entry says when it was.
    pub newest: Option<Timestamp>,
    /// How many bytes the newest entries take a day, where enough of them are there to tell.
    pub bytes_a_day: Option<u64>,
}

/// Looks at every file of a log, and changes none.
pub fn examine(log: &Path) -> Result<Examined, ReadError> {
    let extent = Extent::of(log)?;
    let signed = match prove::newest(log) {
        Ok((_, stated)) => stated.size,
        Err(_) => 0,
    };
    let mut it = Examined { minimum: extent.minimum, entries: extent.end, signed, ..Examined::default() };
    it.broken_chain = broken_chain(log)?;
    let sealed = wal::files(log)?.first().map_or(extent.ahead, |(first, _)| *first);
    // What is not signed for yet may be on its way.
    let whole = sealed.max(extent.end.min(signed));
    let (mut listener, mut silences) = (Listener::default(), Vec::new());
    for index in extent.minimum / FULL as u64..whole / FULL as u64 {
        let path = bundle_path(index, FULL);
        let bytes = disk::read(&log.join(&path))?.unwrap_or_default();
        if let Some(entries) = read_bundle(&bytes) {
            let numbered = (index * FULL as u64..).zip(entries);
            silences.extend(numbered.filter_map(|(seq, entry)| listener.take(seq, entry)));
            continue;
        }
        listener.skip();
        if index < sealed / FULL as u64 { it.bundles.push(path) } else { it.derivable.push(path) }
    }
    let newest = extent.newest().filter(|(seq, _)| whole - whole % FULL as u64 <= *seq);
    silences.extend(newest.filter_map(|(seq, entry)| listener.take(seq, entry)));
    it.silences = silences.first().map(|first| (*first, silences.len() as u64));
    let tiles = match other_tiles(log, extent.minimum)? {
        Others::Of(tiles) => tiles,
        others @ (Others::Unlike | Others::Unread) => {
            it.unlike = others == Others::Unlike;
            bad_tiles(log, whole)
        }
    };
    it.tiles = tiles.into_iter().map(|it| it.path(FULL)).collect();
    for segment in extent.minimum / index::SEGMENT..sealed / index::SEGMENT {
        if !index::is_sound(log, segment) {
            it.indexes.push(segment);
        }
    }
    it.newest = extent.newest().next_back().and_then(|(_, entry)| time(entry));
    it.bytes_a_day = bytes_a_day(log, sealed, extent.minimum)?;
    Ok(it)
}

/// Derives tiles, indexes and bundles that a write-ahead file has anew, where they are missing or damaged. Tiles only where
/// entries and the hashes of what was pruned lead to the root that was signed for; gives how many files were put in place.
pub fn mend(writer: &SoleWriter) -> Result<u64, Unproven> {
    let log = writer.folder();
    let examined = examine(log)?;
    let mut mended = 0;
    // Nothing but these has the hashes of entries that were pruned.
    let gone = (0..examined.minimum / FULL as u64).map(|index| Tile { level: 0, index }.path(FULL));
    if let Some(tile) = gone.into_iter().find(|it| examined.tiles.contains(it)) {
        return Err(Unproven::Tile(tile));
    }
    if !examined.tiles.is_empty() || !examined.derivable.is_empty() {
        let (_, stated) = prove::newest(log)?;
        let (mut levels, mut root) = (Levels::default(), None);
        for leaf in leaves(log) {
            levels.push(leaf?, |_, _| {});
            if levels.size() == stated.size {
                root = Some(levels.root());
            }
        }
        if root != Some(stated.root) {
            return Err(Unproven::Unlike);
        }
        let (mut levels, mut failed) = (Levels::default(), None);
        for leaf in leaves(log) {
            levels.push(leaf?, |tile, hashes| {
                if examined.tiles.contains(&tile.path(FULL)) {
                    match disk::put_within(log, &log.join(tile.path(FULL)), &hashes.concat()) {
                        Ok(()) => mended += 1,
                        Err(cause) => failed = Some(cause),
                    }
                }
            });
        }
        if let Some(cause) = failed {
            return Err(cause.into());
        }
        mended += bundles(log, &examined.derivable)?;
    }
    for segment in examined.indexes {
        index::renew(log, segment)?;
        mended += 1;
    }
    Ok(mended)
}

/// Puts bundles in place whose entries a write-ahead file has.
fn bundles(log: &Path, names: &[String]) -> Result<u64, Unproven> {
    for name in names {
        let Some(Derived::Bundle(index)) = Derived::at(Path::new(name)) else { continue };
        let mut bytes = Vec::new();
        extent::bundle(log, index, |_, entry| push_entry(&mut bytes, entry))?;
        disk::put_within(log, &log.join(name), &bytes)?;
    }
    Ok(names.len() as u64)
}

/// The leaf hash of every entry: from tiles where entries were pruned, else from the entries.
fn leaves(log: &Path) -> impl Iterator<Item = Result<Hash, Unproven>> {
    let first = minimum(log).unwrap_or_default();
    let pruned = (0..first / FULL as u64).flat_map(|index| {
        let tile = Tile { level: 0, index };
        match read_tile(log, tile) {
            Ok(hashes) => hashes.into_iter().map(Ok).collect(),
            Err(_) => vec![Err(Unproven::Tile(tile.path(FULL)))],
        }
    });
    pruned.chain(Entries::from(log, first).map(|it| Ok(tree::leaf(&it?.1))))
}

fn broken_chain(log: &Path) -> Result<Option<u64>, ReadError> {
    let files = wal::files(log)?;
    let mut reached = None;
    for (at, (first, path)) in files.iter().enumerate() {
        // Gone meanwhile: sealed.
        let Some(bytes) = disk::read(path)? else { continue };
        let mut frames = Frames::of(&bytes);
        let count = frames.by_ref().count() as u64;
        if reached.is_some_and(|it| it < *first) || (at + 1 < files.len() && frames.torn() > 0) {
            return Ok(Some(*first));
        }
        reached = Some(first + count);
    }
    Ok(None)
}

/// Which whole tiles are not what entries make of them.
#[derive(Debug, PartialEq, Eq)]
enum Others {
    /// These: the entries are those that were signed for.
    Of(Vec<Tile>),
    /// The entries, or the hashes of pruned ones, lead to another root: nobody can say which of the two was changed.
    Unlike,
    /// Not all entries can be read.
    Unread,
}

fn other_tiles(log: &Path, minimum: u64) -> Result<Others, ReadError> {
    let Ok((_, stated)) = prove::newest(log) else { return Ok(Others::Unread) };
    match held(log, &stated, Levels::default(), leaves(log))? {
        others @ Others::Of(_) => Ok(others),
        others @ (Others::Unlike | Others::Unread) => match told_above(log, &stated, minimum)? {
            Some(tiles) => Ok(Others::Of(tiles)),
            None => Ok(others),
        },
    }
}

/// Goes on from the edge of a tree, and holds what it leads to to the newest checkpoint and to the tiles that it completes.
fn held(
    log: &Path,
    stated: &Checkpoint,
    mut levels: Levels,
    leaves: impl Iterator<Item = Result<Hash, Unproven>>,
) -> Result<Others, ReadError> {
    let mut others = Vec::new();
    for leaf in leaves {
        if levels.size() == stated.size {
            break;
        }
        let Ok(leaf) = leaf else { return Ok(Others::Unread) };
        let mut whole = Vec::new();
        levels.push(leaf, |tile, hashes| whole.push((tile, hashes.concat())));
        for (tile, bytes) in whole {
            if disk::read_whatever(&log.join(tile.path(FULL)))?.is_none_or(|it| it != bytes) {
                others.push(tile);
            }
        }
    }
    others.sort_unstable();
    Ok(match levels.size() == stated.size {
        true if levels.root() == stated.root => Others::Of(others),
        true => Others::Unlike,
        false => Others::Unread,
    })
}

/// The tiles that are other ones where what is told above of those of pruned entries leads to the root that was signed for.
fn told_above(log: &Path, stated: &Checkpoint, minimum: u64) -> Result<Option<Vec<Tile>>, ReadError> {
    let (mut roots, mut others) = (Roots::of(log, stated.size), Vec::new());
    for index in 0..minimum / FULL as u64 {
        match roots.next() {
            Next::Agreed(_) => {}
            Next::Doubted(_) | Next::Unread => others.push(Tile { level: 0, index }),
            Next::Lost => return Ok(None),
        }
    }
    let rest = Entries::from(log, minimum).map(|it| Ok(tree::leaf(&it?.1)));
    let Others::Of(after) = held(log, stated, roots.told(), rest)? else { return Ok(None) };
    others.extend(roots.others_above());
    others.extend(after);
    others.sort_unstable();
    others.dedup();
    Ok(Some(others))
}

/// Whole tiles that are not there, or do not have the roots of those beneath them.
fn bad_tiles(log: &Path, sealed: u64) -> Vec<Tile> {
    let mut bad = Vec::new();
    let (mut there, mut beneath): (u64, Vec<Option<Hash>>) = (sealed / FULL as u64, Vec::new());
    for level in 0..=u8::MAX {
        if there == 0 {
            break;
        }
        let mut roots = Vec::new();
        for index in 0..there {
            let tile = Tile { level, index };
            let hashes = read_tile(log, tile).ok().filter(|hashes| agrees(hashes, index, &beneath));
            if hashes.is_none() {
                bad.push(tile);
            }
            roots.push(hashes.map(|it| root_of(&it)));
        }
        beneath = roots;
        there /= FULL as u64;
    }
    bad
}

/// Whether a tile has the roots of those beneath it, as far as those are known.
fn agrees(hashes: &[Hash], index: u64, beneath: &[Option<Hash>]) -> bool {
    let first = usize::try_from(index).unwrap_or(usize::MAX).saturating_mul(FULL);
    let own = beneath.get(first..).unwrap_or_default();
    hashes.iter().zip(own).all(|(hash, root)| root.is_none_or(|it| it == *hash))
}

/// How fast the newest bundles were filled.
fn bytes_a_day(log: &Path, sealed: u64, minimum: u64) -> Result<Option<u64>, ReadError> {
    let end = sealed / FULL as u64;
    let first = end.saturating_sub(RECENT).max(minimum / FULL as u64);
    let (mut bytes, mut times) = (0_u64, Vec::new());
    for index in first..end {
        let read = disk::read(&log.join(bundle_path(index, FULL)))?.unwrap_or_default();
        bytes += read.len() as u64;
        times.extend(read_bundle(&read).unwrap_or_default().into_iter().filter_map(time));
    }
    let (Some(oldest), Some(newest)) = (times.iter().min(), times.iter().max()) else { return Ok(None) };
    let seconds = newest.since(*oldest).as_secs();
    // With the tiles over them, 32 bytes for each entry.
    Ok((seconds > 0).then(|| (bytes + 32 * times.len() as u64).saturating_mul(86_400) / seconds))
}

/// When an entry says it was.
pub(crate) fn time(entry: &[u8]) -> Option<Timestamp> {
    let mut time = None;
    facts(entry, |fact| {
        if let Fact::Time(it) = fact {
            time = Some(Timestamp::from_nanos(it));
        }
    })
    .ok()?;
    time
}
