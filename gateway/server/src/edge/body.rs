//! The request body, read early or held back.

use std::future::poll_fn;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use domain::Tick;
use http::Version;
use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use pingora::prelude::{Error, ErrorType};
use pingora::protocols::http::ServerSession;
use pingora::proxy::Session;
use pipeline::{Answer, BodyFlow, Forward, Incoming, Unread};
use tokio::time::timeout;

use super::accept;
use super::pace::Pace;
use super::passing::Passing;
use super::room::Share;
use super::{Edge, GRACE};

/// The body of the request that a session is serving.
pub(crate) struct SessionBody<'a> {
    session: &'a mut Session,
    declared: Option<u64>,
    edge: &'a Edge,
    /// What it takes of the memory.
    share: &'a mut Share,
    /// What an earlier step has read: a signature over the body is checked before the body itself is.
    read: Option<Bytes>,
}

impl<'a> SessionBody<'a> {
    pub(crate) fn new(session: &'a mut Session, edge: &'a Edge, share: &'a mut Share) -> Self {
        let declared = declared(session);
        Self { session, declared, edge, share, read: None }
    }
}

#[async_trait]
impl Incoming for SessionBody<'_> {
    fn declared(&self) -> Option<u64> {
        self.declared
    }

    async fn read(&mut self, max: u64) -> Result<Bytes, Unread> {
        let whole = match self.read.clone() {
            Some(whole) => whole,
            None => self.read_whole(max).await?,
        };
        if whole.len() as u64 > max {
            return Err(Unread::TooLarge);
        }
        self.read = Some(whole.clone());
        Ok(whole)
    }
}

impl SessionBody<'_> {
    async fn read_whole(&mut self, max: u64) -> Result<Bytes, Unread> {
        if self.declared.is_some_and(|it| it > max) {
            return Err(Unread::TooLarge);
        }
        self.session.enable_retry_buffering();
        if awaits_leave(self.session) {
            self.session.write_continue_response().await.map_err(|_| Unread::Cut)?;
        }
        let mut whole = BytesMut::new();
        let begun = self.edge.gateway.clock.tick();
        let mut pace = Pace::begin(begun);
        while let Some(chunk) = self.next(begun, &mut pace).await? {
            if (whole.len() + chunk.len()) as u64 > max {
                return Err(Unread::TooLarge);
            }
            let from = accept::address(self.session);
            if !self.share.take(&self.edge.room, from, chunk.len()) {
                return Err(Unread::NoRoom);
            }
            whole.extend_from_slice(&chunk);
        }
        if self.session.retry_buffer_truncated() {
            return Err(Unread::TooLarge);
        }
        Ok(whole.freeze())
    }

    /// The next piece, if it comes while the body is fast enough, and before deciding has taken too long. What is there
    /// already sets no timer.
    async fn next(&mut self, begun: Tick, pace: &mut Pace) -> Result<Option<Bytes>, Unread> {
        let (clock, bounds) = (&self.edge.gateway.clock, &self.edge.bounds);
        let now = clock.tick();
        let left = bounds.decide().saturating_sub(now.since(begun)).min(pace.patience(now, bounds));
        let read = timeout(left, self.session.read_request_body()).await;
        let piece = read.map_err(|_| Unread::Cut)?.map_err(|_| Unread::Cut)?;
        let length = piece.as_ref().map_or(0, Bytes::len);
        // The end of a body is no piece that could be late.
        let keeps = piece.is_none() || pace.keeps(length, clock.tick(), bounds);
        if keeps { Ok(piece) } else { Err(Unread::Cut) }
    }
}

