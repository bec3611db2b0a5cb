//! One connection, as the edge holds it: plain or TLS, buffered small, and counted.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use domain::Tick;
use pingora::protocols::l4::socket::SocketAddr as PingoraAddr;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::guard::Alarm;
use super::spoken::{Broken, Spoken};

/// One TCP segment of a small answer: its head and body leave in one write.
const WRITE_BUFFER: usize = 4096;

/// How long, and for how many bytes, a connection is still listened to after the last answer: the system resets one that
/// is closed with something unread in it, and with the reset the caller loses the answer.
pub(crate) const LINGER: Duration = Duration::from_secs(5);
pub(crate) const LINGER_BYTES: usize = 4 * 1024 * 1024;
const LINGER_PIECE: usize = 8 * 1024;

/// How pingora would begin, if it answered heads that never end.
const LATE: &[u8] = b"HTTP/1.1 408";

/// How much of an unreadable head is kept for its entry.
const FIRST_LINE: usize = 256;

/// Answers a head that pingora refuses by itself, in place of pingora's own bare answer.
pub(crate) trait Refuser: Send + Sync {
    /// The whole answer, small enough to be written at once. `status` is what pingora would have said.
    fn refuse(&self, link: &Link, status: u16) -> Vec<u8>;

    /// Counts what the library ended by itself.
    fn broken(&self, what: Broken);
}

/// What is known of a connection while requests pass over it.
pub(crate) struct Link {
    pub(crate) peer: SocketAddr,
    pub(crate) tls: bool,
    pub(crate) since: Tick,
    read: AtomicU64,
    written: AtomicU64,
    /// Whether a head of HTTP/1 is being read: its first line is kept, and whatever is written is a refusal of it.
    heading: AtomicBool,
    /// Whether the head took too long: what is read next is its end, and before it the caller is told.
    late: AtomicBool,
    /// Whether all of the request has come: what is left is to answer it.
    heard: AtomicBool,
    /// Whether the first line has a fragment, which nothing that reads it afterwards keeps.
    fragment: AtomicBool,
    first_line: Mutex<Vec<u8>>,
    /// How much of the head has been read: bytes, and ends of lines.
    head: (AtomicU64, AtomicU64),
    /// The host that TLS was asked for.
    name: Option<String>,
    refuser: Arc<dyn Refuser>,
    /// Rings for one request after the other.
    pub(super) alarm: Mutex<Option<Alarm>>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("peer", &self.peer).field("tls", &self.tls).finish_non_exhaustive()
    }
}

impl Link {
    pub(crate) fn new(peer: SocketAddr, since: Tick, refuser: Arc<dyn Refuser>) -> Self {
        Self {
            peer,
            tls: false,
            since,
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
            heading: AtomicBool::new(false),
            late: AtomicBool::new(false),
            heard: AtomicBool::new(false),
            fragment: AtomicBool::new(false),
            first_line: Mutex::default(),
            head: (AtomicU64::new(0), AtomicU64::new(0)),
            name: None,
            refuser,
            alarm: Mutex::default(),
        }
    }

    /// The same connection once TLS is up, and the host it was asked for.
    pub(crate) fn over_tls(self, name: Option<&str>) -> Self {
        Self { tls: true, name: name.map(str::to_ascii_lowercase), ..self }
    }

    /// The host that TLS was asked for.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// How much of the head last begun has been read: bytes, and ends of lines.
    pub(crate) fn head(&self) -> (u64, u64) {
        (self.head.0.load(Ordering::Relaxed), self.head.1.load(Ordering::Relaxed))
    }

    /// Bytes read and written so far.
    pub(crate) fn moved(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed))
    }

    /// The next bytes begin a head.
    pub(crate) fn begin_head(&self) {
        self.first_line.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.head.0.store(0, Ordering::Relaxed);
        self.head.1.store(0, Ordering::Relaxed);
        self.fragment.store(false, Ordering::Relaxed);
        self.heard.store(false, Ordering::Relaxed);
        self.heading.store(true, Ordering::Relaxed);
    }

    /// The head is not waited for any longer. `false` where none of it has come, or its end.
    pub(crate) fn give_up(&self) -> bool {
        let begun = self.heading.load(Ordering::Relaxed) && self.head().0 > 0;
        begun && !self.late.swap(true, Ordering::Relaxed)
    }

    /// The head was understood; what follows is not kept.
    pub(crate) fn end_head(&self) {
        self.heading.store(false, Ordering::Relaxed);
    }

    /// The request has come to its end.
    pub(crate) fn heard_out(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// The first line of the head last begun: printable, cut short, without its query.
    pub(crate) fn first_line(&self) -> String {
        let kept = self.first_line.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter()
            .map(|it| char::from(*it))
            .take_while(|it| !matches!(it, '\r' | '\n' | '?'))
            .map(|it| if it.is_ascii_graphic() || it == ' ' { it } else { '.' })
            .collect()
    }

    /// Whether the first line of the head has a fragment.
    pub(crate) fn has_fragment(&self) -> bool {
        self.fragment.load(Ordering::Relaxed)
    }

    fn keep(&self, bytes: &[u8]) {
        if self.head().1 == 0 {
            let line = bytes.split(|it| *it == b'\n').next().unwrap_or_default();
            self.fragment.fetch_or(memchr::memchr(b'#', line).is_some(), Ordering::Relaxed);
        }
        let ends = memchr::memchr_iter(b'\n', bytes).count();
        self.head.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.head.1.fetch_add(ends as u64, Ordering::Relaxed);
        let mut kept = self.first_line.lock().unwrap_or_else(PoisonError::into_inner);
        let room = FIRST_LINE.saturating_sub(kept.len());
        kept.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
    }
}

