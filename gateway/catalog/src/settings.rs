//! What an operator may write in `api.toml`.
//!
//! Reads one file and judges what can be judged from it alone; what needs the other profiles or the documents is
//! `catalog`'s.

mod credentials;
pub(crate) mod headers;
mod limits;
mod roles;
mod surface;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::{ApiName, Faults, Scope, Upstream};
use http::HeaderName;
use toml::de::{DeTable, DeValue};

use self::credentials::Shown;
use self::roles::Roles;
pub(crate) use self::roles::WrittenRole;
pub(crate) use self::surface::{ANY_LABEL, SurfaceSettings, is_virtual};
use self::surface::{Dialects, Written};
use crate::profile::{self, Credentials, LimitsProfile, ResourceTenant, Timeouts, UpstreamIdentity};
use crate::validate::UnknownQuery;
use crate::version::{self, VersionNotice};
use crate::written::{Place, Placed, Readable, Section, Sheet, Unreadable, one_of};

const CONNECT: Duration = Duration::from_secs(2);
const FIRST_BYTE: Duration = Duration::from_secs(30);
const BETWEEN_BYTES: Duration = Duration::from_mins(1);
const TOTAL: Duration = Duration::from_mins(1);

/// The Cedar namespace of what all APIs share.
const GATEWAY: &str = "Gw";

/// One `api.toml`, read and found good as far as it goes. What other files can contradict keeps its place.
pub(crate) struct Settings {
    pub(crate) name: Placed<ApiName>,
    pub(crate) title: String,
    pub(crate) namespace: String,
    pub(crate) https_only: bool,
    pub(crate) fallback: Option<Placed<bool>>,
    pub(crate) surfaces: Vec<SurfaceSettings>,
    pub(crate) upstream: Upstream,
    pub(crate) timeouts: Timeouts,
    pub(crate) upstream_identity: UpstreamIdentity,
    pub(crate) credentials: Credentials,
    pub(crate) tenant_header: Option<HeaderName>,
    pub(crate) limits: LimitsProfile,
    pub(crate) resource_tenant: ResourceTenant,
    pub(crate) versions: Vec<Arc<VersionNotice>>,
    pub(crate) roles: Vec<WrittenRole>,
}

/// What was read of one `api.toml`, whatever is wrong with it.
#[derive(Default)]
pub(crate) struct Reading {
    /// `None` where something else than the faults is missing, too.
    pub(crate) settings: Option<Settings>,
    pub(crate) outline: Outline,
    pub(crate) faults: Faults,
}

/// What can be told of a profile even where other parts of it are at fault, so that one fault hides no other.
#[derive(Default)]
pub(crate) struct Outline {
    pub(crate) namespace: Option<Placed<String>>,
    pub(crate) https_only: bool,
    pub(crate) prefixes: Vec<Placed<String>>,
    /// Every scope that a role or `[credentials]` names.
    pub(crate) scopes: Vec<Placed<Scope>>,
    /// The documents that could be read of; one for each surface where there are no faults.
    pub(crate) documents: Vec<DocumentSettings>,
    /// The hosts of all surfaces; `None` where there may be more.
    pub(crate) hosts: Option<Vec<String>>,
}

/// How a document is to be read.
pub(crate) struct DocumentSettings {
    pub(crate) document: Placed<PathBuf>,
    pub(crate) base_path: String,
    pub(crate) unknown_query: UnknownQuery,
    pub(crate) hosts: Vec<String>,
    pub(crate) closed_headers: Vec<String>,
    pub(crate) total: Duration,
}

impl Outline {
    /// Whether a host may be one of its own.
    pub(crate) fn may_have(&self, host: &str) -> bool {
        self.hosts.as_ref().is_none_or(|it| it.iter().any(|it| it == host))
    }
}

impl Settings {
    /// Where the version of a path stands in the profile.
    pub(crate) fn version(&self, template: &str) -> Option<usize> {
        self.versions.iter().position(|it| it.covers_text(template))
    }
}

