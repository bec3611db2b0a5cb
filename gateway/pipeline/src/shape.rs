//! The headers every answer of an API carries, whoever gives it.

use catalog::{DEPRECATION, Profile, SUNSET};
use domain::{EXPIRES_SOON, Overlap, Standing, Timestamp};
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
fn names(profile: &Profile) -> HeaderNames<'_> {
    let names = &profile.limits.headers;
    HeaderNames { limit: &names.limit, remaining: &names.remaining, reset: &names.reset }
}

/// When the key ends that was shown, where that is soon.
const CREDENTIAL_EXPIRES: HeaderName = HeaderName::from_static("credential-expires");

/// Says of a key that ends soon when it does, on every answer it still gets. Grants are renewed or ended by those who have
/// them, and are not spoken of.
pub fn expiry(standing: &Standing, now: Timestamp, headers: &mut HeaderMap) {
    let soon = standing.expires.filter(|it| standing.grant.is_none() && *it <= now + EXPIRES_SOON);
    if let Some(end) = soon.and_then(|it| HeaderValue::from_str(&it.http_date()).ok()) {
        headers.insert(CREDENTIAL_EXPIRES, end);
    }
}

/// When a retired key stops working, on every answer it still gets (RFC 9745, RFC 8594).
pub fn retirement(retires: Overlap, headers: &mut HeaderMap) {
    // The date of a version that goes as well stands.
    if let Ok(since) = HeaderValue::from_str(&format!("@{}", retires.since.seconds())) {
        headers.entry(DEPRECATION).or_insert(since);
    }
    if let Ok(sunset) = HeaderValue::from_str(&retires.until.http_date()) {
        headers.entry(SUNSET).or_insert(sunset);
    }
}
