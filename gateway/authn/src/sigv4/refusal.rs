//! Why a signature is not good, told to nobody but the entry except where it helps an honest client.

use domain::{Blame, Told};

/// A signature that could not be good whatever it says: refused before any secret is touched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// In the header and in the query, or neither.
    #[error("the signature is not in exactly one place")]
    Place,
    /// A part that is missing, there twice or unreadable.
    #[error("`{0}` of the signature is missing, repeated or unreadable")]
    Part(&'static str),
    /// A signature in the query where only the header is taken.
    #[error("a presigned address is not taken here")]
    PresignedNotTaken,
    /// Made for another region or service, or for another day than its date.
    #[error("the signature was made for another region, service or day")]
    Scope,
    /// Too far from the gateway's clock.
    #[error("the date of the signature is too far from now")]
    Skewed,
    /// A presigned address past its end.
    #[error("the presigned address has expired")]
    Expired,
    /// A header that must be signed and is not.
    #[error("header `{0}` is not signed")]
    Unsigned(String),
    /// A header that must be there once.
    #[error("header `{0}` is there more than once")]
    Repeated(&'static str),
    /// A signed header that is not there.
    #[error("header `{0}` is signed and missing")]
    Absent(String),
    /// `Host` names another host than the one asked for.
    #[error("the signed host is not the host asked for")]
    Host,
    /// A path or query that has no canonical form.
    #[error("the path or query cannot be read in one way only")]
    Target,
    /// A kind of body that cannot be taken here.
    #[error("`x-amz-content-sha256` names a kind of body that is not taken here")]
    Payload,
    /// A body that is not signed and did not come over TLS.
    #[error("a body that is not signed must come over TLS")]
    PayloadInClear,
    /// A header that describes the chunks of the body and is missing, repeated, unreadable or out of place.
    #[error("`{0}` does not say how the chunks of the body are to be read")]
    Chunks(&'static str),
}

impl Malformed {
    /// What the caller is told.
    pub fn told(&self) -> Told {
        match self {
            Self::Skewed => Told::new(
                "request_time_skewed",
                "The difference between the request time and the server's time is too large.",
            ),
            Self::Expired => Told::new("presigned_expired", "The presigned address has expired."),
            Self::Payload | Self::PayloadInClear => {
                Told::new("payload_not_taken", "This kind of x-amz-content-sha256 is not accepted here.")
            }
            Self::Chunks(_) => Told::new(
                "chunks_malformed",
                "x-amz-decoded-content-length or x-amz-trailer does not describe the body.",
            ),
            Self::Target => Told::new("target_malformed", "The path or query is not well formed."),
            Self::Part("X-Amz-Expires") => {
                Told::new("presigned_lifetime", "X-Amz-Expires must be a number of seconds from 1 to 604800.")
            }
            Self::Place
            | Self::Part(_)
            | Self::PresignedNotTaken
            | Self::Scope
            | Self::Unsigned(_)
            | Self::Repeated(_)
            | Self::Absent(_)
            | Self::Host => {
                Told::new("signature_malformed", "The signature is incomplete or not made for this address.")
            }
        }
    }

    /// Whether the request could not be answered whoever asked: 400 rather than 401.
    pub fn is_bad_request(&self) -> bool {
        match self {
            Self::Place | Self::Target | Self::Payload | Self::PayloadInClear | Self::Chunks(_) => true,
            Self::Part(_)
            | Self::PresignedNotTaken
            | Self::Scope
            | Self::Skewed
            | Self::Expired
            | Self::Unsigned(_)
            | Self::Repeated(_)
            | Self::Absent(_)
            | Self::Host => false,
        }
    }

    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        Blame::Caller
    }
}

/// A signature that was checked and does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// Not made with this secret over this request.
    #[error("the signature does not match")]
    Mismatch,
    /// The body is not the one that was signed.
    #[error("the body is not the one that was signed")]
    Body,
    /// The signature covers the body, whose hash was not handed in. The fault is ours.
    #[error("the hash of the body was not handed in")]
    BodyUnread,
}

impl BadSignature {
    /// What the caller is told.
    pub fn told(&self) -> Told {
        match self {
            Self::Mismatch => Told::new("signature_mismatch", "The signature does not match the request."),
            Self::Body => Told::new("payload_mismatch", "The body does not match x-amz-content-sha256."),
            Self::BodyUnread => Told::new("internal", "The request could not be checked."),
        }
    }

    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Mismatch | Self::Body => Blame::Caller,
            Self::BodyUnread => Blame::Gateway,
        }
    }
}
