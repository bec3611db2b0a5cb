//! `log`: lines of a plugin, a few for each request, without what looks like a secret.

use domain::keyformat;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower};

use super::{Bounds, Lent};

/// `log.level`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "guests make them, and the library makes these of what they wrote")]
pub(crate) enum Level {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

impl Level {
    /// As it is logged.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// One line that a guest has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) text: String,
}

/// The lines of one request, and how many there was no room for.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) kept: Vec<Line>,
    pub(crate) dropped: u32,
    bytes: usize,
}

impl Lines {
    /// Keeps a line while there is room. A flood costs its author the lines, and nobody else anything.
    fn keep(&mut self, bounds: &Bounds, level: Level, message: &str, fields: &[(String, String)]) {
        let length = fields.iter().fold(message.len(), |sum, (name, value)| sum + name.len() + value.len() + 2);
        if bounds.log_lines as usize <= self.kept.len() || (bounds.log_bytes as usize) < self.bytes + length {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.bytes += length;
        let mut text = harmless(message);
        for (name, value) in fields {
            text.push(' ');
            text.push_str(&harmless(name));
            text.push('=');
            text.push_str(&harmless(value));
        }
        self.kept.push(Line { level, text });
    }
}

pub(super) fn add(to: &mut LinkerInstance<'_, Lent>) -> wasmtime::Result<()> {
    type Written = (Level, String, Vec<(String, String)>);
    to.func_wrap("write", |mut store: StoreContextMut<'_, Lent>, (level, message, fields): Written| {
        let lent = store.data_mut();
        lent.lines.keep(&lent.bounds, level, &message, &fields);
        Ok(())
    })
}

/// On one line, without keys of ours, and without numbers of cards and people.
pub(crate) fn harmless(text: &str) -> String {
    let line: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    let line = keyformat::without_keys(&line).into_owned();
    let numbers = domain::looks::numbers_in(&line);
    let bearer = line.to_ascii_lowercase().contains("bearer ");
    if bearer || numbers != domain::looks::Numbers::default() { "[redacted]".to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds() -> Bounds {
        Bounds { memory: 0, table_elements: 0, findings: 0, log_lines: 2, log_bytes: 30 }
    }

    #[test]
    fn what_there_is_no_room_for_is_counted_and_not_kept() {
        let mut lines = Lines::default();
        for message in ["one", "two", "three"] {
            lines.keep(&bounds(), Level::Info, message, &[]);
        }
        assert_eq!((lines.kept.len(), lines.dropped), (2, 1));
        let mut lines = Lines::default();
        lines.keep(&bounds(), Level::Warn, "m", &[("name".to_owned(), "x".repeat(30))]);
        assert_eq!((lines.kept.len(), lines.dropped), (0, 1));
    }

    #[test]
    fn a_line_is_one_line_and_holds_no_secret() {
        let mut lines = Lines::default();
        lines.keep(&bounds(), Level::Info, "a\nb", &[("c".to_owned(), "d".to_owned())]);
        assert_eq!(lines.kept, [Line { level: Level::Info, text: "a b c=d".to_owned() }]);
        let key = keyformat::write("nsx_live_", &mut [7; 32]);
        for secret in [key.as_str(), "card 4111 1111 1111 1111", "Authorization: Bearer abc"] {
            assert!(!harmless(secret).contains(secret), "{secret}");
        }
    }
}
