//! What it costs to know that whoever shows a bound token holds its key, beside the token itself.
#![expect(clippy::unwrap_used, reason = "a bench has a reader and no caller")]

use std::hint::black_box;

use authn::dpop::{Asked, PROOF, prove};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, criterion_group, criterion_main};
use domain::Timestamp;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
const HOST: &str = "api.novastraxis.com";
const PATH: &str = "/v2/compute/instances";

/// A token is as long as this, and what it says does not matter here.
const TOKEN: usize = 700;

fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

fn keys() -> [(&'static str, Value, Sign); 3] {
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let (x, y) = p256.public_key().as_ref().split_last_chunk::<32>().unwrap();
    let ec = json!({ "kty": "EC", "crv": "P-256", "x": text(x.split_first().unwrap().1), "y": text(y) });
    let ed = Ed25519KeyPair::generate().unwrap();
    let okp = json!({ "kty": "OKP", "crv": "Ed25519", "x": text(ed.public_key()) });
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let (n, e) = (rsa.public_key().modulus(), rsa.public_key().exponent());
    let (n, e) = (n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero());
    let long = json!({ "kty": "RSA", "n": text(n), "e": text(e) });
    [
        ("ES256", ec, Box::new(move |it| p256.sign(&SystemRandom::new(), it).unwrap().as_ref().to_vec())),
        ("EdDSA", okp, Box::new(move |it| ed.sign(it).as_ref().to_vec())),
        (
            "RS256",
            long,
            Box::new(move |it| {
                let mut signature = vec![0; rsa.public_modulus_len()];
                rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), it, &mut signature).unwrap();
                signature
            }),
        ),
    ]
}

fn proofs(criterion: &mut Criterion) {
    let token = "a".repeat(TOKEN);
    for (alg, jwk, sign) in keys() {
        let header = json!({ "typ": "dpop+jwt", "alg": alg, "jwk": jwk });
        let ath = text(digest(&SHA256, token.as_bytes()));
        let htu = format!("https://{HOST}{PATH}");
        let said = json!({ "jti": "0123456789abcdef", "htm": "GET", "htu": htu, "iat": NOW.seconds(), "ath": ath });
        let message = format!("{}.{}", text(header.to_string()), text(said.to_string()));
        let proof = format!("{message}.{}", text(sign(message.as_bytes())));
        let mut headers = HeaderMap::new();
        headers.insert(PROOF, HeaderValue::try_from(&proof).unwrap());
        let asked = Asked { method: &Method::GET, host: HOST, path: PATH, token: Some(&token) };
        assert!(prove(&headers, &asked, NOW).is_ok());
        let name = format!("proof of possession, {alg}, {} bytes", proof.len());
        criterion.bench_function(&name, |it| it.iter(|| prove(black_box(&headers), &asked, NOW)));
    }
}

criterion_group!(benches, proofs);
criterion_main!(benches);
