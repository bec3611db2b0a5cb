//! `aws-sigv4` signs and we verify; then we sign and compare with it.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};

use super::written::Written;
use super::*;

/// A request before it is signed.
#[derive(Clone, Debug)]
pub(super) struct Plain<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: &'a [u8],
    /// What stands in place of the hash of the body.
    pub(super) payload: Option<&'static str>,
    /// Presigned for so many seconds.
    pub(super) lifetime: Option<u64>,
    pub(super) host_line: Option<&'a str>,
    pub(super) paths: PathMode,
    /// How the body is written in chunks, and how long each is.
    pub(super) chunks: Option<(Framing, usize)>,
}

impl<'a> Plain<'a> {
    pub(super) fn api(method: &'a str, target: &'a str, body: &'a [u8]) -> Self {
        let (headers, paths) = (Vec::new(), PathMode::Api);
        Self { method, target, headers, body, payload: None, lifetime: None, host_line: None, paths, chunks: None }
    }

    /// The same with a body in chunks of this size.
    pub(super) fn in_chunks(mut self, framing: Framing, size: usize) -> Self {
        self.headers.push(("x-amz-decoded-content-length".to_owned(), framing.length.to_string()));
        self.headers.extend(framing.trailer.map(|it| ("x-amz-trailer".to_owned(), it.trailer().to_owned())));
        self.payload = Some(framing.literal());
        self.chunks = Some((framing, size));
        self
    }

    pub(super) fn objects(method: &'a str, target: &'a str, body: &'a [u8]) -> Self {
        Self { paths: PathMode::Objects, ..Self::api(method, target, body) }
    }

    fn service(&self) -> &'static str {
        if self.paths == PathMode::Api { "cloudnx" } else { "s3" }
    }

    fn signable_body(&self) -> SignableBody<'a> {
        match self.payload {
            None if self.lifetime.is_some() => SignableBody::UnsignedPayload,
            None => SignableBody::Bytes(self.body),
            Some("UNSIGNED-PAYLOAD") => SignableBody::UnsignedPayload,
            Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER") => SignableBody::StreamingUnsignedPayloadTrailer,
            Some(hash) => SignableBody::Precomputed(hash.to_owned()),
        }
    }

    fn settings(&self) -> SigningSettings {
        let mut settings = SigningSettings::default();
        if self.paths == PathMode::Objects {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        if let Some(seconds) = self.lifetime {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
            settings.expires_in = Some(Duration::from_secs(seconds));
        }
        settings
    }
}

pub(super) fn signed(plain: &Plain<'_>) -> Sent {
    let host = if plain.paths == PathMode::Api { "cloudnx.in" } else { "s3.cloudnx.in" };
    let line = plain.host_line.unwrap_or(host);
    let identity = Credentials::new(KEY_ID, SECRET, None, None, "test").into();
    let params = || written::params(&identity, plain.service(), plain.settings());
    let mut headers = plain.headers.clone();
    headers.push(("host".to_owned(), line.to_owned()));
    let request = SignableRequest::new(
        plain.method,
        format!("https://{host}{}", plain.target),
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())),
        plain.signable_body(),
    );
    let (made, seed) = sign(request.unwrap(), &params().into()).unwrap().into_parts();
    headers.extend(made.headers().map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut target = plain.target.to_owned();
    for (name, value) in made.params() {
        let value: String = url_encoded(value);
        target.push(if target.contains('?') { '&' } else { '?' });
        target.extend([name, "=", &value]);
    }
    Sent {
        method: plain.method.to_owned(),
        host: host.to_owned(),
        target,
        headers,
        body: match plain.chunks {
            Some((framing, size)) => Written { framing, size, seed, params: &params() }.body(plain.body),
            None => plain.body.into(),
        },
        tls: true,
        now: NOW,
        paths: plain.paths,
        region: REGION.to_owned(),
        service: plain.service().to_owned(),
    }
}

fn url_encoded(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}

const RESERVED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Paths and queries as a careful client writes them: whatever is not unreserved is encoded, in upper case.
fn encoded_text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[A-Za-z0-9._~-]{1,6}", 1 => "[ /:;,+=&?#%*'()!@$éü日-]{1,4}"]
        .prop_map(|it| percent_encoding::utf8_percent_encode(&it, RESERVED).to_string())
}

