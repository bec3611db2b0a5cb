//! What is kept of people, and of what acts for them.

use std::fmt;

use crate::{TenantId, Timestamp};

/// One thing that is kept beside tenants and keys. What it is, and what its text says, is known to whoever wrote it.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is: `user`, `client`.
    pub kind: &'static str,
    /// Its name among all of its kind.
    pub id: String,
    /// Whose it is, where it is one tenant's.
    pub tenant: Option<TenantId>,
    /// By what else it is found, such as `("email", "ann@example.com")`. More than one may be found by the same.
    pub found_by: Vec<(&'static str, String)>,
    /// When it may be forgotten.
    pub until: Option<Timestamp>,
    /// All that is kept of it, as JSON.
    pub text: String,
}

impl fmt::Debug for Record {
    /// What it says may be about people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("kind", &self.kind).field("id", &self.id).finish_non_exhaustive()
    }
}
