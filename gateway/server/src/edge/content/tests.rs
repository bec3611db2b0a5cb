use std::time::Duration;

use authn::sigv4::{Checksum, Outgoing, Presented, Rules, Signer, SigningKeys};
use aws_lc_rs::hmac;
use domain::{Arrival, Moment, NormalPath, PathMode, RequestId, Source, Tick, Timestamp};
use http::{HeaderMap, Method};
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_795_309_323);
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SCOPE: &str = "20261122/in-mum/s3/aws4_request";

/// The head of an upload with this in place of the hash of its body, found good: what is left to check, and its signature.
fn check(payload: &str, length: usize, trailer: Option<Checksum>) -> (PayloadCheck, String) {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-decoded-content-length", length.into());
    headers.extend(trailer.map(|it| (TRAILER, HeaderValue::from_static(it.trailer()))));
    let request = Outgoing {
        method: &Method::PUT,
        host: "s3.cloudnx.in",
        path: "/b/k",
        query: "",
        payload,
        paths: PathMode::Objects,
    };
    let signer = Signer::new("AKID".into(), SECRET.to_owned().into(), "in-mum".into(), "s3".into());
    signer.sign(&request, &mut headers, NOW).unwrap();
    let signature = headers["authorization"].to_str().unwrap().rsplit('=').next().unwrap().to_owned();
    headers.insert("host", HeaderValue::from_static("s3.cloudnx.in"));
    let arrival = Arrival {
        id: RequestId::from_bytes([1; 16]),
        at: Moment { wall: NOW, tick: Tick::default() },
        source: Source { address: "192.0.2.7".parse().unwrap(), tls: true },
        method: Method::PUT,
        host: "s3.cloudnx.in".to_owned(),
        target: "/b/k".to_owned(),
        path: NormalPath::parse("/b/k", PathMode::Objects).unwrap(),
        headers,
    };
    let rules = Rules { region: "in-mum", service: "s3", paths: PathMode::Objects, skew: Duration::from_mins(15) };
    let presented = Presented::parse(&arrival, &rules).unwrap();
    let open = || Ok::<_, ()>(SECRET.to_owned().into());
    let key = presented.cached_signing_key(&SigningKeys::default(), b"sealed", open).unwrap();
    (presented.verify(&key, &arrival, None).unwrap(), signature)
}

