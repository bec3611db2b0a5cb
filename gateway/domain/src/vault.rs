//! What becomes of a secret before it is kept.

use zeroize::Zeroizing;

use crate::{Digest, KeySecret};

/// Turns secrets into what may be kept of them. The peppers and the master key stay inside.
pub trait Vault: Send + Sync {
    /// What is kept of a key that the gateway made.
    fn keep_minted(&self, key: &str) -> KeySecret;

    /// What is kept of a key that was made elsewhere.
    fn keep_imported(&self, key: Imported<'_>) -> KeySecret;

    /// What is kept of the secret half of an access key.
    fn keep_access_key(&self, access_key_id: &str, secret: &str) -> Result<KeySecret, SealFault>;

    /// What is kept of a secret that must be had again, under a name that no other secret of its kind has.
    fn seal(&self, kind: &str, name: &str, secret: &[u8]) -> Result<Vec<u8>, SealFault>;

    /// The secret of this kind and name, as it was before it was kept.
    fn unseal(&self, kind: &str, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealFault>;

    /// What is kept of the private half of a key that signs tokens.
    fn keep_token_key(&self, kid: &str, pkcs8: &[u8]) -> Result<Vec<u8>, SealFault>;

    /// The private half of the key of this name, as it was before it was kept.
    fn open_token_key(&self, kid: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealFault>;
}

/// How a key that was made elsewhere was handed over.
#[derive(Clone, Copy)]
pub enum Imported<'a> {
    /// The key itself.
    Plain(&'a str),
    /// The SHA-256 of the key.
    Sha256(Digest),
}

/// The secret could not be sealed under the master key, or was not sealed under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret could not be sealed under the master key")]
pub struct SealFault;
