//! `portcullis tokens`

use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use authn::token::{Inspected, KeySet, inspect};
use clap::{Args, Subcommand};
use domain::{Clock as _, KeyId, KeySecret, SystemClock, Timestamp};
use identity::{Identity, KeyState};
use serde::Serialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::client::{Credential, Issuer, Safe};
use crate::commands::login::{Whose, runtime};
use crate::commands::output::Output;
use crate::commands::tenants::{enter_read, with_desk};
use crate::commands::users::whom;
use crate::office::key_set;
use crate::settings::Settings;

/// How much of a token is read.
const LONGEST: u64 = 16 * 1024;

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Tokens {
    /// Say what an access token says, and whether and why it is good; the token itself is not repeated
    Inspect(Inspect),
    /// End what stands behind tokens, so that none of them is good any more
    Revoke(Revoke),
}

/// Which token is looked at, and by whose keys.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    #[command(flatten)]
    whose: Whose,
    /// The token is on standard input [default: the one that the profile is signed in with]
    #[arg(long)]
    stdin: bool,
    /// By the keys and grants in the data folder, where the issuer of the profile would be asked for its keys
    #[arg(long)]
    data: bool,
}

/// What ends.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    whose: Whose,
    /// What the token on standard input was made for, and all other tokens of the same
    #[arg(long, required_unless_present_any = ["client", "user"], conflicts_with_all = ["client", "user"])]
    stdin: bool,
    /// Every token of this client; it may come to others, and asks its users again
    #[arg(long, value_name = "ID", conflicts_with = "user")]
    client: Option<String>,
    /// Every token and session of this user, by the id or what they sign in by; applications have to ask them again
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Ask the issuer of the profile to do it, as the client of the profile (RFC 7009), where it would be done in the data
    /// folder
    #[arg(long, requires = "stdin")]
    remote: bool,
}

