//! The plugins that are in force, and how they come to be.
//!
//! Putting others in force builds all of them, then swaps. One that fails to load never takes the place of one that works.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use domain::{ApiName, Clock, Moment, Random, TenantId};
use http::{HeaderName, Method};
use wasmtime::Engine;

use crate::budgets::{Budget, LineRate};
use crate::compile::Compiles;
use crate::engine;
use crate::faults::Quarantine;
use crate::grants::{self, Capability};
use crate::instances::Guest;
use crate::lent::kv::Space;
use crate::lent::{Bounds, Lent, Lines};
use crate::manifest::{Manifest, OnError};
use crate::wire::Header;
use crate::{Fault, PluginSettings, Shape, Shelf};

/// A plugin that shall run for a tenant on an API, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its name among all.
    pub id: String,
    /// Whose it is.
    pub tenant: TenantId,
    /// On whose requests it runs.
    pub api: ApiName,
    /// The text of its `plugin.toml`.
    pub manifest: String,
    /// Its configuration, as JSON.
    pub config: Arc<str>,
    /// The digest of its component, which is its name on the shelf.
    pub digest: String,
    /// How often it was bound anew.
    pub revision: u64,
    /// Whether nobody may run it any more.
    pub revoked: bool,
}

/// A plugin that is not in force as it shall be.
#[derive(Debug)]
pub struct Unloaded {
    /// Which one.
    pub id: String,
    /// Why.
    pub fault: Fault,
    /// Whether the one before it still runs in its place.
    pub kept_before: bool,
}

/// What plugins are run with.
pub struct Parts {
    /// What they may use.
    pub settings: PluginSettings,
    /// Where their components lie.
    pub shelf: Shelf,
    /// What compiles them.
    pub compiler: Arc<dyn Compiles>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub random: Arc<dyn Random>,
}

/// Every plugin of every tenant, and what they share: nothing but the engine.
pub struct Plugins {
    pub(crate) settings: PluginSettings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    shelf: Shelf,
    compiler: Arc<dyn Compiles>,
    /// Made with the first plugin: where there is none, nothing is reserved and no time is told.
    engine: OnceLock<Engine>,
    set: ArcSwap<Set>,
    /// Whether there is nothing in it: what is asked for every request, since mostly there is not.
    idle: AtomicBool,
    /// What outlives a version: keys and values by tenant and name, and what tenants use.
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    spaces: HashMap<(TenantId, Arc<str>), Arc<Space>>,
    budgets: HashMap<TenantId, Arc<Budget>>,
}

/// What is in force at one moment.
#[derive(Default)]
pub(crate) struct Set {
    by_tenant: HashMap<TenantId, HashMap<ApiName, Vec<Arc<Bound>>>>,
}

impl Set {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_tenant.is_empty()
    }

    /// The plugins of a tenant on an API, in the order in which they run.
    pub(crate) fn of(&self, tenant: &TenantId, api: &ApiName) -> &[Arc<Bound>] {
        self.by_tenant.get(tenant).and_then(|it| it.get(api)).map_or(&[], Vec::as_slice)
    }

    fn find(&self, binding: &Binding) -> Option<&Arc<Bound>> {
        self.of(&binding.tenant, &binding.api).iter().find(|it| it.binding.id == binding.id)
    }
}

/// One plugin as it is in force.
pub(crate) struct Bound {
    pub(crate) binding: Binding,
    pub(crate) name: Arc<str>,
    pub(crate) digest: Arc<str>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) quarantine: Quarantine,
    pub(crate) lines: LineRate,
    loaded: Result<Loaded, Fault>,
    space: Arc<Space>,
}

/// What it is run with.
pub(crate) struct Loaded {
    pub(crate) manifest: Manifest,
    pub(crate) guest: Guest,
    bounds: Bounds,
    config: Arc<str>,
}

impl Bound {
    pub(crate) fn loaded(&self) -> Result<&Loaded, Fault> {
        if self.binding.revoked {
            return Err(Fault::Revoked);
        }
        self.loaded.as_ref().map_err(Clone::clone)
    }

    /// Whether it has anything to do with such a request. Where nobody knows, because it could not be loaded, it has.
    pub(crate) fn runs_on(&self, method: &Method, path: &str) -> bool {
        self.loaded.as_ref().map_or(true, |it| it.guest.is_on_request() && it.manifest.when.holds(method, path))
    }

    pub(crate) fn on_error(&self) -> OnError {
        self.loaded.as_ref().map_or(OnError::Deny, |it| it.manifest.on_error)
    }

