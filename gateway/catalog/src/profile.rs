//! One fronted API as it runs: what its folder said, read once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::{Api, CountedBy, Faults, PathMode, RoleName, Scope, Standing, Tier, TierName, Timestamp, Upstream};
use http::HeaderName;
use http::uri::Scheme;

use crate::dialect::Dialect;
use crate::version::VersionNotice;

/// Everything the gateway knows of one API before anybody asks for anything.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name and operations, as other rooms know them.
    pub api: Arc<Api>,
    /// What people call it.
    pub title: String,
    /// Whether requests without TLS are refused.
    pub https_only: bool,
    /// Its hosts, one entry for each OpenAPI document. Never empty.
    pub surfaces: Vec<Surface>,
    /// The words of its first surface; `Catalog::dialect` knows those of the surface that was asked.
    pub dialect: Arc<Dialect>,
    /// The words of its issuer for clients (RFC 6749 section 5.2).
    pub oauth: Arc<Dialect>,
    /// Where its requests are sent, but for surfaces with an upstream of their own: see `Catalog::upstream`.
    pub upstream: Upstream,
    /// How long the upstream may take.
    pub upstream_timeouts: Timeouts,
    /// What the upstream is told of callers.
    pub upstream_identity: UpstreamIdentity,
    /// What its callers may show.
    pub credentials: Credentials,
    /// Who issues the access tokens that its documents name, and for whom: its public origin. `None` where none does.
    pub token_issuer: Option<String>,
    /// A header that must be there and name the tenant of the credential.
    pub tenant_header: Option<HeaderName>,
    /// How much its callers may use.
    pub limits: LimitsProfile,
    /// How the tenant of a resource is known.
    pub resource_tenant: ResourceTenant,
    /// What each of its roles may do, sorted. A tenant gives them to its people.
    pub roles: BTreeMap<RoleName, Vec<Scope>>,
    /// Versions that are on their way out, or gone.
    pub versions: Vec<Arc<VersionNotice>>,
    /// Its folder.
    pub folder: PathBuf,
    /// The `*.cedar` files of its folder, sorted.
    pub policies: Vec<PathBuf>,
}

impl Profile {
    /// Versions that are answered no longer though there are operations of theirs: nobody can ask for those any more.
    pub fn shut(&self, now: Timestamp) -> Faults {
        let file = self.folder.join("api.toml");
        let removed = self.versions.iter().filter(|it| it.is_removed(now));
        removed.filter_map(|it| it.shuts(&file, &self.api.operations)).collect()
    }

    /// Versions whose callers are sent where nothing is served.
    pub fn strays(&self) -> Faults {
        let file = self.folder.join("api.toml");
        self.versions.iter().filter_map(|it| it.strays(&file, &self.api.operations)).collect()
    }
}

/// The part of an API that one OpenAPI document describes.
#[derive(Clone, Debug)]
pub struct Surface {
    /// The document.
    pub document: PathBuf,
    /// The hosts it is served on, lower case.
    pub hosts: Vec<String>,
    /// What comes before the document's paths; empty or `/v2`.
    pub base_path: String,
    /// How much freedom its paths have.
    pub paths: PathMode,
    /// How its refusals are worded.
    pub dialect: Arc<Dialect>,
    /// The service name its SigV4 signatures are made for; `None` where none are taken.
    pub sigv4_service: Option<String>,
    /// Where its requests are sent when not to the API's own upstream.
    pub upstream: Option<Upstream>,
}

/// How long an upstream may take before the gateway answers for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands.
    pub connect: Duration,
    /// From the request's last byte to the answer's first.
    pub first_byte: Duration,
    /// Between two pieces of a body.
    pub between_bytes: Duration,
    /// From arrival to the last byte; streams are exempt.
    pub total: Duration,
}

/// What an upstream is told of callers besides the headers that name them, which whoever reaches it could write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamIdentity {
    /// A token that the gateway has signed.
    #[default]
    Token,
    /// Nothing.
    None,
}

/// Which kinds of credential an API takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// API keys in `Authorization: Bearer`.
    pub api_key: Option<ApiKeys>,
    /// Signatures of access keys.
    pub sigv4: Option<SigV4>,
    /// Sessions of browsers.
    pub session: Option<Sessions>,
    /// Access keys that open one bucket.
    pub bucket_keys: Option<BucketKeys>,
}

/// What the access keys of one bucket may do there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketKeys {
    /// All of them.
    pub read: Vec<Scope>,
    /// Those that write besides.
    pub write: Vec<Scope>,
}

