//! Whether a credential that let somebody in still would: what goes on and on is asked that again.

use domain::{Caller, Requirement, Scope, Timestamp};

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
    /// It has lost the scopes that what it asked for takes.
    #[error("narrowed")]
    Narrowed,
}

/// Whether whoever was let in as this caller, to what takes this, would be now. That an access token has come to its own end
/// is not asked: it is good for minutes, what it has begun may take longer, and the key or grant behind it is asked all the
/// same.
pub fn still_stands(caller: &Caller, takes: &Requirement, keyring: &Keyring, now: Timestamp) -> Result<(), Lapse> {
    let entry = keyring.by_id(&caller.standing.key).ok_or(Lapse::Gone)?;
    if *entry.tenant() != caller.standing.tenant {
        return Err(Lapse::Gone);
    }
    entry.alive(now)?;
    if entry.is_suspended() {
        return Err(Lapse::Suspended);
    }
    let meets = |scopes: &[Scope]| takes.is_met_by(caller.method, scopes);
    let mut left = caller.standing.scopes.clone();
    left.retain(|it| entry.standing().scopes.contains(it));
    if meets(&caller.standing.scopes) && !meets(&left) {
        return Err(Lapse::Narrowed);
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

    use domain::{Alternative, AuthMethod, Change, KeyRecord, Overlap, Tenant, TokenShown};

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
        let (caller, takes) = (caller(&ring, &key), Requirement::default());
        let after =
            |changed: KeyRecord| still_stands(&caller, &takes, &ring.apply([Change::Key(Box::new(changed))]), NOW);
        assert_eq!(still_stands(&caller, &takes, &ring, NOW), Ok(()));
        assert_eq!(after(KeyRecord { revoked: Some(NOW), ..key.clone() }), Err(Lapse::Revoked));
        assert_eq!(after(KeyRecord { expires: Some(NOW), ..key.clone() }), Err(Lapse::Expired));
        let overlap = Some(Overlap { since: NOW, until: NOW });
        assert_eq!(after(KeyRecord { overlap, ..key.clone() }), Err(Lapse::Replaced));
        assert_eq!(after(KeyRecord { suspended: Some(NOW), ..key }), Err(Lapse::Suspended));
        let held = Tenant { suspended: Some(NOW), ..tenant("acme") };
        assert_eq!(still_stands(&caller, &takes, &ring.apply([Change::Tenant(held)]), NOW), Err(Lapse::Suspended));
        assert_eq!(still_stands(&caller, &takes, &Keyring::default(), NOW), Err(Lapse::Gone));
    }

    #[test]
    fn who_loses_what_it_took_to_be_let_in_goes_no_further_and_who_loses_anything_else_does() {
        let scopes = |names: &[&str]| names.iter().map(|it| it.parse().unwrap()).collect::<Vec<Scope>>();
        let takes = |alternatives: &[(&str, &[&str])]| {
            let each = |(scheme, names): &(&str, &[&str])| Alternative(vec![((*scheme).to_owned(), scopes(names))]);
            Requirement(alternatives.iter().map(each).collect())
        };
        let key = KeyRecord { scopes: scopes(&["a", "b", "c"]), ..kept(&minted_key("nsx_live_", 1)) };
        let ring = Keyring::build([tenant("acme")], [key.clone()]);
        let caller = caller(&ring, &key);
        let left = |takes: &Requirement, names: &[&str]| {
            let narrowed = Change::Key(Box::new(KeyRecord { scopes: scopes(names), ..key.clone() }));
            still_stands(&caller, takes, &ring.apply([narrowed]), NOW)
        };
        let both = takes(&[("access_token", &["a", "b"])]);
        assert_eq!((left(&both, &["a", "b"]), left(&both, &["b", "c"])), (Ok(()), Err(Lapse::Narrowed)));
        let either = takes(&[("access_token", &["a"]), ("access_token", &["c"])]);
        assert_eq!((left(&either, &["c"]), left(&either, &["b"])), (Ok(()), Err(Lapse::Narrowed)));
        // What another kind of credential may do without is of no help.
        let other = takes(&[("access_token", &["a"]), ("api_key", &[])]);
        assert_eq!(left(&other, &["b"]), Err(Lapse::Narrowed));
        // What needs no scope, and what was let in for another reason than its scopes.
        assert_eq!(left(&takes(&[("access_token", &[])]), &[]), Ok(()));
        assert_eq!((left(&Requirement::default(), &[]), left(&takes(&[("session", &["z"])]), &[])), (Ok(()), Ok(())));
    }

    #[test]
    fn a_token_may_end_but_not_be_withdrawn() {
        let key = kept(&minted_key("nsx_live_", 1));
        let ring = Keyring::build([tenant("acme")], [key.clone()]);
        let token = Some(Arc::new(TokenShown { signer: "first".to_owned(), issued: NOW }));
        let (caller, takes) = (Caller { token, ..caller(&ring, &key) }, Requirement::default());
        let later = NOW + Duration::from_hours(7);
        assert_eq!(still_stands(&caller, &takes, &ring, later), Ok(()));
        let others = ring.with_token_keys(KeySet::default().having_withdrawn(["other".to_owned()]));
        assert_eq!(still_stands(&caller, &takes, &others, later), Ok(()));
        let own = ring.with_token_keys(KeySet::default().having_withdrawn(["first".to_owned()]));
        assert_eq!(still_stands(&caller, &takes, &own, NOW), Err(Lapse::Withdrawn));
    }
}
