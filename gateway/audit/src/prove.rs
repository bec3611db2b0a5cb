//! Proofs as files: that an entry is in the log, and that an older checkpoint is the beginning of a newer one.

use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::note::{BadNote, Checkpoint, Verifier};
use crate::read::{Entries, ReadError};
use crate::tree::{self, BadProof, FULL, Hash, Tile, root_of};
use crate::{disk, kept};

/// The first line of a proof of an entry (C2SP tlog-proof).
const PROOF: &str = "c2sp.org/tlog-proof@v1";

/// How one begins that a log has only grown.
const GROWTH: &str = "old ";

/// Whether a text begins as a proof that a log has only grown.
pub fn is_of_growth(proof: &str) -> bool {
    proof.starts_with(GROWTH)
}

/// A proof that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    /// A file cannot be read.
    #[error("audit log cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The entry cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The checkpoint cannot be read.
    #[error("the checkpoint {0}")]
    Note(#[from] BadNote),
    /// There is no checkpoint that covers it.
    #[error("{asked} entries are asked about, and {signed} are signed for")]
    Unsigned {
        /// As many as the question is about.
        asked: u64,
        /// As many as the newest checkpoint covers.
        signed: u64,
    },
    /// What is there is not what was signed for.
    #[error("entry {0} is not the one that was signed for: `portcullis audit verify` says what is wrong with the log")]
    Altered(u64),
    /// A tile is missing or damaged.
    #[error(
        "tile `{0}` is missing or damaged: a start or `portcullis audit doctor --fix` makes it anew from what is beneath it"
    )]
    Tile(String),
    /// Nothing can be made anew of entries that are others.
    #[error("the entries are not those that were signed for: `portcullis audit verify` says which")]
    Unlike,
}

/// What a proof shows, once it has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The number of the entry.
    pub seq: u64,
    /// Its bytes.
    pub entry: Vec<u8>,
    /// The checkpoint that covers it.
    pub checkpoint: Checkpoint,
}

/// A proof that proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refuted {
    /// Not of the form of a proof.
    #[error("it is not a proof")]
    Malformed,
    /// Its checkpoint is not signed by the key.
    #[error("its checkpoint {0}")]
    Note(#[from] BadNote),
    /// The older checkpoint is not signed by any of the keys.
    #[error("the older checkpoint {0}")]
    Older(BadNote),
    /// It is of another older checkpoint.
    #[error(
        "it proves growth from {proved} entries of its log, and the older checkpoint is of {shown}, or of another log"
    )]
    OtherOlder {
        /// How many entries the proof goes from.
        proved: u64,
        /// How many the older checkpoint speaks of.
        shown: u64,
    },
    /// The newer checkpoint, which is in the proof, is not.
    #[error("the newer checkpoint, which is in the proof, {0}")]
    Newer(BadNote),
    /// Its hashes do not lead where they must.
    #[error(transparent)]
    Proof(#[from] BadProof),
}

/// Proves that an entry is in the log: a text that holds the entry, the hashes, and the newest checkpoint.
pub fn prove_entry(log: &Path, seq: u64) -> Result<String, Unproven> {
    let (note, stated) = newest(log)?;
    if stated.size <= seq {
        return Err(Unproven::Unsigned { asked: seq + 1, signed: stated.size });
    }
    let entry = match Entries::from(log, seq).next().transpose() {
        Err(ReadError::Pruned { seq, minimum }) => match kept::entry(log, seq)? {
            Some(entry) => Some((seq, entry)),
            None => return Err(ReadError::Pruned { seq, minimum }.into()),
        },
        other => other?,
    };
    let (_, entry) = entry.ok_or(Unproven::Unsigned { asked: seq + 1, signed: stated.size })?;
    let path = tree::inclusion(seq, stated.size, &mut |level, index| subtree(log, stated.size, level, index))?;
    tree::verify_inclusion(&tree::leaf(&entry), seq, stated.size, &path, &stated.root)
        .map_err(|_| blame(log, &stated, (seq, &entry)))?;
    Ok(format!("{PROOF}\nextra {}\nindex {seq}\n{}\n{note}", STANDARD.encode(entry), lines(&path)))
}

/// Proves that the log of `old` entries is the beginning of what the newest checkpoint covers: a text as witnesses are sent
/// it (C2SP tlog-witness).
pub fn prove_growth(log: &Path, old: u64) -> Result<String, Unproven> {
    prove_growth_to(log, old, &newest(log)?.0)
}

