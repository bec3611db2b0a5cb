//! What is kept of a user.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{RoleName, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::create::name_in;
use super::factor::Factor;
use super::{Membership, Person};
use crate::kept::Kept;

/// By what a user is found who signs in: the folded name, and the folded address.
pub(super) const BY_NAME: &str = "name";

/// By what the users of a tenant are found.
pub(super) const BY_TENANT: &str = "tenant";

/// By what the members of a team are found.
pub(crate) const BY_TEAM: &str = "team";

/// What stands between a tenant and the rest of the name of a user of its own.
pub(super) const HOME_ENDS: char = '/';

/// The role that somebody in each tenant has, once anybody has it.
const OWNER: &str = "owner";

/// A user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: String,
    /// Whose own they are: their name begins with it, and they belong nowhere else. It is nobody else's word than this
    /// tenant's that the address is theirs.
    #[serde(default)]
    pub(super) home: Option<TenantId>,
    pub(super) name: String,
    pub(super) email: Option<String>,
    pub(super) display: Option<String>,
    /// The hash of the password, as a PHC string.
    pub(super) password: Option<String>,
    pub(super) created: Timestamp,
    pub(super) suspended: Option<Timestamp>,
    pub(super) roles: BTreeMap<TenantId, Vec<RoleName>>,
    /// What they are besides by the teams that they are in.
    #[serde(default)]
    pub(crate) teams: BTreeMap<String, Place>,
    #[serde(default)]
    pub(super) failures: Failures,
    /// The second factor that is asked for.
    pub(super) factor: Option<Factor>,
    /// One that was begun and not confirmed yet.
    pub(super) enrolling: Option<Factor>,
}

/// What a team makes of one of its members. All of it is kept with the member, so that what a user may do is in one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Whose team it is.
    pub(crate) tenant: TenantId,
    /// What their own invite makes them.
    pub(crate) role: RoleName,
    /// What the team makes all of its members.
    pub(crate) given: Vec<RoleName>,
    /// When they joined.
    pub(crate) joined: Timestamp,
}

impl Place {
    fn roles(&self) -> impl Iterator<Item = &RoleName> {
        std::iter::once(&self.role).chain(&self.given)
    }
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
        self.locked_until.is_some_and(|it| now < it)
    }

    /// One more. Says whether it locks. One that comes while it is locked tells its sender nothing and counts for nothing,
    /// so that nobody is kept out for longer by it. No number of them locks for ever: whoever knows a name could shut out
    /// whose it is. A lock-out of no time is none.
    pub(super) fn add(&mut self, tries: u32, lockout: Duration, now: Timestamp) -> bool {
        if self.locked(now) {
            self.unheard = self.unheard.saturating_add(1);
            return false;
        }
        self.count = self.count.saturating_add(1);
        let locks = !lockout.is_zero() && self.count.is_multiple_of(tries);
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
        let names = self.names().map(|it| (BY_NAME, folded(it)));
        let tenants = self.tenants().into_iter().map(|it| (BY_TENANT, it.to_string()));
        names.chain(tenants).chain(self.teams.keys().map(|it| (BY_TEAM, it.clone()))).collect()
    }
}

/// Somebody of whom a provider elsewhere has said who they are, and who comes for the first time.
pub(crate) struct NewOutsider {
    /// The id.
    pub(crate) id: String,
    /// Where mail reaches them, if that is certain.
    pub(crate) email: Option<String>,
    /// What people call them.
    pub(crate) display: Option<String>,
    /// When.
    pub(crate) now: Timestamp,
}

impl User {
    /// They have no password, and no role as yet.
    pub(crate) fn outsider(new: NewOutsider) -> Self {
        Self {
            home: None,
            name: new.email.clone().unwrap_or_else(|| new.id.clone()),
            id: new.id,
            email: new.email,
            display: new.display,
            password: None,
            created: new.now,
            suspended: None,
            roles: BTreeMap::new(),
            teams: BTreeMap::new(),
            failures: Failures::default(),
            factor: None,
            enrolling: None,
        }
    }

    /// Whether they are not suspended.
    pub(crate) fn may_sign_in(&self) -> bool {
        self.suspended.is_none()
    }

    /// Somebody of a tenant who signs in by an address there, and is nothing anywhere yet.
    pub(super) fn new(
        id: String,
        (home, email): (&TenantId, &str),
        password: Option<String>,
        created: Timestamp,
    ) -> Self {
        Self {
            id,
            home: Some(home.clone()),
            name: name_in(home, email),
            email: Some(email.to_owned()),
            display: None,
            password,
            created,
            suspended: None,
            roles: BTreeMap::new(),
            teams: BTreeMap::new(),
            failures: Failures::default(),
            factor: None,
            enrolling: None,
        }
    }

    /// Nobody guesses their password any more.
    pub(crate) fn unlocked(self) -> Self {
        Self { failures: Failures::default(), ..self }
    }

