//! A small blocking HTTP/1.1 client that adds nothing and hides nothing.
//!
//! Written here because a test must control every byte: two lengths, a broken line, a name twice.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::{Answer, Request};

/// How long an answer may take before a test gives it up.
const PATIENCE: Duration = Duration::from_secs(20);

/// The two listeners of a gateway, and the authority its certificates come from.
#[derive(Clone, Debug)]
pub struct Door {
    /// The listener without TLS.
    pub http: SocketAddr,
    /// The listener with TLS.
    pub https: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl Door {
    /// Trusts nobody but the authority in this file.
    #[track_caller]
    pub fn new(http: SocketAddr, https: SocketAddr, authority: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(authority).expect("the file of the authority") {
            roots.add(certificate.expect("a certificate")).expect("a certificate of an authority");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the versions of TLS that are safe")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { http, https, tls: Arc::new(tls) }
    }

    /// A new connection without TLS.
    #[track_caller]
    pub fn plain(&self) -> Connection {
        Connection::over(Stream::Plain(dial(self.http)))
    }

    /// A new connection with TLS, which asks for this host.
    #[track_caller]
    pub fn secure(&self, host: &str) -> Connection {
        self.secure_over(host, dial(self.https))
    }

    /// The same, for frames of HTTP/2, which the test writes by itself.
    #[track_caller]
    pub fn secure_two(&self, host: &str) -> Connection {
        let mut tls = ClientConfig::clone(&self.tls);
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Self { tls: Arc::new(tls), ..self.clone() }.secure(host)
    }

    /// The same; nothing where nobody listens any more.
    #[track_caller]
    pub fn secure_if_any(&self, host: &str) -> Option<Connection> {
        let stream = TcpStream::connect(self.https).ok()?;
        set_up(&stream).ok()?;
        Some(self.secure_over(host, stream))
    }

    #[track_caller]
    fn secure_over(&self, host: &str, stream: TcpStream) -> Connection {
        let name = ServerName::try_from(host.to_owned()).expect("a host name");
        let session = ClientConnection::new(Arc::clone(&self.tls), name).expect("a TLS session");
        Connection::over(Stream::Tls(Box::new(StreamOwned::new(session, stream))))
    }

    /// A new connection of the kind that a request asks for.
    #[track_caller]
    pub fn connect(&self, request: &Request) -> Connection {
        if request.tls { self.secure(&request.host) } else { self.plain() }
    }

    /// Asks on a connection of its own.
    #[track_caller]
    pub fn ask(&self, request: &Request) -> Answer {
        self.connect(request).ask(request)
    }
}

#[track_caller]
fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
    set_up(&stream).expect("a time-out and no delay");
    stream
}

fn set_up(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)
}

/// One connection, kept as long as the test wants.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<Stream>,
}

impl Connection {
    fn over(stream: Stream) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// A connection to any address, without TLS.
    #[track_caller]
    pub fn to(address: SocketAddr) -> Self {
        Self::over(Stream::Plain(dial(address)))
    }

    /// Sends a request and reads the whole answer.
    #[track_caller]
    pub fn ask(&mut self, request: &Request) -> Answer {
        self.send(&request.bytes());
        self.answer(&request.method)
    }

    /// The same; nothing where the connection ends before the answer does, as it may at any moment of a load.
    pub fn ask_if_alive(&mut self, request: &Request) -> Option<Answer> {
        let stream = self.stream.get_mut();
        stream.write_all(&request.bytes()).and_then(|()| stream.flush()).ok()?;
        Answer::if_whole(stream)
    }

    /// Sends bytes, whatever they are. A peer that has hung up may have answered first, so that is not a fault here.
    pub fn send(&mut self, bytes: &[u8]) {
        let stream = self.stream.get_mut();
        let _ = stream.write_all(bytes).and_then(|()| stream.flush());
    }

    /// Reads the whole answer to a request of this method.
    #[track_caller]
    pub fn answer(&mut self, method: &str) -> Answer {
        let mut answer = self.head();
        let mut pieces = self.pieces(method, &answer);
        while let Some(piece) = self.piece(&mut pieces) {
            answer.body.extend(piece);
        }
        answer
    }

