//! Headers that a profile gives a meaning of its own.

use http::HeaderName;

use crate::selector::is_of_every_request;
use crate::written::{Placed, Section};

/// Headers of answers that say something else already: what the gateway stamps, and what clients, caches and browsers act on.
const OF_ANSWERS: [&str; 24] = [
    "age",
    "allow",
    "alt-svc",
    "cache-control",
    "date",
    "deprecation",
    "etag",
    "expires",
    "last-modified",
    "link",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "refusal-reason",
    "retry-after",
    "server",
    "strict-transport-security",
    "sunset",
    "traceparent",
    "tracestate",
    "vary",
    "via",
    "www-authenticate",
    "x-request-id",
];

/// The name under a key, where it is one that a profile may give a meaning.
pub(crate) fn own(section: &Section<'_>, key: &'static str) -> Option<Placed<HeaderName>> {
    let name = section.optional::<HeaderName>(key)?;
    if is_of_every_request(&name.value) || OF_ANSWERS.contains(&name.value.as_str()) {
        section.fault_with(
            name.place,
            format!("`{key}`: `{}` means something else already", name.value),
            "name a header of the API's own, such as `X-RateLimit-Limit`",
        );
    }
    Some(name)
}
