//! Legal holds: while any is in force, nothing is pruned and nobody is erased.
//!
//! A hold names what it is about for people; the rule is the same for all of them, so that no hold can be too narrow.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::disk;

/// The longest name of a hold.
const LONGEST: usize = 64;

/// What the name of a file ends with that says who has ended a hold last.
const ENDED: &str = "released";

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

/// Puts a hold in force, for certain. One of this name that is in force already stays as it is; says whether this very one
/// is in force: who was interrupted and places it again has placed it.
pub fn place_hold(log: &Path, name: &HoldName, hold: &Hold) -> io::Result<bool> {
    let _turn = turn(log)?;
    let path = path(log, name);
    if path.exists() && read(&path)?.as_ref() != Some(hold) {
        return Ok(false);
    }
    // Once more where it is there: who was interrupted does not know that it is there for certain.
    disk::put_within(log, &path, &serde_json::to_vec(hold)?).map(|()| true)
}

/// Ends a hold. Says whether there was one, or whether this very release has ended it before. `by` is who ends it, and when.
pub fn release_hold(log: &Path, name: &HoldName, by: &Hold) -> io::Result<bool> {
    let (path, ended) = (path(log, name), folder(log).join(format!("{name}.{ENDED}")));
    if !path.exists() {
        let is_this = read(&ended)?.as_ref() == Some(by);
        if is_this {
            // Who was interrupted does not know that it is gone for certain.
            disk::touch(&folder(log)).and_then(|()| disk::sync_folder(&folder(log)))?;
        }
        return Ok(is_this);
    }
    // First, so that whoever is interrupted after the hold is gone finds who has ended it.
    disk::put_within(log, &ended, &serde_json::to_vec(by)?)?;
    match disk::take_away(&path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause),
        Ok(()) => disk::sync_folder(&folder(log)).map(|()| true),
    }
}

/// Waits for the turn of one who puts a hold in force, or looks whether any is and lets something go: what goes has gone
/// before the hold is in force, or stays. It is theirs until what is given is dropped.
pub(crate) fn turn(log: &Path) -> io::Result<File> {
    let folder = folder(log);
    disk::make_within(log, &folder)?;
    // For certain, also where somebody died who made it.
    disk::sync_folder(log)?;
    let turn = File::open(folder)?;
    turn.lock()?;
    Ok(turn)
}

/// What a file says of a hold; nothing where there is none, or nothing that can be read.
fn read(path: &Path) -> io::Result<Option<Hold>> {
    Ok(disk::read(path)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
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
        // No name has a dot: one that was being placed when the process died was not placed, and one that has ended is none.
        if !name.contains('.') {
            holds.push((name, read(&it.path())?));
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
