//! Every key there is, as a gateway begins with them: none of a user does more than its user may.

use std::collections::BTreeSet;

use authn::{Keyring, KeyringBuilder};
use domain::{Change, KeySecret, Version};
use identity::{Identity, StoreFault, Terms};

/// Reads every key, once those that somebody holds are as their owners let them be: keys may have been made before anybody saw
/// to that, and what a role holds may have changed in a profile while nothing ran.
pub(super) async fn loaded(identity: &Identity, terms: &Terms) -> Result<(Keyring, Version), StoreFault> {
    let (keys, version, owners) = read(identity).await?;
    let mut changed = 0;
    for owner in &owners {
        changed += identity.fit_keys_of(owner, terms).await?;
    }
    if changed == 0 {
        return Ok((keys, version));
    }
    tracing::warn!(
        changed,
        "keys did more than whoever holds them may, or nobody holds them: they were narrowed or have ended; each is in a `key.change` entry"
    );
    let (keys, version, _) = read(identity).await?;
    Ok((keys, version))
}

/// Every key, and who holds those that are no grants and were not revoked.
async fn read(identity: &Identity) -> Result<(Keyring, Version, BTreeSet<String>), StoreFault> {
    let (mut keys, mut owners) = (KeyringBuilder::new(), BTreeSet::new());
    let mut take = |change| {
        if let Change::Key(key) = &change
            && key.revoked.is_none()
            && !matches!(key.secret, KeySecret::Granted(_))
            && let Some(owner) = &key.owner
            && !owners.contains(owner)
        {
            owners.insert(owner.clone());
        }
        keys.add(change);
    };
    let version = identity.registry().load(&mut take).await?;
    Ok((keys.finish(), version, owners))
}
