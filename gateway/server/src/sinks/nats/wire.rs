//! One connection to a NATS server: the few words of its protocol that it takes to give entries.
//!
//! It never connects again by itself, so that whatever was said on it arrived in the order in which it was said, or not at
//! all. A library that does would go on in the middle of a batch.

use std::collections::BTreeSet;

use domain::Random;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use zeroize::Zeroizing;

use super::super::Undelivered;
use crate::outward::Peer;

/// The longest line or answer that is read.
const LONGEST: u64 = 64 * 1024;

/// How much of what a server says is repeated.
const REPEATED: usize = 200;

/// How the gateway is known to a server.
pub(in crate::sinks) enum Login {
    /// Not at all.
    Nobody,
    /// By a name and a password.
    User(String, Zeroizing<String>),
    /// By a token alone.
    Token(Zeroizing<String>),
}

/// What a server says of itself before anything is said to it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Info {
    max_payload: usize,
    headers: bool,
    tls_required: bool,
    tls_available: bool,
}

/// Something a server said.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// Whatever needs no answer.
    Nothing,
    Ping,
    Pong,
    /// What it does not put up with.
    Fault(String),
    Answer(Answer),
}

/// An answer to something that was published.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// To which, in the order in which they were published on this connection.
    pub(super) number: u64,
    /// Set where the server itself answers, because nobody else does.
    pub(super) status: Option<u16>,
    pub(super) payload: Vec<u8>,
}

/// Bytes both ways.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> Stream for S {}

/// A connection on which the server has let the gateway in.
pub(super) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    /// Where answers go to.
    inbox: String,
    /// The longest headers and entry that the server takes, in bytes.
    pub(super) max_payload: usize,
    /// How many were published.
    published: u64,
    /// What is to be sent next.
    out: Vec<u8>,
    /// Which of those have yet to be answered.
    open: BTreeSet<u64>,
}

impl Connection {
    /// Connects, and says who this is.
    pub(super) async fn open(peer: &Peer, login: &Login, name: &str, random: &dyn Random) -> Result<Self, Undelivered> {
        let mut clear = BufReader::new(peer.connect().await.map_err(|it| away(&it))?);
        let info = info(&line(&mut clear).await?)?;
        let stream: Box<dyn Stream> = match (peer.is_secured(), info.tls_required || info.tls_available) {
            (true, false) => return Err(refused("offers no TLS")),
            (false, _) if info.tls_required => return Err(refused("asks for TLS: write `tls` instead of `nats`")),
            (true, true) => Box::new(peer.secure(clear.into_inner()).await.map_err(|it| away(&it))?),
            (false, _) => Box::new(clear.into_inner()),
        };
        if !info.headers {
            return Err(refused("takes no headers, which entries are known by"));
        }
        let mut drawn = [0; 16];
        random.fill(&mut drawn);
        let mut connection = Self {
            stream: BufReader::new(stream),
            inbox: format!("_INBOX.{}", hex::encode(drawn)),
            max_payload: info.max_payload,
            published: 0,
            out: Vec::new(),
            open: BTreeSet::new(),
        };
        let hello = Zeroizing::new(hello(login, name, peer.is_secured()).to_string());
        let greeting = Zeroizing::new(format!("CONNECT {}\r\nSUB {}.* 1\r\nPING\r\n", &*hello, connection.inbox));
        connection.say(greeting.as_bytes()).await?;
        loop {
            match connection.hear().await? {
                Said::Pong => return Ok(connection),
                Said::Ping => connection.say(b"PONG\r\n").await?,
                Said::Fault(text) => return Err(fault(&text)),
                Said::Nothing | Said::Answer(_) => {}
            }
        }
    }

    /// Takes something to be published, under this subject and with these headers, each ended by a line feed as the
    /// protocol wants it. Says how long it is.
    pub(super) fn take(&mut self, subject: &str, headers: &str, entry: &[u8]) {
        let head = format!("NATS/1.0\r\n{headers}\r\n");
        let (long, whole) = (head.len(), head.len() + entry.len());
        let line = format!("HPUB {subject} {}.{} {long} {whole}\r\n", self.inbox, self.published);
        for part in [line.as_bytes(), head.as_bytes(), entry, b"\r\n"] {
            self.out.extend_from_slice(part);
        }
        self.open.insert(self.published);
        self.published += 1;
    }