fn target() -> impl Strategy<Value = String> {
    let segment = encoded_text().prop_filter("a dot segment", |it| it != "." && it != "..");
    let path = proptest::collection::vec(segment, 0..5).prop_map(|it| format!("/{}", it.join("/")));
    let pair = (encoded_text(), proptest::option::of(encoded_text()))
        .prop_map(|(name, value)| value.map_or(name.clone(), |value| format!("{name}={value}")));
    (path, proptest::collection::vec(pair, 0..5))
        .prop_map(|(path, pairs)| if pairs.is_empty() { path } else { format!("{path}?{}", pairs.join("&")) })
}

/// A request of any kind that a client may send.
pub(super) fn requests() -> impl Strategy<Value = Sent> {
    let headers = proptest::collection::btree_map(
        prop_oneof!["x-amz-meta-[a-z]{1,5}", Just("content-type".to_owned()), "x-[b-z]{1,3}"],
        "[!-~]{1,8}( {1,3}[!-~]{1,4}){0,2}",
        0..4,
    );
    let method = prop_oneof![Just("GET"), Just("PUT"), Just("POST"), Just("DELETE"), Just("HEAD")];
    let checksum = proptest::option::weighted(0.8, proptest::sample::select(&Checksum::ALL[..]));
    let payload = prop_oneof![
        3 => Just((None, None)),
        1 => Just((Some("UNSIGNED-PAYLOAD"), None)),
        2 => (any::<bool>(), checksum, 1usize..60).prop_map(|(signed, trailer, size)| {
            (None, Some((Framing { signed: signed || trailer.is_none(), length: 0, trailer }, size)))
        }),
    ];
    let body = proptest::collection::vec(any::<u8>(), 0..50);
    let kind = (any::<bool>(), payload, proptest::option::weighted(0.3, 1u64..=604_800));
    (method, target(), headers, body, kind).prop_map(|(method, target, headers, body, (objects, payload, lifetime))| {
        let headers = headers.into_iter().collect();
        signed(&if objects {
            let (payload, chunks) = if lifetime.is_none() { payload } else { (None, None) };
            let plain = Plain { headers, payload, lifetime, ..Plain::objects(method, &target, &body) };
            let length = body.len() as u64;
            match chunks {
                Some((framing, size)) => plain.in_chunks(Framing { length, ..framing }, size),
                None => plain,
            }
        } else {
            Plain { headers, ..Plain::api(method, &target, &body) }
        })
    })
}

proptest! {
    #[test]
    fn whatever_aws_sigv4_signs_is_accepted(sent in requests()) {
        let judged = sent.judge();
        prop_assert!(judged.is_ok(), "{:?}", judged);
    }

    #[test]
    fn what_we_sign_is_what_aws_sigv4_signs(
        target in target(),
        meta in proptest::collection::btree_map("x-amz-meta-[a-z]{1,5}", "[!-~]{1,8}", 0..3),
        payload in prop_oneof![Just("UNSIGNED-PAYLOAD"), Just("STREAMING-UNSIGNED-PAYLOAD-TRAILER")],
    ) {
        let plain = Plain {
            headers: meta.clone().into_iter().collect(),
            payload: Some(payload),
            ..Plain::objects("PUT", &target, b"")
        };
        let theirs = signed(&plain).header("authorization").clone();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let outgoing = Outgoing { method: &Method::PUT, host: "s3.cloudnx.in", path, query, payload, paths: PathMode::Objects };
        let mut headers = HeaderMap::new();
        for (name, value) in meta {
            headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
        }
        headers.insert("authorization", HeaderValue::from_static("the caller's own"));
        headers.insert("x-amz-security-token", HeaderValue::from_static("the caller's own"));
        let signer = Signer::new(KEY_ID.to_owned(), SECRET.to_owned().into(), REGION.to_owned(), "s3".to_owned());
        for _ in 0..2 {
            signer.sign(&outgoing, &mut headers, NOW).unwrap();
            prop_assert_eq!(headers["authorization"].to_str().unwrap().replace(", ", ","), theirs.replace(", ", ","));
        }
    }
}
