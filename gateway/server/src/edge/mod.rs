//! The edge: what pingora calls, and nothing decided here.

mod accept;
mod body;
mod content;
mod gate;
mod guard;
mod inward;
mod lease;
mod outbound;
mod pace;
mod passing;
mod reply;
mod room;
pub(crate) mod settings;
mod signers;
mod spoken;
mod status;
mod unread;
mod vouching;
mod wire;

use std::net::IpAddr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use authn::dpop::PROOF;
use bytes::Bytes;
use domain::Tick;
use http::header::{CONNECTION, TRANSFER_ENCODING, UPGRADE};
use http::{StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::prelude::{Error, ErrorType, HttpPeer};
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pipeline::{Answer, Ending, Gateway, Passage, Trail, Unheard};

use self::body::SessionBody;
pub(crate) use self::gate::Gate;
pub(crate) use self::guard::Guard;
use self::guard::WATCH;
pub(crate) use self::inward::Inward;
pub(crate) use self::outbound::Peers;
use self::pace::Pace;
use self::passing::Passing;
pub(crate) use self::room::Room;
pub(crate) use self::signers::Signers;
pub(crate) use self::vouching::Vouching;
use self::wire::LINGER;

/// How much later than its own deadline a request is cut off: time to say that it is late.
const GRACE: Duration = Duration::from_secs(1);

/// How long a caller may leave an answer without a deadline unread. Where there is a deadline, it ends that as well.
const UNREAD: Duration = Duration::from_secs(30);

/// What pingora drives, once per request. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) inward: Arc<Inward>,
    pub(crate) signers: Arc<Signers>,
    pub(crate) vouching: Arc<Vouching>,
    pub(crate) room: Arc<Room>,
    pub(crate) bounds: settings::ConnectionSettings,
}

impl Edge {
    /// A connection that ended in the middle of a head.
    pub(crate) fn cut_in_head(&self) {
        self.gateway.meters.connection_closed("cut_in_head");
    }

    /// A stream of HTTP/2 whose head was refused before anything was known of it.
    pub(crate) fn answered_unseen(&self) {
        self.gateway.meters.connection_closed("h2_bad_head");
    }

    /// A request that was cut off at its deadline, or because its credential has ended; its entry is already there.
    pub(crate) fn cut_off(&self, lapsed: bool) {
        self.gateway.meters.connection_closed(if lapsed { "credential_ended" } else { "deadline" });
    }

    /// Whether a request from this address is looked at, and if not, what it is told. Whoever was told often enough is left
    /// with nothing: the connection ends, or over HTTP/2 the stream, and it is counted.
    fn welcome(&self, address: IpAddr, now: Tick) -> pingora::Result<Result<(), Answer>> {
        match self.gateway.hear(address, now) {
            Ok(()) => Ok(Ok(())),
            Err(Unheard::Told(answer)) => Ok(Err(answer)),
            Err(Unheard::Silent) => {
                self.gateway.meters.connection_closed("shielded");
                Err(Error::explain(ErrorType::HTTPStatus(429), "address asks too often"))
            }
        }
    }

    /// Every step up to forwarding. An answer of the gateway's own is sent here.
    async fn decide(&self, session: &mut Session, passing: &mut Passing) -> pingora::Result<bool> {
        let at = passing.fresh.take().unwrap_or_else(|| self.gateway.clock.now());
        let configuration = self.gateway.configuration();
        let welcome = self.welcome(accept::address(session), at.tick)?;
        let mut head = accept::Head::read(session, at, &self.gateway);
        let facts = head.facts(&configuration.catalog);
        let trail = Trail::begin(Arc::clone(&self.gateway), Arc::clone(&configuration), facts);
        let trail = passing.trail.insert(trail);
        let (host, arrival) = match welcome.and_then(|()| head.arrive(&configuration.catalog, &self.bounds)) {
            Ok(arrived) => arrived,
            Err(answer) => {
                trail.refuse(&answer);
                passing.configuration = Some(configuration);
                return reply::send(session, passing, &head, answer.into()).await.map(|()| true);
            }
        };
        passing.nonce = arrival.headers.get(PROOF).and_then(|_| self.gateway.nonces().now(at.wall));
        let mut body = SessionBody::new(session, self, &mut passing.share);
        let passage = Passage { configuration: &configuration, host, arrival: &arrival, body: &mut body, trail };
        match self.gateway.decide(passage).await {
            Ok(forward) => {
                let deadline = forward.call().operation.deadline.map(|it| at.tick + it + GRACE);
                let _ = WATCH.try_with(|it| it.extend(deadline));
                if deadline.is_none() {
                    session.set_write_timeout(Some(UNREAD));
                }
                session.set_read_timeout(Some(self.bounds.idle()));
                body::invite(session, &forward).await?;
                let now = self.gateway.clock.tick();
                passing.go_on(configuration, arrival, forward);
                passing.hold(WATCH.try_with(Arc::clone).ok(), now);
                passing.pace = Some(Pace::begin(now));
                self.wait(session, passing, now);
                body::gather(self, session, passing).await?;
                Ok(false)
            }
            Err(refused) => {
                trail.refuse(&refused.answer);
                passing.configuration = Some(configuration);
                passing.arrival = Some(arrival);
                reply::send(session, passing, &head, refused).await.map(|()| true)
            }
        }
    }
}

