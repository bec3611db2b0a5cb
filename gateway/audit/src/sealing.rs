//! Making certain what was derived from write-ahead files, so that those can go.
//!
//! Where that fails they stay, and it is not forgotten: what a failed sync gave up is clean in the eyes of the system, so
//! every file of it is written anew before anything goes.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crate::derived::{Derived, Held};
use crate::tree::{Hash, Tile};
use crate::{disk, index, wal};

/// Tiles and bundles that are in place, but perhaps not for certain.
#[derive(Debug, Default)]
pub(crate) struct Sealing {
    files: Vec<PathBuf>,
    under_way: Option<UnderWay>,
    failed: Option<Failed>,
    mended: bool,
}

/// A thread that makes some of them certain.
#[derive(Debug)]
struct UnderWay {
    first: u64,
    files: Vec<PathBuf>,
    thread: JoinHandle<io::Result<()>>,
}

/// Those of which nobody knows whether they will ever be.
#[derive(Debug)]
struct Failed {
    /// The first number of the write-ahead file that may stay.
    first: u64,
    files: Vec<PathBuf>,
}

impl Sealing {
    /// One more file is in place.
    pub(crate) fn add(&mut self, file: PathBuf) {
        self.files.push(file);
    }

    /// Whether files are being made certain still.
    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.as_ref().is_some_and(|it| !it.thread.is_finished())
    }

    /// Whether that has failed, as far as it has ended.
    pub(crate) fn has_failed(&mut self) -> bool {
        if !self.is_under_way() {
            self.join();
        }
        self.failed.is_some()
    }

    /// Whether what had failed was made up for since the last time.
    pub(crate) fn take_mended(&mut self) -> bool {
        std::mem::take(&mut self.mended)
    }

    /// Makes everything before `first` certain without its write-ahead files, and removes them, while others wait for
    /// nothing.
    pub(crate) fn begin(&mut self, log: &Path, first: u64) {
        self.join();
        if let Some(failed) = &mut self.failed {
            // What failed comes first: its write-ahead files must not go with these.
            failed.first = first;
            failed.files.append(&mut self.files);
            return;
        }
        let files = std::mem::take(&mut self.files);
        let (own, those) = (log.to_owned(), files.clone());
        let work = move || {
            seal(&own, first, &those)?;
            index::complete(&own, first);
            Ok(())
        };
        match std::thread::Builder::new().name("audit-seal".to_owned()).spawn(work) {
            Ok(thread) => self.under_way = Some(UnderWay { first, files, thread }),
            Err(cause) => self.fail(first, files, &cause),
        }
    }

    /// Waits for the end of what is under way.
    pub(crate) fn join(&mut self) {
        let Some(UnderWay { first, files, thread }) = self.under_way.take() else { return };
        let ended = thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that seals has failed")));
        if let Err(cause) = ended {
            self.fail(first, files, &cause);
        }
    }

    fn fail(&mut self, first: u64, files: Vec<PathBuf>, cause: &io::Error) {
        tracing::error!(%cause, "bundles and tiles of the audit log cannot be made certain: they are written anew");
        self.failed = Some(Failed { first, files });
    }

    /// Makes up for what has failed: writes every file of it anew. `told` gives the root of a tile.
    pub(crate) fn mend(&mut self, log: &Path, told: impl Fn(Tile) -> Option<Hash>) -> io::Result<()> {
        if !self.has_failed() {
            return Ok(());
        }
        let Some(failed) = &self.failed else { return Ok(()) };
        for file in &failed.files {
            disk::put(log, file, &content(log, file, &told)?)?;
        }
        for folder in folders(log, &failed.files) {
            disk::touch(folder)?;
        }
        seal(log, failed.first, &failed.files)?;
        self.failed = None;
        self.mended = true;
        Ok(())
    }
}

/// What a file holds or should hold.
fn content(log: &Path, file: &Path, told: impl Fn(Tile) -> Option<Hash>) -> io::Result<Vec<u8>> {
    let derived = file.strip_prefix(log).ok().and_then(Derived::at);
    match derived.and_then(|it| it.held(log, told(it.tile()))) {
        Some(Held::InPlace(bytes) | Held::Elsewhere(bytes)) => Ok(bytes),
        None => Err(io::Error::other(format!("`{}` cannot be made anew before the next start", file.display()))),
    }
}

fn seal(log: &Path, first: u64, files: &[PathBuf]) -> io::Result<()> {
    for file in files {
        disk::open_to_read(file)?.sync_all()?;
    }
    for folder in folders(log, files) {
        disk::sync_folder(folder)?;
    }
    for (number, file) in wal::files(log)? {
        if number < first {
            disk::take_away(&file)?;
        }
    }
    Ok(())
}

/// Where the names of files are, and the folders above those that were just made: each once, because many share them.
fn folders<'f>(log: &Path, files: &'f [PathBuf]) -> BTreeSet<&'f Path> {
    files.iter().flat_map(|it| it.ancestors().skip(1)).filter(|it| it.starts_with(log)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tree::{FULL, bundle_path, leaf, root_of};

    /// A log of one bundle that is not certain, and two write-ahead files.
    fn log() -> (tempfile::TempDir, PathBuf, Hash) {
        let folder = tempfile::tempdir().unwrap();
        let (log, entries) = (folder.path(), vec![b"entry"; FULL]);
        let bundle = log.join(bundle_path(0, FULL));
        let bytes: Vec<u8> = entries.iter().flat_map(|it| [&[0, 5], it.as_slice()].concat()).collect();
        disk::put(log, &bundle, &bytes).unwrap();
        fs::create_dir(log.join("wal")).unwrap();
        for first in [0, 256] {
            fs::write(wal::path(log, first), "").unwrap();
        }
        let leaves: Vec<Hash> = entries.iter().map(|it| leaf(*it)).collect();
        (folder, bundle, root_of(&leaves))
    }

    #[test]
    fn what_failed_is_written_anew_before_its_write_ahead_file_goes() {
        let (folder, bundle, root) = log();
        let (log, mut sealing) = (folder.path(), Sealing::default());
        sealing.add(bundle.clone());
        sealing.add(log.join("tile/0/000"));
        sealing.begin(log, 256);
        sealing.begin(log, 256);
        assert!(sealing.has_failed() && wal::files(log).unwrap().len() == 2, "a file went before its time");
        let before = fs::metadata(&bundle).unwrap();
        sealing.mend(log, |_| None).unwrap_err();
        assert!(sealing.has_failed() && !sealing.take_mended());
        sealing.mend(log, |_| Some(root)).unwrap();
        assert!(!sealing.has_failed() && sealing.take_mended() && !sealing.take_mended());
        let ino = |it: &fs::Metadata| std::os::unix::fs::MetadataExt::ino(it);
        assert_ne!(ino(&before), ino(&fs::metadata(&bundle).unwrap()), "the file that failed is in place still");
        assert!(log.join("tile/0/000").exists());
        assert_eq!(wal::files(log).unwrap().iter().map(|(first, _)| *first).collect::<Vec<_>>(), [256]);
    }
}
