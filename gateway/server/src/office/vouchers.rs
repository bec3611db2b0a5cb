//! Which key signs what the APIs behind are told of callers: followed as commands change it, and rotated when it is due.

use std::time::{Duration, SystemTime};

use authn::SecretFiles;
use authn::secrets::{IdentityStep, tend_identity_seeds};
use authn::upstream::LIFETIME;
use domain::{Deed, DeedClass};

use super::Office;
use crate::desk;

/// How much longer a key is known than anything it has signed is good: what clocks differ by.
const GRACE: Duration = Duration::from_mins(1);

impl Office {
    /// Takes in the keys as they are now, where the folder of secrets has changed.
    pub(super) fn follow_identity_keys(&self) -> anyhow::Result<()> {
        let folder = self.settings.data.join("secrets");
        let changed = folder.metadata()?.modified()?;
        let mut seen = self.secrets_seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // One that was taken away beneath us is missed, and no other is drawn in its place.
        if *seen != changed && SecretFiles::under(&self.settings.data).identity.exists() {
            let (key, others) = desk::identity_keys(&self.settings)?;
            self.identity_tokens.take_in(key, &others)?;
            *seen = changed;
        }
        Ok(())
    }

    /// Does what is due with the keys, and has it entered.
    pub(super) async fn tend_identity_keys(&self) -> anyhow::Result<()> {
        let files = SecretFiles::under(&self.settings.data);
        while let Some(step) = tend_identity_seeds(&files, self.gateway.clock.now().wall, LIFETIME + GRACE)? {
            let action = match step {
                IdentityStep::Used => "use",
                IdentityStep::Retired => "retire",
            };
            let (key, _) = desk::identity_keys(&self.settings)?;
            let about = |deed: Deed| deed.with("kind", "identity_signing").with("in_use", key.kid());
            self.identity.keep_deed(DeedClass::Key, action, about).await?;
        }
        Ok(())
    }
}

/// Nothing was seen yet.
pub(super) const UNSEEN: SystemTime = SystemTime::UNIX_EPOCH;
