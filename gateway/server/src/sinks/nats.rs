//! Giving entries to a stream of NATS, each under its class and by its identity, and not before the one before it.
//!
//! What a batch is made of is published together and counts once the stream has acknowledged all of it. After a failure
//! entries go one by one until a batch has passed, so that none overtakes one that is refused.

mod wire;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use audit::sinks::{Batch, Label};
use domain::{Random, Tick};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::Undelivered;
use crate::outward::Peer;
use wire::{Answer, Connection, Login};

/// How many entries are published before the stream is heard.
const GROUP: usize = 256;

/// How long a connection may have been silent and still be used. Servers hang up on who does not answer their pings.
const SILENT: Duration = Duration::from_mins(1);

/// What stands for a class that is none, or cannot be a part of a subject.
const NO_CLASS: &str = "other";

/// What cannot stand in a header as it is (`CloudEvents`, HTTP binding, section 3.1.3.2).
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// The errors of servers that have no room: for the account, in memory, on the disk, in the stream.
const FULL: [u32; 4] = [10_002, 10_023, 10_047, 10_077];

/// Where entries go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// What stands before the class.
    pub(crate) subject: String,
    /// The stream that keeps them.
    pub(crate) stream: String,
}

impl Route {
    /// What could be taken for something else than parts of a subject, or the name of a stream.
    pub(super) fn faults(&self, longest: usize) -> Vec<String> {
        let fits = |it: &str| it.len() <= longest && it.split('.').all(is_part);
        let mut wrong = Vec::new();
        if !fits(&self.subject) {
            let why = format!("`subject` is parts of letters, digits, `-` and `_`, parted by dots, {longest} at most");
            wrong.push(why);
        }
        if !fits(&self.stream) || self.stream.contains('.') {
            wrong.push(format!("`stream` is {longest} letters, digits, `-` and `_` at most"));
        }
        wrong
    }
}

/// Whether a text is one part of a subject, and nothing that servers read otherwise.
fn is_part(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-')
}

/// Whoever gives entries to a stream.
pub(super) struct Publisher {
    peer: Peer,
    login: Login,
    route: Route,
    deadline: Duration,
    node: String,
    random: Arc<dyn Random>,
    /// The connection, and when it was used last. There is none after a failure.
    open: Option<(Connection, Tick)>,
    /// The last batch did not pass.
    failed: bool,
}

/// What a stream answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Acknowledged {
    stream: String,
    error: Option<Declined>,
}

/// Why it does not store an entry.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Declined {
    code: u16,
    err_code: u32,
    description: String,
}

impl Publisher {
    /// One who speaks for the gateway of this name.
    pub(super) fn new(
        peer: Peer,
        login: Login,
        route: Route,
        deadline: Duration,
        gateway: (&str, Arc<dyn Random>),
    ) -> Self {
        let (node, random) = (gateway.0.to_owned(), gateway.1);
        Self { peer, login, route, deadline, node, random, open: None, failed: false }
    }

    /// Publishes a batch, and waits until all of it is acknowledged.
    pub(super) async fn give(&mut self, batch: &Batch, now: Tick) -> Result<(), Undelivered> {
        let size = if std::mem::replace(&mut self.failed, true) { 1 } else { GROUP };
        let mut connection = match self.open.take() {
            Some((connection, last)) if now.since(last) < SILENT => connection,
            Some(_) | None => {
                let name = format!("portcullis/{}", self.node);
                self.in_time(Connection::open(&self.peer, &self.login, &name, &*self.random)).await?
            }
        };
        let entries: Vec<(&Label, &[u8])> = batch.each().collect();
        for group in entries.chunks(size) {
            self.in_time(self.give_group(&mut connection, group)).await?;
        }
        (self.open, self.failed) = (Some((connection, now)), false);
        Ok(())
    }

    async fn in_time<T>(&self, step: impl Future<Output = Result<T, Undelivered>>) -> Result<T, Undelivered> {
        let late = || Undelivered::Late(format!("did not answer within {} ms", self.deadline.as_millis()));
        timeout(self.deadline, step).await.map_err(|_| late())?
    }

