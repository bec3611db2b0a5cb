//! What an operator may write in `api.toml`.
//!
//! Reads one file and judges what can be judged from it alone; what needs the other profiles or the documents is
//! `catalog`'s.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::{ApiName, CountedBy, Faults, PathMode, Upstream};
use http::{HeaderName, HeaderValue};
use toml::de::DeValue;

use crate::dialect::Dialect;
use crate::limits;
use crate::profile::{self, ApiKeys, Credentials, LimitsProfile, ResourceTenant, SigV4, Timeouts};
use crate::validate::UnknownQuery;
use crate::version::{self, VersionNotice};
use crate::written::{Place, Placed, Readable, Section, Sheet, Unreadable, one_of};

const CONNECT: Duration = Duration::from_secs(2);
const FIRST_BYTE: Duration = Duration::from_secs(30);
const BETWEEN_BYTES: Duration = Duration::from_secs(60);
const TOTAL: Duration = Duration::from_secs(60);

/// One `api.toml`, read and found good as far as it goes. What other files can contradict keeps its place.
pub(crate) struct Settings {
    pub(crate) name: Placed<ApiName>,
    pub(crate) title: String,
    pub(crate) namespace: Placed<String>,
    pub(crate) https_only: bool,
    pub(crate) fallback: Option<Placed<bool>>,
    pub(crate) surfaces: Vec<SurfaceSettings>,
    pub(crate) upstream: Upstream,
    pub(crate) timeouts: Timeouts,
    pub(crate) credentials: Credentials,
    pub(crate) prefixes: Vec<Placed<String>>,
    pub(crate) tenant_header: Option<HeaderName>,
    pub(crate) limits: LimitsProfile,
    pub(crate) resource_tenant: ResourceTenant,
    pub(crate) versions: Vec<Arc<VersionNotice>>,
}

/// One `[[surface]]`.
pub(crate) struct SurfaceSettings {
    pub(crate) document: Placed<PathBuf>,
    pub(crate) hosts: Vec<Placed<String>>,
    pub(crate) base_path: String,
    pub(crate) paths: PathMode,
    pub(crate) dialect: Arc<Dialect>,
    pub(crate) unknown_query: UnknownQuery,
    pub(crate) sigv4_service: Option<String>,
}

impl Settings {
    /// Reads the `text` of `file`, the `api.toml` of the folder named `folder`.
    pub(crate) fn read(file: &Path, folder: &str, text: &str) -> Result<Self, Faults> {
        Sheet::new(file, text).read(|root| read(root, folder))
    }
}

fn read(root: &Section<'_>, folder: &str) -> Option<Settings> {
    let name = root.required::<ApiName>("name");
    let title = root.required::<String>("title");
    let namespace = root.required::<Namespace>("namespace");
    let https_only = root.value_or("https_only", true);
    let fallback = root.optional::<bool>("fallback");
    let upstream = root.section("upstream").and_then(|it| read_upstream(&it));
    let credentials =
        root.optional_section("credentials").and_then(|it| it.map_or(Some(Shown::default()), |it| Shown::read(&it)));
    let dialects = root.section("dialect").map(|it| read_dialects(&it));
    let limits = root.section("limits").and_then(|it| limits::read(&it));
    let versions = read_versions(root);
    let resource_tenant = root.section("resource").and_then(|it| it.required::<ResourceTenant>("tenant"));
    let surfaces = read_surfaces(root, dialects.as_ref(), credentials.as_ref(), folder);

    if let Some(name) = name.as_ref().filter(|it| it.value.as_str() != folder) {
        let message = format!("`name` is `{}`, but the folder is `{folder}`", name.value);
        root.fault_with(name.place, message, "a profile is named for its folder");
    }
    let (upstream, timeouts) = upstream?;
    let shown = credentials?;
    Some(Settings {
        name: name?,
        title: title?.value,
        namespace: namespace?.map(|it| it.0),
        https_only: https_only?,
        fallback: fallback?,
        surfaces: surfaces?,
        upstream,
        timeouts,
        credentials: shown.credentials,
        prefixes: shown.prefixes,
        tenant_header: shown.tenant_header,
        limits: limits?,
        resource_tenant: resource_tenant?.value,
        versions: versions?,
    })
}

fn read_upstream(section: &Section<'_>) -> Option<(Upstream, Timeouts)> {
    let url = section.required::<String>("url");
    let connect = section.value_or("connect", CONNECT);
    let first_byte = section.value_or("first_byte", FIRST_BYTE);
    let between_bytes = section.value_or("between_bytes", BETWEEN_BYTES);
    let total = section.value_or("total", TOTAL);
    let url = url?;
    let upstream = profile::upstream(&url.value).map_err(|why| section.fault(url.place, why.to_string())).ok();
    let timeouts =
        Timeouts { connect: connect?, first_byte: first_byte?, between_bytes: between_bytes?, total: total? };
    Some((upstream?, timeouts))
}

