//! A key that signs access tokens, as it is kept.

use std::fmt;

use crate::Timestamp;

/// One key of the issuer. Its public half is for everybody; the private one is sealed, and destroyed once it signs no
/// more.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKey {
    /// What the head of a token calls it: the RFC 7638 thumbprint of the public half.
    pub kid: String,
    /// What it signs with. It is bound to that: its name is drawn from the kind of key that it is.
    pub alg: TokenKeyAlg,
    /// The public half: `SubjectPublicKeyInfo` in DER.
    pub public: Vec<u8>,
    /// The private half, PKCS #8 sealed under the master key for this `kid`. Nothing once it signs no more.
    pub sealed: Option<Vec<u8>>,
    /// When it was made, and known to whoever verifies.
    pub published: Timestamp,
    /// How far its life has come.
    pub stage: TokenKeyStage,
}

/// What tokens are signed with. There is one algorithm for each kind of key, and none with a shared secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenKeyAlg {
    /// RSA with PKCS #1 v1.5 and SHA-256.
    #[default]
    Rs256,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl TokenKeyAlg {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// Its name in the head of a token and in a set of keys (RFC 7518, RFC 8037).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The one of this name; nothing for another word.
    pub fn heard(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
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
    fn an_algorithm_that_is_named_is_heard_and_no_other_word() {
        for alg in TokenKeyAlg::ALL {
            assert_eq!(TokenKeyAlg::heard(alg.as_str()), Some(alg));
        }
        for other in ["", "none", "HS256", "rs256", "RS384", "Ed25519"] {
            assert_eq!(TokenKeyAlg::heard(other), None, "{other}");
        }
    }

    #[test]
    fn nothing_of_a_private_half_is_shown() {
        let stage = TokenKeyStage::InUse { since: Timestamp::from_seconds(7) };
        let key = TokenKey {
            kid: "kid".to_owned(),
            alg: TokenKeyAlg::EdDsa,
            public: vec![1; 3],
            sealed: Some(vec![0xca; 9]),
            published: Timestamp::from_seconds(7),
            stage,
        };
        assert_eq!(format!("{key:?}"), format!("TokenKey {{ kid: \"kid\", stage: {stage:?}, .. }}"));
    }
}
