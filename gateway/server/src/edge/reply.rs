//! Answers of the gateway's own, in the words of the API that was asked.

use std::fmt::Write as _;

use bytes::Bytes;
use catalog::{Dialect, REFUSAL_REASON, Unidentified};
use domain::Declined;
use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER, STRICT_TRANSPORT_SECURITY,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use pingora::http::ResponseHeader;
use pingora::prelude::ErrorType::{
    ConnectError, ConnectNoRoute, ConnectProxyFailure, ConnectRefused, ConnectTimedout, ConnectionClosed, InvalidCert,
    ReadTimedout, SocketError, TLSHandshakeFailure, TLSHandshakeTimedout, WriteError, WriteTimedout,
};
use pingora::prelude::{Error, ErrorSource, ErrorType};
use pingora::proxy::{FailToProxy, Session};
use pipeline::{Answer, Ending, Refused, UpstreamFault};
use plugins::Stopped;
use tokio::time::timeout;

use super::accept::Head;
use super::passing::{HSTS, Passing, REQUEST_ID, Stamps};
use super::status::status;
use super::wire::{LINGER, LINGER_BYTES, Link};

/// The most of an unread request body that is worth reading to keep its connection.
const DRAIN: u64 = 64 * 1024;

/// When to come back after a fault of ours or of an upstream.
const SOON: HeaderValue = HeaderValue::from_static("1");

/// A 401 names a way to be let in (RFC 9110 section 11.6.1): the one that a token is good for.
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");

/// What one refusal adds to the headers of its answer.
fn particular(answer: &Answer, headers: &mut HeaderMap) {
    match answer {
        Answer::Unidentified(Unidentified::MethodNotAllowed { allow }) => insert(headers, ALLOW, allow),
        Answer::Unidentified(Unidentified::Removed(notice)) => {
            for (name, value) in notice.headers() {
                headers.append(name, value.clone());
            }
        }
        Answer::Shielded(why) => why.write(headers),
        Answer::Unauthenticated(unproven) => {
            headers.extend(unproven.challenge.clone().map(|it| (WWW_AUTHENTICATE, it)));
        }
        Answer::Forbidden(why) if !why.missing_scopes().is_empty() => {
            insert(headers, WWW_AUTHENTICATE, &lacking(why.missing_scopes()));
        }
        Answer::Lapsed(_) | Answer::Declined(Declined::Unproven | Declined::SecondFactor) => {
            headers.insert(WWW_AUTHENTICATE, BEARER);
        }
        Answer::Declined(Declined::TooOften(seconds)) => {
            headers.insert(RETRY_AFTER, HeaderValue::from(*seconds));
        }
        Answer::NotServed(_)
        | Answer::Plugin(_)
        | Answer::ReplaysFull
        | Answer::NoRoom
        | Answer::Unrecordable(_)
        | Answer::Held(_)
        | Answer::Declined(Declined::Busy | Declined::Unrecorded) => {
            headers.insert(RETRY_AFTER, SOON);
        }
        Answer::UnknownHost
        | Answer::BadPath(_)
        | Answer::HeadTooLarge
        | Answer::HeadLate
        | Answer::BadHead(_)
        | Answer::Unidentified(_)
        | Answer::Replayed
        | Answer::OverLimit(_)
        | Answer::Forbidden(_)
        | Answer::Invalid(_)
        | Answer::TooLarge { .. }
        | Answer::NotSigned
        | Answer::BadChunks(_)
        | Answer::BodyCut
        | Answer::Declined(
            Declined::Parameter(_)
            | Declined::WeakPassword
            | Declined::PlainHttp
            | Declined::CrossSite
            | Declined::Stale
            | Declined::Beyond
            | Declined::Conflict(_)
            | Declined::NoSigner
            | Declined::NotFound
            | Declined::Gone
            | Declined::Failed,
        )
        | Answer::Upstream(_)
        | Answer::Internal(_) => {}
    }
}

/// Names the scopes that would be enough (RFC 6750 section 3.1).
fn lacking(scopes: &[domain::Scope]) -> String {
    let scopes: Vec<&str> = scopes.iter().map(domain::Scope::as_str).collect();
    format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", scopes.join(" "))
}

