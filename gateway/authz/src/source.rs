//! What is handed over to be loaded: APIs as they are fronted, and policies as they were written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::{Api, ApiName, AuthMethod};

/// An API, and what policies have to know of the way it is fronted.
#[derive(Clone, Debug)]
pub struct Fronted {
    /// Its operations.
    pub api: Arc<Api>,
    /// How it is known whose resource a request reaches.
    pub resource_tenant: ResourceTenant,
    /// Whether plain HTTP is refused.
    pub https_only: bool,
    /// Which way of authenticating each security scheme of the documents stands for. Only consulted where schemes ask
    /// for different scopes; an alternative whose scheme is missing here is one that nobody can meet.
    pub schemes: BTreeMap<String, AuthMethod>,
}

impl Fronted {
    /// An API whose upstream confines each credential itself, and that takes plain HTTP.
    pub fn new(api: Arc<Api>) -> Self {
        Self { api, resource_tenant: ResourceTenant::Caller, https_only: false, schemes: BTreeMap::new() }
    }
}

/// How it is known whose resource a request reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceTenant {
    /// The upstream confines each credential to its own tenant, so it is the caller's.
    Caller,
    /// A path parameter of this name holds the tenant's id. An operation without that parameter reaches a resource of
    /// unknown tenant, which nobody may.
    Parameter(String),
}

/// A policy file as it was written.
#[derive(Clone, Debug)]
pub struct PolicySource {
    /// The file as an operator would name it.
    pub file: PathBuf,
    /// Its content.
    pub text: String,
    /// What its policies may do.
    pub kind: PolicyKind,
    /// The cases beside it, in the format of the Cedar command line.
    pub cases: Option<CasesSource>,
}

/// A `*.cases.json` as it was written.
#[derive(Clone, Debug)]
pub struct CasesSource {
    /// The file as an operator would name it.
    pub file: PathBuf,
    /// Its content.
    pub text: String,
}

/// What the policies of a file may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// Only forbid, and give the reason. Nothing below can lift it.
    Guardrail,
    /// Permit or forbid operations of this one API.
    Grant(ApiName),
}

impl PolicySource {
    /// Reads a file and the cases beside it: `access.cases.json` beside `access.cedar`.
    pub fn read(file: &Path, kind: PolicyKind) -> std::io::Result<Self> {
        let beside = file.with_extension("cases.json");
        let cases = match std::fs::read_to_string(&beside) {
            Ok(text) => Some(CasesSource { file: beside, text }),
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => None,
            Err(fault) => return Err(fault),
        };
        Ok(Self { file: file.to_owned(), text: std::fs::read_to_string(file)?, kind, cases })
    }
}

/// A guardrail file and its cases, as they stand beside the code.
macro_rules! shipped {
    ($($name:literal),*) => {
        [$((
            $name,
            include_str!(concat!("../../../policies/guardrails/", $name, ".cedar")),
            include_str!(concat!("../../../policies/guardrails/", $name, ".cases.json")),
        )),*]
    };
}

/// The hand-written schema that comes with the gateway: what its file in `policies` is called, and what stands there.
pub fn shipped_schema() -> (&'static str, &'static str) {
    ("portcullis.cedarschema", crate::schema::GW)
}

/// The guardrails that come with the gateway, as they stand in `policies/guardrails`.
pub fn shipped_guardrails() -> Vec<PolicySource> {
    let folder = Path::new("policies/guardrails");
    let source = |(name, text, cases): (&str, &str, &str)| PolicySource {
        file: folder.join(format!("{name}.cedar")),
        text: text.to_owned(),
        kind: PolicyKind::Guardrail,
        cases: Some(CasesSource { file: folder.join(format!("{name}.cases.json")), text: cases.to_owned() }),
    };
    shipped!("credential", "source", "unmapped").map(source).to_vec()
}
