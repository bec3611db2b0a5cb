//! An answer as it came.

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
        assert!(kind.starts_with("application/json"), "not JSON but `{kind}`: {self}");
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
