//! Asking providers elsewhere: each time on a connection of its own, within a time, and never anybody inside who was not meant.
//!
//! An address that is not public is asked only where the connection says so. It is found once and connected to as it was
//! found, so that no name means one thing when it is looked at and another when it is used. No redirect is followed.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use admin::{Errand, Messenger, Reply, Unanswered};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::Full;
use ipnet::IpNet;
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::outward::{self, believing, converse};

/// How long an answer may take, the connection among it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer that is read.
const LONGEST: usize = 1024 * 1024;

/// Addresses that are not public, besides those that the standard library names: of this network, of carriers, of
/// benchmarks and protocols, of tomorrow; of the newer kind those of sites and documents.
const INSIDE: [&str; 13] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "240.0.0.0/4",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "2001:db8::/32",
];

/// Addresses of the newer kind that stand for one of the older: where they lead, it leads.
const EMBEDDING: [(&str, usize); 2] = [("64:ff9b::/96", 12), ("2002::/16", 2)];

/// Who asks.
#[derive(Default)]
pub(crate) struct Errands {
    /// Who believes the authorities of the system, once they were read.
    system: OnceLock<TlsConnector>,
}

#[async_trait]
impl Messenger for Errands {
    async fn ask(&self, errand: Errand<'_>) -> Result<Reply, Unanswered> {
        let answer = timeout(PATIENCE, self.run(errand)).await.map_err(|_| Unanswered::Late(PATIENCE))??;
        Ok(Reply { status: answer.status().as_u16(), body: answer.into_body() })
    }
}

impl Errands {
    async fn run(&self, errand: Errand<'_>) -> Result<Response<Bytes>, Unanswered> {
        let unreachable = |it: std::io::Error| Unanswered::Unreachable(it.to_string());
        let url: Uri = errand.url.parse().map_err(|_| Unanswered::Place)?;
        let secure = match url.scheme_str() {
            Some("https") => true,
            Some("http") if errand.private => false,
            _ => return Err(Unanswered::Place),
        };
        let host = url.host().ok_or(Unanswered::Place)?.trim_start_matches('[').trim_end_matches(']');
        let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let found: Vec<SocketAddr> = lookup_host((host, port)).await.map_err(unreachable)?.collect();
        let may = allowed(&found, errand.private, secure)?;
        let stream = connect(&may).await.map_err(unreachable)?;
        let request = request(&url, errand)?;
        let answered = if secure {
            let name = ServerName::try_from(host.to_owned()).map_err(|_| Unanswered::Place)?;
            let stream = self.tls(errand.ca)?.connect(name, stream).await.map_err(unreachable)?;
            converse(stream, request, LONGEST).await
        } else {
            converse(stream, request, LONGEST).await
        };
        answered.map_err(|cause| match cause {
            outward::Unanswered::BadAnswer => Unanswered::BadAnswer,
            outward::Unanswered::Unreachable(_) | outward::Unanswered::Late(_) => {
                Unanswered::Unreachable(cause.to_string())
            }
        })
    }

    fn tls(&self, ca: Option<&str>) -> Result<TlsConnector, Unanswered> {
        let believing = |it| believing(it).map_err(|cause| Unanswered::Unreachable(format!("{cause:#}")));
        if let Some(ca) = ca {
            return Ok(TlsConnector::from(Arc::new(believing(Some(ca.as_bytes()))?)));
        }
        if let Some(known) = self.system.get() {
            return Ok(known.clone());
        }
        let made = TlsConnector::from(Arc::new(believing(None)?));
        Ok(self.system.get_or_init(|| made).clone())
    }
}

/// Those that may be asked: public ones, or any where the connection is private. In the clear only this very machine.
fn allowed(found: &[SocketAddr], private: bool, secure: bool) -> Result<Vec<SocketAddr>, Unanswered> {
    let may = |it: &&SocketAddr| {
        let address = it.ip().to_canonical();
        if secure { private || is_public(address) } else { private && address.is_loopback() }
    };
    let may: Vec<SocketAddr> = found.iter().filter(may).copied().collect();
    if may.is_empty() { Err(Unanswered::Private) } else { Ok(may) }
}

fn is_public(address: IpAddr) -> bool {
    let within = |net: &str| net.parse::<IpNet>().is_ok_and(|it| it.contains(&address));
    if address.is_loopback() || address.is_unspecified() || address.is_multicast() || INSIDE.into_iter().any(within) {
        return false;
    }
    match address {
        IpAddr::V4(it) => !(it.is_link_local() || it.is_documentation() || it.is_broadcast()),
        IpAddr::V6(it) => {
            let octets = it.octets();
            EMBEDDING.into_iter().filter(|(net, _)| within(net)).all(|(_, from)| {
                let inner = octets.get(from..from + 4).and_then(|it| <[u8; 4]>::try_from(it).ok());
                inner.is_some_and(|it| is_public(IpAddr::from(it)))
            })
        }
    }
}

