//! `portcullis clients`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use authn::token::KeySet;
use clap::{Args, Subcommand, ValueEnum};
use domain::{ApiName, Deed, Scope, TenantId, Timestamp};
use identity::{Client, ClientAuth, ClientGrant, Identity, NewClient, Page};
use serde::Serialize;

use crate::commands::output::{Output, Rows};
use crate::commands::tenants::{enter_read, with_desk};
use crate::commands::written::length;
use crate::settings::Settings;

/// Where command lines have users sent back to: to themselves, on whatever port is free (RFC 8252 section 7.3).
pub(crate) const COMMAND_LINE: &str = "http://127.0.0.1/callback";

/// What can be done with OAuth clients.
#[derive(Debug, Subcommand)]
pub(crate) enum Clients {
    /// Make a client; its secret is shown this once
    Create(Wanted),
    /// List clients, never their secrets
    List {
        /// Only those of this tenant
        #[arg(long)]
        tenant: Option<TenantId>,
    },
    /// Show one client, never its secret
    Show {
        /// Which client
        id: String,
    },
    /// Give a client another secret
    RotateSecret {
        /// Which client
        id: String,
        /// How long the one before goes on working, such as `24h`; `0s` for a leak [default: as in the settings]
        #[arg(long, value_parser = length)]
        overlap: Option<Duration>,
    },
    /// From now on the client is not known, and every token that it has is dead
    Suspend {
        /// Which client
        id: String,
    },
    /// The client is known again, and asks for other tokens
    Resume {
        /// Which client
        id: String,
    },
    /// Forget a client; every token that it has is dead
    Delete {
        /// Which client
        id: String,
    },
}

/// What a client shall be.
#[derive(Debug, Args)]
pub(crate) struct Wanted {
    /// The API that its tokens open
    #[arg(long)]
    api: ApiName,
    /// Whose it is, and whose resources it reaches
    #[arg(long)]
    tenant: TenantId,
    /// What people call it; who is asked for consent is shown it
    #[arg(long)]
    name: String,
    /// How it shows that it is the one
    #[arg(long, value_enum, default_value_t = Method::ClientSecretBasic)]
    auth: Method,
    /// The ways in which it may come to tokens, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', default_value = "client_credentials")]
    grants: Vec<Way>,
    /// A client for command lines such as this one: it keeps no secret, and its users sign in by a code or in a browser
    #[arg(long, conflicts_with_all = ["auth", "grants", "redirect_uris", "jwks"])]
    device: bool,
    /// Where users may be sent back to, to the letter; may be repeated
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// Where users may be sent who have signed out, to the letter; may be repeated
    #[arg(long = "post-logout-uri", value_name = "URI")]
    post_logout_uris: Vec<String>,
    /// The ceiling of what it may be granted, separated by commas, such as `compute,openid`
    #[arg(long, value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// Give it no token that is not bound to a key of its own (DPoP, RFC 9449)
    #[arg(long)]
    dpop: bool,
    /// The file of its public keys, as a set in JSON, for `private_key_jwt`
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
}

/// How a client shows that it is the one.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Method {
    /// Its secret, in the header
    ClientSecretBasic,
    /// Its secret, in the body
    ClientSecretPost,
    /// An assertion that it signs with a key of its own
    PrivateKeyJwt,
    /// Not at all: it can keep no secret
    None,
}

/// A way to come to tokens.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Way {
    /// A user lets it act for them
    AuthorizationCode,
    /// It goes on to act for a user
    RefreshToken,
    /// It acts for itself
    ClientCredentials,
    /// A user lets it act for them, on another device than the one that it runs on
    DeviceCode,
}

impl From<Method> for ClientAuth {
    fn from(method: Method) -> Self {
        match method {
            Method::ClientSecretBasic => Self::ClientSecretBasic,
            Method::ClientSecretPost => Self::ClientSecretPost,
            Method::PrivateKeyJwt => Self::PrivateKeyJwt,
            Method::None => Self::None,
        }
    }
}

impl From<Way> for ClientGrant {
    fn from(way: Way) -> Self {
        match way {
            Way::AuthorizationCode => Self::AuthorizationCode,
            Way::RefreshToken => Self::RefreshToken,
            Way::ClientCredentials => Self::ClientCredentials,
            Way::DeviceCode => Self::DeviceCode,
        }
    }
}

/// A client as it is shown: everything but its secret, unless it was just made.
#[derive(Serialize)]
struct Listed {
    id: String,
    api: String,
    tenant: String,
    name: String,
    state: &'static str,
    kind: &'static str,
    auth: &'static str,
    grants: Vec<&'static str>,
    redirect_uris: Vec<String>,
    post_logout_uris: Vec<String>,
    scopes: Vec<String>,
    dpop: bool,
    /// What entries name where it acts for itself.
    grant: String,
    created: String,
    /// When secrets stop beside which there is a newer one.
    retiring_secrets: Vec<String>,
    /// Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl Rows for Listed {
    const COLUMNS: &'static [&'static str] = &["id", "api", "tenant", "name", "state", "auth", "grants", "scopes"];

    fn row(&self) -> Vec<String> {
        let Self { id, api, tenant, name, state, auth, grants, scopes, .. } = self;
        let words = [id, api, tenant, name].map(String::clone).into_iter();
        words.chain([(*state).to_owned(), (*auth).to_owned(), grants.join(","), scopes.join(",")]).collect()
    }
}

