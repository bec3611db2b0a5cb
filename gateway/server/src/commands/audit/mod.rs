//! `portcullis audit`

mod accept_database;
mod asked;
mod doctor;
mod erase;
mod export;
mod file;
mod hold;
mod prove;
mod prune;
mod query;
mod rotate_key;
mod scan;
mod seal;
mod sinks;
mod tail;
mod told;
mod verify;
mod witness;

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
    /// Destroy the key that seals what entries say of a person; every proof goes on holding
    Erase(erase::Erase),
    /// Put a legal hold in force, or end it
    Hold(hold::Hold),
    /// Let entries go that are older than is kept
    Prune(prune::Prune),
    /// Look whether the log has all it needs, and say what to do
    Doctor(doctor::Doctor),
    /// Go on with a database that is older than the log, and list what it lacks
    AcceptDatabase(accept_database::AcceptDatabase),
    /// Close the write-ahead file, sign what there is, and print the checkpoint for keeping elsewhere
    #[command(
        after_help = "Example: portcullis audit seal > kept.note, and later: portcullis audit verify --checkpoint kept.note"
    )]
    Seal,
    /// Let another key sign the log from now on; both sign until that is finished
    RotateKey(rotate_key::RotateKey),
    /// Ask witnesses once to stand for the newest checkpoint, and print it with what they said
    Witness(witness::Witness),
    /// Print entries in the order in which they were written; as JSON, one a line
    Query(query::Query),
    /// Print the last entries and then each one as it is written, until told to end
    Tail(tail::Tail),
    /// Write entries to a file for auditors or for a system that gathers security events
    Export(export::Export),
    /// Hold an export to a key
    CheckExport(export::CheckExport),
    /// Look through entries for numbers of cards and for credentials, which should be in none
    Scan(scan::Scan),
    /// List who is given entries, and how far each has come
    Sinks,
}

impl Audit {
    pub(crate) fn run(self, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        let own = || settings.data.join("audit");
        match self {
            Self::Verify(verify) => verify.run(own, settings, output),
            Self::Prove(prove) => prove.run(own, settings, output),
            Self::CheckProof(check) => check.run(output),
            Self::Erase(erase) => erase.run(&own(), settings, output),
            Self::Hold(hold) => hold.run(&own(), settings, output),
            Self::Prune(prune) => prune.run(&own(), settings, output),
            Self::Doctor(doctor) => doctor.run(&own(), settings, output),
            Self::AcceptDatabase(accept) => accept.run(&own(), settings, output),
            Self::RotateKey(rotate) => rotate.run(&own(), settings, output),
            Self::Seal => seal::run(&own(), settings, output),
            Self::Witness(witness) => witness.run(own, settings, output),
            Self::Query(query) => query.run(own, settings, output),
            Self::Tail(tail) => tail.run(own, settings, output),
            Self::Export(export) => export.run(own, settings, output),
            Self::CheckExport(check) => check.run(output),
            Self::Scan(scan) => scan.run(own, settings, output),
            Self::Sinks => sinks::run(&own(), settings, output),
        }
    }
}
