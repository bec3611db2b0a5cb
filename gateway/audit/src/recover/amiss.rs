//! Write-ahead files that are not to stay as they were found.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::wal::Frames;

/// How often one file is kept as it was found.
const KEPT: u32 = 16;

/// A write-ahead file that is not to stay as it was found.
pub(super) struct Amiss {
    path: PathBuf,
    /// It is to be kept as it was found: others have put something into it, or entries are cut off that may have been
    /// certain.
    evidence: bool,
    /// What is to lie in its place: the key that has written it will be forgotten one day.
    anew: Option<Vec<u8>>,
}

impl Amiss {
    /// The last file is written anew in any case.
    pub(super) fn of(
        path: &Path,
        frames: &Frames<'_>,
        anew: Option<&[u8]>,
        is_last: bool,
        beyond: u64,
    ) -> Option<Self> {
        let evidence = !frames.inserted().is_empty() || beyond > 0;
        let anew = anew.filter(|_| frames.has_older() && !is_last).map(<[u8]>::to_vec);
        (evidence || anew.is_some()).then(|| Self { path: path.to_owned(), evidence, anew })
    }

    /// Keeps what was found for whoever is to find out who it was, and puts it in order. A disk that is full keeps nobody from
    /// going on.
    pub(super) fn put_in_order(self, log: &Path) -> io::Result<()> {
        if self.evidence {
            self.keep()?;
        }
        self.anew.map_or(Ok(()), |it| disk::put_within(log, &self.path, &it))
    }

    /// Keeps the file as it is under the first name that is free, unless the very same is kept already.
    fn keep(&self) -> io::Result<()> {
        let found = disk::read(&self.path)?.unwrap_or_default();
        for number in 0..KEPT {
            let name = if number == 0 { "stray".to_owned() } else { format!("{number}.stray") };
            let stray = self.path.with_extension(name);
            match disk::read(&stray)? {
                Some(kept) if kept == found => return Ok(()),
                Some(_) => {}
                None => return disk::put_durably(&stray, &found).or_else(|cause| disk::forgo(&stray, cause)),
            }
        }
        tracing::error!(file = %self.path.display(), "so much was kept of it as it was found that no more is");
        Ok(())
    }
}
