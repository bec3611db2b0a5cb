//! Bodies in chunks as `aws-sigv4` signs them.

use aws_sigv4::http_request::SigningSettings;
use aws_sigv4::sign::v4::{SigningParams, sign_chunk, sign_trailer};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::http::Headers;

use super::*;
use crate::sigv4::{Checksum, Framing};

/// A body in chunks, and what each is signed with where they are.
pub(super) struct Written<'a> {
    pub(super) framing: Framing,
    /// How long each chunk is but the last.
    pub(super) size: usize,
    /// The signature of the head.
    pub(super) seed: String,
    pub(super) params: &'a SigningParams<'a, SigningSettings>,
}

impl Written<'_> {
    /// The body as it is sent.
    pub(super) fn body(mut self, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for chunk in body.chunks(self.size).chain([&b""[..]]) {
            out.extend(format!("{:x}", chunk.len()).bytes());
            if self.framing.signed {
                let bytes = bytes::Bytes::copy_from_slice(chunk);
                self.seed = sign_chunk(&bytes, &self.seed, self.params).unwrap().into_parts().1;
                out.extend(format!(";chunk-signature={}", self.seed).bytes());
            }
            out.extend(b"\r\n");
            if !chunk.is_empty() {
                out.extend(chunk);
                out.extend(b"\r\n");
            }
        }
        if let Some(checksum) = self.framing.trailer {
            let value = checksum_of(checksum, body);
            out.extend(format!("{}:{value}\r\n", checksum.trailer()).bytes());
            if self.framing.signed {
                let mut headers = Headers::new();
                headers.insert(checksum.trailer(), value);
                let signature = sign_trailer(&headers, &self.seed, self.params).unwrap().into_parts().1;
                out.extend(format!("x-amz-trailer-signature:{signature}\r\n").bytes());
            }
        }
        out.extend(b"\r\n");
        out
    }
}

/// What [`Checksum`] makes of a body is checked against the published values beside it.
pub(super) fn checksum_of(checksum: Checksum, body: &[u8]) -> String {
    let mut running = checksum.begin();
    running.update(body);
    running.finish()
}

/// The parameters that everything in these tests is signed with.
pub(super) fn params<'a>(
    identity: &'a Identity,
    service: &'a str,
    settings: SigningSettings,
) -> SigningParams<'a, SigningSettings> {
    SigningParams::builder()
        .identity(identity)
        .region(REGION)
        .name(service)
        .time(std::time::UNIX_EPOCH + Duration::from_secs(u64::try_from(NOW.seconds()).unwrap()))
        .settings(settings)
        .build()
        .unwrap()
}
