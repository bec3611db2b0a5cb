//! `portcullis login`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use authn::SystemRandom;
use clap::Args;
use domain::Timestamp;
use serde::Serialize;

use crate::client::{self, Credential, Issuer, Kind, Profile, Profiles, Safe, Way, address, name};
use crate::commands::output::Output;
use crate::settings::home;

/// Where to sign in, and how. What is left out is as it was the last time.
#[derive(Debug, Args)]
pub(crate) struct Login {
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    issuer: AtIssuer,
    /// What for, separated by commas [default: all that the client may have]
    #[arg(long, value_delimiter = ',')]
    scopes: Vec<String>,
    /// In a browser on this machine, where a code would be typed somewhere else
    #[arg(long)]
    browser: bool,
}

/// Which profile is meant.
#[derive(Clone, Debug, Args)]
pub(crate) struct Whose {
    /// The profile
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = name)]
    pub(crate) profile: String,
}

/// Which issuer is meant, and how it is reached.
#[derive(Clone, Debug, Args)]
pub(crate) struct AtIssuer {
    /// Who gives tokens, such as `https://api.example.com`
    #[arg(long, value_name = "URL", value_parser = address)]
    issuer: Option<String>,
    /// The client that this program is there: made with `clients create --device`
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// A file of authorities, where those of the system will not do
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Where the issuer is really reached, such as `127.0.0.1:8443`, where that is not what its name leads to
    #[arg(long, value_name = "ADDRESS")]
    connect: Option<std::net::SocketAddr>,
}

#[derive(Serialize)]
struct SignedIn<'a> {
    profile: &'a str,
    issuer: &'a str,
    client: &'a str,
    access_until: String,
    refreshes: bool,
}

impl Whose {
    /// Where everything of this user is.
    pub(crate) fn folder() -> anyhow::Result<PathBuf> {
        home::folder().context("there is no folder for what is yours; help: set `PORTCULLIS_HOME`")
    }

    /// The profile itself.
    pub(crate) fn read(&self) -> anyhow::Result<Profile> {
        Profiles::read(&Self::folder()?)?.known(&self.profile)
    }
}

impl AtIssuer {
    /// As a profile has it. A file is found from wherever the next command is run.
    pub(crate) fn said(self) -> anyhow::Result<Profile> {
        let absolute = |it: PathBuf| std::path::absolute(&it).with_context(|| format!("`{}`", it.display()));
        let ca = self.ca.map(absolute).transpose()?;
        Ok(Profile { issuer: self.issuer, client: self.client, ca, connect: self.connect, ..Profile::default() })
    }
}

impl Login {
    pub(super) fn run(self, output: Output) -> anyhow::Result<ExitCode> {
        let folder = Whose::folder()?;
        let mut profiles = Profiles::read(&folder)?;
        let said = Profile { credential: Some(Kind::Login), ..self.issuer.said()? };
        let profile = profiles.named(&self.whose.profile).with(said);
        let way = if self.browser { Way::Browser } else { Way::Device };
        let scopes = (!self.scopes.is_empty()).then(|| self.scopes.join(" "));
        let tokens = runtime()?.block_on(async {
            let issuer = Issuer::discover(&profile).await?;
            client::sign_in(&issuer, way, scopes.as_deref(), &SystemRandom).await
        })?;
        let shown = SignedIn {
            profile: &self.whose.profile,
            issuer: &tokens.issuer.clone(),
            client: &tokens.client.clone(),
            access_until: Timestamp::from_seconds(tokens.expires).to_string(),
            refreshes: tokens.refresh.is_some(),
        };
        // Not before: whoever waits for a browser keeps no other command waiting.
        Safe::under(&folder).hold(&self.whose.profile)?.keep(Credential::Tokens(tokens))?;
        profiles.keep(&self.whose.profile, profile, &folder)?;
        output.one(&shown, &format!("signed in at {}", shown.issuer))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What commands wait on that ask others.
pub(super) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
