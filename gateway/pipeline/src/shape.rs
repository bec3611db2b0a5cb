//! The headers every answer of an API carries, whoever gives it.

use catalog::Profile;
use domain::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};
use limits::{Allowance, HeaderNames, OverLimit};

/// Says in the headers of an answer what the caller has left, under the API's own names. Whatever an upstream said of
/// the same is replaced.
pub fn stamp(profile: &Profile, allowance: &Allowance, headers: &mut HeaderMap) {
    allowance.write(&names(profile), headers);
}

/// Says in the headers of a refusal when to come back.
pub fn over_limit(profile: &Profile, over: &OverLimit, headers: &mut HeaderMap) {
    over.write(&names(profile), headers);
}

/// The names under which an API shows its limits.
fn names(profile: &Profile) -> HeaderNames {
    let names = &profile.limits.headers;
    HeaderNames { limit: names.limit.clone(), remaining: names.remaining.clone(), reset: names.reset.clone() }
}

/// When a retired key stops working, on every answer it still gets (RFC 9745, RFC 8594).
pub fn retirement(retires: Timestamp, headers: &mut HeaderMap) {
    let deprecated = HeaderValue::from_str(&format!("@{}", retires.seconds()));
    let sunset = HeaderValue::from_str(&retires.http_date());
    for (name, value) in [("deprecation", deprecated), ("sunset", sunset)] {
        if let Ok(value) = value {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}
