//! The `parameters` of an operation and of the path it stands on.

use std::collections::HashMap;

use http::HeaderName;

use super::node::{Node, Tree};
use super::page::Page;
use super::schema::Schemas;
use crate::source::Reads;
use crate::validate::{Media, Parameter, Scalar, Shape};
use crate::written::Place;

const KEYS: [&str; 11] = [
    "name",
    "in",
    "description",
    "required",
    "deprecated",
    "style",
    "explode",
    "schema",
    "content",
    "example",
    "examples",
];

/// Says that a header names a path of the host which is read as well.
const READS: &str = "x-portcullis-reads";

/// The longest JSON text in a parameter, in bytes, unless the document says otherwise.
const JSON: u64 = 2 * 1024;

/// Headers that other parts of a document describe (OpenAPI 3.1 section 4.8.12.1).
const NOT_PARAMETERS: [&str; 3] = ["accept", "content-type", "authorization"];

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum In {
    Path,
    Query,
    Header,
    Cookie,
}

/// All parameters of one operation, sorted out.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    /// Parameters of the path, with their places.
    pub(super) path: Vec<(Place, Parameter)>,
    /// Parameters of the query.
    pub(super) query: Vec<Parameter>,
    /// Parameters in headers.
    pub(super) headers: Vec<(HeaderName, Parameter)>,
    /// Parameters in cookies.
    pub(super) cookies: Vec<Parameter>,
    /// Path parameters marked to take the rest of the path.
    pub(super) rest: Vec<(Place, String)>,
    /// What a header says is read besides the resource itself.
    pub(super) reads: Option<Reads>,
    /// Whether there may be more: one of them, or its schema, is a reference that leads to nothing.
    pub(super) lost: bool,
}

impl Parameters {
    /// Reads the parameters of a path and those of one of its operations, which go before.
    pub(super) fn read<'a>(page: &Page<'a>, schemas: &Schemas, item: &'a Node, operation: &'a Node) -> Self {
        let mut effective: Vec<(In, &'a str, &'a Node)> = Vec::new();
        let mut read = Self::default();
        for holder in [item, operation] {
            let Some(list) = holder.get("parameters") else { continue };
            if !matches!(list.tree, Tree::List(_)) {
                page.fault(list.place, "`parameters` must be a list");
            }
            let mut here = HashMap::new();
            for node in list.items() {
                let leads = |it| page.resolve(it);
                read.lost |= leads(node).is_none_or(|it| it.get("schema").is_some_and(|it| leads(it).is_none()));
                let Some((stands, name, node)) = identity(page, node) else { continue };
                if let Some(line) = here.insert((stands, name.to_ascii_lowercase()), node.place.line) {
                    page.fault(node.place, format!("parameter `{name}` is named twice, first on line {line}"));
                }
                effective.retain(|(it, other, _)| *it != stands || *other != name);
                effective.push((stands, name, node));
            }
        }
        for (stands, name, node) in effective {
            read.sort_in(page, stands, node, parameter(page, schemas, stands, name, node));
        }
        read
    }

    fn sort_in(&mut self, page: &Page<'_>, stands: In, node: &Node, parameter: Option<Parameter>) {
        let Some(parameter) = parameter else { return };
        match stands {
            In::Path => {
                if let Some(mark) = node.get("x-portcullis-rest").filter(|it| matches!(it.tree, Tree::Bool(true))) {
                    self.rest.push((mark.place, parameter.name.clone()));
                }
                self.path.push((node.place, parameter));
            }
            In::Query => self.query.push(parameter),
            In::Cookie => self.cookies.push(parameter),
            In::Header => match parameter.name.parse::<HeaderName>() {
                Ok(header) if NOT_PARAMETERS.contains(&header.as_str()) => {}
                Ok(header) => {
                    self.reads = self.reads.take().or_else(|| reads(page, node, &header));
                    self.headers.push((header, parameter));
                }
                Err(_) => page.fault(node.place, format!("`{}` cannot be a header", parameter.name)),
            },
        }
    }
}

/// What the extension of a header says that it names.
fn reads(page: &Page<'_>, node: &Node, header: &HeaderName) -> Option<Reads> {
    let said = node.get(READS)?;
    for (key, _) in said.entries().iter().filter(|(it, _)| !["operation", "query"].contains(&it.text.as_str())) {
        page.fault(key.place, format!("`{}` is not known here", key.text));
    }
    let operation = said.get("operation").and_then(Node::text).and_then(|it| it.parse().ok());
    let query: Option<Vec<String>> =
        said.get("query").map_or(&[][..], Node::items).iter().map(|it| it.text().map(str::to_owned)).collect();
    let (Some(operation), Some(query)) = (operation, query) else {
        page.fault(
            said.place,
            format!("`{READS}` must name an `operation`, and the `query` parameters it is asked with"),
        );
        return None;
    };
    Some(Reads { place: said.place, header: header.clone(), operation, query })
}

