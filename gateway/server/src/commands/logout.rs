//! `portcullis logout`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use crate::client::{Credential, Issuer, Profile, Profiles, Safe};
use crate::commands::login::{Whose, runtime};
use crate::commands::output::Output;

/// Which sign-in ends.
#[derive(Debug, Args)]
pub(crate) struct Logout {
    #[command(flatten)]
    whose: Whose,
    /// Forget it here, whether or not the issuer can be told
    #[arg(long)]
    forget: bool,
}

impl Logout {
    pub(super) fn run(self, output: Output) -> anyhow::Result<ExitCode> {
        let mut held = Safe::under(&Whose::folder()?).hold(&self.whose.profile)?;
        let tokens = match held.credential() {
            Some(Credential::Tokens(tokens)) => Some(tokens.clone()),
            Some(Credential::ApiKey { .. } | Credential::AccessKey { .. }) | None => None,
        };
        if let Some(tokens) = tokens.filter(|_| !self.forget) {
            // Where it was given, whatever the profile says by now.
            let (issuer, client) = (Some(tokens.issuer), Some(tokens.client));
            let profile = Profiles::read(&Whose::folder()?)?.named(&self.whose.profile).with(Profile {
                issuer,
                client,
                ..Profile::default()
            });
            let token = tokens.refresh.unwrap_or(tokens.access);
            let told = runtime()?.block_on(async {
                let issuer = Issuer::discover(&profile).await?;
                let fields = [("token", token.as_str()), ("client_id", issuer.client())];
                anyhow::Ok(issuer.post("revocation_endpoint", &fields).await??)
            });
            told.context("the issuer was not told, and the sign-in is kept; help: `--forget` keeps it no longer")?;
        }
        held.forget()?;
        output.one(&json!({ "profile": self.whose.profile, "signed_in": false }), "signed out")?;
        Ok(ExitCode::SUCCESS)
    }
}
