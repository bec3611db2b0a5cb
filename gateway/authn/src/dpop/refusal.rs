//! Why a proof proves nothing. The words are for the entry and the log, never for the caller.

/// What was wrong with a proof of possession, or with showing a token with or without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    /// A token that is bound to a key, shown as if whoever has it could use it.
    #[error("the access token is bound to a key and was shown as a bearer token")]
    Bearer,
    /// A token that is bound to no key, shown as if it were.
    #[error("the access token is bound to no key")]
    Unbound,
    /// There is none.
    #[error("there is no proof of possession")]
    Missing,
    /// There are several.
    #[error("there is more than one proof of possession")]
    Twice,
    /// Not what a proof looks like, in our strict sense.
    #[error("the proof of possession is malformed")]
    Malformed,
    /// Something else that is signed.
    #[error("the proof is not of the type `dpop+jwt`")]
    WrongType,
    /// A header that says more or less than type, algorithm and key.
    #[error("the header of the proof has not just `typ`, `alg` and `jwk`")]
    Header,
    /// No public key that may be used.
    #[error("the key of the proof is no good public key")]
    Key,
    /// An algorithm other than that of its key.
    #[error("the proof is not signed with the algorithm of its key")]
    WrongAlg,
    /// A signature that its key has not made.
    #[error("the signature of the proof does not hold")]
    BadSignature,
    /// A claim that must be there and is not, or is of another form.
    #[error("the proof lacks a good `{0}`")]
    Claim(&'static str),
    /// Made for another method.
    #[error("the proof is for another method")]
    WrongMethod,
    /// Made for another address.
    #[error("the proof is for another address")]
    WrongUri,
    /// Made too long ago, or yet to be made.
    #[error("the proof was not made now")]
    Stale,
    /// Made for another token.
    #[error("the proof is for another token")]
    WrongToken,
    /// Made with another key than the token is bound to.
    #[error("the token is bound to another key than that of the proof")]
    OtherKey,
    /// Made without the nonce that proofs must repeat, or with one from before.
    #[error("the proof does not repeat a nonce of now")]
    Nonce,
    /// Shown before.
    #[error("the proof was shown before")]
    Replayed,
    /// Whether it was shown before nobody knows: there is no room to remember another.
    #[error("there is no room to remember the proof")]
    NoRoom,
}

impl BadProof {
    /// The whole reason as one token, for entries and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Bearer => "token_bound",
            Self::Unbound => "token_unbound",
            Self::Missing => "proof_missing",
            Self::Twice => "proof_twice",
            Self::Malformed => "proof_malformed",
            Self::WrongType => "proof_wrong_type",
            Self::Header => "proof_bad_header",
            Self::Key => "proof_bad_key",
            Self::WrongAlg => "proof_wrong_alg",
            Self::BadSignature => "proof_bad_signature",
            Self::Claim(_) => "proof_bad_claim",
            Self::WrongMethod => "proof_wrong_method",
            Self::WrongUri => "proof_wrong_uri",
            Self::Stale => "proof_stale",
            Self::WrongToken => "proof_wrong_token",
            Self::OtherKey => "proof_other_key",
            Self::Nonce => "proof_nonce",
            Self::Replayed => "proof_replayed",
            Self::NoRoom => "proof_no_room",
        }
    }

    /// What is wrong, in the words of RFC 9449 sections 7.1 and 9: the token, the proof, or that it is not new.
    pub fn error(self) -> &'static str {
        match self {
            Self::Nonce => "use_dpop_nonce",
            Self::Bearer | Self::Unbound | Self::OtherKey => "invalid_token",
            Self::Missing
            | Self::Twice
            | Self::Malformed
            | Self::WrongType
            | Self::Header
            | Self::Key
            | Self::WrongAlg
            | Self::BadSignature
            | Self::Claim(_)
            | Self::WrongMethod
            | Self::WrongUri
            | Self::Stale
            | Self::WrongToken
            | Self::Replayed
            | Self::NoRoom => "invalid_dpop_proof",
        }
    }

    /// Whether it looks like somebody who has a token that is not theirs. Clocks that are off and libraries that are new to
    /// this look otherwise.
    pub fn guessed(self) -> bool {
        matches!(self, Self::BadSignature | Self::OtherKey)
    }
}
