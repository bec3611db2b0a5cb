//! An issuer for tests, which signs whatever it is given.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{KeyRecord, Timestamp};
use serde_json::{Value, json};

use super::{Alg, KeySet, Numbers, PublicKey};
use crate::Keyring;
use crate::testing::{NOW, tenant};

pub(crate) const ISSUER: &str = "https://api.novastraxis.com";

pub(crate) struct Issuer {
    kid: String,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Issuer {
    pub(crate) fn new(alg: Alg, kid: &str) -> Self {
        let pair = match alg {
            Alg::Rs256 => Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())),
            Alg::Es256 => Pair::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()),
            Alg::EdDsa => Pair::Ed25519(Ed25519KeyPair::generate().unwrap()),
        };
        Self { kid: kid.to_owned(), pair }
    }

    /// The quickest to make, where it does not matter which.
    pub(crate) fn any() -> Self {
        Self::new(Alg::EdDsa, "one")
    }

    pub(crate) fn public(&self) -> PublicKey {
        let of_32 = |it: &[u8]| <[u8; 32]>::try_from(it).unwrap();
        let numbers = match &self.pair {
            Pair::Rsa(pair) => {
                let key = pair.public_key();
                let bytes = |it: &[u8]| it.to_vec();
                Numbers::Rsa {
                    n: bytes(key.modulus().big_endian_without_leading_zero()),
                    e: bytes(key.exponent().big_endian_without_leading_zero()),
                }
            }
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                Numbers::P256 { x: of_32(&point[1..33]), y: of_32(&point[33..]) }
            }
            Pair::Ed25519(pair) => Numbers::Ed25519 { x: of_32(pair.public_key().as_ref()) },
        };
        PublicKey { kid: self.kid.clone(), numbers }
    }

    pub(crate) fn keys(&self) -> KeySet {
        KeySet::of([self.public()]).unwrap()
    }

    /// A ring of these keys, which belong to `acme`.
    pub(crate) fn ring(&self, keys: &[KeyRecord]) -> Keyring {
        Keyring::build([tenant("acme")], keys.to_vec()).with_token_keys(self.keys())
    }

    pub(crate) fn header(&self) -> Value {
        json!({ "alg": self.public().alg().as_str(), "kid": self.kid, "typ": "at+jwt" })
    }

    /// A good token, but for what the claims say.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.sign(&self.header().to_string(), &claims.to_string())
    }

    /// Signs these very texts.
    pub(crate) fn sign(&self, header: &str, payload: &str) -> String {
        self.sign_parts(&URL_SAFE_NO_PAD.encode(header), &URL_SAFE_NO_PAD.encode(payload))
    }

    /// Signs these very parts.
    pub(crate) fn sign_parts(&self, header: &str, payload: &str) -> String {
        let message = format!("{header}.{payload}");
        let bytes = message.as_bytes();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature).unwrap();
                signature
            }
            Pair::P256(pair) => pair.sign(&SystemRandom::new(), bytes).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(bytes).as_ref().to_vec(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// What our issuer says for this key at this moment.
pub(crate) fn claims_at(key: &KeyRecord, now: Timestamp) -> Value {
    let scopes: Vec<&str> = key.scopes.iter().map(domain::Scope::as_str).collect();
    json!({
        "iss": ISSUER,
        "aud": ISSUER,
        "sub": key.owner.as_deref().unwrap_or(key.id.as_str()),
        "client_id": key.id.as_str(),
        "tenant": key.tenant.as_str(),
        "scope": scopes.join(" "),
        "jti": "0123456789abcdefghijAB",
        "iat": now.seconds(),
        "exp": now.seconds() + 900,
    })
}

pub(crate) fn claims(key: &KeyRecord) -> Value {
    claims_at(key, NOW)
}

/// The same with another value; without the claim where it is null.
pub(crate) fn with(mut claims: Value, name: &str, value: Value) -> Value {
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}
