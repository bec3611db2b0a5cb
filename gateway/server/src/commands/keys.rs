//! `portcullis keys`

use std::process::ExitCode;
use std::time::Duration;

use authn::SecretFiles;
use authn::secrets::{identity_seeds, publish_identity_seed, replace_identity_seeds};
use authn::upstream::IdentityKey;
use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use domain::{Deed, DeedClass, Timestamp, TokenKey, TokenKeyAlg};
use identity::Identity;
use serde::Serialize;

use crate::commands::output::{Output, Rows};
use crate::commands::tenants::{enter_read, with_desk};
use crate::desk;
use crate::settings::Settings;

/// How long a key is known before it signs: longer than anybody keeps a set of keys.
const KNOWN_BEFORE_USE: Duration = Duration::from_hours(24);

/// What can be done with the keys that sign tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// List the keys that sign access tokens, did so or will
    List,
    /// Have another key sign tokens from a day on, when everybody can know it; a running gateway does so every month by
    /// itself
    RotateSigning {
        /// What it is to sign with [default: as the key that signs now]
        #[arg(long, value_parser = algs())]
        alg: Option<TokenKeyAlg>,
        /// Sign with a new key at once and withdraw all others: every token that was made before ends
        #[arg(long)]
        now: bool,
    },
    /// Have another key sign what the APIs behind are told of callers from a day on, when all of them can know it
    RotateIdentity {
        /// Sign with a new key at once, and publish no other: for a key that somebody else may have
        #[arg(long)]
        now: bool,
    },
    /// Print by which keys the APIs behind know what they are told of callers: a set of keys (RFC 7517)
    Identity,
}

/// What tokens can be signed with, by name.
fn algs() -> impl TypedValueParser<Value = TokenKeyAlg> {
    let unknown = || "no such algorithm";
    let names = PossibleValuesParser::new(TokenKeyAlg::ALL.map(TokenKeyAlg::as_str));
    names.try_map(move |it| TokenKeyAlg::heard(&it).ok_or_else(unknown))
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
        Self { kid: it.kid, alg: it.alg.as_str(), stage, at: at.to_string(), published: it.published.to_string() }
    }
}

impl Keys {
    pub(crate) fn run(self, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        with_desk(settings, async |identity, _, now_is| match self {
            Self::List => {
                let keys = identity.token_keys().await?;
                enter_read(identity, "list_signing_keys", |it| it).await?;
                output.list(&keys.into_iter().map(Shown::from).collect::<Vec<_>>())
            }
            Self::RotateSigning { alg, now: false } => {
                let shown = Shown::from(identity.rotate_token_key(alg).await?);
                let words = format!("key `{}` signs tokens from {} on, while a gateway runs", shown.kid, shown.at);
                output.one(&shown, &words)
            }
            Self::RotateSigning { alg, now: true } => {
                let shown = Shown::from(identity.replace_token_key(alg).await?);
                let words = format!("key `{}` signs tokens; no token that was made before is good any more", shown.kid);
                output.one(&shown, &words)
            }
            Self::RotateIdentity { now } => rotate_identity(settings, (identity, now_is), now, output).await,
            Self::Identity => {
                let keys = desk::identity_tokens(settings)?.keys();
                output.one(&keys, &serde_json::to_string(&keys)?)
            }
        })
    }
}

/// What became of the keys that sign identity tokens.
#[derive(Serialize)]
struct Rotated {
    kid: String,
    signs_from: String,
}

async fn rotate_identity(
    settings: &Settings,
    (identity, moment): (&Identity, Timestamp),
    now: bool,
    output: Output,
) -> anyhow::Result<()> {
    let files = SecretFiles::under(&settings.data);
    let from = if now {
        replace_identity_seeds(&files)?;
        moment
    } else {
        publish_identity_seed(&files, moment + KNOWN_BEFORE_USE)?
    };
    let seeds = identity_seeds(&files)?;
    let seed = seeds.next.as_ref().filter(|_| !now).map_or(&seeds.current, |(_, it)| it);
    let kid = IdentityKey::from_seed(seed)?.kid().to_owned();
    let action = if now { "withdraw" } else { "publish" };
    let about = |deed: Deed| deed.on(&kid).with("kind", "identity_signing").with("signs_from", from);
    identity.keep_deed(DeedClass::Key, action, about).await?;
    let words = if now {
        format!("key `{kid}` signs, and is the only one that is known: have the APIs behind fetch the set anew")
    } else {
        format!("key `{kid}` is known, and signs from {from} on, while a gateway runs")
    };
    output.one(&Rotated { kid, signs_from: from.to_string() }, &words)
}
