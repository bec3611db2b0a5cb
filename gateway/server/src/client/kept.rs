//! What a user is signed in with, in a file that only they can read; one command at a time has it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

/// The folder of all of them, in that of the user.
const FOLDER: &str = "credentials";

/// What was given for a sign-in. It has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Tokens {
    /// Who gave them.
    pub(crate) issuer: String,
    /// To which client.
    pub(crate) client: String,
    /// What is asked with.
    pub(crate) access: String,
    /// When it ends, in seconds since 1970.
    pub(crate) expires: i64,
    /// What brings the next.
    pub(crate) refresh: Option<String>,
}

/// What is asked with. It has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum Credential {
    /// A sign-in.
    Tokens(Tokens),
    /// An API key.
    ApiKey {
        /// The key itself.
        key: String,
    },
    /// An access key, which signs.
    AccessKey {
        /// Its public half.
        id: String,
        /// Its secret half, which is shown to nobody but whoever exchanges it.
        secret: String,
        /// What it was exchanged for the last time.
        #[serde(default)]
        exchanged: Option<Exchanged>,
    },
}

/// A token that an access key was exchanged for. It has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Exchanged {
    /// What is asked with.
    pub(crate) access: String,
    /// When it ends, in seconds since 1970.
    pub(crate) expires: i64,
}

/// Where a user keeps them.
#[derive(Clone, Debug)]
pub(crate) struct Safe(PathBuf);

/// What is kept of one profile, while no other command has it.
pub(crate) struct Held {
    file: PathBuf,
    credential: Option<Credential>,
    /// Unlocked when it is closed, however the process ends.
    _lock: File,
}

impl Safe {
    /// In the folder of the user.
    pub(crate) fn under(folder: &Path) -> Self {
        Self(folder.join(FOLDER))
    }

    /// Waits until no other command has what is kept of a profile, and takes it.
    pub(crate) fn hold(&self, profile: &str) -> anyhow::Result<Held> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.with_context(|| format!("`{}` cannot be made", self.0.display()))?;
        let lock = self.0.join(format!("{profile}.lock"));
        let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock);
        let lock = opened.and_then(|it| it.lock().map(|()| it)).with_context(|| format!("`{}`", lock.display()))?;
        let file = self.0.join(format!("{profile}.json"));
        let credential = read(&file)?;
        Ok(Held { file, credential, _lock: lock })
    }
}

impl Held {
    /// What is kept.
    pub(crate) fn credential(&self) -> Option<&Credential> {
        self.credential.as_ref()
    }

    /// Keeps this in the place of whatever was there.
    pub(crate) fn keep(&mut self, credential: Credential) -> anyhow::Result<()> {
        write(&self.file, &serde_json::to_vec(&credential)?)?;
        self.credential = Some(credential);
        Ok(())
    }

    /// Keeps nothing any more.
    pub(crate) fn forget(&mut self) -> anyhow::Result<()> {
        self.credential = None;
        match std::fs::remove_file(&self.file) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                Err(cause).with_context(|| format!("`{}` cannot be removed", self.file.display()))
            }
            _ => Ok(()),
        }
    }
}

fn read(file: &Path) -> anyhow::Result<Option<Credential>> {
    let named = || format!("`{}`", file.display());
    let text = match std::fs::metadata(file) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(cause).with_context(named),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            bail!("{} can be read or changed by others; help: chmod 600 it", named())
        }
        Ok(_) => zeroize::Zeroizing::new(std::fs::read_to_string(file).with_context(named)?),
    };
    // Nothing of the text is in what is wrong with it: it is a secret.
    let read = serde_json::from_str(&text);
    read.map(Some).map_err(|_| anyhow::anyhow!("{} cannot be read; help: `portcullis login`", named()))
}

/// Writes a file that only its owner can read, whole or not at all.
pub(super) fn write(file: &Path, text: &[u8]) -> anyhow::Result<()> {
    let named = || format!("`{}` cannot be written", file.display());
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(named)?;
    }
    let new = file.with_extension(format!("new.{}", std::process::id()));
    let open = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new);
    let written = open.and_then(|mut it| it.write_all(text).and_then(|()| it.sync_all()));
    written.and_then(|()| std::fs::rename(&new, file)).with_context(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(access: &str) -> Credential {
        Credential::Tokens(Tokens {
            issuer: "https://a".to_owned(),
            client: "cli_1".to_owned(),
            access: access.to_owned(),
            expires: 7,
            refresh: None,
        })
    }

    fn access(held: &Held) -> Option<&str> {
        match held.credential() {
            Some(Credential::Tokens(it)) => Some(&it.access),
            Some(Credential::ApiKey { key } | Credential::AccessKey { secret: key, .. }) => Some(key),
            None => None,
        }
    }

    #[test]
    fn only_its_owner_reads_what_is_kept_and_what_others_could_read_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let safe = Safe::under(folder.path());
        let mut held = safe.hold("default").unwrap();
        assert_eq!(access(&held), None);
        held.keep(tokens("one")).unwrap();
        drop(held);
        let file = folder.path().join(FOLDER).join("default.json");
        let mode = |it: &Path| std::fs::metadata(it).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
        assert_eq!(access(&safe.hold("default").unwrap()), Some("one"));
        assert_eq!(access(&safe.hold("other").unwrap()), None);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(safe.hold("default").is_err());
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut held = safe.hold("default").unwrap();
        held.forget().unwrap();
        held.forget().unwrap();
        assert!(!file.exists());
        std::fs::write(&file, "secret-that-is-no-json").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        drop(held);
        let told = format!("{:#}", safe.hold("default").err().unwrap());
        assert!(!told.contains("secret-that"), "{told}");
    }

    #[test]
    fn one_command_at_a_time_has_what_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let safe = Safe::under(folder.path());
        let mut held = safe.hold("default").unwrap();
        let (began, waiting) = std::sync::mpsc::channel();
        let second = std::thread::spawn(move || {
            began.send(()).unwrap();
            access(&safe.hold("default").unwrap()).map(str::to_owned)
        });
        waiting.recv().unwrap();
        held.keep(tokens("first")).unwrap();
        drop(held);
        assert_eq!(second.join().unwrap().as_deref(), Some("first"), "it sees what the one before has kept");
    }
}
