//! Taking in keys that were made elsewhere.

use std::collections::HashSet;

use domain::{ApiName, Change, DeedClass, Imported, KeyId, KeyRecord, KeySecret, keyformat};

use super::{CreateKeyError, NewKey};
use crate::publish::{Decision, Entered};
use crate::store::StoreFault;
use crate::terms::{Terms, Unfit};
use crate::{Identity, PlainKey};

/// A key that was made elsewhere.
#[derive(Debug)]
pub struct ImportKey {
    /// What it shall be; its kind is not read.
    pub new: NewKey,
    /// The key.
    pub key: PlainKey,
}

/// Keys could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportKeyError {
    /// It is here already.
    #[error("key {0} of the list is here already as `{1}`")]
    Known(usize, KeyId),
    /// It begins as the keys of another API do.
    #[error("key {0} of the list begins as keys of `{1}` do; help: import it with `--api {1}`")]
    Foreign(usize, ApiName),
    /// It is twice in the list.
    #[error("key {0} of the list is in it twice")]
    Repeated(usize),
    /// As for a key of our own.
    #[error(transparent)]
    Create(#[from] CreateKeyError),
}

impl From<StoreFault> for ImportKeyError {
    fn from(fault: StoreFault) -> Self {
        Self::Create(fault.into())
    }
}

impl From<Unfit> for ImportKeyError {
    fn from(unfit: Unfit) -> Self {
        Self::Create(unfit.into())
    }
}

impl Entered for ImportKeyError {
    fn entered(&self) -> String {
        match self {
            Self::Create(why) => why.entered(),
            Self::Known(..) | Self::Foreign(..) | Self::Repeated(_) => self.to_string(),
        }
    }
}

impl Identity {
    /// Takes in all of these keys or none.
    pub async fn import_keys(&self, keys: &[ImportKey], terms: &Terms) -> Result<Vec<KeyRecord>, ImportKeyError> {
        let mut deed = self.deed(DeedClass::Key, "import").with("count", keys.len());
        if let Some(ImportKey { new, .. }) = keys.first() {
            deed = deed.of(&new.tenant).with("api", &new.api);
        }
        self.told(deed, self.take_keys(keys, terms)).await
    }

    async fn take_keys(&self, keys: &[ImportKey], all: &Terms) -> Result<Vec<KeyRecord>, ImportKeyError> {
        let now = self.clock.now().wall;
        let mut records = Vec::with_capacity(keys.len());
        let mut digests = HashSet::new();
        for (number, it) in (1..).zip(keys) {
            let terms = all.of(&it.new.api)?;
            if !terms.imported {
                return Err(Unfit::KindNotTaken(terms.api.clone(), "imported keys").into());
            }
            if let PlainKey::Plain(key) = &it.key
                && let Some(other) = all.maker_of(key, &it.new.api)
            {
                return Err(ImportKeyError::Foreign(number, other.clone()));
            }
            let secret = self.keep_import(&it.key).map_err(|why| Unfit::Import(number, why))?;
            if let KeySecret::Imported { digest, .. } = &secret
                && !digests.insert(*digest)
            {
                return Err(ImportKeyError::Repeated(number));
            }
            records.push(self.draft(&it.new, secret, terms, now)?);
        }
        let drafts = &records;
        self.settle(|| {
            Box::pin(async move {
                for (number, record) in (1..).zip(drafts) {
                    // One of our own would be found as what it is, and never as what was imported.
                    let minted = keys.get(number - 1).and_then(|it| self.as_minted(&it.key));
                    for secret in [Some(&record.secret), minted.as_ref()].into_iter().flatten() {
                        if let Some(known) = self.registry.holder(secret).await? {
                            return Err(ImportKeyError::Known(number, known));
                        }
                    }
                }
                self.fit_in(drafts, now).await?;
                let records = self.cut_to_owners(drafts, all).await?;
                let changes = records.iter().map(|it| Change::Key(Box::new(it.clone()))).collect();
                let deeds = records.iter().map(|it| self.key_deed("import", it)).collect();
                Ok(Decision { changes, deeds, outcome: records })
            })
        })
        .await
    }

    /// What would be kept of a key if it were one of our own, where it has their form.
    fn as_minted(&self, key: &PlainKey) -> Option<KeySecret> {
        match key {
            PlainKey::Plain(key) => Some(self.vault.keep_minted(key)),
            PlainKey::Sha256(_) => None,
        }
    }

    fn keep_import(&self, key: &PlainKey) -> Result<KeySecret, &'static str> {
        match key {
            PlainKey::Plain(key) => importable(key).map(|()| self.vault.keep_imported(Imported::Plain(key))),
            PlainKey::Sha256(digest) => Ok(self.vault.keep_imported(Imported::Sha256(*digest))),
        }
    }
}

/// Whether a key could be shown in a request and found again.
fn importable(key: &str) -> Result<(), &'static str> {
    if key.len() < *keyformat::IMPORTED_LEN.start() {
        Err("it is shorter than 16 characters")
    } else if *keyformat::IMPORTED_LEN.end() < key.len() {
        Err("it is longer than 512 characters")
    } else if !keyformat::fits_header(key) {
        Err("it holds spaces, commas or other characters that a header cannot carry")
    } else if keyformat::looks_like_token(key) {
        Err("it has two dots and would be read as an access token")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_shown_and_found_again_is_imported() {
        for good in ["nsx_live_a1b2c3d4", "sk-abcdefghijklmno", "AAAA/BBBB+CCCC==", "a.b-0123456789abc"] {
            assert_eq!(importable(good), Ok(()), "{good}");
        }
        for bad in
            ["nsx_live_a1b2c3", "0123456789 abcdef", "0123456789,abcdef", "é123456789abcdef", "0123456.89ab.cdef"]
        {
            assert!(importable(bad).is_err(), "{bad}");
        }
        assert!(importable(&"x".repeat(513)).is_err());
    }
}
