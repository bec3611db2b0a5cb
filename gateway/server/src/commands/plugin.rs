//! `portcullis plugin`

mod build;
mod folder;
mod new;
mod push;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use domain::TenantId;
use identity::Plugin as Kept;
use serde::Serialize;

use crate::commands::output::{Output, Rows};
use crate::commands::tenants::{enter_read, with_desk};
use crate::settings::Settings;

/// What can be done with plugins.
#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Begin a plugin in Rust, with its tests and all that it is written with
    New(new::New),
    /// Compile a plugin, make its component `plugin.wasm`, and say what that needs
    Build(build::Build),
    /// Have a plugin run on the requests of a tenant to an API, in the place of the one that has its name there
    Push(push::Push),
    /// List plugins
    List {
        /// Only those of this tenant
        #[arg(long)]
        tenant: Option<TenantId>,
    },
    /// From now on nobody runs this component, whoever has pushed it: where it ran, requests are refused until another is pushed
    Revoke {
        /// Which plugin
        id: String,
    },
    /// Take a plugin away: requests go on as if there had never been one
    Remove {
        /// Which plugin
        id: String,
    },
}

/// A plugin as it is shown.
#[derive(Serialize)]
struct Listed {
    id: String,
    tenant: String,
    api: String,
    name: String,
    version: String,
    state: &'static str,
    digest: String,
    revision: u64,
    pushed: String,
}

impl From<&Kept> for Listed {
    fn from(it: &Kept) -> Self {
        Self {
            id: it.id.clone(),
            tenant: it.tenant.to_string(),
            api: it.api.to_string(),
            name: it.name.clone(),
            version: it.version.clone(),
            state: if it.revoked.is_some() { "revoked" } else { "active" },
            digest: it.digest.clone(),
            revision: it.revision,
            pushed: it.pushed.to_string(),
        }
    }
}

impl Rows for Listed {
    const COLUMNS: &'static [&'static str] = &["id", "tenant", "api", "name", "version", "state", "digest"];

    fn row(&self) -> Vec<String> {
        let Self { id, tenant, api, name, version, state, digest, .. } = self;
        let short: String = digest.chars().take(12).collect();
        let words = [id, tenant, api, name, version].map(String::clone).into_iter();
        words.chain([(*state).to_owned(), short]).collect()
    }
}

impl Plugin {
    pub(crate) fn run(
        self,
        settings: impl FnOnce() -> anyhow::Result<Settings>,
        output: Output,
    ) -> anyhow::Result<ExitCode> {
        match self {
            Self::New(new) => new.run(output),
            Self::Build(build) => build.run(output),
            Self::Push(push) => push.run(&settings()?, output),
            Self::List { tenant } => with_desk(&settings()?, async |identity, _, _| {
                let all = identity.plugins(tenant.as_ref()).await?;
                enter_read(identity, "list_plugins", |deed| tenant.iter().fold(deed, domain::Deed::of)).await?;
                output.list(&all.iter().map(Listed::from).collect::<Vec<_>>())
            }),
            Self::Revoke { id } => with_desk(&settings()?, async |identity, _, _| {
                let ended = identity.revoke_plugin(&id).await?;
                output.list(&ended.iter().map(Listed::from).collect::<Vec<_>>())
            }),
            Self::Remove { id } => with_desk(&settings()?, async |identity, _, _| {
                let gone = identity.remove_plugin(&id).await?;
                output.one(&Listed::from(&gone), &format!("plugin `{id}` is taken away"))
            }),
        }
    }
}

/// The whole life of a process that compiles.
pub(crate) fn compile() -> anyhow::Result<ExitCode> {
    plugins::compile_apart(&mut std::io::stdin().lock(), &mut std::io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

/// Where the parts of a plugin lie.
#[derive(Debug, clap::Args)]
pub(crate) struct Folder {
    /// The folder of `plugin.toml`
    folder: PathBuf,
}
