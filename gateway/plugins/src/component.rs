//! What somebody hands over as a plugin, looked at before anything of it is compiled.
//!
//! Knows bytes and the names of interfaces. Does not know what a manifest asks for (`grants`).

use wasmparser::{Parser, Payload, Validator};

use crate::PluginSettings;
use crate::contract;
use crate::engine::FEATURES;

/// How much is shown of what a parser says.
const SHOWN: usize = 300;

/// What is needed from the gateway and given to it, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// The full names of the interfaces that are imported.
    pub imports: Vec<String>,
    /// The full names of the interfaces that are exported.
    pub exports: Vec<String>,
}

/// What cannot be a plugin, whatever it is granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadComponent {
    /// Longer than it may be.
    #[error("the component has {has} bytes; it may have {most} (`component_bytes`)")]
    TooLong {
        /// Bytes.
        has: usize,
        /// Bytes.
        most: u32,
    },
    /// Something else.
    #[error("this is no Wasm component; help: `portcullis plugin build` makes one")]
    NotWasm,
    /// A core module.
    #[error("this is a core module and no component; help: `portcullis plugin build` wraps it")]
    CoreModule,
    /// Compiled code of a machine: nobody but this gateway makes that.
    #[error("this is compiled code, which is never taken from anybody; help: hand over the component")]
    Compiled,
    /// Damaged, or with something that is switched off here.
    #[error("the component is not valid: {0}")]
    Invalid(String),
    /// An interface that there is not.
    #[error("the component imports `{0}`, which this gateway does not have")]
    UnknownImport(String),
    /// An interface that is never asked for.
    #[error("the component exports `{0}`, which this gateway does not call; help: it calls `lifecycle` and `request`")]
    UnknownExport(String),
    /// Every plugin can be configured.
    #[error("the component does not export `portcullis:plugin/lifecycle`, which every plugin has")]
    NoLifecycle,
}

impl Shape {
    /// What a component needs and gives, once it is known to be a good one.
    pub fn of(bytes: &[u8], settings: &PluginSettings) -> Result<Self, BadComponent> {
        if bytes.len() > settings.component_bytes as usize {
            return Err(BadComponent::TooLong { has: bytes.len(), most: settings.component_bytes });
        }
        if bytes.starts_with(b"\x7fELF") {
            return Err(BadComponent::Compiled);
        }
        if Parser::is_core_wasm(bytes) {
            return Err(BadComponent::CoreModule);
        }
        if !Parser::is_component(bytes) {
            return Err(BadComponent::NotWasm);
        }
        let invalid = |it: wasmparser::BinaryReaderError| BadComponent::Invalid(shown(&it.to_string()));
        Validator::new_with_features(FEATURES).validate_all(bytes).map_err(invalid)?;
        let shape = Self::read(bytes).map_err(invalid)?;
        shape.known()
    }

    /// The names at the outermost level: what components inside need and give is between them.
    fn read(bytes: &[u8]) -> Result<Self, wasmparser::BinaryReaderError> {
        let (mut shape, mut depth) = (Self::default(), 0_u32);
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            if let Payload::Version { .. } = payload {
                depth += 1;
            } else if let Payload::End(_) = payload {
                depth = depth.saturating_sub(1);
            } else if depth != 1 {
            } else if let Payload::ComponentImportSection(section) = payload {
                for import in section {
                    shape.imports.push(import?.name.name.to_owned());
                }
            } else if let Payload::ComponentExportSection(section) = payload {
                for export in section {
                    shape.exports.push(export?.name.name.to_owned());
                }
            }
        }
        Ok(shape)
    }

    /// The same, where every name in it is one that means something.
    fn known(self) -> Result<Self, BadComponent> {
        if let Some(it) = self.imports.iter().find(|it| !contract::interface(it).is_some_and(is_lent)) {
            return Err(BadComponent::UnknownImport(shown(it)));
        }
        let called = |it: &str| matches!(contract::interface(it), Some("lifecycle" | "request"));
        if let Some(it) = self.exports.iter().find(|it| !called(it)) {
            return Err(BadComponent::UnknownExport(shown(it)));
        }
        if !self.gives("lifecycle") {
            return Err(BadComponent::NoLifecycle);
        }
        Ok(self)
    }

    /// Whether it has this export.
    pub(crate) fn gives(&self, interface: &str) -> bool {
        self.exports.iter().any(|it| contract::interface(it) == Some(interface))
    }

    /// The interfaces that it needs, without package and version.
    pub(crate) fn needs(&self) -> impl Iterator<Item = &str> {
        self.imports.iter().filter_map(|it| contract::interface(it))
    }
}

/// Whether there is such an interface to be lent. `types` has no functions, only the shapes of what is handed over.
fn is_lent(interface: &str) -> bool {
    interface == "types" || crate::grants::Capability::of(interface).is_some()
}

/// What a stranger wrote, short and printable.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN).map(|it| if it.is_control() { ' ' } else { it }).collect()
}

#[cfg(test)]
mod tests;
