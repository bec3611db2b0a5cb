//! What can be typed after `portcullis`, one file each.

mod api_keys;
mod audit;
pub(crate) mod check;
mod clients;
mod configure;
mod keys;
mod leaked;
mod login;
mod logout;
mod output;
mod plugin;
mod providers;
mod request;
mod routes;
mod serve;
mod service_accounts;
mod tenants;
mod token;
mod tokens;
mod users;
mod witness;
mod workload_issuers;
mod written;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::boot;
use crate::faults::Refused;
use crate::settings::{self, Settings};
pub(crate) use output::remark;
use output::{Output, complain};

/// A gateway in front of REST APIs: of each request it finds out who sends it, whether they may, and how much they have
/// used, and it keeps a log of its decisions that anybody can check.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, propagate_version = true)]
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
    /// Make, list, suspend and delete service accounts, which are IAM users at cloudnx
    #[command(subcommand)]
    ServiceAccounts(service_accounts::ServiceAccounts),
    /// Take the word of outside issuers for workloads that act for service accounts
    #[command(subcommand)]
    WorkloadIssuers(workload_issuers::WorkloadIssuers),
    /// Make, list, suspend and delete OAuth clients, and rotate their secrets
    #[command(subcommand)]
    Clients(clients::Clients),
    /// Make, list, suspend and delete users, set their passwords and roles
    #[command(subcommand)]
    Users(users::Users),
    /// Connect the identity providers elsewhere by which people sign in
    #[command(subcommand)]
    Providers(providers::Providers),
    /// List and rotate the keys that sign access tokens and identity tokens
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Look at a token, or end what stands behind tokens
    #[command(subcommand)]
    Tokens(tokens::Tokens),
    /// Sign in at an issuer, for commands that ask its API
    Login(login::Login),
    /// Sign out again, there and here
    Logout(logout::Logout),
    /// Ask an API with what the profile asks with: a token or an API key as it is, an access key by a signature
    Request(request::Request),
    /// Print what to ask with: `curl -H "Authorization: Bearer $(portcullis token)"`
    Token(token::Token),
    /// Say once which issuer, client and API are meant
    Configure(configure::Configure),
    /// Make, build, push, list and revoke plugins: code of tenants that runs on their own requests
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Compile a component on standard input; the gateway itself asks for that
    #[command(name = crate::guests::COMPILE, hide = true)]
    CompilePlugin,
    /// Look after the audit log
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Stand for the audit log of somebody else's gateway, whose checkpoints are cosigned while it only grows
    Witness(witness::Witness),
}

impl Cli {
    /// What was typed. Wrong use is told in the form that was asked for.
    pub(crate) fn typed() -> Result<Self, ExitCode> {
        let words = settings::words();
        Self::try_parse_from(&words).map_err(|cause| {
            if cause.use_stderr() && wants_json(&words) {
                return complain(&anyhow::anyhow!(mistake(&cause)), Output::Json);
            }
            // Where nobody reads there is nobody left to tell.
            let _ = cause.print();
            ExitCode::from(u8::try_from(cause.exit_code()).unwrap_or(output::WRONG_USE))
        })
    }

    /// Runs the command. 0 is done, 1 is "the answer is no", 2 is wrong use or a bad file.
    pub(crate) fn run(self) -> ExitCode {
        let output = self.global.output;
        let read = || Settings::read(self.global.config.as_deref());
        let settings = || read().map_err(|it| anyhow::Error::from(Refused::from(it)));
        // Who loads all that they name is told all that is wrong with it.
        let all = || read().map_err(|it| anyhow::Error::from(Refused(boot::faults(it))));
        let done = match self.command {
            Command::Serve => all().and_then(serve::run),
            Command::Check => all().and_then(|it| check::run(&it, output)),
            Command::Routes(command) => all().and_then(|it| command.run(&it, output)),
            Command::Tenants(command) => settings().and_then(|it| command.run(&it, output)),
            Command::ApiKeys(command) => settings().and_then(|it| command.run(&it, output)),
            Command::ServiceAccounts(command) => settings().and_then(|it| command.run(&it, output)),
            Command::WorkloadIssuers(command) => settings().and_then(|it| command.run(&it, output)),
            Command::Clients(command) => settings().and_then(|it| command.run(&it, output)),
            Command::Users(command) => settings().and_then(|it| command.run(&it, output)),
            Command::Providers(command) => settings().and_then(|it| command.run(&it, output)),
            Command::Keys(command) => settings().and_then(|it| command.run(&it, output)),
            Command::Plugin(command) => command.run(settings, output),
            Command::CompilePlugin => plugin::compile(),
            Command::Audit(command) => settings().and_then(|it| command.run(&it, output)),
            Command::Tokens(command) => command.run(settings, output),
            // Whoever runs these has no gateway.
            Command::Login(command) => command.run(output),
            Command::Logout(command) => command.run(output),
            Command::Request(command) => command.run(output),
            Command::Token(command) => command.run(output),
            Command::Configure(command) => command.run(output),
            Command::Witness(command) => command.run(),
        };
        match done {
            Ok(code) => code,
            Err(cause) => complain(&cause, output),
        }
    }
}

/// Whether JSON was asked for, in words that could not be made sense of as a whole.
fn wants_json(words: &[OsString]) -> bool {
    let pairs = words.iter().zip(words.iter().skip(1));
    words.iter().any(|it| it == "--output=json")
        || pairs.into_iter().any(|(one, two)| one == "--output" && two == "json")
}

/// What is wrong with what was typed, in one line and without the usage.
fn mistake(cause: &clap::Error) -> String {
    if cause.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a command is missing; help: `--help` lists them".to_owned();
    }
    let told = cause.to_string();
    let told = told.split("\nUsage:").next().unwrap_or_default().trim_start_matches("error: ");
    told.split_whitespace().filter(|it| *it != "tip:").collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Option<String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let cause = Cli::try_parse_from(&words).unwrap_err();
        assert!(cause.use_stderr());
        wants_json(&words).then(|| mistake(&cause))
    }

    #[test]
    fn wrong_use_is_one_line_for_who_asks_for_json() {
        assert_eq!(told("portcullis api-keys revoke"), None);
        assert_eq!(
            told("portcullis api-keys revoke --output json").unwrap(),
            "the following required arguments were not provided: <ID>"
        );
        assert!(
            told("portcullis --output=json check --allow foo").unwrap().starts_with("unexpected argument '--allow'")
        );
        assert!(told("portcullis --output json").unwrap().starts_with("'portcullis' requires a subcommand"));
        let bare = told("portcullis --output=json api-keys").unwrap();
        assert_eq!(bare, "a command is missing; help: `--help` lists them");
    }

    #[test]
    fn help_says_what_the_program_is() {
        let help = Cli::try_parse_from(["portcullis", "--help"]).unwrap_err().to_string();
        assert!(help.starts_with("A gateway in front of REST APIs"), "{help}");
    }
}