fn insert(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Sends the answer to a request that was turned away before it went on.
pub(crate) async fn send(
    session: &mut Session,
    passing: &mut Passing,
    head: &Head,
    refused: Refused,
) -> pingora::Result<()> {
    let Some(configuration) = passing.configuration.clone() else {
        return Err(Error::explain(ErrorType::InternalError, "no configuration"));
    };
    let catalog = &configuration.catalog;
    let host = head.speaker(catalog);
    let arrival = passing.arrival.as_ref();
    let (dialect, speaker) = match (&refused.call, host, &refused.answer, arrival) {
        (Some(call), ..) => (catalog.dialect(call), None),
        (None, Some(host), Answer::Unidentified(why), Some(arrival)) => {
            let (dialect, speaker) = host.words(why, arrival);
            (dialect, Some(speaker))
        }
        (None, Some(host), ..) => {
            let (dialect, speaker) = catalog.words_unheard(host, &head.method, head.path());
            (dialect, Some(speaker))
        }
        (None, None, ..) => (catalog.unclaimed(), None),
    };
    let spoken = refused.counted.or(speaker).and_then(|it| catalog.profiles().get(it));
    if let Some((trail, profile)) = passing.trail.as_mut().zip(spoken) {
        trail.asked_of(&profile.api.name);
    }
    let counted = refused.counted.and_then(|it| catalog.profiles().get(it));
    let profile = refused.call.as_ref().map(|it| catalog.profile(it)).or(counted);
    let mut headers = HeaderMap::new();
    insert(&mut headers, REQUEST_ID, &head.id.to_string());
    // Also where nothing has arrived that could be stamped.
    headers.extend(head.source.tls.then_some((STRICT_TRANSPORT_SECURITY, HSTS)));
    if let (Some(host), Some(arrival), None) = (host, arrival, &refused.call) {
        for (name, value) in host.notices(arrival).into_iter().flatten() {
            headers.append(name, value.clone());
        }
    }
    Stamps {
        catalog: Some(catalog),
        arrival,
        call: refused.call.as_ref(),
        profile,
        caller: refused.caller.as_ref(),
        allowance: refused.allowance.as_ref(),
        nonce: passing.nonce.as_ref(),
    }
    .write(&mut headers);
    if let (Answer::OverLimit(over), Some(profile)) = (&refused.answer, profile) {
        pipeline::over_limit(profile, over, &mut headers);
    }
    let worded = Worded { dialect, resource: head.resource(), id: head.id };
    let answer = recorded(passing, session.body_bytes_read() as u64, refused.answer, &worded).await;
    write(session, &answer, headers, &worded).await
}

/// The answer to a strict operation once it is entered, with the status that the dialect gives it; where it cannot be,
/// that is the answer.
async fn recorded(passing: &mut Passing, bytes_in: u64, answer: Answer, words: &Worded<'_>) -> Answer {
    let Some(trail) = &mut passing.trail else { return answer };
    let status = words.word(&answer).status.as_u16();
    let ending = Ending { status: Some(status), bytes_in, bytes_out: 0, whole: true };
    match trail.record(ending).await {
        Ok(()) => answer,
        Err(unwritable) => unwritable.into(),
    }
}

/// The head of the answer, once it has begun. pingora remembers interim answers in the same place, and after those any
/// answer may follow (RFC 9110 section 15.2).
pub(crate) fn final_answer(session: &Session) -> Option<&ResponseHeader> {
    session.response_written().filter(|it| !it.status.is_informational())
}

/// Sends the answer to a request that failed on its way, if anything can still be sent.
pub(crate) async fn fail(session: &mut Session, error: &Error, passing: &mut Passing) -> FailToProxy {
    let nothing = FailToProxy { error_code: 0, can_reuse_downstream: false };
    // pingora takes a body that broke for done.
    let whole = session.as_downstream_mut().is_body_done() && !is_broken(error);
    let begun = final_answer(session).is_some();
    let heard = begun || whole;
    // Nobody can answer a request that has not come: what is late then is its body.
    let unsent = !whole && matches!((error.esource(), error.etype()), (ErrorSource::Upstream, ReadTimedout));
    let cut = || unsent.then_some(Answer::BodyCut);
    let answer = passing.fault.take().or_else(cut).or_else(|| answer_of(error, heard));
    let Some(answer) = answer else { return nothing };
    if let Some(trail) = &mut passing.trail {
        trail.refuse(&answer);
    }
    session.set_keepalive(None);
    if begun && !(matches!(answer, Answer::Lapsed(_)) && passing.takes_event()) {
        return nothing;
    }
    let (Some(configuration), Some(arrival)) = (passing.configuration.clone(), passing.arrival.as_ref()) else {
        return nothing;
    };
    let Ok(forward) = passing.forward() else { return nothing };
    let dialect = configuration.catalog.dialect(forward.call());
    let worded = Worded { dialect, resource: arrival.path.as_str().to_owned(), id: arrival.id };
    if begun {
        // Where nobody reads it, it is cut like any other.
        let _ = session.write_response_body(Some(catalog::last_event(&worded.word(&answer))), true).await;
        return nothing;
    }
    let mut headers = HeaderMap::new();
    passing.stamps().write(&mut headers);
    let answer = recorded(passing, session.body_bytes_read() as u64, answer, &worded).await;
    let code = worded.word(&answer).status.as_u16();
    match write(session, &answer, headers, &worded).await {
        Ok(()) => {
            let downstream = session.as_downstream_mut();
            if !downstream.is_http2() && !whole {
                // pingora would drop the connection with the rest of the body unread, and the answer with it.
                downstream.shutdown().await;
            }
            FailToProxy { error_code: code, can_reuse_downstream: false }
        }
        Err(_) => nothing,
    }
}

/// Whether the body of the request came in chunks that are none: whoever sends such is there, and may be told.
fn is_broken(error: &Error) -> bool {
    let chunks = matches!(error.etype(), ErrorType::Custom("InvalidChunk" | "InvalidTrailerEnd"));
    chunks && *error.esource() == ErrorSource::Downstream
}

/// What went wrong, as far as pingora can tell; `None` where the caller has left and nobody is there to be answered.
/// `heard` when there was nothing more to be read from it.
fn answer_of(error: &Error, heard: bool) -> Option<Answer> {
    let detail = error.etype().as_str().to_owned();
    match error.esource() {
        ErrorSource::Upstream => Some(Answer::Upstream(upstream_fault(error.etype(), detail))),
        ErrorSource::Downstream if matches!(error.etype(), WriteError | ConnectionClosed | WriteTimedout) => None,
        ErrorSource::Downstream if heard => None,
        ErrorSource::Downstream => Some(Answer::BodyCut),
        ErrorSource::Internal | ErrorSource::Unset => Some(Answer::Internal(detail)),
    }
}

fn upstream_fault(kind: &ErrorType, detail: String) -> UpstreamFault {
    let unreachable = matches!(
        kind,
        ConnectTimedout
            | ConnectRefused
            | ConnectNoRoute
            | ConnectError
            | ConnectProxyFailure
            | SocketError
            | TLSHandshakeFailure
            | TLSHandshakeTimedout
            | InvalidCert
    );
    if unreachable {
        UpstreamFault::Unreachable(detail)
    } else if matches!(kind, ReadTimedout | WriteTimedout) {
        UpstreamFault::Late(detail)
    } else {
        UpstreamFault::Broken(detail)
    }
}

/// In whose words, about what, under which id.
struct Worded<'a> {
    dialect: &'a Dialect,
    resource: String,
    id: domain::RequestId,
}

