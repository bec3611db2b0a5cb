//! The plugins of tenants: where they lie, what compiles them, and how they come into force.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Context as _;
use authn::SystemRandom;
use domain::Clock;
use identity::{Identity, Plugin, StoreFault};
use plugins::{Apart, Binding, Fault, Parts, Plugins, Shelf};

use crate::settings::Settings;

/// What makes this program compile a component, and do nothing else.
pub(crate) const COMPILE: &str = "compile-plugin";

/// This program as it runs, also once another lies in its place.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// What runs plugins, with none of them in force. The key of compiled code is made where it was never there.
pub(crate) fn open(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Plugins> {
    let key = authn::secrets::seed(&settings.data.join("secrets").join("plugins.key"))?;
    let shelf = Shelf::open(&settings.data.join("plugins"), &key).context("the folder of plugins cannot be used")?;
    Ok(Plugins::new(Parts {
        settings: settings.plugins.clone(),
        shelf,
        compiler: Arc::new(Apart { program: PathBuf::from(THIS_PROGRAM), argument: COMPILE }),
        clock,
        random: Arc::new(SystemRandom),
    }))
}

/// Plugins as they are kept.
struct Kept {
    /// How often they had been changed before they were read.
    changes: u64,
    bindings: Vec<Binding>,
    revoked: BTreeSet<String>,
}

impl Kept {
    async fn read(identity: &Identity) -> Result<Self, StoreFault> {
        // The count first: what is changed meanwhile is read again.
        let changes = identity.plugin_changes().await?;
        let bindings = identity.plugins(None).await?.into_iter().map(binding).collect();
        Ok(Self { changes, bindings, revoked: identity.revoked_components().await? })
    }
}

fn binding(it: Plugin) -> Binding {
    Binding {
        id: it.id,
        tenant: it.tenant,
        api: it.api,
        manifest: it.manifest,
        config: it.config.into(),
        digest: it.digest,
        revision: it.revision,
        revoked: it.revoked.is_some(),
    }
}

/// What a gateway that runs knows of plugins as they are kept.
pub(crate) struct Guests {
    plugins: Arc<Plugins>,
    /// How often they had been changed when they were put in force last.
    changes: AtomicU64,
    /// Whether something was compiled since.
    compiled: Arc<AtomicBool>,
    /// Held by whoever compiles: one component at a time.
    turn: Arc<Mutex<()>>,
}

impl Guests {
    /// Compiles whatever has no code here yet, and puts every plugin in force: before anybody is listened to, so that none
    /// of their requests finds one missing.
    pub(crate) async fn start(plugins: Arc<Plugins>, identity: &Identity) -> anyhow::Result<Self> {
        let Kept { changes, bindings, revoked } = Kept::read(identity).await?;
        let it = Arc::clone(&plugins);
        let begun = tokio::task::spawn_blocking(move || {
            compile(&it, &bindings);
            put_in_force(&it, bindings, &revoked);
        });
        begun.await.context("plugins could not be put in force")?;
        let (compiled, turn) = (Arc::default(), Arc::default());
        Ok(Self { plugins, changes: AtomicU64::new(changes), compiled, turn })
    }

    /// Has plugins read anew at the next look, whatever their number of changes says.
    pub(crate) fn forget(&self) {
        self.compiled.store(true, Ordering::Release);
    }

    /// Puts plugins in force as they are kept now, where that was changed since the last look. Keys wait for this, and so it
    /// never compiles: what has no code yet is compiled meanwhile, and is in force at the look after that.
    pub(crate) async fn follow(&self, identity: &Identity, changed: bool) -> Result<(), StoreFault> {
        let other = changed && identity.plugin_changes().await? != self.changes.load(Ordering::Acquire);
        if !self.compiled.swap(false, Ordering::AcqRel) && !other {
            return Ok(());
        }
        // What was compiled is to be put in force at a look that can read.
        let Kept { changes, bindings, revoked } = Kept::read(identity).await.inspect_err(|_| self.forget())?;
        let plugins = Arc::clone(&self.plugins);
        let done = tokio::task::spawn_blocking(move || put_in_force(&plugins, bindings, &revoked)).await;
        match done {
            Ok(uncompiled) => {
                self.changes.store(changes, Ordering::Release);
                self.compile(uncompiled);
            }
            Err(cause) => {
                self.forget();
                tracing::error!(%cause, "plugins were not put in force");
            }
        }
        Ok(())
    }

    /// Compiles these on a thread that nobody waits for, not even whoever ends the gateway.
    fn compile(&self, bindings: Vec<Binding>) {
        if bindings.is_empty() {
            return;
        }
        let (plugins, compiled, turn) = (Arc::clone(&self.plugins), Arc::clone(&self.compiled), Arc::clone(&self.turn));
        let work = move || {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            // Where none could be, there is nothing to look at.
            if compile(&plugins, &bindings) < bindings.len() {
                compiled.store(true, Ordering::Release);
            }
        };
        if let Err(cause) = thread::Builder::new().name("compile".to_owned()).spawn(work) {
            tracing::error!(%cause, "plugins cannot be compiled");
        }
    }
}

/// Compiles what has no code yet, and says in the log what could not be. Gives how many that are.
fn compile(plugins: &Plugins, bindings: &[Binding]) -> usize {
    let unloaded = plugins.compile(bindings);
    for it in &unloaded {
        tracing::error!(plugin = it.id, cause = %it.fault, "a plugin cannot be compiled");
    }
    unloaded.len()
}

/// Puts plugins in force, and says in the log which are not as they shall be. Gives those that are only to be compiled.
fn put_in_force(plugins: &Plugins, bindings: Vec<Binding>, revoked: &BTreeSet<String>) -> Vec<Binding> {
    let unloaded = plugins.put_in_force(bindings.clone(), revoked);
    for it in unloaded.iter().filter(|it| it.fault != Fault::Revoked) {
        tracing::error!(plugin = it.id, cause = %it.fault, kept_before = it.kept_before, "a plugin is not in force");
    }
    let uncompiled = |id: &str| unloaded.iter().any(|it| it.fault == Fault::NotCompiled && it.id == id);
    bindings.into_iter().filter(|it| uncompiled(&it.id)).collect()
}
