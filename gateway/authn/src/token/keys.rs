//! The public keys of an issuer, looked at once when they are loaded: none is used that should not be.

use std::collections::{HashMap, HashSet};
use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use jsonwebtoken::{Algorithm, DecodingKey};

use super::known::KnownTokens;
use super::signed::Signed;
use super::{BadToken, roca};

/// How many keys an issuer may have at once. It has two while one takes the other's place.
const MAX_KEYS: usize = 32;

/// The longest key id, in bytes.
pub(super) const MAX_KID: usize = 64;

/// Sizes of RSA moduli that are neither too short to be safe nor too long to be quick, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The longest public exponent of RSA, in bytes.
const MAX_EXPONENT: usize = 4;

/// A public key, and how tokens name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its name in the header of a token.
    pub kid: String,
    /// What it is made of.
    pub numbers: Numbers,
}

/// What a public key is made of. All numbers begin with their highest byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// RSA.
    Rsa {
        /// The modulus, without zeros before it.
        n: Vec<u8>,
        /// The public exponent, without zeros before it.
        e: Vec<u8>,
    },
    /// A point of the curve P-256.
    P256 {
        /// Its first coordinate.
        x: [u8; 32],
        /// Its second coordinate.
        y: [u8; 32],
    },
    /// A point of Ed25519, compressed.
    Ed25519 {
        /// The point.
        x: [u8; 32],
    },
}

/// What a token may be signed with. There is one algorithm for each kind of key, and none with a shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alg {
    /// RSA with PKCS #1 v1.5 and SHA-256.
    Rs256,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

/// What is wrong with a set of keys. None of its keys is used then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKeySet {
    /// Not a set of keys in JSON.
    #[error("the set is not a JSON object with a list of keys, each name once at any depth")]
    Unreadable,
    /// A private key or a shared secret, published.
    #[error("`{0}` has members that only a secret key has")]
    Secret(String),
    /// A key for something else.
    #[error("`{0}` is not for verifying signatures")]
    WrongUse(String),
    /// No algorithm, or not the one of its kind and curve.
    #[error("the algorithm of `{0}` is missing or not the one for its kind of key")]
    WrongAlg(String),
    /// More than anybody needs.
    #[error("the set has more than {MAX_KEYS} keys")]
    TooMany,
    /// Two keys of one name.
    #[error("two keys of the set have the id `{0}`")]
    SameId(String),
    /// A name that no token may have.
    #[error("a key id is empty or longer than {MAX_KID} bytes")]
    Kid,
    /// An RSA key of the wrong size.
    #[error("the modulus of `{kid}` has {bits} bits, not 2048 to 8192")]
    RsaSize {
        /// The key.
        kid: String,
        /// How long its modulus is.
        bits: usize,
    },
    /// An RSA key whose primes were drawn as in CVE-2017-15361, and can be computed from it.
    #[error("the primes of `{0}` can be computed from it (ROCA, CVE-2017-15361)")]
    Roca(String),
    /// Not a key at all: an even modulus, a point that is not on its curve.
    #[error("`{0}` is no key of its kind")]
    Unusable(String),
}

/// The public half of an issuer's keys, and what was verified with them lately: another set begins anew.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: HashMap<String, VerifyingKey>,
    withdrawn: HashSet<String>,
    known: KnownTokens,
}

/// A key that was found good.
pub(super) struct VerifyingKey {
    alg: Alg,
    key: DecodingKey,
}

impl KeySet {
    /// The set of these keys: all of them, or none where one is bad. They may be of several kinds, as they are while one takes
    /// the place of another: each is used with the algorithm of its own kind alone.
    pub fn of(keys: impl IntoIterator<Item = PublicKey>) -> Result<Self, BadKeySet> {
        let mut set = Self::default();
        for key in keys {
            if set.keys.len() == MAX_KEYS {
                return Err(BadKeySet::TooMany);
            }
            let good = key.check()?;
            if set.keys.insert(key.kid.clone(), good).is_some() {
                return Err(BadKeySet::SameId(key.kid));
            }
        }
        Ok(set)
    }

    /// The same set, which knows of these keys that nothing they have signed is good any more.
    #[must_use]
    pub fn having_withdrawn(self, kids: impl IntoIterator<Item = String>) -> Self {
        Self { withdrawn: kids.into_iter().collect(), ..self }
    }

    /// Whether this key was withdrawn, and did not just come to its end.
    pub(crate) fn has_withdrawn(&self, kid: &str) -> bool {
        self.withdrawn.contains(kid)
    }

