//! Walks the checkout. Paths are given and returned as they would be typed at its root.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Folders that are made, not written.
const MADE: [&str; 7] = [".git", "target", "node_modules", ".cache", "__pycache__", ".venv", "dist"];

/// Files that tools write, and whose words are not ours.
const WRITTEN_BY_TOOLS: [&str; 3] = ["Cargo.lock", "package-lock.json", "LICENSE"];

/// The folders under `gateway/` that are crates.
pub(crate) fn rooms() -> io::Result<Vec<String>> {
    let mut rooms = Vec::new();
    for found in fs::read_dir(root().join("gateway"))? {
        let path = found?.path();
        if path.join("Cargo.toml").is_file() {
            rooms.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    rooms.sort();
    Ok(rooms)
}

/// The text of one file.
pub(crate) fn read(file: &str) -> io::Result<String> {
    fs::read_to_string(root().join(file)).map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")))
}

/// Every Rust file below a folder.
pub(crate) fn rust_files(folder: &str) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    walk(&root().join(folder), &mut files)?;
    files.retain(|file| Path::new(file).extension().is_some_and(|it| it == "rs"));
    Ok(files)
}

/// Every text of the project with its content. What is not UTF-8 is no text.
pub(crate) fn texts() -> io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    walk(&root(), &mut files)?;
    let ours = |file: &String| !WRITTEN_BY_TOOLS.iter().any(|it| file.ends_with(it));
    Ok(files.into_iter().filter(ours).filter_map(|file| read(&file).ok().map(|text| (file, text))).collect())
}

fn walk(folder: &Path, files: &mut Vec<String>) -> io::Result<()> {
    for found in fs::read_dir(folder)? {
        let found = found?;
        let name = found.file_name().to_string_lossy().into_owned();
        // A link may lead out of the checkout; what it leads to inside is met anyway.
        let kind = found.file_type()?;
        if kind.is_dir() && !MADE.contains(&name.as_str()) {
            walk(&found.path(), files)?;
        } else if kind.is_file() {
            files.extend(found.path().strip_prefix(root()).map(|it| it.to_string_lossy().into_owned()));
        }
    }
    Ok(())
}

fn root() -> PathBuf {
    let own = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    own.parent().unwrap_or(&own).to_owned()
}
