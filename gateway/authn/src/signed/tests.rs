use domain::{ApiName, AuthMethod, Caller, KeyRecord, Overlap, Timestamp, Vault};
use http::Method;
use zeroize::Zeroizing;

use super::*;
use crate::sigv4::{BadSignature, BodyHash, Malformed, Outgoing, SKEW, Signer, SigningKey};
use crate::testing::{NOW, arrival, minted_key, record, secrets, tenant};
use crate::{AuthRules, Kind, MasterKey, Peppers, authenticate, needs_body};

const ID: &str = "AKIDAAAAAAAAAAAAAAAA";
const SECRET: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00";
const TARGET: &str = "/compute/instances?page=2";

fn access_key() -> KeyRecord {
    let secret = secrets().keep_access_key(ID, SECRET).unwrap();
    KeyRecord { api: "cloudnx".parse().unwrap(), ..record(secret) }
}

/// A request whose body has a hash in its head, as most clients send it.
fn signed(secret: &str, body: &[u8]) -> Arrival {
    let mut sent = arrival(TARGET, &[("host", "cloudnx.in")]);
    sent.host = "cloudnx.in".to_owned();
    let payload = hex::encode(BodyHash::of(body));
    let request = Outgoing {
        method: &Method::GET,
        host: "cloudnx.in",
        path: "/compute/instances",
        query: "page=2",
        payload: &payload,
        paths: PathMode::Api,
    };
    let signer = Signer::new(ID.into(), Zeroizing::new(secret.into()), "in-mum".into(), "cloudnx".into());
    signer.sign(&request, &mut sent.headers, NOW).unwrap();
    sent
}

/// A request whose body is signed without its hash being written anywhere, as `botocore.auth.SigV4Auth` sends it.
fn signed_over_body(body: &[u8]) -> Arrival {
    let (date, scope) = ("20260921T141320Z", "20260921/in-mum/cloudnx/aws4_request");
    assert_eq!(NOW, "2026-09-21T14:13:20Z".parse::<Timestamp>().unwrap());
    let body = hex::encode(BodyHash::of(body));
    let canonical =
        format!("GET\n/compute/instances\npage=2\nhost:cloudnx.in\nx-amz-date:{date}\n\nhost;x-amz-date\n{body}");
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex::encode(BodyHash::of(canonical.as_bytes())));
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in scope.split('/').chain([text.as_str()]) {
        let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
        key = aws_lc_rs::hmac::sign(&hmac, part.as_bytes()).as_ref().to_vec();
    }
    let line = format!(
        "AWS4-HMAC-SHA256 Credential={ID}/{scope}, SignedHeaders=host;x-amz-date, Signature={}",
        hex::encode(key)
    );
    let headers = [("host", "cloudnx.in"), ("x-amz-date", date), ("authorization", line.as_str())];
    let mut sent = arrival(TARGET, &headers);
    sent.host = "cloudnx.in".to_owned();
    sent
}

struct Cloudnx(ApiName);

impl Cloudnx {
    fn new() -> Self {
        Self("cloudnx".parse().unwrap())
    }

    fn rules(&self) -> AuthRules<'_> {
        let signatures = SignatureRules { region: "in-mum", service: "cloudnx", paths: PathMode::Api, skew: SKEW };
        AuthRules {
            api: &self.0,
            keys: None,
            signatures: Some(signatures),
            tokens: None,
            tenant_header: None,
            sessions: None,
            anonymous: false,
        }
    }

    fn ask(
        &self,
        sent: &Arrival,
        body: Option<&[u8]>,
        key: KeyRecord,
    ) -> Result<Option<(Caller, PayloadCheck)>, Unauthenticated> {
        let ring = Keyring::build([tenant("acme")], [key]);
        authenticate(&self.rules(), sent, body.map(BodyHash::of).as_ref(), &ring, &secrets())
    }

    #[track_caller]
    fn refuses(&self, sent: &Arrival, key: KeyRecord, cause: &Cause) -> Unauthenticated {
        let refused = self.ask(sent, None, key).unwrap_err();
        assert_eq!(refused.cause, *cause);
        assert!(refused.standing.is_none() || refused.method == Some(AuthMethod::SigV4), "{refused:?}");
        refused
    }
}

#[test]
fn a_signature_names_the_caller_and_what_is_left_to_check() {
    let key = access_key();
    let api = Cloudnx::new();
    let (caller, left) = api.ask(&signed(SECRET, b"body"), None, key.clone()).unwrap().unwrap();
    assert_eq!((caller.standing.key.clone(), caller.method), (key.id.clone(), AuthMethod::SigV4));
    assert_eq!(left, PayloadCheck::Sha256(BodyHash::of(b"body")));
    let (_, left) = api.ask(&signed(SECRET, b"body"), Some(b"body"), key).unwrap().unwrap();
    assert_eq!(left, PayloadCheck::Done);
}

