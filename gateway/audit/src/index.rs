//! Where to look for entries: for each segment of the log one file, made from its entries and thrown away at will.
//!
//! An index says only where to look: every entry it names is read and held to the question. One that is missing or damaged
//! is made anew by whoever needs it. One that somebody made to hide an entry hides it from questions, not from proofs;
//! whoever must not believe it reads the log whole.

mod build;
mod file;
mod pages;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::extent;
use crate::minimum::minimum;
use crate::query::Filter;
use crate::read::ReadError;
use crate::tree::FULL;
use build::Builder;
use file::{Index, NotAnIndex};

/// How many bundles a segment has: those beneath one whole tile of level 1.
const BUNDLES: u64 = FULL as u64;

/// How many entries a segment has.
pub(crate) const SEGMENT: u64 = BUNDLES * FULL as u64;

/// How many segments at most are indexed when a write-ahead file is sealed: as many as become whole with it.
const AT_ONCE: u64 = 2;

/// A bundle to be read, and which of its entries to look at; all where nothing narrower is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) bundle: u64,
    pub(crate) only: Option<Vec<u8>>,
}

/// Where in a whole segment the entries are that a filter may admit, in order.
pub(crate) fn spots(log: &Path, segment: u64, filter: &Filter) -> Result<Vec<Spot>, ReadError> {
    let found = Index::open(&path(log, segment), segment).and_then(|it| file::spots(&it, filter));
    if let Ok(spots) = found {
        return Ok(spots);
    }
    let bytes = build(log, segment)?;
    // Where the folder cannot be written, it is made again the next time.
    let _ = put(log, segment, &bytes);
    match Index::of(bytes, segment).and_then(|it| file::spots(&it, filter)) {
        Ok(spots) => Ok(spots),
        Err(NotAnIndex) => Ok((segment * BUNDLES..(segment + 1) * BUNDLES).map(Spot::whole).collect()),
    }
}

/// Takes away the indexes of segments in which nothing is left before this entry.
pub(crate) fn drop_before(log: &Path, end: u64) -> io::Result<()> {
    let found = match fs::read_dir(log.join("index")) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for it in found {
        let it = it?;
        let segment = it.file_name().to_str().and_then(|it| it.parse::<u64>().ok());
        if segment.is_some_and(|it| it < end / SEGMENT) {
            fs::remove_file(it.path())?;
        }
    }
    Ok(())
}

/// Makes the indexes of the segments that became whole, all entries before `end` being in bundles. What fails is done by
/// whoever needs it.
pub(crate) fn complete(log: &Path, end: u64) {
    for segment in (0..end / SEGMENT).rev().take(usize::try_from(AT_ONCE).unwrap_or_default()) {
        if !path(log, segment).exists()
            && minimum(log).is_ok_and(|it| it < (segment + 1) * SEGMENT)
            && let Ok(bytes) = build(log, segment)
        {
            let _ = put(log, segment, &bytes);
        }
    }
}

/// Whether a segment has an index that can be asked.
pub(crate) fn is_sound(log: &Path, segment: u64) -> bool {
    Index::open(&path(log, segment), segment).is_ok_and(|it| it.is_whole())
}

/// Makes the index of a segment anew.
pub(crate) fn renew(log: &Path, segment: u64) -> Result<(), ReadError> {
    let bytes = build(log, segment)?;
    Ok(put(log, segment, &bytes)?)
}

impl Spot {
    pub(crate) fn whole(bundle: u64) -> Self {
        Self { bundle, only: None }
    }
}

fn path(log: &Path, segment: u64) -> PathBuf {
    log.join(format!("index/{segment:09}"))
}

fn build(log: &Path, segment: u64) -> Result<Vec<u8>, ReadError> {
    let mut builder = Builder::new(segment);
    let first = minimum(log)? / FULL as u64;
    for bundle in first.saturating_sub(segment * BUNDLES)..BUNDLES {
        extent::bundle(log, segment * BUNDLES + bundle, |place, entry| builder.add(bundle, place, entry))?;
    }
    Ok(builder.finish())
}

/// Puts a file in place whole, or not at all, whoever else does the same. It belongs to whom the log belongs to, so that
/// what a superuser reads is no obstacle to the gateway.
fn put(log: &Path, segment: u64, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::{MetadataExt as _, fchown};

    let (whole, owner) = (path(log, segment), fs::metadata(log)?);
    let folder = log.join("index");
    if !folder.exists() {
        crate::disk::make_within(log, &folder)?;
        // Only a superuser can, and only for one it matters.
        let _ = std::os::unix::fs::chown(&folder, Some(owner.uid()), Some(owner.gid()));
    }
    let thread = std::thread::current().id();
    let draft = whole.with_extension(format!("{}-{thread:?}.new", std::process::id()));
    let mut file = crate::disk::create(&draft)?;
    let _ = fchown(&file, Some(owner.uid()), Some(owner.gid()));
    let done = file.write_all(bytes).and_then(|()| fs::rename(&draft, &whole));
    if done.is_err() {
        let _ = fs::remove_file(&draft);
    }
    done
}
