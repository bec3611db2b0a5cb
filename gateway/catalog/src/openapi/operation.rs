//! One method of one path.

use std::sync::Arc;

use domain::{Body, Class, Native, NativeVerb, Operation, OperationId};
use http::Method;

use super::node::{Key, Node, Tree};
use super::page::Page;
use super::parameter::Parameters;
use super::path::PathKey;
use super::schema::Schemas;
use super::{Documented, Surface, body, security};
use crate::selector::Selector;
use crate::validate::{Parameter, Validator};
use crate::written::Place;

const KEYS: [&str; 12] = [
    "tags",
    "summary",
    "description",
    "externalDocs",
    "operationId",
    "parameters",
    "requestBody",
    "responses",
    "callbacks",
    "deprecated",
    "security",
    "servers",
];

/// Says that the gateway answers.
const NATIVE: &str = "x-portcullis-native";

/// Says what kinds of data an operation touches.
const LABEL: &str = "x-portcullis-label";

/// How long a label may be.
const LONGEST_LABEL: usize = 32;

/// Extensions an operation can carry that are ours.
pub(super) const EXTENSIONS: [&str; 6] =
    [NATIVE, LABEL, "x-portcullis-stream", "x-portcullis-body", "x-portcullis-max-bytes", "x-portcullis-strict"];

/// What the operations of one path have in common.
#[derive(Clone, Copy)]
pub(super) struct Reader<'r, 'a> {
    pub(super) page: &'r Page<'a>,
    pub(super) schemas: &'r Schemas,
    pub(super) surface: &'r Surface<'r>,
    pub(super) path: &'r PathKey,
    pub(super) item: &'a Node,
}

