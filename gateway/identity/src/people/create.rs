//! Making users known.

use std::collections::BTreeMap;

use domain::{Deed, DeedClass, RoleName, TenantId, keyformat};

use super::Person;
use super::password::{self, WeakPassword};
use super::pool::TooBusy;
use super::user::{Failures, HOME_ENDS, User};
use crate::Identity;
use crate::kept::Kept;
use crate::publish::{Decision, Entered};
use crate::store::StoreFault;
use crate::terms::{Terms, Unfit, label};

/// The longest name or address there can be, in bytes (RFC 5321 section 4.5.3.1).
const LONGEST: usize = 254;

/// A user to be made known.
#[derive(Clone, Default)]
pub struct NewPerson {
    /// By what they sign in, after that of their home. An address will do.
    pub name: String,
    /// The tenant whose own they are; nobody's where whoever operates the gateway vouches for the name.
    pub home: Option<TenantId>,
    /// Where mail reaches them.
    pub email: Option<String>,
    /// What people call them.
    pub display: Option<String>,
    /// The password; without one they cannot sign in until it is set.
    pub password: Option<String>,
    /// What they are in each tenant.
    pub roles: BTreeMap<TenantId, Vec<RoleName>>,
}

/// A role cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRole {
    /// No API has such a role.
    #[error("no API has a role `{0}`; help: there are {1}")]
    Unknown(RoleName, String),
    /// There is no such tenant.
    #[error("there is no tenant `{0}`")]
    UnknownTenant(TenantId),
    /// Somebody who is one tenant's own would have roles in another.
    #[error("the user is tenant `{0}`'s own and has roles nowhere else; help: make a user known who is nobody's")]
    Elsewhere(TenantId),
}

