//! Path templates as resources: `/v2/projects/{projectId}/instances/{id}` acts on an `Instance` within a `Project`.

use domain::{Call, Operation};
use unicode_normalization::UnicodeNormalization as _;

/// The singleton a collection without a parent acts on: the API itself.
pub(crate) const API_TYPE: &str = "Api";

/// Names that mean something else in a Cedar schema.
const TAKEN: [&str; 10] =
    [API_TYPE, "Action", "Bool", "Boolean", "Entity", "Extension", "Long", "Record", "Set", "String"];

/// One path parameter, and what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The entity type, without its namespace.
    pub(crate) kind: String,
    /// The literal segments between the parameter before and this one.
    between: Vec<String>,
    parameter: String,
}

/// What a path template names, outermost first; empty where it has no parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourcePath(pub(crate) Vec<Step>);

impl ResourcePath {
    pub(crate) fn of(operation: &Operation) -> Self {
        let template = operation.template.split('#').next().unwrap_or_default();
        let mut steps = Vec::new();
        let mut between: Vec<String> = Vec::new();
        for segment in template.split('/').filter(|it| !it.is_empty()) {
            let parameter = segment.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
            let Some((name, _)) = parameter else {
                between.push(segment.to_owned());
                continue;
            };
            let parameter = name.trim_end_matches('+').to_owned();
            let kind = between.last().filter(|it| !is_version(it)).map_or_else(
                || pascal(parameter.trim_end_matches("Id").trim_end_matches("_id")),
                |collection| pascal(&singular(collection)),
            );
            steps.push(Step { kind, between: std::mem::take(&mut between), parameter });
        }
        Self(steps)
    }

    /// The type of the resource itself.
    pub(crate) fn kind(&self) -> &str {
        self.0.last().map_or(API_TYPE, |it| it.kind.as_str())
    }

    /// The id of the resource at each step, outermost first. Each holds those before it, so it is unique across parents:
    /// `p1`, then `p1/instances/i9`.
    pub(crate) fn ids(&self, call: &Call) -> Option<Vec<String>> {
        let mut ids: Vec<String> = Vec::with_capacity(self.0.len());
        for (at, step) in self.0.iter().enumerate() {
            let value: String = call.parameter(&step.parameter)?.nfc().collect();
            let last = at + 1 == self.0.len();
            // A slash within a parameter that others follow would make two resources one.
            let value = if last { value } else { value.replace('%', "%25").replace('/', "%2F") };
            ids.push(match ids.last() {
                None => value,
                Some(parent) => {
                    let mut id = parent.clone();
                    for part in step.between.iter().chain([&value]) {
                        id.push('/');
                        id.push_str(part);
                    }
                    id
                }
            });
        }
        Some(ids)
    }
}

fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

fn singular(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ies").filter(|it| it.len() > 1) {
        return format!("{stem}y");
    }
    for ending in ["sses", "shes", "ches", "xes"] {
        if let Some(stem) = word.strip_suffix(ending) {
            return format!("{stem}{}", ending.trim_end_matches("es"));
        }
    }
    let kept = ["ss", "us", "sis"].iter().any(|it| word.ends_with(it));
    word.strip_suffix('s').filter(|it| !kept && !it.is_empty()).unwrap_or(word).to_owned()
}

fn pascal(word: &str) -> String {
    let mut name = String::with_capacity(word.len());
    for part in word.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| !it.is_empty()) {
        let mut letters = part.chars();
        name.extend(letters.next().map(|it| it.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    if !name.starts_with(|it: char| it.is_ascii_alphabetic()) || TAKEN.contains(&name.as_str()) {
        name = format!("{}Resource", name.trim_start_matches(|it: char| it.is_ascii_digit()));
    }
    name
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sample;

    #[track_caller]
    fn check(template: &str, kinds: &[&str]) {
        let path = ResourcePath::of(&sample::operation("o", template));
        assert_eq!(path.0.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>(), kinds, "{template}");
    }

    #[test]
    fn a_parameter_is_named_for_its_collection_or_else_for_itself() {
        check("/v2/compute/instances", &[]);
        check("/v2/compute/instances/{id}", &["Instance"]);
        check("/v1/projects/{projectId}/instances/{instanceId}/stop", &["Project", "Instance"]);
        check("/{bucket}/{key}#uploads", &["Bucket", "Key"]);
        check("/v1/{orgId}/policies/{id}", &["Org", "Policy"]);
        check("/ssh-keys/{id}", &["SshKey"]);
        check("/addresses/{id}", &["Address"]);
        check("/statuses/{id}", &["Statuse"]);
        check("/status/{id}", &["Status"]);
        check("/sets/{id}", &["SetResource"]);
        check("/apis/{id}", &["ApiResource"]);
    }

    #[test]
    fn an_id_holds_those_of_its_parents_and_no_two_resources_share_one() {
        let call = |template: &str, parameters: &[&str]| Call {
            operation: Arc::new(sample::operation("o", template)),
            parameters: parameters.iter().map(|it| (*it).to_owned()).collect(),
        };
        let ids = |it: &Call| ResourcePath::of(&it.operation).ids(it);
        let nested = call("/v1/projects/{p}/instances/{i}", &["p1", "i9"]);
        assert_eq!(ids(&nested).unwrap(), ["p1", "p1/instances/i9"]);
        let slash_in_parent = call("/{bucket}/{key}", &["a/b", "c"]);
        let slash_in_child = call("/{bucket}/{key}", &["a", "b/c"]);
        assert_ne!(ids(&slash_in_parent), ids(&slash_in_child));
        let (composed, decomposed) = (call("/x/{i}", &["\u{e9}"]), call("/x/{i}", &["e\u{301}"]));
        assert_eq!(ids(&composed), ids(&decomposed));
        assert_eq!(ids(&call("/x/{i}", &[])), None);
    }
}
