//! Every checkpoint that speaks of a log: those beside it, and those that were kept elsewhere.

use std::collections::BTreeMap;
use std::path::Path;

use domain::Timestamp;

use super::Grounds;
use super::fault::{Broken, Found};
use crate::cosignature::{NEWEST, Quorum};
use crate::note::{BadNote, Checkpoint};
use crate::read::ReadError;
use crate::succession::{Keys, TwoHeirs, kept_notes, note};
use crate::tree::Hash;

/// Where the newest checkpoint lies.
const FIRST: &str = "checkpoint";

/// What stands before the size in the name of one that is kept.
const KEPT: &str = "checkpoints/";

/// What one checkpoint says.
#[derive(Clone, Debug)]
pub(super) struct Stated {
    pub(super) file: String,
    pub(super) size: u64,
    pub(super) root: Hash,
    /// When a quorum last stood for it.
    pub(super) witnessed: Option<Timestamp>,
}

/// All of them, with those that were kept elsewhere, by their size; of one size those that disagree, or that witnesses stood
/// for. And the keys that they are signed with.
pub(super) fn checkpoints(
    log: &Path,
    grounds: &Grounds,
    kept: Vec<(String, String)>,
    found: &mut Found,
) -> Result<(BTreeMap<u64, Vec<Stated>>, Keys), ReadError> {
    let mut all: BTreeMap<u64, Vec<Stated>> = BTreeMap::new();
    let mut notes = notes(log)?;
    notes.extend(kept.into_iter().map(|(file, note)| (file, Some(note))));
    let (keys, torn) = Keys::known_by(&grounds.key, notes.iter().filter_map(|(_, note)| note.as_deref()));
    if let Some(TwoHeirs(key)) = torn {
        found.push(Broken::TwoHeirs(key.to_string()));
    }
    for (file, note) in notes {
        let read = note.ok_or(BadNote::Malformed).and_then(|it| read(&it, &keys, grounds.quorum.as_ref()));
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
        if file.strip_prefix(KEPT).and_then(|it| it.split_once('.')).is_some_and(|(it, _)| it != size.to_string()) {
            found.remarks.push(format!("`{file}` is of {size} entries: somebody gave it another name"));
        }
        let same = all.entry(size).or_default();
        match same.iter_mut().find(|it| it.root == root) {
            Some(known) => known.witnessed = known.witnessed.max(witnessed),
            None => same.push(Stated { file, size, root, witnessed }),
        }
    }
    newest(&all, found);
    for (size, same) in &all {
        if let [one, other, ..] = same.as_slice() {
            found.push(Broken::Fork { size: *size, one: one.file.clone(), other: other.file.clone() });
        }
    }
    Ok((all, keys))
}

/// Looks whether the newest checkpoint is there, and the newest.
fn newest(all: &BTreeMap<u64, Vec<Stated>>, found: &mut Found) {
    let named = all.iter().find(|(_, same)| same.iter().any(|it| it.file == FIRST));
    match (named, all.last_key_value()) {
        (None, Some(_)) => found.push(Broken::NoNewest),
        (Some((size, _)), Some((last, same))) if size < last => {
            let file = same.first().map_or("", |it| &it.file);
            found
                .remarks
                .push(format!("`{FIRST}` is of {size} entries, and older than `{file}`: somebody put it there"));
        }
        _ => {}
    }
}

/// What a note says, and since when a quorum stands for it.
fn read(note: &str, keys: &Keys, quorum: Option<&Quorum>) -> Result<(Checkpoint, Option<Timestamp>), BadNote> {
    let stated = keys.open(note)?;
    let witnessed = quorum.map(|it| it.witnessed(note)).transpose()?.flatten();
    Ok((stated, witnessed))
}

/// The notes that lie beside a log, each with the name of its file; nothing where one is no text.
fn notes(log: &Path) -> Result<Vec<(String, Option<String>)>, ReadError> {
    // Before the newest, so that of a log that is being written no kept one is newer.
    let kept = kept_notes(log)?;
    let newest = [FIRST, NEWEST].map(|it| note(log, it.to_owned()));
    let newest: Vec<_> = newest.into_iter().filter_map(Result::transpose).collect::<Result<_, _>>()?;
    Ok(newest.into_iter().chain(kept).collect())
}
