//! Keys as tokens need them: drawing one, naming it, writing its public half, signing.
//!
//! RSA has 2048 bits. A token is good for minutes and a key for weeks, for which NIST SP 800-57 takes 112 bits of strength
//! until the end of 2030; every request that shows a new token pays for verifying it, and 3072 bits cost twice as much
//! there, seven times as much to sign, and make each token 170 bytes longer. The curves have 128 bits of strength and tokens
//! that are 256 bytes shorter.

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize, PublicKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    ParsedPublicKey, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Timestamp, TokenKey, TokenKeyAlg, TokenKeyStage, Vault};
use serde::{Serialize, Serializer};

/// What stands before a point of P-256 in a `SubjectPublicKeyInfo`: the kind, the curve, and that it is not compressed.
const P256: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// What stands before a point of Ed25519 in a `SubjectPublicKeyInfo`.
const CURVE_25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

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
    #[serde(flatten)]
    numbers: JwkNumbers,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    kid: String,
}

/// What a public key is made of (RFC 7518, RFC 8037). All numbers begin with their highest byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kty")]
pub enum JwkNumbers {
    /// RSA.
    #[serde(rename = "RSA")]
    Rsa {
        /// The modulus, without zeros before it.
        #[serde(serialize_with = "base64url")]
        n: Vec<u8>,
        /// The public exponent, without zeros before it.
        #[serde(serialize_with = "base64url")]
        e: Vec<u8>,
    },
    /// A point of the curve P-256.
    #[serde(rename = "EC")]
    P256 {
        /// The name of the curve.
        crv: &'static str,
        /// Its first coordinate.
        #[serde(serialize_with = "base64url")]
        x: [u8; 32],
        /// Its second coordinate.
        #[serde(serialize_with = "base64url")]
        y: [u8; 32],
    },
    /// A point of Ed25519, compressed.
    #[serde(rename = "OKP")]
    Ed25519 {
        /// The name of the curve.
        crv: &'static str,
        /// The point.
        #[serde(serialize_with = "base64url")]
        x: [u8; 32],
    },
}

fn base64url<S: Serializer>(bytes: impl AsRef<[u8]>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
}

impl Jwk {
    /// The public half of a key that is kept, if it is of the kind that the key signs with and the one that the key is
    /// called by.
    pub fn of(key: &TokenKey) -> Result<Self, BadTokenKey> {
        JwkNumbers::read(key.alg, &key.public)
            .map(Self::new)
            .filter(|it| it.kid == key.kid)
            .ok_or(BadTokenKey::Misnamed)
    }

    fn new(numbers: JwkNumbers) -> Self {
        Self { usage: "sig", alg: numbers.alg().as_str(), kid: numbers.thumbprint(), numbers }
    }

    /// What tokens call it.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What tokens that it signs are signed with.
    pub fn alg(&self) -> &'static str {
        self.alg
    }

    /// What it is made of.
    pub fn numbers(&self) -> &JwkNumbers {
        &self.numbers
    }
}

impl JwkNumbers {
    /// From a `SubjectPublicKeyInfo` in DER of the kind that signs so; nothing for another kind, and for what is no key.
    fn read(alg: TokenKeyAlg, der: &[u8]) -> Option<Self> {
        match alg {
            TokenKeyAlg::Rs256 => {
                // The crypto library does not mind what comes after it.
                let (_, rest) = element(der, 0x30)?;
                rest.is_empty().then(|| Self::rsa(PublicKey::from_der(der).ok()?.as_ref()))?
            }
            TokenKeyAlg::Es256 => Self::p256(der.strip_prefix(&P256)?),
            TokenKeyAlg::EdDsa => Self::ed25519(der.strip_prefix(&CURVE_25519)?),
        }
    }

    /// From the `RSAPublicKey` of RFC 8017: a sequence of two numbers.
    fn rsa(der: &[u8]) -> Option<Self> {
        let (sequence, rest) = element(der, 0x30)?;
        let (n, more) = element(sequence, 0x02)?;
        let (e, last) = element(more, 0x02)?;
        let whole = rest.is_empty() && last.is_empty();
        // A zero in front keeps a number from being negative, and is no part of it.
        let written = |it: &[u8]| it.strip_prefix(&[0]).unwrap_or(it).to_vec();
        whole.then(|| Self::Rsa { n: written(n), e: written(e) })
    }

