//! What somebody did to the gateway itself, as it will be entered in the log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{TenantId, Timestamp, keyformat};

/// An administrative act, done or refused. Holds no secret: whoever makes one names what was changed, never what it opens.
/// A key of ours that somebody typed in the place of a name is taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// What kind of entry it becomes.
    pub class: DeedClass,
    /// The verb: `create`, `revoke`, `query`.
    pub action: String,
    /// Who did it: `os:` and the name of an account of the machine.
    pub actor: String,
    /// When.
    pub time: Timestamp,
    /// Whose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// What it was done to, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Why it was not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What else is to be known of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}

/// The class of the entry that a deed becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeedClass {
    /// A tenant was made, suspended or resumed.
    #[serde(rename = "tenant.change")]
    Tenant,
    /// A key was made, rotated, revoked or imported.
    #[serde(rename = "key.change")]
    Key,
    /// A user, a client or a service account was made, changed or ended.
    #[serde(rename = "identity.change")]
    Identity,
    /// Somebody was given a role, or it was taken from them.
    #[serde(rename = "role.change")]
    Role,
    /// A team was made, changed or ended.
    #[serde(rename = "group.change")]
    Group,
    /// A login session or another grant began.
    #[serde(rename = "session.start")]
    SessionStart,
    /// A login session or another grant ended.
    #[serde(rename = "session.end")]
    SessionEnd,
    /// Somebody was locked out, or let in again.
    #[serde(rename = "auth.lockout")]
    Lockout,
    /// Entries were read.
    #[serde(rename = "audit.read")]
    Read,
    /// What entries say of a person is to be erased.
    #[serde(rename = "subject.erased")]
    Erasure,
    /// Entries are to be kept whatever their age, or need not be any more.
    #[serde(rename = "legal_hold.change")]
    Hold,
    /// A plugin was bound, changed, revoked or taken away.
    #[serde(rename = "plugin.change")]
    Plugin,
    /// Something was done with the log itself.
    #[serde(rename = "audit.control")]
    Log,
}

impl DeedClass {
    /// Every one of them.
    pub const ALL: [Self; 13] = [
        Self::Tenant,
        Self::Key,
        Self::Identity,
        Self::Role,
        Self::Group,
        Self::SessionStart,
        Self::SessionEnd,
        Self::Lockout,
        Self::Read,
        Self::Erasure,
        Self::Hold,
        Self::Plugin,
        Self::Log,
    ];

    /// As entries write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant.change",
            Self::Key => "key.change",
            Self::Identity => "identity.change",
            Self::Role => "role.change",
            Self::Group => "group.change",
            Self::SessionStart => "session.start",
            Self::SessionEnd => "session.end",
            Self::Lockout => "auth.lockout",
            Self::Read => "audit.read",
            Self::Erasure => "subject.erased",
            Self::Hold => "legal_hold.change",
            Self::Plugin => "plugin.change",
            Self::Log => "audit.control",
        }
    }
}

impl Deed {
    /// A deed of which nothing else is known yet.
    pub fn new(class: DeedClass, action: &str, actor: &str, time: Timestamp) -> Self {
        Self {
            class,
            action: action.to_owned(),
            actor: actor.to_owned(),
            time,
            tenant: None,
            target: None,
            refused: None,
            facts: BTreeMap::new(),
        }
    }

    /// Done to this.
    #[must_use]
    pub fn on(mut self, target: impl ToString) -> Self {
        self.target = Some(harmless(target));
        self
    }

    /// Done to what belongs to this tenant.
    #[must_use]
    pub fn of(mut self, tenant: &TenantId) -> Self {
        let harmless = keyformat::without_keys(tenant.as_str()) == tenant.as_str();
        self.tenant = harmless.then(|| tenant.clone());
        self
    }

    /// Of which this is to be known too.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.facts.insert(name.to_owned(), harmless(value));
        self
    }

    /// Not done, for this reason.
    #[must_use]
    pub fn refused(mut self, why: impl ToString) -> Self {
        self.refused = Some(harmless(why));
        self
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what is shown is as often made on the spot as borrowed")]
fn harmless(shown: impl ToString) -> String {
    keyformat::without_keys(&shown.to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_typed_for_a_name_is_in_no_deed() {
        let key = keyformat::write("nsx_live_", &mut [7; 32]);
        let deed = Deed::new(DeedClass::Key, "revoke", "os:root", Timestamp::from_seconds(0));
        let deed =
            deed.on(&key).of(&key.parse().unwrap()).with("name", &key).refused(format!("there is no key `{key}`"));
        assert!(!format!("{deed:?}").contains(&key), "{deed:?}");
        assert_eq!(deed.refused.as_deref(), Some("there is no key `[key]`"));
    }
}