impl Edge {
    /// Waits for the next piece of a body no longer than the body is fast enough. Over HTTP/1 pingora notices that none
    /// comes; over HTTP/2 it does not, and only that the API behind says nothing. Either way the caller is told, but where
    /// neither is noticed the stream ends.
    fn wait(&self, session: &mut Session, passing: &Passing, now: Tick) {
        let Some(patience) = passing.pause(now, &self.bounds) else { return };
        session.set_read_timeout(Some(patience));
        // Where pingora sees to it, this is only for an API behind that takes nothing.
        let two = session.as_downstream().is_http2();
        let patience = if two { passing.unnoticed(patience, &self.bounds) } else { self.bounds.idle() };
        let _ = WATCH.try_with(|it| it.extend(passing.until(Some(now + patience))));
    }
}

#[async_trait]
impl ProxyHttp for Edge {
    /// In a box, because pingora moves it from one future into the next.
    type CTX = Box<Passing>;

    fn new_ctx(&self) -> Box<Passing> {
        Box::default()
    }

    /// No module: the one that pingora adds by itself compresses, which is left to upstreams.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, passing: &mut Box<Passing>) -> pingora::Result<()> {
        // Until the operation is known, the bound of a request is the one of reading and deciding.
        let at = self.gateway.clock.now();
        passing.fresh = Some(at);
        let now = at.tick;
        let _ = WATCH.try_with(|it| it.head_read(now + self.bounds.decide() + GRACE));
        let aged = gate::LINK.try_with(|link| {
            link.end_head();
            now.since(link.since) > self.bounds.age()
        });
        // pingora looks at the first line alone.
        let lines = session.req_header().headers.get_all(CONNECTION).iter();
        let mut options = lines.flat_map(|it| it.as_bytes().split(|it| *it == b','));
        let leaves = options.any(|it| it.trim_ascii().eq_ignore_ascii_case(b"close"));
        if aged.unwrap_or(false) || leaves {
            session.set_keepalive(None);
        }
        // Requests that come before the answer to the one before them are answered in their order (RFC 9112 section 9.3.2).
        // What follows a wish for another protocol may be of that one.
        let switches = session.req_header().headers.contains_key(UPGRADE);
        session.set_pipelining_enabled(!switches);
        // HTTP/1.0 has no interim answers.
        let old = session.req_header().version < Version::HTTP_11;
        session.set_ignore_info_resp(old);
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, passing: &mut Box<Passing>) -> pingora::Result<bool> {
        self.decide(session, passing).await
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        passing: &mut Box<Passing>,
    ) -> pingora::Result<Box<HttpPeer>> {
        let forward = passing.forward()?;
        let call = forward.call();
        let Some(configuration) = &passing.configuration else {
            return Err(Error::explain(ErrorType::InternalError, "no configuration"));
        };
        let (mut peer, name) = if inward::verb(forward).is_some() {
            self.inward.peer()
        } else {
            self.peers.of(
                configuration.catalog.upstream(call),
                configuration.catalog.profile(call).upstream_timeouts,
                call.operation.deadline.is_none(),
            )?
        };
        peer.options.read_timeout = peer.options.read_timeout.map(|it| passing.silence(it, &self.bounds));
        let now = self.gateway.clock.tick();
        if let Some((deadline, arrival)) = call.operation.deadline.zip(passing.arrival.as_ref()) {
            let spent = now.since(arrival.at.tick);
            let left = deadline.saturating_sub(spent).max(Duration::from_millis(1));
            // Ends as an answer in the API's words, which being cut off does not.
            peer.options.read_timeout = peer.options.read_timeout.map(|it| it.min(left));
        }
        if let Some(trail) = &mut passing.trail {
            trail.sent_to(name, now);
        }
        Ok(peer)
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        _reused: bool,
        _peer: &HttpPeer,
        _fd: RawFd,
        digest: Option<&Digest>,
        passing: &mut Box<Passing>,
    ) -> pingora::Result<()> {
        let digest = digest.and_then(|it| it.ssl_digest.as_deref());
        if let Some((trail, digest)) = passing.trail.as_mut().zip(digest) {
            trail.sent_over(accept::secured(digest));
        }
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        passing: &mut Box<Passing>,
    ) -> pingora::Result<()> {
        let verb = inward::verb(passing.forward()?);
        passing.begin_body(verb.is_none() && self.signers.sign_for(passing)?, request)?;
        match verb {
            Some(verb) => self.inward.introduce(request, passing, verb),
            None => outbound::rewrite(request, passing, &self.signers, &self.vouching),
        }
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        chunk: &mut Option<Bytes>,
        end: bool,
        passing: &mut Box<Passing>,
    ) -> pingora::Result<()> {
        passing.heed_lapse()?;
        if end {
            let _ = gate::LINK.try_with(|it| it.heard_out());
        }
        // Of a request without a body, which most are, nothing is timed here.
        let now = || self.gateway.clock.tick();
        let piece = chunk.as_ref().map_or(0, Bytes::len);
        if passing.awaits_body() && !passing.pace.as_mut().is_none_or(|it| it.keeps(piece, now(), &self.bounds)) {
            return passing.end(Answer::BodyCut);
        }
        if end {
            passing.rest();
            // Who stalls now is the API behind: where pingora does not see to it, the connection ends.
            let waited = passing.patience(&self.bounds).map(|it| now() + it);
            let _ = WATCH.try_with(|it| it.extend(passing.until(waited)));
        } else {
            self.wait(session, passing, now());
        }
        body::keep(self, session, passing, piece)?;
        passing.pass_body(chunk, end)
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        chunk: &mut Option<Bytes>,
        _end: bool,
        passing: &mut Box<Passing>,
    ) -> pingora::Result<Option<Duration>> {
        passing.pass_answer(chunk.as_ref())?;
        Ok(None)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        passing: &mut Box<Passing>,
    ) -> pingora::Result<()> {
        if !response.status.is_informational() && passing.patience(&self.bounds).is_some() {
            let _ = WATCH.try_with(|it| it.extend(None));
        }
        if session.is_process_shutting_down() {
            session.set_keepalive(None);
        }
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            // No upgrade is ever asked for.
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, "protocol switched unasked").into_up());
        }
        if !accept::codes_well(&response.headers) {
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, "unknown transfer coding").into_up());
        }
        let mut refused = None;
        if inward::verb(passing.forward()?).is_some() {
            let (key, person) = (inward::about(response), inward::person(response));
            passing.speak_of(key, person, &self.gateway.keyring.load_full()).await?;
            if let Some(declined) = inward::declined(response) {
                return passing.end(declined);
            }
            refused = inward::refused(response);
            if let Some((trail, why)) = passing.trail.as_mut().zip(refused.as_deref()) {
                trail.refused_inside(why);
            }
        }
        passing.shape(response);
        if let Some(why) = refused {
            inward::tell(&why, response);
        }
        if session.req_header().version < Version::HTTP_11 && response.remove_header(&TRANSFER_ENCODING).is_some() {
            // HTTP/1.0 knows no chunks: what has no length ends with its connection.
            session.set_keepalive(None);
        }
        passing.record(response, session.body_bytes_read() as u64).await
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, passing: &mut Box<Passing>) -> FailToProxy {
        if reply::final_answer(session).is_none() {
            // To be told why, and to hear it.
            let _ = WATCH.try_with(|it| it.extend(Some(self.gateway.clock.tick() + LINGER + GRACE)));
        }
        reply::fail(session, error, passing).await
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, passing: &mut Box<Passing>) {
        let Some(trail) = passing.trail.take() else { return };
        let ending = Ending {
            status: reply::final_answer(session).map(|it| it.status.as_u16()),
            bytes_in: session.body_bytes_read() as u64,
            bytes_out: session.body_bytes_sent() as u64,
            whole: error.is_none(),
        };
        if let Some(error) = error {
            // Its context may hold bytes that the upstream or the caller sent, and those may be a secret.
            let (side, error) = (error.esource().as_str(), error.etype().as_str());
            tracing::debug!(request = %trail.facts().id, side, error, "request failed");
        }
        trail.settle(ending).await;
    }

    /// pingora's own error lines hold the request target, which may hold a signature. Ours do not.
    fn suppress_error_log(&self, _session: &Session, _passing: &Box<Passing>, _error: &Error) -> bool {
        true
    }

    fn request_summary(&self, session: &Session, passing: &Box<Passing>) -> String {
        let id = passing.trail.as_ref().map(|it| it.facts().id.text()).unwrap_or_default();
        format!("{} {id}", session.req_header().method)
    }
}
