//! Requests that the gateway answers itself: where they go, what is said there of their callers, and what comes back.

use std::sync::Arc;
use std::time::Duration;

use admin::{ABOUT, DECLINED, INTRODUCTION, Introduced, Introduction, IntroductionKey, PERSON, REFUSED};
use catalog::REFUSAL_REASON;
use domain::{Arrival, Clock, Declined, KeyId, NativeVerb};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::prelude::{Error, ErrorType, HttpPeer};
use pingora::upstreams::peer::HttpUpstreamRequestPolicy;
use pipeline::{Answer, Forward, Person};

use super::outbound::{insert, respell};
use super::passing::Passing;

/// What entries call it.
const NAME: &str = "gateway";

/// How long connecting may take, to somebody in this very process.
const CONNECT: Duration = Duration::from_secs(1);

/// How long an answer may take. No look-up takes that long.
const ANSWER: Duration = Duration::from_secs(30);

/// The way to what the gateway answers itself.
pub(crate) struct Inward {
    peer: HttpPeer,
    name: Arc<str>,
    key: Arc<IntroductionKey>,
    clock: Arc<dyn Clock>,
}

impl Inward {
    /// Over the socket at this path.
    pub(crate) fn over(socket: &str, key: Arc<IntroductionKey>, clock: Arc<dyn Clock>) -> pingora::Result<Self> {
        let mut peer = HttpPeer::new_uds(socket, false, NAME.to_owned())?;
        let options = &mut peer.options;
        options.connection_timeout = Some(CONNECT);
        options.total_connection_timeout = Some(CONNECT);
        options.read_timeout = Some(ANSWER);
        options.write_timeout = Some(ANSWER);
        options.idle_timeout = Some(ANSWER);
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        Ok(Self { peer, name: NAME.into(), key, clock })
    }

    /// Where such a request is sent, and how entries name that.
    pub(crate) fn peer(&self) -> (Box<HttpPeer>, Arc<str>) {
        (Box::new(self.peer.clone()), Arc::clone(&self.name))
    }

    /// Puts in place of the head what may be known of it there: what is asked, and who asks. Nothing that the caller showed
    /// or said goes on but the shape of its body.
    pub(crate) fn introduce(
        &self,
        request: &mut RequestHeader,
        passing: &Passing,
        verb: NativeVerb,
    ) -> pingora::Result<()> {
        let Some(arrival) = &passing.arrival else {
            return Err(Error::explain(ErrorType::InternalError, "no arrival"));
        };
        let end_stream = request.send_end_stream();
        let blank = RequestHeader::from(http::Request::new(()).into_parts().0);
        let mut head: Parts = std::mem::replace(request, blank).into();
        respell(&mut head.uri, arrival, &arrival.query_without_signature())?;
        let target = head.uri.path_and_query().map_or("/", |it| it.as_str());
        let introduction = introduction(passing.forward()?, arrival, verb);
        let text = self.key.introduce(&introduction, head.method.as_str(), target, self.clock.tick());
        let text = text.ok_or_else(|| Error::explain(ErrorType::InternalError, "no introduction"))?;
        let mut headers = HeaderMap::with_capacity(8);
        for name in [CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING] {
            for value in head.headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        for name in verb.hears() {
            let name = HeaderName::from_static(name);
            for value in head.headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        headers.insert(HOST, HeaderValue::from_static(NAME));
        insert(&mut headers, INTRODUCTION.parse().map_err(|_| Error::new(ErrorType::InternalError))?, &text)?;
        head.headers = headers;
        *request = head.into();
        request.set_send_end_stream(end_stream.unwrap_or(true));
        Ok(())
    }
}

fn introduction(forward: &Forward, arrival: &Arrival, verb: NativeVerb) -> Introduction {
    let call = forward.call();
    let parameters = call.operation.parameters.iter().cloned().zip(call.parameters.iter().cloned());
    Introduction {
        request: arrival.id.text(),
        verb,
        api: call.operation.api.to_string(),
        operation: call.operation.id.to_string(),
        parameters: parameters.collect(),
        source: arrival.source.address,
        tls: arrival.source.tls,
        caller: forward.caller().map(|it| Introduced {
            tenant: it.standing.tenant.to_string(),
            key: it.standing.key.to_string(),
            scopes: it.standing.scopes.iter().map(ToString::to_string).collect(),
        }),
    }
}

/// How the gateway answers a request itself, where it does.
pub(crate) fn verb(forward: &Forward) -> Option<NativeVerb> {
    forward.call().operation.native.served()
}

/// The key that the answer is about, where it is about one.
pub(crate) fn about(response: &ResponseHeader) -> Option<KeyId> {
    response.headers.get(ABOUT)?.to_str().ok()?.parse().ok()
}

/// Who sits at the browser, where the answer names them, and a tenant of theirs; without one, that of the key it is about.
pub(crate) fn person(response: &ResponseHeader) -> Option<Person> {
    let (tenant, user) = response.headers.get(PERSON)?.to_str().ok()?.split_once(' ')?;
    Some(Person { tenant: tenant.parse().ok().filter(|_| tenant != "-"), user: user.to_owned() })
}

/// Why an answer is a refusal, where it is worded already as a standard has it.
pub(crate) fn refused(response: &ResponseHeader) -> Option<String> {
    response.headers.get(REFUSED).and_then(|it| it.to_str().ok()).map(str::to_owned)
}

/// Says in a header of the answer what a client reads in its body, as on every other refusal. A page tells its user what they
/// may know, and an address that somebody is sent back to tells its client.
pub(crate) fn tell(why: &str, response: &mut ResponseHeader) {
    let kind = response.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if kind.is_some_and(|it| it.starts_with(b"application/json"))
        && let Ok(why) = HeaderValue::from_str(why)
    {
        let _ = response.insert_header(REFUSAL_REASON, why);
    }
}

/// Why nothing was done, where the answer of the gateway's own says so. What is no success and gives no reason is a fault.
pub(crate) fn declined(response: &ResponseHeader) -> Option<Answer> {
    if response.status.is_success() || response.status.is_redirection() || response.headers.contains_key(REFUSED) {
        return None;
    }
    let said = response.headers.get(DECLINED).and_then(|it| Declined::heard(it.to_str().ok()?));
    Some(said.unwrap_or(Declined::Failed).into())
}
