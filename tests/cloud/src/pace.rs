//! How long things take in these clouds.

use std::time::Duration;

/// The delays of every state that something passes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// An instance, server or volume until it runs.
    pub(crate) provisioning: Duration,
    /// Half of a scan, a query or a task: first it waits, then it works.
    pub(crate) working: Duration,
    /// Between two chunks of a stream.
    pub(crate) chunk: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { provisioning: Duration::from_secs(2), working: Duration::from_secs(1), chunk: Duration::from_millis(20) }
    }
}

/// Reads `250ms`, `2s` or `1m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a time such as `250ms`, `2s` or `1m`");
    let digits = text.trim_end_matches(|it: char| it.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    match text.strip_prefix(digits) {
        Some("ms") => Ok(Duration::from_millis(number)),
        Some("s") => Ok(Duration::from_secs(number)),
        Some("m") => Ok(Duration::from_secs(number.saturating_mul(60))),
        Some(_) | None => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("1m"), Ok(Duration::from_mins(1)));
        for wrong in ["", "2", "s", "-1s", "2h", "1.5s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
