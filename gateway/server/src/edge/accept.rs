//! From a head that pingora has read to an arrival with one host and one path.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use catalog::{Catalog, Host};
use domain::{Arrival, Moment, NormalPath, PathMode, RequestId, Source, TraceParent};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pingora::protocols::tls::SslDigest;
use pingora::proxy::Session;
use pipeline::{Answer, Facts, Gateway, Redacted, Secured};

use super::gate::LINK;
use super::outbound::TRACEPARENT;
use super::settings::ConnectionSettings;
use super::wire::Link;

/// How much of a path without a normal form is kept for its entry.
const KEPT_PATH: usize = 256;

/// `UPDATEREDIRECTREF`.
const LONGEST_METHOD: usize = 17;

/// Methods that need no looking into.
const USUAL: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// From how many names in `Connection` on pingora takes them for an attack.
const NOMINATIONS: usize = 10;

/// A request head, before anything of it is believed.
pub(crate) struct Head {
    pub(crate) id: RequestId,
    pub(crate) at: Moment,
    pub(crate) source: Source,
    pub(crate) method: Method,
    pub(crate) host: Option<String>,
    /// Path and query as they arrived; `None` where they are no text.
    pub(crate) target: Option<String>,
    headers: HeaderMap,
    trace: Option<TraceParent>,
    secured: Option<Secured>,
}

impl Head {
    /// Takes what is needed out of the session.
    pub(crate) fn read(session: &Session, at: Moment, gateway: &Gateway) -> Self {
        let request = session.req_header();
        let address = address(session);
        let secured = session.digest().and_then(|it| it.ssl_digest.as_deref()).map(secured);
        let tls = secured.is_some();
        let (authority, target) = asked(request.raw_path(), &request.uri);
        let mut headers = request.headers.clone();
        if let Some(authority) = authority.as_deref().filter(|_| !headers.contains_key(HOST)) {
            // HTTP/2 names the host beside the headers, and signatures are made over the header.
            headers.extend(HeaderValue::try_from(authority).ok().map(|it| (HOST, it)));
        }
        let trace = request.headers.get(TRACEPARENT).and_then(|it| it.to_str().ok());
        Self {
            id: RequestId::draw(&*gateway.random),
            at,
            source: Source { address, tls },
            method: request.method.clone(),
            host: host(&request.headers, authority.as_deref()),
            target,
            headers,
            trace: trace.and_then(TraceParent::parse),
            secured,
        }
    }

    /// What the entry says of it, whatever becomes of it.
    pub(crate) fn facts(&self, catalog: &Catalog) -> Facts {
        let target = self.target.as_deref().unwrap_or_default();
        let (path, query) = target.split_once('?').map_or((target, false), |(path, _)| (path, true));
        let host = self.host.as_deref().unwrap_or_default();
        let segment = catalog.first_segment(host);
        // What the host says of the path is entered with the path, which may be sealed.
        let host = segment.and_then(|it| host.get(it.len() + 1..)).unwrap_or(host);
        let path = under(segment, path);
        // The name of a host that an API claims is none of anybody's secrets.
        let known = catalog.host(host).is_some();
        let told_host = if known { Cow::Borrowed(host) } else { catalog.without_keys(host) };
        let told = catalog.without_keys(&path);
        let method = method_name(self.method.as_str(), catalog);
        Facts {
            redacted: Redacted::default()
                .with("method", method != self.method.as_str())
                .with("host", told_host != host)
                .with("path", told != path)
                .with("query", query),
            secured: self.secured.clone(),
            id: self.id,
            at: self.at,
            method,
            host: printable(&told_host),
            path: printable(&told),
            source: self.source,
            trace: self.trace,
        }
    }

    /// The path as it arrived.
    pub(crate) fn path(&self) -> &str {
        self.target.as_deref().and_then(|it| it.split('?').next()).unwrap_or_default()
    }

