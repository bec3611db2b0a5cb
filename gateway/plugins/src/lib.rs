//! Tenant code: components of Wasm that run on their tenant's own requests, and see only what they were granted.
//!
//! Promises that a guest begins with clean memory, ends in time, and reaches nothing that was not lent to it. Does not know
//! how plugins come to be kept (`identity`), nor what is told to a caller (`pipeline`).

mod budgets;
mod compile;
mod component;
mod contract;
mod engine;
mod faults;
mod grants;
mod headers;
mod instances;
mod lent;
mod manifest;
mod plugins;
mod request;
mod settings;
mod shelf;
mod verdict;
mod wire;
mod wrap;

#[cfg(test)]
mod testing;

pub use compile::{Apart, CompileFault, Compiles, compile, compile_apart};
pub use component::{BadComponent, Shape};
pub use contract::{ABI, WIT};
pub use engine::EngineFault;
pub use faults::Fault;
pub use grants::{Capability, NotGranted, lent};
pub use manifest::{Manifest, OnError, When};
pub use plugins::{Binding, Parts, Plugins, Unloaded};
pub use request::{Asked, Outcome, Run, Stopped};
pub use settings::PluginSettings;
pub use shelf::{Shelf, ShelfFault};
pub use verdict::{BadVerdict, Finding, HeaderEdit, Reply};
pub use wrap::{Unwrappable, wrap};
