//! Plugins in force in a test, without a gateway around them.

use std::sync::Arc;

use domain::{
    ApiName, Arrival, AuthMethod, Body, Call, Caller, Class, Clock, FixedClock, Moment, Native, NormalPath, Operation,
    PathMode, Random, RequestId, Requirement, Source, Standing, TenantId, Tick, Timestamp,
};
pub(crate) use guests::Guest;
use http::{HeaderMap, Method};
use tempfile::TempDir;

use crate::{Asked, Binding, CompileFault, Compiles, Parts, PluginSettings, Plugins, Run, Shelf, Stopped, compile};

/// Compiles where it is asked to, and counts how often.
#[derive(Default)]
pub(crate) struct Here(pub(crate) std::sync::atomic::AtomicU32);

impl Compiles for Here {
    fn compile(&self, component: &[u8], settings: &PluginSettings) -> Result<Vec<u8>, CompileFault> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        compile(component, settings)
    }
}

/// Never the same bytes twice.
#[derive(Default)]
pub(crate) struct Counting(std::sync::atomic::AtomicU64);

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let next = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_le_bytes();
        bytes.iter_mut().zip(next.iter().cycle()).for_each(|(to, from)| *to = *from);
    }
}

/// A set of plugins with a shelf of its own.
pub(crate) struct Bench {
    pub(crate) plugins: Plugins,
    pub(crate) compiler: Arc<Here>,
    pub(crate) folder: TempDir,
    pub(crate) random: Arc<Counting>,
    bindings: std::sync::Mutex<Vec<Binding>>,
}

pub(crate) fn moment(ms: u64) -> Moment {
    let nanos = i64::try_from(ms * 1_000_000).unwrap();
    Moment { wall: Timestamp::from_nanos(nanos), tick: Tick::from_nanos(ms * 1_000_000) }
}

/// Few instances, so that a test reserves little.
pub(crate) fn small() -> PluginSettings {
    PluginSettings { instances: 4, ..PluginSettings::default() }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(small())
    }

    pub(crate) fn with(settings: PluginSettings) -> Self {
        Self::in_folder(settings, tempfile::tempdir().unwrap())
    }

    pub(crate) fn in_folder(settings: PluginSettings, folder: TempDir) -> Self {
        let (compiler, random) = (Arc::new(Here::default()), Arc::new(Counting::default()));
        let plugins = Plugins::new(Parts {
            settings,
            shelf: Shelf::open(folder.path(), &[7; 32]).unwrap(),
            compiler: Arc::clone(&compiler) as _,
            clock: Arc::new(FixedClock::at(moment(0).wall)) as Arc<dyn Clock>,
            random: Arc::clone(&random) as _,
        });
        Self { plugins, compiler, folder, random, bindings: std::sync::Mutex::default() }
    }

    /// Binds a component for a tenant, in the place of the one that it had under this id, with more lines in its manifest.
    pub(crate) fn bind_with(&self, tenant: &str, component: &[u8], lines: &str) -> Vec<crate::Unloaded> {
        let digest = self.plugins.shelf().put(component, &*self.random).unwrap();
        let mut bindings = self.bindings.lock().unwrap();
        let id = format!("{tenant}/p");
        let revision = bindings.iter().find(|it| it.id == id).map_or(1, |it| it.revision + 1);
        bindings.retain(|it| it.id != id);
        bindings.push(Binding {
            id,
            tenant: tenant.parse().unwrap(),
            api: "api".parse().unwrap(),
            manifest: manifest(lines),
            config: "{}".into(),
            digest,
            revision,
            revoked: false,
        });
        self.put_in_force(&bindings)
    }

    /// Compiles what has no code yet, and puts everything in force.
    fn put_in_force(&self, bindings: &[Binding]) -> Vec<crate::Unloaded> {
        let mut unloaded = self.plugins.compile(bindings);
        let revoked = bindings.iter().filter(|it| it.revoked).map(|it| it.digest.clone()).collect();
        unloaded.extend(self.plugins.put_in_force(bindings.to_vec(), &revoked));
        unloaded
    }

    /// The same with a manifest that asks for no capability.
    pub(crate) fn bind(&self, tenant: &str, guest: &Guest) {
        let unloaded = self.bind_with(tenant, &guest.component(), "");
        assert!(unloaded.is_empty(), "{unloaded:?}");
    }

    /// Changes what is bound.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Vec<Binding>)) -> Vec<crate::Unloaded> {
        let mut bindings = self.bindings.lock().unwrap();
        change(&mut bindings);
        self.put_in_force(&bindings)
    }

    /// What becomes of a request of a tenant at this time.
    pub(crate) fn ask_at(&self, tenant: &str, ms: u64) -> (Result<Vec<crate::HeaderEdit>, Stopped>, Vec<Run>) {
        let (arrival, call, caller) = (arrival(ms), call(), caller(tenant));
        let mut runs = Vec::new();
        let done = self
            .plugins
            .on_request(&Asked { arrival: &arrival, call: &call, caller: &caller, tenant_header: None }, &mut runs);
        (done, runs)
    }

    /// The same, for what does not depend on the time.
    pub(crate) fn ask(&self, tenant: &str) -> Result<Vec<crate::HeaderEdit>, Stopped> {
        self.ask_at(tenant, 0).0
    }

    /// How a request of a tenant fails.
    #[track_caller]
    pub(crate) fn fails(&self, tenant: &str) -> crate::Fault {
        match self.ask(tenant) {
            Err(Stopped::Failed { fault, .. }) => fault,
            other => panic!("did not fail: {other:?}"),
        }
    }
}

