//! One request while it passes: what was decided, and what has yet to be done about it.

use std::sync::Arc;
use std::time::Duration;

use authn::dpop::NONCE;
use authn::{Keyring, PayloadCheck};
use bytes::Bytes;
use catalog::{Catalog, DEPRECATION, Dialect, Profile, SUNSET};
use domain::{Arrival, Call, Caller, KeyId, Moment, Tick, is_kept_from_answers};
use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING,
};
use http::response::Parts as RespParts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use limits::Allowance;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::prelude::{Error, ErrorType};
use pipeline::{Answer, BodyFlow, Configuration, Ending, Forward, Person, Trail};

use super::GRACE;
use super::content::Content;
use super::guard::Watch;
use super::inward;
use super::pace::{self, Pace};
use super::room::Share;
use super::settings::ConnectionSettings;

/// A year: long enough that a browser which once saw the API never asks it in the clear again.
pub(crate) const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The request id on every answer, where the clients of every API look for it.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How many headers an answer is stamped with as a rule.
const STAMPED: usize = 8;

/// How the names of headers begin that only the gateway may send upstream.
pub(crate) const OURS: &str = "x-portcullis-";

/// What pingora hands to every phase of one request.
#[derive(Default)]
pub(crate) struct Passing {
    pub(crate) configuration: Option<Arc<Configuration>>,
    /// The last reading of the clock, for as long as nothing was waited for since.
    pub(crate) fresh: Option<Moment>,
    pub(crate) trail: Option<Trail>,
    pub(crate) arrival: Option<Arrival>,
    /// Why the gateway ended a request that was already on its way.
    pub(crate) fault: Option<Answer>,
    /// How fast its body comes.
    pub(crate) pace: Option<Pace>,
    /// Whether all of its body has come.
    heard: bool,
    /// All of its body, where it was read before anything of the request was sent.
    gathered: Option<Bytes>,
    /// What its next proof of possession has to repeat, where it came with one.
    pub(crate) nonce: Option<HeaderValue>,
    /// Its deadlines, and by what it was let in.
    watch: Option<Arc<Watch>>,
    /// What its body takes of the memory while it is held.
    pub(crate) share: Share,
    /// How much of the body of the answer was let through.
    passed: u64,
    /// Whether what was let through of a stream of events ends with a whole one; nothing for all other answers.
    whole_events: Option<bool>,
    forward: Option<Box<Forward>>,
    content: Content,
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
            nonce: self.nonce.as_ref(),
        }
    }

    /// Whether more of the body may come: it is neither read nor known to be none.
    pub(crate) fn awaits_body(&self) -> bool {
        self.gathered.is_none() && self.forward.as_ref().is_some_and(|it| it.body().flow != BodyFlow::Settled)
    }

    /// Whether each piece of the body goes on when it comes, or when the next one does.
    fn passes_on(&self) -> bool {
        let Some(body) = self.forward.as_deref().map(Forward::body) else { return false };
        matches!(body.flow, BodyFlow::Streamed { .. }) && !matches!(body.check, PayloadCheck::Chunks(_))
    }

    /// All of the body has been read before anything of the request is sent.
    pub(crate) fn gather(&mut self, whole: Bytes) {
        self.gathered = Some(whole);
    }

    /// How long pingora may wait for the API behind, which may take `answer` once it has all of the request: nobody can
    /// answer one that has not come yet. pingora counts anew with each piece that is passed on, so that of a body that
    /// passes as it comes only its longest pause is to be waited for.
    pub(crate) fn silence(&self, answer: Duration, bounds: &ConnectionSettings) -> Duration {
        if !self.awaits_body() {
            answer
        } else if self.passes_on() {
            // The first piece may be kept back until the second one comes.
            answer.max(bounds.idle().saturating_add(bounds.body_grace()))
        } else {
            answer.saturating_add(self.longest_body(bounds))
        }
    }

    /// The longest that the body may take, by what it says of its length or else by what it may have.
    fn longest_body(&self, bounds: &ConnectionSettings) -> Duration {
        let declared = self.arrival.as_ref().and_then(|it| it.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok());
        let most = match self.forward.as_ref().map(|it| it.body().flow) {
            Some(BodyFlow::Held { max } | BodyFlow::Streamed { max }) => max,
            Some(BodyFlow::Settled) | None => 0,
        };
        pace::longest(declared.unwrap_or(most), bounds)
    }

    /// How long may be waited for the answer once all of the body has come, where the operation has no deadline.
    pub(crate) fn patience(&self, bounds: &ConnectionSettings) -> Option<Duration> {
        let call = self.forward.as_ref().map(|it| it.call()).filter(|it| it.operation.deadline.is_none())?;
        let answer = self.configuration.as_ref()?.catalog.profile(call).upstream_timeouts.between_bytes;
        Some(if self.passes_on() { self.silence(answer, bounds) } else { answer })
    }

    /// How long the next piece of a body is waited for over HTTP/2, where pingora does not notice that none comes: until it
    /// notices that the API behind says nothing, where that is for want of this piece.
    pub(crate) fn unnoticed(&self, pause: Duration, bounds: &ConnectionSettings) -> Duration {
        self.patience(bounds).filter(|_| self.passes_on()).unwrap_or(pause)
    }

    /// How long may be waited for the next piece of the body; `None` where none can come.
    pub(crate) fn pause(&self, now: Tick, bounds: &ConnectionSettings) -> Option<Duration> {
        self.pace.filter(|_| self.awaits_body()).map(|it| it.patience(now, bounds))
    }

    /// Until when the request goes on, where it waits no longer than until then for what comes next.
    pub(crate) fn until(&self, waited: Option<Tick>) -> Option<Tick> {
        let asked = self.forward.as_ref().zip(self.arrival.as_ref());
        let deadline = asked.and_then(|(it, arrival)| Some(arrival.at.tick + it.call().operation.deadline?));
        deadline.into_iter().chain(waited).min().map(|it| it + GRACE)
    }

    /// Begins to send the body, for the first time or again, and says in the head how it will be written. `rechunked` as
    /// in [`Content::begin`].
    pub(crate) fn begin_body(&mut self, rechunked: bool, request: &mut RequestHeader) -> pingora::Result<()> {
        let check = &self.forward()?.body().check;
        let content = Content::begin(check, rechunked);
        if let PayloadCheck::Chunks(chunks) = check {
            content.restate(chunks.framing(), request)?;
        }
        self.content = content;
        Ok(())
    }

    /// Lets a piece of the request body through, holds it back, or ends the request.
    pub(crate) fn pass_body(&mut self, piece: &mut Option<Bytes>, end: bool) -> pingora::Result<()> {
        let parts = (self.forward.as_deref(), self.configuration.as_deref(), self.arrival.as_ref());
        let (Some(forward), Some(configuration), Some(arrival)) = parts else {
            return Err(Error::explain(ErrorType::InternalError, "no permit"));
        };
        let validate = |whole: &[u8]| configuration.catalog.validate_body(forward.call(), arrival, whole);
        if let Some(whole) = self.gathered.as_ref().filter(|_| end) {
            *piece = Some(whole.clone());
        }
        self.content.pass(forward.body(), piece, end, validate).or_else(|answer| self.end(answer))
    }

    /// From now on it goes on for as long as its credential stands. What the gateway answers itself is soon over, and may
    /// be what ends the credential.
    pub(crate) fn hold(&mut self, watch: Option<Arc<Watch>>, now: Tick) {
        let forward = self.forward.as_deref().filter(|it| inward::verb(it).is_none());
        let asked = forward.and_then(|it| Some((it.caller()?, &it.call().operation)));
        if let Some((watch, (caller, operation))) = watch.as_ref().zip(asked) {
            watch.lease.of(caller, operation);
            if self.awaits_body() {
                watch.lease.begin(now);
            }
        }
        self.watch = watch;
    }

    /// All of the request has come. Until its answer begins there is nothing to cut.
    pub(crate) fn rest(&mut self) {
        self.heard = true;
        let answered = self.trail.as_ref().is_some_and(|it| it.answered().is_some());
        if let Some(watch) = self.watch.as_ref().filter(|_| !answered) {
            watch.lease.rest();
        }
    }

    /// Ends a request whose credential has ended.
    pub(crate) fn heed_lapse(&mut self) -> pingora::Result<()> {
        match self.watch.as_ref().and_then(|it| it.lease.lapsed()) {
            Some(why) => self.end(Answer::Lapsed(why)),
            None => Ok(()),
        }
    }

    /// Lets a piece of the answer through, or ends the request.
    pub(crate) fn pass_answer(&mut self, piece: Option<&Bytes>) -> pingora::Result<()> {
        self.heed_lapse()?;
        if let Some(piece) = piece {
            self.passed += piece.len() as u64;
            if let Some(whole) = &mut self.whole_events {
                *whole = piece.ends_with(b"\n\n") || piece.ends_with(b"\r\n\r\n");
            }
        }
        Ok(())
    }

    /// Whether an answer that has begun may be ended by an event that says why.
    pub(crate) fn takes_event(&self) -> bool {
        self.whole_events == Some(true)
    }

    /// Ends a request that is already on its way: the connection upstream is cut, and the caller gets this answer.
    pub(crate) fn end<T>(&mut self, answer: Answer) -> pingora::Result<T> {
        self.fault = Some(answer);
        Err(Error::explain(ErrorType::HTTPStatus(400), "request ended by the gateway"))
    }

    /// Has the entry speak of the owner of this key, if it is one that is known, and of who sits at the browser.
    pub(crate) async fn speak_of(
        &mut self,
        key: Option<KeyId>,
        person: Option<Person>,
        keys: &Keyring,
    ) -> pingora::Result<()> {
        let standing = key.and_then(|it| keys.by_id(&it).map(|it| Arc::clone(it.standing())));
        let Some(trail) = self.trail.as_mut().filter(|_| standing.is_some() || person.is_some()) else { return Ok(()) };
        match trail.speak_of(standing, person).await {
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
        trail.record(ending).await.or_else(|unwritable| self.end(unwritable.into()))
    }

    /// Stamps the head of an upstream's answer.
    pub(crate) fn shape(&mut self, response: &mut ResponseHeader) {
        // As on the way out: without pingora's second map of how names were capitalised.
        let Ok(blank) = ResponseHeader::build_no_case(response.status, Some(0)) else { return };
        let mut head: RespParts = std::mem::replace(response, blank).into();
        let nominates = head.headers.contains_key(CONNECTION);
        let foreign = head.headers.keys().filter(|it| is_foreign(it) || nominates && is_named(it, &head.headers));
        for name in foreign.cloned().collect::<Vec<HeaderName>>() {
            head.headers.remove(&name);
        }
        // Whoever is not counted is told of no limit, least of all of one that the gateway does not hold anybody to. Where
        // somebody is, what the upstream says is replaced below.
        let stamps = self.stamps();
        if let Some(names) = stamps.profile.map(|it| &it.limits.headers)
            && (stamps.allowance.is_none() || head.status.is_informational())
        {
            for name in [&names.limit, &names.remaining, &names.reset] {
                head.headers.remove(name);
            }
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
        let speaks = self.stamps().dialect().is_some_and(Dialect::ends_events);
        self.whole_events = (speaks && is_event_stream(&response.headers)).then_some(true);
        if let Some(trail) = &mut self.trail {
            trail.upstream_answered(response.status.as_u16());
            if let Some((watch, answered)) = self.watch.as_ref().zip(trail.answered()) {
                watch.lease.begin(answered);
            }
        }
    }
}

impl Drop for Passing {
    /// Where pingora was waiting when the credential ended, or for a body that stalls over HTTP/2, nobody is left to say
    /// so but this.
    fn drop(&mut self) {
        let Some(watch) = &self.watch else { return };
        let stalled = || (watch.has_passed() && self.awaits_body() && !self.heard).then_some(Answer::BodyCut);
        let why = watch.lease.lapsed().map(Answer::Lapsed).or_else(stalled);
        let Some((mut trail, why)) = self.trail.take().zip(why) else { return };
        trail.refuse(&why);
        let bytes_in = self.pace.map_or(0, |it| it.received());
        let status = trail.answered().and(trail.upstream_status());
        trail.settle_at_once(Ending { status, bytes_in, bytes_out: self.passed, whole: false });
    }
}

/// Whether it is a stream of server-sent events, in the clear.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let bare = kind.split(';').next().unwrap_or_default().trim();
    bare.eq_ignore_ascii_case("text/event-stream") && !headers.contains_key(CONTENT_ENCODING)
}

