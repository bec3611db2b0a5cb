//! Bodies in chunks (`aws-chunked`): what the head says of them, what comes in, and what goes on to an upstream.
//!
//! A chunk is a line with its length, and after that so many bytes. Where the chunks are signed, each signature is made
//! over the one before, so that none can be changed, moved or left out; a checksum may follow as a trailer. The
//! signatures are the caller's and end here. What goes on is the same bytes, with the same checksum behind them.

mod checksum;
mod decoder;
mod refusal;
mod writer;

use std::fmt;

use http::{HeaderMap, HeaderName};

pub use checksum::Checksum;
pub use decoder::ChunkReader;
pub use refusal::BadChunks;
pub use writer::ChunkWriter;

use super::keys::SigningKey;
use super::{BodyHash, Malformed};

/// The longest chunk that is signed. It is kept until its signature is known to hold.
pub const MAX_SIGNED_CHUNK: u64 = 1024 * 1024;

const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");
const TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");

/// What the head says of a body in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// Whether each chunk is signed.
    pub signed: bool,
    /// How long the body is without the chunks.
    pub length: u64,
    /// The checksum that follows it. One follows where the chunks are not signed.
    pub trailer: Option<Checksum>,
}

impl Framing {
    /// Reads the headers that describe the chunks. Nothing signs them, so each is there exactly as often as it must be.
    pub(super) fn parse(headers: &HeaderMap, signed: bool, trailing: bool) -> Result<Self, Malformed> {
        let length = once(headers, &DECODED_LENGTH)?.ok_or(Malformed::Chunks("x-amz-decoded-content-length"))?;
        let digits = (1..=18).contains(&length.len()) && length.bytes().all(|it| it.is_ascii_digit());
        let length = length.parse().ok().filter(|_| digits);
        let length = length.ok_or(Malformed::Chunks("x-amz-decoded-content-length"))?;
        let trailer = match (once(headers, &TRAILER)?, trailing) {
            (None, false) => None,
            (Some(name), true) => Some(Checksum::named(name.trim()).ok_or(Malformed::Chunks("x-amz-trailer"))?),
            (Some(_), false) | (None, true) => return Err(Malformed::Chunks("x-amz-trailer")),
        };
        Ok(Self { signed, length, trailer })
    }

    /// What stands in place of the hash of the body.
    pub(super) fn literal(self) -> &'static str {
        match (self.signed, self.trailer) {
            (false, _) => UNSIGNED_TRAILER,
            (true, None) => SIGNED,
            (true, Some(_)) => SIGNED_TRAILER,
        }
    }
}

pub(super) const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
pub(super) const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
pub(super) const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";

fn once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Malformed> {
    let malformed =
        || Malformed::Chunks(if *name == TRAILER { "x-amz-trailer" } else { "x-amz-decoded-content-length" });
    let mut lines = headers.get_all(name).iter();
    let first = lines.next().map(|it| it.to_str().map_err(|_| malformed())).transpose()?;
    if lines.next().is_some() { Err(malformed()) } else { Ok(first) }
}

/// What is left to check of a body in chunks once the signature of its head holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunks {
    framing: Framing,
    chain: Option<Chain>,
}

impl Chunks {
    pub(super) fn new(framing: Framing, chain: Chain) -> Self {
        Self { framing, chain: framing.signed.then_some(chain) }
    }

    /// What the head said.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Reads such a body from its first byte on.
    pub fn reader(&self) -> ChunkReader {
        ChunkReader::new(self)
    }
}

/// What the next signature is made over: the key, when and where, and the signature before.
#[derive(Clone)]
pub(super) struct Chain {
    pub(super) key: SigningKey,
    pub(super) date: String,
    pub(super) scope: String,
    pub(super) last: [u8; 32],
}

impl Chain {
    /// Whether a chunk is the next one.
    fn next_chunk(&mut self, bytes: &[u8], signature: [u8; 32]) -> bool {
        let (nothing, hash) = (hex::encode(BodyHash::of(b"")), hex::encode(BodyHash::of(bytes)));
        self.next("AWS4-HMAC-SHA256-PAYLOAD", &[&nothing, &hash], signature)
    }

    /// Whether the trailer is the one that follows the last chunk.
    fn trailer(&mut self, line: &str, signature: [u8; 32]) -> bool {
        let hash = hex::encode(BodyHash::of(line.as_bytes()));
        self.next("AWS4-HMAC-SHA256-TRAILER", &[&hash], signature)
    }

    fn next(&mut self, kind: &str, hashes: &[&str], signature: [u8; 32]) -> bool {
        let last = hex::encode(self.last);
        let text = [&[kind, &self.date, &self.scope, &last], hashes].concat().join("\n");
        self.last = signature;
        self.key.has_signed(text.as_bytes(), &signature)
    }
}

/// The first signature was made with the key, over date and scope, so that it stands for all of them.
impl PartialEq for Chain {
    fn eq(&self, other: &Self) -> bool {
        self.last == other.last
    }
}

impl Eq for Chain {}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("scope", &self.scope).finish_non_exhaustive()
    }
}
