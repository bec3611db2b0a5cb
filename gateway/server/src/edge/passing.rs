//! One request while it passes: what was decided, and what has yet to be done about it.

use std::sync::Arc;

use authn::Keyring;
use authn::sigv4::BodyHash;
use bytes::{Bytes, BytesMut};
use catalog::{Catalog, Profile};
use domain::{Arrival, Call, Caller, KeyId};
use http::header::{CONNECTION, CONTENT_LENGTH, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING};
use http::response::Parts as RespParts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use limits::Allowance;
use pingora::http::ResponseHeader;
use pingora::prelude::{Error, ErrorType};
use pipeline::{Answer, BodyFlow, Configuration, Ending, Forward, Trail};

/// A year: long enough that a browser which once saw the API never asks it in the clear again.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The request id on every answer, where the clients of every API look for it.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How many headers an answer is stamped with as a rule.
const STAMPED: usize = 8;

/// How the names of headers begin that only the gateway may send upstream.
pub(crate) const OURS: &str = "x-portcullis-";

/// A piece of a body of which nothing may be sent yet. To pingora no piece at all would be the end of the body.
const HELD_BACK: Bytes = Bytes::new();

/// What pingora hands to every phase of one request.
#[derive(Default)]
pub(crate) struct Passing {
    pub(crate) configuration: Option<Arc<Configuration>>,
    pub(crate) trail: Option<Trail>,
    pub(crate) arrival: Option<Arrival>,
    /// Why the gateway ended a request that was already on its way.
    pub(crate) fault: Option<Answer>,
    forward: Option<Box<Forward>>,
    held: BytesMut,
    passed: u64,
    hash: BodyHash,
    /// The last piece of a signed body.
    last: Option<Bytes>,
}

impl Passing {
    /// The request may go on.
    pub(crate) fn go_on(&mut self, configuration: Arc<Configuration>, arrival: Arrival, forward: Forward) {
        self.configuration = Some(configuration);
        self.arrival = Some(arrival);
        self.forward = Some(Box::new(forward));
    }

    /// What was decided. There is none before [`Self::go_on`], and then nothing goes upstream.
    pub(crate) fn forward(&self) -> pingora::Result<&Forward> {
        self.forward.as_deref().ok_or_else(|| Error::explain(ErrorType::InternalError, "no permit"))
    }