/// Whether a header of an upstream's answer ends here: what is of this hop, or only the gateway's to say, as its limits are.
fn is_foreign(name: &HeaderName) -> bool {
    let name = name.as_str();
    [OURS, "ratelimit", "x-ratelimit", "x-rate-limit"].iter().any(|it| name.starts_with(it))
        || is_kept_from_answers(name)
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
    /// What the next proof of possession has to repeat.
    pub(crate) nonce: Option<&'a HeaderValue>,
}

impl<'a> Stamps<'a> {
    /// In whose words it is refused.
    fn dialect(&self) -> Option<&'a Dialect> {
        self.catalog.zip(self.call).map(|(catalog, call)| catalog.dialect(call))
    }

    /// Writes them all.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let Some(arrival) = self.arrival else { return };
        if let Ok(id) = HeaderValue::try_from(arrival.id.text()) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some((name, id)) = self.dialect().and_then(|it| it.request_id(&arrival.id)) {
            headers.insert(name, id);
        }
        if arrival.source.tls {
            headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
        }
        let notices = self.catalog.zip(self.call).and_then(|(catalog, call)| catalog.notices(call, arrival.at.wall));
        for (name, value) in notices.into_iter().flatten() {
            // Of these there is one each: when what is settled here ends, no API behind says.
            if [DEPRECATION, SUNSET].contains(name) {
                headers.remove(name);
            }
            headers.append(name, value.clone());
        }
        if let Some(retires) = self.caller.and_then(|it| it.retires) {
            pipeline::retirement(retires, headers);
        }
        if let Some(caller) = self.caller {
            pipeline::expiry(&caller.standing, arrival.at.wall, headers);
        }
        if let Some(nonce) = self.nonce {
            headers.insert(NONCE, nonce.clone());
        }
        if let Some((profile, allowance)) = self.profile.zip(self.allowance) {
            pipeline::stamp(profile, allowance, headers);
        }
    }
}
