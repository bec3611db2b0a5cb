//! Entries that are kept longer than the bundles they were in: as they were, each with what proves it.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::export::proofs::Proofs;
use crate::note::Checkpoint;
use crate::prove::Unproven;
use crate::tree::{self, Hash};

/// The form of these files.
const FORM: u16 = 1;

/// What is kept of one range that was pruned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    form: u16,
    /// The first entry of the range.
    pub(crate) first: u64,
    /// The entry after the last one.
    pub(crate) end: u64,
    /// The checkpoint that the proofs lead to, as it was signed.
    pub(crate) checkpoint: String,
    pub(crate) entries: Vec<Proved>,
}

/// One entry and the hashes that lead from it to the root, all in Base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proved {
    pub(crate) seq: u64,
    raw: String,
    proof: Vec<String>,
}

impl Kept {
    /// Proves entries of a range by the newest checkpoint. One that cannot be proved is not the one that was signed for.
    pub(crate) fn prove(log: &Path, first: u64, end: u64, entries: &[(u64, Vec<u8>)]) -> Result<Self, Unproven> {
        let mut proofs = Proofs::open(log)?;
        let mut proved = Vec::with_capacity(entries.len());
        for (seq, raw) in entries {
            let proof = proofs.inclusion(*seq)?.iter().map(|it| STANDARD.encode(it)).collect();
            proved.push(Proved { seq: *seq, raw: STANDARD.encode(raw), proof });
        }
        Ok(Self { form: FORM, first, end, checkpoint: proofs.note().to_owned(), entries: proved })
    }

    /// Puts it beside the log, for certain.
    pub(crate) fn put(&self, log: &Path) -> io::Result<()> {
        disk::put_within(log, &path(log, self.first), &serde_json::to_vec(self)?)
    }

    /// What a file holds; nothing where it is none of these.
    pub(crate) fn read(path: &Path) -> io::Result<Option<Self>> {
        let read: Option<Self> = disk::read(path)?.and_then(|it| serde_json::from_slice(&it).ok());
        let ordered = |it: &Self| it.entries.is_sorted_by(|one, other| one.seq < other.seq);
        let within = |it: &Self| it.entries.iter().all(|entry| (it.first..it.end).contains(&entry.seq));
        Ok(read.filter(|it| it.form == FORM && ordered(it) && within(it)))
    }
}

impl Proved {
    /// The bytes of the entry.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        STANDARD.decode(&self.raw).unwrap_or_default()
    }

    /// Whether it is in the tree of a checkpoint, whose signature is for others to look at.
    pub(crate) fn is_proved_by(&self, stated: &Checkpoint) -> bool {
        let hash = |it: &String| STANDARD.decode(it).ok().and_then(|it| it.try_into().ok());
        let path: Option<Vec<Hash>> = self.proof.iter().map(hash).collect();
        let leaf = tree::leaf(&self.bytes());
        path.is_some_and(|it| tree::verify_inclusion(&leaf, self.seq, stated.size, &it, &stated.root).is_ok())
    }
}

/// The files of ranges that begin before `minimum`, in order. One of a range that begins later was being made when the
/// process died.
pub(crate) fn files(log: &Path, minimum: u64) -> io::Result<Vec<(u64, PathBuf)>> {
    let found = match std::fs::read_dir(log.join("kept")) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut files = Vec::new();
    for it in found {
        let it = it?;
        let first = it.file_name().to_str().and_then(|it| it.parse::<u64>().ok());
        files.extend(first.filter(|it| *it < minimum).map(|first| (first, it.path())));
    }
    files.sort();
    Ok(files)
}

/// The entry with this number, where it is kept.
pub(crate) fn entry(log: &Path, seq: u64) -> io::Result<Option<Vec<u8>>> {
    let files = files(log, seq.saturating_add(1))?;
    let Some((_, path)) = files.last() else { return Ok(None) };
    let kept = Kept::read(path)?;
    Ok(kept.and_then(|it| it.entries.iter().find(|it| it.seq == seq).map(Proved::bytes)))
}

/// Where what is kept of the range lies that begins with this entry.
pub(crate) fn path(log: &Path, first: u64) -> PathBuf {
    log.join(format!("kept/{first:020}"))
}
