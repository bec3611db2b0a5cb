//! Asking one witness once (C2SP tlog-witness), and what its answer means for the log.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use audit::cosignature::{WitnessKey, lines_of};
use audit::note::{BadNote, Checkpoint};
use domain::Timestamp;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
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

/// How long a witness has for one answer, the connection among it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer that is read: some lines of signatures.
const LONGEST: usize = 16 * 1024;

/// Why a witness did not stand for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwitnessed {
    /// The question could not be made.
    #[error("the growth of the log cannot be proved: {0}")]
    Unproven(#[from] audit::Unproven),
    /// There was no answer.
    #[error("cannot be reached: {0:#}")]
    Unreachable(anyhow::Error),
    /// There was none in time.
    #[error("did not answer within {} s", PATIENCE.as_secs())]
    Late,
    /// It does not look after this log, or does not understand.
    #[error("answered {0}")]
    Refused(StatusCode),
    /// What it said is not an answer.
    #[error("gave an answer that is none")]
    BadAnswer,
    /// What it said is not signed by the key that is believed.
    #[error("gave an answer that {0}")]
    Forged(BadNote),
    /// It stands for more entries than there are.
    #[error(
        "stands for {theirs} entries, and this log has {ours}: its end was cut off, or it was replaced by an older copy"
    )]
    Cut {
        /// As many as it stands for.
        theirs: u64,
        /// As many as are signed for here.
        ours: u64,
    },
    /// It stands for as many entries, and for others.
    #[error("stands for {0} entries that are not those of this log: it was rewritten")]
    Rewritten(u64),
    /// It stands for fewer entries, and these are not the beginning of the log.
    #[error("stands for {0} entries that are not the beginning of this log: it was rewritten")]
    NotTheBeginning(u64),
}

impl Unwitnessed {
    /// As it is counted.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Unproven(_) => "unproven",
            Self::Unreachable(_) => "unreachable",
            Self::Late => "late",
            Self::Refused(_) => "refused",
            Self::BadAnswer => "bad_answer",
            Self::Forged(_) => "forged",
            Self::Cut { .. } => "cut",
            Self::Rewritten(_) | Self::NotTheBeginning(_) => "rewritten",
        }
    }

    /// Whether the log is to blame, and not the witness or the way to it.
    pub(crate) fn accuses(&self) -> bool {
        matches!(self, Self::Cut { .. } | Self::Rewritten(_) | Self::NotTheBeginning(_))
    }
}

/// Every reason there is.
pub(crate) const REASONS: [&str; 8] =
    ["unproven", "unreachable", "late", "refused", "bad_answer", "forged", "cut", "rewritten"];

/// What a witness said, understood.
enum Answer {
    /// Lines of signatures.
    Cosigned(String),
    /// So many entries were cosigned last.
    Stands(u64),
    /// The proof does not hold there.
    Refuted,
}

/// Asks a witness to stand for a note of this log, which it knew up to `known` entries when it was asked last. Gives its
/// lines, and when it signed.
pub(crate) async fn ask(
    door: &Door,
    key: &WitnessKey,
    log: &Path,
    note: &str,
    known: &mut u64,
) -> Result<(String, Timestamp), Unwitnessed> {
    let size = Checkpoint::parse(note).map_err(audit::Unproven::from)?.size;
    // Once by what was known, and once by what is said then.
    for _ in 0..2 {
        let old = (*known).min(size);
        match door.post(growth(log, old, note).await?).await? {
            Answer::Cosigned(answer) => {
                let lines = lines_of(key, note, &answer).map_err(Unwitnessed::Forged)?;
                *known = size;
                return Ok(lines);
            }
            Answer::Refuted => return Err(Unwitnessed::NotTheBeginning(old)),
            Answer::Stands(theirs) if theirs > size => {
                let ours = audit::newest(log)?.1.size;
                // Somebody else may have asked for a newer one meanwhile; then it is known next time.
                return Err(if theirs > ours { Unwitnessed::Cut { theirs, ours } } else { Unwitnessed::BadAnswer });
            }
            Answer::Stands(theirs) if theirs == old && theirs == size => return Err(Unwitnessed::Rewritten(size)),
            Answer::Stands(theirs) => *known = theirs,
        }
    }
    Err(Unwitnessed::BadAnswer)
}

/// The question, which is read from tiles while others are written.
async fn growth(log: &Path, old: u64, note: &str) -> Result<String, Unwitnessed> {
    let (log, note) = (log.to_owned(), note.to_owned());
    let made = tokio::task::spawn_blocking(move || audit::prove_growth_to(&log, old, &note)).await;
    made.map_err(|cause| Unwitnessed::Unproven(std::io::Error::other(cause).into()))?.map_err(Into::into)
}

/// Where a witness is asked, and by whom it is vouched for.
pub(crate) struct Door {
    host: String,
    port: u16,
    target: Uri,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Door {
    /// Of an address, with the authority of this file; where none is named, with those of the system.
    pub(crate) fn of(url: &Uri, ca: Option<&Path>) -> anyhow::Result<Self> {
        let secure = url.scheme_str() == Some("https");
        let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let target = format!("{}/add-checkpoint", url.path().trim_end_matches('/')).parse()?;
        let tls = if secure {
            let name = ServerName::try_from(host.clone())?;
            Some((TlsConnector::from(Arc::new(client(ca)?)), name))
        } else {
            None
        };
        let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { host, port, target, tls })
    }