impl Listed {
    fn of(client: &Client, now: Timestamp) -> Self {
        Self {
            id: client.id.clone(),
            api: client.api.to_string(),
            tenant: client.tenant.to_string(),
            name: client.name.clone(),
            state: if client.suspended.is_some() { "suspended" } else { "active" },
            kind: if client.is_public() { "public" } else { "confidential" },
            auth: client.method.as_str(),
            grants: client.grants.iter().map(|it| it.as_str()).collect(),
            redirect_uris: client.redirect_uris.clone(),
            post_logout_uris: client.post_logout_uris.clone(),
            scopes: client.scopes.iter().map(ToString::to_string).collect(),
            dpop: client.proves_possession,
            grant: client.grant.to_string(),
            created: client.created.to_string(),
            retiring_secrets: client.retiring_secrets(now).iter().map(ToString::to_string).collect(),
            secret: None,
        }
    }

    fn with_secret(self, secret: Option<&identity::Shown>) -> Self {
        Self { secret: secret.map(|it| it.reveal().to_owned()), ..self }
    }

    fn words(&self) -> String {
        let known = format!("Client `{}` of tenant `{}` at {}.", self.id, self.tenant, self.api);
        match &self.secret {
            Some(secret) => format!("client secret: {secret}\n\nThis is the only time it is shown. {known}"),
            None => known,
        }
    }
}

impl Clients {
    pub(crate) fn run(self, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        with_desk(settings, async |identity, consulted, now| match self {
            Self::Create(wanted) => {
                let made = identity.create_client(&wanted.read()?, consulted.terms()?).await?;
                let shown = Listed::of(&made.client, now).with_secret(made.secret.as_ref());
                output.one(&shown, &shown.words())
            }
            Self::List { tenant } => {
                let all = all(identity, tenant.as_ref()).await?;
                enter_read(identity, "list_clients", |deed| tenant.iter().fold(deed, Deed::of)).await?;
                output.list(&all.iter().map(|it| Listed::of(it, now)).collect::<Vec<_>>())
            }
            Self::Show { id } => {
                let Some(client) = identity.client(&id).await? else { bail!("there is no client `{id}`") };
                enter_read(identity, "show_client", |deed| deed.on(&client.id)).await?;
                let shown = Listed::of(&client, now);
                match output {
                    Output::Json => output.one(&shown, ""),
                    Output::Table => output.list(&[shown]),
                }
            }
            Self::RotateSecret { id, overlap } => {
                let (client, secret) = identity.rotate_client_secret(&id, overlap).await?;
                let shown = Listed::of(&client, now).with_secret(Some(&secret));
                output.one(&shown, &shown.words())
            }
            Self::Suspend { id } => {
                let client = identity.suspend_client(&id).await?;
                output.one(&Listed::of(&client, now), &format!("client `{id}` is suspended"))
            }
            Self::Resume { id } => {
                let client = identity.resume_client(&id, consulted.terms()?).await?;
                output.one(&Listed::of(&client, now), &format!("client `{id}` is active again"))
            }
            Self::Delete { id } => {
                let client = identity.delete_client(&id).await?;
                output.one(&Listed::of(&client, now), &format!("client `{id}` is deleted"))
            }
        })
    }
}

impl Wanted {
    fn read(self) -> anyhow::Result<NewClient> {
        if self.device {
            return Ok(NewClient {
                api: self.api,
                tenant: self.tenant,
                name: self.name,
                method: ClientAuth::None,
                grants: vec![ClientGrant::DeviceCode, ClientGrant::AuthorizationCode, ClientGrant::RefreshToken],
                redirect_uris: vec![COMMAND_LINE.to_owned()],
                post_logout_uris: Vec::new(),
                scopes: self.scopes,
                keys: None,
                proves_possession: self.dpop,
            });
        }
        Ok(NewClient {
            api: self.api,
            tenant: self.tenant,
            name: self.name,
            method: self.auth.into(),
            grants: self.grants.into_iter().map(Into::into).collect(),
            redirect_uris: self.redirect_uris,
            post_logout_uris: self.post_logout_uris,
            scopes: self.scopes,
            keys: self.jwks.as_deref().map(keys).transpose()?,
            proves_possession: self.dpop,
        })
    }
}

/// A set of public keys that is good to the last key, as it stands in its file.
fn keys(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
    let set = KeySet::from_json(text.as_bytes()).with_context(|| format!("`{}`", file.display()))?;
    if set.is_empty() {
        bail!("`{}` holds no key", file.display());
    }
    Ok(text)
}

async fn all(identity: &Identity, tenant: Option<&TenantId>) -> anyhow::Result<Vec<Client>> {
    let mut clients: Vec<Client> = Vec::new();
    loop {
        let page = Page { after: clients.last().map(|it| it.id.clone()), limit: 100 };
        let more = identity.list_clients(tenant, &page).await?;
        if more.is_empty() {
            return Ok(clients);
        }
        clients.extend(more);
    }
}
