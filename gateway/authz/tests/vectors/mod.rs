//! Where public test vectors lie, beside the workspace and not in it.

use std::path::PathBuf;

/// A file under `shared/vectors`, or `None` with a line that says what was left out.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let here = std::env::current_dir().unwrap_or_default();
    let found = here.ancestors().map(|it| it.join("shared/vectors").join(name)).find(|it| it.exists());
    if found.is_none() {
        println!("SKIPPED: no shared/vectors/{name} above {}: its cases were not run", here.display());
    }
    found
}
