//! URLs that bear their own signature (SigV4, query form), signed with the upstream key.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use domain::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::objects::UpstreamKey;

/// What the bearer of a URL may do, and for how long.
pub(super) struct Meant<'a> {
    pub(super) method: &'a str,
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) seconds: u64,
}

const HOST: &str = "s3.cloudnx.in";
const REGION: &str = "in-mum";
/// What SigV4 leaves as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same, for a path.
const IN_PATH: &AsciiSet = &UNRESERVED.remove(b'/');

/// The URL.
pub(super) fn presigned(key: &UpstreamKey, meant: &Meant<'_>, now: Timestamp) -> String {
    let stamp: String = now.to_string().chars().filter(|it| !matches!(it, '-' | ':')).collect();
    let (day, _) = stamp.split_once('T').unwrap_or((&stamp, ""));
    let scope = format!("{day}/{REGION}/s3/aws4_request");
    let credential = utf8_percent_encode(&format!("{}/{scope}", key.id), UNRESERVED).to_string();
    let path = format!("/{}/{}", meant.bucket, utf8_percent_encode(meant.key, IN_PATH));
    let query = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={stamp}&X-Amz-Expires={}&X-Amz-SignedHeaders=host",
        meant.seconds
    );
    let request = format!("{}\n{path}\n{query}\nhost:{HOST}\n\nhost\nUNSIGNED-PAYLOAD", meant.method);
    let hashed = hex::encode(digest(&SHA256, request.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}");
    let secret = format!("AWS4{}", key.secret);
    let signing = [day, REGION, "s3", "aws4_request"]
        .iter()
        .fold(secret.into_bytes(), |derived, part| hmac(&derived, part.as_bytes()));
    let signature = hex::encode(hmac(&signing, text.as_bytes()));
    format!("https://{HOST}{path}?{query}&X-Amz-Signature={signature}")
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    sign(&Key::new(HMAC_SHA256, key), text).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_botocore_makes() {
        // Made with botocore 1.44.5: S3SigV4QueryAuth(Credentials("AK", "secret"), "s3", "in-mum", expires=900).
        let key = UpstreamKey { id: "AK".to_owned(), secret: "secret".to_owned() };
        let meant = Meant { method: "GET", bucket: "prod-assets", key: "a b/ü+.png", seconds: 900 };
        let url = presigned(&key, &meant, "2026-01-05T09:00:00Z".parse().unwrap());
        let (head, signature) = url.rsplit_once('=').unwrap();
        assert_eq!(
            head,
            "https://s3.cloudnx.in/prod-assets/a%20b/%C3%BC%2B.png?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20260105%2Fin-mum%2Fs3%2Faws4_request&X-Amz-Date=20260105T090000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature"
        );
        assert_eq!(signature, "81264bcb43546038ad22cb146684aba03a56b1feffee5848af8218d5625ebf03");
    }
}