fn followed(body: &[u8], checksum: &str) -> (PayloadCheck, Vec<u8>) {
    let (check, _) = check("STREAMING-UNSIGNED-PAYLOAD-TRAILER", body.len(), Some(Checksum::Crc32));
    let trailer = format!("0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n");
    let mut sent = Vec::new();
    for chunk in body.chunks(4) {
        sent.extend([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    }
    (check, [sent, trailer.into_bytes()].concat())
}

/// A body in chunks of four bytes, each signed; `lies` spoils the signature of the last one.
fn signed(body: &[u8], lies: bool) -> (PayloadCheck, Vec<u8>) {
    let (check, mut last) = check("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", body.len(), None);
    let mac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec();
    let key = SCOPE.split('/').fold(format!("AWS4{SECRET}").into_bytes(), |key, part| mac(&key, part.as_bytes()));
    let mut sent = Vec::new();
    for chunk in body.chunks(4).chain([&b""[..]]) {
        let hashes = [BodyHash::of(b""), BodyHash::of(chunk)].map(hex::encode).join("\n");
        let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n20261122T010203Z\n{SCOPE}\n{last}\n{hashes}");
        last = hex::encode(mac(&key, text.as_bytes()));
        if lies && chunk.is_empty() {
            last = "0".repeat(64);
        }
        sent.extend([format!("{:x};chunk-signature={last}\r\n", chunk.len()).as_bytes(), chunk].concat());
        sent.extend(b"\r\n");
    }
    (check, sent)
}

/// What the upstream has been sent of a body that comes in these pieces, and how it ended.
fn sent(plan: &BodyPlan, rechunked: bool, pieces: &[&[u8]]) -> (Vec<u8>, Result<(), Answer>) {
    let (mut content, mut out) = (Content::begin(&plan.check, rechunked), Vec::new());
    for (at, piece) in pieces.iter().enumerate() {
        let mut piece = Some(Bytes::copy_from_slice(piece));
        if let Err(answer) = content.pass(plan, &mut piece, at + 1 == pieces.len(), |_| Ok(())) {
            return (out, Err(answer));
        }
        out.extend(piece.unwrap());
    }
    (out, Ok(()))
}

fn streamed(check: PayloadCheck) -> BodyPlan {
    BodyPlan { flow: BodyFlow::Streamed { max: 1000 }, check }
}

fn head(plan: &BodyPlan, rechunked: bool, lines: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
    let mut request = RequestHeader::build("PUT", b"/b/k", None).unwrap();
    for (name, value) in lines {
        request.append_header(*name, *value).unwrap();
    }
    let PayloadCheck::Chunks(chunks) = &plan.check else { panic!("no chunks") };
    Content::begin(&plan.check, rechunked).restate(chunks.framing(), &mut request).unwrap();
    let lines = request.headers.iter();
    let mut lines: Vec<_> = lines.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    lines.sort();
    lines
}

const CRC32_OF_HELLO: &str = "NhCmhg==";

#[test]
fn a_checksum_that_follows_goes_on_to_an_upstream_that_reads_chunks() {
    let (check, body) = followed(b"hello", CRC32_OF_HELLO);
    let plan = streamed(check);
    let (out, ended) = sent(&plan, true, &[&body]);
    assert!(ended.is_ok());
    assert_eq!(out, b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n");
    let lines = [
        ("transfer-encoding", "chunked"),
        ("content-encoding", "aws-chunked"),
        ("content-encoding", "gzip"),
        ("x-amz-trailer", "X-Amz-Checksum-Crc32"),
    ];
    let lines = head(&plan, true, &lines);
    let expected = [
        ("content-encoding", "aws-chunked,gzip"),
        ("content-length", &out.len().to_string()),
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", "5"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ];
    assert_eq!(lines, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn any_other_upstream_is_sent_the_body_as_it_is() {
    for (check, body) in [followed(b"hello", CRC32_OF_HELLO), signed(b"hello", false)] {
        // One that is signed in chunks without a checksum has nothing that chunks would be good for.
        let rechunked = matches!(&check, PayloadCheck::Chunks(it) if it.framing().signed);
        let plan = streamed(check);
        let (out, ended) = sent(&plan, rechunked, &[&body]);
        assert!(ended.is_ok());
        assert_eq!(out, b"hello");
        let lines = head(&plan, rechunked, &[("content-encoding", "aws-chunked"), ("content-length", "99")]);
        let expected = [("content-length", "5"), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD")];
        assert_eq!(lines, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}

proptest! {
    #[test]
    fn an_upstream_never_has_the_whole_of_a_body_that_is_not_good(
        (kind, rechunked) in (0..3, any::<bool>()),
        body in proptest::collection::vec(any::<u8>(), 1..60),
        cuts in proptest::collection::vec(0usize..400, 0..8),
    ) {
        let (check, raw) = match kind {
            0 => followed(&body, "AAAAAA=="),
            1 => signed(&body, true),
            _ => (PayloadCheck::Sha256([7; 32]), body.clone()),
        };
        let plan = streamed(check);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|it| it.min(raw.len())).chain([0, raw.len()]).collect();
        cuts.sort_unstable();
        // Some pieces are empty, the one that ends the body among them.
        let mut pieces: Vec<&[u8]> = cuts.windows(2).map(|it| &raw[it[0]..it[1]]).collect();
        pieces.push(b"");
        let (out, ended) = sent(&plan, rechunked, &pieces);
        prop_assert!(ended.is_err());
        let whole = if kind == 0 && rechunked { raw.len() } else { body.len() };
        prop_assert!(out.len() < whole, "{} of {whole}", out.len());
    }

    #[test]
    fn a_good_body_arrives_whole_however_it_comes(
        kind in 0..2,
        body in proptest::collection::vec(any::<u8>(), 1..60),
        cuts in proptest::collection::vec(0usize..400, 0..8),
    ) {
        let (check, raw) = match kind {
            0 => signed(&body, false),
            _ => (PayloadCheck::Sha256(BodyHash::of(&body)), body.clone()),
        };
        let mut cuts: Vec<usize> = cuts.into_iter().map(|it| it.min(raw.len())).chain([0, raw.len()]).collect();
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|it| &raw[it[0]..it[1]]).collect();
        let (out, ended) = sent(&streamed(check.clone()), true, &pieces);
        prop_assert!(ended.is_ok());
        prop_assert_eq!(&out, &body);
        let held = BodyPlan { flow: BodyFlow::Held { max: 1000 }, check };
        prop_assert_eq!(sent(&held, true, &pieces).0, body);
    }
}

#[test]
fn what_is_held_is_judged_without_its_chunks() {
    let (check, body) = followed(b"hello", CRC32_OF_HELLO);
    let plan = BodyPlan { flow: BodyFlow::Held { max: 5 }, check };
    let mut content = Content::begin(&plan.check, true);
    let mut piece = Some(Bytes::from(body));
    let mut judged = Vec::new();
    let judge = |whole: &[u8]| {
        judged = whole.to_vec();
        Ok(())
    };
    content.pass(&plan, &mut piece, true, judge).unwrap();
    assert_eq!(judged, b"hello");
    assert!(piece.unwrap().ends_with(b"crc32:NhCmhg==\r\n\r\n"));
}

#[test]
fn the_bound_of_a_body_counts_what_is_in_its_chunks() {
    let (check, body) = followed(b"hello", CRC32_OF_HELLO);
    let plan = |max| BodyPlan { flow: BodyFlow::Streamed { max }, check: check.clone() };
    assert!(sent(&plan(5), true, &[&body]).1.is_ok());
    assert!(matches!(sent(&plan(4), true, &[&body]).1, Err(Answer::TooLarge { max: 4 })));
}
