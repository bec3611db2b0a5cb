//! Every checkpoint that speaks of a log: those beside it, and those that were kept elsewhere.

use std::collections::BTreeMap;
use std::path::Path;

use domain::Timestamp;

use super::Grounds;
use super::fault::{Broken, Found};
use crate::cosignature::{NEWEST, Quorum};
use crate::disk;
use crate::note::{BadNote, Checkpoint, Verifier};
use crate::read::ReadError;
use crate::tree::Hash;

/// What one checkpoint says.
#[derive(Clone, Debug)]
pub(super) struct Stated {
    pub(super) file: String,
    pub(super) size: u64,
    pub(super) root: Hash,
    /// When a quorum last stood for it.
    pub(super) witnessed: Option<Timestamp>,
}

/// All of them, with those that were kept elsewhere, by their size; of one size those that disagree, or that witnesses stood for.
pub(super) fn checkpoints(
    log: &Path,
    grounds: &Grounds,
    kept: Vec<(String, String)>,
    found: &mut Found,
) -> Result<BTreeMap<u64, Vec<Stated>>, ReadError> {
    let mut all: BTreeMap<u64, Vec<Stated>> = BTreeMap::new();
    for (file, note) in notes(log)?.into_iter().chain(kept.into_iter().map(|(file, note)| (file, Some(note)))) {
        let read = note.ok_or(BadNote::Malformed).and_then(|it| read(&it, &grounds.key, grounds.quorum.as_ref()));
        let (stated, witnessed) = match read {
            Ok(read) => read,
            Err(cause) => {
                found.push(Broken::Note { file, cause });
                continue;
            }
        };
        let Checkpoint { origin, size, root } = stated;
        if origin != grounds.key.name() {
            found.push(Broken::Foreign { file, origin });
            continue;
        }
        let same = all.entry(size).or_default();
        match same.iter_mut().find(|it| it.root == root) {
            Some(known) => known.witnessed = known.witnessed.max(witnessed),
            None => same.push(Stated { file, size, root, witnessed }),
        }
    }
    for (size, same) in &all {
        if let [one, other, ..] = same.as_slice() {
            found.push(Broken::Fork { size: *size, one: one.file.clone(), other: other.file.clone() });
        }
    }
    Ok(all)
}

/// What a note says, and since when a quorum stands for it.
fn read(note: &str, key: &Verifier, quorum: Option<&Quorum>) -> Result<(Checkpoint, Option<Timestamp>), BadNote> {
    let stated = Checkpoint::parse(key.open(note)?)?;
    let witnessed = quorum.map(|it| it.witnessed(note)).transpose()?.flatten();
    Ok((stated, witnessed))
}

/// The notes that lie beside a log, each with the name of its file; nothing where one is no text.
fn notes(log: &Path) -> Result<Vec<(String, Option<String>)>, ReadError> {
    let mut files = vec!["checkpoint".to_owned(), NEWEST.to_owned()];
    if let Ok(kept) = std::fs::read_dir(log.join("checkpoints")) {
        let ours = |it: &str| [".note", ".cosigned"].iter().any(|end| it.ends_with(end));
        let names = kept.flatten().filter_map(|it| it.file_name().into_string().ok()).filter(|it| ours(it));
        files.extend(names.map(|it| format!("checkpoints/{it}")));
    }
    files.sort();
    let mut notes = Vec::new();
    for file in files {
        let read = disk::read(&log.join(&file))?;
        notes.extend(read.map(|bytes| (file, String::from_utf8(bytes).ok())));
    }
    Ok(notes)
}