async fn connect(addresses: &[SocketAddr]) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::from(ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(cause) => last = cause,
        }
    }
    Err(last)
}

fn request(url: &Uri, errand: Errand<'_>) -> Result<Request<Full<Bytes>>, Unanswered> {
    let target = url.path_and_query().map_or("/", |it| it.as_str()).parse().map_err(|_| Unanswered::Place)?;
    let host = url.authority().map_or("", http::uri::Authority::as_str);
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::try_from(host).map_err(|_| Unanswered::Place)?);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(shown) = errand.authorization {
        let mut shown = HeaderValue::try_from(shown).map_err(|_| Unanswered::Place)?;
        shown.set_sensitive(true);
        headers.insert(AUTHORIZATION, shown);
    }
    let body = Bytes::copy_from_slice(errand.form.unwrap_or_default().as_bytes());
    if errand.form.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = if errand.form.is_some() { Method::POST } else { Method::GET };
    *request.uri_mut() = target;
    *request.headers_mut() = headers;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn errand(url: &str) -> Errand<'_> {
        Errand { url, ca: None, private: true, authorization: None, form: None }
    }

    #[test]
    fn nobody_inside_is_asked_who_was_not_meant_however_the_address_is_written() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
        ] {
            let at = [SocketAddr::new(inside.parse().unwrap(), 443)];
            assert!(matches!(allowed(&at, false, true), Err(Unanswered::Private)), "{inside}");
            assert!(allowed(&at, true, true).is_ok(), "{inside}");
        }
        for public in ["192.0.9.1", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"] {
            let at = [SocketAddr::new(public.parse().unwrap(), 443)];
            assert!(allowed(&at, false, true).is_ok(), "{public}");
            assert!(allowed(&at, true, false).is_err(), "in the clear: {public}");
        }
        let both = ["8.8.8.8:443", "127.0.0.1:443"].map(|it| it.parse().unwrap());
        assert_eq!(allowed(&both, false, true).unwrap(), both[..1]);
    }

    #[tokio::test]
    async fn only_over_tls_or_on_this_machine_and_only_where_the_connection_is_private() {
        let errands = Errands::default();
        for url in ["ftp://127.0.0.1/", "/x", "http:///x"] {
            assert!(matches!(errands.ask(errand(url)).await, Err(Unanswered::Place)), "{url}");
        }
        let open = Errand { private: false, ..errand("http://127.0.0.1:1/") };
        assert!(matches!(errands.ask(open).await, Err(Unanswered::Place)));
        let open = Errand { private: false, ..errand("https://127.0.0.1:1/") };
        assert!(matches!(errands.ask(open).await, Err(Unanswered::Private)));
    }

    /// What comes of asking somebody who answers so.
    async fn asked(answer: Vec<u8>, form: Option<&str>) -> (Result<Reply, Unanswered>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys?x=1", listener.local_addr().unwrap());
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = vec![0; 4096];
            let length = stream.read(&mut read).await.unwrap();
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
            String::from_utf8_lossy(&read[..length]).into_owned()
        };
        let errands = Errands::default();
        let errand = Errand { authorization: Some("Basic eA=="), form, ..errand(&url) };
        let (reply, seen) = tokio::join!(errands.ask(errand), serve);
        (reply, seen)
    }

    #[tokio::test]
    async fn what_is_asked_is_asked_once_and_no_redirect_is_followed() {
        let redirect = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_vec();
        let (reply, seen) = asked(redirect, None).await;
        assert_eq!(reply.ok().unwrap().status, 302);
        assert!(
            seen.starts_with("GET /keys?x=1 HTTP/1.1\r\n") && seen.contains("authorization: Basic eA==\r\n"),
            "{seen}"
        );
        let good = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec();
        let (reply, seen) = asked(good, Some("a=b")).await;
        assert_eq!(&*reply.ok().unwrap().body, b"{}");
        assert!(seen.starts_with("POST ") && seen.contains("content-length: 3\r\n"), "{seen}");
    }

    #[tokio::test]
    async fn no_more_is_read_than_any_answer_has() {
        let mut long = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", LONGEST + 1).into_bytes();
        long.resize(long.len() + LONGEST + 1, b'x');
        assert!(matches!(asked(long, None).await.0, Err(Unanswered::BadAnswer)));
    }
}
