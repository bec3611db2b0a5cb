//! Whether a credential that let somebody in still would: what goes on and on is asked that again.

use domain::{Caller, Timestamp};

use crate::Keyring;
use crate::keyring::Ended;

/// Why a credential that was good is not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lapse {
    /// Its owner has revoked it.
    #[error("revoked")]
    Revoked,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Another has taken its place.
    #[error("replaced")]
    Replaced,
    /// It is not known any more, as a grant that has ended.
    #[error("ended")]
    Gone,
    /// Its owner or its tenant was suspended.
    #[error("suspended")]
    Suspended,
    /// The key that has signed its token was withdrawn.
    #[error("withdrawn")]
    Withdrawn,
}

/// Whether whoever was let in as this caller would be now. That an access token has come to its own end is not asked: it
/// is good for minutes, what it has begun may take longer, and the key or grant behind it is asked all the same.
pub fn still_stands(caller: &Caller, keyring: &Keyring, now: Timestamp) -> Result<(), Lapse> {
    let entry = keyring.by_id(&caller.standing.key).ok_or(Lapse::Gone)?;
    if *entry.tenant() != caller.standing.tenant {
        return Err(Lapse::Gone);
    }
    entry.alive(now)?;
    if entry.is_suspended() {
        return Err(Lapse::Suspended);
    }
    let withdrawn = |signer: &str| keyring.token_keys().has_withdrawn(signer);
    if caller.token.as_ref().is_some_and(|it| withdrawn(&it.signer)) { Err(Lapse::Withdrawn) } else { Ok(()) }
}

impl From<Ended> for Lapse {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Revoked => Self::Revoked,
            Ended::Expired => Self::Expired,
            Ended::Replaced => Self::Replaced,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use domain::{AuthMethod, Change, KeyRecord, Overlap, Tenant, TokenShown};

    use super::*;
    use crate::testing::{NOW, kept, minted_key, tenant};
    use crate::token::KeySet;

    fn caller(ring: &Keyring, key: &KeyRecord) -> Caller {
        let standing = Arc::clone(ring.by_id(&key.id).unwrap().standing());
        Caller { standing, method: AuthMethod::AccessToken, in_allowlist: true, retires: None, token: None }
    }

    #[test]
    fn whoever_was_let_in_is_asked_again_for_everything_that_ends_a_credential() {
        let key = kept(&minted_key("nsx_live_", 1));
        let ring = Keyring::build([tenant("acme")], [key.clone()]);
        let caller = caller(&ring, &key);
        let after = |changed: KeyRecord| still_stands(&caller, &ring.apply([Change::Key(Box::new(changed))]), NOW);
        assert_eq!(still_stands(&caller, &ring, NOW), Ok(()));
        assert_eq!(after(KeyRecord { revoked: Some(NOW), ..key.clone() }), Err(Lapse::Revoked));
        assert_eq!(after(KeyRecord { expires: Some(NOW), ..key.clone() }), Err(Lapse::Expired));
        let overlap = Some(Overlap { since: NOW, until: NOW });
        assert_eq!(after(KeyRecord { overlap, ..key.clone() }), Err(Lapse::Replaced));
        assert_eq!(after(KeyRecord { suspended: Some(NOW), ..key }), Err(Lapse::Suspended));
        let held = Tenant { suspended: Some(NOW), ..tenant("acme") };
        assert_eq!(still_stands(&caller, &ring.apply([Change::Tenant(held)]), NOW), Err(Lapse::Suspended));
        assert_eq!(still_stands(&caller, &Keyring::default(), NOW), Err(Lapse::Gone));
    }

    #[test]
    fn a_token_may_end_but_not_be_withdrawn() {
        let key = kept(&minted_key("nsx_live_", 1));
        let ring = Keyring::build([tenant("acme")], [key.clone()]);
        let token = Some(Arc::new(TokenShown { signer: "first".to_owned(), issued: NOW }));
        let caller = Caller { token, ..caller(&ring, &key) };
        let later = NOW + Duration::from_hours(7);
        assert_eq!(still_stands(&caller, &ring, later), Ok(()));
        let others = ring.with_token_keys(KeySet::default().having_withdrawn(["other".to_owned()]));
        assert_eq!(still_stands(&caller, &others, later), Ok(()));
        let own = ring.with_token_keys(KeySet::default().having_withdrawn(["first".to_owned()]));
        assert_eq!(still_stands(&caller, &own, NOW), Err(Lapse::Withdrawn));
    }
}
