//! A request as it came in: one normalised path, one clock reading, one id.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use crate::{Moment, NormalPath, Random};

/// A request whose head has been read and whose path has one spelling. Nothing is known yet of who asks for what.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its id, made here.
    pub id: RequestId,
    /// The one reading of the clock.
    pub at: Moment,
    /// Where it came from.
    pub source: Source,
    /// The method.
    pub method: Method,
    /// The host asked for: lower case, without port or trailing dot.
    pub host: String,
    /// Path and query exactly as they arrived: what a signature was made over.
    pub target: String,
    /// The path that everything else uses.
    pub path: NormalPath,
    /// The headers as they arrived.
    pub headers: HeaderMap,
}

impl Arrival {
    /// The raw query, without its `?`; empty where there is none.
    pub fn query(&self) -> &str {
        let mark = self.target.bytes().position(|it| it == b'?');
        mark.and_then(|it| self.target.get(it + 1..)).unwrap_or_default()
    }

    /// The raw query without the parts of a presigned address (`X-Amz-*`, however a name is spelled, because whoever checks
    /// signatures reads it): they are the caller's credential, and go to nobody.
    pub fn query_without_signature(&self) -> Cow<'_, str> {
        unsigned(self.query())
    }
}

fn unsigned(query: &str) -> Cow<'_, str> {
    // What most requests have.
    if query.is_empty() {
        return Cow::Borrowed(query);
    }
    let is_part = |pair: &&str| {
        let name = percent_decode_str(pair.split('=').next().unwrap_or_default());
        name.map(|it| it.to_ascii_lowercase()).take(6).eq(*b"x-amz-")
    };
    if query.split('&').any(|it| is_part(&it)) {
        let kept: Vec<&str> = query.split('&').filter(|it| !is_part(it)).collect();
        Cow::Owned(kept.join("&"))
    } else {
        Cow::Borrowed(query)
    }
}

/// The peer of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its address; an IPv4-mapped IPv6 address is written as IPv4.
    pub address: IpAddr,
    /// Whether it came over TLS.
    pub tls: bool,
}

impl Source {
    /// The address as text.
    pub fn text(&self) -> String {
        let IpAddr::V4(address) = self.address else { return self.address.to_string() };
        // The formatting machinery takes ten times as long, and this is wanted twice for every request.
        let mut text = String::with_capacity(15);
        for (at, octet) in address.octets().into_iter().enumerate() {
            if at > 0 {
                text.push('.');
            }
            let digit = |it: u8| char::from(b'0' + it % 10);
            let digits = [(100, octet / 100), (10, octet / 10), (1, octet)];
            text.extend(digits.iter().filter(|(from, _)| octet >= *from || *from == 1).map(|(_, it)| digit(*it)));
        }
        text
    }
}

/// 128 random bits that name a request in headers, entries, logs and error bodies.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// Draws a new id.
    pub fn draw(random: &dyn Random) -> Self {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// 32 lower-case hexadecimal digits.
    pub fn text(self) -> String {
        let mut text = String::with_capacity(32);
        push_hex(&mut text, self.0);
        text
    }
}

impl fmt::Display for RequestId {
    /// 32 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A W3C `traceparent` that was well formed when it arrived (W3C Trace Context, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace this request belongs to; never zero.
    pub trace: u128,
    /// The span that sent it; never zero.
    pub parent: u64,
    /// Whether the sender recorded the trace.
    pub sampled: bool,
}

impl TraceParent {
    /// Reads version 00 of the header, and of a later version the four fields that it shares with it, whatever follows
    /// (section 4 of the same); anything else is as if it were absent.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let lower_hex = |it: &str, len: usize| {
            it.len() == len && it.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let shaped = lower_hex(version, 2) && lower_hex(trace, 32) && lower_hex(parent, 16) && lower_hex(flags, 2);
        if !shaped || version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let read = Self {
            trace: u128::from_str_radix(trace, 16).ok()?,
            parent: u64::from_str_radix(parent, 16).ok()?,
            sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        };
        (read.trace != 0 && read.parent != 0).then_some(read)
    }
}

impl TraceParent {
    /// The header as it is sent on.
    pub fn text(self) -> String {
        let mut text = String::with_capacity(55);
        text.push_str("00-");
        push_hex(&mut text, self.trace.to_be_bytes());
        text.push('-');
        push_hex(&mut text, self.parent.to_be_bytes());
        text.push_str(if self.sampled { "-01" } else { "-00" });
        text
    }

    /// The trace as entries name it: 32 lower-case hexadecimal digits.
    pub fn trace_text(self) -> String {
        let mut text = String::with_capacity(32);
        push_hex(&mut text, self.trace.to_be_bytes());
        text
    }
}

/// Lower-case hexadecimal digits. Wanted several times for every request, and the formatting machinery takes ten times as
/// long; without a table the compiler does sixteen digits at once.
fn push_hex<const N: usize>(text: &mut String, bytes: [u8; N]) {
    let digit = |it: u8| if it < 10 { b'0'.wrapping_add(it) } else { (b'a' - 10).wrapping_add(it) };
    let mut digits = [[0; 2]; N];
    for (pair, byte) in digits.iter_mut().zip(&bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    text.push_str(std::str::from_utf8(digits.as_flattened()).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_and_written_alike() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(TraceParent::parse(text).unwrap().text(), text);
    }

    #[test]
    fn of_a_later_version_of_traceparent_the_fields_that_are_known_are_read() {
        let known = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for (version, more) in [("01", ""), ("01", "-"), ("01", "-extra"), ("cc", "-a-b"), ("fe", "")] {
            let read = TraceParent::parse(&format!("{version}-{known}{more}")).unwrap();
            assert_eq!(read.text(), format!("00-{known}"));
        }
    }

    #[test]
    fn a_traceparent_that_is_not_to_the_letter_is_absent() {
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0A-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.extra",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_is_written_as_everybody_writes_it() {
        for octet in 0..=255 {
            for address in [IpAddr::from([octet, 0, 255, octet]), IpAddr::from([octet; 16])] {
                assert_eq!(Source { address, tls: true }.text(), address.to_string());
            }
        }
    }

    #[test]
    fn a_presigned_query_loses_its_signature_and_nothing_else() {
        assert_eq!(unsigned("a=1&X-Amz-Signature=00&x-amz-date=1&b="), "a=1&b=");
        assert_eq!(unsigned("X%2DAmz%2dSignature=00&%58-amz-Date=1&a=1"), "a=1");
        assert_eq!(unsigned("list-type=2&prefix=x-amz-"), "list-type=2&prefix=x-amz-");
    }

    #[test]
    fn a_request_id_is_32_lower_case_digits() {
        assert_eq!(RequestId::from_bytes([0xab; 16]).to_string(), "ab".repeat(16));
    }
}
