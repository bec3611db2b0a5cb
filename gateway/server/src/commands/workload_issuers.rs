//! `portcullis workload-issuers`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use authn::token::KeySet;
use clap::Subcommand;
use identity::{IssuerKeys, TrustedIssuer};
use serde::Serialize;

use crate::commands::output::{Output, Rows};
use crate::commands::providers::authorities;
use crate::commands::tenants::with_desk;
use crate::settings::Settings;

/// Whose word is taken for what runs elsewhere and acts for a service account here.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkloadIssuers {
    /// Take the word of an issuer from now on, by the keys that it publishes or by these and no others
    Trust {
        /// Its name as its tokens have it, such as `https://token.actions.githubusercontent.com`
        issuer: String,
        /// Its public keys, a set in JSON (RFC 7517) [default: it is asked for them]
        #[arg(long, value_name = "FILE", conflicts_with_all = ["ca", "private"])]
        jwks_file: Option<PathBuf>,
        /// The file of the authorities that vouch for it, as PEM [default: those of the system]
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// It may be at an address that is not public
        #[arg(long)]
        private: bool,
    },
    /// List those whose word is taken
    List,
    /// Take its word no more, and end every token that was given for it
    Distrust {
        /// Its name
        issuer: String,
    },
}

#[derive(Serialize)]
struct Shown {
    issuer: String,
    /// How many were handed over; nothing where it is asked for them.
    keys: Option<usize>,
    private: bool,
    since: String,
}

impl Rows for Shown {
    const COLUMNS: &'static [&'static str] = &["issuer", "keys", "since"];

    fn row(&self) -> Vec<String> {
        let keys = self.keys.map_or_else(|| "asked for".to_owned(), |it| it.to_string());
        vec![self.issuer.clone(), keys, self.since.clone()]
    }
}

impl From<TrustedIssuer> for Shown {
    fn from(it: TrustedIssuer) -> Self {
        let keys = it.keys.map(|it| KeySet::from_json(it.as_bytes()).map_or(0, |it| it.len()));
        Self { issuer: it.issuer, keys, private: it.private, since: it.since.to_string() }
    }
}

impl WorkloadIssuers {
    pub(crate) fn run(self, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        with_desk(settings, async |identity, _, _| match self {
            Self::Trust { issuer, jwks_file, ca, private } => {
                let keys = match jwks_file {
                    Some(file) => IssuerKeys::Given(given(&file)?),
                    None => IssuerKeys::Asked { ca: ca.as_deref().map(authorities).transpose()?, private },
                };
                let shown = Shown::from(identity.trust_issuer(&issuer, keys).await?);
                let by = shown.keys.map_or_else(|| "the keys that it publishes".to_owned(), |it| format!("{it} keys"));
                let words = format!("the word of `{}` for workloads is taken, by {by}", shown.issuer);
                output.one(&shown, &words)
            }
            Self::List => {
                let trusted = identity.trusted_issuers().await?;
                output.list(&trusted.into_iter().map(Shown::from).collect::<Vec<_>>())
            }
            Self::Distrust { issuer } => {
                let gone = identity.distrust_issuer(&issuer).await?;
                let words = format!(
                    "the word of `{}` is taken no more, and every token that was given for it is dead",
                    gone.issuer
                );
                output.one(&Shown::from(gone), &words)
            }
        })
    }
}

/// A set of keys that was handed over.
fn given(file: &Path) -> anyhow::Result<String> {
    let named = || format!("`{}`", file.display());
    let keys = std::fs::read_to_string(file).with_context(named)?;
    // Whoever is to be believed by bad keys is not believed at all.
    let good = KeySet::from_json(keys.as_bytes()).with_context(named)?;
    anyhow::ensure!(!good.is_empty(), "`{}` holds no key", file.display());
    Ok(keys)
}