    /// From both coordinates.
    fn p256(point: &[u8]) -> Option<Self> {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4], point].concat()).ok()?;
        let (x, y) = point.split_at_checked(32)?;
        Some(Self::P256 { crv: "P-256", x: x.try_into().ok()?, y: y.try_into().ok()? })
    }

    fn ed25519(point: &[u8]) -> Option<Self> {
        ParsedPublicKey::new(&ED25519, point).ok()?;
        Some(Self::Ed25519 { crv: "Ed25519", x: point.try_into().ok()? })
    }

    fn alg(&self) -> TokenKeyAlg {
        match self {
            Self::Rsa { .. } => TokenKeyAlg::Rs256,
            Self::P256 { .. } => TokenKeyAlg::Es256,
            Self::Ed25519 { .. } => TokenKeyAlg::EdDsa,
        }
    }

    /// What of a key tells it from every other (RFC 7638): its required members, sorted, without spaces, digested.
    fn thumbprint(&self) -> String {
        let text = |it: &[u8]| URL_SAFE_NO_PAD.encode(it);
        digest_of(&match self {
            Self::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n)),
            Self::P256 { crv, x, y } => {
                format!(r#"{{"crv":"{crv}","kty":"EC","x":"{}","y":"{}"}}"#, text(x), text(y))
            }
            Self::Ed25519 { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{}"}}"#, text(x)),
        })
    }
}

/// The SHA-256 of a text, in base64url: what is kept of a secret of 256 bits, which nobody finds from it, and what a challenge
/// is of its verifier (RFC 7636).
pub fn digest_of(text: &str) -> String {
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

/// Draws a key that signs with this algorithm: a few tenths of a second of hard work where that is RSA.
pub fn draw_token_key(
    vault: &dyn Vault,
    alg: TokenKeyAlg,
    now: Timestamp,
    stage: TokenKeyStage,
) -> Result<TokenKey, BadTokenKey> {
    let pair = Pair::draw(alg)?;
    let public = pair.public()?;
    let kid = JwkNumbers::read(alg, &public).ok_or(BadTokenKey::Undrawn)?.thumbprint();
    let sealed = pair.with_private(|private| vault.keep_token_key(&kid, private).map_err(|_| BadTokenKey::Sealed))?;
    Ok(TokenKey { kid, alg, public, sealed: Some(sealed), published: now, stage })
}

/// Both halves of a key. It has no `Debug`, and the crypto library wipes it when it is dropped.
enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Pair {
    fn draw(alg: TokenKeyAlg) -> Result<Self, BadTokenKey> {
        let drawn = match alg {
            TokenKeyAlg::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).map(Self::Rsa),
            TokenKeyAlg::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Self::P256),
            TokenKeyAlg::EdDsa => Ed25519KeyPair::generate().map(Self::Ed25519),
        };
        drawn.map_err(|_| BadTokenKey::Undrawn)
    }

    /// From PKCS #8, if it is a key that signs so.
    fn open(alg: TokenKeyAlg, private: &[u8]) -> Result<Self, BadTokenKey> {
        let opened = match alg {
            TokenKeyAlg::Rs256 => RsaKeyPair::from_pkcs8(private).map(Self::Rsa),
            TokenKeyAlg::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private).map(Self::P256),
            TokenKeyAlg::EdDsa => Ed25519KeyPair::from_pkcs8(private).map(Self::Ed25519),
        };
        opened.map_err(|_| BadTokenKey::Sealed)
    }

    fn alg(&self) -> TokenKeyAlg {
        match self {
            Self::Rsa(_) => TokenKeyAlg::Rs256,
            Self::P256(_) => TokenKeyAlg::Es256,
            Self::Ed25519(_) => TokenKeyAlg::EdDsa,
        }
    }

    /// The public half: `SubjectPublicKeyInfo` in DER.
    fn public(&self) -> Result<Vec<u8>, BadTokenKey> {
        let der = match self {
            Self::Rsa(pair) => AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()),
            Self::P256(pair) => AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()),
            Self::Ed25519(pair) => AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()),
        };
        der.map(|it| it.as_ref().to_vec()).map_err(|_| BadTokenKey::Undrawn)
    }

    /// Lends out the private half in PKCS #8, which is wiped afterwards.
    fn with_private<T>(&self, to: impl FnOnce(&[u8]) -> Result<T, BadTokenKey>) -> Result<T, BadTokenKey> {
        let undrawn = |_| BadTokenKey::Undrawn;
        match self {
            Self::Rsa(pair) => to(AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map_err(undrawn)?.as_ref()),
            Self::P256(pair) => to(pair.to_pkcs8v1().map_err(undrawn)?.as_ref()),
            Self::Ed25519(pair) => to(pair.to_pkcs8v1().map_err(undrawn)?.as_ref()),
        }
    }
}

/// A key that signs. It has no `Debug`, and the crypto library wipes it when it is dropped.
pub(super) struct Signer {
    kid: String,
    pair: Pair,
}

