//! A secret on its way to its holder.

use std::fmt;

use zeroize::Zeroizing;

/// A key at the one moment at which it is shown. It has no `Display`, no `Serialize`, and is wiped when it is dropped.
pub struct Shown(Zeroizing<String>);

impl Shown {
    pub(crate) fn new(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown(..)")
    }
}

/// A key that was made elsewhere, as an operator hands it over. Wiped when it is dropped.
pub enum PlainKey {
    /// The key itself.
    Plain(Zeroizing<String>),
    /// Its SHA-256.
    Sha256([u8; 32]),
}

impl PlainKey {
    /// From the key itself.
    pub fn plain(key: impl Into<String>) -> Self {
        Self::Plain(Zeroizing::new(key.into()))
    }
}

impl fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(..)",
            Self::Sha256(_) => "Sha256(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_revealed_only_when_asked() {
        let shown = Shown::new("nsx_live_canary".to_owned());
        assert_eq!(shown.reveal(), "nsx_live_canary");
        assert_eq!(
            format!("{shown:?} {:?} {:?}", PlainKey::plain("canary"), PlainKey::Sha256([7; 32])),
            "Shown(..) Plain(..) Sha256(..)"
        );
    }
}
