//! The request as it goes upstream, and where upstream is.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use catalog::Timeouts;
use domain::{Arrival, TraceParent, Upstream};
use http::header::HOST;
use http::{HeaderMap, HeaderName};
use pingora::http::RequestHeader;
use pingora::prelude::{Error, ErrorType, HttpPeer};
use pingora::upstreams::peer::HttpUpstreamRequestPolicy;
use pipeline::{Configuration, Forward, Gateway};

use super::passing::{OURS, Passing, REQUEST_ID};
use super::signers::Signers;

// Names made once: making one from text costs more than sending it.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const API: HeaderName = HeaderName::from_static("x-portcullis-api");
const TENANT: HeaderName = HeaderName::from_static("x-portcullis-tenant");
const CALLER: HeaderName = HeaderName::from_static("x-portcullis-caller");
const SCOPES: HeaderName = HeaderName::from_static("x-portcullis-scopes");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Rewrites the head that pingora is about to send.
pub(crate) fn rewrite(
    request: &mut RequestHeader,
    passing: &Passing,
    gateway: &Gateway,
    signers: &Signers,
) -> pingora::Result<()> {
    let forward = passing.forward()?;
    let Some(arrival) = &passing.arrival else {
        return Err(Error::explain(ErrorType::InternalError, "no arrival"));
    };
    let query = without_signature(arrival.query());
    respell(request, arrival, &query)?;
    strip(request);
    request.insert_header(HOST, &arrival.host)?;
    introduce(request, arrival, forward)?;
    trace(request, arrival, passing, gateway)?;
    signers.sign(request, forward, arrival, &query)
}

/// The query without the parts of a presigned address: they are the caller's credential.
fn without_signature(query: &str) -> Cow<'_, str> {
    let is_part = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        name.get(..6).is_some_and(|it| it.eq_ignore_ascii_case("x-amz-"))
    };
    if query.split('&').any(|it| is_part(&it)) {
        let kept: Vec<&str> = query.split('&').filter(|it| !is_part(it)).collect();
        Cow::Owned(kept.join("&"))
    } else {
        Cow::Borrowed(query)
    }
}

/// The path that was decided on is the path that is sent, whatever the caller's spelling was.
fn respell(request: &mut RequestHeader, arrival: &Arrival, query: &str) -> pingora::Result<()> {
    let target = if query.is_empty() { arrival.path.to_string() } else { format!("{}?{query}", arrival.path) };
    if request.raw_path() == target.as_bytes() && request.uri.authority().is_none() {
        return Ok(());
    }
    let uri = target.parse().map_err(|_| Error::explain(ErrorType::InternalError, "normal path is no URI"))?;
    request.set_uri(uri);
    Ok(())
}

/// Takes out what the upstream must not see, and what only the gateway may say.
fn strip(request: &mut RequestHeader) {
    let headers = &request.headers;
    let foreign: Vec<HeaderName> = headers.keys().filter(|it| is_foreign(it.as_str(), headers)).cloned().collect();
    for name in foreign {
        request.remove_header(&name);
    }
}

/// Whether a header must not go on: credentials, what only the gateway may say, and what would make an upstream act on
/// another request than the one that was decided. Some frameworks read `_` as `-`, so a name with one is held to what it
/// would be read as.
fn is_foreign(name: &str, headers: &HeaderMap) -> bool {
    if !name.contains('_') {
        return is_claimed(name);
    }
    let read = name.replace('_', "-");
    is_claimed(&read) || read == REQUEST_ID.as_str() || headers.contains_key(read.as_str())
}

fn is_claimed(name: &str) -> bool {
    name.starts_with(OURS)
        || name.starts_with("x-forwarded-")
        || matches!(name, "authorization" | "proxy-authorization" | "x-amz-security-token")
        || matches!(name, "forwarded" | "via" | "x-real-ip" | "x-client-ip" | "client-ip" | "true-client-ip")
        || matches!(name, "x-cluster-client-ip" | "cf-connecting-ip" | "fastly-client-ip" | "x-original-forwarded-for")
        || matches!(name, "x-original-url" | "x-rewrite-url" | "x-original-host" | "x-host")
        || matches!(name, "x-http-method-override" | "x-http-method" | "x-method-override")
        // httpoxy: CGI makes of it the proxy that the program itself uses.
        || name == "proxy"
        // The gateway has already told the caller to go on, or will when the upstream does.
        || name == "expect"
}

