//! Files that are there whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

/// How the names of drafts end.
const DRAFT: &str = "new";

/// Makes a folder and those above it, for nobody else.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The same, for good: a power cut does not take the folder away with all that was synced inside it.
pub(crate) fn make_folder_durably(path: &Path) -> io::Result<()> {
    let made: Vec<&Path> = path.ancestors().take_while(|it| !it.exists()).collect();
    make_folder(path)?;
    // Also when it was there: a process that died in between made the name, and not for certain.
    sync_names(path)?;
    made.into_iter().skip(1).try_for_each(sync_names)
}

/// Makes a folder within that of a log, and those between. The log itself must be there: where it was moved away, one in its
/// place would be another log.
pub(crate) fn make_within(log: &Path, folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|it| *it != log && !it.exists()).collect();
    missing.into_iter().rev().try_for_each(|it| match DirBuilder::new().mode(0o700).create(it) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    })
}

/// Puts a file in place within a log. After a power cut it may be missing or empty.
pub(crate) fn put(log: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    path.parent().map_or(Ok(()), |it| make_within(log, it))?;
    let (_, draft) = draft(path, bytes)?;
    fs::rename(&draft, path)
}

/// Puts a file in place for good, in a folder that is there.
pub(crate) fn put_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (file, draft) = draft(path, bytes)?;
    file.sync_all()?;
    // Closed under the name of a draft: whoever watches the other name takes one who closes it for somebody else.
    drop(file);
    fs::rename(&draft, path)?;
    sync_names(path)
}

/// Goes on without a file for which there is no room, and leaves nothing of it behind.
pub(crate) fn forgo(path: &Path, cause: io::Error) -> io::Result<()> {
    if cause.kind() != io::ErrorKind::StorageFull {
        return Err(cause);
    }
    tracing::error!(file = %path.display(), "there is no room to keep it");
    match fs::remove_file(draft_of(path)) {
        // There may have been no room for a name.
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Puts a file in place within a log for good, with the folder that it is in.
pub(crate) fn put_within(log: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(log);
    let missing: Vec<&Path> = folder.ancestors().take_while(|it| *it != log && !it.exists()).collect();
    make_within(log, folder)?;
    if let Err(cause) = missing.iter().try_for_each(|it| sync_names(it)) {
        // Who tries again would take a name for certain that is not.
        for it in missing {
            let _ = fs::remove_dir(it);
        }
        return Err(cause);
    }
    put_durably(path, bytes)
}

/// Writes what is in a file from `start` on once more, the very same bytes: only so does what a failed sync gave up reach the
/// disk with the next one. Needs no room, and whoever reads meanwhile finds nothing else.
pub(crate) fn write_from(path: &Path, start: usize, bytes: &[u8]) -> io::Result<()> {
    let file = open_own(path, OpenOptions::new().write(true))?;
    file.write_all_at(bytes.get(start..).unwrap_or_default(), start as u64)
}

/// The same for a whole file; says whether these bytes are what is in it.
pub(crate) fn write_again(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let same = read(path)?.is_some_and(|it| it == bytes);
    if same { write_from(path, 0, bytes).map(|()| true) } else { Ok(false) }
}

/// Takes a file away, as [`crate::changes`] knows it from what others do; not for certain.
pub(crate) fn take_away(path: &Path) -> io::Result<()> {
    let draft = draft_of(path);
    fs::rename(path, &draft)?;
    fs::remove_file(draft)
}

/// Whether a name is that of a file before it is put in place, or after it was taken away.
pub(crate) fn is_draft(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == DRAFT)
}

/// Takes a file for this process alone, for as long as it is held; nothing where another has it.
pub(crate) fn lock(path: &Path) -> io::Result<Option<File>> {
    hold(open_own(path, OpenOptions::new().write(true).create(true).truncate(false))?)
}

/// The same for what is open: a file, or a folder.
pub(crate) fn hold(file: File) -> io::Result<Option<File>> {
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(cause)) => Err(cause),
    }
}

/// Whether another process holds what is at this path; not where nothing is.
pub(crate) fn is_held(path: &Path) -> io::Result<bool> {
    let file = match open(path, OpenOptions::new().read(true), OFlags::NONBLOCK) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(cause)) => Err(cause),
    }
}

/// Opens what this process writes. Waits for nobody and follows nobody: a pipe or a link in the place of a file is refused.
pub(crate) fn open_own(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    plain(path, options.mode(0o600), OFlags::NOFOLLOW | OFlags::NONBLOCK)
}

