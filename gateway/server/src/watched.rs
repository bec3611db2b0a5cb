//! Noticing that the files of the configuration have changed.

use std::path::Path;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::settings::Settings;

/// How long files must have been left alone before they are read: editors and deployments write in several steps.
const SETTLE: Duration = Duration::from_millis(300);

/// Watches profiles, documents, policies and the settings file for as long as the watcher is kept.
pub(crate) fn files(settings: &Settings, changed: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let (ours, beside) = (settings.file.file_name().map(ToOwned::to_owned), settings.file.parent().map(Path::to_owned));
    let is_news = move |event: &notify::Event| {
        let ours = |path: &Path| path.parent() != beside.as_deref() || path.file_name() == ours.as_deref();
        !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|it| ours(it))
    };
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|it| is_news(&it)) {
            // A full channel already holds the news.
            let _ = changed.try_send(());
        }
    })?;
    watcher.watch(&settings.apis, RecursiveMode::Recursive)?;
    if let Some(guardrails) = &settings.guardrails {
        watcher.watch(guardrails, RecursiveMode::Recursive)?;
    }
    if settings.file.exists() {
        // Editors replace the file, which a watch on the file itself would not outlive. Its folder may hold the data
        // folder too, whose writes must not look like changes: only direct children are watched, and only one of them counts.
        let folder = settings.file.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

/// Waits until nothing more has changed for a while.
pub(crate) async fn settle(changes: &mut mpsc::Receiver<()>) {
    while let Ok(Some(())) = tokio::time::timeout(SETTLE, changes.recv()).await {}
}