    /// The host it was sent to, if an API claims it.
    pub(crate) fn host<'a>(&self, catalog: &'a Catalog) -> Option<&'a Host> {
        catalog.host(self.host.as_deref()?)
    }

    /// The host in whose words a refusal is: where none is named, the one that TLS was asked for.
    pub(crate) fn speaker<'a>(&self, catalog: &'a Catalog) -> Option<&'a Host> {
        let asked = || LINK.try_with(|it| it.name().and_then(|it| catalog.host(it))).ok().flatten();
        if self.host.is_some() { self.host(catalog) } else { asked() }
    }

    /// Finds the host, bounds the head and normalises the path. The headers go with the arrival.
    pub(crate) fn arrive<'a>(
        &mut self,
        catalog: &'a Catalog,
        bounds: &ConnectionSettings,
    ) -> Result<(&'a Host, Arrival), Answer> {
        if self.host.is_none() {
            return Err(Answer::BadHead("the host is missing, doubled, contradicted or malformed"));
        }
        let host = self.host(catalog).ok_or(Answer::UnknownHost)?;
        let lines: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        let bytes = self.method.as_str().len() + self.target.as_deref().map_or(0, str::len) + lines;
        if self.headers.len() > bounds.max_headers || bytes > bounds.max_header_bytes {
            return Err(Answer::HeadTooLarge);
        }
        if !frames_well(&self.headers) {
            return Err(Answer::BadHead("`Content-Length` or `Transfer-Encoding` leave open where the body ends"));
        }
        if !nominates_well(&self.headers, |it| host.selects_by(it)) {
            return Err(Answer::BadHead("`Connection` names what is not of this hop"));
        }
        take_nominated(&mut self.headers);
        let target = self.target.clone().ok_or(Answer::BadHead("request target is not text"))?;
        if LINK.try_with(|it| it.has_fragment()).unwrap_or_default() || target.contains('#') {
            // No client sends a fragment, and who takes it for one reads another path than who does not.
            return Err(Answer::BadHead("request target has a fragment"));
        }
        let path = target.split('?').next().unwrap_or_default();
        let segment = self.host.as_deref().and_then(|it| catalog.first_segment(it));
        let path = host.normal_path(&under(segment, path))?;
        Ok((
            host,
            Arrival {
                id: self.id,
                at: self.at,
                source: self.source,
                method: self.method.clone(),
                host: host.name.clone(),
                target,
                path,
                headers: std::mem::take(&mut self.headers),
            },
        ))
    }

    /// The path to name in a refusal; empty where it has no normal form.
    pub(crate) fn resource(&self) -> String {
        NormalPath::parse(self.path(), PathMode::Objects).map(|it| it.as_str().to_owned()).unwrap_or_default()
    }
}

/// Where a request comes from; an IPv4-mapped IPv6 address is written as IPv4.
pub(crate) fn address(session: &Session) -> IpAddr {
    let peer = session.client_addr().and_then(|it| it.as_inet());
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |it| it.ip().to_canonical())
}

/// The path below the segment that the host names. Neither changes what was signed.
fn under<'a>(segment: Option<&str>, path: &'a str) -> Cow<'a, str> {
    match segment.filter(|_| path.starts_with('/')) {
        Some(segment) if path == "/" => Cow::Owned(format!("/{segment}")),
        Some(segment) => Cow::Owned(format!("/{segment}{path}")),
        None => Cow::Borrowed(path),
    }
}

/// What is known of a head that never became a request: its first line.
pub(crate) fn facts_of_line(catalog: &Catalog, link: &Link, (id, at): (RequestId, Moment)) -> Facts {
    let first = link.first_line();
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // An absolute target may name a user and a password before the host.
    let (_, path) = asked(target.as_bytes(), &http::Uri::default());
    let path = path.unwrap_or_default();
    let told = catalog.without_keys(&path);
    let name = link.name().unwrap_or_default();
    let host = catalog.without_keys(name);
    let named = method_name(method, catalog);
    Facts {
        id,
        at,
        redacted: Redacted::default()
            .with("method", named != method)
            .with("host", host != name)
            .with("path", told != path)
            .with("query", path.contains('?')),
        method: named,
        host: printable(&host),
        path: printable(told.split('?').next().unwrap_or_default()),
        source: Source { address: link.peer.ip(), tls: link.tls },
        trace: None,
        secured: None,
    }
}

/// How pingora says that a connection was secured.
pub(crate) fn secured(digest: &SslDigest) -> Secured {
    // rustls spells them in its own way.
    let version = match &*digest.version {
        "TLSv1_2" => Cow::Borrowed("TLSv1.2"),
        "TLSv1_3" => Cow::Borrowed("TLSv1.3"),
        _ => digest.version.clone(),
    };
    Secured { version, cipher: digest.cipher.clone() }
}

/// The one host that is asked for: lower case, without port or trailing dot. `None` where there is none, or two.
fn host(headers: &HeaderMap, authority: Option<&str>) -> Option<String> {
    let mut named = headers.get_all(HOST).iter();
    let first = named.next().map(HeaderValue::to_str).transpose().ok()?;
    if named.next().is_some() {
        return None;
    }
    match (authority, first) {
        (Some(one), Some(other)) if bare(one) != bare(other) => None,
        (Some(one), _) | (None, Some(one)) => bare(one),
        (None, None) => None,
    }
}

