//! `portcullis plugin push`

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use authn::SystemRandom;
use clap::Args;
use domain::{ApiName, SystemClock, TenantId};
use identity::{NewPlugin, PluginQuota};
use plugins::Binding;

use super::folder::Package;
use super::{Folder, Listed};
use crate::commands::output::Output;
use crate::commands::tenants::with_desk;
use crate::guests;
use crate::settings::Settings;

/// The longest configuration of a plugin, in bytes.
const LONGEST_CONFIG: usize = 64 * 1024;

/// Which plugin is pushed, and for whom.
#[derive(Debug, Args)]
pub(crate) struct Push {
    #[command(flatten)]
    folder: Folder,
    /// On whose requests it runs
    #[arg(long)]
    tenant: TenantId,
    /// On their requests to which API
    #[arg(long)]
    api: ApiName,
    /// The file of its configuration, which is JSON [default: `{}`]
    #[arg(long, value_name = "FILE")]
    plugin_config: Option<PathBuf>,
}

impl Push {
    pub(super) fn run(self, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        let package = self.folder.read(&settings.plugins)?;
        let config = config(self.plugin_config.as_deref())?;
        with_desk(settings, async |identity, consulted, _| {
            let terms = consulted.terms()?;
            terms.of(&self.api)?;
            let plugins = guests::open(settings, Arc::new(SystemClock::new()))?;
            let digest = plugins.shelf().put(&package.component, &SystemRandom)?;
            // Compiles it as well, so that the gateway that runs finds the code and need not wait for it.
            plugins.try_out(Binding {
                id: "pushed".to_owned(),
                tenant: self.tenant.clone(),
                api: self.api.clone(),
                manifest: package.text.clone(),
                config: config.as_str().into(),
                digest: digest.clone(),
                revision: 0,
                revoked: false,
            })?;
            let quota = PluginQuota {
                per_tenant: settings.plugins.per_tenant as usize,
                per_api: settings.plugins.per_operation as usize,
            };
            let asks = asks(&package);
            let Package { manifest, text, .. } = package;
            let new = NewPlugin {
                tenant: self.tenant,
                api: self.api,
                name: manifest.name,
                version: manifest.version,
                digest,
                manifest: text,
                config,
                asks: asks.clone(),
            };
            let pushed = identity.push_plugin(&new, quota, terms).await?;
            let (tenant, api) = (&pushed.tenant, &pushed.api);
            let words = format!("plugin `{}` runs for tenant `{tenant}` at `{api}`; it is granted: {asks}", pushed.id);
            output.one(&Listed::from(&pushed), &words)
        })
    }
}

/// What the plugin is granted with the push, for its entry.
fn asks(package: &Package) -> String {
    let manifest = &package.manifest;
    let names = |all: &[http::HeaderName]| all.iter().map(http::HeaderName::as_str).collect::<Vec<_>>().join(",");
    let mut asks: Vec<String> = package.needs.iter().map(|it| (*it).to_owned()).collect();
    asks.extend((!manifest.reads.is_empty()).then(|| format!("headers.read={}", names(&manifest.reads))));
    asks.extend((!manifest.writes.is_empty()).then(|| format!("headers.write={}", names(&manifest.writes))));
    if asks.is_empty() { "nothing".to_owned() } else { asks.join(" ") }
}

fn config(file: Option<&std::path::Path>) -> anyhow::Result<String> {
    let Some(file) = file else { return Ok("{}".to_owned()) };
    let text = fs::read_to_string(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
    if LONGEST_CONFIG < text.len() {
        bail!("`{}` has {} bytes; a configuration may have {LONGEST_CONFIG}", file.display(), text.len());
    }
    let read: Result<serde_json::Value, _> = serde_json::from_str(&text);
    read.with_context(|| format!("`{}` is no JSON", file.display()))?;
    Ok(text)
}
