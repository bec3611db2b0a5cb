//! The `[[role]]` tables of a profile.

use domain::{RoleName, Scope};

use crate::written::{Placed, Section};

/// One role as it is written. Whether its scopes are there is for whoever has read the documents.
pub(crate) struct WrittenRole {
    pub(crate) name: Placed<RoleName>,
    /// `None` for every scope of the API.
    pub(crate) scopes: Option<Vec<Placed<Scope>>>,
}

/// Reads them all.
pub(crate) fn read(root: &Section<'_>) -> Option<Vec<WrittenRole>> {
    let read: Vec<Option<WrittenRole>> = root.sections("role").iter().map(role).collect();
    let roles: Vec<WrittenRole> = read.into_iter().collect::<Option<_>>()?;
    for (at, role) in roles.iter().enumerate() {
        if roles.iter().take(at).any(|it| it.name.value == role.name.value) {
            root.fault(role.name.place, format!("role `{}` is there twice", role.name.value));
        }
    }
    Some(roles)
}

fn role(section: &Section<'_>) -> Option<WrittenRole> {
    let name = section.required::<RoleName>("name");
    let all = section.value_or("all_scopes", false);
    let scopes = section.list::<Scope>("scopes");
    let scopes = scopes?;
    if all != scopes.is_empty() {
        let help = "write `scopes = [...]`, or `all_scopes = true`";
        section.fault_with(section.place(), "a role has scopes of its own, or all there are", help);
    }
    Some(WrittenRole { name: name?, scopes: (!all).then_some(scopes) })
}
