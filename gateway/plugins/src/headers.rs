//! Which headers a plugin never sees, and which it never says.

use domain::is_kept_from_answers;
use http::HeaderName;

/// Headers that end at the gateway, that frame a message, or that only the gateway may say, besides those that it keeps from
/// answers ([`is_kept_from_answers`]): not even by asking does a plugin come to set one.
const BARRED: [&str; 36] = [
    "accept-encoding",
    "age",
    "authorization",
    "cf-connecting-ip",
    "client-ip",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "deprecation",
    "dpop",
    "expect",
    "fastly-client-ip",
    "forwarded",
    "host",
    "proxy",
    "proxy-authorization",
    "range",
    "server",
    "set-cookie",
    "strict-transport-security",
    "sunset",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-method-override",
    "x-real-ip",
    "x-request-id",
];

/// How the names of whole families of them begin: what the gateway says of a caller, of hops and of what is left, what a
/// signature is made over, and what some upstreams take for another request than the one that was decided.
const FAMILIES: [&str; 10] = [
    "x-portcullis-",
    "x-forwarded-",
    "x-amz-",
    "x-original-",
    "x-rewrite-",
    "x-http-method",
    "x-ratelimit",
    "ratelimit",
    "access-control-",
    "sec-",
];

/// Headers that show who calls.
const CREDENTIALS: [&str; 8] = [
    "authorization",
    "cookie",
    "dpop",
    "proxy-authorization",
    "set-cookie",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
];

/// Whether a plugin may not set it, append to it or remove it.
pub(crate) fn is_barred(name: &HeaderName) -> bool {
    let name = name.as_str();
    // Some frameworks read whatever is no letter or digit as `-`: such a name would be another header there than here.
    let plain = name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    let barred = BARRED.binary_search(&name).is_ok() || is_kept_from_answers(name);
    !plain || barred || FAMILIES.iter().any(|it| name.starts_with(it))
}

/// Whether it shows who calls.
pub(crate) fn is_credential(name: &HeaderName) -> bool {
    CREDENTIALS.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frames_a_message_or_is_the_gateways_to_say_is_barred_in_every_spelling() {
        assert!(BARRED.is_sorted());
        for name in [
            "content-length",
            "transfer-encoding",
            "connection",
            "host",
            "te",
            "x-forwarded-for",
            "x-portcullis-tenant",
            "x_portcullis_tenant",
            "x-amz-copy-source",
            "x-ratelimit-limit",
            "x-original-url",
            "set-cookie",
            "credential-expires",
            "dpop-nonce",
            "proxy-authentication-info",
            "refusal-reason",
        ] {
            assert!(is_barred(&name.parse().unwrap()), "{name}");
        }
        for name in ["x-region", "x-dlp", "accept-language", "cache-control", "retry-after", "x-hostname"] {
            assert!(!is_barred(&name.parse().unwrap()), "{name}");
        }
    }
}