    async fn give_group(&self, connection: &mut Connection, group: &[(&Label, &[u8])]) -> Result<(), Undelivered> {
        for (label, entry) in group {
            let headers = headers(label, &self.route, &self.node);
            let (weight, most) = (Connection::weight(&headers, entry), connection.max_payload);
            if most < weight {
                let why = format!("entry {} has {weight} bytes, and the server's `max_payload` is {most}", label.seq);
                return Err(Undelivered::Refused(why));
            }
            connection.take(&subject(&self.route.subject, label), &headers, entry);
        }
        connection.publish().await?;
        while let Some(answer) = connection.answer().await? {
            judge(&answer, &self.route)?;
        }
        Ok(())
    }
}

/// The subject of an entry. A class is parted by dots as subjects are, and so can be asked for by its beginning.
fn subject(prefix: &str, label: &Label) -> String {
    let class = label.class.as_deref().filter(|it| it.len() <= 128 && it.split('.').all(is_part));
    format!("{prefix}.{}", class.unwrap_or(NO_CLASS))
}

/// By what an entry is known to the stream and to its readers: each line ended as the protocol wants it.
fn headers(label: &Label, route: &Route, node: &str) -> String {
    // Bytes that are no entry have no identity, but a place in the log.
    let identity = label.identity.clone().unwrap_or_else(|| format!("{node}/{}", label.seq));
    let class = label.class.as_deref().unwrap_or(NO_CLASS);
    let mut all = vec![
        ("Nats-Msg-Id", identity.clone()),
        ("Nats-Expected-Stream", route.stream.clone()),
        ("ce-specversion", "1.0".to_owned()),
        ("ce-id", identity),
        ("ce-source", format!("portcullis/{node}")),
        ("ce-type", format!("portcullis.{class}")),
        ("ce-datacontenttype", "application/json".to_owned()),
        ("ce-sequence", format!("{:020}", label.seq)),
    ];
    all.extend(label.time.map(|it| ("ce-time", it.to_string())));
    let mut lines = String::new();
    for (name, value) in all {
        let _ = write!(lines, "{name}: {}\r\n", utf8_percent_encode(&value, ESCAPED));
    }
    lines
}

/// What an answer means. One that will be the same next time, until somebody changes something, is refused.
fn judge(answer: &Answer, route: &Route) -> Result<(), Undelivered> {
    if answer.status == Some(503) {
        let why = format!("nobody keeps `{}`: there is no such stream, or no JetStream", route.subject);
        return Err(Undelivered::Absent(why));
    }
    let Ok(said) = serde_json::from_slice::<Acknowledged>(&answer.payload) else {
        return Err(Undelivered::Failed("gave an answer that is none".to_owned()));
    };
    match said.error {
        None if said.stream == route.stream => Ok(()),
        None => {
            let other: String = said.stream.chars().take(64).collect();
            Err(Undelivered::Refused(format!("stream `{other}` answered, and not `{}`", route.stream)))
        }
        Some(Declined { code, err_code, description }) => {
            let why = format!("declined: {} ({err_code})", description.chars().take(200).collect::<String>());
            Err(match code {
                _ if FULL.contains(&err_code) => Undelivered::Full(why),
                400..=499 => Undelivered::Refused(why),
                _ => Undelivered::Failed(why),
            })
        }
    }
}