/// What was found out about a token. Nothing of it opens anything.
#[derive(Serialize)]
struct Found {
    good: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Tokens {
    pub(super) fn run(
        self,
        settings: impl FnOnce() -> anyhow::Result<Settings>,
        output: Output,
    ) -> anyhow::Result<ExitCode> {
        match self {
            Self::Inspect(asked) => asked.run(settings, output),
            Self::Revoke(asked) => asked.run(settings, output),
        }
    }
}

impl Inspect {
    fn run(self, settings: impl FnOnce() -> anyhow::Result<Settings>, output: Output) -> anyhow::Result<ExitCode> {
        let text = if self.stdin { shown()? } else { signed_in_with(&self.whose)? };
        let found = if self.data { by_data(&settings()?, &text)? } else { by_issuer(&self.whose, &text)? };
        output.one(&found, &found.words()?)?;
        Ok(if found.good { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

fn by_issuer(whose: &Whose, text: &str) -> anyhow::Result<Found> {
    let profile = whose.read()?;
    let (name, keys) = runtime()?.block_on(async {
        let issuer = Issuer::discover(&profile).await?;
        anyhow::Ok((issuer.name().to_owned(), issuer.keys().await?))
    })?;
    let keys = KeySet::from_json(&keys).context("the keys of the issuer are not good")?;
    Ok(Found::of(inspect(text, &keys, Some(&name), SystemClock::new().now().wall)))
}

/// Also whether what the token was made for still stands, which only the data folder knows.
fn by_data(settings: &Settings, text: &str) -> anyhow::Result<Found> {
    let mut found = None;
    with_desk(settings, async |identity, _, now| {
        enter_read(identity, "inspect_token", |it| it).await?;
        let keys = key_set(&identity.token_keys().await?);
        found = Some(match inspect(text, &keys, None, now) {
            Inspected { verdict: Ok(key), header, claims, .. } => {
                let why = standing(identity, &key, now).await?;
                Found { good: why.is_none(), why, header, claims }
            }
            other => Found::of(other),
        });
        Ok(())
    })?;
    found.context("nothing was found out")
}

/// Why what a token was made for opens nothing, where it does not.
async fn standing(identity: &Identity, key: &KeyId, now: Timestamp) -> anyhow::Result<Option<String>> {
    let Some(record) = identity.key(key).await? else { return Ok(Some(format!("there is no `{key}` any more"))) };
    let state = KeyState::of(&record, now);
    if !matches!(state, KeyState::Active | KeyState::Retiring) {
        return Ok(Some(format!("`{key}`, which it was made for, is {}", state.as_str())));
    }
    let tenant = identity.registry().tenant(&record.tenant).await?;
    let suspended = tenant.is_none_or(|it| it.suspended.is_some());
    Ok(suspended.then(|| format!("tenant `{}` is suspended", record.tenant)))
}

impl Found {
    fn of(inspected: Inspected) -> Self {
        let why = inspected.verdict.err().map(|it| it.to_string());
        Self { good: why.is_none(), why, header: inspected.header, claims: inspected.claims }
    }

    fn words(&self) -> anyhow::Result<String> {
        let verdict = self.why.as_ref().map_or_else(|| "good".to_owned(), |it| format!("not good: {it}"));
        let [header, claims] = [&self.header, &self.claims].map(serde_json::to_string_pretty);
        Ok(format!("header {}\nclaims {}\n{verdict}", header?, claims?))
    }
}

impl Revoke {
    fn run(self, settings: impl FnOnce() -> anyhow::Result<Settings>, output: Output) -> anyhow::Result<ExitCode> {
        if self.remote {
            return revoke_there(&self.whose, output);
        }
        let text = if self.stdin { Some(shown()?) } else { None };
        with_desk(&settings()?, async |identity, _, now| {
            let ended = if let Some(text) = &text {
                end_shown(identity, text, now).await?
            } else if let Some(client) = &self.client {
                identity.end_tokens_of_client(client).await?
            } else {
                let user = self.user.as_deref().unwrap_or_default();
                identity.end_tokens_of_person(&whom(identity, user).await?.id).await?
            };
            output.one(&json!({ "ended": ended }), &over(ended))
        })
    }
}

/// What was ended, in words.
fn over(grants: usize) -> String {
    match grants {
        0 => "there was nothing to end".to_owned(),
        1 => "1 grant is ended, and every token that came of it".to_owned(),
        more => format!("{more} grants are ended, and every token that came of them"),
    }
}

/// Ends what a token was made for: by the token itself, whether or not it is still good.
async fn end_shown(identity: &Identity, text: &str, now: Timestamp) -> anyhow::Result<usize> {
    if let Some(grant) = identity.grant_of_refresh_token(text).await? {
        identity.end_grant(&grant.id, "revoke").await?;
        return Ok(1);
    }
    let keys = key_set(&identity.token_keys().await?);
    let inspected = inspect(text, &keys, None, now);
    let Some(key) = inspected.made_for() else { bail!("it is no token of this gateway") };
    let Some(record) = identity.key(&key).await? else { bail!("what it was made for is gone, so that it is dead") };
    if !matches!(record.secret, KeySecret::Granted(_)) {
        bail!("it was made for the key `{key}`; help: `portcullis api-keys revoke {key}` ends that");
    }
    let client = inspected.claims.get("client_id").and_then(Value::as_str).unwrap_or_default();
    match identity.client(client).await?.filter(|it| it.grant == key) {
        Some(client) => identity.end_client_tokens(&client).await?,
        None => identity.end_grant(&key, "revoke").await?,
    }
    Ok(1)
}

fn revoke_there(whose: &Whose, output: Output) -> anyhow::Result<ExitCode> {
    let (profile, text) = (whose.read()?, shown()?);
    runtime()?.block_on(async {
        let issuer = Issuer::discover(&profile).await?;
        let fields = [("token", text.as_str()), ("client_id", issuer.client())];
        anyhow::Ok(issuer.post("revocation_endpoint", &fields).await??)
    })?;
    // The issuer does not say more, whatever it was.
    output.one(&json!({ "revoked": true }), "the issuer was told")?;
    Ok(ExitCode::SUCCESS)
}

fn shown() -> anyhow::Result<Zeroizing<String>> {
    let input = std::io::stdin();
    if input.is_terminal() {
        bail!("give the token on standard input, from a file or another program: what is typed here is seen");
    }
    let mut text = Zeroizing::new(String::new());
    input.lock().take(LONGEST).read_to_string(&mut text).context("the token is no text")?;
    let text = Zeroizing::new(text.trim().to_owned());
    if text.is_empty() {
        bail!("there is no token on standard input");
    }
    Ok(text)
}

/// The access token of a profile, as it is kept.
fn signed_in_with(whose: &Whose) -> anyhow::Result<Zeroizing<String>> {
    let held = Safe::under(&Whose::folder()?).hold(&whose.profile)?;
    match held.credential() {
        Some(Credential::Tokens(tokens)) => Ok(Zeroizing::new(tokens.access.clone())),
        Some(Credential::ApiKey { .. }) => bail!("the profile has an API key, which says nothing"),
        Some(Credential::AccessKey { .. }) => {
            bail!("the profile has an access key; help: `portcullis token | portcullis tokens inspect --data --stdin`")
        }
        None => bail!("nobody is signed in; help: `portcullis login`, or give a token with `--stdin`"),
    }
}
