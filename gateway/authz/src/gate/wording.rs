//! Faults that Cedar finds, in words for who wrote the policy.

use std::collections::BTreeMap;
use std::path::Path;

use cedar_policy::{EntityUid, PolicyId, Schema, ValidationError, ValidationWarning};
use domain::{Fault, Faults};
use miette::Diagnostic;

/// A fault of Cedar's, with what we would say to do about it where we know better.
pub(super) struct Finding<'a> {
    fault: &'a dyn Diagnostic,
    help: Option<String>,
}

impl<'a> From<&'a ValidationWarning> for Finding<'a> {
    fn from(fault: &'a ValidationWarning) -> Self {
        Self { fault, help: None }
    }
}

/// An error of validation. Where no action has a name, one of the same API that is written nearly so is meant.
pub(super) fn error<'a>(error: &'a ValidationError, schema: &Schema) -> Finding<'a> {
    let ValidationError::UnrecognizedActionId(unknown) = error else { return Finding { fault: error, help: None } };
    Finding { fault: error, help: Some(nearest(&unknown.to_string(), schema).unwrap_or_default()) }
}

/// A hint at the action whose name is nearest to the one in `message`, among those of its API.
fn nearest(message: &str, schema: &Schema) -> Option<String> {
    let written: EntityUid = message.rsplit_once("action `")?.1.strip_suffix('`')?.parse().ok()?;
    let id = written.id().unescaped();
    let own = schema.actions().filter(|it| it.type_name() == written.type_name());
    let far = |it: &EntityUid| strsim::damerau_levenshtein(it.id().unescaped(), id);
    let (distance, near) = own.map(|it| (far(it), it.to_string())).min()?;
    (distance <= 1 + id.len() / 4).then(|| format!("did you mean `{near}`?"))
}

impl Finding<'_> {
    /// The fault in `file`; where it points nowhere, at `offset`.
    pub(super) fn at(&self, file: &Path, text: &str, offset: usize) -> Fault {
        let placed = pointed(file, text, self.fault);
        let Fault { message, help, line, .. } = placed.clone();
        let placed = if line > 0 || text.is_empty() { placed } else { Fault::at_offset(file, text, offset, message) };
        let help = self.help.clone().or(help).filter(|it| !it.is_empty());
        Fault { help, ..placed }
    }
}

/// A fault of Cedar's, at the place it points to.
fn pointed(file: &Path, text: &str, fault: &dyn Diagnostic) -> Fault {
    pointed_from(file, text, fault, 0)
}

/// The same for a part of the text that begins at `start`.
pub(super) fn pointed_from(file: &Path, text: &str, fault: &dyn Diagnostic, start: usize) -> Fault {
    let message = fault.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let labelled = fault.labels().and_then(|mut it| it.next());
    let place = match labelled {
        Some(label) => Fault::at_offset(file, text, start + label.offset(), message),
        None => Fault::of(file, message),
    };
    match fault.help() {
        Some(help) => place.with_help(help.to_string()),
        None => place,
    }
}

/// Each slip once. Cedar tells it for every operation and every type that the policy speaks of.
pub(super) fn once(found: Vec<(PolicyId, Fault)>) -> Faults {
    let mut slips: BTreeMap<_, (Vec<String>, Option<String>)> = BTreeMap::new();
    for (id, Fault { file, line, column, message, help }) in found {
        let (messages, first) = slips.entry((file, line, column, id.to_string())).or_default();
        messages.push(message);
        *first = first.take().or(help);
    }
    let faults = slips.into_iter().flat_map(|((file, line, column, _), (messages, help))| {
        let fault = move |it| Fault { help: help.clone(), ..Fault::at(&file, line, column, it) };
        alike(messages).into_iter().map(fault)
    });
    faults.collect()
}

/// The messages at one place, those that only differ in one name as one.
fn alike(mut messages: Vec<String>) -> Vec<String> {
    messages.sort();
    messages.dedup();
    let mut kinds: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for message in messages {
        let (before, name, after) = named(&message).unwrap_or((&message, "", ""));
        kinds.entry((before.to_owned(), after.to_owned())).or_default().push(name.to_owned());
    }
    let told = kinds.into_iter().map(|((before, after), names)| match names.as_slice() {
        [one, _, ..] if one.contains("::Action::") => {
            format!("{before}{} operations, such as `{one}`,{after}", names.len())
        }
        [one, _, ..] => format!("{before}{one}{after}, and of {} more", names.len() - 1),
        _ => format!("{before}{}{after}", names.concat()),
    });
    told.collect()
}

/// The name in a message that is another for each operation or type: `context for Compute::Action::"delete" not found`.
fn named(message: &str) -> Option<(&str, &str, &str)> {
    let marks = [" in context for ", " on entity type ", " but saw "];
    let start = marks.into_iter().find_map(|it| Some(message.find(it)? + it.len()))?;
    let (before, rest) = message.split_at_checked(start)?;
    let (name, after) = rest.split_at_checked(rest.strip_suffix(" not found").map_or(rest.len(), str::len))?;
    Some((before, name, after))
}
