//! The request as it goes upstream, and where upstream is.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use authn::upstream::Word;
use catalog::Timeouts;
use domain::{Arrival, TraceParent, Upstream};
use http::header::{AUTHORIZATION, COOKIE, HOST};
use http::request::Parts as ReqParts;
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::http::RequestHeader;
use pingora::prelude::{Error, ErrorType, HttpPeer};
use pingora::upstreams::peer::HttpUpstreamRequestPolicy;
use pipeline::{Configuration, Forward};

use super::passing::{OURS, Passing, REQUEST_ID};
use super::signers::Signers;
use super::vouching::Vouching;

// Names made once: making one from text costs more than sending it.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const API: HeaderName = HeaderName::from_static("x-portcullis-api");
const TENANT: HeaderName = HeaderName::from_static("x-portcullis-tenant");
const CALLER: HeaderName = HeaderName::from_static("x-portcullis-caller");
const SCOPES: HeaderName = HeaderName::from_static("x-portcullis-scopes");
const IDENTITY: HeaderName = HeaderName::from_static("x-portcullis-identity");
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// How many headers the gateway adds: room made once is half the price of room made twice.
const INTRODUCED: usize = 9;

/// Rewrites the head that pingora is about to send.
pub(crate) fn rewrite(
    request: &mut RequestHeader,
    passing: &Passing,
    signers: &Signers,
    vouching: &Vouching,
) -> pingora::Result<()> {
    let forward = passing.forward()?;
    let (Some(arrival), Some(configuration)) = (&passing.arrival, &passing.configuration) else {
        return Err(Error::explain(ErrorType::InternalError, "no arrival"));
    };
    let query = arrival.query_without_signature();
    // pingora remembers in a second map how each name was capitalised, which no reader of HTTP may care for: without it
    // the names below cost half as much to set and to send.
    let end_stream = request.send_end_stream();
    let blank = RequestHeader::from(http::Request::new(()).into_parts().0);
    let mut head: ReqParts = std::mem::replace(request, blank).into();
    respell(&mut head.uri, arrival, &query)?;
    // First, so that what only the gateway may say is taken out of what a plugin says as well.
    for edit in forward.edits() {
        edit.apply(&mut head.headers);
    }
    strip(&mut head.headers);
    end_sessions(&mut head.headers, &configuration.catalog.profile(forward.call()).credentials.session_cookies());
    head.headers.reserve(INTRODUCED);
    // There is one at most. As clients write it, it mostly is the name itself.
    if head.headers.get(HOST).is_none_or(|it| it != arrival.host.as_str()) {
        insert(&mut head.headers, HOST, &arrival.host)?;
    }
    introduce(&mut head.headers, arrival, forward, vouching.vouch(forward, configuration, arrival.at)?)?;
    trace(&mut head.headers, arrival, passing)?;
    if let Some(source) = forward.source() {
        // Read upstream as it was decided on here.
        head.headers.insert(source.header.clone(), source.restated.clone());
    }
    signers.sign(&mut head.headers, forward, arrival, &query)?;
    *request = head.into();
    request.set_send_end_stream(end_stream.unwrap_or(true));
    Ok(())
}

/// Sets a header. A text that is handed over is not copied.
pub(crate) fn insert<T>(headers: &mut HeaderMap, name: HeaderName, value: T) -> pingora::Result<()>
where
    HeaderValue: TryFrom<T>,
{
    let value = HeaderValue::try_from(value);
    headers.insert(name, value.map_err(|_| Error::explain(ErrorType::InvalidHTTPHeader, "no header value"))?);
    Ok(())
}

/// The path that was decided on is the path that is sent, whatever the caller's spelling was.
pub(crate) fn respell(uri: &mut http::Uri, arrival: &Arrival, query: &str) -> pingora::Result<()> {
    let same = uri.path() == arrival.path.as_str() && uri.query().unwrap_or_default() == query;
    if same && uri.authority().is_none() {
        return Ok(());
    }
    let target = if query.is_empty() { arrival.path.to_string() } else { format!("{}?{query}", arrival.path) };
    *uri = target.parse().map_err(|_| Error::explain(ErrorType::InternalError, "normal path is no URI"))?;
    Ok(())
}

/// Takes out what the upstream must not see, and what only the gateway may say.
fn strip(headers: &mut HeaderMap) {
    // What nearly every request has, and alone: then no list is made.
    headers.remove(AUTHORIZATION);
    let foreign: Vec<HeaderName> = headers.keys().filter(|it| is_foreign(it.as_str())).cloned().collect();
    for name in foreign {
        headers.remove(&name);
    }
}

/// Takes the sessions out of the cookies and leaves the others.
fn end_sessions<'a>(headers: &mut HeaderMap, names: &(impl Iterator<Item = &'a str> + Clone)) {
    if names.clone().next().is_none() || !headers.contains_key(COOKIE) {
        return;
    }
    let name = |it: &[u8]| it.split(|it| *it == b'=').next().unwrap_or_default().trim_ascii().to_vec();
    let lines: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    for line in lines {
        let pairs = line.as_bytes().split(|it| *it == b';').map(<[u8]>::trim_ascii);
        let kept: Vec<&[u8]> =
            pairs.filter(|it| !names.clone().any(|session| name(it) == session.as_bytes())).collect();
        if let Ok(kept) = HeaderValue::from_bytes(&kept.join(&b"; "[..]))
            && !kept.is_empty()
        {
            headers.append(COOKIE, kept);
        }
    }
}

