//! What others signed: the vectors of AWS and requests as botocore makes them.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Vectors {
    secret: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    signed: String,
}

/// Cases whose request cannot arrive, or must not.
const NOT_ACCEPTED: [(&str, &str); 2] = [
    // A header on several lines, which no HTTP parser in use takes any more.
    ("get-header-value-multiline", ""),
    // The session token was added after signing.
    ("post-sts-header-after", "`x-amz-security-token` is not signed"),
];

fn read(vector: &Vector) -> Option<Sent> {
    let (head, body) = vector.signed.split_once("\n\n").unwrap_or((&vector.signed, ""));
    let mut lines = head.lines();
    let (method, rest) = lines.next()?.split_once(' ')?;
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').filter(|_| !line.starts_with(' '))?;
        Some((name.to_lowercase(), value.trim().to_owned()))
    });
    Some(Sent {
        method: method.to_owned(),
        host: "example.amazonaws.com".to_owned(),
        target: rest.strip_suffix(" HTTP/1.1")?.to_owned(),
        headers: headers.collect::<Option<_>>()?,
        body: body.into(),
        tls: true,
        now: "2015-08-30T12:36:00Z".parse().unwrap(),
        paths: PathMode::Api,
        region: "us-east-1".to_owned(),
        service: "service".to_owned(),
    })
}

#[test]
fn every_vector_of_aws_that_may_be_accepted_is() {
    let all: Vectors = serde_json::from_str(include_str!("../fixtures/vectors.json")).unwrap();
    assert_eq!(all.secret, SECRET);
    assert_eq!(all.vectors.len(), 31);
    for vector in &all.vectors {
        match (NOT_ACCEPTED.iter().find(|(name, _)| *name == vector.name), read(vector)) {
            (None, Some(sent)) => assert!(sent.judge().is_ok(), "{}: {:?}", vector.name, sent.judge()),
            (Some((_, "")), None) => {}
            (Some((_, why)), Some(sent)) => refused(&sent, why),
            (expected, read) => panic!("{}: {expected:?} {read:?}", vector.name),
        }
    }
}

#[derive(Deserialize)]
struct Botocore {
    now: String,
    secret: String,
    region: String,
    requests: Vec<Made>,
}

#[derive(Deserialize)]
struct Made {
    name: String,
    method: String,
    tls: bool,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    paths: String,
    service: String,
}

pub(super) fn botocore() -> Vec<(String, Sent)> {
    let all: Botocore = serde_json::from_str(include_str!("../fixtures/botocore.json")).unwrap();
    assert_eq!((all.secret.as_str(), all.now.parse()), (SECRET, Ok(NOW)));
    let sent = |made: Made| {
        let host = made.headers.iter().find(|(name, _)| name == "host").unwrap().1.clone();
        let sent = Sent {
            method: made.method,
            host,
            target: made.target,
            headers: made.headers.into_iter().map(|(name, value)| (name, value.trim().to_owned())).collect(),
            body: made.body.into(),
            tls: made.tls,
            now: NOW,
            paths: if made.paths == "api" { PathMode::Api } else { PathMode::Objects },
            region: all.region.clone(),
            service: made.service,
        };
        (made.name, sent)
    };
    all.requests.into_iter().map(sent).collect()
}

#[test]
fn every_request_that_botocore_signs_is_accepted() {
    let made = botocore();
    assert_eq!(made.len(), 12);
    for (name, sent) in made {
        let expected = match name.as_str() {
            "put over TLS with a trailer" => {
                assert!(matches!(sent.judge(), Ok(PayloadCheck::Chunks(_))), "{:?}", sent.judge());
                continue;
            }
            "presigned get" => PayloadCheck::Unsigned,
            _ if sent.paths == PathMode::Api => PayloadCheck::Done,
            _ => PayloadCheck::Sha256(BodyHash::of(&sent.body)),
        };
        assert_eq!(sent.judge(), Ok(expected), "{name}");
    }
}
