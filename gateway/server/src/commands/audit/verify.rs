//! `portcullis audit verify`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use audit::Broken;
use audit::note::Verifier;
use clap::Args;
use serde::Serialize;

use crate::commands::output::Output;

/// Which log is verified, and whose key is believed.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The folder of the log [default: that of the data folder]
    log: Option<PathBuf>,
    /// The key that must have signed it, as `name+id+key` [default: the one that lies beside the log, which proves
    /// nothing against whoever can write there]
    #[arg(long, value_name = "KEY")]
    vkey: Option<Verifier>,
}

#[derive(Serialize)]
struct Verdict {
    ok: bool,
    entries: Option<u64>,
    signed: Option<u64>,
    root: Option<String>,
    fault: Option<String>,
}

impl Verify {
    pub(super) fn run(self, own: impl FnOnce() -> PathBuf, output: Output) -> anyhow::Result<ExitCode> {
        verify(&self.log.unwrap_or_else(own), self.vkey, output)
    }
}

fn verify(log: &Path, named: Option<Verifier>, output: Output) -> anyhow::Result<ExitCode> {
    let key = named.map_or_else(|| key_beside(log), Ok)?;
    match audit::verify(log, &key) {
        Ok(found) => {
            let root = hex::encode(found.root);
            let words = format!(
                "good: {} entries, {} of them signed by {}; root {root}",
                found.entries,
                found.signed,
                key.name()
            );
            let (entries, signed) = (Some(found.entries), Some(found.signed));
            output.one(&Verdict { ok: true, entries, signed, root: Some(root), fault: None }, &words)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(Broken::Read(cause)) => Err(cause).with_context(|| log.display().to_string()),
        Err(broken) => {
            let words = format!("BROKEN: {broken}");
            let fault = Some(broken.to_string());
            output.one(&Verdict { ok: false, entries: None, signed: None, root: None, fault }, &words)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn key_beside(log: &Path) -> anyhow::Result<Verifier> {
    let file = log.join("vkey");
    let named = || format!("`{}`", file.display());
    let text = std::fs::read_to_string(&file).with_context(named)?;
    text.trim().parse().with_context(named)
}