/// Whether a header must not go on: credentials, what only the gateway may say, and what would make an upstream act on
/// another request than the one that was decided. Some frameworks read `_`, or whatever is no letter or digit, as `-`, so
/// that a name with one would be another header there than here: none goes on but the metadata of objects, whose names
/// are the caller's own, and signed.
fn is_foreign(name: &str) -> bool {
    let plain = |it: &str| it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    is_claimed(name) || !(plain(name) || name.starts_with("x-amz-meta-"))
}

fn is_claimed(name: &str) -> bool {
    name.starts_with(OURS)
        || name.starts_with("x-forwarded-")
        || matches!(name, "authorization" | "dpop" | "proxy-authorization" | "x-amz-security-token")
        || matches!(name, "forwarded" | "x-real-ip" | "x-client-ip" | "client-ip" | "true-client-ip")
        || matches!(name, "x-cluster-client-ip" | "cf-connecting-ip" | "fastly-client-ip" | "x-original-forwarded-for")
        || matches!(name, "x-original-url" | "x-rewrite-url" | "x-original-host" | "x-host")
        || matches!(name, "x-http-method-override" | "x-http-method" | "x-method-override")
        // httpoxy: CGI makes of it the proxy that the program itself uses.
        || name == "proxy"
        // The gateway has already told the caller to go on.
        || name == "expect"
}

/// Tells the upstream who is calling, for whom, and with which rights; signed where there is such a word.
fn introduce(headers: &mut HeaderMap, arrival: &Arrival, forward: &Forward, word: Option<Word>) -> pingora::Result<()> {
    insert(headers, REQUEST_ID, arrival.id.text())?;
    insert(headers, FORWARDED_FOR, arrival.source.text())?;
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(if arrival.source.tls { "https" } else { "http" }));
    if let Some(Word { api, tenant, caller, scopes, token }) = word {
        headers.insert(API, api);
        headers.insert(TENANT, tenant);
        headers.insert(CALLER, caller);
        headers.insert(SCOPES, scopes);
        headers.insert(IDENTITY, token);
        return Ok(());
    }
    insert(headers, API, forward.call().operation.api.as_str())?;
    let Some(caller) = forward.caller() else { return Ok(()) };
    let standing = &caller.standing;
    insert(headers, TENANT, standing.tenant.as_str())?;
    insert(headers, CALLER, standing.key.as_str())?;
    let scopes: Vec<&str> = standing.scopes.iter().map(domain::Scope::as_str).collect();
    insert(headers, SCOPES, scopes.join(","))
}

/// Goes on with the sender's trace, or begins one (W3C Trace Context, section 4.3).
fn trace(headers: &mut HeaderMap, arrival: &Arrival, passing: &Passing) -> pingora::Result<()> {
    let id = u128::from_be_bytes(arrival.id.bytes());
    // A span need only be told from others of its trace, so half of an id that is random already will do.
    let parent = u64::try_from(id >> 64).unwrap_or_default() | 1;
    let ours = if let Some(theirs) = passing.trail.as_ref().and_then(|it| it.facts().trace) {
        TraceParent { parent, ..theirs }
    } else {
        // The vendor state belongs to a trace that could not be read.
        headers.remove(&TRACESTATE);
        TraceParent { trace: id | 1, parent, sampled: false }
    };
    insert(headers, TRACEPARENT, ours.text())
}

/// Where upstreams are, resolved ahead of the requests that go there.
pub(crate) struct Peers(ArcSwap<Vec<Resolved>>);

/// One upstream that has an address. There are few, so that looking through them is the quickest way to one.
#[derive(Clone)]
struct Resolved {
    upstream: Upstream,
    timeouts: Timeouts,
    /// For how many refreshes no configuration has named it.
    unnamed: u8,
    /// As entries name it.
    name: Arc<str>,
    brief: HttpPeer,
    long_lived: HttpPeer,
}

impl Resolved {
    fn is(&self, upstream: &Upstream, timeouts: Timeouts) -> bool {
        self.upstream == *upstream && self.timeouts == timeouts
    }
}

/// For how many refreshes an upstream is kept that no configuration names: longer than any request is decided for.
const KEPT_UNNAMED: u8 = 8;

/// An upstream whose name has no address.
#[derive(Debug, thiserror::Error)]
#[error("upstream `{host}` has no address: {cause}")]
pub(crate) struct Unresolved {
    host: String,
    cause: std::io::Error,
}

impl Peers {
    /// Resolves every upstream of a configuration.
    pub(crate) fn resolve(configuration: &Configuration) -> (Self, Vec<Unresolved>) {
        let (peers, unresolved) = resolved(configuration, &[]);
        (Self(ArcSwap::from_pointee(peers)), unresolved)
    }

