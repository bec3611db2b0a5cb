//! Why a body in chunks is not the one that was meant.

use domain::Told;

/// A body in chunks that is not what its head, its signatures or its checksum say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadChunks {
    /// Not a chunk, or something after the last one.
    #[error("the chunks of the body are not well formed")]
    Framing,
    /// A signed chunk that is longer than is kept.
    #[error("a chunk of the body is longer than {} bytes", super::MAX_SIGNED_CHUNK)]
    TooLarge,
    /// All chunks together are longer or shorter than the head said.
    #[error("the chunks of the body are not as long together as x-amz-decoded-content-length says")]
    Length,
    /// A chunk that was not signed, or not as the next one.
    #[error("the signature of a chunk does not hold")]
    Signature,
    /// Not the trailers that the head announced, each once.
    #[error("the trailer of the body is missing, repeated or not the one that was announced")]
    Trailer,
    /// A trailer that was not signed.
    #[error("the signature of the trailer does not hold")]
    TrailerSignature,
    /// The body is not the one that the checksum was made of.
    #[error("the body does not have the checksum that follows it")]
    Checksum,
    /// The body ended before its last chunk and its trailer.
    #[error("the body ended before its last chunk")]
    Unfinished,
}

impl BadChunks {
    /// What the caller is told.
    pub fn told(self) -> Told {
        match self {
            Self::Framing => Told::new("chunks_malformed", "The chunks of the body are not well formed."),
            Self::TooLarge => Told::new("chunk_too_large", "A signed chunk of the body is too large."),
            Self::Length | Self::Unfinished => Told::new(
                "body_incomplete",
                "The body does not have the length that x-amz-decoded-content-length says.",
            ),
            Self::Signature | Self::TrailerSignature => {
                Told::new("chunk_signature_mismatch", "The signature of a chunk or trailer does not match.")
            }
            Self::Trailer => {
                Told::new("trailer_malformed", "The trailer of the body is not the one that was announced.")
            }
            Self::Checksum => Told::new("checksum_mismatch", "The body does not have the checksum that follows it."),
        }
    }

    /// Whether the caller failed to prove that the body is its own, rather than to send it whole.
    pub fn is_forged(self) -> bool {
        match self {
            Self::Signature | Self::TrailerSignature => true,
            Self::Framing | Self::TooLarge | Self::Length | Self::Trailer | Self::Checksum | Self::Unfinished => false,
        }
    }
}
