//! The `[[role]]` tables of a profile.

use domain::{RoleName, Scope};

use crate::written::{Placed, Section};

/// One role as it is written. Whether its scopes are there is for whoever has read the documents.
pub(crate) struct WrittenRole {
    pub(crate) name: Placed<RoleName>,
    /// `None` for every scope of the API.
    pub(crate) scopes: Option<Vec<Placed<Scope>>>,
}

/// What could be read of them.
#[derive(Default)]
pub(crate) struct Roles {
    /// `None` where one of them is at fault.
    pub(crate) all: Option<Vec<WrittenRole>>,
    /// Every scope that one of them names.
    pub(crate) scopes: Vec<Placed<Scope>>,
}

/// Reads them all.
pub(crate) fn read(root: &Section<'_>) -> Roles {
    let mut scopes = Vec::new();
    let read: Vec<Option<WrittenRole>> = root.sections("role").iter().map(|it| role(it, &mut scopes)).collect();
    for (at, role) in read.iter().enumerate() {
        let Some(role) = role else { continue };
        if read.iter().take(at).flatten().any(|it| it.name.value == role.name.value) {
            root.fault(role.name.place, format!("role `{}` is there twice", role.name.value));
        }
    }
    Roles { all: read.into_iter().collect(), scopes }
}

fn role(section: &Section<'_>, named: &mut Vec<Placed<Scope>>) -> Option<WrittenRole> {
    let name = section.required::<RoleName>("name");
    let all = section.value_or("all_scopes", false);
    let scopes = section.items::<Scope>("scopes")?;
    named.extend(scopes.iter().flatten().cloned());
    if all != scopes.is_empty() {
        let help = "write `scopes = [...]`, or `all_scopes = true`";
        section.fault_with(section.place(), "a role has scopes of its own, or all there are", help);
    }
    let scopes: Vec<Placed<Scope>> = scopes.into_iter().collect::<Option<_>>()?;
    Some(WrittenRole { name: name?, scopes: (!all).then_some(scopes) })
}
