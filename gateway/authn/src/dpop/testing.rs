//! Somebody with a key, who makes whatever proof is wanted.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::testing::NOW;
use crate::token::testing::Issuer;
use crate::token::{Alg, Numbers};

/// A key, and what it is called in a proof.
pub(crate) struct Holder {
    signer: Issuer,
    pub(crate) jwk: Value,
}

impl Holder {
    pub(crate) fn new(alg: Alg) -> Self {
        let signer = Issuer::new(alg, "proof");
        let text = |it: &[u8]| URL_SAFE_NO_PAD.encode(it);
        let jwk = match signer.public().numbers {
            Numbers::Rsa { n, e } => json!({ "e": text(&e), "kty": "RSA", "n": text(&n) }),
            Numbers::P256 { x, y } => json!({ "crv": "P-256", "kty": "EC", "x": text(&x), "y": text(&y) }),
            Numbers::Ed25519 { x } => json!({ "crv": "Ed25519", "kty": "OKP", "x": text(&x) }),
        };
        Self { signer, jwk }
    }

    pub(crate) fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": self.signer.public().alg().as_str(), "jwk": self.jwk })
    }

    /// RFC 7638, by another way than the code under test: the members stand in their order above.
    pub(crate) fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.jwk.to_string().as_bytes()))
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.signer.sign(&header.to_string(), &claims.to_string())
    }
}

/// What a proof says that is made for this token.
pub(crate) fn claims(method: &str, htu: &str, token: Option<&str>) -> Value {
    let mut said = json!({ "jti": "one", "htm": method, "htu": htu, "iat": NOW.seconds() });
    if let Some(token) = token {
        said["ath"] = URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes())).into();
    }
    said
}