/// The same up to the checkpoint of a note that is, or was a moment ago, the newest.
pub fn prove_growth_to(log: &Path, old: u64, note: &str) -> Result<String, Unproven> {
    let stated = Checkpoint::parse(note)?;
    if stated.size < old {
        return Err(Unproven::Unsigned { asked: old, signed: stated.size });
    }
    let path = tree::consistency(old, stated.size, &mut |level, index| subtree(log, stated.size, level, index))?;
    Ok(format!("old {old}\n{}\n{note}", lines(&path)))
}

/// Holds a proof of an entry to a key.
pub fn verify_entry(proof: &str, key: &Verifier) -> Result<Proven, Refuted> {
    let rest = proof.strip_prefix(PROOF).and_then(|it| it.strip_prefix("\nextra ")).ok_or(Refuted::Malformed)?;
    let (entry, rest) = rest.split_once("\nindex ").ok_or(Refuted::Malformed)?;
    let (seq, path, note) = parts(rest)?;
    let entry = STANDARD.decode(entry).map_err(|_| Refuted::Malformed)?;
    let checkpoint = Checkpoint::parse(key.open(note)?)?;
    tree::verify_inclusion(&tree::leaf(&entry), seq, checkpoint.size, &path, &checkpoint.root)?;
    Ok(Proven { seq, entry, checkpoint })
}

/// Holds a proof of growth to the older checkpoint, which gives the newer one. Each is signed by one of the keys: another may
/// have taken over in between.
pub fn verify_growth(proof: &str, older: &str, keys: &[Verifier]) -> Result<Checkpoint, Refuted> {
    let (old, path, note) = parts(proof.strip_prefix(GROWTH).ok_or(Refuted::Malformed)?)?;
    let older = opened(older, keys).map_err(Refuted::Older)?;
    let newer = opened(note, keys).map_err(Refuted::Newer)?;
    if older.size != old || older.origin != newer.origin {
        return Err(Refuted::OtherOlder { proved: old, shown: older.size });
    }
    tree::verify_consistency((old, &older.root), (newer.size, &newer.root), &path)?;
    Ok(newer)
}

/// What a note says that one of these keys stands for.
fn opened(note: &str, keys: &[Verifier]) -> Result<Checkpoint, BadNote> {
    for key in keys {
        match key.open(note) {
            Err(BadNote::Unsigned(_)) => {}
            other => return Checkpoint::parse(other?),
        }
    }
    let named: Vec<String> = keys.iter().map(|it| format!("{}+{}", it.name(), it.id_text())).collect();
    Err(BadNote::Unsigned(named.join("` or `")))
}

/// The newest checkpoint as it was signed, and what it says. Whose signature it has is for others to look at.
pub fn newest(log: &Path) -> Result<(String, Checkpoint), Unproven> {
    let bytes = disk::read(&log.join("checkpoint"))?.ok_or(Unproven::Unsigned { asked: 1, signed: 0 })?;
    let note = String::from_utf8(bytes).map_err(|_| BadNote::Malformed)?;
    let stated = Checkpoint::parse(&note)?;
    Ok((note, stated))
}

/// Why an entry is not proved: because of a tile, where all is well with what that is made of; else because of the entry.
pub(crate) fn blame(log: &Path, stated: &Checkpoint, (seq, entry): (u64, &[u8])) -> Unproven {
    let (leaf, mut used) = (tree::leaf(entry), Vec::new());
    let mut holds = |is_anew: &dyn Fn(Tile) -> bool| {
        let path = tree::inclusion(seq, stated.size, &mut |level, index| {
            subtree_of(level, index, |it| {
                used.push(it);
                if is_anew(it) { anew(log, stated.size, it) } else { tile(log, stated.size, it) }
            })
        });
        let holds = path.is_ok_and(|it| tree::verify_inclusion(&leaf, seq, stated.size, &it, &stated.root).is_ok());
        (holds, std::mem::take(&mut used))
    };
    let (_, used) = holds(&|_| false);
    let is_other = |it: Tile| tile(log, stated.size, it).ok() != anew(log, stated.size, it).ok();
    let alone = used.iter().copied().find(|it| holds(&|tile| tile == *it).0);
    let damaged = alone.or_else(|| used.iter().copied().filter(|_| holds(&|_| true).0).find(|it| is_other(*it)));
    damaged.map_or(Unproven::Altered(seq), |it| {
        let whole = it.path(FULL);
        Unproven::Tile(if log.join(&whole).exists() { whole } else { it.path(width(stated.size, it)) })
    })
}