#[test]
fn a_key_that_is_bound_to_a_resource_signs_for_nothing_of_the_api() {
    let api = Cloudnx::new();
    let bound = KeyRecord { bound: "bucket=photos".parse().ok(), ..access_key() };
    api.refuses(&signed(SECRET, b""), bound.clone(), &Cause::KindNotTaken);
    let ring = Keyring::build([tenant("acme")], [bound]);
    let rules = api.rules();
    let objects = rules.signatures.map(|it| SignatureRules { paths: PathMode::Objects, ..it });
    let rules = AuthRules { signatures: objects, ..rules };
    let (caller, _) = authenticate(&rules, &signed(SECRET, b""), None, &ring, &secrets()).unwrap().unwrap();
    assert_eq!(caller.standing.bound, "bucket=photos".parse().ok());
}

#[test]
fn a_signature_over_the_body_needs_the_body_first() {
    let api = Cloudnx::new();
    let sent = signed_over_body(b"body");
    let ring = Keyring::build([tenant("acme")], [access_key()]);
    assert!(needs_body(&api.rules(), &sent, &ring));
    assert!(!needs_body(&api.rules(), &sent, &Keyring::default()), "nobody has the key");
    assert!(!needs_body(&api.rules(), &signed(SECRET, b"body"), &ring));
    assert!(!needs_body(&api.rules(), &arrival(TARGET, &[]), &ring));
    let (_, left) = api.ask(&sent, Some(b"body"), access_key()).unwrap().unwrap();
    assert_eq!(left, PayloadCheck::Done);
    let other = api.ask(&sent, Some(b"another body"), access_key()).unwrap_err();
    assert_eq!(other.cause, Cause::BadSignature(BadSignature::Mismatch));
    api.refuses(&sent, access_key(), &Cause::BadSignature(BadSignature::BodyUnread));
}

#[test]
fn a_signature_by_another_secret_or_another_key_is_401_and_a_guess() {
    let api = Cloudnx::new();
    let key = access_key();
    let wrong = api.refuses(&signed("another secret", b""), key.clone(), &Cause::BadSignature(BadSignature::Mismatch));
    assert_eq!(
        (wrong.standing.as_ref().map(|it| &it.key), wrong.kind(), wrong.guessed()),
        (Some(&key.id), Kind::Unproven, true)
    );
    let kept = secrets().keep_access_key("AKIDBBBBBBBBBBBBBBBB", SECRET).unwrap();
    let unknown = api.refuses(&signed(SECRET, b""), KeyRecord { secret: kept, ..key }, &Cause::UnknownAccessKey);
    assert_eq!((unknown.standing.as_ref(), unknown.kind(), unknown.guessed()), (None, Kind::Unproven, true));
}

#[test]
fn a_body_that_is_not_the_signed_one_is_400() {
    let refused = Cloudnx::new().ask(&signed(SECRET, b"body"), Some(b"other"), access_key()).unwrap_err();
    assert_eq!((&refused.cause, refused.kind()), (&Cause::BadSignature(BadSignature::Body), Kind::Malformed));
}

#[test]
fn an_access_key_has_the_life_of_every_key() {
    let api = Cloudnx::new();
    let sent = signed(SECRET, b"");
    for (key, cause) in [
        (KeyRecord { revoked: Some(NOW), ..access_key() }, Cause::Revoked),
        (KeyRecord { expires: Some(NOW), ..access_key() }, Cause::Expired),
        (KeyRecord { overlap: Some(Overlap { since: NOW, until: NOW }), ..access_key() }, Cause::Replaced),
        (KeyRecord { api: "novastraxis".parse().unwrap(), ..access_key() }, Cause::WrongApi),
    ] {
        let id = key.id.clone();
        assert_eq!(api.refuses(&sent, key, &cause).standing.map(|it| it.key.clone()), Some(id));
    }
}

#[test]
fn a_signature_that_could_not_be_good_is_refused_before_any_secret() {
    let api = Cloudnx::new();
    let mut late = signed(SECRET, b"");
    late.at.wall = NOW + Duration::from_hours(1);
    let refused = api.refuses(&late, access_key(), &Cause::SignatureMalformed(Malformed::Skewed));
    assert!(!refused.guessed(), "a clock that is wrong is not a guess");
    let mut both = signed(SECRET, b"");
    both.target = format!("{TARGET}&X-Amz-Signature=00");
    api.refuses(&both, access_key(), &Cause::TwoCredentials);
}

#[test]
fn the_wrong_master_key_is_our_fault_and_lets_nobody_in() {
    let other = Secrets::new(Peppers::new([(1, [7; 32])]).unwrap(), MasterKey::from_bytes([8; 32]).unwrap());
    let ring = Keyring::build([tenant("acme")], [access_key()]);
    let refused = authenticate(&Cloudnx::new().rules(), &signed(SECRET, b""), None, &ring, &other).unwrap_err();
    assert_eq!((&refused.cause, refused.blame()), (&Cause::Unsealable, domain::Blame::Gateway));
}