impl Worded<'_> {
    fn word(&self, answer: &Answer) -> catalog::Worded {
        if let Some(reply) = own_reply(answer) {
            return reply;
        }
        self.dialect.word_about(&self.resource, status(answer), &answer.told(), &self.id)
    }
}

/// What a plugin has answered, in its own words. A browser runs nothing of it: the pages of an API are not for one of its
/// tenants to write.
fn own_reply(answer: &Answer) -> Option<catalog::Worded> {
    let Answer::Plugin(why) = answer else { return None };
    let Stopped::Replied { reply, .. } = &**why else { return None };
    let mut headers = reply.headers.clone();
    headers.push((REFUSAL_REASON, HeaderValue::from_static(answer.told().reason)));
    headers.push((X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
    headers.push((CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'")));
    let (status, content_type, body) = (reply.status, reply.content_type.clone(), reply.body.clone());
    Some(catalog::Worded { status, content_type, headers, body })
}

/// Status, head and body of an answer on a connection that pingora gives up: written without its help.
pub(crate) fn bare(answer: &Answer, dialect: &Dialect, link: &Link, id: &domain::RequestId) -> (u16, String, Bytes) {
    let worded = dialect.word_about("", status(answer), &answer.told(), id);
    let mut headers = HeaderMap::new();
    insert(&mut headers, REQUEST_ID, &id.to_string());
    headers.extend(link.tls.then_some((STRICT_TRANSPORT_SECURITY, HSTS)));
    headers.extend(worded.headers);
    particular(answer, &mut headers);
    headers.insert(CONTENT_TYPE, worded.content_type);
    headers.insert(CONTENT_LENGTH, worded.body.len().into());
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let reason = worded.status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", worded.status.as_u16());
    for (name, value) in &headers {
        // Everything the gateway says of itself is text.
        let _ = write!(head, "{name}: {}\r\n", value.to_str().unwrap_or_default());
    }
    head.push_str("\r\n");
    (worded.status.as_u16(), head, worded.body)
}

async fn write(
    session: &mut Session,
    answer: &Answer,
    mut headers: HeaderMap,
    words: &Worded<'_>,
) -> pingora::Result<()> {
    let worded = words.word(answer);
    let own = own_reply(answer).is_some();
    for (name, value) in worded.headers {
        // What the gateway says on every answer, no plugin says otherwise.
        if !own || !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
    if !own {
        particular(answer, &mut headers);
    }
    let mut response = ResponseHeader::build(worded.status, Some(headers.len() + 2))?;
    for (name, value) in &headers {
        response.append_header(name, value)?;
    }
    // Where there can be no body, there is none to speak of (RFC 9110 section 8.6).
    if !matches!(worded.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        response.insert_header(CONTENT_TYPE, worded.content_type)?;
        response.insert_header(CONTENT_LENGTH, worded.body.len())?;
    }
    keep_or_close(session, answer);
    let bodyless = session.req_header().method == Method::HEAD || worded.body.is_empty();
    session.write_response_header(Box::new(response), bodyless).await?;
    if !bodyless {
        session.write_response_body(Some(Bytes::clone(&worded.body)), true).await?;
    }
    if session.is_http2() && !session.as_downstream_mut().is_body_done() {
        hear_out(session).await;
    }
    Ok(())
}

/// Reads on for a moment: a stream that is given up with its body unread is reset, and some callers lose the answer to
/// the reset. On HTTP/1 it is the connection that is heard out, by [`super::wire::Wire`].
async fn hear_out(session: &mut Session) {
    let mut left = LINGER_BYTES;
    let rest = async {
        while let Ok(Some(piece)) = session.read_request_body().await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                return;
            }
        }
    };
    let _ = timeout(LINGER, rest).await;
}

/// A connection is kept only if the rest of the request body is small enough to be read: what is left unread would be
/// taken for the next request.
fn keep_or_close(session: &mut Session, answer: &Answer) {
    let headers = &session.req_header().headers;
    let declared = headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()).map(str::parse::<u64>);
    let small = match declared {
        Some(Ok(length)) => length <= DRAIN,
        Some(Err(_)) => false,
        None => !headers.contains_key(http::header::TRANSFER_ENCODING),
    };
    // Nobody can say where a broken body ends, and pingora takes it for done. And where the log has no room for what is to
    // be entered of this answer, the next request on this connection would wait until it has.
    let ends = matches!(answer, Answer::BodyCut | Answer::Unrecordable(_));
    if ends || (!small && !session.as_downstream_mut().is_body_done()) {
        session.set_keepalive(None);
    }
}