/// What a tile of the tree of `size` should be, from what is beneath it.
fn anew(log: &Path, size: u64, place: Tile) -> Result<Vec<Hash>, Unproven> {
    let (first, width) = (place.index * FULL as u64, width(size, place));
    let hashes: Result<Vec<Hash>, Unproven> = match place.level.checked_sub(1) {
        None => Entries::from(log, first).take(width).map(|it| Ok(tree::leaf(&it?.1))).collect(),
        Some(level) => {
            (first..).take(width).map(|index| Ok(root_of(&tile(log, size, Tile { level, index })?))).collect()
        }
    };
    hashes.and_then(|it| if it.len() == width { Ok(it) } else { Err(Unproven::Tile(place.path(width))) })
}

/// How many hashes a tile of the tree of `size` has.
fn width(size: u64, tile: Tile) -> usize {
    let there = (size >> (8 * u32::from(tile.level)).min(63)).saturating_sub(tile.index * FULL as u64);
    usize::try_from(there).unwrap_or(FULL).min(FULL)
}

/// The hash of a whole subtree, from the tile that holds its roots.
fn subtree(log: &Path, size: u64, level: u32, index: u64) -> Result<Hash, Unproven> {
    subtree_of(level, index, |it| tile(log, size, it))
}

fn subtree_of(
    level: u32,
    index: u64,
    read: impl FnOnce(Tile) -> Result<Vec<Hash>, Unproven>,
) -> Result<Hash, Unproven> {
    let (above, within) = (level / 8, level % 8);
    let first = index << within;
    let place = Tile { level: u8::try_from(above).unwrap_or(u8::MAX), index: first / FULL as u64 };
    let start = usize::try_from(first % FULL as u64).unwrap_or_default();
    read(place)?.get(start..start + (1 << within)).map(root_of).ok_or_else(|| Unproven::Tile(place.path(FULL)))
}

/// The hashes of a tile of the tree of `size`.
pub(crate) fn tile(log: &Path, size: u64, tile: Tile) -> Result<Vec<Hash>, Unproven> {
    let width = width(size, tile);
    let whole = disk::read(&log.join(tile.path(FULL)))?;
    let bytes = match whole {
        Some(bytes) => bytes,
        None => match disk::read(&log.join(tile.path(width)))? {
            Some(bytes) => bytes,
            None => wider(log, tile, width)?,
        },
    };
    let hashes = bytes.as_chunks::<32>().0;
    hashes.get(..width).map(<[Hash]>::to_vec).ok_or_else(|| Unproven::Tile(tile.path(width)))
}

/// A tile that has grown since: its beginning is what it was.
fn wider(log: &Path, tile: Tile, width: usize) -> io::Result<Vec<u8>> {
    let narrow = log.join(tile.path(width));
    let Some(Ok(begun)) = narrow.parent().map(std::fs::read_dir) else { return Ok(Vec::new()) };
    let widths = begun.flatten().filter_map(|it| it.file_name().to_str()?.parse::<usize>().ok());
    let wider = widths.filter(|it| width < *it).max();
    // Between two looks it may have become whole.
    let mut paths = wider.into_iter().chain([FULL]).map(|it| disk::read(&log.join(tile.path(it))));
    Ok(paths.find_map(Result::transpose).transpose()?.unwrap_or_default())
}

fn lines(path: &[Hash]) -> String {
    path.iter().fold(String::new(), |text, it| text + &STANDARD.encode(it) + "\n")
}

/// A number, the hashes on the lines after it, and after an empty line a note.
fn parts(text: &str) -> Result<(u64, Vec<Hash>, &str), Refuted> {
    let (head, note) = text.split_once("\n\n").ok_or(Refuted::Malformed)?;
    let mut lines = head.split('\n');
    let number = lines.next().unwrap_or_default();
    let read: u64 = number.parse().map_err(|_| Refuted::Malformed)?;
    let hash = |it: &str| STANDARD.decode(it).ok().and_then(|it| it.try_into().ok()).ok_or(Refuted::Malformed);
    let path = lines.map(hash).collect::<Result<_, _>>()?;
    if read.to_string() == number { Ok((read, path, note)) } else { Err(Refuted::Malformed) }
}
