//! Ending keys, and moving them to another pepper.

use domain::{Change, Deed, DeedClass, KeyId, KeyRecord, KeySecret};

use crate::Identity;
use crate::publish::{Decision, Entered};
use crate::store::StoreFault;

/// A key could not be revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeKeyError {
    /// There is none.
    #[error("there is no key `{0}`")]
    Unknown(KeyId),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for RevokeKeyError {}

impl Identity {
    /// From now on the key opens nothing. Revoking twice is revoking once.
    pub async fn revoke_key(&self, id: &KeyId) -> Result<KeyRecord, RevokeKeyError> {
        self.end_key(id, &|deed| deed).await
    }

    /// The same for a key that was found where none should be; `by` says how.
    pub async fn revoke_leaked_key(&self, id: &KeyId, by: &str) -> Result<KeyRecord, RevokeKeyError> {
        self.end_key(id, &|deed| deed.with("why", "leaked").with("found_by", by)).await
    }

    async fn end_key(
        &self,
        id: &KeyId,
        about: &(dyn Fn(Deed) -> Deed + Send + Sync),
    ) -> Result<KeyRecord, RevokeKeyError> {
        let now = self.clock.now().wall;
        let verb = self.settle(|| {
            Box::pin(async move {
                let mut record = self.registry.key(id).await?.ok_or_else(|| RevokeKeyError::Unknown(id.clone()))?;
                let changes = if record.revoked.is_none() {
                    record.revoked = Some(now);
                    vec![Change::Key(Box::new(record.clone()))]
                } else {
                    Vec::new()
                };
                let deed = self.key_deed("revoke", &record).with("changed", !changes.is_empty());
                Ok(Decision { changes, deeds: vec![about(deed)], outcome: record })
            })
        });
        self.told(self.deed(DeedClass::Key, "revoke").on(id), verb).await
    }

    /// Keeps keys under the digests that were made of them at their last use, under a newer pepper.
    pub async fn renew_digests(&self, renewals: &[(KeyId, KeySecret)]) -> Result<(), StoreFault> {
        self.settle(|| {
            Box::pin(async move {
                let mut changes = Vec::with_capacity(renewals.len());
                for (id, secret) in renewals {
                    let Some(record) = self.registry.key(id).await? else { continue };
                    if newer(secret, &record.secret) {
                        changes.push(Change::Key(Box::new(KeyRecord { secret: secret.clone(), ..record })));
                    }
                }
                // Nobody did anything: the gateway keeps what it has in a newer way.
                Ok(Decision { changes, deeds: Vec::new(), outcome: () })
            })
        })
        .await
    }
}

/// Whether a digest is of the same form as the one that is kept, and under a newer pepper.
fn newer(secret: &KeySecret, kept: &KeySecret) -> bool {
    match (secret, kept) {
        (KeySecret::Minted { pepper: new, .. }, KeySecret::Minted { pepper: old, .. })
        | (KeySecret::Imported { pepper: new, .. }, KeySecret::Imported { pepper: old, .. }) => old < new,
        (
            KeySecret::Minted { .. } | KeySecret::Imported { .. } | KeySecret::AccessKey { .. } | KeySecret::Granted(_),
            _,
        ) => false,
    }
}
