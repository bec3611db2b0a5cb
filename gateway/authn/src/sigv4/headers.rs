//! Which headers a signature must cover, and how they are written.

use domain::Arrival;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST, HeaderName};

use super::Malformed;
use super::canonical::Request;

pub(super) const DATE: HeaderName = HeaderName::from_static("x-amz-date");
pub(super) const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
pub(super) const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

const PREFIX: &str = "x-amz-";

/// Headers that say how the body is written. The signature covers the first by itself, and the others are checked
/// against the body.
const EXEMPT: [&str; 4] =
    ["x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-trailer", "x-amz-checksum-algorithm"];

/// Refuses a list of signed headers that leaves out what must be signed. Whoever holds one signed request could otherwise
/// add `x-amz-copy-source` to it and read any object.
pub(super) fn check(signed: &str, arrival: &Arrival) -> Result<(), Malformed> {
    let well_formed =
        |name: &str| !name.is_empty() && name.bytes().all(|it| it.is_ascii_graphic() && !it.is_ascii_uppercase());
    let sorted = signed.split(';').zip(signed.split(';').skip(1)).all(|(one, next)| one < next);
    if !sorted || !signed.split(';').all(well_formed) {
        return Err(Malformed::Part("SignedHeaders"));
    }
    let is_signed = |wanted: &str| signed.split(';').any(|it| it == wanted);
    // The date in a header is an `x-amz-*` header like any other; in a query it is part of what is signed.
    if !is_signed("host") {
        return Err(Malformed::Unsigned("host".to_owned()));
    }
    for (name, once) in [
        (HOST, "host"),
        (AUTHORIZATION, "authorization"),
        (DATE, "x-amz-date"),
        (CONTENT_SHA256, "x-amz-content-sha256"),
    ] {
        if arrival.headers.get_all(name).iter().nth(1).is_some() {
            return Err(Malformed::Repeated(once));
        }
    }
    for name in arrival.headers.keys().map(HeaderName::as_str) {
        if name.starts_with(PREFIX) && !EXEMPT.contains(&name) && !is_signed(name) {
            return Err(Malformed::Unsigned(name.to_owned()));
        }
    }
    let there = |name: &str| name == "host" || arrival.headers.contains_key(name);
    match signed.split(';').find(|it| !there(it)) {
        Some(absent) => Err(Malformed::Absent(absent.to_owned())),
        None => Ok(()),
    }
}

/// Whether a header is one that [`super::Signer`] signs whatever it says.
pub(super) fn is_amz(name: &HeaderName) -> bool {
    name.as_str().starts_with(PREFIX)
}

/// Whether a host is that of the arrival with the first segment of the path before it, which is then not in the path that
/// was signed: how stores are asked whose buckets have hosts of their own.
fn names_first_segment(name: &str, arrival: &Arrival) -> bool {
    let label = name.len().checked_sub(arrival.host.len()).and_then(|it| name.split_at_checked(it));
    let label =
        label.filter(|(_, rest)| rest.eq_ignore_ascii_case(&arrival.host)).and_then(|(it, _)| it.strip_suffix('.'));
    let first = arrival.path.as_str().strip_prefix('/').and_then(|it| it.split('/').next());
    label.is_some_and(|it| !it.is_empty() && first.is_some_and(|first| first == it.to_ascii_lowercase()))
}

/// The host as it was signed. It must name the host that was asked for, or what is signed is not what is routed.
pub(super) fn host(arrival: &Arrival) -> Result<&[u8], Malformed> {
    // HTTP/2 has no such line: there the authority has become the host of the arrival.
    let Some(line) = arrival.headers.get(HOST) else { return Ok(arrival.host.as_bytes()) };
    let text = line.to_str().map_err(|_| Malformed::Host)?;
    let name = match text.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => text,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.eq_ignore_ascii_case(&arrival.host) || names_first_segment(name, arrival) {
        Ok(line.as_bytes())
    } else {
        Err(Malformed::Host)
    }
}

/// One line for each signed header.
pub(super) fn push_headers(request: &Request<'_>, out: &mut Vec<u8>) -> Option<()> {
    for name in request.signed.split(';') {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        if name == "host" {
            push_value(request.host, out);
        } else {
            push_values(request.headers, name, out)?;
        }
        out.push(b'\n');
    }
    Some(())
}

fn push_values(headers: &HeaderMap, name: &str, out: &mut Vec<u8>) -> Option<()> {
    let mut lines = headers.get_all(name).iter();
    push_value(lines.next()?.as_bytes(), out);
    for line in lines {
        out.push(b',');
        push_value(line.as_bytes(), out);
    }
    Some(())
}

/// Trimmed, and runs of spaces made one.
fn push_value(value: &[u8], out: &mut Vec<u8>) {
    let mut previous = b' ';
    for byte in value.trim_ascii() {
        if !(*byte == b' ' && previous == b' ') {
            out.push(*byte);
        }
        previous = *byte;
    }
}