    /// How many bytes something with these headers is to the server.
    pub(super) fn weight(headers: &str, entry: &[u8]) -> usize {
        "NATS/1.0\r\n\r\n".len() + headers.len() + entry.len()
    }

    /// Sends what was taken.
    pub(super) async fn publish(&mut self) -> Result<(), Undelivered> {
        let out = std::mem::take(&mut self.out);
        self.say(&out).await
    }

    /// The next answer to what was published; nothing once there was one to everything.
    pub(super) async fn answer(&mut self) -> Result<Option<Answer>, Undelivered> {
        while !self.open.is_empty() {
            match self.hear().await? {
                Said::Answer(answer) if self.open.remove(&answer.number) => return Ok(Some(answer)),
                Said::Ping => self.say(b"PONG\r\n").await?,
                Said::Fault(text) => return Err(fault(&text)),
                Said::Nothing | Said::Pong | Said::Answer(_) => {}
            }
        }
        Ok(None)
    }

    async fn say(&mut self, words: &[u8]) -> Result<(), Undelivered> {
        let stream = self.stream.get_mut();
        let said = async {
            stream.write_all(words).await?;
            stream.flush().await
        };
        said.await.map_err(|it| away(&it))
    }

    async fn hear(&mut self) -> Result<Said, Undelivered> {
        let line = line(&mut self.stream).await?;
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("PING") => Ok(Said::Ping),
            Some("PONG") => Ok(Said::Pong),
            Some("INFO" | "+OK") => Ok(Said::Nothing),
            Some("-ERR") => Ok(Said::Fault(words.collect::<Vec<_>>().join(" "))),
            Some("MSG") => self.message(words.collect(), false).await,
            Some("HMSG") => self.message(words.collect(), true).await,
            _ => Err(garbled()),
        }
    }

    /// `<subject> <sid> [reply] [length of the headers] <length>`, and then so many bytes.
    async fn message(&mut self, words: Vec<&str>, has_headers: bool) -> Result<Said, Undelivered> {
        let length = |back: usize| words.iter().rev().nth(back)?.parse::<u64>().ok().filter(|it| *it <= LONGEST);
        let whole = length(0).ok_or_else(garbled)?;
        let headers = if has_headers { length(1).filter(|it| *it <= whole).ok_or_else(garbled)? } else { 0 };
        let mut bytes = vec![0; usize::try_from(whole + 2).map_err(|_| garbled())?];
        self.stream.read_exact(&mut bytes).await.map_err(|it| away(&it))?;
        let bytes = bytes.strip_suffix(b"\r\n").ok_or_else(garbled)?;
        let (headers, payload) =
            usize::try_from(headers).ok().and_then(|it| bytes.split_at_checked(it)).ok_or_else(garbled)?;
        let number = words.first().and_then(|it| it.strip_prefix(&self.inbox)?.strip_prefix('.')?.parse().ok());
        Ok(match number {
            Some(number) => Said::Answer(Answer { number, status: status(headers), payload: payload.to_vec() }),
            None => Said::Nothing,
        })
    }
}

/// The status in the first line of headers, where there is one.
fn status(headers: &[u8]) -> Option<u16> {
    let first = std::str::from_utf8(headers).ok()?.lines().next()?;
    first.strip_prefix("NATS/1.0 ")?.split_ascii_whitespace().next()?.parse().ok()
}

fn hello(login: &Login, name: &str, secured: bool) -> Value {
    let mut hello = json!({
        "verbose": false,
        "pedantic": false,
        "tls_required": secured,
        "name": name,
        "lang": "rust",
        "version": env!("CARGO_PKG_VERSION"),
        "protocol": 1,
        "echo": false,
        "headers": true,
        "no_responders": true,
    });
    if let Some(fields) = hello.as_object_mut() {
        match login {
            Login::Nobody => {}
            Login::User(user, password) => {
                fields.insert("user".to_owned(), user.as_str().into());
                fields.insert("pass".to_owned(), password.as_str().into());
            }
            Login::Token(token) => {
                fields.insert("auth_token".to_owned(), token.as_str().into());
            }
        }
    }
    hello
}

fn info(line: &str) -> Result<Info, Undelivered> {
    let text = line.strip_prefix("INFO ").ok_or_else(garbled)?;
    serde_json::from_str(text).map_err(|_| garbled())
}