    /// Reads status and headers; interim answers such as `100 Continue` are passed over.
    #[track_caller]
    pub fn head(&mut self) -> Answer {
        loop {
            let answer = self.any_head();
            if !(100..200).contains(&answer.status) || answer.status == 101 {
                return answer;
            }
        }
    }

    /// Reads status and headers of whatever comes next.
    #[track_caller]
    pub fn any_head(&mut self) -> Answer {
        let first = self.line().unwrap_or_else(|error| panic!("no answer: {error}"));
        let status = first.split(' ').nth(1).and_then(|it| it.parse().ok());
        let status = status.filter(|_| first.starts_with("HTTP/1.")).unwrap_or_else(|| panic!("no status: `{first}`"));
        let mut headers = Vec::new();
        loop {
            let line = self.line().unwrap_or_else(|error| panic!("a head without end: {error}"));
            if line.is_empty() {
                return Answer { status, headers, body: Vec::new() };
            }
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no header: `{line}`"));
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// How the body of this answer ends.
    #[track_caller]
    pub fn pieces(&self, method: &str, answer: &Answer) -> Pieces {
        if method == "HEAD" || answer.status == 204 || answer.status == 304 {
            return Pieces::Counted(0);
        }
        if answer.header("transfer-encoding").is_some_and(|it| it.eq_ignore_ascii_case("chunked")) {
            assert_eq!(answer.header("content-length"), None, "two lengths: {answer}");
            return Pieces::Chunked;
        }
        answer.header("content-length").map_or(Pieces::UntilClosed, |it| Pieces::Counted(it.parse().expect("a length")))
    }

    /// The next piece of a body as it arrives; nothing at its end.
    #[track_caller]
    pub fn piece(&mut self, pieces: &mut Pieces) -> Option<Vec<u8>> {
        let piece = match *pieces {
            Pieces::Counted(0) => return None,
            Pieces::Counted(length) => {
                let piece = self.exactly(length);
                *pieces = Pieces::Counted(0);
                piece
            }
            Pieces::Chunked => {
                let line = self.line().unwrap_or_else(|error| panic!("a body cut short: {error}"));
                let length = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16);
                let piece = self.exactly(length.unwrap_or_else(|_| panic!("no length of a chunk: `{line}`")));
                assert_eq!(self.line().expect("the end of a chunk"), "", "a chunk is longer than it said");
                piece
            }
            Pieces::UntilClosed => {
                let mut rest = Vec::new();
                self.stream.read_to_end(&mut rest).unwrap_or_else(|error| panic!("a body without end: {error}"));
                *pieces = Pieces::Counted(0);
                rest
            }
        };
        (!piece.is_empty()).then_some(piece)
    }

    /// So many bytes as they come.
    #[track_caller]
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        self.exactly(count)
    }

    /// Everything that still comes until the peer hangs up; empty when it hung up without a word.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is a way of hanging up.
        let _ = self.stream.read_to_end(&mut rest);
        rest
    }

    /// Says over TLS that nothing more will be sent, and goes on listening.
    pub fn finish_tls(&mut self) {
        if let Stream::Tls(stream) = self.stream.get_mut() {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) {
        let _ = self.stream.get_mut().tcp().shutdown(Shutdown::Write);
    }

    #[track_caller]
    fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap_or_else(|error| panic!("a body cut short: {error}"));
        bytes
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// How much of a body is still to come.
#[derive(Debug)]
pub enum Pieces {
    /// This many bytes.
    Counted(usize),
    /// Chunks, the last one empty.
    Chunked,
    /// All until the peer hangs up.
    UntilClosed,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

/// rustls sends what is left before it reads. A peer that no longer listens to that may have answered all the same.
fn read_after_hanging_up(stream: &mut StreamOwned<ClientConnection, TcpStream>, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.conn.reader().read(into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
        if stream.conn.read_tls(&mut stream.sock)? == 0 {
            return Ok(0);
        }
        stream.conn.process_new_packets().map_err(io::Error::other)?;
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Tls(stream) => match stream.read(into) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => read_after_hanging_up(stream, into),
                other => other,
            },
        }
    }
}

impl Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(from),
            Self::Tls(stream) => stream.write(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
