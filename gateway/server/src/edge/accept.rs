//! From a head that pingora has read to an arrival with one host and one path.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use catalog::{Catalog, Host};
use domain::{Arrival, Moment, NormalPath, PathMode, RequestId, Source, TraceParent};
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method};
use pingora::proxy::Session;
use pipeline::{Answer, Facts, Gateway};

use super::settings::ConnectionSettings;
use super::wire::Link;

/// How much of a path without a normal form is kept for its entry.
const KEPT_PATH: usize = 256;

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
}

impl Head {
    /// Takes what is needed out of the session.
    pub(crate) fn read(session: &Session, at: Moment, gateway: &Gateway) -> Self {
        let request = session.req_header();
        let peer = session.client_addr().and_then(|it| it.as_inet());
        let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |it| it.ip().to_canonical());
        let tls = session.digest().is_some_and(|it| it.ssl_digest.is_some());
        let mut headers = request.headers.clone();
        if let Some(authority) = request.uri.authority().filter(|_| !headers.contains_key(HOST)) {
            // HTTP/2 names the host beside the headers, and signatures are made over the header.
            headers.extend(HeaderValue::try_from(authority.as_str()).ok().map(|it| (HOST, it)));
        }
        let trace = request.headers.get("traceparent").and_then(|it| it.to_str().ok());
        Self {
            id: RequestId::draw(&*gateway.random),
            at,
            source: Source { address, tls },
            method: request.method.clone(),
            host: host(&request.headers, &request.uri),
            target: target(request.raw_path(), &request.uri),
            headers,
            trace: trace.and_then(TraceParent::parse),
        }
    }

    /// What the entry says of it, whatever becomes of it.
    pub(crate) fn facts(&self) -> Facts {
        let path = self.target.as_deref().unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        Facts {
            id: self.id.to_string(),
            at: self.at,
            method: self.method.as_str().to_owned(),
            host: printable(self.host.as_deref().unwrap_or_default()),
            path: printable(path),
            source: self.source.address,
            tls: self.source.tls,
            trace: self.trace,
        }
    }

    /// The host it was sent to, if an API claims it.
    pub(crate) fn host<'a>(&self, catalog: &'a Catalog) -> Option<&'a Host> {
        catalog.host(self.host.as_deref()?)
    }

    /// Finds the host, bounds the head and normalises the path. The headers go with the arrival.
    pub(crate) fn arrive<'a>(
        &mut self,
        catalog: &'a Catalog,
        bounds: &ConnectionSettings,
    ) -> Result<(&'a Host, Arrival), Answer> {
        let host = self.host(catalog).ok_or(Answer::UnknownHost)?;
        let bytes: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if self.headers.len() > bounds.max_headers || bytes > bounds.max_header_bytes {
            return Err(Answer::HeadTooLarge);
        }
        let target = self.target.clone().ok_or(Answer::BadHead("request target is not text"))?;
        let path = target.split('?').next().unwrap_or_default();
        let path = NormalPath::parse(path, host.paths)?;
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
        let path = self.target.as_deref().and_then(|it| it.split('?').next()).unwrap_or_default();
        NormalPath::parse(path, PathMode::Objects).map(|it| it.as_str().to_owned()).unwrap_or_default()
    }
}

/// What is known of a head that never became a request: its first line.
pub(crate) fn facts_of_line(gateway: &Arc<Gateway>, link: &Link) -> Facts {
    let first = link.first_line();
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    Facts {
        id: RequestId::draw(&*gateway.random).to_string(),
        at: gateway.clock.now(),
        method: method.to_owned(),
        host: String::new(),
        path: printable(path),
        source: link.peer.ip(),
        tls: link.tls,
        trace: None,
    }
}

/// The one host that is asked for: lower case, without port or trailing dot. `None` where there is none, or two.
fn host(headers: &HeaderMap, uri: &http::Uri) -> Option<String> {
    let mut named = headers.get_all(HOST).iter();
    let first = named.next().map(HeaderValue::to_str).transpose().ok()?;
    if named.next().is_some() {
        return None;
    }
    let authority = uri.authority().map(http::uri::Authority::as_str);
    match (authority, first) {
        (Some(one), Some(other)) if bare(one) != bare(other) => None,
        (Some(one), _) | (None, Some(one)) => bare(one),
        (None, None) => None,
    }
}

fn bare(authority: &str) -> Option<String> {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|it| it.is_ascii_digit()) => host,
        Some(_) | None => authority,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let plain = !host.is_empty() && host.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._[:]".contains(&it));
    plain.then(|| host.to_ascii_lowercase())
}

/// Path and query as they were sent, also of a target in absolute form (RFC 9112 section 3.2.2).
fn target(raw: &[u8], uri: &http::Uri) -> Option<String> {
    if uri.authority().is_some() {
        return Some(uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned());
    }
    String::from_utf8(raw.to_vec()).ok()
}

/// Fit for an entry: visible ASCII, cut short.
fn printable(text: &str) -> String {
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
        assert_eq!(host(&headers, &http::Uri::from_static(uri)).as_deref(), expected, "{hosts:?} {uri}");
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
}
