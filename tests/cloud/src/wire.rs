//! A connection that can be made to misbehave below HTTP.
//!
//! hyper would never send a wrong length or half an answer. So the faulty bytes are written out beforehand, and the
//! connection plays them in place of whatever hyper writes next.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What is played in place of the next answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    /// The bytes that go out.
    pub(crate) bytes: Bytes,
    /// What becomes of the connection then.
    pub(crate) then: Then,
}

/// How a script ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The connection goes on as if nothing had happened.
    Keep,
    /// It is closed in order.
    Close,
    /// It is torn: the peer reads a TCP reset.
    Reset,
}

/// The handle by which a request's gate reaches the connection beneath it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire(Arc<Mutex<Option<Script>>>);

impl Wire {
    /// Plays `script` in place of the next bytes that are written.
    pub(crate) fn play(&self, script: Script) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(script);
    }

    fn take(&self) -> Option<Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A TCP connection under such a handle.
#[derive(Debug)]
pub(crate) struct WiredStream {
    tcp: TcpStream,
    wire: Wire,
    playing: Option<Script>,
}

impl WiredStream {
    /// `tcp`, which from now on obeys `wire`.
    pub(crate) fn new(tcp: TcpStream, wire: Wire) -> Self {
        Self { tcp, wire, playing: None }
    }

    /// Writes what the script still holds; true when a script was played to its end.
    fn play(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.playing.is_none() {
            self.playing = self.wire.take();
        }
        let Some(script) = &mut self.playing else { return Poll::Ready(Ok(false)) };
        while script.bytes.has_remaining() {
            let written = ready!(Pin::new(&mut self.tcp).poll_write(cx, &script.bytes))?;
            script.bytes.advance(written);
        }
        let then = script.then;
        let torn = || io::Error::from(io::ErrorKind::BrokenPipe);
        match then {
            Then::Keep => {}
            Then::Close => {
                ready!(Pin::new(&mut self.tcp).poll_shutdown(cx))?;
                return Poll::Ready(Err(torn()));
            }
            Then::Reset => {
                // Closing a socket that lingers for no time at all makes the kernel send a reset.
                socket2::SockRef::from(&self.tcp).set_linger(Some(Duration::ZERO))?;
                return Poll::Ready(Err(torn()));
            }
        }
        self.playing = None;
        Poll::Ready(Ok(true))
    }
}

impl AsyncRead for WiredStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for WiredStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // A script swallows the one write that bears hyper's own answer, which has no body and so is one write.
        if ready!(self.play(cx))? {
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
