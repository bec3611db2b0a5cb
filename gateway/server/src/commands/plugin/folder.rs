//! The folder of a plugin: its manifest, its component, and whether the two fit.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use domain::Fault;
use plugins::{Capability, Manifest, PluginSettings, Shape};

use super::Folder;
use crate::faults::Refused;

/// The manifest of a plugin.
const MANIFEST: &str = "plugin.toml";

/// Its component.
const COMPONENT: &str = "plugin.wasm";

/// A plugin whose parts are good and fit each other.
pub(super) struct Package {
    pub(super) manifest: Manifest,
    pub(super) text: String,
    pub(super) component: Vec<u8>,
    /// What is lent to it, in words.
    pub(super) needs: Vec<&'static str>,
}

impl Folder {
    pub(super) fn path(&self) -> &Path {
        &self.folder
    }

    pub(super) fn component_path(&self) -> PathBuf {
        self.folder.join(COMPONENT)
    }

    /// Reads a plugin, and says everything at once that is wrong with it.
    pub(super) fn read(&self, settings: &PluginSettings) -> anyhow::Result<Package> {
        let (file, component_file) = (self.folder.join(MANIFEST), self.component_path());
        let text = fs::read_to_string(&file).with_context(|| format!("`{}` cannot be read", file.display()))?;
        let manifest = Manifest::parse(&file, &text, settings);
        let component = fs::read(&component_file).with_context(|| {
            format!("`{}` cannot be read; help: `portcullis plugin build` makes it", component_file.display())
        })?;
        let shape = Shape::of(&component, settings).map_err(|it| vec![Fault::of(&component_file, it.to_string())]);
        let (manifest, shape) = match (manifest, shape) {
            (Ok(manifest), Ok(shape)) => (manifest, shape),
            (manifest, shape) => {
                let faults = manifest.err().into_iter().chain(shape.err()).flatten();
                return Err(Refused(faults.collect()).into());
            }
        };
        let lent = plugins::lent(&shape, &manifest);
        let lent = lent
            .map_err(|all| Refused(all.into_iter().map(|it| Fault::of(&component_file, it.to_string())).collect()))?;
        let needs = lent.into_iter().map(Capability::as_str).collect();
        Ok(Package { manifest, text, component, needs })
    }
}
