//! What a plugin is lent: never more than its manifest asks for.

use std::collections::BTreeSet;

use crate::component::Shape;
use crate::manifest::Manifest;

/// One interface that can be lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Lines in the log.
    Log,
    /// Its own configuration.
    Config,
    /// The one reading of the clock.
    Clock,
    /// Random bytes.
    Random,
    /// Findings, for the log of entries.
    Audit,
    /// Keys and values of its own.
    Kv,
    /// Digests.
    Crypto,
    /// The granted headers, one by one.
    RequestData,
}

impl Capability {
    /// Every one of them.
    pub const ALL: [Self; 8] =
        [Self::Log, Self::Config, Self::Clock, Self::Random, Self::Audit, Self::Kv, Self::Crypto, Self::RequestData];

    /// The interface, as the contract names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Config => "config",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Audit => "audit",
            Self::Kv => "kv",
            Self::Crypto => "crypto",
            Self::RequestData => "request-data",
        }
    }

    /// The one of this interface.
    pub fn of(interface: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == interface)
    }

    /// The line of a manifest that asks for it; nothing where everybody has it, because it shows and changes nothing that
    /// is not the plugin's own.
    fn line(self) -> Option<&'static str> {
        match self {
            Self::Audit => Some("audit = true"),
            Self::Kv => Some("kv = true"),
            Self::Log | Self::Config | Self::Clock | Self::Random | Self::Crypto | Self::RequestData => None,
        }
    }
}

/// What a component imports and its manifest does not ask for, or what the two say otherwise of its phases.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotGranted {
    /// An interface.
    #[error(
        "the component imports `{interface}`, which it is not granted; help: add `{line}` to `[caps]` in plugin.toml"
    )]
    Interface {
        /// Its name in the contract.
        interface: &'static str,
        /// What asks for it.
        line: &'static str,
    },
    /// It says that it has a phase, and has no function for it.
    #[error("plugin.toml names the phase `{0}`, and the component does not export `portcullis:plugin/{0}`")]
    NoExport(&'static str),
    /// It has a function for a phase, and does not say so.
    #[error("the component exports `portcullis:plugin/{0}`; help: add `\"{0}\"` to `phases` in plugin.toml")]
    NoPhase(&'static str),
}

/// The one phase that there is.
pub(crate) const REQUEST: &str = "request";

/// What is lent to a component with this manifest, or everything that it is not granted.
pub fn lent(shape: &Shape, manifest: &Manifest) -> Result<BTreeSet<Capability>, Vec<NotGranted>> {
    let asked = |it: Capability| match it {
        Capability::Audit => manifest.audit,
        Capability::Kv => manifest.kv,
        Capability::Log
        | Capability::Config
        | Capability::Clock
        | Capability::Random
        | Capability::Crypto
        | Capability::RequestData => true,
    };
    let needed: BTreeSet<Capability> = shape.needs().filter_map(Capability::of).collect();
    let mut wrong: Vec<NotGranted> = needed
        .iter()
        .filter(|it| !asked(**it))
        .filter_map(|it| Some(NotGranted::Interface { interface: it.as_str(), line: it.line()? }))
        .collect();
    match (manifest.on_request, shape.gives(REQUEST)) {
        (true, false) => wrong.push(NotGranted::NoExport(REQUEST)),
        (false, true) => wrong.push(NotGranted::NoPhase(REQUEST)),
        (true, true) | (false, false) => {}
    }
    if wrong.is_empty() { Ok(needed) } else { Err(wrong) }
}