/// Reads how the gateway is known to a server: `user:password`, or a token.
pub(super) fn login(file: Option<&Path>) -> anyhow::Result<Login> {
    let Some(file) = file else { return Ok(Login::Nobody) };
    let text = authn::secrets::text(file)?;
    let text = text.trim();
    let is_one_line = !text.is_empty() && !text.chars().any(char::is_control);
    let read = is_one_line.then(|| match text.split_once(':') {
        Some(("", _) | (_, "")) => None,
        Some((user, password)) => Some(Login::User(user.to_owned(), Zeroizing::new(password.to_owned()))),
        None => Some(Login::Token(Zeroizing::new(text.to_owned()))),
    });
    read.flatten().with_context(|| format!("`{}` holds neither `user:password` nor a token", file.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use domain::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn label(class: &str) -> Label {
        Label {
            seq: 7,
            identity: Some("n/b/3".to_owned()),
            class: Some(class.to_owned()),
            time: Some(Timestamp::from_seconds(1)),
            end: 0,
        }
    }

    fn route() -> Route {
        Route { subject: "a.b".to_owned(), stream: "S".to_owned() }
    }

    #[test]
    fn an_entry_is_published_under_its_class_and_known_by_its_identity() {
        assert_eq!(subject("a.b", &label("request.completed")), "a.b.request.completed");
        let said = headers(&label("key.change"), &route(), "n");
        let expected = [
            "Nats-Msg-Id: n/b/3",
            "Nats-Expected-Stream: S",
            "ce-specversion: 1.0",
            "ce-id: n/b/3",
            "ce-source: portcullis/n",
            "ce-type: portcullis.key.change",
            "ce-datacontenttype: application/json",
            "ce-sequence: 00000000000000000007",
            "ce-time: 1970-01-01T00:00:01Z",
        ];
        assert_eq!(said.lines().collect::<Vec<_>>(), expected);
        let strange = Label { identity: None, class: None, time: None, ..label("") };
        assert_eq!(subject("a", &strange), "a.other");
        assert!(headers(&strange, &route(), "n").contains("Nats-Msg-Id: n/7\r\n"));
    }

    proptest! {
        #[test]
        fn no_class_and_no_name_makes_another_subject_or_header(class in ".{0,20}", node in ".{0,20}") {
            let label = Label { identity: Some(node.clone()), ..label(&class) };
            let parts = subject("a", &label);
            prop_assert!(parts.split('.').all(is_part), "{parts}");
            let said = headers(&label, &route(), &node);
            prop_assert_eq!(said.split("\r\n").count(), 10);
            prop_assert!(said.bytes().all(|it| (b' '..=b'~').contains(&it) || it == b'\r' || it == b'\n'));
            prop_assert_eq!(said.matches(['\r', '\n']).count(), 18);
        }
    }

    #[test]
    fn what_only_an_operator_can_mend_is_told_from_what_passes() {
        let said = |payload: &str| {
            let answer = Answer { number: 0, status: None, payload: payload.into() };
            judge(&answer, &route()).err().map(|it| it.outcome())
        };
        let declined = |code: u16, more: u32| {
            said(&format!(r#"{{"error":{{"code":{code},"err_code":{more},"description":"d"}},"stream":"S","seq":0}}"#))
        };
        assert_eq!(said(r#"{"stream":"S","seq":1}"#), None);
        assert_eq!(said(r#"{"stream":"S","seq":1,"duplicate":true}"#), None);
        assert_eq!(said(r#"{"stream":"T","seq":1}"#), Some("refused"));
        assert_eq!(said("hello"), Some("failed"));
        assert_eq!(declined(400, 10_060), Some("refused"));
        assert_eq!(declined(400, 10_054), Some("refused"));
        assert_eq!(declined(503, 10_077), Some("full"));
        assert_eq!(declined(503, 10_008), Some("failed"));
        let nobody = Answer { status: Some(503), ..Answer::default() };
        assert_eq!(judge(&nobody, &route()).unwrap_err().outcome(), "no_stream");
    }

    #[test]
    fn a_login_is_for_its_owner_alone_and_is_never_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("login");
        let read = |text: &str, mode: u32| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            login(Some(&file))
        };
        assert!(matches!(login(None), Ok(Login::Nobody)));
        assert!(
            matches!(read("me:a:b\n", 0o600), Ok(Login::User(user, password)) if user == "me" && *password == "a:b")
        );
        assert!(matches!(read("t0ken", 0o400), Ok(Login::Token(token)) if *token == "t0ken"));
        for bad in ["", "\n", ":hunter2", "hunter2:", "hunter2\nx"] {
            let said = format!("{:#}", read(bad, 0o600).err().unwrap());
            assert!(said.contains("neither `user:password` nor a token") && !said.contains("hunter2"), "{said}");
        }
        let said = format!("{:#}", read("me:hunter2", 0o640).err().unwrap());
        assert!(said.contains("has mode 640") && !said.contains("hunter2"), "{said}");
    }
}
