//! Which media types there are, so that a body under a slip of the pen is not one that nobody sends and nothing checks.

use crate::validate::Media;

/// Kinds whose forms are beyond counting, and of which the gateway reads none.
const WHOLE_KINDS: [&str; 7] = ["audio", "font", "haptics", "image", "message", "model", "video"];

/// Forms that request bodies have.
const FORMS: [(&str, &[&str]); 3] = [
    (
        "application",
        &[
            "cbor",
            "cbor-seq",
            "cose",
            "dns-message",
            "graphql",
            "grpc",
            "gzip",
            "http",
            "javascript",
            "json",
            "json-seq",
            "jsonl",
            "jwt",
            "link-format",
            "mbox",
            "msgpack",
            "msword",
            "mp4",
            "n-quads",
            "n-triples",
            "ndjson",
            "node",
            "ocsp-request",
            "octet-stream",
            "ogg",
            "pdf",
            "pem-certificate-chain",
            "pgp-encrypted",
            "pgp-keys",
            "pgp-signature",
            "pkcs10",
            "pkcs12",
            "pkcs7-mime",
            "pkcs7-signature",
            "pkcs8",
            "pkix-cert",
            "pkix-crl",
            "postscript",
            "protobuf",
            "rtf",
            "sdp",
            "sparql-query",
            "sparql-update",
            "sql",
            "tar",
            "timestamp-query",
            "toml",
            "trig",
            "wasm",
            "xml",
            "xml-dtd",
            "yaml",
            "yang",
            "zip",
            "zlib",
            "zstd",
        ],
    ),
    (
        "text",
        &[
            "calendar",
            "css",
            "csv",
            "enriched",
            "event-stream",
            "html",
            "javascript",
            "markdown",
            "n3",
            "plain",
            "richtext",
            "rtf",
            "sgml",
            "tab-separated-values",
            "troff",
            "turtle",
            "uri-list",
            "vcard",
            "xml",
            "yaml",
        ],
    ),
    (
        "multipart",
        &[
            "alternative",
            "byteranges",
            "digest",
            "encrypted",
            "form-data",
            "mixed",
            "parallel",
            "related",
            "report",
            "signed",
        ],
    ),
];

/// Suffixes that say how a form is written (RFC 6839 and the registry it made).
const SUFFIXES: [&str; 16] = [
    "ber",
    "cbor",
    "cbor-seq",
    "cose",
    "der",
    "fastinfoset",
    "gzip",
    "json",
    "json-seq",
    "jwt",
    "sqlite3",
    "tlv",
    "wbxml",
    "xml",
    "yaml",
    "zip",
];

/// Beginnings under which forms are named by whoever made them (RFC 6838 section 3).
const OWN: [&str; 3] = ["vnd.", "prs.", "x-"];

/// Whether this is a media type, or a range of them, that somebody could send.
pub(super) fn is_known(media: &Media) -> bool {
    let Some((kind, form)) = media.essence.split_once('/') else { return false };
    let listed = FORMS.iter().find(|(it, _)| *it == kind).map(|(_, forms)| *forms);
    let whole = WHOLE_KINDS.contains(&kind);
    match (form, form.rsplit_once('+')) {
        ("*", _) => kind == "*" || whole || listed.is_some(),
        (_, Some((_, suffix))) => whole || listed.is_some() && SUFFIXES.contains(&suffix),
        (form, None) => {
            let known = || listed.is_some_and(|it| it.contains(&form) || OWN.iter().any(|own| form.starts_with(own)));
            whole || form == "x-www-form-urlencoded" && kind == "application" || known()
        }
    }
}

/// The media type that was most likely meant.
pub(super) fn meant(media: &Media) -> Option<String> {
    let all = FORMS.iter().flat_map(|(kind, forms)| forms.iter().map(move |form| format!("{kind}/{form}")));
    let far = |it: &String| strsim::damerau_levenshtein(it, &media.essence);
    all.map(|it| (far(&it), it)).min().filter(|(distance, _)| *distance <= 3).map(|(_, it)| it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_sends_is_told_from_a_slip_of_the_pen() {
        let parsed = |text: &str| Media::parse(text).unwrap();
        for good in [
            "application/json",
            "application/json; charset=utf-8",
            "*/*",
            "application/*",
            "image/*",
            "image/avif",
            "multipart/form-data",
            "application/x-www-form-urlencoded",
            "application/vnd.acme.thing+json",
            "application/vnd.acme",
            "application/x-ndjson",
            "text/csv",
            "application/problem+json",
            "image/svg+xml",
        ] {
            assert!(is_known(&parsed(good)), "{good}");
        }
        for (bad, meant_by_it) in [
            ("application/jsn", Some("application/json")),
            ("aplication/json", Some("application/json")),
            ("text/jsn", None),
            ("application/vnd.acme+jsn", None),
            ("mulitpart/form-data", Some("multipart/form-data")),
            ("aplication/*", None),
            ("nothing/at-all", None),
        ] {
            assert!(!is_known(&parsed(bad)), "{bad}");
            assert_eq!(meant(&parsed(bad)).as_deref().filter(|_| meant_by_it.is_some()), meant_by_it, "{bad}");
        }
    }
}
