//! `portcullis workload-issuers`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use authn::token::KeySet;
use clap::Subcommand;
use identity::TrustedIssuer;
use serde::Serialize;

use crate::commands::output::{Output, Rows};
use crate::commands::tenants::with_desk;
use crate::settings::Settings;

/// Whose word is taken for what runs elsewhere and acts for a service account here.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkloadIssuers {
    /// Take the word of an issuer from now on, by these keys and no others
    Trust {
        /// Its name as its tokens have it, such as `https://token.actions.githubusercontent.com`
        issuer: String,
        /// Its public keys: a set in JSON (RFC 7517)
        #[arg(long)]
        jwks_file: PathBuf,
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
    keys: usize,
    since: String,
}

impl Rows for Shown {
    const COLUMNS: &'static [&'static str] = &["issuer", "keys", "since"];

    fn row(&self) -> Vec<String> {
        vec![self.issuer.clone(), self.keys.to_string(), self.since.clone()]
    }
}

impl From<TrustedIssuer> for Shown {
    fn from(it: TrustedIssuer) -> Self {
        let keys = KeySet::from_json(it.keys.as_bytes()).map_or(0, |it| it.len());
        Self { issuer: it.issuer, keys, since: it.since.to_string() }
    }
}

impl WorkloadIssuers {
    pub(crate) fn run(self, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        with_desk(settings, async |identity, _, _| match self {
            Self::Trust { issuer, jwks_file } => {
                let named = || format!("`{}`", jwks_file.display());
                let keys = std::fs::read_to_string(&jwks_file).with_context(named)?;
                // Whoever is to be believed by bad keys is not believed at all.
                let good = KeySet::from_json(keys.as_bytes()).with_context(named)?;
                anyhow::ensure!(!good.is_empty(), "`{}` holds no key", jwks_file.display());
                let trusted = identity.trust_issuer(&issuer, &keys).await?;
                let words = format!("the word of `{}` for workloads is taken, by {} keys", trusted.issuer, good.len());
                output.one(&Shown::from(trusted), &words)
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