/// Opens what is to be read. Waits for nobody: a pipe in the place of a file is refused.
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    plain(path, OpenOptions::new().read(true), OFlags::NONBLOCK)
}

fn plain(path: &Path, options: &mut OpenOptions, flags: OFlags) -> io::Result<File> {
    let file = open(path, options, flags)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_file(path)) }
}

fn open(path: &Path, options: &mut OpenOptions, flags: OFlags) -> io::Result<File> {
    let opened = options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default()).open(path);
    opened.map_err(|cause| match Errno::from_io_error(&cause) {
        Some(Errno::LOOP | Errno::NXIO | Errno::ISDIR) => no_file(path),
        _ => cause,
    })
}

fn no_file(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("`{}` is no file", path.display()))
}

/// What stands in a file; nothing where there is none.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = match open_to_read(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut bytes = Vec::with_capacity(usize::try_from(file.metadata()?.len()).unwrap_or_default());
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// The same, and empty where something lies there that is no file: whoever reads on finds it damaged.
pub(crate) fn read_whatever(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match read(path) {
        Err(cause) if cause.kind() == io::ErrorKind::InvalidData => Ok(Some(Vec::new())),
        other => other,
    }
}

/// What stands in a file from a place on, at most so many bytes; nothing where there is no file.
pub(crate) fn read_from(path: &Path, from: u64, most: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match open_to_read(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let length = file.metadata()?.len().saturating_sub(from).min(most);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|it| !it.is_empty()) {
        match file.read_at(rest, from + filled as u64)? {
            // It became shorter meanwhile.
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(Some(bytes))
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Changes a folder without a trace, so that its names are brought to the disk again although a sync of them has failed.
pub(crate) fn touch(folder: &Path) -> io::Result<()> {
    let (_, draft) = draft(&folder.join("touched"), b"")?;
    fs::remove_file(draft)
}

fn sync_names(path: &Path) -> io::Result<()> {
    let above = path.parent().map(|it| if it.as_os_str().is_empty() { Path::new(".") } else { it });
    above.map_or(Ok(()), |it| File::open(it)?.sync_all())
}

fn draft(path: &Path, bytes: &[u8]) -> io::Result<(File, PathBuf)> {
    let draft = draft_of(path);
    let mut file = create(&draft)?;
    if let Err(cause) = file.write_all(bytes) {
        // Half of it is of no use, and takes room that others lack.
        let _ = fs::remove_file(&draft);
        return Err(cause);
    }
    Ok((file, draft))
}

/// Makes a file anew, whatever lay there: what a process that died has left, or what somebody has put in its way.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    match open_own(path, OpenOptions::new().write(true).create_new(true)) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            open_own(path, OpenOptions::new().write(true).create_new(true))
        }
        other => other,
    }
}

/// After the whole name: two files that differ in their endings alone may be drafted at the same time.
fn draft_of(path: &Path) -> PathBuf {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".");
    draft.push(DRAFT);
    PathBuf::from(draft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_no_room_for_leaves_nothing_behind_and_is_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("evidence");
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        forgo(&path, full()).unwrap();
        fs::write(draft_of(&path), b"half of it").unwrap();
        assert!(forgo(&path, io::Error::from(io::ErrorKind::PermissionDenied)).is_err());
        assert!(draft_of(&path).exists());
        forgo(&path, full()).unwrap();
        assert!(!draft_of(&path).exists());
    }

    #[test]
    fn what_lies_where_a_draft_is_made_is_neither_waited_for_nor_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (path, draft, other) =
            (folder.path().join("file"), folder.path().join("file.new"), folder.path().join("other"));
        fs::write(&other, "kept").unwrap();
        let link = |from: &Path| std::os::unix::fs::symlink(&other, from).unwrap();
        let pipe = |at: &Path| {
            assert!(std::process::Command::new("mkfifo").arg(at).status().unwrap().success());
        };
        for lay in [&link as &dyn Fn(&Path), &pipe, &|at| fs::hard_link(&other, at).unwrap()] {
            lay(&draft);
            put_durably(&path, b"whole").unwrap();
            assert_eq!((fs::read(&path).unwrap(), fs::read(&other).unwrap()), (b"whole".to_vec(), b"kept".to_vec()));
            assert!(!path.symlink_metadata().unwrap().is_symlink() && !draft.exists());
        }
        for lay in [&link as &dyn Fn(&Path), &pipe] {
            fs::remove_file(&path).unwrap();
            lay(&path);
            let refused = lock(&path).unwrap_err();
            assert!(refused.to_string().contains("file` is no file"), "{refused}");
        }
        assert!(!is_held(&path).unwrap() && read(&path).is_err());
    }
}