/// The next line, without its end.
async fn line(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<String, Undelivered> {
    let mut line = Vec::new();
    stream.take(LONGEST).read_until(b'\n', &mut line).await.map_err(|it| away(&it))?;
    if line.is_empty() {
        return Err(Undelivered::Unreachable("hung up".to_owned()));
    }
    let text = line.strip_suffix(b"\r\n").and_then(|it| std::str::from_utf8(it).ok());
    text.map(str::to_owned).ok_or_else(garbled)
}

/// What a server does not put up with: what will be the same next time, until somebody changes something, or not.
fn fault(text: &str) -> Undelivered {
    let said: String = text.trim_matches(['\'', ' ']).chars().take(REPEATED).collect();
    let lasting = ["authorization", "authentication", "permissions", "maximum payload", "tls required"];
    let low = said.to_ascii_lowercase();
    if lasting.iter().any(|it| low.contains(it)) {
        refused(&format!("said `{said}`"))
    } else {
        Undelivered::Failed(format!("said `{said}`"))
    }
}

fn refused(why: &str) -> Undelivered {
    Undelivered::Refused(why.to_owned())
}

fn away(cause: &std::io::Error) -> Undelivered {
    Undelivered::Unreachable(format!("cannot be reached: {cause}"))
}

fn garbled() -> Undelivered {
    Undelivered::Failed("said what is not NATS".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is heard on a connection on which this is said.
    async fn heard(words: &[u8]) -> Vec<Result<Said, &'static str>> {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        far.write_all(words).await.unwrap();
        drop(far);
        let mut connection = Connection {
            stream: BufReader::new(Box::new(near)),
            inbox: "_INBOX.x".to_owned(),
            max_payload: 0,
            published: 0,
            out: Vec::new(),
            open: BTreeSet::new(),
        };
        let mut all = Vec::new();
        loop {
            match connection.hear().await {
                Ok(said) => all.push(Ok(said)),
                Err(cause) => {
                    all.push(Err(cause.outcome()));
                    return all;
                }
            }
        }
    }

    #[tokio::test]
    async fn answers_are_heard_whatever_else_is_said() {
        let words = b"PING\r\nINFO {} \r\nMSG _INBOX.x.12 1 5\r\nab\r\nc\r\n+OK\r\n-ERR 'No'\r\n\
            HMSG _INBOX.x.3 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\nMSG other 1 0\r\n\r\n";
        let answer =
            |number, status, payload: &[u8]| Ok(Said::Answer(Answer { number, status, payload: payload.into() }));
        let expected = [
            Ok(Said::Ping),
            Ok(Said::Nothing),
            answer(12, None, b"ab\r\nc"),
            Ok(Said::Nothing),
            Ok(Said::Fault("'No'".to_owned())),
            answer(3, Some(503), b""),
            Ok(Said::Nothing),
            Err("unreachable"),
        ];
        assert_eq!(heard(words).await, expected);
    }

    #[tokio::test]
    async fn what_is_not_nats_is_a_fault_and_never_more_than_is_read() {
        let long = [b"INFO ".as_slice(), &vec![b'x'; 1 << 17], b"\r\n"].concat();
        for words in [
            b"HTTP/1.1 400 Bad Request\r\n".as_slice(),
            b"MSG _INBOX.x.1 1 99999999999\r\n",
            b"MSG _INBOX.x.1 1 -1\r\n",
            b"HMSG _INBOX.x.1 1 9 3\r\nabc\r\n",
            b"MSG _INBOX.x.1 1 1\r\nabc",
            b"PING\n",
            b"\xff\xfe\r\n",
            b"\r\n",
            &long,
        ] {
            assert_eq!(heard(words).await, [Err("failed")], "{words:?}");
        }
    }

    #[test]
    fn a_fault_that_lasts_is_told_from_one_that_passes() {
        for lasting in ["'Authorization Violation'", "'Permissions Violation for Publish to \"a\"'"] {
            assert_eq!(fault(lasting).outcome(), "refused", "{lasting}");
        }
        for passing in ["'Stale Connection'", "'maximum connections exceeded'"] {
            assert_eq!(fault(passing).outcome(), "failed", "{passing}");
        }
        assert!(fault(&"x".repeat(9_999)).to_string().len() < 300);
    }
}
