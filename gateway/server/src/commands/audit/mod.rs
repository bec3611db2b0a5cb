//! `portcullis audit`

mod asked;
mod export;
mod prove;
mod query;
mod tail;
mod verify;

use std::process::ExitCode;

use clap::Subcommand;

use crate::commands::output::Output;
use crate::settings::Settings;

/// What can be done with the log.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Check that nothing that was signed for was changed, moved or taken out
    Verify(verify::Verify),
    /// Print a proof that an entry is in the log, or that the log has only grown since an older checkpoint
    Prove(prove::Prove),
    /// Hold a proof to a key
    CheckProof(prove::CheckProof),
    /// Print entries in the order in which they were written; as JSON, one a line
    Query(query::Query),
    /// Print the last entries and then each one as it is written, until told to end
    Tail(tail::Tail),
    /// Write entries to a file for auditors or for a system that gathers security events
    Export(export::Export),
    /// Hold an export to a key
    CheckExport(export::CheckExport),
}

impl Audit {
    pub(crate) fn run(self, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        let own = || settings.data.join("audit");
        match self {
            Self::Verify(verify) => verify.run(own, output),
            Self::Prove(prove) => prove.run(own, output),
            Self::CheckProof(check) => check.run(output),
            Self::Query(query) => query.run(own, output),
            Self::Tail(tail) => tail.run(own, output),
            Self::Export(export) => export.run(own, output),
            Self::CheckExport(check) => check.run(output),
        }
    }
}