impl Reading {
    /// Reads the `text` of `file`, the `api.toml` of the folder named `folder`.
    pub(crate) fn of(file: &Path, folder: &str, text: &str) -> Self {
        let mut outline = Outline::default();
        let (settings, faults) = Sheet::new(file, text).read(|root| read(root, folder, &mut outline));
        // What stands behind a slip of the pen may not have been read.
        outline.hosts = outline.hosts.filter(|_| DeTable::parse(text).is_ok());
        Self { settings, outline, faults }
    }
}

fn read(root: &Section<'_>, folder: &str, outline: &mut Outline) -> Option<Settings> {
    let name = root.required::<ApiName>("name");
    let title = root.required::<String>("title");
    let namespace = root.required::<Namespace>("namespace");
    let https_only = root.value_or("https_only", true);
    let fallback = root.optional::<bool>("fallback");
    let upstream = root.section("upstream").and_then(|it| read_upstream(&it));
    let shown = Shown::read(root);
    let dialects = Dialects::read(root);
    let limits = root.section("limits").and_then(|it| limits::read(&it));
    let versions = read_versions(root);
    let Roles { all: roles, mut scopes } = roles::read(root);
    scopes.extend(shown.iter().flat_map(|it| it.scopes.iter().cloned()));
    let resource_tenant = root.section("resource").and_then(|it| it.required::<ResourceTenant>("tenant"));
    let surfaces: Vec<Option<Written>> = root.sections("surface").iter().map(Written::read).collect();
    let total = upstream.as_ref().map_or(TOTAL, |it| it.timeouts.total);

    if let Some(name) = name.as_ref().filter(|it| it.value.as_str() != folder) {
        let message = format!("`name` is `{}`, but the folder is `{folder}`", name.value);
        root.fault_with(name.place, message, "a profile is named for its folder");
    }
    *outline = Outline {
        namespace: namespace.as_ref().map(|it| Placed { value: it.value.0.clone(), place: it.place }),
        https_only,
        prefixes: shown.as_ref().map(|it| it.prefixes.clone()).unwrap_or_default(),
        scopes,
        documents: surfaces.iter().flatten().map(|it| it.document(total)).collect(),
        hosts: if root.may_lack_tables() || surfaces.is_empty() { None } else { Written::hosts(&surfaces) },
    };
    let hosts: Vec<&str> = surfaces.iter().flatten().flat_map(Written::host_names).collect();
    version::fault_successors(root, versions.iter().flatten().map(|it| &**it), &hosts);
    let surfaces = surface::finish(root, surfaces, dialects?, shown.as_ref()?);
    let Behind { upstream, timeouts, identity: upstream_identity } = upstream?;
    let shown = shown?;
    Some(Settings {
        name: name?,
        title: title?.value,
        namespace: namespace?.value.0,
        https_only,
        fallback,
        surfaces: surfaces?,
        upstream,
        timeouts,
        upstream_identity,
        credentials: shown.credentials,
        tenant_header: shown.tenant_header,
        limits: limits?,
        resource_tenant: resource_tenant?.value,
        versions: versions?,
        roles: roles?,
    })
}

/// The `[upstream]` table.
struct Behind {
    upstream: Upstream,
    timeouts: Timeouts,
    identity: UpstreamIdentity,
}

fn read_upstream(section: &Section<'_>) -> Option<Behind> {
    let url = section.required::<Upstream>("url");
    let connect = section.value_or("connect", CONNECT);
    let first_byte = section.value_or("first_byte", FIRST_BYTE);
    let between_bytes = section.value_or("between_bytes", BETWEEN_BYTES);
    let total = section.value_or("total", TOTAL);
    let identity = section.value_or("identity", UpstreamIdentity::default());
    let timeouts = Timeouts { connect, first_byte, between_bytes, total };
    Some(Behind { upstream: url?.value, timeouts, identity })
}

