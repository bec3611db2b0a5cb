//! The layer, compiled once for a test and put in front of a command.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A compiled layer. It is removed with this value.
#[derive(Debug)]
pub struct Layer {
    folder: TempDir,
}

impl Layer {
    /// Compiles it, with the compiler that every machine has.
    #[track_caller]
    pub fn compile() -> Self {
        let folder = tempfile::Builder::new().prefix("portcullis-faults-").tempdir().expect("a temporary folder");
        let source = folder.path().join("layer.c");
        std::fs::write(&source, include_str!("layer.c")).expect("a file of the test");
        let layer = Self { folder };
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(layer.library()).arg(source);
        let done = command.output().unwrap_or_else(|error| panic!("no C compiler: {error}"));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        layer
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("layer.so")
    }

    /// What a command must find in its environment, so that calls beneath `watched` go by the plan. What they did is
    /// written to `journal`; how plans are written stands at the head of `layer.c`.
    #[track_caller]
    pub fn around(&self, watched: &Path, journal: &Path, plan: &str) -> [(&'static str, PathBuf); 4] {
        // The folder itself need not be there yet.
        let above = watched.parent().expect("a folder in a folder").canonicalize().expect("a folder above");
        let watched = above.join(watched.file_name().expect("a name"));
        [
            ("LD_PRELOAD", self.library()),
            ("FAULTS_FOLDER", watched),
            ("FAULTS_JOURNAL", journal.to_owned()),
            ("FAULTS_PLAN", plan.into()),
        ]
    }
}
