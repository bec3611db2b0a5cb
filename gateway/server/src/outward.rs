//! Reaching a machine elsewhere, for those who have to: over TLS by an authority that was named. Most of them ask one question
//! on a connection of its own, within a time. No redirect is followed.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The longest answer that is read.
const LONGEST: usize = 16 * 1024;

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    /// Nobody could be asked, or nobody who is believed.
    #[error("cannot be reached: {0:#}")]
    Unreachable(anyhow::Error),
    /// There was none in time.
    #[error("did not answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// It broke off, or is longer than any answer has to be.
    #[error("gave an answer that is none")]
    BadAnswer,
}

/// A way of speaking: what addresses begin with over TLS and in the clear, each with the port where none is written.
pub(crate) struct Protocol {
    secure: (&'static str, u16),
    clear: (&'static str, u16),
}

/// Asking once, and one answer.
pub(crate) const HTTP: Protocol = Protocol { secure: ("https", 443), clear: ("http", 80) };

/// Saying much, and being answered meanwhile. TLS begins after the first line.
pub(crate) const NATS: Protocol = Protocol { secure: ("tls", 4222), clear: ("nats", 4222) };

/// Somebody at an address, and by whom they are vouched for.
#[derive(Clone)]
pub(crate) struct Peer {
    host: String,
    port: u16,
    /// Where they really are, where that is not what their name leads to.
    way: Option<SocketAddr>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Peer {
    /// Of an address, with the authority of this file; where none is named, with those of the system.
    pub(crate) fn of(protocol: &Protocol, url: &Uri, ca: Option<&Path>) -> anyhow::Result<Self> {
        let secure = url.scheme_str() == Some(protocol.secure.0);
        let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = if secure {
            let name = ServerName::try_from(host.clone())?;
            Some((TlsConnector::from(Arc::new(client(ca)?)), name))
        } else {
            None
        };
        let port = url.port_u16().unwrap_or(if secure { protocol.secure.1 } else { protocol.clear.1 });
        Ok(Self { host, port, way: None, tls })
    }

    /// Reaches them, in the clear as yet.
    pub(crate) async fn connect(&self) -> std::io::Result<TcpStream> {
        match self.way {
            Some(way) => TcpStream::connect(way).await,
            None => TcpStream::connect((self.host.as_str(), self.port)).await,
        }
    }

    /// Whether nothing may be said to them in the clear.
    pub(crate) fn is_secured(&self) -> bool {
        self.tls.is_some()
    }

    /// Makes certain that it is them, and that nobody else hears.
    pub(crate) async fn secure(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let (tls, name) = self.tls.as_ref().ok_or(ErrorKind::Unsupported)?;
        tls.connect(name.clone(), stream).await
    }
}

/// Where somebody is asked.
#[derive(Clone)]
pub(crate) struct Door {
    peer: Peer,
    target: Uri,
}

impl Door {
    /// Of an address, with the authority of this file; where none is named, with those of the system.
    pub(crate) fn of(url: &Uri, ca: Option<&Path>) -> anyhow::Result<Self> {
        Ok(Self { peer: Peer::of(&HTTP, url, ca)?, target: url.path().parse()? })
    }

    /// The same, asked with the query of the address.
    pub(crate) fn whole(url: &Uri, ca: Option<&Path>) -> anyhow::Result<Self> {
        let target = url.path_and_query().map_or_else(|| Ok(Uri::default()), |it| it.as_str().parse())?;
        Ok(Self { peer: Peer::of(&HTTP, url, ca)?, target })
    }

    /// What it is called there: with its port where that is not the usual one.
    pub(crate) fn host(&self) -> String {
        let Peer { host, port, tls, .. } = &self.peer;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let usual = if tls.is_some() { HTTP.secure.1 } else { HTTP.clear.1 };
        if *port == usual { host } else { format!("{host}:{port}") }
    }

    /// The same, further down.
    pub(crate) fn at(mut self, name: &str) -> anyhow::Result<Self> {
        self.target = format!("{}/{name}", self.target.path().trim_end_matches('/')).parse()?;
        Ok(self)
    }

    /// The same, reached there. Who they are is still what their name says.
    pub(crate) fn by(mut self, way: Option<SocketAddr>) -> Self {
        self.peer.way = way;
        self
    }

    /// Asks, and reads the whole answer.
    pub(crate) async fn post(
        &self,
        headers: HeaderMap,
        body: Bytes,
        patience: Duration,
    ) -> Result<Response<Bytes>, Unanswered> {
        self.ask(Method::POST, headers, body, (patience, LONGEST)).await
    }

    /// Asks for what is there, and reads all of it.
    pub(crate) async fn get(&self, patience: Duration) -> Result<Response<Bytes>, Unanswered> {
        self.ask(Method::GET, HeaderMap::new(), Bytes::new(), (patience, LONGEST)).await
    }

    /// Asks for anything, and reads an answer that may take so long and be so long.
    pub(crate) async fn ask(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
        (patience, longest): (Duration, usize),
    ) -> Result<Response<Bytes>, Unanswered> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = headers;
        timeout(patience, self.exchange(request, longest)).await.map_err(|_| Unanswered::Late(patience))?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>, longest: usize) -> Result<Response<Bytes>, Unanswered> {
        let unreachable = |it: std::io::Error| Unanswered::Unreachable(it.into());
        let stream = self.peer.connect().await.map_err(unreachable)?;
        if !self.peer.is_secured() {
            return self.speak(stream, request, longest).await;
        }
        let secured = self.peer.secure(stream).await.map_err(unreachable)?;
        self.speak(secured, request, longest).await
    }

    async fn speak<S>(
        &self,
        stream: S,
        mut request: Request<Full<Bytes>>,
        longest: usize,
    ) -> Result<Response<Bytes>, Unanswered>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let host = HeaderValue::try_from(self.host());
        request.headers_mut().insert(HOST, host.map_err(|it| Unanswered::Unreachable(it.into()))?);
        converse(stream, request, longest).await
    }
}

/// Asks over a stream that nobody else uses, and reads the whole answer, which may be so long.
pub(crate) async fn converse<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    longest: usize,
) -> Result<Response<Bytes>, Unanswered>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let unreachable = |it: hyper::Error| Unanswered::Unreachable(it.into());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(unreachable)?;
    // The connection ends with its answer, and no later than whoever waits for it.
    let mut connected = JoinSet::new();
    connected.spawn(connection);
    let (head, body) = sender.send_request(request).await.map_err(unreachable)?.into_parts();
    let body = Limited::new(body, longest).collect().await.map_err(|_| Unanswered::BadAnswer)?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