fn read_versions(root: &Section<'_>) -> Option<Vec<Arc<VersionNotice>>> {
    let tables = root.sections("version");
    let read: Vec<Option<(Place, VersionNotice)>> =
        tables.iter().map(|it| Some((it.place(), VersionNotice::read(it)?))).collect();
    let versions: Vec<_> = read.into_iter().collect::<Option<_>>()?;
    version::fault_overlaps(root, &versions);
    Some(versions.into_iter().map(|(_, it)| Arc::new(it)).collect())
}

struct Namespace(String);

impl Readable for Namespace {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let text = String::read(value)?;
        let is_identifier = |it: &str| {
            it.starts_with(|it: char| it.is_ascii_alphabetic())
                && it.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
        };
        if text.split("::").next() == Some(GATEWAY) {
            return Err(Unreadable::Text(format!("`{GATEWAY}` is the namespace of the gateway itself")));
        }
        if text.split("::").all(is_identifier) {
            return Ok(Self(text));
        }
        Err(Unreadable::Text(format!("`{text}` is not a Cedar namespace such as `Novastraxis`")))
    }
}

impl Readable for Upstream {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        profile::upstream(&String::read(value)?).map_err(|why| Unreadable::Text(why.to_string()))
    }
}

impl Readable for UpstreamIdentity {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        one_of(value, &[("token", Self::Token), ("none", Self::None)])
    }
}

impl Readable for ResourceTenant {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        one_of(value, &[("caller", Self::Caller)])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHIPPED: [(&str, &str); 2] = [
        ("novastraxis", include_str!("../../../policies/apis/novastraxis/api.toml")),
        ("cloudnx", include_str!("../../../policies/apis/cloudnx/api.toml")),
    ];

    fn faults(old: &str, new: &str) -> Vec<String> {
        let (folder, text) = SHIPPED[0];
        assert!(text.contains(old), "{old}");
        let reading = Reading::of(Path::new("api.toml"), folder, &text.replace(old, new));
        reading.faults.iter().map(|it| it.message.clone()).collect()
    }

    #[track_caller]
    fn check(old: &str, new: &str, expected: &str) {
        assert_eq!(faults(old, new), [expected], "{new}");
    }

    #[test]
    fn what_ships_is_read_without_fault() {
        for (folder, text) in SHIPPED {
            let reading = Reading::of(Path::new("api.toml"), folder, text);
            assert_eq!(reading.faults, []);
            assert_eq!(reading.settings.unwrap().surfaces.len(), reading.outline.documents.len());
        }
    }

    #[test]
    fn a_name_that_could_mean_something_else_is_refused() {
        let base = "base_path = \"\"";
        for bad in ["v2", "/v2/", "/v2//x", "/{id}", "/v 2", "/v2?x"] {
            let expected = format!("`base_path`: `{bad}` is not a base path: write `/v2`, or nothing");
            check(base, &format!("base_path = \"{bad}\""), &expected);
        }
        let namespace = "namespace = \"Novastraxis\"";
        for bad in ["nova straxis", "", "1a", "a::", "a-b"] {
            let expected = format!("`namespace`: `{bad}` is not a Cedar namespace such as `Novastraxis`");
            check(namespace, &format!("namespace = \"{bad}\""), &expected);
        }
        check(namespace, "namespace = \"Gw\"", "`namespace`: `Gw` is the namespace of the gateway itself");
        let host = "\"api.novastraxis.com\"";
        for bad in ["", "a..b", "*", "a.*", "*a.b", "A.b", "a:443", "a/b", "a."] {
            let expected = format!("`hosts`: `{bad}` is not a host name: write it in lower case and without a port");
            check(host, &format!("\"{bad}\""), &expected);
        }
    }