    pub(crate) fn reads(&self) -> &[HeaderName] {
        self.loaded.as_ref().map_or(&[], |it| it.manifest.reads.as_slice())
    }

    pub(crate) fn deadline_ms(&self) -> u32 {
        let cpu = self.loaded.as_ref().map_or(Duration::ZERO, |it| it.manifest.cpu);
        u32::try_from(cpu.as_millis()).unwrap_or(u32::MAX)
    }

    /// What hangs on its next guest.
    pub(crate) fn lend(&self, loaded: &Loaded, headers: Vec<Header>, at: Moment, random: &Arc<dyn Random>) -> Lent {
        Lent {
            bounds: loaded.bounds,
            grown_too_far: false,
            configuring: true,
            at,
            begun: Duration::ZERO,
            within: Duration::ZERO,
            config: Arc::clone(&loaded.config),
            random: Arc::clone(random),
            kv: Arc::clone(&self.space),
            headers,
            findings: Vec::new(),
            lines: Lines::default(),
        }
    }
}

impl Plugins {
    /// No plugin is in force yet.
    pub fn new(parts: Parts) -> Self {
        let Parts { settings, shelf, compiler, clock, random } = parts;
        let (engine, set, kept) = (OnceLock::new(), ArcSwap::default(), Mutex::default());
        Self { settings, clock, random, shelf, compiler, engine, set, idle: AtomicBool::new(true), kept }
    }

    pub(crate) fn in_force(&self) -> Guard<Arc<Set>> {
        self.set.load()
    }

    /// Whether anything runs for anybody.
    pub fn is_idle(&self) -> bool {
        self.idle.load(Ordering::Acquire)
    }

    /// The shelf that components are put on.
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// What plugins may use.
    pub fn settings(&self) -> &PluginSettings {
        &self.settings
    }

    /// Compiles what of these has no code on the shelf yet. Takes as long as that takes, in a process of its own: not for a
    /// thread that serves requests or that others wait for. Gives what could not be compiled.
    pub fn compile(&self, bindings: &[Binding]) -> Vec<Unloaded> {
        let mut unloaded = Vec::new();
        for binding in bindings.iter().filter(|it| !it.revoked) {
            if let Err(fault) = self.compile_one(&binding.digest) {
                unloaded.push(Unloaded { id: binding.id.clone(), fault, kept_before: false });
            }
        }
        unloaded
    }

    fn compile_one(&self, digest: &str) -> Result<(), Fault> {
        let engine = self.engine().map_err(|it| Fault::NotLoaded(it.to_string()))?;
        if self.shelf.load(digest, engine).is_ok() {
            return Ok(());
        }
        let by = (&*self.compiler, &*self.random);
        self.shelf.compile(digest, engine, &self.settings, by).map_err(|it| Fault::NotLoaded(it.to_string()))
    }

    /// Puts these plugins in force, and no others, and says which of them are not as they shall be. What has not changed is
    /// not loaded anew. Of what fails to load the one before goes on, unless its component is among the `revoked`.
    ///
    /// Never compiles: what has no code yet is not in force until [`Self::compile`] was asked for it, and it is put in force
    /// again.
    pub fn put_in_force(&self, bindings: Vec<Binding>, revoked: &BTreeSet<String>) -> Vec<Unloaded> {
        let before = self.set.load_full();
        let (mut set, mut unloaded) = (Set::default(), Vec::new());
        for binding in bindings {
            let bound = match before.find(&binding) {
                Some(same) if same.binding == binding && same.loaded.is_ok() => Arc::clone(same),
                other => {
                    let new = self.bind(binding);
                    match (&new.loaded, other) {
                        // Whoever revokes means the one that runs as well.
                        (Err(fault), Some(works))
                            if works.loaded.is_ok()
                                && !new.binding.revoked
                                && !revoked.contains(&works.binding.digest) =>
                        {
                            unloaded.push(Unloaded { id: new.binding.id, fault: fault.clone(), kept_before: true });
                            Arc::clone(works)
                        }
                        (Err(fault), _) => {
                            let id = new.binding.id.clone();
                            unloaded.push(Unloaded { id, fault: fault.clone(), kept_before: false });
                            Arc::new(new)
                        }
                        (Ok(_), _) => Arc::new(new),
                    }
                }
            };
            let apis = set.by_tenant.entry(bound.binding.tenant.clone()).or_default();
            apis.entry(bound.binding.api.clone()).or_default().push(bound);
        }
        self.let_go(&set);
        let idle = set.is_empty();
        self.set.store(Arc::new(set));
        self.idle.store(idle, Ordering::Release);
        unloaded
    }

