//! A request as it came in: one normalised path, one clock reading, one id.

use std::fmt;
use std::net::IpAddr;

use http::{HeaderMap, Method};

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
        self.target.split_once('?').map_or("", |(_, query)| query)
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
}

impl fmt::Display for RequestId {
    /// 32 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
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
    /// Reads version 00 of the header; anything else is as if it were absent.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let lower_hex = |it: &str, len: usize| {
            it.len() == len && it.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let shaped = version == "00" && lower_hex(trace, 32) && lower_hex(parent, 16) && lower_hex(flags, 2);
        if !shaped || parts.next().is_some() {
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

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.parent, u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_and_written_alike() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(TraceParent::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn a_traceparent_that_is_not_version_00_to_the_letter_is_absent() {
        for bad in [
            "",
            "00",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_request_id_is_32_lower_case_digits() {
        assert_eq!(RequestId::from_bytes([0xab; 16]).to_string(), "ab".repeat(16));
    }
}
