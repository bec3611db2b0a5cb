//! Files that somebody names on the command line.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use audit::SoleWriter;

/// How long a note, a key or a proof may be: they have some kilobytes.
const LONGEST: u64 = 1 << 20;

/// The text of a file that is to hold a note, a key or a proof.
pub(super) fn short_text(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = File::open(file)?.take(LONGEST + 1).read_to_string(&mut text)?;
    anyhow::ensure!(read as u64 <= LONGEST, "is longer than any note, key or proof");
    Ok(text)
}

/// This folder, if it is that of a log.
pub(super) fn the_log(log: PathBuf) -> anyhow::Result<PathBuf> {
    let is_log = log.join("wal").is_dir() || log.join("checkpoint").is_file();
    anyhow::ensure!(log.is_dir(), "there is no audit log `{}`", log.display());
    anyhow::ensure!(is_log, "`{}` is no audit log: it has neither a checkpoint nor a folder `wal`", log.display());
    Ok(log)
}

/// The right to write into this log, while no gateway does.
pub(super) fn sole_writer(log: &Path) -> anyhow::Result<SoleWriter> {
    SoleWriter::take(log)?.context("a gateway is writing this log: stop it first")
}

/// Whether a file would lie within this folder, by whichever names.
pub(super) fn lies_within(file: &Path, folder: &Path) -> bool {
    let above = file.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    above.canonicalize().is_ok_and(|it| folder.canonicalize().is_ok_and(|folder| it.starts_with(folder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_not_read_for_ever() {
        let refused = short_text(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(refused.to_string(), "is longer than any note, key or proof");
        let short = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(short.path(), "a key").unwrap();
        assert_eq!(short_text(short.path()).unwrap(), "a key");
    }

    #[test]
    fn what_is_no_log_is_not_read_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |it: PathBuf| the_log(it).unwrap_err().to_string();
        assert!(refused(folder.path().join("none")).starts_with("there is no audit log"));
        assert!(refused(folder.path().to_owned()).ends_with("neither a checkpoint nor a folder `wal`"));
        std::fs::create_dir(folder.path().join("wal")).unwrap();
        assert!(the_log(folder.path().to_owned()).is_ok());
    }

    #[test]
    fn a_file_lies_where_its_folder_really_is() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir_all(data.join("audit/wal")).unwrap();
        std::os::unix::fs::symlink(&data, folder.path().join("link")).unwrap();
        for within in ["data/a", "data/audit/a", "data/audit/wal/00000000000000000001.wal", "link/a", "data/../data/a"]
        {
            assert!(lies_within(&folder.path().join(within), &data), "{within}");
        }
        assert!(!lies_within(&folder.path().join("a"), &data));
    }
}