/// Tells the upstream who is calling, for whom, and with which rights.
fn introduce(request: &mut RequestHeader, arrival: &Arrival, forward: &Forward) -> pingora::Result<()> {
    request.insert_header(REQUEST_ID, arrival.id.to_string())?;
    request.insert_header(FORWARDED_FOR, arrival.source.address.to_string())?;
    request.insert_header(FORWARDED_PROTO, if arrival.source.tls { "https" } else { "http" })?;
    request.insert_header(API, forward.call().operation.api.as_str())?;
    if let Some(caller) = forward.caller() {
        let standing = &caller.standing;
        request.insert_header(TENANT, standing.tenant.as_str())?;
        request.insert_header(CALLER, standing.key.as_str())?;
        let mut scopes = String::new();
        for scope in &standing.scopes {
            if !scopes.is_empty() {
                scopes.push(',');
            }
            scopes.push_str(scope.as_str());
        }
        request.insert_header(SCOPES, scopes)?;
    }
    Ok(())
}

/// Goes on with the sender's trace, or begins one (W3C Trace Context, section 4.3).
fn trace(request: &mut RequestHeader, arrival: &Arrival, passing: &Passing, gateway: &Gateway) -> pingora::Result<()> {
    let theirs = passing.trail.as_ref().and_then(|it| it.facts().trace);
    let mut span = [0; 8];
    gateway.random.fill(&mut span);
    let parent = u64::from_be_bytes(span) | 1;
    let ours = if let Some(theirs) = theirs {
        TraceParent { parent, ..theirs }
    } else {
        // The vendor state belongs to a trace that could not be read.
        request.remove_header(&TRACESTATE);
        TraceParent { trace: u128::from_be_bytes(arrival.id.bytes()) | 1, parent, sampled: false }
    };
    request.insert_header(TRACEPARENT, ours.to_string())?;
    Ok(())
}

/// Where upstreams are, resolved ahead of the requests that go there.
pub(crate) struct Peers(ArcSwap<HashMap<(Upstream, bool), HttpPeer>>);

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
        let (peers, unresolved) = resolved(configuration, &HashMap::new());
        (Self(ArcSwap::from_pointee(peers)), unresolved)
    }

    /// Resolves them again; one that has no address now keeps the last one it had.
    pub(crate) fn refresh(&self, configuration: &Configuration) -> Vec<Unresolved> {
        let (peers, unresolved) = resolved(configuration, &self.0.load());
        self.0.store(Arc::new(peers));
        unresolved
    }

    /// The peer of one upstream.
    pub(crate) fn of(&self, upstream: &Upstream, long_lived: bool) -> pingora::Result<Box<HttpPeer>> {
        let peers = self.0.load();
        let peer = peers.get(&(upstream.clone(), long_lived));
        let unresolved = || Error::new_up(ErrorType::ConnectNoRoute);
        peer.map(|it| Box::new(it.clone())).ok_or_else(unresolved)
    }
}

type Resolved = HashMap<(Upstream, bool), HttpPeer>;

fn resolved(configuration: &Configuration, last: &Resolved) -> (Resolved, Vec<Unresolved>) {
    let (mut peers, mut unresolved) = (HashMap::new(), Vec::new());
    for (upstream, timeouts) in configuration.catalog.upstreams() {
        let addresses = (upstream.host.as_str(), upstream.port).to_socket_addrs();
        match addresses.and_then(|mut it| it.next().ok_or_else(|| std::io::Error::other("no address"))) {
            Ok(address) => {
                for long_lived in [false, true] {
                    peers.insert((upstream.clone(), long_lived), peer(address, upstream, timeouts, long_lived));
                }
            }
            Err(cause) => {
                for long_lived in [false, true] {
                    let key = (upstream.clone(), long_lived);
                    peers.extend(last.get(&key).map(|it| (key, it.clone())));
                }
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
    options.idle_timeout = Some(Duration::from_mins(1));
    options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
    peer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_presigned_query_loses_its_signature_and_nothing_else() {
        assert_eq!(without_signature("a=1&X-Amz-Signature=00&x-amz-date=1&b="), "a=1&b=");
        assert_eq!(without_signature("list-type=2&prefix=x-amz-"), "list-type=2&prefix=x-amz-");
    }

    #[test]
    fn what_only_the_gateway_may_say_is_foreign_in_every_spelling() {
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-cloudnexus-id"), HOST.as_str().parse().unwrap())]);
        for name in [
            "x-portcullis-tenant",
            "x_portcullis_tenant",
            "x-portcullis_caller",
            "x-forwarded-for",
            "x_forwarded_port",
            "forwarded",
            "authorization",
            "x-http-method-override",
            "x_request_id",
            "x_cloudnexus_id",
        ] {
            assert!(is_foreign(name, &headers), "{name}");
        }
        for name in ["x-port", "x-request-id", "x-cloudnexus-id", "x_other_id", "accept", "cookie"] {
            assert!(!is_foreign(name, &headers), "{name}");
        }
    }
}
