//! What must hold for a document as a whole, before its operations are read: its version, that references stay within
//! it and end, that extensions are ones we know, that schemas are schemas.

use std::collections::HashMap;

use super::keywords::Holds;
use super::node::{Key, Node};
use super::operation::EXTENSIONS;
use super::page::Page;
use super::shown::Shown;
use super::{METHODS, keywords, schema, shown};
use crate::written::Place;

/// Keys whose map holds names of the writer's own.
const NAMES: [&str; 14] = [
    "paths",
    "responses",
    "parameters",
    "headers",
    "requestBodies",
    "securitySchemes",
    "callbacks",
    "links",
    "pathItems",
    "content",
    "encoding",
    "variables",
    "mapping",
    "scopes",
];

/// Keys whose value is data.
const DATA: [&str; 6] = ["example", "examples", "default", "enum", "const", "value"];

/// Schema keywords that would change what a reference means.
const REFUSED: [&str; 6] = ["$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$schema", "$vocabulary"];

/// Schema keywords that apply to the very same value.
const IN_PLACE: [&str; 8] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"];

/// How many schemas may apply to one value through each other.
const MAX_IN_PLACE: usize = 32;

/// What was found on the way.
pub(super) struct Surveyed<'a> {
    /// Whether every schema is one, and every reference leads somewhere and ends: whoever compiles trusts in that.
    pub(super) compiles: bool,
    /// Every default and every example.
    pub(super) shown: Vec<Shown<'a>>,
}

/// Goes through the whole document once.
pub(super) fn document<'a>(page: &Page<'a>) -> Surveyed<'a> {
    version(page);
    for key in ["info", "paths"] {
        if page.root.get(key).is_none() {
            page.fault(page.root.place, format!("document has no `{key}`"));
        }
    }
    let surveyed = Surveyed { compiles: true, shown: Vec::new() };
    let mut survey = Survey { page, heights: HashMap::new(), surveyed };
    survey.object("", page.root);
    let schemas = page.root.get("components").and_then(|it| it.get("schemas"));
    for (_, schema) in schemas.map_or(&[][..], Node::entries) {
        survey.schema(schema);
    }
    survey.surveyed
}

fn version(page: &Page<'_>) {
    let version = page.root.get("openapi");
    if !version.and_then(Node::text).is_some_and(|it| it.starts_with("3.1.")) {
        let place = version.map_or(page.root.place, |it| it.place);
        page.fault(place, "document must say `openapi: \"3.1.0\"` or a later 3.1");
    }
}

struct Survey<'r, 'a> {
    page: &'r Page<'a>,
    /// For each schema, by address, how many others apply to a value through it; `None` while that is being found out.
    heights: HashMap<*const Node, Option<usize>>,
    surveyed: Surveyed<'a>,
}

