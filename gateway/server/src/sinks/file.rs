//! Lines at the end of a file that only ends with whole ones, and that is followed by another before it is too long.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// How much is read at once in search of the end of the last whole line.
const STEP: u64 = 64 * 1024;

/// How much of a file is read for its first line.
const FIRST_LINE: u64 = 512 * 1024;

/// The file that lines go to.
#[derive(Debug)]
pub(super) struct Rotated {
    path: PathBuf,
    rotate_bytes: u64,
    /// Nothing before the first line, and after a fault: nobody knows what became of the last write then.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// How long it is, and the number of its first entry, once it has one.
    length: u64,
    first: Option<u64>,
}

impl Rotated {
    pub(super) fn new(path: PathBuf, rotate_bytes: u64) -> Self {
        Self { path, rotate_bytes, open: None }
    }

    /// Writes whole lines, of which the first is the entry of this number, and makes certain that they are on the disk.
    pub(super) fn append(&mut self, lines: &[u8], first: u64) -> io::Result<()> {
        let mut open = match self.open.take().filter(|it| is_there(it, &self.path)) {
            Some(open) => open,
            None => Open::at(&self.path)?,
        };
        if open.length > 0 && open.length + lines.len() as u64 > self.rotate_bytes {
            put_aside(&self.path, open.first.unwrap_or_default())?;
            open = Open::at(&self.path)?;
        }
        open.file.write_all(lines)?;
        open.file.sync_data()?;
        open.length += lines.len() as u64;
        open.first = open.first.or(Some(first));
        self.open = Some(open);
        Ok(())
    }
}

impl Open {
    /// Opens or makes it, and cuts off what is no whole line: it comes again.
    fn at(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
        }
        let length = whole_lines(&file, &found)?;
        if length < found.len() {
            file.set_len(length)?;
        }
        file.sync_all()?;
        sync_names(path)?;
        let first = first_of(&mut file)?;
        Ok(Self { file, length, first })
    }
}

/// How long a file is up to the end of its last whole line.
fn whole_lines(file: &File, found: &Metadata) -> io::Result<u64> {
    let mut end = found.len();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let mut read = vec![0; usize::try_from(end - start).unwrap_or_default()];
        file.read_exact_at(&mut read, start)?;
        if let Some(at) = memchr::memrchr(b'\n', &read) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// The number of the first entry in a file, in either format.
fn first_of(file: &mut File) -> io::Result<Option<u64>> {
    file.seek(SeekFrom::Start(0))?;
    let mut start = Vec::new();
    file.take(FIRST_LINE).read_to_end(&mut start)?;
    let line = start.split(|it| *it == b'\n').next().unwrap_or_default();
    let line: Value = serde_json::from_slice(line).unwrap_or_default();
    let number = line.get("seq").and_then(Value::as_u64);
    Ok(number.or_else(|| line.pointer("/metadata/uid")?.as_str()?.parse().ok()))
}

/// Gives a file its lasting name. Nothing that has such a name already is written over.
fn put_aside(path: &Path, first: u64) -> io::Result<()> {
    for again in 0_u32.. {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{first:020}"));
        if again > 0 {
            name.push(format!("-{again}"));
        }
        if Path::new(&name).symlink_metadata().is_err_and(|it| it.kind() == io::ErrorKind::NotFound) {
            std::fs::rename(path, &name)?;
            return sync_names(path);
        }
    }
    Ok(())
}

/// Whether a file is still the one of this name, and as it was left: what is written to one that was taken away is gone.
fn is_there(open: &Open, path: &Path) -> bool {
    let is_same = |one: &Metadata, other: &Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
    let found = path.metadata().ok().zip(open.file.metadata().ok());
    found.is_some_and(|(there, here)| is_same(&there, &here) && here.len() == open.length)
}

fn sync_names(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn lines(numbers: std::ops::Range<u64>) -> Vec<u8> {
        numbers.flat_map(|it| format!("{{\"seq\":{it},\"fill\":\"{}\"}}\n", "x".repeat(100)).into_bytes()).collect()
    }

    fn names(folder: &Path) -> Vec<String> {
        let found = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = found.collect();
        names.sort();
        names
    }

    #[test]
    fn a_torn_line_is_cut_and_what_is_whole_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        for (torn, kept) in [
            (lines(0..2), lines(0..2)),
            ([lines(0..2), b"{\"seq\":2,".to_vec()].concat(), lines(0..2)),
            (b"{\"se".to_vec(), Vec::new()),
            ([lines(0..1), vec![b'x'; 200_000]].concat(), lines(0..1)),
            (Vec::new(), Vec::new()),
        ] {
            std::fs::write(&path, torn).unwrap();
            let mut file = Rotated::new(path.clone(), 1 << 20);
            file.append(&lines(7..8), 7).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), [kept, lines(7..8)].concat());
        }
    }

    #[test]
    fn a_long_file_is_put_aside_by_its_first_entry_and_none_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let limit = lines(10..20).len() as u64;
        let mut file = Rotated::new(path.clone(), limit);
        for at in 0..5 {
            file.append(&lines(at * 5..at * 5 + 5), at * 5).unwrap();
        }
        let aside = |first: u64| format!("out.{first:020}");
        assert_eq!(names(folder.path()), ["out".to_owned(), aside(0), aside(10)]);
        assert_eq!(std::fs::read(folder.path().join(aside(10))).unwrap(), lines(10..20));
        // After a restart it is still known what it begins with.
        let mut file = Rotated::new(path.clone(), limit);
        file.append(&lines(25..30), 25).unwrap();
        file.append(&lines(0..10), 0).unwrap();
        file.append(&lines(10..11), 10).unwrap();
        assert_eq!(
            names(folder.path()),
            ["out".to_owned(), aside(0), aside(0) + "-1", aside(10), aside(20)],
            "the first one was written over"
        );
        assert_eq!(std::fs::read(folder.path().join(aside(0))).unwrap(), lines(0..10));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_was_taken_away_or_written_to_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut file = Rotated::new(path.clone(), 1 << 20);
        file.append(&lines(0..1), 0).unwrap();
        std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        file.append(&lines(1..2), 1).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), lines(1..2));
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"torn").unwrap();
        file.append(&lines(2..3), 2).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), lines(1..3));
        assert!(Rotated::new(folder.path().to_owned(), 1 << 20).append(b"", 0).is_err(), "a folder");
    }
}