impl Signer {
    /// From the sealed half of a key.
    pub(super) fn open(key: &TokenKey, sealed: &[u8], vault: &dyn Vault) -> Result<Self, BadTokenKey> {
        let private = vault.open_token_key(&key.kid, sealed).map_err(|_| BadTokenKey::Sealed)?;
        let pair = Pair::open(key.alg, &private)?;
        let named = JwkNumbers::read(key.alg, &pair.public()?).is_some_and(|it| it.thumbprint() == key.kid);
        if named { Ok(Self { kid: key.kid.clone(), pair }) } else { Err(BadTokenKey::Misnamed) }
    }

    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// What it signs with, as heads of tokens say it.
    pub(super) fn alg(&self) -> &'static str {
        self.pair.alg().as_str()
    }

    /// The half of a text's digest that stands for it in an ID token: of the digest that the signature is made with, which
    /// for Ed25519 is SHA-512 (OpenID Connect Core, section 3.1.3.6).
    pub(super) fn half_of(&self, text: &str) -> String {
        let whole = match self.pair {
            Pair::Rsa(_) | Pair::P256(_) => digest(&SHA256, text.as_bytes()),
            Pair::Ed25519(_) => digest(&SHA512, text.as_bytes()),
        };
        URL_SAFE_NO_PAD.encode(whole.as_ref().get(..whole.as_ref().len() / 2).unwrap_or_default())
    }

    /// The signature of a text.
    pub(super) fn sign(&self, text: &str) -> Result<Vec<u8>, BadTokenKey> {
        let text = text.as_bytes();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature);
                signed.map(|()| signature).map_err(|_| BadTokenKey::Undrawn)
            }
            Pair::P256(pair) => {
                let signed = pair.sign(&SystemRandom::new(), text);
                signed.map(|it| it.as_ref().to_vec()).map_err(|_| BadTokenKey::Undrawn)
            }
            Pair::Ed25519(pair) => pair.try_sign(text).map(|it| it.as_ref().to_vec()).map_err(|_| BadTokenKey::Undrawn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded<T: TryFrom<Vec<u8>>>(text: &str) -> T {
        URL_SAFE_NO_PAD.decode(text).unwrap().try_into().ok().unwrap()
    }

    #[test]
    fn a_thumbprint_is_that_of_rfc_7638() {
        // Section 3.1 of RFC 7638.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs\
                 tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n9\
                 1CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let rsa = JwkNumbers::Rsa { n: decoded(n), e: decoded("AQAB") };
        assert_eq!(rsa.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        // Appendix A.3 of RFC 8037.
        let x = decoded("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        let ed25519 = JwkNumbers::Ed25519 { crv: "Ed25519", x };
        assert_eq!(ed25519.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        // The key of section 4.3 of RFC 9449, whose thumbprint section 6.1 shows.
        let (x, y) = ("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA");
        let p256 = JwkNumbers::P256 { crv: "P-256", x: decoded(x), y: decoded(y) };
        assert_eq!(p256.thumbprint(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    }

    #[test]
    fn what_is_no_key_is_not_read() {
        for bad in [&[][..], &[0x30], &[0x30, 0x82], &[0x30, 0x80], &[0x30, 0x03, 0x02, 0x01, 0x01], &[0x31, 0x00]] {
            assert_eq!(JwkNumbers::rsa(bad), None, "{bad:?}");
        }
        // Something after the end.
        assert_eq!(JwkNumbers::rsa(&[0x30, 0x06, 0x02, 0x01, 0x07, 0x02, 0x01, 0x03, 0x00]), None);
        assert!(JwkNumbers::rsa(&[0x30, 0x06, 0x02, 0x01, 0x07, 0x02, 0x01, 0x03]).is_some());
    }

    #[test]
    fn a_key_is_read_as_the_kind_that_it_is_and_as_no_other() {
        for alg in [TokenKeyAlg::Es256, TokenKeyAlg::EdDsa, TokenKeyAlg::Rs256] {
            let pair = Pair::draw(alg).unwrap();
            let public = pair.public().unwrap();
            let read: Vec<_> = TokenKeyAlg::ALL.map(|it| JwkNumbers::read(it, &public).is_some()).into();
            assert_eq!(read, TokenKeyAlg::ALL.map(|it| it == alg));
            for other in TokenKeyAlg::ALL {
                let opened = pair.with_private(|it| Pair::open(other, it).map(drop));
                assert_eq!(opened.is_ok(), other == alg, "{other:?} from {alg:?}");
            }
            let longer = [public.as_slice(), &[0]].concat();
            assert_eq!(JwkNumbers::read(alg, &longer), None, "something after the end");
            assert_eq!(JwkNumbers::read(alg, &public[..public.len() - 1]), None, "something is missing");
        }
        // Beside the curve.
        assert_eq!(JwkNumbers::read(TokenKeyAlg::Es256, &[P256.as_slice(), &[7; 64]].concat()), None);
    }
}
