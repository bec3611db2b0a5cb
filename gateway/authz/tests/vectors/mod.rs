//! Where public test vectors lie, beside the workspace and not in it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A file under `shared/vectors`, or `None` where nobody has put it there. Who runs tests is not shown what those that pass say,
/// so that what was left out is written down as well, in `skipped` beside what was built: `make test` ends with it.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let here = std::env::current_dir().unwrap_or_default();
    let found = here.ancestors().map(|it| it.join("shared/vectors").join(name)).find(|it| it.exists());
    if found.is_none() {
        let line = format!("no shared/vectors/{name} above {}: its cases were not run", here.display());
        println!("SKIPPED: {line}");
        if let Err(cause) = write_down(&line) {
            println!("and nobody is told so: {cause}");
        }
    }
    found
}

/// In one write, because several tests do so at once.
fn write_down(line: &str) -> std::io::Result<()> {
    let test = std::env::current_exe()?;
    let built = test.ancestors().nth(2).unwrap_or(Path::new("."));
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(built.join("skipped"))?;
    file.write_all(format!("{line}\n").as_bytes())
}
