//! Access tokens (RFC 9068): what an issuer says of a caller, signed, for minutes.
//!
//! Believed only where everything about it is as the issuer writes it, and never instead of the key it was made for: a
//! token names that key, and whoever is recognised by it has that key's standing as it is now.

mod keys;
mod roca;

pub use keys::{Alg, BadKeySet, KeySet, Numbers, PublicKey};

/// Which access tokens an API takes.
#[derive(Clone, Copy, Debug)]
pub struct TokenRules<'a> {
    /// Who must have issued them, and for whom: the public origin of the API, `https://api.novastraxis.com`.
    pub issuer: &'a str,
}
