//! Asking one witness once (C2SP tlog-witness), and what its answer means for the log.

use std::path::Path;
use std::time::Duration;

use audit::CLOCKS;
use audit::cosignature::{WitnessKey, lines_of};
use audit::note::{BadNote, Checkpoint};
use domain::{Clock, Timestamp};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode, Uri};

use crate::outward::{self, Unanswered};

/// How long a witness has for one answer, the connection among it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a witness did not stand for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwitnessed {
    /// The question could not be made.
    #[error("the growth of the log cannot be proved: {0}")]
    Unproven(#[from] audit::Unproven),
    /// There was no answer.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// It does not look after this log, or does not understand.
    #[error("answered {0}")]
    Refused(StatusCode),
    /// What it said is not an answer.
    #[error("gave an answer that is none")]
    BadAnswer,
    /// What it said is not signed by the key that is believed.
    #[error("gave an answer that {0}")]
    Forged(BadNote),
    /// It says that it signed at a time that has not come yet: by that nobody could tell how old its word is.
    #[error("signed at {0}, which has not come yet")]
    Ahead(Timestamp),
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
            Self::Unanswered(Unanswered::Unreachable(_)) => "unreachable",
            Self::Unanswered(Unanswered::Late(_)) => "late",
            Self::Refused(_) => "refused",
            Self::BadAnswer | Self::Unanswered(Unanswered::BadAnswer) => "bad_answer",
            Self::Forged(_) => "forged",
            Self::Ahead(_) => "ahead",
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
pub(crate) const REASONS: [&str; 9] =
    ["unproven", "unreachable", "late", "refused", "bad_answer", "forged", "ahead", "cut", "rewritten"];

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
    (door, key): (&Door, &WitnessKey),
    log: &Path,
    note: &str,
    known: &mut u64,
    clock: &dyn Clock,
) -> Result<(String, Timestamp), Unwitnessed> {
    let size = Checkpoint::parse(note).map_err(audit::Unproven::from)?.size;
    // Once by what was known, and once by what is said then.
    for _ in 0..2 {
        let old = (*known).min(size);
        match door.post(growth(log, old, note).await?).await? {
            Answer::Cosigned(answer) => {
                let (lines, at) = lines_of(key, note, &answer).map_err(Unwitnessed::Forged)?;
                *known = size;
                return if at <= clock.now().wall + CLOCKS { Ok((lines, at)) } else { Err(Unwitnessed::Ahead(at)) };
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

/// Where a witness is asked.
pub(crate) struct Door(outward::Door);

impl Door {
    /// Of an address, with the authority of this file; where none is named, with those of the system.
    pub(crate) fn of(url: &Uri, ca: Option<&Path>) -> anyhow::Result<Self> {
        outward::Door::of(url, ca)?.at("add-checkpoint").map(Self)
    }

    async fn post(&self, question: String) -> Result<Answer, Unwitnessed> {
        let (head, body) = self.0.post(HeaderMap::new(), question.into(), PATIENCE).await?.into_parts();
        let sized = head.headers.get(CONTENT_TYPE).is_some_and(|it| it == "text/x.tlog.size");
        let text = String::from_utf8(body.into()).map_err(|_| Unwitnessed::BadAnswer)?;
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::tls::{Certificate, authority_file, server_config};

    const EPOCH: Timestamp = Timestamp::from_seconds(0);

    /// Asks a server over TLS that gives one answer, by the authority of this folder.
    async fn asked(authority: &Path, served: &Path, answer: &'static str) -> Result<Answer, Unwitnessed> {
        let certificate = Certificate::load(None, served, &["witness.example".to_owned()], EPOCH).unwrap();
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
        Certificate::load(None, other.path(), &[], EPOCH).unwrap();
        assert!(matches!(
            asked(other.path(), one.path(), size).await,
            Err(Unwitnessed::Unanswered(Unanswered::Unreachable(_)))
        ));
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
}
