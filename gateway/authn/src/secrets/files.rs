//! Peppers, the master key and the seeds of keys that sign, as files: made at first use, refused when anyone but their owner may read them.

mod identity;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use domain::{Random, keyformat};
use zeroize::Zeroizing;

pub use identity::{
    IdentitySeeds, IdentityStep, identity_seeds, publish_identity_seed, replace_identity_seeds, tend_identity_seeds,
};

use super::{MasterKey, Peppers, Secrets};
use crate::SystemRandom;

/// How much of a file is read: more than any secret has.
const LONGEST: u64 = 1024;

/// Where the secrets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFiles {
    /// The folder of `pepper.v1`, `pepper.v2` and so on.
    pub peppers: PathBuf,
    /// The file of the master key.
    pub master: PathBuf,
    /// The file of the seed that the audit log is signed with.
    pub audit: PathBuf,
    /// The same before that, while the newer key takes over from it.
    pub audit_before: PathBuf,
    /// Where it is said how much was signed for. No secret, but to be kept where only the gateway can write.
    pub audit_newest: PathBuf,
    /// The file of the seed that identity tokens are signed with.
    pub identity: PathBuf,
}

/// A secret could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum SecretsFault {
    /// The file or folder cannot be read or written.
    #[error("`{path}` cannot be read or made: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Others than its owner have rights to the file.
    #[error("`{path}` has mode {mode:o}: others than its owner may read or change it; help: chmod {right:o} it")]
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Those that it should have.
        right: u32,
    },
    /// A key is taking over from another already.
    #[error("`{path}` is there: the key takes over from another one, and that must be finished first")]
    Unfinished {
        /// The file of the older key.
        path: PathBuf,
    },
    /// The file is not what it should be.
    #[error("`{path}` does not hold 64 hexadecimal digits; help: restore it, or make one with `openssl rand -hex 32`")]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

impl SecretFiles {
    /// Where they are when nothing else is said: `<data>/secrets/`.
    pub fn under(data: &Path) -> Self {
        let folder = data.join("secrets");
        Self {
            master: folder.join("master.key"),
            audit: folder.join("audit.key"),
            audit_before: folder.join("audit.before.key"),
            audit_newest: folder.join("audit.newest"),
            identity: folder.join("identity.key"),
            peppers: folder,
        }
    }
}

impl Secrets {
    /// Reads the secrets, and makes those that have never been.
    pub fn open(files: &SecretFiles) -> Result<Self, SecretsFault> {
        Ok(Self::new(Peppers::open(&files.peppers)?, MasterKey::open(&files.master)?))
    }
}

impl Peppers {
    /// Reads every `pepper.v<number>` of the folder; makes `pepper.v1` where there is none.
    pub fn open(folder: &Path) -> Result<Self, SecretsFault> {
        make_folder(folder)?;
        let mut versions = Vec::new();
        for entry in fs::read_dir(folder).map_err(|it| io(folder, it))? {
            let path = entry.map_err(|it| io(folder, it))?.path();
            if let Some(version) = version_of(&path) {
                versions.push((version, *read(&path)?));
            }
        }
        let peppers = Self::new(versions.drain(..));
        if let Some(peppers) = peppers {
            return Ok(peppers);
        }
        let first = folder.join("pepper.v1");
        Self::new([(1, *read_or_make(&first)?)]).ok_or(SecretsFault::Malformed { path: first })
    }

    /// Makes the next pepper, which every key moves to at its next use. Tells its version.
    pub fn add(folder: &Path) -> Result<u16, SecretsFault> {
        let next = Self::open(folder)?.current().version().saturating_add(1);
        make(&folder.join(format!("pepper.v{next}")))?;
        Ok(next)
    }
}

impl MasterKey {
    /// Reads the master key; makes it where there is none.
    pub fn open(path: &Path) -> Result<Self, SecretsFault> {
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        Self::from_bytes(*read_or_make(path)?).map_err(|_| SecretsFault::Malformed { path: path.to_owned() })
    }
}

/// Reads the 32 bytes that a signing key is made from; makes them where there are none.
pub fn seed(path: &Path) -> Result<Zeroizing<[u8; 32]>, SecretsFault> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    read_or_make(path)
}

