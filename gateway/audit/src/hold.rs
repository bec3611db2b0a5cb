//! Legal holds: while any is in force, nothing is pruned and nobody is erased.
//!
//! A hold names what it is about for people; the rule is the same for all of them, so that no hold can be too narrow.

use std::io;
use std::path::{Path, PathBuf};

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::disk;

/// The longest name of a hold.
const LONGEST: usize = 64;

/// The name of a hold: lower-case letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldName(String);

/// A text that names no hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hold is named with 1 to {LONGEST} lower-case letters, digits, `-` and `_`")]
pub struct BadHoldName;

impl std::str::FromStr for HoldName {
    type Err = BadHoldName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || matches!(it, b'-' | b'_');
        let good = (1..=LONGEST).contains(&text.len()) && text.bytes().all(fits);
        if good { Ok(Self(text.to_owned())) } else { Err(BadHoldName) }
    }
}

impl std::fmt::Display for HoldName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is said of a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Whose matter it is, where it is that of one tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Who placed it.
    pub actor: String,
    /// Since when it is in force.
    pub since: Timestamp,
}

/// Puts a hold in force, for certain. One of this name that is in force already stays as it is; says whether it is new.
pub fn place_hold(log: &Path, name: &HoldName, hold: &Hold) -> io::Result<bool> {
    let path = path(log, name);
    if path.exists() {
        return Ok(false);
    }
    disk::put_within(log, &path, &serde_json::to_vec(hold)?).map(|()| true)
}

/// Ends a hold. Says whether there was one.
pub fn release_hold(log: &Path, name: &HoldName) -> io::Result<bool> {
    match disk::take_away(&path(log, name)) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause),
        Ok(()) => disk::sync_folder(&folder(log)).map(|()| true),
    }
}

/// The holds in force by their names, in order. One that says nothing that can be read is in force as well.
pub fn holds(log: &Path) -> io::Result<Vec<(String, Option<Hold>)>> {
    let found = match std::fs::read_dir(folder(log)) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut holds = Vec::new();
    for it in found {
        let it = it?;
        let name = it.file_name().to_string_lossy().into_owned();
        let hold = disk::read(&it.path())?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        // No name has a dot: one that was being placed when the process died was not placed.
        if !name.contains('.') {
            holds.push((name, hold));
        }
    }
    holds.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(holds)
}

fn folder(log: &Path) -> PathBuf {
    log.join("holds")
}

fn path(log: &Path, name: &HoldName) -> PathBuf {
    folder(log).join(&name.0)
}
