//! What it costs to know who shows an access token, known from a moment ago or not.
#![expect(clippy::unwrap_used, reason = "a bench has a reader and no caller")]

use std::collections::BTreeMap;
use std::hint::black_box;

use authn::token::{Alg, KeySet, Numbers, PublicKey};
use authn::{AuthRules, Keyring, MasterKey, Peppers, Secrets, TokenRules, authenticate};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use domain::{
    ApiName, Arrival, KeyRecord, KeySecret, Moment, NormalPath, PathMode, RequestId, Source, Tenant, Tick, Timestamp,
};
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::json;

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
const ISSUER: &str = "https://api.novastraxis.com";
const KID: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

fn record() -> KeyRecord {
    let id: domain::KeyId = "key_0123456789abcdef".parse().unwrap();
    KeyRecord {
        lineage: id.founds(),
        id,
        api: "novastraxis".parse().unwrap(),
        tenant: "acme".parse().unwrap(),
        name: "bench".to_owned(),
        owner: Some("svc_0123456789abcdef".to_owned()),
        secret: KeySecret::Minted { digest: [7; 32], pepper: 1 },
        scopes: ["compute", "data", "network"].map(|it| it.parse().unwrap()).into(),
        tier: "standard".parse().unwrap(),
        ip_allow: Vec::new(),
        bound: None,
        created: NOW,
        expires: None,
        rotated_from: None,
        overlap: None,
        revoked: None,
        suspended: None,
        last_used: None,
    }
}

fn ring() -> Keyring {
    let id: domain::TenantId = "acme".parse().unwrap();
    let tenant = Tenant { name: id.to_string(), id, tiers: BTreeMap::new(), created: NOW, suspended: None };
    Keyring::build([tenant], [record()])
}

/// A token as our issuer writes it, and the key that verifies it.
fn token(alg: Alg, scope: &str) -> (String, PublicKey) {
    let header = json!({ "alg": alg.as_str(), "kid": KID, "typ": "at+jwt" });
    let claims = json!({
        "iss": ISSUER, "aud": ISSUER, "sub": "svc_0123456789abcdef", "client_id": "key_0123456789abcdef",
        "tenant": "acme", "scope": scope, "jti": "0123456789abcdefghijAB", "iat": NOW.seconds(),
        "exp": NOW.seconds() + 900,
    });
    let part = |it: &serde_json::Value| URL_SAFE_NO_PAD.encode(it.to_string());
    let message = format!("{}.{}", part(&header), part(&claims));
    let (signature, numbers) = sign(alg, message.as_bytes());
    (format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)), PublicKey { kid: KID.to_owned(), numbers })
}

fn sign(alg: Alg, message: &[u8]) -> (Vec<u8>, Numbers) {
    let of_32 = |it: &[u8]| <[u8; 32]>::try_from(it).unwrap();
    match alg {
        Alg::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
            let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
            let numbers = Numbers::Rsa {
                n: n.big_endian_without_leading_zero().to_vec(),
                e: e.big_endian_without_leading_zero().to_vec(),
            };
            (signature, numbers)
        }
        Alg::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let (x, y) = pair.public_key().as_ref().split_last_chunk::<32>().unwrap();
            let numbers = Numbers::P256 { x: of_32(x.split_first().unwrap().1), y: *y };
            (pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(), numbers)
        }
        Alg::EdDsa => {
            let pair = Ed25519KeyPair::generate().unwrap();
            let numbers = Numbers::Ed25519 { x: of_32(pair.public_key().as_ref()) };
            (pair.sign(message).as_ref().to_vec(), numbers)
        }
    }
}

fn arrival(token: &str) -> Arrival {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("api.novastraxis.com"));
    headers.insert(header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).unwrap());
    Arrival {
        id: RequestId::from_bytes([1; 16]),
        at: Moment { wall: NOW, tick: Tick::default() },
        source: Source { address: "192.0.2.7".parse().unwrap(), tls: true },
        method: Method::GET,
        host: "api.novastraxis.com".to_owned(),
        target: "/v2/compute/instances?page=2&per_page=100".to_owned(),
        path: NormalPath::parse("/v2/compute/instances", PathMode::Api).unwrap(),
        headers,
    }
}

fn tokens(criterion: &mut Criterion) {
    let secrets = Secrets::new(Peppers::new([(1, [7; 32])]).unwrap(), MasterKey::from_bytes([9; 32]).unwrap());
    let api: ApiName = "novastraxis".parse().unwrap();
    let rules = AuthRules {
        api: &api,
        keys: None,
        signatures: None,
        tokens: Some(TokenRules { issuer: ISSUER }),
        tenant_header: None,
        sessions: None,
        anonymous: false,
    };
    let plain = ring();
    for (alg, scope, name) in [
        (Alg::Rs256, "compute data network", "RS256"),
        (Alg::Rs256, "data", "RS256, fewer scopes than the key"),
        (Alg::Es256, "compute data network", "ES256"),
        (Alg::EdDsa, "compute data network", "EdDSA"),
    ] {
        let (token, key) = token(alg, scope);
        let arrival = arrival(&token);
        let check = |ring: &Keyring| authenticate(&rules, black_box(&arrival), None, ring, &secrets);
        let fresh = || plain.with_token_keys(KeySet::of([key.clone()]).unwrap());
        let ring = fresh();
        assert!(check(&ring).unwrap().is_some());
        let mut group = criterion.benchmark_group(format!("access token, {name}, {} bytes", token.len()));
        group.bench_function("known", |it| it.iter(|| check(&ring)));
        group.bench_function("not known", |it| it.iter_batched_ref(fresh, |it| check(it), BatchSize::LargeInput));
        group.finish();
    }
}

criterion_group!(benches, tokens);
criterion_main!(benches);