impl<'a> Reader<'_, 'a> {
    /// Reads the operation under a method; `None`, with a fault, where it has no name to be known by.
    pub(super) fn read(&self, method: &Key, node: &'a Node) -> Option<Documented> {
        let page = self.page;
        page.known_keys(node, &KEYS);
        if let Some(responses) = node.get("responses").filter(|it| it.entries().is_empty()) {
            page.fault(responses.place, "`responses` must say of at least one answer");
        }
        let id = page.known_by(|| self.id(method, node));
        let verb = Method::from_bytes(method.text.to_ascii_uppercase().as_bytes()).ok()?;
        let classes = [("read", Class::Read), ("write", Class::Write), ("delete", Class::Delete)];
        let class = page.known_by(|| page.word(node, "x-cedar-class", &classes)).unwrap_or_else(|| class(&verb));
        let body = body::read(page, self.schemas, node);
        let parameters = Parameters::read(page, self.schemas, self.item, node);
        let rest = self.path.rest || self.rest(&parameters);
        self.selected(method.place, &parameters);
        let path = self.in_order(method.place, parameters.path, parameters.lost);
        let requirement = page.known_by(|| security::requirement(page, node, method.place));
        let streams = page.flag(node, "x-portcullis-stream").unwrap_or_default();
        let long_lived = streams || matches!(body.treatment, Body::Streamed { .. });
        let (tags, labels) = (page.known_by(|| self.tags(node)), self.labels(node));
        let strict = class != Class::Read || !labels.is_empty();
        let operation = Operation {
            api: self.surface.api.clone(),
            api_index: self.surface.api_index,
            id: id?,
            method: verb,
            template: self.path.template.clone(),
            parameters: self.path.parameters.clone(),
            class,
            requirement,
            tags,
            labels,
            native: self.native(node),
            deprecated: page.flag(node, "deprecated").unwrap_or_default(),
            body: body.treatment,
            deadline: (!long_lived).then_some(self.surface.long_lived_total),
            strict: page.flag(node, "x-portcullis-strict").unwrap_or(strict),
        };
        let validator = Validator {
            path,
            query: parameters.query,
            headers: parameters.headers,
            cookies: parameters.cookies,
            selectors: self.path.selectors.clone(),
            unknown_query: self.surface.unknown_query,
            closed_headers: self.surface.closed_headers.to_vec(),
            reads: parameters.reads,
            body,
        };
        let selectors = self.path.selectors.clone();
        Some(Documented { operation: Arc::new(operation), selectors, rest, validator })
    }

    /// What selects the operation is what its requests have: a header is a required parameter, and a query parameter is not
    /// what the document knows as a header.
    fn selected(&self, place: Place, parameters: &Parameters) {
        for selector in self.path.selectors.iter().filter(|_| !parameters.lost) {
            let headers = &parameters.headers;
            match selector {
                Selector::Header(name) if !headers.iter().any(|(it, parameter)| it == name && parameter.required) => {
                    let message = format!("selector `{selector}` is not among the required header `parameters`");
                    self.page.fault(place, message);
                }
                Selector::Query(name) if !parameters.query.iter().any(|it| it.name == *name) => {
                    let as_header = headers.iter().any(|(it, _)| it.as_str().eq_ignore_ascii_case(name));
                    let help = if as_header {
                        format!("a header is written `header:{name}`")
                    } else {
                        "add it, so that it is known what it may hold".to_owned()
                    };
                    let message = format!("selector `{selector}` is not among the query `parameters`");
                    self.page.fault_with_help(place, message, help);
                }
                Selector::Header(_) | Selector::Query(_) => {}
            }
        }
    }

    /// Who answers: the gateway by the verb that is named, the gateway in time to come, or the API behind.
    fn native(&self, node: &'a Node) -> Native {
        let Some(value) = node.get(NATIVE) else { return Native::No };
        if let Tree::Bool(own) = value.tree {
            return if own { Native::Unserved } else { Native::No };
        }
        let verb = value.text().and_then(NativeVerb::named);
        if verb.is_none() {
            let known: Vec<String> = NativeVerb::ALL.iter().map(|it| format!("`{}`", it.as_str())).collect();
            let message = format!("`{NATIVE}` must be `true` or what the gateway does: {}", known.join(", "));
            self.page.fault(value.place, message);
        }
        verb.map_or(Native::Unserved, Native::Served)
    }

    fn id(&self, method: &Key, node: &'a Node) -> Option<OperationId> {
        if node.get("operationId").is_none() {
            self.page.fault(method.place, format!("operation `{}` has no `operationId`", method.text));
        }
        let text = self.page.text(node, "operationId")?;
        let place = node.get("operationId").map_or(method.place, |it| it.place);
        text.parse().map_err(|error: domain::BadName| self.page.fault(place, error.to_string())).ok()
    }

    fn tags(&self, node: &'a Node) -> Vec<String> {
        let text = |it: &Node| {
            if it.text().is_none() {
                self.page.fault(it.place, "a tag must be a text");
            }
            it.text().map(str::to_owned)
        };
        node.get("tags").map_or(&[][..], Node::items).iter().filter_map(text).collect()
    }

    /// One label, or a list of them, each once.
    fn labels(&self, node: &'a Node) -> Vec<String> {
        let Some(value) = node.get(LABEL) else { return Vec::new() };
        let named = if value.text().is_some() { std::slice::from_ref(value) } else { value.items() };
        if named.is_empty() {
            self.page.fault(value.place, format!("`{LABEL}` must be a label or a list of them"));
        }
        let mut labels: Vec<String> = Vec::new();
        for it in named {
            let fits = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-' || it == b'_';
            let text = it.text().unwrap_or_default();
            if !(1..=LONGEST_LABEL).contains(&text.len()) || !text.bytes().all(fits) {
                let message = format!("a label is 1 to {LONGEST_LABEL} of `a` to `z`, `0` to `9`, `-` and `_`");
                self.page.fault(it.place, message);
            } else if labels.iter().any(|it| it == text) {
                self.page.fault(it.place, format!("label `{text}` is named twice"));
            } else {
                labels.push(text.to_owned());
            }
        }
        labels
    }

    /// Whether a path parameter is marked to take the rest; only the last segment can.
    fn rest(&self, parameters: &Parameters) -> bool {
        let last = self.path.parameters.last().filter(|it| self.path.template.ends_with(&format!("{{{it}}}")));
        for (place, name) in &parameters.rest {
            if Some(name) != last {
                self.page.fault(*place, format!("`{name}` cannot take the rest: it is not the last segment"));
            }
        }
        parameters.rest.iter().any(|(_, name)| Some(name) == last)
    }

    /// The documented path parameters in the order of the template, which must name the same ones.
    /// Where a reference leads to nothing, that is said already.
    fn in_order(&self, place: Place, mut documented: Vec<(Place, Parameter)>, lost: bool) -> Vec<Parameter> {
        let mut ordered = Vec::new();
        for name in &self.path.parameters {
            match documented.iter().position(|(_, it)| it.name == *name) {
                Some(at) => ordered.push(documented.remove(at).1),
                None if lost => {}
                None => self.page.fault(place, format!("path parameter `{name}` is not among the `parameters`")),
            }
        }
        for (place, extra) in documented {
            self.page.fault(place, format!("path parameter `{}` is not in `{}`", extra.name, self.path.template));
        }
        ordered
    }
}

fn class(method: &Method) -> Class {
    match *method {
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE => Class::Read,
        Method::DELETE => Class::Delete,
        _ => Class::Write,
    }
}