    /// Compiles and loads a plugin as [`Self::put_in_force`] would, has it take its configuration, and lets go of it again: what is wrong
    /// with it is known before it is kept.
    pub fn try_out(&self, binding: Binding) -> Result<Manifest, Fault> {
        self.compile_one(&binding.digest)?;
        let bound = self.bind(binding);
        let loaded = bound.loaded()?;
        let lent = bound.lend(loaded, Vec::new(), self.clock.now(), &self.random);
        let within = Duration::from_millis(self.settings.configure_ms.into());
        loaded.guest.try_configuration(lent, within).done?;
        Ok(loaded.manifest.clone())
    }

    fn bind(&self, binding: Binding) -> Bound {
        let manifest = Manifest::parse(Path::new("plugin.toml"), &binding.manifest, &self.settings);
        // By this name its keys and values are found, also by its next version.
        let name: Arc<str> = manifest.as_ref().map_or(binding.id.as_str(), |it| it.name.as_str()).into();
        let loaded = manifest.map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Fault::NotLoaded(faults.join("; "))
        });
        let loaded = loaded.and_then(|it| self.load(it, &binding));
        let (space, budget) = self.keep(&binding.tenant, &name);
        let digest = binding.digest.as_str().into();
        let (quarantine, lines) = (Quarantine::default(), LineRate::default());
        Bound { binding, name, digest, budget, quarantine, lines, loaded, space }
    }

    fn load(&self, manifest: Manifest, binding: &Binding) -> Result<Loaded, Fault> {
        let not_loaded = |it: &dyn std::fmt::Display| Fault::NotLoaded(it.to_string());
        if binding.revoked {
            return Err(Fault::Revoked);
        }
        let engine = self.engine().map_err(|it| not_loaded(&it))?;
        let component = self.shelf.load(&binding.digest, engine).map_err(|_| Fault::NotCompiled)?;
        let lent = granted(&component, &manifest)?;
        let guest = Guest::new(engine, &component, &lent, &self.settings)?;
        let bounds = Bounds {
            memory: manifest.memory as usize,
            table_elements: self.settings.table_elements as usize,
            findings: self.settings.findings as usize,
            log_lines: self.settings.log_lines,
            log_bytes: self.settings.log_bytes,
        };
        Ok(Loaded { manifest, guest, bounds, config: Arc::clone(&binding.config) })
    }

    fn engine(&self) -> Result<&Engine, engine::EngineFault> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        // Where two make one at once, one of the two is let go.
        let engine = engine::serving(&self.settings)?;
        Ok(self.engine.get_or_init(|| engine))
    }

    fn keep(&self, tenant: &TenantId, name: &Arc<str>) -> (Arc<Space>, Arc<Budget>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let space = kept.spaces.entry((tenant.clone(), Arc::clone(name)));
        let space = Arc::clone(space.or_insert_with(|| Arc::new(Space::new((&self.settings).into()))));
        let budget = kept.budgets.entry(tenant.clone());
        let budget = budget.or_insert_with(|| Arc::new(Budget::new(&self.settings, self.clock.tick())));
        (space, Arc::clone(budget))
    }

    /// Forgets the keys and values of plugins that there are no more.
    fn let_go(&self, set: &Set) {
        let all = || set.by_tenant.values().flat_map(HashMap::values).flatten();
        let named: BTreeSet<(&str, &str)> = all().map(|it| (it.binding.tenant.as_str(), &*it.name)).collect();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.spaces.retain(|(tenant, name), _| named.contains(&(tenant.as_str(), name)));
        kept.budgets.retain(|tenant, _| set.by_tenant.contains_key(tenant));
    }
}

/// What is lent to a component: what it needs, as far as its manifest asks for it. The same was held to it before it was
/// kept; a component is believed no more for that.
fn granted(component: &wasmtime::component::Component, manifest: &Manifest) -> Result<BTreeSet<Capability>, Fault> {
    let (found, engine) = (component.component_type(), component.engine());
    let shape = Shape {
        imports: found.imports(engine).map(|it| it.0.to_owned()).collect(),
        exports: found.exports(engine).map(|it| it.0.to_owned()).collect(),
    };
    grants::lent(&shape, manifest).map_err(|all| {
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        Fault::NotLoaded(all.join("; "))
    })
}
