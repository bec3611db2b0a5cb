//! An answer as it came.

use std::io::Read;

use serde_json::Value;

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header lines, in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, put together where it came in pieces.
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads one answer with a counted body; nothing where the connection ended first, as it may in the middle of a load.
    pub fn if_whole(stream: &mut impl Read) -> Option<Self> {
        let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
                let answer = Self::of(&bytes[..end], bytes[end + 4..].to_vec())?;
                let length = answer.header("content-length").and_then(|it| it.parse().ok());
                if answer.body.len() >= length.unwrap_or(0) {
                    return Some(answer);
                }
            }
            let read = stream.read(&mut piece).ok().filter(|it| *it > 0)?;
            bytes.extend(&piece[..read]);
        }
    }

    fn of(head: &[u8], body: Vec<u8>) -> Option<Self> {
        let head = std::str::from_utf8(head).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let header =
            |line: &str| line.split_once(':').map(|(it, value)| (it.to_ascii_lowercase(), value.trim().to_owned()));
        Some(Self { status, headers: lines.map(header).collect::<Option<_>>()?, body })
    }

    /// The value of a header that stands at most once.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(it, _)| it == &name.to_ascii_lowercase());
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "`{name}` stands more than once: {:?}", self.headers);
        first
    }

    /// The value of a header that must stand exactly once.
    #[track_caller]
    pub fn says(&self, name: &str) -> &str {
        self.header(name).unwrap_or_else(|| panic!("no `{name}` in {self}"))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, which it must be and say it is.
    #[track_caller]
    pub fn json(&self) -> Value {
        let kind = self.says("content-type");
        let json = ["application/json", "application/problem+json", "application/jwk-set+json"];
        assert!(json.iter().any(|it| kind.starts_with(it)), "not JSON but `{kind}`: {self}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("broken JSON ({error}): {self}"))
    }

    /// The same answer, if it has this status.
    #[must_use]
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        write!(f, "\n{}", self.text())
    }
}