impl<'a> Survey<'_, 'a> {
    /// A part of the document outside of schemas, and the key it stands under.
    fn object(&mut self, under: &str, node: &'a Node) {
        self.reference(node);
        self.surveyed.shown.extend(shown::by_holder(self.page, under, node));
        for item in node.items() {
            self.object("", item);
        }
        for (key, child) in node.entries() {
            match key.text.as_str() {
                "schema" => self.schema(child),
                "schemas" => {}
                name if DATA.contains(&name) || self.extension(under, key, node) => {}
                name if NAMES.contains(&name) => {
                    for (key, it) in child.entries() {
                        self.object(if name == "content" { &key.text } else { "" }, it);
                    }
                    for it in child.items() {
                        self.object("", it);
                    }
                }
                name => self.object(name, child),
            }
        }
    }

    /// Whether a key is an extension; those that bear our name must be known.
    fn extension(&self, under: &str, key: &Key, holder: &Node) -> bool {
        let name = key.text.as_str();
        let stands = holder.get("in").and_then(Node::text);
        let known = match name {
            "x-portcullis-rest" => stands == Some("path"),
            "x-portcullis-reads" => stands == Some("header"),
            "x-portcullis-max-bytes" if stands.is_some() => holder.get("content").is_some(),
            _ => METHODS.contains(&under) && EXTENSIONS.contains(&name),
        };
        if name.starts_with("x-portcullis-") && !known {
            self.page.fault(key.place, format!("extension `{name}` is not known here"));
        }
        if let Some(meant) = misspelt(name) {
            let message = format!("extension `{name}` would be passed over");
            self.page.fault_with_help(key.place, message, format!("did you mean `{meant}`?"));
        }
        name.starts_with("x-")
    }

    /// A whole schema: checked against the meta-schema, then keyword by keyword.
    fn schema(&mut self, node: &'a Node) {
        let json = node.to_json(&str::to_owned);
        let meta = jsonschema::draft202012::meta::validator();
        for error in meta.iter_errors(&json) {
            let at = node.at(error.instance_path().as_str()).unwrap_or(node);
            self.broken(at.place, format!("schema is not JSON Schema 2020-12: {error}"));
        }
        self.keywords(node);
    }

    /// A fault that keeps schemas from being compiled.
    fn broken(&mut self, place: Place, message: impl Into<String>) {
        self.surveyed.compiles = false;
        self.page.fault(place, message);
    }

    fn keywords(&mut self, node: &'a Node) {
        self.reference(node);
        self.height(node, 0);
        self.surveyed.shown.extend(shown::by_schema(node));
        for (key, child) in node.entries() {
            self.keyword(key, child);
            match keywords::holds(&key.text).unwrap_or(Holds::Other) {
                Holds::Schema => self.keywords(child),
                Holds::Schemas => child.items().iter().for_each(|it| self.keywords(it)),
                Holds::Named => child.entries().iter().for_each(|(_, it)| self.keywords(it)),
                Holds::Other => {}
            }
        }
    }

    fn keyword(&mut self, key: &Key, value: &Node) {
        let page = self.page;
        match (key.text.as_str(), value.text()) {
            ("pattern", Some(pattern)) if !schema::is_pattern(pattern) => {
                self.broken(value.place, "pattern is not one that can be matched in linear time");
            }
            ("patternProperties", _) => {
                for (pattern, _) in value.entries().iter().filter(|(it, _)| !schema::is_pattern(&it.text)) {
                    self.broken(pattern.place, "pattern is not one that can be matched in linear time");
                }
            }
            ("format", Some(format)) if !schema::is_format(format) => {
                page.fault(value.place, format!("format `{format}` is not known, so nothing would hold a value to it"));
            }
            ("nullable", _) => page.fault_with_help(
                key.place,
                "`nullable` means nothing in OpenAPI 3.1",
                "write `type: [string, \"null\"]`",
            ),
            (name, _) if REFUSED.contains(&name) => {
                self.broken(key.place, format!("`{name}` is not supported: refer to `#/components/schemas/...`"));
            }
            (name, _) if name.starts_with("x-portcullis-") => {
                page.fault(key.place, format!("extension `{name}` is not known here"));
            }
            (name, _) if keywords::holds(name).is_none() && !name.starts_with("x-") => {
                let message = format!("keyword `{name}` is not known, so nothing would hold a value to it");
                match keywords::meant(name) {
                    Some(near) => page.fault_with_help(key.place, message, format!("did you mean `{near}`?")),
                    None => page.fault(key.place, message),
                }
            }
            _ => {}
        }
    }

    /// A reference leads to something else within the document.
    fn reference(&mut self, node: &Node) {
        let Some(reference) = node.get("$ref") else { return };
        let page = self.page;
        let leads = |it: &str| it.starts_with("#/") && page.target(it).and_then(|it| page.resolve(it)).is_some();
        self.surveyed.compiles &= reference.text().is_some_and(leads);
        match reference.text() {
            Some(text) if text.starts_with("#/") => {
                if page.target(text).and_then(|it| page.resolve(it)).is_none() {
                    page.fault(reference.place, format!("reference `{text}` leads to nothing"));
                }
            }
            Some(text) => page.fault_with_help(
                reference.place,
                format!("reference `{text}` leaves the document"),
                "references are never fetched: copy what it names into `components`",
            ),
            None => page.fault(reference.place, "`$ref` must be a text"),
        }
    }

    /// How many schemas apply to one value through this one. Without a bound, one value could keep a validator busy for
    /// ever, or exhaust its stack.
    fn height(&mut self, node: &'a Node, depth: usize) -> usize {
        let address = std::ptr::from_ref(node);
        match self.heights.get(&address) {
            Some(Some(height)) => return *height,
            Some(None) => {
                self.broken(node.place, "schema applies to itself without end");
                return 0;
            }
            None => {}
        }
        if depth > MAX_IN_PLACE {
            self.broken(node.place, format!("more than {MAX_IN_PLACE} schemas apply to one value"));
            return 0;
        }
        self.heights.insert(address, None);
        let page = self.page;
        let target = node.get("$ref").and_then(Node::text).and_then(|it| page.target(it));
        let applied = IN_PLACE.iter().filter_map(|it| node.get(it));
        let within = applied.flat_map(|it| it.items().iter().chain(it.entries().iter().map(|(_, it)| it)).chain([it]));
        let height = 1 + target.into_iter().chain(within).map(|it| self.height(it, depth + 1)).max().unwrap_or(0);
        self.heights.insert(address, Some(height));
        if height > MAX_IN_PLACE {
            self.broken(node.place, format!("more than {MAX_IN_PLACE} schemas apply to one value"));
        }
        height
    }
}

/// An extension of ours whose name has a letter too many, too few or out of place where it says that it is one.
fn misspelt(name: &str) -> Option<String> {
    const OURS: &str = "x-portcullis";
    let (at, _) = name.match_indices(['-', '_']).nth(1)?;
    let (owner, rest) = name.split_at_checked(at)?;
    let near = strsim::damerau_levenshtein(owner, OURS) <= 2 && !name.starts_with("x-portcullis-");
    near.then(|| format!("{OURS}-{}", rest.get(1..).unwrap_or_default()))
}
