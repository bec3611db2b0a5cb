//! Noticing that the files of the configuration have changed.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::settings::Settings;

/// Watches until it is dropped.
pub(crate) type Watcher = notify::RecommendedWatcher;

/// How long files must have been left alone before they are read: editors and deployments write in several steps.
const SETTLE: Duration = Duration::from_millis(300);

/// A file by its name, and what it was when it was last looked at.
struct Named {
    path: PathBuf,
    seen: Option<[i64; 4]>,
}

impl Named {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: mark(path) }
    }

    /// Whether it is another by now, which it is too where a link on the way to it was switched.
    fn is_news(&mut self) -> bool {
        let now = mark(&self.path);
        std::mem::replace(&mut self.seen, now) != now
    }
}

/// What tells a file from what else its name may stand for; nothing where there is none.
fn mark(path: &Path) -> Option<[i64; 4]> {
    let marks = |it: Metadata| [it.dev().cast_signed(), it.ino().cast_signed(), it.ctime(), it.ctime_nsec()];
    std::fs::metadata(path).ok().map(marks)
}

/// Watches profiles, documents, policies, the settings file and those of the certificate for as long as the watcher is kept.
pub(crate) fn files(settings: &Settings, changed: mpsc::Sender<()>) -> notify::Result<Watcher> {
    let certificate = settings.tls.iter().flat_map(|it| [&it.certificate, &it.key]);
    let mut named: Vec<Named> = std::iter::once(&settings.file).chain(certificate).map(|it| Named::new(it)).collect();
    let beside = named.iter().map(|it| std::path::absolute(&it.path)).collect::<Result<Vec<_>, _>>()?;
    // Events name absolute paths, whatever the watch was set with.
    let folders = [Some(&settings.apis), settings.guardrails.as_ref()];
    let folders = folders.into_iter().flatten().map(std::path::absolute).collect::<Result<Vec<_>, _>>()?;
    let under = folders.clone();
    // What stands above a folder counts when it is replaced, for the folder goes with it.
    let of_folder = move |path: &PathBuf| under.iter().any(|it| path.starts_with(it) || it.starts_with(path));
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Some(event) = event.ok().filter(|it| !matches!(it.kind, EventKind::Access(_))) else { return };
        // Each is looked at, so that what is news once is not so again.
        let mut news = event.paths.iter().any(&of_folder);
        for it in &mut named {
            news |= it.is_news();
        }
        if news {
            // A full channel already holds the news.
            let _ = changed.try_send(());
        }
    })?;
    for folder in &folders {
        // A deployment puts another folder in its place, or switches a link above it, which a watch on the folder itself
        // would not outlive. They come first, so that no switch goes between the two.
        for above in folder.ancestors().skip(1) {
            let _ = watcher.watch(above, RecursiveMode::NonRecursive);
        }
        watcher.watch(folder, RecursiveMode::Recursive)?;
    }
    // Editors replace a file, which a watch on the file itself would not outlive. What else happens in its folder is no
    // news: the log of the gateway may lie there, and each reload writes a line of it.
    for file in &beside {
        watcher.watch(file.parent().unwrap_or(file), RecursiveMode::NonRecursive)?;
        for above in file.ancestors().skip(2) {
            let _ = watcher.watch(above, RecursiveMode::NonRecursive);
        }
    }
    Ok(watcher)
}

/// Waits until nothing more has changed for a while.
pub(crate) async fn settle(changes: &mut mpsc::Receiver<()>) {
    while let Ok(Some(())) = tokio::time::timeout(SETTLE, changes.recv()).await {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_else_happens_beside_the_settings_file_is_no_news() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("apis")).unwrap();
        std::fs::write(at("portcullis.toml"), "").unwrap();
        let settings = Settings { apis: at("apis"), ..Settings::parse(&at("portcullis.toml"), "").unwrap() };
        let (notice, mut changes) = mpsc::channel(1);
        let _watcher = files(&settings, notice).unwrap();

        // Events come in order, so that news of the second write would be preceded by news of the first.
        std::fs::write(at("gateway.log"), "reloaded").unwrap();
        std::fs::write(at("apis/api.toml"), "name = 1").unwrap();
        assert!(changes.recv().await.is_some());
        settle(&mut changes).await;
        std::fs::write(at("gateway.log"), "reloaded again").unwrap();
        let silence = tokio::time::timeout(SETTLE, changes.recv()).await;
        assert!(silence.is_err(), "a line of the log is no change of the configuration");
    }
}
