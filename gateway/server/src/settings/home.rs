//! Where a user keeps what is theirs: profiles, and what they are signed in with.

use std::path::PathBuf;

/// Where that is, whatever the machine says.
const VARIABLE: &str = "PORTCULLIS_HOME";

/// The folder of this user: what the environment names, or else the usual place (XDG Base Directory Specification).
pub(crate) fn folder() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let usual = || {
        let base = named("XDG_CONFIG_HOME").filter(|it| it.is_absolute());
        let base = base.or_else(|| named("HOME").map(|it| it.join(".config")))?;
        Some(base.join("portcullis"))
    };
    named(VARIABLE).or_else(usual)
}
