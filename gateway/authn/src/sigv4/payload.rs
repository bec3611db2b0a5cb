//! What the signature says about the body, and what is left to check of it.

use aws_lc_rs::digest;
use domain::{Arrival, PathMode};

use super::canonical::hex_bytes;
use super::chunks::{Chain, Chunks, Framing, SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER};
use super::{Malformed, Rules};

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// What the signature covers of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Its hash, which is not written anywhere: the body must be read before the signature can be checked.
    Unwritten,
    /// Its hash, written in `x-amz-content-sha256`.
    Sha256([u8; 32]),
    /// Nothing.
    Unsigned,
    /// Nothing yet: it comes in chunks, each signed by itself or followed by a checksum.
    Chunks(Framing),
}

/// What must still be checked of the body once the signature holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PayloadCheck {
    /// Nothing: it is the body that was signed.
    #[default]
    Done,
    /// That its SHA-256 is this one.
    Sha256([u8; 32]),
    /// Nothing can be: the caller did not sign it.
    Unsigned,
    /// Its chunks.
    Chunks(Box<Chunks>),
}

impl Payload {
    /// Reads `x-amz-content-sha256`; for a presigned address it may be absent and then means an unsigned body.
    pub(super) fn parse(
        written: Option<&str>,
        presigned: bool,
        arrival: &Arrival,
        rules: &Rules<'_>,
    ) -> Result<Self, Malformed> {
        let objects = rules.paths == PathMode::Objects;
        let unsigned = |kind| {
            if !objects {
                Err(Malformed::Payload)
            } else if !arrival.source.tls {
                Err(Malformed::PayloadInClear)
            } else {
                Ok(kind)
            }
        };
        match written {
            None if presigned => unsigned(Self::Unsigned),
            None if objects => Err(Malformed::Payload),
            None => Ok(Self::Unwritten),
            Some(UNSIGNED) => unsigned(Self::Unsigned),
            Some(UNSIGNED_TRAILER) => unsigned(Self::Chunks(Framing::parse(&arrival.headers, false, true)?)),
            // Chunks go on from the signature of the header, and only objects are long enough for them.
            Some(SIGNED | SIGNED_TRAILER) if presigned || !objects => Err(Malformed::Payload),
            Some(SIGNED) => Framing::parse(&arrival.headers, true, false).map(Self::Chunks),
            Some(SIGNED_TRAILER) => Framing::parse(&arrival.headers, true, true).map(Self::Chunks),
            Some(text) => hex_bytes(text).map(Self::Sha256).ok_or(Malformed::Payload),
        }
    }

    /// The last line of the canonical request; `None` where only the body tells.
    pub(super) fn literal(self, body: Option<&[u8; 32]>) -> Option<String> {
        match self {
            Self::Unwritten => body.map(hex::encode),
            Self::Sha256(hash) => Some(hex::encode(hash)),
            Self::Unsigned => Some(UNSIGNED.to_owned()),
            Self::Chunks(framing) => Some(framing.literal().to_owned()),
        }
    }

    /// What is left to check, given the hash of the body where it is known already. `None` if that is another body.
    pub(super) fn check(self, body: Option<&[u8; 32]>, chain: impl FnOnce() -> Chain) -> Option<PayloadCheck> {
        match (self, body) {
            (Self::Sha256(hash), None) => Some(PayloadCheck::Sha256(hash)),
            (Self::Sha256(hash), Some(real)) => (hash == *real).then_some(PayloadCheck::Done),
            (Self::Unwritten, _) => Some(PayloadCheck::Done),
            (Self::Unsigned, _) => Some(PayloadCheck::Unsigned),
            (Self::Chunks(framing), _) => Some(PayloadCheck::Chunks(Box::new(Chunks::new(framing, chain())))),
        }
    }
}

/// The hash of a body that passes by piece by piece.
#[derive(Clone)]
pub struct BodyHash(digest::Context);

impl BodyHash {
    /// Before the first byte.
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// The hash of a body that is all there.
    pub fn of(body: &[u8]) -> [u8; 32] {
        let mut hash = Self::new();
        hash.update(body);
        hash.finish()
    }

    /// The next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// After the last byte.
    pub fn finish(self) -> [u8; 32] {
        // INVARIANT: SHA-256 is 32 bytes long.
        self.0.finish().as_ref().try_into().unwrap_or_default()
    }
}

impl Default for BodyHash {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for BodyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BodyHash")
    }
}