/// Where a parameter stands, its name, and what its reference leads to.
fn identity<'a>(page: &Page<'a>, node: &'a Node) -> Option<(In, &'a str, &'a Node)> {
    let node = page.resolve(node)?;
    page.known_keys(node, &KEYS);
    for key in ["name", "in"] {
        if node.get(key).is_none() {
            page.fault(node.place, format!("parameter has no `{key}`"));
        }
    }
    let name = page.text(node, "name")?;
    let places = [("path", In::Path), ("query", In::Query), ("header", In::Header), ("cookie", In::Cookie)];
    let stands = page.word(node, "in", &places)?;
    Some((stands, name, node))
}

fn parameter<'a>(page: &Page<'a>, schemas: &Schemas, stands: In, name: &str, node: &'a Node) -> Option<Parameter> {
    let required = page.flag(node, "required").unwrap_or_default();
    if stands == In::Path && !required {
        page.fault(node.place, format!("path parameter `{name}` must be `required: true`"));
    }
    let (shape, schema) = match (node.get("schema"), node.get("content")) {
        (Some(schema), None) => (shape(page, stands, node, schema)?, schema),
        (None, Some(content)) => {
            let max = page.bytes(node, "x-portcullis-max-bytes").unwrap_or(JSON);
            (Shape::Json { max }, json_content(page, content)?)
        }
        _ => {
            page.fault(node.place, format!("parameter `{name}` must have either a `schema` or a `content`"));
            return None;
        }
    };
    match schemas.compile(schema) {
        Ok(schema) => Some(Parameter { name: name.to_owned(), required, shape, schema }),
        Err(error) => {
            page.fault(schema.place, format!("schema of parameter `{name}` does not compile: {error}"));
            None
        }
    }
}

/// The schema of the one JSON media type of a parameter's `content`.
fn json_content<'a>(page: &Page<'a>, content: &'a Node) -> Option<&'a Node> {
    if let [(key, media)] = content.entries()
        && Media::parse(&key.text).is_some_and(|it| it.is_json())
        && let Some(schema) = media.get("schema")
    {
        return Some(schema);
    }
    page.fault(content.place, "the `content` of a parameter must be one JSON media type with a `schema`");
    None
}

/// How the text of a parameter is read, from its `style`, its `explode` and the type its schema names.
fn shape<'a>(page: &Page<'a>, stands: In, node: &'a Node, schema: &'a Node) -> Option<Shape> {
    let usual = if matches!(stands, In::Query | In::Cookie) { "form" } else { "simple" };
    if let Some(style) = node.get("style").filter(|it| it.text() != Some(usual)) {
        let style_text = style.text().unwrap_or_default();
        page.fault(style.place, format!("parameter style `{style_text}` is not supported here, only `{usual}`"));
        return None;
    }
    let explode = page.flag(node, "explode").unwrap_or(stands == In::Query);
    let schema = page.resolve(schema)?;
    if type_of(schema) == Some("array") {
        let items = schema.get("items").and_then(|it| page.resolve(it));
        let Some(scalar) = items.and_then(scalar) else {
            page.fault(schema.place, "the `items` of a list parameter need one scalar `type`");
            return None;
        };
        return Some(if explode && stands == In::Query { Shape::Repeated(scalar) } else { Shape::Commas(scalar) });
    }
    let scalar = scalar(schema);
    if scalar.is_none() {
        page.fault(
            schema.place,
            "the schema of a parameter needs one `type`: string, integer, number, boolean or array",
        );
    }
    scalar.map(Shape::One)
}

fn scalar(schema: &Node) -> Option<Scalar> {
    match type_of(schema) {
        Some("string") => Some(Scalar::Text),
        Some("integer") => Some(Scalar::Integer),
        Some("number") => Some(Scalar::Number),
        Some("boolean") => Some(Scalar::Boolean),
        Some(_) => None,
        // Documented values that are all texts can only be meant as texts.
        None => {
            let mut values =
                schema.get("enum").map_or(&[][..], Node::items).iter().chain(schema.get("const")).peekable();
            (values.peek().is_some() && values.all(|it| it.text().is_some())).then_some(Scalar::Text)
        }
    }
}

/// The one type of a schema, `null` aside.
fn type_of(schema: &Node) -> Option<&str> {
    let kind = schema.get("type")?;
    let mut types = kind.items().iter().chain([kind]).filter_map(Node::text).filter(|it| *it != "null");
    let first = types.next()?;
    types.next().is_none().then_some(first)
}