/// What `[credentials]` says.
#[derive(Default)]
struct Shown {
    credentials: Credentials,
    prefixes: Vec<Placed<String>>,
    tenant_header: Option<HeaderName>,
    sigv4_place: Option<Place>,
}

impl Shown {
    fn read(section: &Section<'_>) -> Option<Self> {
        let api_key =
            section.optional_section("api_key").and_then(|it| it.map_or(Some(None), |it| api_keys(&it).map(Some)));
        let sigv4 = section.optional_section("sigv4");
        let tenant_header = section.optional::<HeaderName>("tenant_header");

        let (sigv4, sigv4_place) = match sigv4? {
            None => (None, None),
            Some(section) => {
                let region = section.required::<String>("region");
                (Some(SigV4 { region: region?.value }), Some(section.place()))
            }
        };
        let (prefixes, imported) = api_key?.unzip();
        let prefixes = prefixes.unwrap_or_default();
        let bare = || prefixes.iter().map(|it: &Placed<String>| it.value.clone()).collect();
        let api_key = imported.map(|imported| ApiKeys { prefixes: bare(), imported });
        Some(Self {
            credentials: Credentials { api_key, sigv4 },
            tenant_header: tenant_header?.map(|it| it.value),
            prefixes,
            sigv4_place,
        })
    }
}

fn api_keys(section: &Section<'_>) -> Option<(Vec<Placed<String>>, bool)> {
    let prefixes = section.list::<String>("prefixes");
    let imported = section.value_or("imported", false);
    let prefixes = prefixes?;
    if prefixes.is_empty() {
        section.fault(section.place(), "`prefixes` is missing or empty: a key could not be told from another");
    }
    for prefix in &prefixes {
        let good = prefix.value.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-');
        if !good || !prefix.value.ends_with('_') {
            let message = format!("`{}` is not the beginning of a key", prefix.value);
            section.fault_with(prefix.place, message, "use letters, digits, `-` and `_`, and end with `_`");
        }
    }
    Some((prefixes, imported?))
}

/// The good ones among the dialects; a bad one has been faulted, and its place is kept by `None`.
type Dialects<'a> = BTreeMap<&'a str, (Place, Option<Dialect>)>;

fn read_dialects<'a>(section: &Section<'a>) -> Dialects<'a> {
    let read = |(name, table): (Placed<&'a str>, Section<'a>)| (name.value, (name.place, Dialect::read(&table)));
    section.named_sections().into_iter().map(read).collect()
}

fn read_versions(root: &Section<'_>) -> Option<Vec<Arc<VersionNotice>>> {
    let tables = root.sections("version");
    let read: Vec<Option<(Place, VersionNotice)>> =
        tables.iter().map(|it| Some((it.place(), VersionNotice::read(it)?))).collect();
    let versions: Vec<_> = read.into_iter().collect::<Option<_>>()?;
    version::fault_overlaps(root, &versions);
    Some(versions.into_iter().map(|(_, it)| Arc::new(it)).collect())
}

fn read_surfaces(
    root: &Section<'_>,
    dialects: Option<&Dialects<'_>>,
    shown: Option<&Shown>,
    realm: &str,
) -> Option<Vec<SurfaceSettings>> {
    let tables = root.sections("surface");
    if tables.is_empty() {
        root.fault(root.place(), "no `[[surface]]`: an API needs a document and a host");
    }
    let mut used = Vec::new();
    let read: Vec<Option<SurfaceSettings>> = tables
        .iter()
        .map(|table| {
            let named = table.value_or("dialect", "default".to_owned());
            let surface = Written::read(table);
            let dialect = dialect_of(table, &named?, dialects?, &mut used);
            let surface = surface?;
            let takes_sigv4 = shown.is_none_or(|it| it.credentials.sigv4.is_some());
            if let Some(service) = surface.sigv4_service.as_ref().filter(|_| !takes_sigv4) {
                let message = format!("`sigv4_service` is `{}`, but `[credentials]` has no `sigv4`", service.value);
                table.fault(service.place, message);
            }
            let sigv4_service = surface.sigv4_service.map(|it| it.value);
            let challenge = challenge(shown.map(|it| &it.credentials), sigv4_service.as_deref(), realm);
            Some(SurfaceSettings {
                document: surface.document,
                hosts: surface.hosts,
                base_path: surface.base_path,
                paths: surface.paths,
                dialect: Arc::new(dialect?.challenging(challenge)),
                unknown_query: surface.unknown_query,
                sigv4_service,
            })
        })
        .collect();
    for (name, (place, _)) in dialects.into_iter().flatten().filter(|(name, _)| !used.iter().any(|it| it == *name)) {
        root.fault(*place, format!("no surface uses dialect `{name}`"));
    }
    let surfaces: Vec<SurfaceSettings> = read.into_iter().collect::<Option<_>>()?;
    let served = surfaces.iter().any(|it| it.sigv4_service.is_some());
    if let Some(place) = shown.and_then(|it| it.sigv4_place).filter(|_| !served) {
        root.fault(place, "no surface has a `sigv4_service`, so that no signature can be checked");
    }
    Some(surfaces)
}

