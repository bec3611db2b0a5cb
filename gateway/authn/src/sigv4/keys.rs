//! Signing keys: what a secret becomes for one day, region and service.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

/// A key that signs for one day, region and service. It does not give its secret away.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// Derives the key of a day (`YYYYMMDD`), region and service.
    pub fn derive(secret: &str, day: &str, region: &str, service: &str) -> Self {
        let secret = Zeroizing::new(["AWS4", secret].concat());
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        for part in [day, region, service, "aws4_request"] {
            let tag = hmac::sign(&key, part.as_bytes());
            key = hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref());
        }
        Self(key)
    }

    /// Whether it made this signature, compared in constant time.
    pub(super) fn has_signed(&self, text: &[u8], signature: &[u8; 32]) -> bool {
        hmac::verify(&self.0, text, signature).is_ok()
    }

    pub(super) fn sign(&self, text: &[u8]) -> String {
        hex::encode(hmac::sign(&self.0, text))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// How many derived keys are kept at most.
const MOST: usize = 65_536;

/// Signing keys that have been derived, so that a secret is unsealed once a day and not once a request.
#[derive(Debug, Default)]
pub struct SigningKeys(RwLock<HashMap<Box<str>, Derived>>);

#[derive(Debug)]
struct Derived {
    /// The secret as it is kept. Another one under the same id is another key.
    sealed: Box<[u8]>,
    key: Arc<SigningKey>,
}

impl SigningKeys {
    /// The key for a credential, which names key id, day, region and service. Only ids that exist and days that have not
    /// passed get this far, so nobody outside can grow it at will.
    pub(super) fn find_or_derive<E>(
        &self,
        credential: &str,
        sealed: &[u8],
        derive: impl FnOnce() -> Result<SigningKey, E>,
    ) -> Result<Arc<SigningKey>, E> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(derived) = known.get(credential).filter(|it| *it.sealed == *sealed) {
            return Ok(derived.key.clone());
        }
        drop(known);
        let key = Arc::new(derive()?);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Forgetting all at once costs each key one derivation, which is cheap, and keeps no list of what is oldest.
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(credential.into(), Derived { sealed: sealed.into(), key: key.clone() });
        Ok(key)
    }
}
