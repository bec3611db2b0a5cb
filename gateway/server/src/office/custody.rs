//! Whether the secrets that a next start needs are where they were: memory holds them, and nobody would miss them until then.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use admin::Condition;
use audit::{Log, Notice};
use authn::SecretFiles;
use domain::Timestamp;

/// The files without which no other run can go on as this one does: it would not start, or be another to the APIs behind.
pub(super) struct Secrets {
    data: PathBuf,
    files: Vec<PathBuf>,
    missing: Mutex<BTreeSet<PathBuf>>,
}

impl Secrets {
    /// Those that are there at a start.
    pub(super) fn beneath(data: &Path) -> Self {
        let SecretFiles { peppers, master, audit, identity, .. } = SecretFiles::under(data);
        let all = std::fs::read_dir(peppers).into_iter().flatten().flatten().map(|it| it.path());
        let version = |it: &PathBuf| it.extension()?.to_str()?.strip_prefix('v')?.parse::<u32>().ok();
        let newest = all.filter_map(|it| Some((version(&it)?, it))).max().map(|(_, it)| it);
        let files = [master, audit, identity].into_iter().chain(newest).collect();
        Self { data: data.to_owned(), files, missing: Mutex::default() }
    }

    /// Says which have gone since the last look, and which are back.
    pub(super) fn look(&self, log: &Log, now: Timestamp) {
        let gone: BTreeSet<PathBuf> = self.files.iter().filter(|it| !it.is_file()).cloned().collect();
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        for path in gone.difference(&missing) {
            let file = self.named(path);
            tracing::error!(file, "a secret was taken away: put it back before the next start, which needs it");
            let _ = log.note(&Notice::control("missing", now).with("file", file));
        }
        for path in missing.difference(&gone) {
            let what = self.named(path);
            tracing::warn!(what, "a secret that was taken away is back: whether it is the same, the next start says");
            let _ = log.note(&Notice::control("restored", now).with("what", what));
        }
        *missing = gone;
    }

    /// As it is told to who asks how the gateway is; nothing while all is well.
    pub(super) fn condition(&self) -> Option<Condition> {
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let first = self.named(missing.first()?);
        let detail = format!("{} files are missing, `{first}` among them: put them back", missing.len());
        Some(Condition { name: "secrets", ok: false, detail })
    }

    fn named(&self, path: &Path) -> String {
        path.strip_prefix(&self.data).unwrap_or(path).display().to_string()
    }
}
