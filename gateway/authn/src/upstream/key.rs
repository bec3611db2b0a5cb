//! The key that identity tokens are signed with: Ed25519, because a token that is made anew should cost little.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

/// The key that signs. It has no `Debug`, and the crypto library wipes it when it is dropped.
pub struct IdentityKey {
    pair: Ed25519KeyPair,
    public: PublicHalf,
}

/// A seed that no key can be made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no key to sign identity tokens with can be made from its seed")]
pub struct BadIdentityKey;

/// What identity tokens are verified with: a set of keys (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IdentityKeySet {
    keys: Vec<PublicHalf>,
}

/// The public half of the key (RFC 8037).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct PublicHalf {
    kty: &'static str,
    crv: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    kid: String,
    x: String,
}

impl IdentityKey {
    /// From the 32 bytes of its seed.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, BadIdentityKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| BadIdentityKey)?;
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        let kid = thumbprint(&x);
        Ok(Self { pair, public: PublicHalf { kty: "OKP", crv: "Ed25519", usage: "sig", alg: "EdDSA", kid, x } })
    }

    /// What is verified with.
    pub fn public(&self) -> IdentityKeySet {
        IdentityKeySet { keys: vec![self.public.clone()] }
    }

    /// The same, beside others. Of two that are the same there is one.
    pub(super) fn public_beside(&self, others: &[Self]) -> IdentityKeySet {
        let mut set = self.public();
        for other in others {
            if !set.keys.contains(&other.public) {
                set.keys.push(other.public.clone());
            }
        }
        set
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        &self.public.kid
    }

    pub(super) fn sign(&self, content: &[u8]) -> impl AsRef<[u8]> {
        self.pair.sign(content)
    }
}

/// What of a key tells it from every other (RFC 7638): its required members, sorted, without spaces, digested.
fn thumbprint(x: &str) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_published_under_the_name_of_rfc_8037() {
        // Appendices A.1 to A.3 of RFC 8037.
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = IdentityKey::from_seed(&seed.try_into().unwrap()).unwrap();
        let published = serde_json::to_value(key.public()).unwrap();
        let expected = serde_json::json!({ "keys": [{
            "kty": "OKP",
            "crv": "Ed25519",
            "use": "sig",
            "alg": "EdDSA",
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }] });
        assert_eq!(published, expected);
    }
}
