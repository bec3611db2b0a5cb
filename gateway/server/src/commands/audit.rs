//! `portcullis audit`

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use audit::Broken;
use clap::Subcommand;
use serde::Serialize;

use crate::commands::output::Output;
use crate::settings::Settings;

/// What can be done with the log.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Check that no entry before the last was changed, moved or taken out
    Verify {
        /// The file [default: that of the data folder]
        file: Option<PathBuf>,
    },
}

#[derive(Serialize)]
struct Verdict {
    ok: bool,
    entries: Option<u64>,
    head: Option<String>,
    fault: Option<String>,
}

impl Audit {
    pub(crate) fn run(self, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        let Self::Verify { file } = self;
        let file = file.unwrap_or_else(|| settings.data.join("audit/entries.jsonl"));
        let log = File::open(&file).with_context(|| file.display().to_string())?;
        match audit::verify(BufReader::new(log)) {
            Ok(found) => {
                let words = format!("good: {} entries, head {}", found.lines, found.head);
                let verdict = Verdict { ok: true, entries: Some(found.lines), head: Some(found.head), fault: None };
                output.one(&verdict, &words)?;
                Ok(ExitCode::SUCCESS)
            }
            Err(Broken::Io(cause)) => Err(cause).with_context(|| file.display().to_string()),
            Err(broken) => {
                let words = format!("BROKEN: {broken}");
                let verdict = Verdict { ok: false, entries: None, head: None, fault: Some(broken.to_string()) };
                output.one(&verdict, &words)?;
                Ok(ExitCode::FAILURE)
            }
        }
    }
}