/// What a connection is made of, whatever is wrapped around it.
pub(crate) trait Socket {
    /// The socket itself.
    fn socket(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A stream that pingora can speak HTTP over.
pub(crate) struct Wire<S> {
    io: BufWriter<S>,
    fd: RawFd,
    socket: Arc<SocketDigest>,
    tls: Option<Arc<SslDigest>>,
    alpn: Option<ALPN>,
    link: Arc<Link>,
    /// What is left to be written of the answer to a head that pingora refused.
    refused: Option<Vec<u8>>,
    /// What is said over HTTP/2; nothing over HTTP/1.
    spoken: Option<Spoken>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(io: S, fd: RawFd, link: Arc<Link>) -> Self {
        let socket = SocketDigest::from_raw_fd(fd);
        // INVARIANT: a fresh digest has no address yet, so that the accepted one is kept.
        let _ = socket.peer_addr.set(Some(PingoraAddr::Inet(link.peer)));
        let io = BufWriter::with_capacity(WRITE_BUFFER, io);
        Self { io, fd, socket: Arc::new(socket), tls: None, alpn: None, link, refused: None, spoken: None }
    }

    pub(crate) fn with_tls(self, version: &'static str, cipher: &'static str, h2: bool) -> Self {
        let digest = SslDigest::new(cipher, version, None, None, Vec::new());
        let alpn = Some(if h2 { ALPN::H2 } else { ALPN::H1 });
        Self { tls: Some(Arc::new(digest)), alpn, spoken: h2.then(Spoken::default), ..self }
    }

    /// Takes in what was written.
    fn wrote<'b>(&mut self, parts: impl IntoIterator<Item = &'b [u8]>, written: usize) {
        self.link.written.fetch_add(written as u64, Ordering::Relaxed);
        let (Some(spoken), mut left) = (&mut self.spoken, written) else { return };
        for part in parts {
            let (own, _) = part.split_at(part.len().min(left));
            left -= own.len();
            spoken.hear(own, |it| self.link.refuser.broken(it));
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Tells the caller that its head took too long, all of it, before the connection ends.
    fn tell_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.refuse(cx, LATE))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Puts our own answer in place of pingora's, once. Nothing that pingora says of a head it could not read is sent.
    fn refuse(&mut self, cx: &mut Context<'_>, theirs: &[u8]) -> Poll<io::Result<usize>> {
        if self.refused.is_none() {
            let status = theirs.get(9..12).and_then(|it| std::str::from_utf8(it).ok()?.parse().ok());
            self.refused = Some(self.link.refuser.refuse(&self.link, status.unwrap_or(400)));
        }
        while let Some(rest) = self.refused.as_mut().filter(|it| !it.is_empty()) {
            match Pin::new(&mut self.io).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    rest.drain(..written);
                    self.link.written.fetch_add(written as u64, Ordering::Relaxed);
                }
                Poll::Ready(Err(cause)) => return Poll::Ready(Err(cause)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(theirs.len()))
    }
}

impl<S> fmt::Debug for Wire<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("link", &self.link).finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Socket + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.link.late.load(Ordering::Relaxed) {
            return self.tell_late(cx);
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        let fresh = buf.filled().get(before..).unwrap_or_default();
        if !fresh.is_empty() {
            self.link.read.fetch_add(fresh.len() as u64, Ordering::Relaxed);
            if self.link.heading.load(Ordering::Relaxed) {
                self.link.keep(fresh);
            }
        } else if matches!(polled, Poll::Ready(Ok(()))) && self.link.heard.load(Ordering::Relaxed) {
            // Whoever has only said over TLS that nothing more will come may still read; whoever leaves closes the socket.
            let mut next = [0; 1];
            ready!(self.io.get_ref().socket().poll_peek(cx, &mut ReadBuf::new(&mut next)))?;
        }
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.link.heading.load(Ordering::Relaxed) {
            return self.refuse(cx, buf);
        }
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = &polled {
            self.wrote([buf], *written);
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.link.heading.load(Ordering::Relaxed) {
            let first = bufs.iter().find(|it| !it.is_empty()).map_or(&[][..], |it| it);
            return self.refuse(cx, first);
        }
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(written)) = &polled {
            self.wrote(bufs.iter().map(|it| &**it), *written);
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Socket + Unpin + Send> Shutdown for Wire<S> {
    async fn shutdown(&mut self) {
        if let Err(cause) = AsyncWriteExt::shutdown(&mut self.io).await {
            tracing::debug!(%cause, "connection was gone before it could be closed");
            return;
        }
        let drain = async {
            let (mut scrap, mut left) = (vec![0; LINGER_PIECE], LINGER_BYTES);
            while let Ok(read @ 1..) = self.io.read(&mut scrap).await {
                left = left.saturating_sub(read);
                if left == 0 {
                    return;
                }
            }
        };
        let _ = timeout(LINGER, drain).await;
    }
}

impl<S> UniqueID for Wire<S> {
    fn id(&self) -> i32 {
        self.fd
    }
}

impl<S> Ssl for Wire<S> {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.tls.clone()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.alpn.clone()
    }
}

impl<S> GetTimingDigest for Wire<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl<S> GetProxyDigest for Wire<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl<S> GetSocketDigest for Wire<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.socket))
    }
}

impl<S> Peek for Wire<S> {}

/// The descriptor of a socket, whatever is wrapped around it.
pub(crate) fn descriptor(socket: &impl AsRawFd) -> RawFd {
    socket.as_raw_fd()
}