/// The seed that another is taking over from, if one is.
pub fn seed_before(path: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, SecretsFault> {
    match read(path) {
        Err(SecretsFault::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Puts another seed in the place of the one at `path`, which is kept at `before`. Where a process dies in between, both
/// are the same, and this can be done again.
pub fn replace_seed(path: &Path, before: &Path) -> Result<(), SecretsFault> {
    let seed = read(path)?;
    match seed_before(before)? {
        None => fs::hard_link(path, before).map_err(|it| io(before, it))?,
        Some(kept) if *kept == *seed => {}
        Some(_) => return Err(SecretsFault::Unfinished { path: before.to_owned() }),
    }
    let draft = path.with_extension(keyformat::draw_id("new-", 12, &SystemRandom));
    let put = write(&draft, fresh().as_bytes()).and_then(|()| fs::rename(&draft, path));
    put.and_then(|()| sync_folder(path)).map_err(|it| io(path, it))
}

/// Puts the seed that was kept back in its place.
pub fn restore_seed(path: &Path, before: &Path) -> Result<(), SecretsFault> {
    fs::rename(before, path).and_then(|()| sync_folder(path)).map_err(|it| io(path, it))
}

/// Lets go of the seed that was taken over from.
pub fn forget_seed(before: &Path) -> Result<(), SecretsFault> {
    fs::remove_file(before).and_then(|()| sync_folder(before)).map_err(|it| io(before, it))
}

/// Reads a secret that somebody else made, as it is written. It is for its owner alone as well.
pub fn text(path: &Path) -> Result<Zeroizing<String>, SecretsFault> {
    let file = File::open(path).map_err(|it| io(path, it))?;
    let mode = file.metadata().map_err(|it| io(path, it))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretsFault::Exposed { path: path.to_owned(), mode, right: 0o600 });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(LONGEST).read_to_string(&mut text).map_err(|it| io(path, it))?;
    Ok(text)
}

/// Refuses a file or a folder of secrets that others than its owner may read or change. What is not there is for nobody.
pub fn keep_private(path: &Path) -> Result<(), SecretsFault> {
    let found = match fs::metadata(path) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|it| io(path, it))?,
    };
    let (mode, right) = (found.permissions().mode() & 0o777, if found.is_dir() { 0o700 } else { 0o600 });
    if mode & 0o077 != 0 {
        return Err(SecretsFault::Exposed { path: path.to_owned(), mode, right });
    }
    Ok(())
}

fn version_of(path: &Path) -> Option<u16> {
    path.file_name()?.to_str()?.strip_prefix("pepper.v")?.parse().ok()
}

fn make_folder(folder: &Path) -> Result<(), SecretsFault> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|it| io(folder, it))
}

fn read_or_make(path: &Path) -> Result<Zeroizing<[u8; 32]>, SecretsFault> {
    match read(path) {
        Err(SecretsFault::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            make(path)?;
            read(path)
        }
        other => other,
    }
}

fn read(path: &Path) -> Result<Zeroizing<[u8; 32]>, SecretsFault> {
    let text = text(path)?;
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), &mut *bytes).map_err(|_| SecretsFault::Malformed { path: path.to_owned() })?;
    Ok(bytes)
}

/// Makes the file unless another process has just done so. It appears whole or not at all: a second process that starts
/// at the same moment must never read half a secret.
fn make(path: &Path) -> Result<(), SecretsFault> {
    let text = fresh();
    let draft = path.with_extension(keyformat::draw_id("new-", 12, &SystemRandom));
    let written = write(&draft, text.as_bytes()).and_then(|()| match fs::hard_link(&draft, path) {
        Err(taken) if taken.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    let removed = fs::remove_file(&draft);
    written.and(removed).and_then(|()| sync_folder(path)).map_err(|it| io(path, it))
}

/// A secret that nobody has seen, as it is written down.
fn fresh() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 32]);
    SystemRandom.fill(&mut *bytes);
    Zeroizing::new(hex::encode(*bytes))
}

fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn io(path: &Path, source: std::io::Error) -> SecretsFault {
    SecretsFault::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use domain::Vault;

    use super::*;

    fn digest(secrets: &Secrets) -> domain::KeySecret {
        secrets.keep_minted("key")
    }

    #[test]
    fn secrets_are_made_once_and_read_ever_after() {
        let folder = tempfile::tempdir().unwrap();
        let files = SecretFiles::under(folder.path());
        let first = digest(&Secrets::open(&files).unwrap());
        assert_eq!(digest(&Secrets::open(&files).unwrap()), first);
        let mut names: Vec<_> =
            fs::read_dir(&files.peppers).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["master.key", "pepper.v1"], "nothing else is left lying about");
    }

    #[test]
    fn what_is_made_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let files = SecretFiles::under(folder.path());
        Secrets::open(&files).unwrap();
        for path in [files.peppers.join("pepper.v1"), files.master.clone()] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
        }
        assert_eq!(fs::metadata(&files.peppers).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_seed_that_is_replaced_is_kept_until_it_is_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let files = SecretFiles::under(folder.path());
        let first = seed(&files.audit).unwrap();
        assert_eq!(seed_before(&files.audit_before).unwrap(), None);
        // As it is when a process dies in the middle.
        fs::hard_link(&files.audit, &files.audit_before).unwrap();
        replace_seed(&files.audit, &files.audit_before).unwrap();
        let second = seed(&files.audit).unwrap();
        assert_eq!(seed_before(&files.audit_before).unwrap(), Some(first.clone()));
        assert_ne!(first, second);
        let again = replace_seed(&files.audit, &files.audit_before).unwrap_err();
        assert!(matches!(again, SecretsFault::Unfinished { .. }), "{again}");
        assert_eq!(seed(&files.audit).unwrap(), second);
        restore_seed(&files.audit, &files.audit_before).unwrap();
        assert_eq!((seed(&files.audit).unwrap(), seed_before(&files.audit_before).unwrap()), (first, None));
        replace_seed(&files.audit, &files.audit_before).unwrap();
        forget_seed(&files.audit_before).unwrap();
        assert_eq!(seed_before(&files.audit_before).unwrap(), None);
        assert_eq!(fs::metadata(&files.audit).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&files.peppers).unwrap().count(), 1, "nothing else is left lying about");
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let files = SecretFiles::under(folder.path());
        Secrets::open(&files).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o777] {
            fs::set_permissions(&files.master, fs::Permissions::from_mode(mode)).unwrap();
            let fault = Secrets::open(&files).unwrap_err();
            assert!(matches!(fault, SecretsFault::Exposed { mode: found, .. } if found == mode), "{fault}");
        }
    }

    #[test]
    fn a_broken_secret_is_a_fault_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let files = SecretFiles::under(folder.path());
        Secrets::open(&files).unwrap();
        for broken in ["", "abc", &"g".repeat(64), &"a".repeat(66)] {
            fs::write(&files.master, broken).unwrap();
            assert!(matches!(Secrets::open(&files), Err(SecretsFault::Malformed { .. })), "{broken}");
            assert_eq!(fs::read_to_string(&files.master).unwrap(), broken);
        }
    }

    #[test]
    fn many_that_start_at_once_agree_on_one_secret() {
        let folder = tempfile::tempdir().unwrap();
        let files = SecretFiles::under(folder.path());
        let digests: Vec<_> = std::thread::scope(|scope| {
            let started: Vec<_> = (0..8).map(|_| scope.spawn(|| digest(&Secrets::open(&files).unwrap()))).collect();
            started.into_iter().map(|it| it.join().unwrap()).collect()
        });
        assert!(digests.iter().all(|it| *it == digests[0]));
    }

    #[test]
    fn a_new_pepper_takes_over_and_the_old_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let files = SecretFiles::under(folder.path());
        let before = Secrets::open(&files).unwrap();
        assert_eq!(Peppers::add(&files.peppers).unwrap(), 2);
        let after = Secrets::open(&files).unwrap();
        assert_ne!(digest(&before), digest(&after));
        assert_eq!(after.peppers().all().map(super::super::Pepper::version).collect::<Vec<_>>(), [2, 1]);
        assert!(after.marks().contains(&before.marks()[0]));
    }
}
