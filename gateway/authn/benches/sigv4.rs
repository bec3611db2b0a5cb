//! What it costs to verify a signature in the header, to read a body in chunks, and to sign anew.
#![expect(clippy::unwrap_used, reason = "a bench has a reader and no caller")]

use std::hint::black_box;
use std::time::Duration;

use authn::PayloadCheck;
use authn::sigv4::{BodyHash, ChunkWriter, Outgoing, Presented, Rules, SKEW, Signer, SigningKeys};
use criterion::{Criterion, criterion_group, criterion_main};
use domain::{Arrival, Moment, NormalPath, PathMode, RequestId, Source, Tick, Timestamp};
use http::{HeaderMap, HeaderValue, Method};
use zeroize::Zeroizing;

const NOW: Timestamp = Timestamp::from_seconds(1_795_309_323);
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TARGET: &str = "/bucket/photos/2026/a%20picture.jpg?partNumber=7&uploadId=VXBsb2FkIElE";

/// A request with about a kilobyte of headers, signed by ourselves.
fn arrival() -> Arrival {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("accept", "*/*"),
        ("accept-encoding", "gzip, deflate"),
        ("content-type", "application/octet-stream"),
        (
            "user-agent",
            "Boto3/1.43.11 md/Botocore#1.43.11 ua/2.1 os/linux md/arch#x86_64 lang/python#3.11 cfg/retry-mode#standard",
        ),
        ("x-amz-meta-album", "holidays of the year before last"),
        ("x-amz-storage-class", "STANDARD_IA"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("x-padding", HeaderValue::try_from("x".repeat(400)).unwrap());
    signer().sign(&outgoing(), &mut headers, NOW).unwrap();
    headers.insert("host", HeaderValue::from_static("s3.cloudnx.in"));
    Arrival {
        id: RequestId::from_bytes([1; 16]),
        at: Moment { wall: NOW + Duration::from_mins(1), tick: Tick::default() },
        source: Source { address: "192.0.2.7".parse().unwrap(), tls: true },
        method: Method::PUT,
        host: "s3.cloudnx.in".to_owned(),
        target: TARGET.to_owned(),
        path: NormalPath::parse("/", PathMode::Objects).unwrap(),
        headers,
    }
}

fn outgoing() -> Outgoing<'static> {
    let (path, query) = TARGET.split_once('?').unwrap();
    Outgoing {
        method: &Method::PUT,
        host: "s3.cloudnx.in",
        path,
        query,
        payload: "UNSIGNED-PAYLOAD",
        paths: PathMode::Objects,
    }
}

/// What is to be checked of a body of a mebibyte that this checksum follows.
fn chunked(checksum: &str) -> PayloadCheck {
    let mut arrival = arrival();
    let trailer = format!("x-amz-checksum-{checksum}");
    arrival.headers.insert("x-amz-trailer", HeaderValue::try_from(trailer).unwrap());
    arrival.headers.insert("x-amz-decoded-content-length", HeaderValue::from_static("1048576"));
    arrival.headers.remove("host");
    let outgoing = Outgoing { payload: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", ..outgoing() };
    signer().sign(&outgoing, &mut arrival.headers, NOW).unwrap();
    arrival.headers.insert("host", HeaderValue::from_static("s3.cloudnx.in"));
    let rules = Rules { region: "in-mum", service: "s3", paths: PathMode::Objects, skew: SKEW };
    let presented = Presented::parse(&arrival, &rules).unwrap();
    presented.verify(&presented.signing_key(SECRET), &arrival, None).unwrap()
}

fn signer() -> Signer {
    let secret = Zeroizing::new(SECRET.to_owned());
    Signer::new("AKIAIOSFODNN7EXAMPLE".to_owned(), secret, "in-mum".to_owned(), "s3".to_owned())
}

fn sigv4(c: &mut Criterion) {
    let (arrival, keys, signer) = (arrival(), SigningKeys::default(), signer());
    let rules = Rules { region: "in-mum", service: "s3", paths: PathMode::Objects, skew: SKEW };
    let open = || Ok::<_, ()>(Zeroizing::new(SECRET.to_owned()));
    c.bench_function("header verify, cached signing key", |b| {
        b.iter(|| {
            let presented = Presented::parse(black_box(&arrival), &rules).unwrap();
            let key = presented.cached_signing_key(&keys, b"sealed", open).unwrap();
            presented.verify(&key, &arrival, None).unwrap()
        });
    });
    let presented = Presented::parse(&arrival, &rules).unwrap();
    c.bench_function("deriving a signing key", |b| b.iter(|| presented.signing_key(black_box(SECRET))));
    let mut headers = arrival.headers.clone();
    c.bench_function("signing anew", |b| b.iter(|| signer.sign(&outgoing(), &mut headers, NOW)));
    for (name, checks) in [("in chunks, CRC32", "crc32"), ("in chunks, SHA-256", "sha256")] {
        let check = chunked(checks);
        let PayloadCheck::Chunks(chunks) = &check else { return };
        let sent = [b"100000\r\n", &vec![7; 1 << 20][..]].concat();
        c.bench_function(&format!("a mebibyte {name}, read and written anew"), |b| {
            let (mut plain, mut written) = (Vec::with_capacity(1 << 21), Vec::with_capacity(1 << 21));
            b.iter(|| {
                plain.clear();
                written.clear();
                let mut reader = chunks.reader();
                // As the edge hands it on: piece by piece.
                for piece in black_box(&sent).chunks(64 * 1024) {
                    reader.read(piece, &mut plain).unwrap();
                }
                ChunkWriter::new(chunks.framing()).unwrap().write(&plain, &mut written);
            });
        });
    }
    let body = vec![7; 1 << 20];
    c.bench_function("hash of a mebibyte", |b| b.iter(|| BodyHash::of(black_box(&body))));
}

criterion_group!(benches, sigv4);
criterion_main!(benches);