    /// By what they sign in. By an address that one tenant says is theirs they do not.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let email = self.email.as_deref().filter(|_| self.home.is_none());
        std::iter::once(self.name.as_str()).chain(email)
    }

    /// Whether a tenant means them by this address.
    pub(crate) fn answers_to(&self, address: &str, tenant: &TenantId) -> bool {
        let same = |it: &str| folded(it) == folded(address);
        match &self.home {
            Some(home) => home == tenant && self.email.as_deref().is_some_and(same),
            None => self.names().any(same),
        }
    }

    /// Whether they have a role in a tenant.
    pub(super) fn belongs_to(&self, tenant: &TenantId) -> bool {
        self.tenants().contains(tenant)
    }

    /// Where they have a role.
    pub(crate) fn memberships(&self) -> Vec<Membership> {
        let of = |tenant: &TenantId| Membership { tenant: tenant.clone(), roles: self.roles_in(tenant) };
        self.tenants().into_iter().map(of).filter(|it| !it.roles.is_empty()).collect()
    }

    /// All that they are in a tenant, by themselves and by their teams; sorted, without repeats.
    pub(crate) fn roles_in(&self, tenant: &TenantId) -> Vec<RoleName> {
        let theirs = self.teams.values().filter(|it| it.tenant == *tenant).flat_map(Place::roles);
        let all: BTreeSet<&RoleName> = self.roles.get(tenant).into_iter().flatten().chain(theirs).collect();
        all.into_iter().cloned().collect()
    }

    /// Whether they look after a tenant.
    pub(crate) fn owns(&self, tenant: &TenantId) -> bool {
        self.roles_in(tenant).iter().any(|it| it.as_str() == OWNER)
    }

    fn tenants(&self) -> BTreeSet<&TenantId> {
        self.roles.keys().chain(self.teams.values().map(|it| &it.tenant)).collect()
    }
}

impl From<User> for Person {
    fn from(it: User) -> Self {
        Self {
            id: it.id,
            home: it.home,
            name: it.name,
            email: it.email,
            display: it.display,
            suspended: it.suspended.is_some(),
            second_factor: it.factor.is_some(),
            created: it.created,
        }
    }
}

/// One spelling for all names that are the same but for capitals and spaces around them. Tenants may differ by capitals.
pub fn folded(name: &str) -> String {
    let name = name.trim();
    match name.rsplit_once(HOME_ENDS) {
        Some((home, rest)) => format!("{home}{HOME_ENDS}{}", rest.to_lowercase()),
        None => name.to_lowercase(),
    }
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
    fn however_often_others_guess_a_lock_ends_after_half_an_hour() {
        let (mut failures, mut now) = (Failures::default(), NOW);
        for _ in 0..1000 {
            let _ = failures.add(10, Duration::from_mins(30), now);
            assert!(!failures.locked(now + Duration::from_mins(30)));
            now = now + Duration::from_mins(31);
        }
        assert_eq!(failures.count, 1000);
    }

    #[test]
    fn where_nobody_is_to_be_locked_out_nobody_is() {
        let mut failures = Failures::default();
        assert!((0..1000).all(|_| !failures.add(10, Duration::ZERO, NOW) && !failures.locked(NOW)));
        assert_eq!((failures.count, failures.unheard, failures.locked_until), (1000, 0, None));
    }

    #[test]
    fn a_user_is_what_they_are_by_themselves_and_by_their_teams_and_nothing_elsewhere() {
        let tenant = |it: &str| it.parse::<TenantId>().unwrap();
        let role = |it: &str| it.parse::<RoleName>().unwrap();
        let place = |of: &str, given: &[&str]| Place {
            tenant: tenant(of),
            role: role("viewer"),
            given: given.iter().map(|it| role(it)).collect(),
            joined: NOW,
        };
        let mut user = User {
            home: None,
            name: "Ann@example.com".to_owned(),
            ..User::new("usr_1".to_owned(), (&tenant("acme"), "Ann@example.com"), None, NOW)
        };
        user.roles.insert(tenant("acme"), vec![role("member")]);
        user.teams.insert("team_1".to_owned(), place("acme", &["member", "owner"]));
        user.teams.insert("team_2".to_owned(), place("globex", &[]));
        assert_eq!(user.roles_in(&tenant("acme")), ["member", "owner", "viewer"].map(role));
        assert!(user.owns(&tenant("acme")) && !user.owns(&tenant("globex")) && !user.owns(&tenant("other")));
        let places: Vec<_> = user.memberships().into_iter().map(|it| (it.tenant, it.roles.len())).collect();
        assert_eq!(places, [(tenant("acme"), 3), (tenant("globex"), 1)]);
        let found = user.found_by();
        for it in [("tenant", "acme"), ("tenant", "globex"), ("team", "team_1"), ("name", "ann@example.com")] {
            assert!(found.contains(&(it.0, it.1.to_owned())), "{found:?}");
        }
        let globex = tenant("globex");
        assert!(user.answers_to("ann@EXAMPLE.com", &globex) && !user.answers_to("ben@example.com", &globex));
    }

    #[test]
    fn a_tenants_own_user_is_called_by_its_name_and_theirs_and_nobody_else_means_them_by_their_address() {
        let [acme, other] = ["acme", "Acme"].map(|it| it.parse::<TenantId>().unwrap());
        let user = User::new("usr_1".to_owned(), (&acme, "Ann@example.com"), None, NOW);
        assert_eq!(user.found_by(), [("name", "acme/ann@example.com".to_owned())]);
        assert!(user.answers_to("ann@example.com", &acme) && !user.answers_to("ann@example.com", &other));
        assert!(!user.answers_to("acme/ann@example.com", &acme), "no address has a tenant in it");
    }

    #[test]
    fn a_name_has_one_spelling() {
        assert_eq!(folded("  Ann@Example.COM "), "ann@example.com");
        assert_eq!(folded("ÉMILE"), "émile");
        assert_eq!(folded(" Acme/Ann@Example.COM "), "Acme/ann@example.com");
    }
}
