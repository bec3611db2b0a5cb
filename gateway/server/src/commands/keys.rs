//! `portcullis keys`

use std::process::ExitCode;

use clap::Subcommand;
use domain::TokenKey;
use serde::Serialize;

use crate::commands::output::{Output, Rows};
use crate::commands::tenants::{enter_read, with_desk};
use crate::desk;
use crate::settings::Settings;

/// What can be done with the keys that sign tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// List the keys that sign access tokens, did so or will
    List,
    /// Have another key sign tokens from a day on, when everybody can know it; a running gateway does so every month by
    /// itself
    RotateSigning {
        /// Sign with a new key at once and withdraw all others: every token that was made before ends
        #[arg(long)]
        now: bool,
    },
    /// Print by which key the APIs behind know what they are told of callers: a set of keys (RFC 7517)
    Identity,
}

#[derive(Serialize)]
struct Shown {
    kid: String,
    alg: &'static str,
    stage: &'static str,
    at: String,
    published: String,
}

impl Rows for Shown {
    const COLUMNS: &'static [&'static str] = &["kid", "alg", "stage", "at", "published"];

    fn row(&self) -> Vec<String> {
        let Self { kid, alg, stage, at, published } = self;
        vec![kid.clone(), (*alg).to_owned(), (*stage).to_owned(), at.clone(), published.clone()]
    }
}

impl From<TokenKey> for Shown {
    fn from(it: TokenKey) -> Self {
        let (stage, at) = it.stage.told();
        Self { kid: it.kid, alg: "RS256", stage, at: at.to_string(), published: it.published.to_string() }
    }
}

impl Keys {
    pub(crate) fn run(self, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        with_desk(settings, async |identity, _, _| match self {
            Self::List => {
                let keys = identity.token_keys().await?;
                enter_read(identity, "list_signing_keys", |it| it).await?;
                output.list(&keys.into_iter().map(Shown::from).collect::<Vec<_>>())
            }
            Self::RotateSigning { now: false } => {
                let shown = Shown::from(identity.rotate_token_key().await?);
                let words = format!("key `{}` signs tokens from {} on, while a gateway runs", shown.kid, shown.at);
                output.one(&shown, &words)
            }
            Self::RotateSigning { now: true } => {
                let shown = Shown::from(identity.replace_token_key().await?);
                let words = format!("key `{}` signs tokens; no token that was made before is good any more", shown.kid);
                output.one(&shown, &words)
            }
            Self::Identity => {
                let keys = desk::identity_tokens(settings)?.keys();
                output.one(&keys, &serde_json::to_string(&keys)?)
            }
        })
    }
}
