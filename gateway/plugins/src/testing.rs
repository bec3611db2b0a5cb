//! Guests for tests, written by hand so that they can be as hostile as they like.

use std::sync::Arc;

use domain::{
    ApiName, Arrival, AuthMethod, Body, Call, Caller, Class, Clock, FixedClock, Moment, Native, NormalPath, Operation,
    PathMode, Random, RequestId, Requirement, Source, Standing, TenantId, Tick, Timestamp,
};
use http::{HeaderMap, Method};
use tempfile::TempDir;
use wit_component::StringEncoding;

use crate::{
    Asked, Binding, CompileFault, Compiles, Parts, PluginSettings, Plugins, Run, Shelf, Stopped, WIT, compile, wrap,
};

/// Where what a guest answers lies in its memory.
const ANSWER: usize = 1024;

/// A world of everything, so that a guest may import what it likes.
const WORLD: &str = "world guest { include lent; export lifecycle; export request; }";

/// A guest as it is written in a test.
#[derive(Clone, Default)]
pub(crate) struct Guest {
    pub(crate) imports: String,
    pub(crate) more: String,
    pub(crate) configure: Option<String>,
    pub(crate) on_request: String,
    pub(crate) data: Vec<u8>,
}

impl Guest {
    /// One whose hook runs this, and gives the address of its verdict.
    pub(crate) fn doing(on_request: &str) -> Self {
        Self { on_request: on_request.to_owned(), ..Self::default() }
    }

    /// One that lets everything pass.
    pub(crate) fn passing() -> Self {
        Self::doing(&format!("i32.const {ANSWER}"))
    }

    /// One that sets these headers.
    pub(crate) fn setting(headers: &[(&str, &str)]) -> Self {
        let mut data = vec![0; 56];
        let ops = data.len();
        data.resize(ops + headers.len() * 20, 0);
        data[0] = 1;
        put(&mut data, 4, ops);
        put_number(&mut data, 8, headers.len());
        for (at, (name, value)) in headers.iter().enumerate() {
            put_text(&mut data, ops + at * 20 + 4, name);
            put_text(&mut data, ops + at * 20 + 12, value);
        }
        Self { data, ..Self::passing() }
    }

    /// One that answers with this status and body.
    pub(crate) fn answering(status: u16, body: &str) -> Self {
        let mut data = vec![0; 56];
        data[0] = 2;
        data[4..6].copy_from_slice(&status.to_le_bytes());
        put_text(&mut data, 16, body);
        Self { data, ..Self::passing() }
    }

    /// The same with an interface that it calls.
    pub(crate) fn importing(self, interface: &str, function: &str, kind: &str) -> Self {
        let line =
            format!("(import \"portcullis:plugin/{interface}@1.0.0\" \"{function}\" (func ${function} {kind}))\n");
        Self { imports: self.imports + &line, ..self }
    }

    /// Its core module as text.
    pub(crate) fn text(&self) -> String {
        let data: Vec<String> = self.data.iter().map(|it| format!("\\{it:02x}")).collect();
        let data = data.concat();
        let configure = self.configure.as_deref().unwrap_or("i32.const 16");
        format!(
            r#"(module {imports}
            (memory (export "memory") 2)
            (global $heap (mut i32) (i32.const 65536))
            (data (i32.const {ANSWER}) "{data}")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
                (global.set $heap (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (func (export "portcullis:plugin/lifecycle@1.0.0#configure") (param i32 i32) (result i32) {configure})
            (func $hook (export "portcullis:plugin/request@1.0.0#on-request") (param i32) (result i32) {on_request})
            {more})"#,
            imports = self.imports,
            on_request = self.on_request,
            more = self.more,
        )
    }

    /// Its component.
    pub(crate) fn component(&self) -> Vec<u8> {
        let mut module = wat::parse_str(self.text()).unwrap();
        let mut resolve = wit_parser::Resolve::default();
        let package = resolve.push_str("plugin.wit", &format!("{WIT}\n{WORLD}")).unwrap();
        let world = resolve.select_world(&[package], Some("guest")).unwrap();
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        wrap(&module).unwrap()
    }
}

fn put_number(data: &mut [u8], at: usize, number: usize) {
    data[at..at + 4].copy_from_slice(&u32::try_from(number).unwrap().to_le_bytes());
}

fn put(data: &mut [u8], at: usize, offset: usize) {
    put_number(data, at, ANSWER + offset);
}

fn put_text(data: &mut Vec<u8>, at: usize, text: &str) {
    let end = data.len();
    put(data, at, end);
    put_number(data, at + 4, text.len());
    data.extend(text.as_bytes());
}

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
        self.plugins.put_in_force(bindings.clone())
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
        self.plugins.put_in_force(bindings.clone())
    }

    /// What becomes of a request of a tenant at this time.
    pub(crate) fn ask_at(&self, tenant: &str, ms: u64) -> (Result<Vec<crate::HeaderEdit>, Stopped>, Vec<Run>) {
        let (arrival, call, caller) = (arrival(ms), call(), caller(tenant));
        let mut runs = Vec::new();
        let done = self.plugins.on_request(&Asked { arrival: &arrival, call: &call, caller: &caller }, &mut runs);
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
