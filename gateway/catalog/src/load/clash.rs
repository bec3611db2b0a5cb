//! What one profile says that another, or its own documents, contradict.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Fault, Faults, NativeVerb, Operation, Scope};

use super::Draft;

/// Faults every contradiction, at the later of the two places.
pub(super) fn find(drafts: &[Draft], faults: &mut Faults) {
    namespaces(drafts, faults);
    prefixes(drafts, faults);
    for draft in drafts {
        faults.extend(operation_ids(draft));
        open_doors(draft, faults);
        dead_ends(draft, faults);
        roles(draft, faults);
    }
}

/// A role, or a key, is given scopes that operations ask for: one that no document knows is a slip of the pen.
fn roles(draft: &Draft, faults: &mut Faults) {
    // What a document that could not be read asks for, nobody knows.
    if draft.documents.is_empty() || !draft.is_whole() || draft.outline.hosts.is_none() {
        return;
    }
    let asked: BTreeSet<&Scope> = draft
        .operations()
        .flat_map(|(_, it)| &it.operation.requirement.0)
        .flat_map(|it| &it.0)
        .flat_map(|it| &it.1)
        .collect();
    for scope in &draft.outline.scopes {
        if !asked.contains(&scope.value) {
            let message = format!("no operation asks for scope `{}`", scope.value);
            faults.push(scope.place.fault(&draft.file, message));
        }
    }
}

fn namespaces(drafts: &[Draft], faults: &mut Faults) {
    for (at, draft) in drafts.iter().enumerate() {
        let Some(namespace) = &draft.outline.namespace else { continue };
        let same = |it: &&Draft| it.outline.namespace.as_ref().is_some_and(|it| it.value == namespace.value);
        if let Some(rival) = drafts.iter().take(at).find(same) {
            let message = format!("`namespace` `{}` is also that of `{}`", namespace.value, rival.name);
            faults.push(namespace.place.fault(&draft.file, message));
        }
    }
}

/// A key belongs to one API, which its beginning must tell.
fn prefixes(drafts: &[Draft], faults: &mut Faults) {
    let all: Vec<_> =
        drafts.iter().flat_map(|draft| draft.outline.prefixes.iter().map(move |it| (draft, it))).collect();
    for (at, (draft, prefix)) in all.iter().enumerate() {
        let rival = all
            .iter()
            .take(at)
            .find(|(_, it)| it.value.starts_with(&*prefix.value) || prefix.value.starts_with(&*it.value));
        if let Some((owner, rival)) = rival {
            let message = format!(
                "keys beginning with `{}` could also be those of `{}`, which begin with `{}`",
                prefix.value, owner.name, rival.value
            );
            faults.push(prefix.place.fault(&draft.file, message));
        }
    }
}

/// Within one document the reader of documents sees to it; this is between the documents of one API.
pub(super) fn operation_ids(draft: &Draft) -> Faults {
    let mut faults = Faults::new();
    let mut seen: BTreeMap<&str, (usize, &Operation)> = BTreeMap::new();
    for (surface, documented) in draft.operations() {
        let operation = &*documented.operation;
        let before = seen.insert(operation.id.as_str(), (surface, operation));
        if let Some((_, first)) = before.filter(|(it, _)| *it != surface) {
            let message = format!(
                "operation `{}` (`{} {}`) is also the id of `{} {}`",
                operation.id, operation.method, operation.template, first.method, first.template
            );
            let document = draft.outline.documents.get(surface).map(|it| draft.folder.join(&it.document.value));
            faults.push(Fault::of(document.as_ref().unwrap_or(&draft.file), message));
        }
    }
    faults
}

/// An operation that asks for a credential nobody could have.
fn open_doors(draft: &Draft, faults: &mut Faults) {
    let Some(credentials) = draft.settings.as_ref().map(|it| &it.credentials) else { return };
    if credentials.api_key.is_some() || credentials.sigv4.is_some() {
        return;
    }
    if let Some((_, it)) = draft.operations().find(|(_, it)| !it.operation.requirement.admits_anonymous()) {
        let message = format!("operation `{}` asks for a credential, but `[credentials]` takes none", it.operation.id);
        faults.push(Fault::of(&draft.file, message));
    }
}

/// An operation by which callers begin what no operation of the API goes on with.
fn dead_ends(draft: &Draft, faults: &mut Faults) {
    // What a document that could not be read has, nobody knows.
    if !draft.is_whole() {
        return;
    }
    let verb = |it: &Operation| it.native.served();
    let offered: BTreeSet<&str> =
        draft.operations().filter_map(|(_, it)| verb(&it.operation)).map(NativeVerb::as_str).collect();
    for (surface, it) in draft.operations() {
        let missing = verb(&it.operation).into_iter().flat_map(NativeVerb::leads_to);
        let missing: Vec<String> =
            missing.filter(|it| !offered.contains(it.as_str())).map(|it| format!("`{}`", it.as_str())).collect();
        if !missing.is_empty() {
            let message = format!("operation `{}` leads nowhere without {}", it.operation.id, missing.join(" and "));
            let help = "say of an operation that it is `x-portcullis-native` in that way, or take this one away";
            let document = draft.outline.documents.get(surface).map(|it| draft.folder.join(&it.document.value));
            faults.push(Fault::of(document.as_ref().unwrap_or(&draft.file), message).with_help(help));
        }
    }
}
