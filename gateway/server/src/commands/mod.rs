//! What can be typed after `portcullis`, one file each.

mod api_keys;
mod audit;
mod check;
mod keys;
mod output;
mod routes;
mod serve;
mod tenants;
mod witness;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::faults::Refused;
use crate::settings::Settings;
use output::{Output, complain};

/// A policy and compliance gateway in front of REST APIs.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Global {
    /// The settings file [default: `$PORTCULLIS_CONFIG`, else `portcullis.toml`]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How answers are printed
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve requests until told to stop; SIGHUP reloads
    Serve,
    /// Check settings, profiles, documents and policies, and say everything that is wrong
    Check,
    /// List what is served, and what each operation needs
    Routes(routes::Routes),
    /// Make, list, suspend and resume tenants
    #[command(subcommand)]
    Tenants(tenants::Tenants),
    /// Make, list, rotate, revoke and import keys
    #[command(subcommand)]
    ApiKeys(api_keys::ApiKeys),
    /// List and rotate the keys that sign access tokens
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Look after the audit log
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Stand for the audit log of somebody else's gateway, whose checkpoints are cosigned while it only grows
    Witness(witness::Witness),
}

impl Cli {
    /// Runs the command. 0 is done, 1 is "the answer is no", 2 is wrong use or a bad file.
    pub(crate) fn run(self) -> ExitCode {
        let output = self.global.output;
        let settings = || Settings::read(self.global.config.as_deref()).map_err(|it| anyhow::Error::from(Refused(it)));
        let done = match self.command {
            Command::Serve => settings().and_then(serve::run),
            Command::Check => settings().and_then(|it| check::run(&it, output)),
            Command::Routes(command) => settings().and_then(|it| command.run(&it, output)),
            Command::Tenants(command) => settings().and_then(|it| command.run(&it, output)),
            Command::ApiKeys(command) => settings().and_then(|it| command.run(&it, output)),
            Command::Keys(command) => settings().and_then(|it| command.run(&it, output)),
            Command::Audit(command) => settings().and_then(|it| command.run(&it, output)),
            // Whoever runs one has no gateway.
            Command::Witness(command) => command.run(),
        };
        match done {
            Ok(code) => code,
            Err(cause) => complain(&cause, output),
        }
    }
}