    /// Those of these keys that somebody else's tokens may be signed with. One that cannot be used is passed over, for
    /// others publish keys of every kind and purpose together; two of one name are a fault all the same.
    pub(super) fn of_those_that_are_good(keys: impl IntoIterator<Item = PublicKey>) -> Result<Self, BadKeySet> {
        let mut set = Self::default();
        for key in keys {
            let Ok(good) = key.check() else { continue };
            if set.keys.len() == MAX_KEYS {
                return Err(BadKeySet::TooMany);
            }
            if set.keys.insert(key.kid.clone(), good).is_some() {
                return Err(BadKeySet::SameId(key.kid));
            }
        }
        Ok(set)
    }

    /// Whether one of the keys has this name.
    pub fn has(&self, kid: &str) -> bool {
        self.keys.contains_key(kid)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none, so that no token is good.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether one of the keys has signed this: the one that it names, with the algorithm of that key.
    pub(super) fn verify(&self, signed: &Signed<'_>) -> Result<(), BadToken> {
        let key = self.keys.get(signed.kid()).ok_or(BadToken::UnknownKid)?;
        if signed.alg() != key.alg.as_str() {
            return Err(BadToken::WrongAlg);
        }
        if key.has_signed(signed.message(), signed.signature()) { Ok(()) } else { Err(BadToken::BadSignature) }
    }

    /// Tokens that were verified with these keys.
    pub(super) fn known(&self) -> &KnownTokens {
        &self.known
    }
}

impl PublicKey {
    /// What it verifies.
    pub fn alg(&self) -> Alg {
        match self.numbers {
            Numbers::Rsa { .. } => Alg::Rs256,
            Numbers::P256 { .. } => Alg::Es256,
            Numbers::Ed25519 { .. } => Alg::EdDsa,
        }
    }

    pub(super) fn check(&self) -> Result<VerifyingKey, BadKeySet> {
        if self.kid.is_empty() || MAX_KID < self.kid.len() {
            return Err(BadKeySet::Kid);
        }
        let (key, usable) = match &self.numbers {
            Numbers::Rsa { n, e } => {
                self.check_rsa(n, e)?;
                let parts = RsaPublicKeyComponents { n: n.as_slice(), e: e.as_slice() };
                let usable = parts.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).is_ok();
                (DecodingKey::from_rsa_raw_components(n, e), usable)
            }
            Numbers::P256 { x, y } => {
                let point = [[4].as_slice(), x, y].concat();
                let usable = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).is_ok();
                (DecodingKey::from_ec_der(&point), usable)
            }
            Numbers::Ed25519 { x } => (DecodingKey::from_ed_der(x), ParsedPublicKey::new(&ED25519, x).is_ok()),
        };
        if usable { Ok(VerifyingKey { alg: self.alg(), key }) } else { Err(self.unusable()) }
    }

    fn check_rsa(&self, n: &[u8], e: &[u8]) -> Result<(), BadKeySet> {
        let zeros = n.first().map_or(0, |it| it.leading_zeros() as usize);
        let bits = n.len() * 8 - zeros;
        if !RSA_BITS.contains(&bits) {
            return Err(BadKeySet::RsaSize { kid: self.kid.clone(), bits });
        }
        let odd = |it: &[u8]| it.last().is_some_and(|it| it % 2 == 1);
        let bare = |it: &[u8]| it.first().is_some_and(|it| *it != 0);
        // With an exponent of one, everything is its own signature.
        if !(odd(n) && bare(n) && odd(e) && bare(e)) || *e == [1] || MAX_EXPONENT < e.len() {
            return Err(self.unusable());
        }
        if roca::gives_away_its_primes(n) {
            return Err(BadKeySet::Roca(self.kid.clone()));
        }
        Ok(())
    }

    fn unusable(&self) -> BadKeySet {
        BadKeySet::Unusable(self.kid.clone())
    }
}

impl Alg {
    /// Its name in a header and in a set.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl VerifyingKey {
    /// Whether it made this signature, which is spelled in base64url.
    pub(super) fn has_signed(&self, message: &str, signature: &str) -> bool {
        let algorithm = match self.alg {
            Alg::Rs256 => Algorithm::RS256,
            Alg::Es256 => Algorithm::ES256,
            Alg::EdDsa => Algorithm::EdDSA,
        };
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.key, algorithm) == Ok(true)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.alg.as_str())
    }
}
