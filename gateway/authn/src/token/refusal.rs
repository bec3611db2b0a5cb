//! Why a token is not believed. The words are for the entry and the log, never for the caller.

/// What was wrong with an access token. Nothing of it repeats what the token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// Not what a token looks like, in our strict sense.
    #[error("the access token {0}")]
    Malformed(&'static str),
    /// Something else that issuers sign.
    #[error("the token is not of the type `at+jwt`")]
    WrongType,
    /// Signed with a key that is not in the set.
    #[error("the access token names no key of the issuer")]
    UnknownKid,
    /// An algorithm other than that of the key it names.
    #[error("the access token is not signed with the algorithm of its key")]
    WrongAlg,
    /// A signature that the key has not made.
    #[error("the signature of the access token does not hold")]
    BadSignature,
    /// A claim that must be there and is not, or is of another form.
    #[error("the access token lacks a good `{0}`")]
    Claim(&'static str),
    /// From an issuer of another API.
    #[error("the access token is from another issuer")]
    WrongIssuer,
    /// For another API.
    #[error("the access token is for another API")]
    WrongAudience,
    /// Past its end.
    #[error("the access token has expired")]
    Expired,
    /// Before its beginning, or from the future.
    #[error("the access token is not yet valid")]
    NotYetValid,
    /// Good for longer than any token may be.
    #[error("the access token is good for longer than tokens are")]
    TooLong,
    /// Made for a key that nobody has heard of.
    #[error("the key that the access token was made for is unknown")]
    UnknownKey,
    /// Made for a tenant that the key does not belong to.
    #[error("the access token names another tenant than its key")]
    WrongTenant,
}

impl BadToken {
    /// The whole reason as one token, for entries and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Malformed(_) => "token_malformed",
            Self::WrongType => "token_wrong_type",
            Self::UnknownKid => "token_unknown_kid",
            Self::WrongAlg => "token_wrong_alg",
            Self::BadSignature => "token_bad_signature",
            Self::Claim(_) => "token_bad_claim",
            Self::WrongIssuer => "token_wrong_issuer",
            Self::WrongAudience => "token_wrong_audience",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::TooLong => "token_too_long",
            Self::UnknownKey => "token_unknown_key",
            Self::WrongTenant => "token_wrong_tenant",
        }
    }

    /// Whether it may have been made up by whoever showed it. What our issuer has signed was not.
    pub fn guessed(self) -> bool {
        match self {
            Self::Malformed(_) | Self::WrongType | Self::UnknownKid | Self::WrongAlg | Self::BadSignature => true,
            Self::Claim(_)
            | Self::WrongIssuer
            | Self::WrongAudience
            | Self::Expired
            | Self::NotYetValid
            | Self::TooLong
            | Self::UnknownKey
            | Self::WrongTenant => false,
        }
    }
}
