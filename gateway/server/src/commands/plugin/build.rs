//! `portcullis plugin build`

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, bail};
use clap::Args;
use plugins::PluginSettings;
use serde::{Deserialize, Serialize};

use super::Folder;
use crate::commands::output::Output;

/// What the module of a plugin is compiled for: no system, and so nothing that could be asked of one.
const TARGET: &str = "wasm32-unknown-unknown";

/// What is made a component.
#[derive(Debug, Args)]
pub(crate) struct Build {
    #[command(flatten)]
    folder: Folder,
    /// The core module of another compiler, instead of the one that `cargo build` makes in the folder
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
}

#[derive(Serialize)]
struct Built {
    component: PathBuf,
    bytes: usize,
    name: String,
    version: String,
    needs: Vec<&'static str>,
}

/// What cargo says of something that it has made.
#[derive(Deserialize)]
struct Artifact {
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

impl Build {
    pub(super) fn run(self, output: Output) -> anyhow::Result<ExitCode> {
        let module = self.module.map_or_else(|| compiled(self.folder.path()), Ok)?;
        let module = fs::read(&module).with_context(|| format!("`{}` cannot be read", module.display()))?;
        let component = self.folder.component_path();
        fs::write(&component, plugins::wrap(&module)?)
            .with_context(|| format!("`{}` cannot be written", component.display()))?;
        // Held to what every gateway allows unless its operator says otherwise.
        let package = self.folder.read(&PluginSettings::default())?;
        let (bytes, needs) = (package.component.len(), package.needs);
        let named = if needs.is_empty() { "nothing".to_owned() } else { needs.join(", ") };
        let words = format!("`{}` has {bytes} bytes and needs {named}", component.display());
        let (name, version) = (package.manifest.name, package.manifest.version);
        output.one(&Built { component, bytes, name, version, needs }, &words)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Has cargo compile the folder. Gives the module.
fn compiled(folder: &Path) -> anyhow::Result<PathBuf> {
    let manifest = fs::canonicalize(folder.join("Cargo.toml")).with_context(|| {
        format!("`{}` has no Cargo.toml; help: name the module of another compiler with `--module`", folder.display())
    })?;
    let made = Command::new("cargo")
        .args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be run; help: install Rust")?;
    if !made.status.success() {
        bail!("the plugin does not compile; help: `rustup target add {TARGET}` where cargo lacks the target");
    }
    let said = String::from_utf8_lossy(&made.stdout);
    let artifacts = said.lines().filter_map(|it| serde_json::from_str::<Artifact>(it).ok());
    let mut own = artifacts.filter(|it| it.manifest_path == manifest).flat_map(|it| it.filenames);
    let module = own.find(|it| it.extension().is_some_and(|it| it == "wasm"));
    module.context("no module was made; help: `crate-type = [\"cdylib\"]` in `[lib]` of Cargo.toml")
}
