//! Requests that others signed, requests that nobody signed, and everything in between.

mod chunked;
mod mutations;
mod oracle;
mod others;
mod written;

use domain::{Arrival, Moment, NormalPath, RequestId, Source, Tick, Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const REGION: &str = "in-mum";

/// 2026-11-22T01:02:03Z.
const NOW: Timestamp = Timestamp::from_seconds(1_795_309_323);

/// A request as it is sent, easy to change.
#[derive(Clone, Debug)]
struct Sent {
    method: String,
    host: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    tls: bool,
    now: Timestamp,
    paths: PathMode,
    region: String,
    service: String,
}

impl Sent {
    fn arrival(&self) -> Arrival {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(name.as_str()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Arrival {
            id: RequestId::from_bytes([1; 16]),
            at: Moment { wall: self.now, tick: Tick::default() },
            source: Source { address: "192.0.2.7".parse().unwrap(), tls: self.tls },
            method: Method::from_bytes(self.method.as_bytes()).unwrap(),
            host: self.host.clone(),
            target: self.target.clone(),
            path: NormalPath::parse("/", PathMode::Api).unwrap(),
            headers,
        }
    }

    /// What is left to check of the body once the head is found good.
    fn head(&self) -> Result<PayloadCheck, String> {
        let (arrival, body) = (self.arrival(), BodyHash::of(&self.body));
        let rules = Rules { region: &self.region, service: &self.service, paths: self.paths, skew: SKEW };
        let presented = Presented::parse(&arrival, &rules).map_err(|it| it.to_string())?;
        let read = (presented.payload() == Payload::Unwritten).then_some(&body);
        let key = presented.signing_key(SECRET);
        presented.verify(&key, &arrival, read).map_err(|it| it.to_string())
    }

    /// Does what the gateway does, to the last byte of the body.
    fn judge(&self) -> Result<PayloadCheck, String> {
        let left = self.head()?;
        match &left {
            PayloadCheck::Sha256(hash) if *hash != BodyHash::of(&self.body) => {
                return Err(BadSignature::Body.to_string());
            }
            PayloadCheck::Chunks(chunks) => drop(chunked::decoded(chunks, &self.body).map_err(|it| it.to_string())?),
            PayloadCheck::Done | PayloadCheck::Unsigned | PayloadCheck::Sha256(_) => {}
        }
        Ok(left)
    }

    fn header(&mut self, name: &str) -> &mut String {
        &mut self.headers.iter_mut().find(|(it, _)| it == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(it, _)| it == name)
    }

    fn add(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    fn remove(&mut self, name: &str) {
        self.headers.retain(|(it, _)| it != name);
    }

    fn is_presigned(&self) -> bool {
        self.target.contains("X-Amz-Signature=")
    }
}

fn refused(sent: &Sent, why: &str) {
    let judged = sent.judge();
    assert!(judged.as_ref().is_err_and(|it| it.contains(why)), "{judged:?} is not `{why}`");
}

/// A small API request, signed by ourselves as the documents say.
fn get() -> Sent {
    oracle::signed(&oracle::Plain::api("GET", "/compute/instances?page=2", b""))
}

fn presigned(seconds: u64) -> Sent {
    oracle::signed(&oracle::Plain { lifetime: Some(seconds), ..oracle::Plain::objects("GET", "/b/k", b"") })
}

#[test]
fn a_signature_is_good_for_a_quarter_of_an_hour_either_way() {
    let minutes = |by: u64| Duration::from_mins(by);
    let at = |now| Sent { now, ..get() };
    assert_eq!(at(NOW + minutes(15)).judge(), Ok(PayloadCheck::Done));
    assert_eq!(at(NOW - minutes(15)).judge(), Ok(PayloadCheck::Done));
    for now in [NOW + minutes(16), NOW - minutes(16), NOW + minutes(15) + Duration::from_secs(1)] {
        refused(&at(now), "too far from now");
    }
}

#[test]
fn a_presigned_address_is_good_from_its_date_for_as_long_as_it_says() {
    let at = |now| Sent { now, ..presigned(3600) };
    assert_eq!(at(NOW).judge(), Ok(PayloadCheck::Unsigned));
    assert_eq!(at(NOW + Duration::from_secs(3599)).judge(), Ok(PayloadCheck::Unsigned));
    refused(&at(NOW + Duration::from_hours(1)), "expired");
    assert_eq!(at(NOW - Duration::from_mins(15)).judge(), Ok(PayloadCheck::Unsigned));
    refused(&at(NOW - Duration::from_mins(16)), "too far from now");
}

#[test]
fn a_presigned_address_lives_between_a_second_and_a_week() {
    assert!(presigned(1).judge().is_ok());
    assert!(presigned(604_800).judge().is_ok());
    for seconds in [0, 604_801, 10_000_000] {
        refused(&presigned(seconds), "X-Amz-Expires");
    }
    assert_eq!(Malformed::Part("X-Amz-Expires").told().reason, "presigned_lifetime");
    for text in ["", "+60", "-1", "1e3", "60 ", "0x10"] {
        let sent = presigned(60);
        let target = sent.target.replace("X-Amz-Expires=60", &format!("X-Amz-Expires={text}"));
        refused(&Sent { target, ..sent }, "X-Amz-Expires");
    }
}

#[test]
fn a_presigned_address_is_for_objects_only() {
    refused(&Sent { paths: PathMode::Api, ..presigned(60) }, "not taken here");
}

#[test]
fn a_signature_in_two_places_or_none_is_refused() {
    let mut both = get();
    both.target.push_str("&X-Amz-Signature=00");
    refused(&both, "exactly one place");
    let mut both = presigned(60);
    let line = get().header("authorization").clone();
    both.add("authorization", &line);
    refused(&both, "exactly one place");
    let mut none = get();
    none.remove("authorization");
    refused(&none, "exactly one place");
}

#[test]
fn a_parameter_of_a_presigned_address_is_there_once_and_spelled_exactly() {
    let sent = presigned(60);
    for (part, whole) in [("X-Amz-Expires=60", "X-Amz-Expires=60&X-Amz-Expires=60"), ("X-Amz-Date", "x-amz-date")] {
        refused(&Sent { target: sent.target.replace(part, whole), ..sent.clone() }, "missing, repeated or unreadable");
    }
    for extra in ["x-amz-signature=00", "X-Amz%2DSignature=00", "X-AMZ-EXPIRES=1"] {
        refused(&Sent { target: format!("{}&{extra}", sent.target), ..sent.clone() }, "missing, repeated");
    }
}

#[test]
fn the_signed_host_is_the_host_that_was_asked_for() {
    for (line, host) in [("cloudnx.in", "cloudnx.in"), ("CLOUDNX.IN.:8443", "cloudnx.in")] {
        let plain = oracle::Plain { host_line: Some(line), ..oracle::Plain::api("GET", "/", b"") };
        let sent = Sent { host: host.to_owned(), ..oracle::signed(&plain) };
        assert!(sent.judge().is_ok(), "{line}");
        refused(&Sent { host: "s3.cloudnx.in".to_owned(), ..sent }, "host");
    }
}

/// The same request with a signature that holds, over another list of headers.
fn signed_over(list: &str, sent: &Sent) -> Sent {
    let (mut sent, arrival) = (sent.clone(), sent.arrival());
    let (path, query) = sent.target.split_once('?').unwrap_or((&sent.target, ""));
    let (host, headers, method) = (sent.host.as_bytes(), &arrival.headers, &arrival.method);
    let request = canonical::Request { method, path, query, host, headers, signed: list, paths: sent.paths };
    let canonical = canonical::write(&request, &hex::encode(BodyHash::of(&sent.body))).unwrap();
    let scope = format!("20261122/{REGION}/{}/aws4_request", sent.service);
    let key = SigningKey::derive(SECRET, "20261122", REGION, &sent.service);
    let signature = key.sign(&presented::to_sign("20261122T010203Z", &scope, &canonical));
    *sent.header("authorization") =
        format!("{ALGORITHM} Credential={KEY_ID}/{scope},SignedHeaders={list},Signature={signature}");
    sent
}

#[test]
fn a_signature_that_holds_is_refused_when_it_covers_too_little() {
    let mut sent = get();
    sent.add("x-amz-meta-a", "1");
    sent.add("x-other", "1");
    for list in ["host;x-amz-date;x-amz-meta-a", "host;x-amz-date;x-amz-meta-a;x-other"] {
        assert_eq!(signed_over(list, &sent).judge(), Ok(PayloadCheck::Done), "{list}");
    }
    for (list, why) in [
        ("x-amz-date;x-amz-meta-a", "`host` is not signed"),
        ("host;x-amz-meta-a", "`x-amz-date` is not signed"),
        ("host;x-amz-date", "`x-amz-meta-a` is not signed"),
        ("host;x-amz-meta-a;x-amz-date", "`SignedHeaders`"),
        ("host;host;x-amz-date;x-amz-meta-a", "`SignedHeaders`"),
        ("host;x-amz-date;x-amz-meta-a;x-other;x-other", "`SignedHeaders`"),
    ] {
        refused(&signed_over(list, &sent), why);
    }
}

#[test]
fn a_body_that_is_not_signed_comes_over_tls_and_to_objects_only() {
    let plain = oracle::Plain::objects("PUT", "/b/k", b"x");
    let framing = Framing { signed: false, length: 1, trailer: Some(Checksum::Crc32) };
    for plain in
        [oracle::Plain { payload: Some("UNSIGNED-PAYLOAD"), ..plain.clone() }, plain.clone().in_chunks(framing, 1)]
    {
        let sent = oracle::signed(&plain);
        assert!(sent.judge().is_ok());
        refused(&Sent { tls: false, ..sent.clone() }, "over TLS");
        refused(&Sent { paths: PathMode::Api, ..sent }, "not taken here");
    }
    refused(&Sent { tls: false, ..presigned(60) }, "over TLS");
}

#[test]
fn a_kind_of_body_that_cannot_be_checked_is_refused_and_never_taken_for_a_hash() {
    let with = |literal: &str| {
        let mut sent = oracle::signed(&oracle::Plain::objects("PUT", "/b/k", b"x"));
        literal.clone_into(sent.header("x-amz-content-sha256"));
        sent
    };
    for literal in ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"] {
        refused(&with(literal), "how the chunks of the body are to be read");
    }
    let hash = hex::encode(BodyHash::of(b"x"));
    let ecdsa = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD";
    for bad in
        [ecdsa, "", "unsigned-payload", "required", "0", &hash.to_uppercase(), hash.split_at(1).1, &format!("{hash}0")]
    {
        refused(&with(bad), "not taken here");
    }
    let mut absent = with(&hash);
    absent.remove("x-amz-content-sha256");
    *absent.header("authorization") = absent.header("authorization").replace("x-amz-content-sha256;", "");
    refused(&absent, "not taken here");
}

#[test]
fn a_body_whose_hash_is_not_written_must_be_read_first() {
    let sent = oracle::signed(&oracle::Plain::api("POST", "/compute/instances", b"{}"));
    let arrival = sent.arrival();
    let rules = Rules { region: REGION, service: "cloudnx", paths: PathMode::Api, skew: SKEW };
    let presented = Presented::parse(&arrival, &rules).unwrap();
    let key = presented.signing_key(SECRET);
    assert_eq!(presented.payload(), Payload::Unwritten);
    assert_eq!(presented.verify(&key, &arrival, None), Err(BadSignature::BodyUnread));
    assert_eq!(presented.verify(&key, &arrival, Some(&BodyHash::of(b"{ }"))), Err(BadSignature::Mismatch));
    assert_eq!(presented.verify(&key, &arrival, Some(&BodyHash::of(b"{}"))), Ok(PayloadCheck::Done));
}

#[test]
fn a_body_whose_hash_is_written_may_be_read_before_or_after() {
    let sent = oracle::signed(&oracle::Plain::objects("PUT", "/b/k", b"hello"));
    let arrival = sent.arrival();
    let rules = Rules { region: REGION, service: "s3", paths: PathMode::Objects, skew: SKEW };
    let presented = Presented::parse(&arrival, &rules).unwrap();
    let key = presented.signing_key(SECRET);
    let mut hash = BodyHash::new();
    hash.update(b"hel");
    hash.update(b"lo");
    let hash = hash.finish();
    assert_eq!(presented.verify(&key, &arrival, None), Ok(PayloadCheck::Sha256(hash)));
    assert_eq!(presented.verify(&key, &arrival, Some(&hash)), Ok(PayloadCheck::Done));
    assert_eq!(presented.verify(&key, &arrival, Some(&BodyHash::of(b"hullo"))), Err(BadSignature::Body));
}

#[test]
fn a_signing_key_is_derived_once_a_day_and_again_for_another_secret() {
    let (keys, sent) = (SigningKeys::default(), get());
    let arrival = sent.arrival();
    let rules = Rules { region: REGION, service: "cloudnx", paths: PathMode::Api, skew: SKEW };
    let presented = Presented::parse(&arrival, &rules).unwrap();
    assert_eq!(presented.access_key_id(), KEY_ID);
    let mut opened = 0;
    let mut find = |sealed: &[u8], secret: &str| {
        let open = || {
            opened += 1;
            Ok::<_, ()>(zeroize::Zeroizing::new(secret.to_owned()))
        };
        let key = presented.cached_signing_key(&keys, sealed, open).unwrap();
        presented.verify(&key, &arrival, Some(&BodyHash::of(b""))).is_ok()
    };
    assert!(find(b"one", SECRET) && find(b"one", "never asked for"));
    assert!(!find(b"two", "another secret"));
    assert_eq!(opened, 2);
    assert_eq!(presented.cached_signing_key(&keys, b"three", || Err("sealed")).map(|_| ()), Err("sealed"));
}

#[test]
fn nothing_that_is_printed_holds_a_secret_or_a_signature() {
    let mut sent = get();
    let line = sent.header("authorization").clone();
    let arrival = sent.arrival();
    let rules = Rules { region: REGION, service: "cloudnx", paths: PathMode::Api, skew: SKEW };
    let presented = Presented::parse(&arrival, &rules).unwrap();
    let signer = Signer::new(KEY_ID.to_owned(), SECRET.to_owned().into(), REGION.to_owned(), "s3".to_owned());
    let printed = format!("{presented:?} {:?} {signer:?}", presented.signing_key(SECRET));
    assert!(!printed.contains(SECRET) && !printed.contains(line.rsplit('=').next().unwrap()), "{printed}");
}

proptest! {
    #[test]
    fn reading_never_panics(
        line in "(AWS4-HMAC-SHA256 )?(Credential=|SignedHeaders=|Signature=|[a-z/;,= ]|\\PC){0,12}",
        date in "([0-9]{8}T[0-9]{6}Z|\\PC{0,16})",
        query in "((X-Amz-(Signature|Date|Expires|Credential)=?)|%[0-9a-z]{0,2}|&|\\PC){0,12}",
        paths in prop_oneof![Just(PathMode::Api), Just(PathMode::Objects)],
    ) {
        let mut sent = Sent { target: format!("/{query}?{query}"), paths, ..get() };
        sent.judge().ok();
        line.clone_into(sent.header("authorization"));
        date.clone_into(sent.header("x-amz-date"));
        prop_assert!(sent.judge().is_err());
    }
}
