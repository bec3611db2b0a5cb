//! What is kept of a user.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{RoleName, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::factor::Factor;
use super::{Membership, Person};
use crate::kept::Kept;

/// By what a user is found who signs in: the folded name, and the folded address.
pub(super) const BY_NAME: &str = "name";

/// By what the users of a tenant are found.
pub(super) const BY_TENANT: &str = "tenant";

/// After how many wrong passwords in a row a password is good for nothing until it is set anew.
const SPENT_AFTER: u32 = 100;

/// A user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(super) name: String,
    pub(super) email: Option<String>,
    pub(super) display: Option<String>,
    /// The hash of the password, as a PHC string.
    pub(super) password: Option<String>,
    pub(super) created: Timestamp,
    pub(super) suspended: Option<Timestamp>,
    pub(super) roles: BTreeMap<TenantId, Vec<RoleName>>,
    #[serde(default)]
    pub(super) failures: Failures,
    /// The second factor that is asked for.
    pub(super) factor: Option<Factor>,
    /// One that was begun and not confirmed yet.
    pub(super) enrolling: Option<Factor>,
}

/// Wrong passwords since the last right one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failures {
    /// How many were judged.
    pub(super) count: u32,
    /// How many came while none was judged.
    pub(super) unheard: u64,
    /// Until when none is judged.
    pub(super) locked_until: Option<Timestamp>,
}

impl Failures {
    /// Whether a password alone opens nothing at this moment.
    pub(super) fn locked(&self, now: Timestamp) -> bool {
        SPENT_AFTER <= self.count || self.locked_until.is_some_and(|it| now < it)
    }

    /// One more. Says whether it locks. One that comes while it is locked tells its sender nothing and counts for nothing,
    /// so that nobody is kept out for longer by it.
    pub(super) fn add(&mut self, tries: u32, lockout: Duration, now: Timestamp) -> bool {
        if self.locked(now) {
            self.unheard = self.unheard.saturating_add(1);
            return false;
        }
        self.count = self.count.saturating_add(1);
        let locks = self.count.is_multiple_of(tries) || SPENT_AFTER <= self.count;
        if locks {
            self.locked_until = Some(now + lockout);
        }
        locks
    }
}

impl Kept for User {
    const KIND: &'static str = "user";

    fn id(&self) -> &str {
        &self.id
    }

    fn found_by(&self) -> Vec<(&'static str, String)> {
        let names = [Some(&self.name), self.email.as_ref()].into_iter().flatten().map(|it| (BY_NAME, folded(it)));
        names.chain(self.roles.keys().map(|it| (BY_TENANT, it.to_string()))).collect()
    }
}

impl User {
    /// Whether they are not suspended.
    pub(crate) fn may_sign_in(&self) -> bool {
        self.suspended.is_none()
    }

    /// Where they have a role.
    pub(crate) fn memberships(&self) -> Vec<Membership> {
        let some = self.roles.iter().filter(|(_, roles)| !roles.is_empty());
        some.map(|(tenant, roles)| Membership { tenant: tenant.clone(), roles: roles.clone() }).collect()
    }
}

impl From<User> for Person {
    fn from(it: User) -> Self {
        Self {
            id: it.id,
            name: it.name,
            email: it.email,
            display: it.display,
            suspended: it.suspended.is_some(),
            second_factor: it.factor.is_some(),
            created: it.created,
        }
    }
}

/// One spelling for all that are the same but for capitals and spaces around them.
pub(super) fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    #[test]
    fn ten_in_a_row_lock_for_half_an_hour_and_what_comes_meanwhile_does_not_prolong_it() {
        let (mut failures, half_an_hour) = (Failures::default(), Duration::from_mins(30));
        for number in 1..=10 {
            assert!(!failures.locked(NOW));
            assert_eq!(failures.add(10, half_an_hour, NOW), number == 10);
        }
        let later = NOW + Duration::from_mins(29);
        assert!(failures.locked(later) && !failures.add(10, half_an_hour, later));
        assert!(!failures.locked(NOW + half_an_hour), "the end is where it was");
        assert_eq!((failures.count, failures.unheard), (10, 1));
    }

    #[test]
    fn a_hundred_in_a_row_lock_until_the_password_is_set_anew() {
        let (mut failures, mut now) = (Failures::default(), NOW);
        for _ in 0..100 {
            let _ = failures.add(10, Duration::from_mins(30), now);
            now = now + Duration::from_mins(31);
        }
        assert!(failures.locked(now + Duration::from_hours(24 * 365)));
    }

    #[test]
    fn a_name_has_one_spelling() {
        assert_eq!(folded("  Ann@Example.COM "), "ann@example.com");
        assert_eq!(folded("ÉMILE"), "émile");
    }
}
