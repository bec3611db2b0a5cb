//! A component that is ready to be run, and one run of it: clean memory, a deadline, and nothing left behind.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};
use wasmtime::component::{Component, ComponentExportIndex, Instance, InstancePre};
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use crate::contract;
use crate::engine::EPOCH;
use crate::grants::{Capability, REQUEST};
use crate::lent::{self, Lent};
use crate::wire::{CallContext, Problem, RequestHead, RequestVerdict};
use crate::{Fault, PluginSettings};

/// The longest that is kept of what a trap says.
const LONGEST: usize = 2048;

/// The most problems that are kept of a configuration.
const MOST_PROBLEMS: usize = 16;

/// A component that is ready to be run for the requests of those who bound it.
pub(crate) struct Guest {
    ready: InstancePre<Lent>,
    configure: ComponentExportIndex,
    on_request: Option<ComponentExportIndex>,
    hostcall_bytes: u32,
}

/// How one run of a guest ended, and what it has left for whoever ran it.
pub(crate) struct Ran<T> {
    pub(crate) done: Result<T, Fault>,
    pub(crate) lent: Lent,
    /// How long it has computed.
    pub(crate) computed: Duration,
}

impl Guest {
    /// Makes a component ready, with these interfaces and no other.
    pub(crate) fn new(
        engine: &Engine,
        component: &Component,
        lent: &BTreeSet<Capability>,
        settings: &PluginSettings,
    ) -> Result<Self, Fault> {
        let not_loaded = |it: wasmtime::Error| Fault::NotLoaded(told(&it));
        let linker = lent::linker(engine, lent).map_err(not_loaded)?;
        let ready = linker.instantiate_pre(component).map_err(not_loaded)?;
        let missing = || Fault::NotLoaded("`configure` is missing".to_owned());
        let configure = function(component, "lifecycle", "configure").ok_or_else(missing)?;
        let on_request = function(component, REQUEST, "on-request");
        Ok(Self { ready, configure, on_request, hostcall_bytes: settings.hostcall_bytes })
    }

    /// Whether it has anything to say of the head of a request.
    pub(crate) fn is_on_request(&self) -> bool {
        self.on_request.is_some()
    }

    /// Whether it takes the configuration, and whether its hooks have the shapes of the contract.
    pub(crate) fn try_configuration(&self, lent: Lent, within: Duration) -> Ran<()> {
        self.run(lent, within, |guest, store, instance| {
            if let Some(on_request) = &guest.on_request {
                let typed =
                    instance.get_typed_func::<(&CallContext, &RequestHead), (RequestVerdict,)>(&mut *store, on_request);
                typed.map(drop)?;
            }
            Ok(())
        })
    }

    /// What it says of the head of a request, in memory that nobody has used since it was clean.
    pub(crate) fn on_request(
        &self,
        lent: Lent,
        within: Duration,
        context: &CallContext,
        head: &RequestHead,
    ) -> Ran<Option<RequestVerdict>> {
        self.run(lent, within, |guest, store, instance| {
            let Some(on_request) = &guest.on_request else { return Ok(None) };
            let hook =
                instance.get_typed_func::<(&CallContext, &RequestHead), (RequestVerdict,)>(&mut *store, on_request)?;
            Ok(Some(hook.call(&mut *store, (context, head))?.0))
        })
    }

    /// Starts a guest, has it take its configuration, and goes on with `hook`.
    fn run<T>(
        &self,
        mut lent: Lent,
        within: Duration,
        hook: impl FnOnce(&Self, &mut Store<Lent>, &Instance) -> wasmtime::Result<T>,
    ) -> Ran<T> {
        let begun = computed();
        (lent.configuring, lent.begun, lent.within) = (true, begun, within);
        let config = Arc::clone(&lent.config);
        let mut store = Store::new(self.ready.engine(), lent);
        store.limiter(|it| it);
        store.epoch_deadline_callback(|guest| on_time(guest.data()));
        store.set_epoch_deadline(epochs(within));
        store.set_hostcall_fuel(self.hostcall_bytes as usize);
        let done = self.start(&mut store, &config).and_then(|it| match it {
            Ok(instance) => hook(self, &mut store, &instance).map(Ok),
            Err(problems) => Ok(Err(problems)),
        });
        let lent = store.into_data();
        let done = match done {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(problems)) => Err(Fault::Configuration(problems)),
            Err(cause) => Err(self.fault(&cause, &lent, within)),
        };
        Ran { done, lent, computed: computed().saturating_sub(begun) }
    }

    /// Gives a guest its memory and its configuration, or says what it has against that.
    fn start(&self, store: &mut Store<Lent>, config: &str) -> wasmtime::Result<Result<Instance, String>> {
        let instance = self.ready.instantiate(&mut *store)?;
        let configure =
            instance.get_typed_func::<(&str,), (Result<(), Vec<Problem>>,)>(&mut *store, &self.configure)?;
        let (taken,) = configure.call(&mut *store, (config,))?;
        store.data_mut().configuring = false;
        Ok(taken.map(|()| instance).map_err(|problems| {
            let one = |it: &Problem| format!("`{}` {}", lent::harmless(&it.pointer), lent::harmless(&it.message));
            shortened(problems.iter().take(MOST_PROBLEMS).map(one).collect::<Vec<_>>().join("; "))
        }))
    }

    fn fault(&self, cause: &wasmtime::Error, lent: &Lent, within: Duration) -> Fault {
        if cause.is::<PoolConcurrencyLimitError>() {
            return Fault::Instances;
        }
        if let Some(Trap::Interrupt) = cause.downcast_ref::<Trap>() {
            return Fault::Deadline(within);
        }
        if lent.grown_too_far {
            return Fault::Memory(lent.bounds.memory);
        }
        if let Some(Trap::StackOverflow) = cause.downcast_ref::<Trap>() {
            return Fault::Stack;
        }
        if cause.chain().any(|it| it.to_string().contains("fuel allocated for hostcalls")) {
            return Fault::HandedOver(self.hostcall_bytes);
        }
        Fault::Trapped(told(cause))
    }
}

/// Whether a guest may go on that has not ended when it should have: as far as it was kept waiting by others it may, since
/// how busy the machine is is not its fault.
fn on_time(lent: &Lent) -> wasmtime::Result<UpdateDeadline> {
    let more = lent.within.saturating_sub(computed().saturating_sub(lent.begun));
    if more.is_zero() { Err(Trap::Interrupt.into()) } else { Ok(UpdateDeadline::Continue(epochs(more))) }
}

/// So many epochs are at least so long: the one that has begun counts as a whole one.
fn epochs(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(EPOCH.as_nanos()).saturating_add(1)).unwrap_or(u64::MAX)
}

/// How long this thread has computed. Unlike what time it is, nothing depends on it but who is stopped and what it costs.
fn computed() -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(tv_sec.unsigned_abs(), u32::try_from(tv_nsec).unwrap_or_default())
}

/// A function of an interface, if the component exports it.
fn function(component: &Component, interface: &str, name: &str) -> Option<ComponentExportIndex> {
    let (_, interface) = component.get_export(None, contract::full(interface).as_str())?;
    component.get_export(Some(&interface), name).map(|it| it.1)
}

/// What a fault of the engine says, with the functions of the guest that it was in: for its author alone.
fn told(cause: &wasmtime::Error) -> String {
    shortened(lent::harmless(&format!("{cause:#}")))
}

fn shortened(text: String) -> String {
    if text.len() <= LONGEST { text } else { text.chars().take(LONGEST / 4).collect() }
}