/// Reads where somebody is asked. Only over TLS, or on this machine: `clear` says what else could happen. Nothing that
/// could be a secret may stand in it.
pub(crate) fn address(protocol: &Protocol, text: &str, example: &str, clear: &str) -> Result<Uri, String> {
    let bad = || format!("`{text}` is not an address such as `{example}`");
    let uri: Uri = text.parse().map_err(|_| bad())?;
    let host = uri.host().ok_or_else(bad)?;
    let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let own = host == "localhost" || address.is_some_and(|it| it.is_loopback());
    let named = uri.authority().is_some_and(|it| it.as_str().contains('@'));
    match uri.scheme_str() {
        _ if uri.query().is_some() || named => {
            Err("an address is not for secrets: leave out what is before `@` and after `?`".to_owned())
        }
        Some(scheme) if scheme == protocol.secure.0 => Ok(uri),
        Some(scheme) if scheme == protocol.clear.0 && own => Ok(uri),
        Some(scheme) if scheme == protocol.clear.0 => {
            Err(format!("`{text}`: {clear}: write `{}`, or a loopback address", protocol.secure.0))
        }
        _ => Err(bad()),
    }
}

fn client(ca: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let Some(file) = ca else { return believing(None) };
    let named = || format!("`{}`", file.display());
    let text = std::fs::read(file).with_context(named)?;
    believing(Some(&text)).with_context(named)
}

/// Who believes these authorities, as PEM; those of the system where none are named.
pub(crate) fn believing(ca: Option<&[u8]>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if let Some(text) = ca {
        for certificate in CertificateDer::pem_slice_iter(text) {
            roots.add(certificate?)?;
        }
    } else {
        let system = rustls_native_certs::load_native_certs().context("the system's authorities")?;
        roots.add_parsable_certificates(system);
    }
    anyhow::ensure!(!roots.is_empty(), "there is no certificate; `ca` names a file of them");
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    Ok(builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_authorities_without_any_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let (url, empty): (Uri, _) = ("https://witness.example".parse().unwrap(), folder.path().join("ca.pem"));
        assert!(Door::of(&url, Some(&empty)).is_err(), "there is no such file");
        std::fs::write(&empty, "").unwrap();
        assert!(Door::of(&url, Some(&empty)).is_err());
    }

    #[test]
    fn what_could_be_heard_or_told_by_others_is_no_address() {
        let said = |text| address(&HTTP, text, "https://a.example", "who listens");
        let read = |text| said(text).is_ok();
        for good in [
            "https://a.example",
            "https://a.example:8443/x/y",
            "http://127.0.0.1:1",
            "http://[::1]/",
            "http://localhost",
        ] {
            assert!(read(good), "{good}");
        }
        for bad in [
            "http://a.example",
            "a.example",
            "https://u:p@a.example",
            "https://a.example/?token=x",
            "ftp://a",
            "/x",
            "",
        ] {
            assert!(!read(bad), "{bad}");
        }
        assert!(!said("https://u:hunter2@a.example").unwrap_err().contains("hunter2"));
        let said = |text| address(&NATS, text, "tls://a.example", "who listens").is_ok();
        assert!(said("tls://a.example:4222") && said("nats://127.0.0.1") && !said("nats://a.example"));
        assert!(!said("https://a.example") && !said("http://127.0.0.1"));
    }
}
