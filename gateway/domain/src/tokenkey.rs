//! A key that signs access tokens, as it is kept.

use std::fmt;

use crate::Timestamp;

/// One key of the issuer. Its public half is for everybody; the private one is sealed, and destroyed once it signs no
/// more.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKey {
    /// What the head of a token calls it: the RFC 7638 thumbprint of the public half.
    pub kid: String,
    /// The public half: `SubjectPublicKeyInfo` in DER.
    pub public: Vec<u8>,
    /// The private half, PKCS #8 sealed under the master key for this `kid`. Nothing once it signs no more.
    pub sealed: Option<Vec<u8>>,
    /// When it was made, and known to whoever verifies.
    pub published: Timestamp,
    /// How far its life has come.
    pub stage: TokenKeyStage,
}

/// How far the life of a key has come that signs tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKeyStage {
    /// Known to whoever verifies, so that nobody is surprised when it signs, from `due` on.
    Published {
        /// When it is to sign.
        due: Timestamp,
    },
    /// It signs. There is one such key at most.
    InUse {
        /// Since when.
        since: Timestamp,
    },
    /// Another signs. What this one has signed is good until it ends.
    Superseded {
        /// Since when.
        since: Timestamp,
    },
    /// The last token that it signed has ended.
    Retired {
        /// Since when.
        since: Timestamp,
    },
    /// Nothing that it has signed is good any more.
    Withdrawn {
        /// Since when.
        since: Timestamp,
    },
}

impl TokenKeyStage {
    /// The word for it, and the moment that goes with it.
    pub fn told(self) -> (&'static str, Timestamp) {
        match self {
            Self::Published { due } => ("published", due),
            Self::InUse { since } => ("in_use", since),
            Self::Superseded { since } => ("superseded", since),
            Self::Retired { since } => ("retired", since),
            Self::Withdrawn { since } => ("withdrawn", since),
        }
    }

    /// What was told so; nothing for another word.
    pub fn heard(word: &str, at: Timestamp) -> Option<Self> {
        let all = [
            Self::Published { due: at },
            Self::InUse { since: at },
            Self::Superseded { since: at },
            Self::Retired { since: at },
            Self::Withdrawn { since: at },
        ];
        all.into_iter().find(|it| it.told().0 == word)
    }

    /// Whether what it has signed, or is to sign, is good.
    pub fn verifies(self) -> bool {
        match self {
            Self::Published { .. } | Self::InUse { .. } | Self::Superseded { .. } => true,
            Self::Retired { .. } | Self::Withdrawn { .. } => false,
        }
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").field("kid", &self.kid).field("stage", &self.stage).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_is_told_is_heard() {
        let at = Timestamp::from_seconds(7);
        for word in ["published", "in_use", "superseded", "retired", "withdrawn"] {
            assert_eq!(TokenKeyStage::heard(word, at).map(TokenKeyStage::told), Some((word, at)));
        }
        assert_eq!(TokenKeyStage::heard("", at), None);
    }

    #[test]
    fn nothing_of_a_private_half_is_shown() {
        let stage = TokenKeyStage::InUse { since: Timestamp::from_seconds(7) };
        let key = TokenKey {
            kid: "kid".to_owned(),
            public: vec![1; 3],
            sealed: Some(vec![0xca; 9]),
            published: Timestamp::from_seconds(7),
            stage,
        };
        assert_eq!(format!("{key:?}"), format!("TokenKey {{ kid: \"kid\", stage: {stage:?}, .. }}"));
    }
}
