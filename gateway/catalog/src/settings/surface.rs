//! Each `[[surface]]` of a profile, and the `[dialect.*]` it speaks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::{PathMode, Upstream};
use toml::de::DeValue;

use super::DocumentSettings;
use super::credentials::Shown;
use crate::dialect::Dialect;
use crate::validate::UnknownQuery;
use crate::written::{Place, Placed, Readable, Section, Unreadable, one_of};

/// How a host begins whose first label stands for the first segment of the path.
pub(crate) const ANY_LABEL: &str = "*.";

/// Whether a host is one of those.
pub(crate) fn is_virtual(host: &str) -> bool {
    host.starts_with(ANY_LABEL)
}

/// One surface, read and found good.
pub(crate) struct SurfaceSettings {
    pub(crate) document: Placed<PathBuf>,
    pub(crate) hosts: Vec<Placed<String>>,
    pub(crate) base_path: String,
    pub(crate) paths: PathMode,
    pub(crate) dialect: Arc<Dialect>,
    pub(crate) sigv4_service: Option<String>,
    pub(crate) upstream: Option<Upstream>,
}

/// One surface as it was written: its dialect is still a name.
pub(crate) struct Written {
    document: Placed<PathBuf>,
    hosts: Vec<Placed<String>>,
    base_path: String,
    paths: PathMode,
    dialect: Placed<String>,
    unknown_query: UnknownQuery,
    closed_headers: Vec<String>,
    sigv4_service: Option<Placed<String>>,
    upstream: Option<Upstream>,
}

impl Written {
    pub(crate) fn read(section: &Section<'_>) -> Option<Self> {
        let document = section.required::<Document>("document");
        let hosts = section.list::<HostName>("hosts");
        let base_path = section.value_or("base_path", BasePath(String::new()));
        let paths = section.value_or("paths", PathMode::Api);
        let dialect = section.optional::<String>("dialect");
        let unknown_query = section.value_or("unknown_query", UnknownQuery::Pass);
        let closed_headers = section.list::<HeaderBeginning>("closed_headers");
        let sigv4_service = section.optional::<String>("sigv4_service");
        let upstream = section.optional::<Upstream>("upstream_url");
        if hosts.as_ref().is_some_and(Vec::is_empty) {
            section.fault(section.place(), "`hosts` is missing or empty: nobody could ask");
        }
        for host in hosts.iter().flatten().filter(|it| is_virtual(&it.value.0)) {
            let based = hosts.iter().flatten().any(|it| !is_virtual(&it.value.0));
            if paths != PathMode::Objects || !based {
                section.fault_with(
                    host.place,
                    format!("`hosts`: `{}` is of no use here", host.value.0),
                    "the label before a host stands for a bucket, where `paths` is \"objects\" and the host itself is listed",
                );
            }
        }
        let default = || Placed { value: "default".to_owned(), place: section.place() };
        Some(Self {
            document: document?.map(|it| it.0),
            hosts: hosts?.into_iter().map(|it| it.map(|it| it.0)).collect(),
            base_path: base_path.0,
            paths,
            dialect: dialect.unwrap_or_else(default),
            unknown_query,
            closed_headers: closed_headers?.into_iter().map(|it| it.value.0).collect(),
            sigv4_service,
            upstream: upstream.map(|it| it.value),
        })
    }

    /// The hosts of all surfaces; `None` where one could not be read.
    pub(crate) fn hosts(surfaces: &[Option<Self>]) -> Option<Vec<String>> {
        let all: Option<Vec<&Self>> = surfaces.iter().map(Option::as_ref).collect();
        Some(all?.into_iter().flat_map(|it| it.hosts.iter().map(|it| it.value.clone())).collect())
    }

    /// The hosts that are written down for it.
    pub(crate) fn host_names(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(|it| it.value.as_str())
    }

    /// How its document is to be read.
    pub(crate) fn document(&self, total: Duration) -> DocumentSettings {
        DocumentSettings {
            document: self.document.clone(),
            base_path: self.base_path.clone(),
            unknown_query: self.unknown_query,
            hosts: self.hosts.iter().map(|it| it.value.clone()).collect(),
            closed_headers: self.closed_headers.clone(),
            total,
        }
    }
}

/// The dialects by name; `None` for one that is at fault.
pub(crate) struct Dialects<'a>(BTreeMap<&'a str, (Place, Option<Arc<Dialect>>)>);

impl<'a> Dialects<'a> {
    pub(crate) fn read(root: &Section<'a>) -> Option<Self> {
        let tables = root.section("dialect")?.named_sections();
        Some(Self(
            tables.iter().map(|(name, it)| (name.value, (name.place, Dialect::read(it).map(Arc::new)))).collect(),
        ))
    }
}

/// Gives each surface its dialect, and faults what does not fit together.
pub(crate) fn finish(
    root: &Section<'_>,
    written: Vec<Option<Written>>,
    Dialects(dialects): Dialects<'_>,
    shown: &Shown,
) -> Option<Vec<SurfaceSettings>> {
    if written.is_empty() {
        root.fault(root.place(), "no `[[surface]]`: an API needs a document and a host");
    }
    let whole = written.iter().all(Option::is_some);
    let used: BTreeSet<String> = written.iter().flatten().map(|it| it.dialect.value.clone()).collect();
    for (name, (place, _)) in dialects.iter().filter(|(name, _)| whole && !used.contains(**name)) {
        root.fault(*place, format!("no surface uses dialect `{name}`"));
    }
    let served = written.iter().flatten().any(|it| it.sigv4_service.is_some());
    if let Some(place) = shown.sigv4_place.filter(|_| whole && !served) {
        root.fault(place, "no surface has a `sigv4_service`, so that no signature can be checked");
    }
    let surfaces: Vec<Option<SurfaceSettings>> = written
        .into_iter()
        .map(|it| {
            let surface = it?;
            let service = surface.sigv4_service.as_ref();
            if let Some(service) = service.filter(|_| shown.credentials.sigv4.is_none()) {
                let message = format!("`sigv4_service` is `{}`, but `[credentials]` has no `sigv4`", service.value);
                root.fault(service.place, message);
            }
            let Some((_, dialect)) = dialects.get(&*surface.dialect.value) else {
                root.fault(surface.dialect.place, format!("there is no `[dialect.{}]`", surface.dialect.value));
                return None;
            };
            Some(SurfaceSettings {
                document: surface.document,
                hosts: surface.hosts,
                base_path: surface.base_path,
                paths: surface.paths,
                dialect: Arc::clone(dialect.as_ref()?),
                sigv4_service: surface.sigv4_service.map(|it| it.value),
                upstream: surface.upstream,
            })
        })
        .collect();
    surfaces.into_iter().collect()
}

struct Document(PathBuf);
struct HostName(String);
struct BasePath(String);
struct HeaderBeginning(String);

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
        if text.strip_prefix(ANY_LABEL).unwrap_or(&text).split('.').all(is_label) {
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

impl Readable for HeaderBeginning {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let text = String::read(value)?;
        let named = text.starts_with(|it: char| it.is_ascii_lowercase()) && text.ends_with('-');
        if named && text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-') {
            return Ok(Self(text));
        }
        Err(Unreadable::Text(format!("`{text}` is not how headers begin: write it in lower case, such as `x-amz-`")))
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
