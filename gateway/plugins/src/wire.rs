//! The shapes of the contract, as they cross the border. Nothing in here has been looked at yet: `verdict` does that.

use wasmtime::component::{ComponentType, Lift, Lower};

/// `types.header`
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(record)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}

/// `types.mode`
#[derive(Clone, Copy, Debug, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum Mode {
    #[component(name = "enforce")]
    Enforce,
    #[component(name = "shadow")]
    #[expect(dead_code, reason = "the contract has it, and no plugin runs in the shadow yet")]
    Shadow,
}

/// `types.call-context`
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(record)]
pub(crate) struct CallContext {
    #[component(name = "request-id")]
    pub(crate) request_id: String,
    pub(crate) tenant: String,
    pub(crate) api: String,
    pub(crate) operation: String,
    #[component(name = "plugin-digest")]
    pub(crate) plugin_digest: String,
    #[component(name = "config-revision")]
    pub(crate) config_revision: u64,
    pub(crate) mode: Mode,
    #[component(name = "deadline-ms")]
    pub(crate) deadline_ms: u32,
}

/// `types.caller`
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(record)]
pub(crate) struct Caller {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) tier: Option<String>,
    pub(crate) claims: Vec<(String, String)>,
}

/// `types.peer`
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(record)]
pub(crate) struct Peer {
    pub(crate) ip: String,
    pub(crate) country: Option<String>,
    #[component(name = "tls-client-sha256")]
    pub(crate) tls_client_sha256: Option<String>,
}

/// `types.request-head`
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(record)]
pub(crate) struct RequestHead {
    pub(crate) method: String,
    pub(crate) scheme: String,
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) headers: Vec<Header>,
    pub(crate) caller: Option<Caller>,
    pub(crate) peer: Peer,
}

/// `types.header-op`
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(variant)]
pub(crate) enum HeaderOp {
    #[component(name = "set")]
    Set(Header),
    #[component(name = "append")]
    Append(Header),
    #[component(name = "remove")]
    Remove(String),
}

/// `types.own-reply`
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(record)]
pub(crate) struct OwnReply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Vec<u8>,
}

/// `types.severity`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "guests make them, and the library makes these of what they wrote")]
pub(crate) enum Severity {
    #[component(name = "info")]
    Info,
    #[component(name = "low")]
    Low,
    #[component(name = "medium")]
    Medium,
    #[component(name = "high")]
    High,
    #[component(name = "critical")]
    Critical,
}

/// `types.finding`
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(record)]
pub(crate) struct Finding {
    pub(crate) code: String,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) controls: Vec<String>,
}

/// `types.request-edit`
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(record)]
pub(crate) struct RequestEdit {
    pub(crate) headers: Vec<HeaderOp>,
    pub(crate) path: Option<String>,
    pub(crate) query: Option<String>,
    pub(crate) upstream: Option<String>,
}

/// `types.request-action`
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(variant)]
pub(crate) enum RequestAction {
    #[component(name = "pass")]
    Pass,
    #[component(name = "edit")]
    Edit(RequestEdit),
    #[component(name = "respond")]
    Respond(OwnReply),
}

/// `types.request-verdict`
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(record)]
pub(crate) struct RequestVerdict {
    pub(crate) action: RequestAction,
    pub(crate) findings: Vec<Finding>,
}

/// `types.host-error`
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(variant)]
pub(crate) enum HostError {
    #[component(name = "denied")]
    Denied(String),
    #[component(name = "limit")]
    Limit(String),
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "unavailable")]
    Unavailable(String),
    #[component(name = "invalid")]
    Invalid(String),
}

/// `lifecycle.problem`
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(record)]
pub(crate) struct Problem {
    pub(crate) pointer: String,
    pub(crate) message: String,
}