fn dialect_of(table: &Section<'_>, name: &str, dialects: &Dialects<'_>, used: &mut Vec<String>) -> Option<Dialect> {
    used.push(name.to_owned());
    let Some((_, dialect)) = dialects.get(name) else {
        table.fault(table.place(), format!("there is no `[dialect.{name}]`"));
        return None;
    };
    dialect.clone()
}

/// What a 401 says in `WWW-Authenticate`: the scheme that is taken here.
fn challenge(credentials: Option<&Credentials>, sigv4_service: Option<&str>, realm: &str) -> Option<HeaderValue> {
    let credentials = credentials?;
    let text = match (&credentials.api_key, sigv4_service) {
        (Some(_), _) => format!("Bearer realm=\"{realm}\""),
        (None, Some(_)) => format!("AWS4-HMAC-SHA256 realm=\"{realm}\""),
        (None, None) => return None,
    };
    HeaderValue::try_from(text).ok()
}

/// One `[[surface]]` without its dialect.
struct Written {
    document: Placed<PathBuf>,
    hosts: Vec<Placed<String>>,
    base_path: String,
    paths: PathMode,
    unknown_query: UnknownQuery,
    sigv4_service: Option<Placed<String>>,
}

impl Written {
    fn read(section: &Section<'_>) -> Option<Self> {
        let document = section.required::<Document>("document");
        let hosts = section.list::<HostName>("hosts");
        let base_path = section.value_or("base_path", BasePath(String::new()));
        let paths = section.value_or("paths", PathMode::Api);
        let unknown_query = section.value_or("unknown_query", UnknownQuery::Pass);
        let sigv4_service = section.optional::<String>("sigv4_service");
        if hosts.as_ref().is_some_and(Vec::is_empty) {
            section.fault(section.place(), "`hosts` is missing or empty: nobody could ask");
        }
        Some(Self {
            document: document?.map(|it| it.0),
            hosts: hosts?.into_iter().map(|it| it.map(|it| it.0)).collect(),
            base_path: base_path?.0,
            paths: paths?,
            unknown_query: unknown_query?,
            sigv4_service: sigv4_service?,
        })
    }
}

struct Namespace(String);
struct Document(PathBuf);
struct HostName(String);
struct BasePath(String);

impl Readable for Namespace {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let text = String::read(value)?;
        let is_identifier = |it: &str| {
            it.starts_with(|it: char| it.is_ascii_alphabetic())
                && it.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
        };
        if text.split("::").all(is_identifier) {
            return Ok(Self(text));
        }
        Err(Unreadable::Text(format!("`{text}` is not a Cedar namespace such as `Novastraxis`")))
    }
}

impl Readable for Document {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let path = PathBuf::from(String::read(value)?);
        let inside = path.components().all(|it| matches!(it, Component::Normal(_))) && path.file_name().is_some();
        if inside {
            Ok(Self(path))
        } else {
            Err(Unreadable::Text(format!("`{}` is not a file of this folder", path.display())))
        }
    }
}

impl Readable for HostName {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let text = String::read(value)?;
        let is_label = |it: &str| {
            !it.is_empty() && it.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
        };
        if text.split('.').all(is_label) {
            return Ok(Self(text));
        }
        Err(Unreadable::Text(format!("`{text}` is not a host name: write it in lower case and without a port")))
    }
}

impl Readable for BasePath {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let text = String::read(value)?;
        let plain = text.bytes().all(|it| it.is_ascii_alphanumeric() || b"/-._~".contains(&it)) && !text.contains("//");
        if text.is_empty() || (plain && text.starts_with('/') && !text.ends_with('/')) {
            return Ok(Self(text));
        }
        Err(Unreadable::Text(format!("`{text}` is not a base path: write `/v2`, or nothing")))
    }
}

impl Readable for PathMode {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        one_of(value, &[("api", Self::Api), ("objects", Self::Objects)])
    }
}

impl Readable for UnknownQuery {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        one_of(value, &[("pass", Self::Pass), ("reject", Self::Reject)])
    }
}

impl Readable for CountedBy {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        one_of(value, &[("lineage", Self::Lineage), ("owner", Self::Owner), ("tenant", Self::Tenant)])
    }
}

impl Readable for ResourceTenant {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        one_of(value, &[("caller", Self::Caller)])
    }
}
