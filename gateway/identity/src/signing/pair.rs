//! RSA as tokens need it: drawing a key, naming it, writing its public half, signing.
//!
//! 2048 bits. A token is good for minutes and a key for weeks, for which NIST SP 800-57 takes 112 bits of strength until the
//! end of 2030; every request that shows a new token pays for verifying it, and 3072 bits cost twice as much there, seven
//! times as much to sign, and make each token 170 bytes longer.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKey};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Timestamp, TokenKey, TokenKeyStage, Vault};
use serde::{Serialize, Serializer};

/// A key that signs tokens is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTokenKey {
    /// The crypto library did not make one.
    #[error("no key to sign tokens with could be drawn")]
    Undrawn,
    /// The master key does not open it, or did not seal it.
    #[error("the key that signs tokens cannot be sealed or unsealed under the master key")]
    Sealed,
    /// It is not what its name says.
    #[error("a key that signs tokens is not the one that it is called by")]
    Misnamed,
}

/// The public half of a key, as sets of keys write it (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jwk {
    kty: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    kid: String,
    #[serde(serialize_with = "base64url")]
    n: Vec<u8>,
    #[serde(serialize_with = "base64url")]
    e: Vec<u8>,
}

fn base64url<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
}

impl Jwk {
    /// From the `RSAPublicKey` of RFC 8017: a sequence of two numbers.
    fn read(der: &[u8]) -> Option<Self> {
        let (sequence, rest) = element(der, 0x30)?;
        let (n, more) = element(sequence, 0x02)?;
        let (e, last) = element(more, 0x02)?;
        let whole = rest.is_empty() && last.is_empty();
        // A zero in front keeps a number from being negative, and is no part of it.
        let written = |it: &[u8]| it.strip_prefix(&[0]).unwrap_or(it).to_vec();
        let (n, e) = (written(n), written(e));
        let kid = thumbprint(&URL_SAFE_NO_PAD.encode(&n), &URL_SAFE_NO_PAD.encode(&e));
        whole.then_some(Self { kty: "RSA", usage: "sig", alg: "RS256", kid, n, e })
    }

    /// The public half of a key that is kept, if it is the one that it is called by.
    pub fn of(key: &TokenKey) -> Result<Self, BadTokenKey> {
        let public = PublicKey::from_der(&key.public).map_err(|_| BadTokenKey::Misnamed)?;
        Self::read(public.as_ref()).filter(|it| it.kid == key.kid).ok_or(BadTokenKey::Misnamed)
    }

    /// What tokens call it.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its modulus and its public exponent, the highest byte first.
    pub fn numbers(&self) -> (&[u8], &[u8]) {
        (&self.n, &self.e)
    }
}

/// What of a key tells it from every other (RFC 7638): its required members, sorted, without spaces, digested.
fn thumbprint(n: &str, e: &str) -> String {
    let members = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
    digest_of(&members)
}

/// The SHA-256 of a text, in base64url.
pub(crate) fn digest_of(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

/// What an element of DER with this tag holds, and what comes after it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (_, rest) = der.split_first().filter(|(it, _)| **it == tag)?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*length) {
        short @ 0..=0x7f => (short, rest),
        long => {
            let (digits, rest) = rest.split_at_checked(long - 0x80).filter(|(it, _)| it.len() <= 4)?;
            (digits.iter().fold(0, |sum, it| sum << 8 | usize::from(*it)), rest)
        }
    };
    rest.split_at_checked(length)
}

/// Draws a key: a few tenths of a second of hard work.
pub fn draw_token_key(vault: &dyn Vault, now: Timestamp, stage: TokenKeyStage) -> Result<TokenKey, BadTokenKey> {
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| BadTokenKey::Undrawn)?;
    // Wiped when it is dropped.
    let private: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| BadTokenKey::Undrawn)?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| BadTokenKey::Undrawn)?;
    let Jwk { kid, .. } = Jwk::read(pair.public_key().as_ref()).ok_or(BadTokenKey::Undrawn)?;
    let sealed = vault.keep_token_key(&kid, private.as_ref()).map_err(|_| BadTokenKey::Sealed)?;
    Ok(TokenKey { kid, public: public.as_ref().to_vec(), sealed: Some(sealed), published: now, stage })
}

/// A key that signs. It has no `Debug`, and the crypto library wipes it when it is dropped.
pub(super) struct Signer {
    kid: String,
    pair: KeyPair,
}

impl Signer {
    /// From the sealed half of a key.
    pub(super) fn open(key: &TokenKey, sealed: &[u8], vault: &dyn Vault) -> Result<Self, BadTokenKey> {
        let private = vault.open_token_key(&key.kid, sealed).map_err(|_| BadTokenKey::Sealed)?;
        let pair = KeyPair::from_pkcs8(&private).map_err(|_| BadTokenKey::Sealed)?;
        let named = Jwk::read(pair.public_key().as_ref()).is_some_and(|it| it.kid == key.kid);
        if named { Ok(Self { kid: key.kid.clone(), pair }) } else { Err(BadTokenKey::Misnamed) }
    }

    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// An RS256 signature.
    pub(super) fn sign(&self, text: &str) -> Result<Vec<u8>, BadTokenKey> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let signed = self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature);
        signed.map(|()| signature).map_err(|_| BadTokenKey::Undrawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_that_of_rfc_7638() {
        // Section 3.1 of RFC 7638.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs\
                 tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n9\
                 1CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        assert_eq!(thumbprint(n, "AQAB"), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn what_is_no_key_is_not_read() {
        for bad in [&[][..], &[0x30], &[0x30, 0x82], &[0x30, 0x80], &[0x30, 0x03, 0x02, 0x01, 0x01], &[0x31, 0x00]] {
            assert_eq!(Jwk::read(bad), None, "{bad:?}");
        }
        // Something after the end.
        assert_eq!(Jwk::read(&[0x30, 0x06, 0x02, 0x01, 0x07, 0x02, 0x01, 0x03, 0x00]), None);
        assert!(Jwk::read(&[0x30, 0x06, 0x02, 0x01, 0x07, 0x02, 0x01, 0x03]).is_some());
    }
}
