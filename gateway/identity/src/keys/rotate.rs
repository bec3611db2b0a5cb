//! Putting a new key in the place of an old one, with no moment at which neither works.

use std::time::Duration;

use domain::{Change, DeedClass, KeyId, KeyRecord, KeySecret, Overlap, Timestamp};

use super::{Issued, KeyKind, KeyState, kind};
use crate::publish::{Decision, Entered};
use crate::store::StoreFault;
use crate::terms::{Terms, Unfit};
use crate::{Identity, Shown};

/// A key could not be rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotateKeyError {
    /// There is none.
    #[error("there is no key `{0}`")]
    Unknown(KeyId),
    /// It no longer works, so that nothing can take its place.
    #[error("key `{0}` is {1}; help: make a new key")]
    Dead(KeyId, &'static str),
    /// Another has taken its place already.
    #[error("key `{0}` was rotated already; help: rotate the key that took its place, or revoke this one")]
    Rotated(KeyId),
    /// Its owner is suspended.
    #[error("key `{0}` is suspended with its owner; help: resume the service account first")]
    Suspended(KeyId),
    /// Nobody holds it.
    #[error("`{0}` is a grant, which has no secret to rotate; help: end it")]
    Grant(KeyId),
    /// Its API no longer takes such a key.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for RotateKeyError {}

impl Identity {
    /// Makes a key with the rights and the lineage of this one. The old key works until `overlap` is over, by default as
    /// long as the settings say; with an overlap of zero it stops at once.
    pub async fn rotate_key(
        &self,
        id: &KeyId,
        overlap: Option<Duration>,
        terms: &Terms,
    ) -> Result<Issued, RotateKeyError> {
        self.told(self.deed(DeedClass::Key, "rotate").on(id), self.replace_key(id, overlap, terms)).await
    }

    async fn replace_key(
        &self,
        id: &KeyId,
        overlap: Option<Duration>,
        terms: &Terms,
    ) -> Result<Issued, RotateKeyError> {
        let now = self.clock.now().wall;
        let until = now + overlap.unwrap_or(self.settings.rotation_overlap);
        let found = self.registry.key(id).await?.ok_or_else(|| RotateKeyError::Unknown(id.clone()))?;
        let (record, secret) = self.successor(&found, terms, now)?;
        let record = self
            .settle(|| {
                let next = record.clone();
                Box::pin(async move {
                    // Read again: it may have been revoked or rotated since.
                    let old = self.registry.key(id).await?.ok_or_else(|| RotateKeyError::Unknown(id.clone()))?;
                    replaceable(&old, now)?;
                    // What its owner may do may be less by now, too.
                    let next = KeyRecord { scopes: old.scopes.clone(), ..next };
                    let old = KeyRecord { overlap: Some(Overlap { since: now, until }), ..old };
                    let changes = vec![Change::Key(Box::new(next.clone())), Change::Key(Box::new(old))];
                    let deed = self.key_deed("rotate", &next).with("rotated_from", id).with("overlap_until", until);
                    Ok::<_, RotateKeyError>(Decision { changes, deeds: vec![deed], outcome: next })
                })
            })
            .await?;
        Ok(Issued { record, secret })
    }

    fn successor(&self, old: &KeyRecord, terms: &Terms, now: Timestamp) -> Result<(KeyRecord, Shown), RotateKeyError> {
        replaceable(old, now)?;
        let asked = match old.secret {
            // An imported key is followed by one of our own.
            KeySecret::Minted { .. } | KeySecret::Imported { .. } => KeyKind::ApiKey,
            KeySecret::AccessKey { .. } => KeyKind::AccessKey,
            KeySecret::Granted(_) => return Err(RotateKeyError::Grant(old.id.clone())),
        };
        let terms = terms.of(&old.api)?;
        let (kept, secret) = self.mint(kind(Some(asked), terms)?, terms)?;
        let record = KeyRecord {
            id: self.draw_key_id()?,
            secret: kept,
            created: now,
            // A key that was made for 90 days is followed by one for 90 days.
            expires: old.expires.map(|it| now + it.since(old.created)),
            rotated_from: Some(old.id.clone()),
            overlap: None,
            revoked: None,
            last_used: None,
            ..old.clone()
        };
        Ok((record, secret))
    }
}

fn replaceable(old: &KeyRecord, now: Timestamp) -> Result<(), RotateKeyError> {
    match KeyState::of(old, now) {
        KeyState::Active => Ok(()),
        KeyState::Suspended => Err(RotateKeyError::Suspended(old.id.clone())),
        KeyState::Retiring | KeyState::Replaced => Err(RotateKeyError::Rotated(old.id.clone())),
        state @ (KeyState::Expired | KeyState::Revoked) => Err(RotateKeyError::Dead(old.id.clone(), state.as_str())),
    }
}
