//! The one text that a request is signed as.
//!
//! Works on the target as it arrived, not on the normal path: a signature is over bytes, and only the same rules applied
//! to the same bytes give the same text.

use std::borrow::Cow;

use domain::PathMode;
use http::{HeaderMap, Method};

use super::headers::push_headers;

/// Everything a signature covers but the body.
pub(super) struct Request<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) host: &'a [u8],
    pub(super) headers: &'a HeaderMap,
    /// Names of the signed headers, joined by `;`.
    pub(super) signed: &'a str,
    pub(super) paths: PathMode,
}

/// The canonical request, ready to be hashed. `None` where the target has no canonical form or a signed header is not
/// there.
pub(super) fn write(request: &Request<'_>, payload: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(request.method.as_str().as_bytes());
    out.push(b'\n');
    match request.paths {
        PathMode::Api => push_api_path(request.path, &mut out),
        PathMode::Objects => push_object_path(request.path, &mut out)?,
    }
    out.push(b'\n');
    push_query(request.query, &mut out)?;
    out.push(b'\n');
    push_headers(request, &mut out)?;
    out.push(b'\n');
    out.extend_from_slice(request.signed.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload.as_bytes());
    Some(out)
}

/// Dot segments resolved, repeated slashes made one, and what is encoded already encoded once more.
fn push_api_path(path: &str, out: &mut Vec<u8>) {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            plain => segments.push(plain),
        }
    }
    for segment in &segments {
        out.push(b'/');
        segment.bytes().for_each(|byte| push_encoded(byte, out));
    }
    if segments.is_empty() || ["/", "/.", "/.."].iter().any(|it| path.ends_with(it)) {
        out.push(b'/');
    }
}

/// Decoded once and encoded once, segment by segment: a key may hold `//` and `%2F` and mean it, and a signature for
/// `a/b` is none for `a%2Fb`. A dot segment is refused, since the next hop may resolve it.
fn push_object_path(path: &str, out: &mut Vec<u8>) -> Option<()> {
    for segment in path.strip_prefix('/')?.split('/') {
        let decoded = decode(segment)?;
        if decoded.split(|it| *it == b'/').any(|it| it == b".." || it == b".") {
            return None;
        }
        out.push(b'/');
        for byte in &*decoded {
            push_encoded(*byte, out);
        }
    }
    Some(())
}

/// Every parameter but the signature itself, sorted as encoded.
fn push_query(query: &str, out: &mut Vec<u8>) -> Option<()> {
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|it| !it.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (encoded(&decode(name)?), encoded(&decode(value)?));
        if name != b"X-Amz-Signature" {
            pairs.push((name, value));
        }
    }
    pairs.sort_unstable();
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
    Some(())
}

/// Percent-decoded once, a plus being a plus. `None` where a percent sign does not begin an encoding: another parser may
/// read that differently.
pub(super) fn decode(text: &str) -> Option<Cow<'_, [u8]>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text.as_bytes()));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            out.push(nibble(bytes.next()?)? << 4 | nibble(bytes.next()?)?);
        } else {
            out.push(byte);
        }
    }
    Some(Cow::Owned(out))
}

fn encoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for byte in bytes {
        push_encoded(*byte, &mut out);
    }
    out
}

fn push_encoded(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
        out.push(byte);
    } else {
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
        out.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok())
}

/// 32 bytes written as 64 digits, lower case only.
pub(super) fn hex_bytes(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let lower = text.bytes().all(|it| !it.is_ascii_uppercase());
    (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn api(path: &str) -> String {
        let mut out = Vec::new();
        push_api_path(path, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn object(path: &str) -> Option<String> {
        let mut out = Vec::new();
        push_object_path(path, &mut out)?;
        Some(String::from_utf8(out).unwrap())
    }

    fn query(text: &str) -> Option<String> {
        let mut out = Vec::new();
        push_query(text, &mut out)?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn an_api_path_is_resolved_and_encoded_once_more() {
        for (path, expected) in [
            ("/", "/"),
            ("//", "/"),
            ("/a//b/./c/../d", "/a/b/d"),
            ("/a/", "/a/"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/../../a", "/a"),
            ("/a%20b", "/a%2520b"),
            ("/a b+c=d:e", "/a%20b%2Bc%3Dd%3Ae"),
            ("/~a-b_c.d", "/~a-b_c.d"),
        ] {
            assert_eq!(api(path), expected, "{path}");
        }
    }

    #[test]
    fn an_object_path_is_kept_and_encoded_once() {
        for (path, expected) in [
            ("/", "/"),
            ("/b//k", "/b//k"),
            ("/b/a%2fk", "/b/a%2Fk"),
            ("/b/a+b", "/b/a%2Bb"),
            ("/b/a%20b%c3%a9", "/b/a%20b%C3%A9"),
            ("/b/(a)!", "/b/%28a%29%21"),
            ("/b/..a", "/b/..a"),
        ] {
            assert_eq!(object(path).as_deref(), Some(expected), "{path}");
        }
        for bad in ["", "b", "/b/../k", "/b/%2e%2E/k", "/b/a%2f..%2Fk", "/b/.", "/b/%", "/b/%2", "/b/%zz"] {
            assert_eq!(object(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_query_is_sorted_as_encoded_and_loses_only_its_signature() {
        for (text, expected) in [
            ("", ""),
            ("&&", ""),
            ("b=2&a=1", "a=1&b=2"),
            ("a", "a="),
            ("a=", "a="),
            ("=a", "=a"),
            ("a=b=c", "a=b%3Dc"),
            ("a=2&a=1&a", "a=&a=1&a=2"),
            ("a=+", "a=%2B"),
            ("a=%7e%2f", "a=~%2F"),
            ("Z=1&a=1", "Z=1&a=1"),
            ("a=1&X-Amz-Signature=00&x-amz-signature=1", "a=1&x-amz-signature=1"),
            ("X-Amz-Signature%3D=1", "X-Amz-Signature%3D=1"),
        ] {
            assert_eq!(query(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(query("a=%"), None);
        assert_eq!(query("%a=1"), None);
    }

    proptest! {
        #[test]
        fn the_order_of_parameters_does_not_matter(
            pairs in proptest::collection::vec("[a-c%]{0,3}", 0..6).prop_shuffle(),
            seed in any::<u64>(),
        ) {
            let pairs: Vec<String> = pairs.iter().map(|it| it.replace('%', "%25")).collect();
            let mut other = pairs.clone();
            other.sort_by_key(|it| it.bytes().fold(seed, |hash, byte| hash.rotate_left(7) ^ u64::from(byte)));
            prop_assert_eq!(query(&pairs.join("&")), query(&other.join("&")));
        }

        #[test]
        fn what_is_encoded_is_decoded_to_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let text = String::from_utf8(encoded(&bytes)).unwrap();
            prop_assert_eq!(&*decode(&text).unwrap(), &*bytes);
        }
    }
}