    async fn post(&self, question: String) -> Result<Answer, Unwitnessed> {
        timeout(PATIENCE, self.exchange(question)).await.map_err(|_| Unwitnessed::Late)?
    }

    async fn exchange(&self, question: String) -> Result<Answer, Unwitnessed> {
        let reached = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = reached.map_err(|it| Unwitnessed::Unreachable(it.into()))?;
        match &self.tls {
            None => self.speak(stream, question).await,
            Some((tls, name)) => {
                let secured = tls.connect(name.clone(), stream).await;
                self.speak(secured.map_err(|it| Unwitnessed::Unreachable(it.into()))?, question).await
            }
        }
    }

    async fn speak<S>(&self, stream: S, question: String) -> Result<Answer, Unwitnessed>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let unreachable = |it: hyper::Error| Unwitnessed::Unreachable(it.into());
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(unreachable)?;
        let host = format!("{}:{}", self.host, self.port);
        let request = Request::post(self.target.clone()).header(HOST, host).body(question);
        let request = request.map_err(|it| Unwitnessed::Unreachable(it.into()))?;
        // The connection ends with its answer, and no later than whoever waits for it.
        let mut connected = JoinSet::new();
        connected.spawn(connection);
        let answer = sender.send_request(request).await.map_err(unreachable)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST).collect().await.map_err(|_| Unwitnessed::BadAnswer)?;
        let sized = head.headers.get(CONTENT_TYPE).is_some_and(|it| it == "text/x.tlog.size");
        let text = String::from_utf8(body.to_bytes().into()).map_err(|_| Unwitnessed::BadAnswer)?;
        match head.status {
            StatusCode::OK => Ok(Answer::Cosigned(text)),
            StatusCode::CONFLICT if sized => {
                text.trim_end().parse().map(Answer::Stands).map_err(|_| Unwitnessed::BadAnswer)
            }
            StatusCode::UNPROCESSABLE_ENTITY => Ok(Answer::Refuted),
            other => Err(Unwitnessed::Refused(other)),
        }
    }
}

fn client(ca: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let named = || ca.map_or_else(|| "the system's authorities".to_owned(), |it| format!("`{}`", it.display()));
    if let Some(file) = ca {
        for certificate in CertificateDer::pem_file_iter(file).with_context(named)? {
            roots.add(certificate.with_context(named)?).with_context(named)?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().with_context(named)?);
    }
    anyhow::ensure!(!roots.is_empty(), "{}: there is no certificate; `ca` names a file of them", named());
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    Ok(builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::tls::{Certificate, authority_file, server_config};

    /// Asks a server over TLS that gives one answer, by the authority of this folder.
    async fn asked(authority: &Path, served: &Path, answer: &'static str) -> Result<Answer, Unwitnessed> {
        let certificate = Certificate::load(None, served, &["witness.example".to_owned()]).unwrap();
        let tls = TlsAcceptor::from(Arc::new(server_config(Arc::new(certificate)).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/w/", listener.local_addr().unwrap().port()).parse().unwrap();
        let door = Door::of(&url, Some(&authority_file(authority))).unwrap();
        let serve = async {
            let Ok(mut stream) = tls.accept(listener.accept().await.unwrap().0).await else { return };
            let mut read = [0; 1024];
            let length = stream.read(&mut read).await.unwrap();
            assert!(read[..length].starts_with(b"POST /w/add-checkpoint HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.shutdown().await;
        };
        tokio::join!(door.post("old 0\n".to_owned()), serve).0
    }

    #[tokio::test]
    async fn an_answer_is_believed_only_from_whom_the_authority_vouches_for() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let size = "HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\nContent-Length: 3\r\n\r\n42\n";
        assert!(matches!(asked(one.path(), one.path(), size).await, Ok(Answer::Stands(42))));
        Certificate::load(None, other.path(), &[]).unwrap();
        assert!(matches!(asked(other.path(), one.path(), size).await, Err(Unwitnessed::Unreachable(_))));
    }

    #[tokio::test]
    async fn what_is_no_answer_is_none() {
        let folder = tempfile::tempdir().unwrap();
        for (answer, reason) in [
            ("HTTP/1.1 409 Conflict\r\nContent-Length: 3\r\n\r\n42\n", "refused"),
            ("HTTP/1.1 409 C\r\nContent-Type: text/x.tlog.size\r\nContent-Length: 3\r\n\r\n-1\n", "bad_answer"),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "refused"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", "bad_answer"),
            ("hello", "unreachable"),
        ] {
            let answered = asked(folder.path(), folder.path(), answer).await;
            assert_eq!(answered.err().map(|it| it.reason()), Some(reason), "{answer}");
        }
    }

    #[test]
    fn a_file_of_authorities_without_any_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let (url, empty): (Uri, _) = ("https://witness.example".parse().unwrap(), folder.path().join("ca.pem"));
        assert!(Door::of(&url, Some(&empty)).is_err(), "there is no such file");
        std::fs::write(&empty, "").unwrap();
        assert!(Door::of(&url, Some(&empty)).is_err());
    }
}