    /// What every answer of this request carries, as far as it has come.
    pub(crate) fn stamps(&self) -> Stamps<'_> {
        let forward = self.forward.as_deref();
        let (catalog, call) = (self.configuration.as_deref().map(|it| &it.catalog), forward.map(Forward::call));
        Stamps {
            catalog,
            arrival: self.arrival.as_ref(),
            call,
            profile: catalog.zip(call).map(|(catalog, call)| catalog.profile(call)),
            caller: forward.and_then(Forward::caller),
            allowance: forward.and_then(Forward::allowance),
        }
    }

    /// Lets a piece of the request body through, holds it back, or ends the request.
    pub(crate) fn pass_body(&mut self, chunk: &mut Option<Bytes>, end: bool) -> pingora::Result<()> {
        let plan = self.forward()?.body();
        self.passed += chunk.as_ref().map_or(0, |it| it.len() as u64);
        match plan.flow {
            BodyFlow::Streamed { max } | BodyFlow::Held { max } if self.passed > max => {
                return self.end(Answer::TooLarge { max });
            }
            BodyFlow::Settled | BodyFlow::Streamed { .. } => {}
            BodyFlow::Held { .. } => {
                if let Some(piece) = chunk.replace(HELD_BACK) {
                    self.held.extend_from_slice(&piece);
                }
                if end {
                    *chunk = Some(self.release()?);
                }
            }
        }
        match plan.signed {
            Some(hash) => self.pass_signed(&hash, chunk, end),
            None => Ok(()),
        }
    }

    /// Keeps the last piece of a signed body back until the whole is known to be what was signed: an upstream that lacks
    /// it has not seen the length it was told, and drops the rest.
    fn pass_signed(&mut self, signed: &[u8; 32], chunk: &mut Option<Bytes>, end: bool) -> pingora::Result<()> {
        if let Some(piece) = chunk.as_ref() {
            self.hash.update(piece);
        }
        if !end {
            if let Some(piece) = chunk.take() {
                *chunk = Some(self.last.replace(piece).unwrap_or(HELD_BACK));
            }
            return Ok(());
        }
        if std::mem::take(&mut self.hash).finish() != *signed {
            return self.end(Answer::NotSigned);
        }
        if let Some(last) = self.last.take() {
            let rest = chunk.take().unwrap_or_default();
            *chunk = Some([last, rest].concat().into());
        }
        Ok(())
    }

    /// The whole of a held body, once it has been found good.
    fn release(&mut self) -> pingora::Result<Bytes> {
        let whole = std::mem::take(&mut self.held).freeze();
        let forward = self.forward()?;
        let checked = self
            .configuration
            .as_deref()
            .zip(self.arrival.as_ref())
            .map(|(configuration, arrival)| configuration.catalog.validate_body(forward.call(), arrival, &whole));
        match checked {
            Some(Ok(())) => Ok(whole),
            Some(Err(invalid)) => self.end(invalid.into()),
            None => Err(Error::explain(ErrorType::InternalError, "no configuration")),
        }
    }

    /// Ends a request that is already on its way: the connection upstream is cut, and the caller gets this answer.
    pub(crate) fn end<T>(&mut self, answer: Answer) -> pingora::Result<T> {
        self.fault = Some(answer);
        Err(Error::explain(ErrorType::HTTPStatus(400), "request ended by the gateway"))
    }

    /// Has the entry speak of the owner of this key, if it is one that is known.
    pub(crate) async fn speak_of(&mut self, key: Option<KeyId>, keys: &Keyring) -> pingora::Result<()> {
        let standing = key.and_then(|it| keys.by_id(&it).map(|it| Arc::clone(it.standing())));
        let Some((trail, standing)) = self.trail.as_mut().zip(standing) else { return Ok(()) };
        match trail.speak_of(standing).await {
            Ok(()) => Ok(()),
            Err(unwritable) => self.end(unwritable.into()),
        }
    }

    /// Enters a strict operation before the head of its answer is passed on; where that cannot be, ends the request.
    pub(crate) async fn record(&mut self, response: &ResponseHeader, bytes_in: u64) -> pingora::Result<()> {
        let Some(trail) = self.trail.as_mut().filter(|_| !response.status.is_informational()) else { return Ok(()) };
        let length = response.headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok());
        let bytes_out = length.unwrap_or_default();
        let ending = Ending { status: Some(response.status.as_u16()), bytes_in, bytes_out, whole: true };
        match trail.record(ending).await {
            Ok(()) => Ok(()),
            Err(unwritable) => self.end(unwritable.into()),
        }
    }

    /// Stamps the head of an upstream's answer.
    pub(crate) fn shape(&mut self, response: &mut ResponseHeader) {
        // As on the way out: without pingora's second map of how names were capitalised.
        let Ok(blank) = ResponseHeader::build_no_case(response.status, Some(0)) else { return };
        let mut head: RespParts = std::mem::replace(response, blank).into();
        let nominates = head.headers.contains_key(CONNECTION);
        let foreign = head.headers.keys().filter(|it| is_foreign(it) || nominates && is_named(it, &head.headers));
        let foreign: Vec<HeaderName> = foreign.cloned().collect();
        for name in foreign {
            head.headers.remove(&name);
        }
        if head.status.is_informational() {
            *response = head.into();
            return;
        }
        if head.status == StatusCode::NO_CONTENT {
            // Where there is no body there is no length of one (RFC 9110 section 8.6).
            head.headers.remove(CONTENT_LENGTH);
        }
        head.headers.reserve(STAMPED);
        self.stamps().write(&mut head.headers);
        *response = head.into();
        if let Some(trail) = &mut self.trail {
            trail.upstream_answered(response.status.as_u16());
        }
    }
}

/// Whether a header of an upstream's answer must not reach the caller: what ends at this hop (RFC 9110 section 7.6.1), what
/// only the gateway says, and what would lead callers past it.
fn is_foreign(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with(OURS)
        || matches!(name, "keep-alive" | "proxy-authenticate" | "proxy-connection" | "te" | "trailer" | "upgrade")
        || matches!(name, "alt-svc" | "refusal-reason")
}

/// Whether `Connection` names a header. What delimits the body stays all the same.
fn is_named(name: &HeaderName, headers: &HeaderMap) -> bool {
    let mut options = headers.get_all(CONNECTION).iter().flat_map(|it| it.as_bytes().split(|it| *it == b','));
    ![CONTENT_LENGTH, TRANSFER_ENCODING].contains(name)
        && options.any(|it| it.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
}

/// What an answer carries because of who asked for what, and when.
#[derive(Clone, Copy)]
pub(crate) struct Stamps<'a> {
    pub(crate) catalog: Option<&'a Catalog>,
    pub(crate) arrival: Option<&'a Arrival>,
    pub(crate) call: Option<&'a Call>,
    /// The API whose names the limits are shown under.
    pub(crate) profile: Option<&'a Profile>,
    pub(crate) caller: Option<&'a Caller>,
    pub(crate) allowance: Option<&'a Allowance>,
}

impl Stamps<'_> {
    /// Writes them all.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let Some(arrival) = self.arrival else { return };
        if let Ok(id) = HeaderValue::try_from(arrival.id.text()) {
            headers.insert(REQUEST_ID, id);
        }
        if arrival.source.tls {
            headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
        }
        let notices = self.catalog.zip(self.call).and_then(|(catalog, call)| catalog.notices(call, arrival.at.wall));
        for (name, value) in notices.into_iter().flatten() {
            headers.append(name, value.clone());
        }
        if let Some(retires) = self.caller.and_then(|it| it.retires) {
            pipeline::retirement(retires, headers);
        }
        if let Some((profile, allowance)) = self.profile.zip(self.allowance) {
            pipeline::stamp(profile, allowance, headers);
        }
    }
}