impl Credentials {
    /// The cookies that hold a session. They are credentials like all others, and never go further.
    pub fn session_cookies(&self) -> impl Iterator<Item = &str> + Clone {
        self.session.iter().flat_map(|it| [it.access.as_str(), it.refresh.as_str()])
    }
}

/// In which cookies sessions are, and whose pages may act by them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// The cookie with the access token.
    pub access: String,
    /// The cookie with the refresh token.
    pub refresh: String,
    /// The origins of pages that may send changes, such as `https://console.example`.
    pub origins: Vec<String>,
}

/// What the API keys of an API look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeys {
    /// What they begin with. Never empty.
    pub prefixes: Vec<String>,
    /// Whether keys made elsewhere, in whatever form, are taken too.
    pub imported: bool,
}

/// Where signatures are good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigV4 {
    /// The region of the credential scope.
    pub region: String,
    /// How far the clock of a caller may be off, either way.
    pub skew: Duration,
}

/// Tiers of an API and the headers that show them.
#[derive(Clone, Debug)]
pub struct LimitsProfile {
    /// Whose requests are counted together.
    pub counted_by: CountedBy,
    /// The tier of a key that names none, or one that has been taken away.
    pub default_tier: Arc<Tier>,
    /// Every tier by its name; the default one too.
    pub tiers: BTreeMap<TierName, Arc<Tier>>,
    /// The names of the three headers every answer carries.
    pub headers: LimitHeaders,
}

impl LimitsProfile {
    /// How much somebody may use. What is counted for a tenant has the tier of the tenant, whatever its keys were given.
    pub fn tier_of(&self, standing: &Standing) -> &Arc<Tier> {
        match self.counted_by {
            CountedBy::Tenant => standing.tenant_tier.as_ref().map_or(&self.default_tier, |it| self.tier(it)),
            CountedBy::Lineage | CountedBy::Owner => self.tier(&standing.tier),
        }
    }

    /// The tier of this name, or the default one.
    pub fn tier(&self, name: &TierName) -> &Arc<Tier> {
        self.tiers.get(name).unwrap_or(&self.default_tier)
    }
}

/// Under which names an answer shows the caller's limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitHeaders {
    /// The documented number.
    pub limit: HeaderName,
    /// What is left of it.
    pub remaining: HeaderName,
    /// When it grows again.
    pub reset: HeaderName,
}

/// How the tenant of a resource is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceTenant {
    /// It is the caller's own: the upstream confines each credential itself.
    Caller,
}

/// A text that is not where an upstream can be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an upstream: write `http://host:port` or `https://host`, without user, path or query")]
pub struct BadUpstream(String);

/// Reads `http://host:port` or `https://host`. An IPv6 address loses its brackets.
pub fn upstream(text: &str) -> Result<Upstream, BadUpstream> {
    let bad = || BadUpstream(text.to_owned());
    let uri: http::Uri = text.parse().map_err(|_| bad())?;
    let tls = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => false,
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        _ => return Err(bad()),
    };
    let authority = uri.authority().ok_or_else(bad)?;
    let port = match authority.port() {
        Some(port) => port.as_u16(),
        // A port out of range is no port to `http`, and would silently become the scheme's own.
        None if authority.as_str() != authority.host() => return Err(bad()),
        None if tls => 443,
        None => 80,
    };
    let host = authority.host().trim_matches(['[', ']']);
    let bare = !authority.as_str().contains('@') && uri.path() == "/" && uri.query().is_none();
    if host.is_empty() || port == 0 || !bare {
        return Err(bad());
    }
    Ok(Upstream { host: host.to_owned(), port, tls })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, u16, bool)>) {
        let expected = expected.map(|(host, port, tls)| Upstream { host: host.to_owned(), port, tls });
        assert_eq!(upstream(text).ok(), expected, "{text}");
    }

    #[test]
    fn an_upstream_is_a_scheme_a_host_and_a_port() {
        check("http://127.0.0.1:9101", Some(("127.0.0.1", 9101, false)));
        check("https://api.example.com", Some(("api.example.com", 443, true)));
        check("http://localhost/", Some(("localhost", 80, false)));
        check("http://[::1]:80", Some(("::1", 80, false)));
    }

    #[test]
    fn an_upstream_with_anything_else_is_refused() {
        for text in [
            "",
            "127.0.0.1:9101",
            "ftp://a",
            "/path",
            "http://a/b",
            "http://a?b",
            "http://user@a",
            "http://user:secret@a:1",
            "http://a:0",
            "http://a:65536",
            "http://a:x",
            "http://",
        ] {
            check(text, None);
        }
    }
}