/// A user could not be made known.
#[derive(Debug, thiserror::Error)]
pub enum CreatePersonError {
    /// Somebody signs in by the name or address already.
    #[error("somebody signs in by `{0}` already")]
    Taken(String),
    /// It cannot be a name.
    #[error("`{0}` cannot be a name to sign in by: use 1 to 254 characters without spaces and `/`")]
    Name(String),
    /// It cannot be an address.
    #[error("`{0}` cannot be an address of mail")]
    Email(String),
    /// What people call them cannot be.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The password cannot be.
    #[error(transparent)]
    Password(#[from] WeakPassword),
    /// A role cannot be given.
    #[error(transparent)]
    Role(#[from] BadRole),
    /// As many passwords wait to be hashed as may.
    #[error(transparent)]
    Busy(#[from] TooBusy),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for CreatePersonError {
    fn entered(&self) -> String {
        match self {
            Self::Taken(_) => "somebody signs in by that already".to_owned(),
            Self::Name(_) => "that cannot be a name to sign in by".to_owned(),
            Self::Email(_) => "that cannot be an address of mail".to_owned(),
            Self::Unfit(_) => "that cannot be what people call them".to_owned(),
            Self::Password(_) | Self::Role(_) | Self::Busy(_) | Self::Store(_) => self.to_string(),
        }
    }
}

impl Identity {
    /// Makes a user known.
    pub async fn create_person(&self, new: &NewPerson, terms: &Terms) -> Result<Person, CreatePersonError> {
        self.told(self.deed(DeedClass::Identity, "create_user"), self.make_person(new, terms)).await
    }

    async fn make_person(&self, new: &NewPerson, terms: &Terms) -> Result<Person, CreatePersonError> {
        let name = sign_in_name(&new.name).ok_or_else(|| CreatePersonError::Name(shortened(&new.name)))?;
        let email = new.email.as_deref().map(address).transpose()?;
        let display = new.display.as_deref().map(label).transpose()?;
        for roles in new.roles.values() {
            known_roles(roles, terms)?;
        }
        let password = match &new.password {
            Some(password) => {
                let names = [name.as_str(), email.as_deref().unwrap_or_default()];
                password::check(password, self.people.password_min, &names)?;
                Some(self.hashed(password).await?)
            }
            None => None,
        };
        let made = &User {
            id: keyformat::draw_id("usr_", 16, &*self.random),
            name: new.home.as_ref().map_or(name.clone(), |home| name_in(home, &name)),
            home: new.home.clone(),
            email,
            display,
            password,
            created: self.clock.now().wall,
            suspended: None,
            roles: new.roles.iter().map(|(tenant, roles)| (tenant.clone(), sorted(roles))).collect(),
            teams: BTreeMap::new(),
            failures: Failures::default(),
            factor: None,
            enrolling: None,
        };
        self.settle(|| Box::pin(self.admit_person(made))).await
    }

    async fn admit_person(&self, made: &User) -> Result<Decision<Person>, CreatePersonError> {
        for name in made.names() {
            if self.user_called(name).await?.is_some() {
                return Err(CreatePersonError::Taken(name.to_owned()));
            }
        }
        if let (Some(home), Some(email)) = (&made.home, &made.email)
            && self.is_known_in(home, email).await?
        {
            return Err(CreatePersonError::Taken(email.clone()));
        }
        for tenant in made.roles.keys() {
            self.known_tenant(tenant).await?.map_err(CreatePersonError::Role)?;
        }
        let deed = self.deed(DeedClass::Identity, "create_user").on(&made.id);
        let roles = made.roles.iter().map(|(tenant, roles)| self.role_deed(&made.id, tenant, roles));
        let deeds = std::iter::once(deed).chain(roles).collect();
        Ok(Decision { changes: vec![made.kept()?], deeds, outcome: made.clone().into() })
    }

    /// Whether a tenant has a user of this address, of its own or one who is nobody's. Of users elsewhere it says nothing.
    pub(super) async fn is_known_in(&self, tenant: &TenantId, address: &str) -> Result<bool, StoreFault> {
        let own = self.user_called(&name_in(tenant, address)).await?;
        let nobodys = self.user_called(address).await?.filter(|it| it.belongs_to(tenant));
        Ok(own.or(nobodys).is_some())
    }

    pub(crate) async fn known_tenant(&self, tenant: &TenantId) -> Result<Result<(), BadRole>, StoreFault> {
        let known = self.registry.tenant(tenant).await?.is_some();
        Ok(if known { Ok(()) } else { Err(BadRole::UnknownTenant(tenant.clone())) })
    }

    /// A deed on a user. What was typed in the place of an id may be a name, which no entry says.
    pub(crate) fn user_deed(&self, class: DeedClass, action: &str, user: &str) -> Deed {
        let deed = self.deed(class, action);
        if is_user_id(user) { deed.on(user) } else { deed }
    }

    pub(crate) fn role_deed(&self, user: &str, tenant: &TenantId, roles: &[RoleName]) -> Deed {
        let roles: Vec<&str> = roles.iter().map(RoleName::as_str).collect();
        self.user_deed(DeedClass::Role, "set", user).of(tenant).with("roles", roles.join(" "))
    }
}

/// Whether it is of the form of the ids that are drawn here.
pub fn is_user_id(text: &str) -> bool {
    text.strip_prefix("usr_").is_some_and(|it| it.len() == 16 && it.bytes().all(|it| it.is_ascii_alphanumeric()))
}

/// The name of a tenant's own user. No name that was typed has a `/`, so that this is nobody else's, in no other tenant.
pub(super) fn name_in(tenant: &TenantId, name: &str) -> String {
    format!("{tenant}{HOME_ENDS}{name}")
}

/// A name to sign in by: one word, harmless in a terminal, no key, and none that a tenant could give.
fn sign_in_name(text: &str) -> Option<String> {
    let text = text.trim();
    let odd = |it: char| it.is_control() || it.is_whitespace() || it == HOME_ENDS;
    let fits = (1..=LONGEST).contains(&text.len()) && !text.contains(odd);
    (fits && keyformat::without_keys(text) == text).then(|| text.to_owned())
}

pub(crate) fn address(text: &str) -> Result<String, CreatePersonError> {
    let bad = || CreatePersonError::Email(shortened(text));
    let address = sign_in_name(text).ok_or_else(bad)?;
    let (local, host) = address.rsplit_once('@').ok_or_else(bad)?;
    if local.is_empty() || host.is_empty() { Err(bad()) } else { Ok(address) }
}

/// An address that somebody else says that a user has, where it can be one.
pub(crate) fn address_of(text: &str) -> Option<String> {
    address(text).ok()
}

fn shortened(text: &str) -> String {
    keyformat::without_keys(text).escape_debug().take(100).collect()
}

pub(crate) fn known_roles(roles: &[RoleName], terms: &Terms) -> Result<(), BadRole> {
    let known = |role: &RoleName| terms.all().any(|it| it.roles.contains_key(role));
    let Some(unknown) = roles.iter().find(|it| !known(it)) else { return Ok(()) };
    let mut all: Vec<String> = terms.all().flat_map(|it| it.roles.keys()).map(|it| format!("`{it}`")).collect();
    all.sort();
    all.dedup();
    let all = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
    Err(BadRole::Unknown(unknown.clone(), all))
}

pub(crate) fn sorted(roles: &[RoleName]) -> Vec<RoleName> {
    let mut roles = roles.to_vec();
    roles.sort();
    roles.dedup();
    roles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_and_an_address_has_two_halves() {
        assert_eq!(sign_in_name(" ann ").as_deref(), Some("ann"));
        for bad in
            ["", " ", "a b", "a\u{7}", "acme/ann", &"x".repeat(255), &keyformat::write("nsx_live_", &mut [7; 32])]
        {
            assert_eq!(sign_in_name(bad), None, "{bad:?}");
        }
        assert_eq!(address("Ann@example.com").ok().as_deref(), Some("Ann@example.com"));
        for bad in ["ann", "acme/ann@example.com", "@example.com", "ann@", "a nn@example.com"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn entries_do_not_say_what_somebody_is_called() {
        for told in [
            CreatePersonError::Taken("zoe".to_owned()),
            CreatePersonError::Name("zoe".to_owned()),
            CreatePersonError::Email("zoe".to_owned()),
            CreatePersonError::Unfit(Unfit::Name("zoe".to_owned())),
        ] {
            assert!(told.to_string().contains("zoe") && !told.entered().contains("zoe"), "{told}");
        }
    }
}