/// Reads all of a body that is to be held, where it comes over HTTP/2, before anything of the request is sent: pingora does
/// not notice there that no piece comes, and the caller could not be told. Over HTTP/1 it notices.
pub(crate) async fn gather(edge: &Edge, session: &mut Session, passing: &mut Passing) -> pingora::Result<()> {
    let BodyFlow::Held { max } = passing.forward()?.body().flow else { return Ok(()) };
    if !session.as_downstream().is_http2() {
        return Ok(());
    }
    let (clock, bounds) = (&edge.gateway.clock, &edge.bounds);
    session.enable_retry_buffering();
    let mut whole = BytesMut::new();
    loop {
        let now = clock.tick();
        let until = passing.until(passing.pause(now, bounds).map(|it| now + it));
        let left = until.map_or(bounds.idle(), |it| it.since(now).saturating_sub(GRACE));
        // What pingora has kept of a body to send it again, and only that, tells it that there is one to be sent. It keeps
        // the first piece, and has no room for all.
        let read = timeout(left, next(session, whole.is_empty())).await;
        let Ok(piece) = read else { return passing.end(Answer::BodyCut) };
        passing.heed_lapse()?;
        let Some(piece) = piece? else { break };
        keep(edge, session, passing, piece.len())?;
        whole.extend_from_slice(&piece);
        if whole.len() as u64 > max {
            return passing.end(Answer::TooLarge { max });
        }
        let now = clock.tick();
        if !passing.pace.as_mut().is_none_or(|it| it.keeps(piece.len(), now, bounds)) {
            return passing.end(Answer::BodyCut);
        }
        edge.wait(session, passing, now);
    }
    if !whole.is_empty() {
        passing.gather(whole.freeze());
    }
    Ok(())
}

/// Takes room for a piece of a body that is held back; where there is none, the request ends.
pub(crate) fn keep(edge: &Edge, session: &Session, passing: &mut Passing, piece: usize) -> pingora::Result<()> {
    let held = passing.awaits_body() && matches!(passing.forward()?.body().flow, BodyFlow::Held { .. });
    let has_room = !held || passing.share.take(&edge.room, accept::address(session), piece);
    if has_room { Ok(()) } else { passing.end(Answer::NoRoom) }
}

/// The next piece of a body, which pingora keeps or does not.
async fn next(session: &mut Session, keep: bool) -> pingora::Result<Option<Bytes>> {
    let read = match session.as_downstream_mut() {
        ServerSession::H2(two) if !keep => {
            let read = poll_fn(|cx| two.poll_read_body_bytes(cx)).await.transpose();
            read.map_err(|it| Error::because(ErrorType::ReadError, "while reading downstream request body", it))
        }
        ServerSession::H1(_) | ServerSession::H2(_) | ServerSession::Subrequest(_) | ServerSession::Custom(_) => {
            session.read_request_body().await
        }
    };
    read.map_err(Error::into_down)
}

/// Tells a caller that waits for leave to send a body that it may: what is decided is decided, and an upstream's own leave
/// comes too late or never. Some clients wait for it for a whole minute.
pub(crate) async fn invite(session: &mut Session, forward: &Forward) -> pingora::Result<()> {
    let unread = !matches!(forward.body().flow, BodyFlow::Settled);
    if unread && awaits_leave(session) {
        session.write_continue_response().await?;
    }
    Ok(())
}

/// Whether the caller waits for leave to send its body. Any other expectation is passed over, and so is every one of
/// HTTP/1.0, which knows no interim answers (RFC 9110 section 10.1.1).
fn awaits_leave(session: &Session) -> bool {
    let head = session.req_header();
    let named = head.headers.get_all(EXPECT).iter().flat_map(|it| it.as_bytes().split(|it| *it == b','));
    Version::HTTP_11 <= head.version && named.map(<[u8]>::trim_ascii).any(|it| it.eq_ignore_ascii_case(b"100-continue"))
}

/// How long the body says it is, zero where there is none; `None` where only its end will tell.
fn declared(session: &mut Session) -> Option<u64> {
    let headers = &session.req_header().headers;
    if headers.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    match headers.get(CONTENT_LENGTH) {
        Some(length) => length.to_str().ok()?.trim().parse().ok(),
        None => session.as_downstream_mut().is_body_empty().then_some(0),
    }
}
