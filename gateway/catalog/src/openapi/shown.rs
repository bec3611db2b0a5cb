//! Values that a document shows: what a schema is given by default, and examples. One that its own schema refuses says
//! that one of the two is a slip of the pen, and nobody would know which until a request is let through.

use super::node::Node;
use super::page::Page;
use super::schema::Schemas;
use crate::validate::Media;

/// A value, and the schema it is shown for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a> {
    schema: &'a Node,
    value: &'a Node,
    what: &'static str,
}

/// What a schema shows of itself.
pub(super) fn by_schema(schema: &Node) -> impl Iterator<Item = Shown<'_>> {
    let one = |key, what| schema.get(key).map(|value| Shown { schema, value, what });
    let listed = schema.get("examples").map_or(&[][..], Node::items);
    let listed = listed.iter().map(move |value| Shown { schema, value, what: "example" });
    one("default", "default").into_iter().chain(one("example", "example")).chain(listed)
}

/// What a parameter, a header or a media type shows beside its schema. `under` is the media type it stands under; of one
/// that is no JSON an example is a text in that type, which no schema speaks of.
pub(super) fn by_holder<'a>(page: &Page<'a>, under: &str, holder: &'a Node) -> Vec<Shown<'a>> {
    let Some(schema) = holder.get("schema") else { return Vec::new() };
    if Media::parse(under).is_some_and(|it| !it.is_json()) {
        return Vec::new();
    }
    let named = holder.get("examples").map_or(&[][..], Node::entries).iter();
    let named = named.filter_map(|(_, it)| page.resolve(it)?.get("value"));
    let values = holder.get("example").into_iter().chain(named);
    values.map(|value| Shown { schema, value, what: "example" }).collect()
}

/// Faults each value that its schema refuses, where it does.
pub(super) fn hold(page: &Page<'_>, schemas: &Schemas, shown: &[Shown<'_>]) {
    for Shown { schema, value, what } in shown {
        let compiled = match schemas.compile(schema) {
            Ok(compiled) => compiled,
            Err(error) => {
                page.fault(schema.place, format!("schema does not compile: {error}"));
                continue;
            }
        };
        let json = value.to_json(&str::to_owned);
        if let Some(error) = compiled.iter_errors(&json).next() {
            let at = value.at(error.instance_path().as_str()).unwrap_or(value);
            page.fault(at.place, format!("{what} is not what its schema asks for: {error}"));
        }
    }
}
