//! One path, spelled one way.
//!
//! The path that is matched is the path that is decided on, signed for and sent upstream. Spellings that two parsers
//! could read differently are refused, not repaired.

use std::fmt;

/// The longest path there can be, in bytes.
const MAX_PATH: usize = 8 * 1024;

/// How much freedom the paths of a host have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathMode {
    /// A REST API: repeated slashes are one, an encoded slash is refused.
    Api,
    /// An object store, where a key may hold `//` and `%2F` and mean it.
    Objects,
}

/// A path in its one normal form: begins with `/`, unreserved characters bare, everything else percent-encoded in upper
/// case, no dot segments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NormalPath(String);

/// Why a path has no normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathRefused {
    /// Does not begin with `/`.
    #[error("path does not begin with `/`")]
    NotAbsolute,
    /// Longer than 8 KiB.
    #[error("path is longer than 8192 bytes")]
    TooLong,
    /// A `%` without two hexadecimal digits.
    #[error("path has a broken percent-encoding")]
    BrokenEncoding,
    /// Not UTF-8 once decoded.
    #[error("path is not UTF-8")]
    NotUtf8,
    /// A control character, bare or encoded.
    #[error("path holds a control character")]
    Control,
    /// A backslash, an encoded slash, or a dot segment, bare, encoded or with a `;` parameter; or slashes in a row that may be
    /// meant.
    #[error("path holds a backslash, an encoded or a doubled slash, or a dot segment")]
    Ambiguous,
}

impl NormalPath {
    /// Reads the path of a request target, without its query.
    pub fn parse(raw: &str, mode: PathMode) -> Result<Self, PathRefused> {
        if raw.len() > MAX_PATH {
            return Err(PathRefused::TooLong);
        }
        if !raw.starts_with('/') {
            return Err(PathRefused::NotAbsolute);
        }
        if is_plain(raw) {
            return Ok(Self(raw.to_owned()));
        }
        let mut normal = String::with_capacity(raw.len());
        for segment in raw.split('/').skip(1) {
            if mode == PathMode::Api && segment.is_empty() && normal.ends_with('/') {
                continue;
            }
            if !(mode == PathMode::Api && normal.ends_with('/')) {
                normal.push('/');
            }
            encode(&decode(segment, mode)?, &mut normal);
        }
        Ok(Self(normal))
    }

    /// The path as it is matched, decided on and sent upstream.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NormalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a path is its own normal form at a glance, which nearly every path is.
fn is_plain(raw: &str) -> bool {
    let mut previous = b' ';
    raw.bytes().all(|byte| {
        let plain = is_unreserved(byte) && !(byte == b'.' && previous == b'/') || byte == b'/' && previous != b'/';
        previous = byte;
        plain
    })
}

fn decode(segment: &str, mode: PathMode) -> Result<String, PathRefused> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        let (byte, encoded) = match byte {
            b'%' => {
                let (Some(high), Some(low)) = (rest.next().and_then(hex), rest.next().and_then(hex)) else {
                    return Err(PathRefused::BrokenEncoding);
                };
                (high << 4 | low, true)
            }
            bare => (bare, false),
        };
        match byte {
            0..=0x1f | 0x7f => return Err(PathRefused::Control),
            b'\\' => return Err(PathRefused::Ambiguous),
            b'/' if encoded && mode == PathMode::Api => return Err(PathRefused::Ambiguous),
            other => bytes.push(other),
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| PathRefused::NotUtf8)?;
    // In an object key `%2F` may surround a dot segment, which the next hop could still resolve.
    if text.split('/').any(is_dot_segment) {
        return Err(PathRefused::Ambiguous);
    }
    Ok(text)
}

/// `.` and `..`, also with the `;` parameters that some servers cut off before they resolve.
fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.split(';').next(), Some("." | ".."))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn encode(segment: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in segment.bytes() {
        // Sub-delimiters, `:` and `@` mean the same bare and encoded in a segment (RFC 3986 section 3.3); bare is shorter.
        if is_unreserved(byte) || b"!$&'()*+,=:@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 15] {
                out.push(char::from(DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0')));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(raw: &str, mode: PathMode, expected: Result<&str, PathRefused>) {
        assert_eq!(NormalPath::parse(raw, mode).as_ref().map(NormalPath::as_str).map_err(|it| *it), expected, "{raw}");
    }

    #[test]
    fn one_spelling_is_left_of_many() {
        for raw in ["/v2/compute", "//v2///compute", "/v2/%63ompute", "/%76%32/comp%75te"] {
            check(raw, PathMode::Api, Ok("/v2/compute"));
        }
        check("/a%c3%a9;b c", PathMode::Api, Ok("/a%C3%A9%3Bb%20c"));
        check("/a/", PathMode::Api, Ok("/a/"));
        check("/", PathMode::Api, Ok("/"));
    }

    #[test]
    fn a_spelling_that_two_parsers_read_differently_is_refused() {
        use PathRefused::{Ambiguous, BrokenEncoding, Control, NotAbsolute, NotUtf8, TooLong};
        for raw in ["/a%2fb", "/a%2Fb", "/a/../b", "/a/%2e%2e/b", "/a/..;x=1/b", "/a/.", "/a\\b", "/a%5Cb", "/./a"] {
            check(raw, PathMode::Api, Err(Ambiguous));
        }
        check("/a%00", PathMode::Api, Err(Control));
        check("/a%0d%0ab", PathMode::Api, Err(Control));
        check("/a%", PathMode::Api, Err(BrokenEncoding));
        check("/a%2", PathMode::Api, Err(BrokenEncoding));
        check("/a%zz", PathMode::Api, Err(BrokenEncoding));
        check("/a%ff", PathMode::Api, Err(NotUtf8));
        check("a", PathMode::Api, Err(NotAbsolute));
        check(&format!("/{}", "a".repeat(MAX_PATH)), PathMode::Api, Err(TooLong));
    }

    #[test]
    fn an_object_key_keeps_its_slashes_but_gains_no_dot_segment() {
        check("/b//k", PathMode::Objects, Ok("/b//k"));
        check("/b/a%2Fk", PathMode::Objects, Ok("/b/a%2Fk"));
        check("/b/a%2F..%2Fk", PathMode::Objects, Err(PathRefused::Ambiguous));
    }

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(raw in "/(\\PC|%[0-9a-fA-F]{2}|/|\\.|;){0,40}") {
            for mode in [PathMode::Api, PathMode::Objects] {
                if let Ok(once) = NormalPath::parse(&raw, mode) {
                    prop_assert_eq!(NormalPath::parse(once.as_str(), mode), Ok(once.clone()));
                }
            }
        }

        #[test]
        fn a_normal_path_holds_nothing_that_needs_care(raw in "/[ -~]{0,60}") {
            if let Ok(path) = NormalPath::parse(&raw, PathMode::Api) {
                let text = path.as_str();
                prop_assert!(!text.contains("//") && !text.contains('\\') && !text.to_lowercase().contains("%2f"));
                prop_assert!(text.split('/').all(|it| it != ".." && it != "."));
            }
        }
    }
}
