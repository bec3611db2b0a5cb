//! An OpenAPI 3.1 document as operations, each with what its requests must be.
//!
//! Reads the whole document before it gives up: every fault is found at once and has its line. What the gateway would
//! not hold a request to, such as a parameter style it does not know, is a fault rather than a gap.

mod body;
mod keywords;
mod media;
mod node;
mod operation;
mod page;
mod parameter;
mod path;
mod schema;
mod security;
mod shown;
mod survey;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::{ApiName, Class, Fault, Faults, Operation};

use crate::selector::Selector;
use crate::validate::{UnknownQuery, Validator};
use crate::written::Place;
use node::Node;
use page::Page;
use path::PathKey;
use schema::Schemas;

/// What a profile says of one document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surface<'a> {
    /// The API.
    pub(crate) api: &'a ApiName,
    /// Where it stands in the catalog.
    pub(crate) api_index: usize,
    /// What comes before the document's paths; empty or `/like/this`.
    pub(crate) base_path: &'a str,
    /// What becomes of query parameters the document does not name.
    pub(crate) unknown_query: UnknownQuery,
    /// Where it is served.
    pub(crate) hosts: &'a [String],
    /// How headers begin that are refused where the document does not name them.
    pub(crate) closed_headers: &'a [String],
    /// The deadline of operations that are neither streams nor streamed to.
    pub(crate) long_lived_total: Duration,
}

/// What could be read of a document.
#[derive(Clone, Debug, Default)]
pub(crate) struct Document {
    /// The operations, in its order.
    pub(crate) operations: Vec<Documented>,
    /// Whether these are all there are, each with the id and the scopes that it has, whatever else is wrong.
    pub(crate) whole: bool,
    /// Everything that is wrong with it.
    pub(crate) faults: Faults,
}

impl Document {
    /// The document, if nothing is wrong with it.
    #[cfg(test)]
    pub(crate) fn sound(self) -> Result<Self, Faults> {
        if self.faults.is_empty() { Ok(self) } else { Err(self.faults) }
    }

    fn unread(fault: Fault) -> Self {
        Self { faults: vec![fault], ..Self::default() }
    }
}

/// One operation and what is asked of its requests.
#[derive(Clone, Debug)]
pub(crate) struct Documented {
    /// The operation.
    pub(crate) operation: Arc<Operation>,
    /// What in a request selects it.
    pub(crate) selectors: Vec<Selector>,
    /// Whether its last path parameter takes the rest of the path.
    pub(crate) rest: bool,
    /// Holds requests to the document.
    pub(crate) validator: Validator,
}

/// The methods an operation can have.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The stack a document is read on, in bytes.
const STACK: usize = 32 * 1024 * 1024;

/// Reads a document and finds everything that is wrong with it.
pub(crate) fn load(file: &Path, surface: &Surface<'_>) -> Document {
    match std::fs::read_to_string(file) {
        Ok(text) => read(file, &text, surface),
        Err(error) => Document::unread(Fault::of(file, format!("document cannot be read: {error}"))),
    }
}

/// Reads on a stack of its own: at the deepest nesting that is allowed, a parser takes more than a worker thread has.
fn read(file: &Path, text: &str, surface: &Surface<'_>) -> Document {
    let read = std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().name("openapi".to_owned()).stack_size(STACK);
        reader.spawn_scoped(scope, || read_here(file, text, surface)).ok()?.join().ok()
    });
    read.unwrap_or_else(|| Document::unread(Fault::of(file, "document cannot be read: its reader broke off")))
}

fn read_here(file: &Path, text: &str, surface: &Surface<'_>) -> Document {
    let root = match Node::parse(file, text) {
        Ok(root) => root,
        Err(fault) => return Document::unread(fault),
    };
    let page = Page::new(file, &root);
    let surveyed = survey::document(&page);
    servers(&page, surface);
    let schemas = if surveyed.compiles { Schemas::new(&root) } else { Ok(Schemas::none()) };
    let schemas = schemas.unwrap_or_else(|message| {
        page.fault(Place { line: 1, column: 1 }, message);
        Schemas::none()
    });
    shown::hold(&page, &schemas, &surveyed.shown);
    let operations = operations(&page, &schemas, surface);
    Document { operations, whole: !page.lacks(), faults: page.done() }
}

fn operations(page: &Page<'_>, schemas: &Schemas, surface: &Surface<'_>) -> Vec<Documented> {
    let mut documented: Vec<Documented> = Vec::new();
    let mut shapes = HashMap::new();
    let mut ids = HashMap::new();
    let paths = page.root.get("paths").map_or(&[][..], Node::entries);
    if paths.is_empty() {
        page.lack();
    }
    for (key, item) in paths.iter().filter(|(key, _)| !key.text.starts_with("x-")) {
        let Some(path) = page.known_by(|| PathKey::read(page, key, surface)) else { continue };
        if let Some(line) = shapes.insert(path.shape(), key.place.line) {
            page.fault(key.place, format!("`{}` names the same paths as line {line}", key.text));
        }
        let Some(item) = page.resolve(item) else {
            page.lack();
            continue;
        };
        for (method, node) in item.entries() {
            if !METHODS.contains(&method.text.as_str()) {
                page.known_by(|| page.known_key(method, &["$ref", "summary", "description", "servers", "parameters"]));
                continue;
            }
            let reader = operation::Reader { page, schemas, surface, path: &path, item };
            let Some(read) = reader.read(method, node) else { continue };
            if let Some(line) = ids.insert(read.operation.id.clone(), method.place.line) {
                let place = node.get("operationId").map_or(method.place, |it| it.place);
                page.fault(place, format!("`operationId` `{}` is that of line {line} too", read.operation.id));
                page.lack();
            }
            documented.push(read);
        }
    }
    sources(page, &documented);
    documented
}

/// Whoever reads the document asks where it says, which must be where it is served.
fn servers(page: &Page<'_>, surface: &Surface<'_>) {
    // Read on its own, a document is served nowhere.
    let listed = page.root.get("servers").filter(|_| !surface.hosts.is_empty());
    for server in listed.map_or(&[][..], Node::items) {
        let Some(url) = server.get("url") else { continue };
        // A path alone is one of whatever host the document was fetched from.
        let Some(rest) = url.text().and_then(|it| it.split_once("://")).map(|(_, it)| it) else { continue };
        let (host, path) = rest.find('/').and_then(|it| rest.split_at_checked(it)).unwrap_or((rest, ""));
        let host = host.split(':').next().unwrap_or(host);
        let served = surface.hosts.iter().any(|it| it == host) && path.trim_end_matches('/') == surface.base_path;
        if !served {
            let there: Vec<String> =
                surface.hosts.iter().map(|it| format!("`https://{it}{}`", surface.base_path)).collect();
            let help = format!("its surface is {}", there.join(", "));
            page.fault_with_help(
                url.place,
                format!("server `{}` is not where this is served", url.text().unwrap_or_default()),
                help,
            );
        }
    }
}

/// What is read besides is what an operation of the document that only reads would answer with.
fn sources(page: &Page<'_>, documented: &[Documented]) {
    for reads in documented.iter().filter_map(|it| it.validator.reads.as_ref()) {
        let found = documented.iter().find(|it| it.operation.id == reads.operation);
        if found.is_none_or(|it| it.operation.class != Class::Read || it.validator.reads.is_some()) {
            let message = format!(
                "header `{}` reads by `{}`, which is no operation here that reads",
                reads.header, reads.operation
            );
            page.fault(reads.place, message);
        }
    }
}

#[cfg(test)]
mod tests;