/// A component of this name for a tenant, with nothing asked for.
pub(crate) fn binding(tenant: &str, digest: &str) -> Binding {
    let (manifest, config) = (manifest(""), "{}".into());
    let (tenant, api) = (tenant.parse().unwrap(), "api".parse().unwrap());
    let (id, digest) = (format!("{tenant}/p"), digest.to_owned());
    Binding { id, tenant, api, manifest, config, digest, revision: 1, revoked: false }
}

pub(crate) fn manifest(lines: &str) -> String {
    format!(
        "[plugin]\nname = 'p'\nversion = '1'\nabi = 'portcullis:plugin@1.0'\n[needs]\nphases = ['request']\n\
         headers.read = ['x-seen']\nheaders.write = ['x-a', 'x-b']\n{lines}"
    )
}

pub(crate) fn arrival(ms: u64) -> Arrival {
    let mut headers = HeaderMap::new();
    headers.insert("x-seen", "seen".parse().unwrap());
    headers.insert("x-unseen", "unseen".parse().unwrap());
    headers.insert("authorization", "Bearer secret".parse().unwrap());
    Arrival {
        id: RequestId::from_bytes([1; 16]),
        at: moment(ms),
        source: Source { address: [192, 0, 2, 1].into(), tls: true },
        method: Method::GET,
        host: "api.example.com".to_owned(),
        target: "/v2/a?b=c&X-Amz-Signature=secret".to_owned(),
        path: NormalPath::parse("/v2/a", PathMode::Api).unwrap(),
        headers,
    }
}

pub(crate) fn call() -> Call {
    let operation = Operation {
        api: "api".parse::<ApiName>().unwrap(),
        api_index: 0,
        id: "a:get".parse().unwrap(),
        method: Method::GET,
        template: "/v2/{id}".to_owned(),
        parameters: vec!["id".to_owned()],
        class: Class::Read,
        requirement: Requirement::default(),
        tags: Vec::new(),
        labels: Vec::new(),
        native: Native::No,
        deprecated: false,
        body: Body::None,
        deadline: None,
        strict: false,
    };
    Call { operation: Arc::new(operation), parameters: vec!["a".to_owned()] }
}

pub(crate) fn caller(tenant: &str) -> Caller {
    let standing = Standing {
        key: "key_1".parse().unwrap(),
        lineage: "lin_1".parse().unwrap(),
        owner: None,
        tenant: tenant.parse::<TenantId>().unwrap(),
        scopes: Vec::new(),
        tier: "standard".parse().unwrap(),
        tenant_tier: None,
        expires: None,
        bound: None,
        suspended: false,
        grant: None,
    };
    Caller { standing: Arc::new(standing), method: AuthMethod::ApiKey, in_allowlist: true, retires: None, token: None }
}