fn bare(authority: &str) -> Option<String> {
    // What nearly every host is, known in one pass: lower case, without port or trailing dot.
    let usual = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || matches!(it, b'-' | b'.' | b'_');
    if !authority.is_empty()
        && !authority.ends_with('.')
        && authority.bytes().fold(true, |so_far, it| so_far & usual(it))
    {
        return Some(authority.to_owned());
    }
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|it| it.is_ascii_digit()) => host,
        Some(_) | None => authority,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let plain = !host.is_empty() && host.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._[:]".contains(&it));
    plain.then(|| host.to_ascii_lowercase())
}

/// Host, and path with query, as they were sent: also of a target in absolute form (RFC 9112 section 3.2.2), which pingora
/// leaves whole on HTTP/1. `None` for a target that is no text.
fn asked(raw: &[u8], uri: &http::Uri) -> (Option<String>, Option<String>) {
    if let Some(authority) = uri.authority() {
        let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        return (Some(authority.as_str().to_owned()), Some(target.to_owned()));
    }
    let Ok(text) = std::str::from_utf8(raw) else { return (None, None) };
    // What nearly every target is, known by its first byte.
    if text.starts_with('/') {
        return (None, Some(text.to_owned()));
    }
    let absolute = text
        .split_once("://")
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"));
    let Some((_, rest)) = absolute else { return (None, Some(without_user(text).to_owned())) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    (Some(authority.to_owned()), Some(target))
}

/// A target that is no path without the user and the password that may stand before its host.
fn without_user(target: &str) -> &str {
    let end = if target.starts_with('/') { 0 } else { target.find(['/', '?', '#']).unwrap_or(target.len()) };
    let user = target.get(..end).and_then(|it| it.rfind('@'));
    user.and_then(|it| target.get(it + 1..)).unwrap_or(target)
}

/// Whether only one end of the body can be read out of the head, whoever reads it: one length that is a plain number, or the
/// one coding `chunked`, said once (RFC 9112 section 6). pingora takes a list of equal lengths, drops codings that it does not
/// know, and of a length beside a coding leaves only the coding, and closes the connection after that.
fn frames_well(headers: &HeaderMap) -> bool {
    let numeral = |it: &HeaderValue| !it.is_empty() && it.as_bytes().iter().all(u8::is_ascii_digit);
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    lengths.next().is_none_or(numeral) && lengths.next().is_none() && codes_well(headers)
}

/// Whether the only transfer coding is `chunked`, said once: all others are read differently here and there.
pub(crate) fn codes_well(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = |it: &HeaderValue| it.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    codings.next().is_none_or(chunked) && codings.next().is_none()
}

/// Whether everything that `Connection` names may be taken out. What delimits the body, names the host or names the
/// sender may not; pingora itself refuses some of it, but only once the request is on its way. Nor may what tells operations
/// apart (`selects`): without it the API behind would do another than the one that was decided on.
fn nominates_well(headers: &HeaderMap, selects: impl Fn(&str) -> bool) -> bool {
    const KEPT: [&str; 6] =
        ["host", "content-length", "transfer-encoding", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];
    let lines = headers.get_all(CONNECTION).iter().map(HeaderValue::as_bytes);
    let mut names = lines.flat_map(|it| it.split(|it| *it == b',')).map(<[u8]>::trim_ascii);
    let good = |name: &[u8]| {
        let token = name.iter().all(|it| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(it));
        let kept = KEPT.iter().any(|it| name.eq_ignore_ascii_case(it.as_bytes()));
        token && !kept && std::str::from_utf8(name).is_ok_and(|it| !selects(it))
    };
    let mut count = 0;
    names.all(|name| {
        count += usize::from(!name.is_empty());
        count < NOMINATIONS && good(name)
    })
}

/// Takes out what `Connection` names, as pingora does on the way: nothing is decided on that the API behind never has. What
/// shows who asks ends here either way, and counts.
fn take_nominated(headers: &mut HeaderMap) {
    const LEFT: [&[u8]; 5] = [b"close", b"keep-alive", b"authorization", b"cookie", b"dpop"];
    let lines = headers.get_all(CONNECTION).iter().map(HeaderValue::as_bytes);
    let names = lines.flat_map(|it| it.split(|it| *it == b',')).map(<[u8]>::trim_ascii);
    let names = names.filter(|name| !LEFT.iter().any(|it| name.eq_ignore_ascii_case(it)));
    // Of nearly every request there is none, and then no list is made.
    let names: Vec<HeaderName> = names.filter_map(|it| HeaderName::from_bytes(it).ok()).collect();
    for name in names {
        headers.remove(name);
    }
}

/// A method as an entry names it. No registered one is longer than 17 letters; what is, is no method, and may be a secret.
fn method_name(method: &str, catalog: &Catalog) -> String {
    if USUAL.contains(&method) {
        return method.to_owned();
    }
    if method.len() > LONGEST_METHOD { "?".to_owned() } else { printable(&catalog.without_keys(method)) }
}

/// Fit for an entry: visible ASCII, cut short.
fn printable(text: &str) -> String {
    if text.len() <= KEPT_PATH && text.bytes().fold(true, |so_far, it| so_far & it.is_ascii_graphic()) {
        return text.to_owned();
    }
    text.chars().take(KEPT_PATH).map(|it| if it.is_ascii_graphic() { it } else { '.' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hosts: &[&'static str], uri: &'static str, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for it in hosts {
            headers.append(HOST, HeaderValue::from_static(it));
        }
        let (authority, _) = asked(uri.as_bytes(), &http::Uri::from_static("/"));
        assert_eq!(host(&headers, authority.as_deref()).as_deref(), expected, "{hosts:?} {uri}");
    }

    #[test]
    fn a_host_is_named_once_and_spelled_one_way() {
        check(&["API.Example.com:8443"], "/a", Some("api.example.com"));
        check(&["api.example.com."], "/a", Some("api.example.com"));
        check(&[], "http://api.example.com/a", Some("api.example.com"));
        check(&["api.example.com"], "http://api.example.com/a", Some("api.example.com"));
    }

    #[test]
    fn a_host_that_is_missing_doubled_contradicted_or_strange_is_none() {
        check(&[], "/a", None);
        check(&["a.com", "a.com"], "/a", None);
        check(&["a.com"], "http://b.com/a", None);
        check(&["a.com/b"], "/a", None);
        check(&["user@a.com"], "/a", None);
        check(&[""], "/a", None);
    }

    #[test]
    fn a_target_is_a_path_whether_or_not_it_names_the_host() {
        let target = |raw: &str| asked(raw.as_bytes(), &http::Uri::from_static("/")).1;
        for (raw, expected) in [
            ("/a?b", "/a?b"),
            ("http://h/a?b", "/a?b"),
            ("HTTPS://h", "/"),
            ("http://h?b", "/?b"),
            ("/a?to=http://h/c", "/a?to=http://h/c"),
            ("ftp://h/a", "ftp://h/a"),
            ("*", "*"),
        ] {
            assert_eq!(target(raw).as_deref(), Some(expected), "{raw}");
        }
    }

    #[test]
    fn a_bucket_before_the_host_is_the_first_segment_of_its_paths() {
        assert_eq!(under(Some("b"), "/"), "/b");
        assert_eq!(under(Some("b"), "/k//l"), "/b/k//l");
        assert_eq!(under(Some("b"), "*"), "*");
        assert_eq!(under(None, "/k"), "/k");
    }

    #[test]
    fn connection_names_only_what_is_of_this_hop() {
        let named = |value: &'static str| {
            let headers = HeaderMap::from_iter([(CONNECTION, HeaderValue::from_static(value))]);
            nominates_well(&headers, |it| it.eq_ignore_ascii_case("x-copy-source"))
        };
        assert!(named("close, X-Private, authorization") && named("") && named(" , keep-alive"));
        let selects = "close, X-Copy-Source";
        for bad in [
            "Host",
            "close, content-length",
            "TRANSFER-ENCODING",
            "\"x\"",
            ":authority",
            "a,b,c,d,e,f,g,h,i,j",
            selects,
        ] {
            assert!(!named(bad), "{bad}");
        }
    }

    #[test]
    fn what_connection_names_is_not_there_but_what_shows_who_asks() {
        let lines = [
            ("connection", "close, X-Account,,authorization"),
            ("connection", "Content-Type, Cookie, x-absent"),
            ("x-account", "1"),
            ("x-account", "2"),
            ("content-type", "text/plain"),
            ("authorization", "a"),
            ("cookie", "b"),
            ("x-kept", "c"),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        take_nominated(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "connection", "cookie", "x-kept"]);
    }
}
