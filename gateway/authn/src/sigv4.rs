//! AWS Signature Version 4: a caller proves that it holds a secret by signing the request with it.
//!
//! [`Presented::parse`] reads what was shown and refuses what could not be trusted whatever the signature; then
//! [`Presented::verify`] compares the signature, made over the request exactly as it arrived. [`Signer`] signs what goes
//! on to an upstream of that kind. A body in chunks is read by a [`ChunkReader`], which goes on from the signature of its
//! head, and written for such an upstream by a [`ChunkWriter`]. Knows neither keyrings nor seals: who asks hands in the
//! key.

mod canonical;
mod chunks;
mod date;
mod headers;
mod keys;
mod link;
mod payload;
mod presented;
mod refusal;
mod shown;
mod signer;

use std::time::Duration;

use domain::PathMode;

pub use chunks::{BadChunks, Checksum, ChunkReader, ChunkWriter, Chunks, Framing, MAX_SIGNED_CHUNK};
pub use keys::{SigningKey, SigningKeys};
pub use link::Link;
pub use payload::{BodyHash, Payload, PayloadCheck};
pub use presented::Presented;
pub use refusal::{BadSignature, Malformed};
pub use signer::{Outgoing, Signer, Unsignable};

/// The furthest that the clock of a caller may be off. An operator may narrow it.
pub const SKEW: Duration = Duration::from_mins(15);

/// The longest a presigned address can be good for.
const MAX_LIFETIME: u64 = 7 * 24 * 60 * 60;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a signature must have been made for to be good here.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The region: `in-mum`.
    pub region: &'a str,
    /// The service: `cloudnx` for API operations, `s3` for objects.
    pub service: &'a str,
    /// How paths are signed. Only objects may be reached with a presigned address or an unsigned body.
    pub paths: PathMode,
    /// How far the caller's clock may be off, either way.
    pub skew: Duration,
}

#[cfg(test)]
mod tests;
