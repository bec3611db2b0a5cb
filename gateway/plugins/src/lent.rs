//! What is lent to a guest, one file per interface.
//!
//! A linker has what the component imports and was granted, and nothing else. Whatever belongs to a tenant hangs on the
//! store, which lives for one request: there is no name by which a guest could reach another's.

mod audit;
mod clock;
mod config;
mod crypto;
pub(crate) mod kv;
mod log;
mod random;
mod request_data;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::{Moment, Random};
use wasmtime::component::{Linker, LinkerInstance};
use wasmtime::{Engine, ResourceLimiter};

use self::kv::Space;
pub(crate) use self::log::{Lines, harmless};
use crate::contract;
use crate::grants::Capability;
use crate::wire::{Finding, Header, HostError};

/// The most random bytes in one call.
const MOST_RANDOM: u32 = 1024;

/// What one guest may use, for one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) memory: usize,
    pub(crate) table_elements: usize,
    pub(crate) findings: usize,
    pub(crate) log_lines: u32,
    pub(crate) log_bytes: u32,
}

/// What hangs on the store of a guest: everything that it can come to.
pub(crate) struct Lent {
    pub(crate) bounds: Bounds,
    /// Whether its memory was refused to it.
    pub(crate) grown_too_far: bool,
    /// Whether it is being configured: then it is lent nothing that could be otherwise the next time.
    pub(crate) configuring: bool,
    pub(crate) at: Moment,
    /// How long its thread had computed when it began, and how much longer that may be.
    pub(crate) begun: Duration,
    pub(crate) within: Duration,
    pub(crate) config: Arc<str>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) kv: Arc<Space>,
    /// The headers that it was granted.
    pub(crate) headers: Vec<Header>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) lines: Lines,
}

impl Lent {
    /// Whether it may be lent what another request would find otherwise.
    fn on_request(&self) -> Result<(), HostError> {
        if self.configuring { Err(HostError::Denied("not in this hook".to_owned())) } else { Ok(()) }
    }

    /// The same for what cannot refuse.
    fn on_request_only(&self, interface: &str) -> wasmtime::Result<()> {
        if self.configuring {
            return Err(wasmtime::Error::msg(format!("`{interface}` is not lent to `configure`")));
        }
        Ok(())
    }
}

impl ResourceLimiter for Lent {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired <= self.bounds.memory;
        self.grown_too_far |= !fits;
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= self.bounds.table_elements)
    }
}

/// A linker with these interfaces alone.
pub(crate) fn linker(engine: &Engine, lent: &BTreeSet<Capability>) -> wasmtime::Result<Linker<Lent>> {
    let mut linker = Linker::new(engine);
    linker.instance(&contract::full("types"))?;
    for capability in lent {
        let mut interface = linker.instance(&contract::full(capability.as_str()))?;
        add(*capability, &mut interface)?;
    }
    Ok(linker)
}

fn add(capability: Capability, to: &mut LinkerInstance<'_, Lent>) -> wasmtime::Result<()> {
    match capability {
        Capability::Log => log::add(to),
        Capability::Config => config::add(to),
        Capability::Clock => clock::add(to),
        Capability::Random => random::add(to),
        Capability::Audit => audit::add(to),
        Capability::Kv => kv::add(to),
        Capability::Crypto => crypto::add(to),
        Capability::RequestData => request_data::add(to),
    }
}