    #[test]
    fn an_upstream_is_told_who_calls_unless_the_profile_says_otherwise() {
        let (folder, text) = SHIPPED[0];
        let told = |line: &str| {
            let text = text.replace("[upstream]\n", &format!("[upstream]\n{line}\n"));
            Reading::of(Path::new("api.toml"), folder, &text).settings.unwrap().upstream_identity
        };
        assert_eq!([told(""), told("identity = \"token\"")], [UpstreamIdentity::Token; 2]);
        assert_eq!(told("identity = \"none\""), UpstreamIdentity::None);
        check("[upstream]\n", "[upstream]\nidentity = \"no\"\n", "`identity`: `no` is not one of `token`, `none`");
    }

    #[test]
    fn a_label_stands_for_a_bucket_where_there_are_objects_and_the_host_itself() {
        let help = "`hosts`: `*.api.novastraxis.com` is of no use here";
        let host = "\"api.novastraxis.com\"";
        check(host, "\"api.novastraxis.com\", \"*.api.novastraxis.com\"", help);
        let (folder, text) = SHIPPED[1];
        let alone = text.replace("hosts = [\"s3.cloudnx.in\", \"*.s3.cloudnx.in\"]", "hosts = [\"*.s3.cloudnx.in\"]");
        let reading = Reading::of(Path::new("api.toml"), folder, &alone);
        assert_eq!(
            reading.faults.iter().map(|it| it.message.as_str()).collect::<Vec<_>>(),
            ["`hosts`: `*.s3.cloudnx.in` is of no use here"]
        );
    }

    #[test]
    fn limits_that_contradict_themselves_are_refused() {
        check(
            "name = \"burst\", limit = 333,",
            "name = \"sustained\", limit = 333,",
            "rule `sustained` is there twice",
        );
        check("name = \"enterprise\"", "name = \"standard\"", "tier `standard` is there twice");
        check(
            "counted_by = \"lineage\"",
            "counted_by = \"key\"",
            "`counted_by`: `key` is not one of `lineage`, `owner`, `tenant`",
        );
    }

    #[test]
    fn a_header_that_means_something_else_is_not_the_profiles_to_name() {
        let limit = "limit = \"X-RateLimit-Limit\"";
        for taken in
            ["Content-Length", "connection", "Authorization", "host", "X-Portcullis-Tenant", "Retry-After", "x_limit"]
        {
            let message = format!("`limit`: `{}` means something else already", taken.to_lowercase());
            check(limit, &format!("limit = \"{taken}\""), &message);
        }
        check(limit, "limit = \"X-RateLimit-Reset\"", "two of `limit`, `remaining` and `reset` have one name");
        let keys = "[credentials]";
        let header = |name: &str| format!("[credentials]\ntenant_header = \"{name}\"");
        check(keys, &header("transfer-encoding"), "`tenant_header`: `transfer-encoding` means something else already");
        assert_eq!(faults(keys, &header("X-Account")), [""; 0]);
    }

    #[test]
    fn a_dialect_is_used_and_one_that_is_used_is_there() {
        let dialect = "dialect = \"default\"";
        assert_eq!(
            faults(dialect, "dialect = \"other\""),
            ["there is no `[dialect.other]`", "no surface uses dialect `default`"]
        );
    }

    proptest! {
        #[test]
        fn a_profile_with_anything_broken_is_faulted_at_a_line_it_has(
            which in 0..SHIPPED.len(), cut in any::<prop::sample::Index>(), length in 0_usize..60, put in "\\PC{0,6}",
        ) {
            let (folder, whole) = SHIPPED[which];
            let chars: Vec<char> = whole.chars().collect();
            let at = cut.index(chars.len());
            let text: String =
                chars[..at].iter().copied().chain(put.chars()).chain(chars[(at + length).min(chars.len())..].iter().copied()).collect();
            let reading = Reading::of(Path::new("api.toml"), folder, &text);
            // INVARIANT: an API is never left out in silence.
            prop_assert!(reading.settings.is_some() || !reading.faults.is_empty());
            for fault in &reading.faults {
                prop_assert!((1..=text.lines().count() + 1).contains(&fault.line), "{}", fault);
            }
        }
    }
}
