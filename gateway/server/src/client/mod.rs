//! This program as a client of an issuer, for whoever sits at a terminal and runs no gateway.
//!
//! Knows nothing of data folders: what it needs is a profile, and an issuer that can be reached.

mod browser;
mod device;
mod exchange;
mod issuer;
mod kept;
mod profile;
mod request;

use std::time::Duration;

use anyhow::{Context as _, bail};
use domain::{Random, Timestamp};

pub(crate) use issuer::{Issuer, Refusal};
pub(crate) use kept::{Credential, Exchanged, Held, Safe, Tokens};
pub(crate) use profile::{Kind, Profile, Profiles, address, name};
pub(crate) use request::{Asked, place, send};

/// How much longer a token must be good to be handed out: as long as somebody takes to use it.
const LEFT: Duration = Duration::from_mins(1);

/// How a user signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By a code that they type somewhere else.
    Device,
    /// In a browser on this machine.
    Browser,
}

/// Signs a user in: what is to be kept of it.
pub(crate) async fn sign_in(
    issuer: &Issuer,
    way: Way,
    scopes: Option<&str>,
    random: &dyn Random,
) -> anyhow::Result<Tokens> {
    match way {
        Way::Device => device::sign_in(issuer, scopes).await,
        Way::Browser => browser::sign_in(issuer, scopes, random).await,
    }
}

/// A credential that is good for a while. Where another is due it is fetched and kept, by one command at a time: a refresh
/// token that is shown twice ends everything that came of it.
pub(crate) async fn current(held: &mut Held, profile: &Profile, now: Timestamp) -> anyhow::Result<String> {
    let tokens = match held.credential() {
        None => bail!("nobody is signed in; help: `portcullis login`"),
        Some(Credential::ApiKey { key }) => return Ok(key.clone()),
        Some(Credential::AccessKey { id, secret, exchanged }) => {
            let good = |it: &&Exchanged| now + LEFT < Timestamp::from_seconds(it.expires);
            if let Some(token) = exchanged.as_ref().filter(good) {
                return Ok(token.access.clone());
            }
            let (id, secret) = (id.clone(), secret.clone());
            let next = exchange::exchange(profile, (&id, &secret), now).await?;
            held.keep(Credential::AccessKey { id, secret, exchanged: Some(next.clone()) })?;
            return Ok(next.access);
        }
        Some(Credential::Tokens(tokens)) => tokens.clone(),
    };
    if now + LEFT < Timestamp::from_seconds(tokens.expires) {
        return Ok(tokens.access);
    }
    let refresh = tokens.refresh.as_deref().context("it has expired; help: `portcullis login`")?;
    let issuer = Issuer::discover(profile).await?;
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", issuer.client())];
    let next = match issuer.tokens(&fields, now).await? {
        Ok(next) => next,
        Err(Refusal { error, .. }) if error == "invalid_grant" => {
            held.forget()?;
            bail!("the sign-in has ended; help: `portcullis login`");
        }
        Err(refusal) => return Err(refusal.into()),
    };
    let access = next.access.clone();
    held.keep(Credential::Tokens(Tokens { refresh: next.refresh.or(tokens.refresh), ..next }))?;
    Ok(access)
}
