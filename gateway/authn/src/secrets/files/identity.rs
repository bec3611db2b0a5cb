//! The seeds of the keys that sign identity tokens: one signs, one may be known before it does, some have signed just now.
//!
//! Each is a file beside the one that signs. Of the others the name says until when they are what they are, in seconds since
//! 1970, so that nothing else needs to be kept in step with them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use domain::{Timestamp, keyformat};
use zeroize::Zeroizing;

use super::{SecretFiles, SecretsFault, fresh, io, make, read, seed, sync_folder, write};
use crate::SystemRandom;

const NEXT: &str = "identity.next.";
const BEFORE: &str = "identity.before.";
const END: &str = ".key";

/// The seeds there are.
pub struct IdentitySeeds {
    /// Of the key that signs.
    pub current: Zeroizing<[u8; 32]>,
    /// Of the one that will, and from when.
    pub next: Option<(Timestamp, Zeroizing<[u8; 32]>)>,
    /// Of those that did, for as long as a token of theirs may be good.
    pub before: Vec<Zeroizing<[u8; 32]>>,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityStep {
    /// The next one signs.
    Used,
    /// One that did is known no more.
    Retired,
}

/// Reads them, and makes the one that signs where there is none.
pub fn identity_seeds(files: &SecretFiles) -> Result<IdentitySeeds, SecretsFault> {
    let current = seed(&files.identity)?;
    let next = named(files, NEXT)?.into_iter().next();
    let next = next.map(|(due, path)| Ok::<_, SecretsFault>((due, read(&path)?))).transpose()?;
    let before = named(files, BEFORE)?.iter().map(|(_, path)| read(path)).collect::<Result<_, _>>()?;
    Ok(IdentitySeeds { current, next, before })
}

/// Makes the next key known, which signs from `due` on. One that waits already stays as it is. Tells from when it signs.
pub fn publish_identity_seed(files: &SecretFiles, due: Timestamp) -> Result<Timestamp, SecretsFault> {
    if let Some((due, _)) = named(files, NEXT)?.first() {
        return Ok(*due);
    }
    make(&beside(files, NEXT, due))?;
    Ok(due)
}

/// Does the first thing that is due, if any is: lets the next key sign, and lets go of one that did as long ago as any token
/// is good. Where a process dies in between, this can be done again.
pub fn tend_identity_seeds(
    files: &SecretFiles,
    now: Timestamp,
    lifetime: Duration,
) -> Result<Option<IdentityStep>, SecretsFault> {
    let due = |prefix: &str| Ok::<_, SecretsFault>(named(files, prefix)?.into_iter().find(|(at, _)| *at <= now));
    if let Some((_, next)) = due(NEXT)? {
        let before = beside(files, BEFORE, now + lifetime);
        match fs::hard_link(&files.identity, &before) {
            Err(cause) if cause.kind() != std::io::ErrorKind::AlreadyExists => return Err(io(&before, cause)),
            _ => {}
        }
        let put = fs::rename(&next, &files.identity).and_then(|()| sync_folder(&files.identity));
        put.map_err(|it| io(&files.identity, it))?;
        return Ok(Some(IdentityStep::Used));
    }
    let Some((_, gone)) = due(BEFORE)? else { return Ok(None) };
    fs::remove_file(&gone).and_then(|()| sync_folder(&gone)).map_err(|it| io(&gone, it))?;
    Ok(Some(IdentityStep::Retired))
}

/// Puts a new seed in the place of all others, at once.
pub fn replace_identity_seeds(files: &SecretFiles) -> Result<(), SecretsFault> {
    let draft = files.identity.with_extension(keyformat::draw_id("new-", 12, &SystemRandom));
    let put = write(&draft, fresh().as_bytes()).and_then(|()| fs::rename(&draft, &files.identity));
    put.map_err(|it| io(&files.identity, it))?;
    for (_, path) in named(files, NEXT)?.into_iter().chain(named(files, BEFORE)?) {
        fs::remove_file(&path).map_err(|it| io(&path, it))?;
    }
    sync_folder(&files.identity).map_err(|it| io(&files.identity, it))
}

fn beside(files: &SecretFiles, prefix: &str, at: Timestamp) -> PathBuf {
    files.identity.with_file_name(format!("{prefix}{}{END}", at.seconds()))
}

/// Those of this kind, the earliest first.
fn named(files: &SecretFiles, prefix: &str) -> Result<Vec<(Timestamp, PathBuf)>, SecretsFault> {
    let Some(folder) = files.identity.parent() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|it| io(folder, it))? {
        let path = entry.map_err(|it| io(folder, it))?.path();
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        let at = name.strip_prefix(prefix).and_then(|it| it.strip_suffix(END)).and_then(|it| it.parse().ok());
        found.extend(at.map(|it| (Timestamp::from_seconds(it), path.clone())));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
    const DAY: Duration = Duration::from_hours(24);
    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn the_next_is_known_before_it_signs_and_the_one_before_as_long_as_its_tokens_are_good() {
        let folder = tempfile::tempdir().unwrap();
        let files = SecretFiles::under(folder.path());
        let first = identity_seeds(&files).unwrap().current;
        assert_eq!(publish_identity_seed(&files, NOW + DAY).unwrap(), NOW + DAY);
        assert_eq!(publish_identity_seed(&files, NOW + DAY * 2).unwrap(), NOW + DAY, "one waits already");
        let seeds = identity_seeds(&files).unwrap();
        let (due, next) = seeds.next.unwrap();
        assert_eq!((due, &seeds.current, seeds.before.len()), (NOW + DAY, &first, 0));
        let tend = |now| tend_identity_seeds(&files, now, MINUTE).unwrap();
        assert_eq!(tend(NOW + DAY - MINUTE), None);
        // As it is when a process died in the middle.
        fs::hard_link(&files.identity, beside(&files, BEFORE, NOW + DAY + MINUTE)).unwrap();
        assert_eq!(tend(NOW + DAY), Some(IdentityStep::Used));
        let seeds = identity_seeds(&files).unwrap();
        assert_eq!((&seeds.current, seeds.next.is_none(), seeds.before), (&next, true, vec![first]));
        assert_eq!([tend(NOW + DAY), tend(NOW + DAY + MINUTE)], [None, Some(IdentityStep::Retired)]);
        assert!(identity_seeds(&files).unwrap().before.is_empty());
    }

    #[test]
    fn in_an_emergency_nothing_is_left_of_those_before() {
        let folder = tempfile::tempdir().unwrap();
        let files = SecretFiles::under(folder.path());
        let first = identity_seeds(&files).unwrap().current;
        publish_identity_seed(&files, NOW).unwrap();
        tend_identity_seeds(&files, NOW, MINUTE).unwrap();
        publish_identity_seed(&files, NOW + DAY).unwrap();
        let second = identity_seeds(&files).unwrap().current;
        replace_identity_seeds(&files).unwrap();
        let seeds = identity_seeds(&files).unwrap();
        assert!(![&first, &second].contains(&&seeds.current) && seeds.next.is_none() && seeds.before.is_empty());
        assert_eq!(fs::read_dir(&files.peppers).unwrap().count(), 1, "nothing else is left lying about");
    }
}