    /// Resolves them again, for as long as the configuration is the one in force; one that has no address now keeps the
    /// last one it had. Those of earlier configurations stay for a while: requests under way go where they began to.
    pub(crate) fn refresh(&self, configuration: &Configuration, in_force: impl Fn() -> bool) -> Vec<Unresolved> {
        let last = self.0.load();
        let (mut peers, unresolved) = resolved(configuration, &last);
        let unnamed: Vec<Resolved> =
            last.iter().filter(|it| !peers.iter().any(|peer| peer.is(&it.upstream, it.timeouts))).cloned().collect();
        let aged = unnamed.into_iter().map(|it| Resolved { unnamed: it.unnamed + 1, ..it });
        peers.extend(aged.filter(|it| it.unnamed < KEPT_UNNAMED));
        if in_force() {
            self.0.store(Arc::new(peers));
        }
        unresolved
    }

    /// The peer of one upstream of an API with these timeouts, and how entries name it.
    pub(crate) fn of(
        &self,
        upstream: &Upstream,
        timeouts: Timeouts,
        long_lived: bool,
    ) -> pingora::Result<(Box<HttpPeer>, Arc<str>)> {
        let peers = self.0.load();
        let found = peers.iter().find(|it| it.is(upstream, timeouts));
        let found = found.ok_or_else(|| Error::new_up(ErrorType::ConnectNoRoute))?;
        let peer = if long_lived { &found.long_lived } else { &found.brief };
        Ok((Box::new(peer.clone()), Arc::clone(&found.name)))
    }
}

fn resolved(configuration: &Configuration, last: &[Resolved]) -> (Vec<Resolved>, Vec<Unresolved>) {
    let (mut peers, mut unresolved) = (Vec::new(), Vec::new());
    for (upstream, timeouts) in configuration.catalog.upstreams() {
        let addresses = (upstream.host.as_str(), upstream.port).to_socket_addrs();
        match addresses.and_then(|mut it| it.next().ok_or_else(|| std::io::Error::other("no address"))) {
            Ok(address) => peers.push(Resolved {
                upstream: upstream.clone(),
                timeouts,
                unnamed: 0,
                name: format!("{}:{}", upstream.host, upstream.port).into(),
                brief: peer(address, upstream, timeouts, false),
                long_lived: peer(address, upstream, timeouts, true),
            }),
            Err(cause) => {
                peers.extend(last.iter().find(|it| it.is(upstream, timeouts)).cloned());
                unresolved.push(Unresolved { host: upstream.host.clone(), cause });
            }
        }
    }
    (peers, unresolved)
}

fn peer(address: SocketAddr, upstream: &Upstream, timeouts: Timeouts, long_lived: bool) -> HttpPeer {
    let mut peer = HttpPeer::new(address, upstream.tls, upstream.host.clone());
    let options = &mut peer.options;
    options.connection_timeout = Some(timeouts.connect);
    options.total_connection_timeout = Some(timeouts.connect + Duration::from_secs(3));
    // pingora has one bound for every read: the wait for the head is the one that callers feel, except on streams.
    options.read_timeout = Some(if long_lived { timeouts.between_bytes } else { timeouts.first_byte });
    options.write_timeout = Some(timeouts.between_bytes);
    // Shorter than the servers in use keep a connection (the shortest default is five seconds), so that a request is not
    // sent on one that is just being closed.
    options.idle_timeout = Some(Duration::from_secs(4));
    options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
    peer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_taken_out_of_the_cookies() {
        let names = ["sid", "refresh"];
        let check = |lines: &[&'static str], expected: &[&str]| {
            let mut headers = HeaderMap::new();
            headers.extend(lines.iter().map(|it| (COOKIE, HeaderValue::from_static(it))));
            end_sessions(&mut headers, &names.into_iter());
            assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), expected, "{lines:?}");
        };
        check(&["a=1; sid=x; b=sid"], &["a=1; b=sid"]);
        check(&["sid=x;refresh = y"], &[]);
        check(&["sid=x", "theme=dark"], &["theme=dark"]);
        check(&["SID=x"], &["SID=x"]);
    }

    #[test]
    fn what_only_the_gateway_may_say_is_foreign_in_every_spelling() {
        for name in [
            "x-portcullis-tenant",
            "x_portcullis_tenant",
            "x-portcullis.tenant",
            "x-portcullis-identity",
            "x_portcullis_identity",
            "x-portcullis_identity",
            "x-forwarded-for",
            "x_forwarded_port",
            "forwarded",
            "authorization",
            "dpop",
            "x-http-method-override",
            "x_request_id",
            "x_amz_copy_source",
            "x_amz_meta_a",
        ] {
            assert!(is_foreign(name), "{name}");
        }
        for name in ["x-port", "x-request-id", "x-cloudnexus-id", "accept", "cookie", "x-amz-meta-my_key", "2"] {
            assert!(!is_foreign(name), "{name}");
        }
    }
}