#[test]
fn an_api_key_is_not_taken_where_only_signatures_are_and_a_key_is_not_found_by_its_digest() {
    let shown = arrival("/", &[("authorization", &format!("Bearer {}", minted_key("nx_live_", 1)))]);
    Cloudnx::new().refuses(&shown, access_key(), &Cause::KindNotTaken);
}

#[test]
fn neither_secret_nor_signature_is_ever_said() {
    let api = Cloudnx::new();
    let secrets = secrets();
    let ring = Keyring::build([tenant("acme")], [access_key()]);
    let mut said = Vec::new();
    for sent in [signed(SECRET, b""), signed("canary canary", b""), signed_over_body(b"canary")] {
        let answer = authenticate(&api.rules(), &sent, None, &ring, &secrets);
        said.push(format!("{answer:?} {secrets:?} {ring:?}"));
        if let Err(refused) = answer {
            said.push(format!("{refused} {:?} {}", refused.told(&api.rules()), refused.reason()));
        }
    }
    let derived = SigningKey::derive(SECRET, "20260921", "in-mum", "cloudnx");
    said.push(format!("{derived:?}"));
    assert!(
        said.iter().all(|it| !it.contains(SECRET) && !it.contains("canary") && !it.contains("Signature=")),
        "{said:#?}"
    );
}

#[test]
fn a_session_token_is_part_of_the_key_and_no_key_has_one() {
    let api = Cloudnx::new();
    let mut sent = arrival(TARGET, &[("host", "cloudnx.in"), ("x-amz-meta-token", "x")]);
    sent.host = "cloudnx.in".to_owned();
    let payload = hex::encode(BodyHash::of(b""));
    // As a client signs it: the token is one of the headers. The signer takes ours away, so that it is put back.
    let sign = |sent: &mut Arrival, query: &str| {
        let (method, path) = (&Method::GET, "/compute/instances");
        let host = "cloudnx.in";
        let request = Outgoing { method, host, path, query, payload: &payload, paths: PathMode::Api };
        let signer = Signer::new(ID.into(), Zeroizing::new(SECRET.into()), "in-mum".into(), "cloudnx".into());
        signer.sign(&request, &mut sent.headers, NOW).unwrap();
    };
    sign(&mut sent, "page=2");
    assert!(api.ask(&sent, None, access_key()).is_ok());
    let mut added = sent.clone();
    added.headers.insert("x-amz-security-token", "token".parse().unwrap());
    let unsigned = Malformed::Unsigned("x-amz-security-token".to_owned());
    api.refuses(&added, access_key(), &Cause::SignatureMalformed(unsigned));
    for name in ["X-Amz-Security-Token", "x-amz-security-token"] {
        let query = format!("page=2&{name}=token");
        let mut in_query = sent.clone();
        in_query.target = format!("/compute/instances?{query}");
        sign(&mut in_query, &query);
        api.refuses(&in_query, access_key(), &Cause::UnknownAccessKey);
    }
}

#[test]
fn a_signature_is_remembered_for_as_long_as_it_is_good() {
    let api = Cloudnx::new();
    let sent = signed(SECRET, b"");
    let lasts = |sent: &Arrival, by: Duration, sooner: bool| {
        let mut sent = sent.clone();
        sent.at.wall = if sooner { NOW - by } else { NOW + by };
        crate::signature(&api.rules(), &sent)
    };
    let minutes = Duration::from_mins;
    let line = sent.headers["authorization"].to_str().unwrap().rsplit('=').next().unwrap();
    let expected = |minutes_left| {
        let mut signature = [0; 32];
        hex::decode_to_slice(line, &mut signature).unwrap();
        Some(Signature::new(&signature, minutes(minutes_left)))
    };
    assert_eq!(lasts(&sent, minutes(0), false), expected(15));
    assert_eq!(lasts(&sent, minutes(15), false), expected(0));
    assert_eq!(lasts(&sent, minutes(15), true), expected(30));
    assert_eq!(lasts(&arrival(TARGET, &[]), minutes(0), false), None);
}

#[test]
fn an_operator_may_narrow_how_far_a_clock_may_be_off() {
    let api = Cloudnx::new();
    let mut rules = api.rules();
    if let Some(signatures) = &mut rules.signatures {
        signatures.skew = Duration::from_mins(1);
    }
    let ring = Keyring::build([tenant("acme")], [access_key()]);
    let mut sent = signed(SECRET, b"");
    sent.at.wall = NOW + Duration::from_mins(1);
    assert!(authenticate(&rules, &sent, None, &ring, &secrets()).is_ok());
    sent.at.wall = NOW + Duration::from_secs(61);
    let refused = authenticate(&rules, &sent, None, &ring, &secrets()).unwrap_err();
    assert_eq!(refused.cause, Cause::SignatureMalformed(Malformed::Skewed));
}
